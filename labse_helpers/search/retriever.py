"""검색기: 말뭉치를 한 번 인코딩해 두고 질의 여럿에 답합니다."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sentence_transformers import SentenceTransformer, util
from torch import Tensor

from ..checks import check_sentence, check_sentences, check_top_k
from ..errors import InputError
from ..storage.identity import check_identity, identity
from .approximate import ApproximateIndex
from .exact import CORPUS_BLOCK, _as_matrix, _check_finite, _slices, exact_top_k


class Hit(NamedTuple):
    """찾은 문장 하나."""

    sentence: str
    score: float
    index: int


class Retriever:
    """말뭉치를 한 번만 인코딩해 두고, 질의가 올 때마다 질의만 인코딩해 찾습니다.

    Args:
        corpus: 후보 문장 M개.
        model: ``load_model``이 돌려준 인코더.
        embeddings: 이미 구해 둔 ``model.encode(corpus)``의 결과 (M, dim). 주면 다시 인코딩하지 않습니다.
        reference: 질의와 같은 쪽의 문장들(지난 질의, 다른 언어의 말뭉치 …). 마진 점수에서 후보가 얼마나 아무에게나
            가까운지를 재는 데 씁니다. 없으면 한 번에 묻는 질의들로 잽니다.
        k: 마진 점수가 보는 이웃의 수.

    Raises:
        InputError: 빈 목록이나 빈 문장, 모양이 안 맞는 벡터, ``k``가 범위 밖일 때.
    """

    def __init__(
        self,
        corpus: list[str],
        model: SentenceTransformer,
        embeddings: np.ndarray | Tensor | None = None,
        reference: list[str] | None = None,
        k: int = 4,
    ) -> None:
        self.corpus = check_sentences(corpus, "corpus")
        self.model = model
        self.k = check_top_k(k, len(self.corpus), "k")
        if embeddings is None:
            embeddings = model.encode(
                self.corpus, convert_to_tensor=True, show_progress_bar=len(corpus) > 5_000
            )
        self.embeddings = _as_matrix(embeddings, "embeddings").to(model.device)
        expected = (len(self.corpus), model.get_embedding_dimension())
        if tuple(self.embeddings.shape) != expected:
            raise InputError(
                f"embeddings의 모양이 {tuple(self.embeddings.shape)}인데 {expected}이어야 합니다"
                "(문장 수, 인코더의 차원). 같은 인코더로 같은 corpus를 인코딩했는지 확인해 주십시오."
            )
        for rows in _slices(len(self.embeddings), CORPUS_BLOCK):
            _check_finite(self.embeddings[rows], "embeddings", rows.start)
        self.index: ApproximateIndex | None = None
        self.hubness = None
        if reference is not None:
            self.hubness = self._hubness(
                model.encode(check_sentences(reference, "reference"), convert_to_tensor=True)
            )

    def __len__(self) -> int:
        return len(self.corpus)

    def build_index(self) -> None:
        """근사 색인을 만들어 앞으로의 코사인 검색에 씁니다. 후보가 수십만이 넘을 때 쓰십시오(faiss 필요).

        Raises:
            InputError: 후보가 50,000개보다 적거나 faiss가 없을 때.
        """
        self.index = ApproximateIndex(self.embeddings.cpu())

    def search(
        self, query: str | list[str], top_k: int = 10, scoring: str = "cosine"
    ) -> list[Hit] | list[list[Hit]]:
        """``query``와 가까운 후보를 점수가 높은 순서로 찾습니다. :meth:`build_index`를 부른 뒤의 코사인은 근사 검색입니다.

        Args:
            query: 질의 문장 하나, 또는 Q개의 목록.
            top_k: 질의마다 돌려줄 후보의 수. 1 이상 M 이하.
            scoring: ``"cosine"`` 또는 ``"margin"``(비율 마진; Artetxe & Schwenk 2019, P19-1309).

        Returns:
            질의 하나면 :class:`Hit` ``top_k``개, 목록이면 그것을 Q개 담은 목록.

        Raises:
            InputError: 빈 질의, ``top_k``가 범위 밖, 모르는 ``scoring``, 마진 점수에 견줄 질의가 모자랄 때.
        """
        if scoring not in ("cosine", "margin"):
            raise InputError(f"scoring은 'cosine'이나 'margin'이어야 하는데 {scoring!r}이(가) 왔습니다.")
        check_top_k(top_k, len(self))
        single = isinstance(query, str)
        queries = [check_sentence(query, "query")] if single else check_sentences(query, "query")
        embeddings = self.model.encode(queries, convert_to_tensor=True)
        if self.index and scoring == "cosine":
            scores, indices = self.index.top_k(embeddings, top_k)
        else:
            rescale = self._margin(embeddings) if scoring == "margin" else None
            scores, indices = exact_top_k(embeddings, self.embeddings, top_k, rescale)
        hits = [
            [Hit(self.corpus[index], score, index) for score, index in zip(*row, strict=True)]
            for row in zip(scores.tolist(), indices.tolist(), strict=True)
        ]
        return hits[0] if single else hits

    def _margin(self, query_embeddings: Tensor) -> Callable[[Tensor, slice, slice], Tensor]:
        hubness = self.hubness
        if hubness is None:
            if len(query_embeddings) <= self.k:
                raise InputError(
                    f"마진 점수에는 견줄 질의가 {self.k}개보다 많아야 하는데 {len(query_embeddings)}개입니다. "
                    "질의를 한꺼번에 넣거나 Retriever(..., reference=질의 쪽 문장들)로 만들어 주십시오."
                )
            hubness = self._hubness(query_embeddings)
        nearness = exact_top_k(query_embeddings, self.embeddings, self.k)[0].mean(dim=1)  # (Q,)
        return lambda block, rows, columns: block / ((nearness[rows] + hubness[columns, None]) / 2)

    def _hubness(self, reference_embeddings: Tensor) -> Tensor:
        """후보마다, 질의 쪽에서 가장 가까운 k개와 이루는 코사인의 평균 (M,)."""
        check_top_k(self.k, len(reference_embeddings), "k")
        return exact_top_k(self.embeddings, reference_embeddings, self.k)[0].mean(dim=1)

    def save(self, folder: str | Path) -> None:
        """문장, 벡터, 인코더의 신원을 폴더에 적습니다. 다 적은 뒤에 이름을 바꾸므로 적다 만 폴더는 남지 않습니다.

        Raises:
            InputError: ``folder``에 검색기가 아닌 다른 것이 이미 있거나, 쓸 수 없을 때.
        """
        folder = Path(folder)
        if folder.exists() and not (folder / "retriever.json").is_file():
            raise InputError(f"{folder}에는 검색기가 아닌 것이 이미 있습니다. 다른 폴더에 저장해 주십시오.")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as work:
                self._write(Path(work) / "new")
                if folder.exists():
                    folder.rename(Path(work) / "old")
                (Path(work) / "new").rename(folder)
        except OSError as error:
            raise InputError(
                f"{folder}에 저장하지 못했습니다({error}). 전에 저장한 것은 그대로입니다."
            ) from error

    def _write(self, folder: Path) -> None:
        folder.mkdir()
        np.save(folder / "embeddings.npy", self.embeddings.cpu().numpy())
        if self.hubness is not None:
            np.save(folder / "hubness.npy", self.hubness.cpu().numpy())
        if self.index:
            self.index.save(folder / "index.faiss")
        (folder / "corpus.json").write_text(json.dumps(self.corpus, ensure_ascii=False), encoding="utf-8")
        about = {"encoder": identity(self.model), "k": self.k, "has_reference": self.hubness is not None}
        (folder / "retriever.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path, model: SentenceTransformer) -> "Retriever":
        """:meth:`save`로 적은 검색기를 엽니다. 벡터는 메모리에 올리지 않고 파일에서 바로 읽습니다(memory map).

        Raises:
            InputError: 검색기의 폴더가 아니거나, 파일이 깨졌거나, 저장할 때와 다른 인코더일 때.
        """
        folder = Path(folder)
        try:
            about = json.loads((folder / "retriever.json").read_text(encoding="utf-8"))
            corpus = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
            embeddings = np.load(folder / "embeddings.npy", mmap_mode="c")
            hubness = np.load(folder / "hubness.npy") if about["has_reference"] else None
        except (OSError, ValueError, EOFError, KeyError) as error:
            raise InputError(
                f"{folder}: 저장된 검색기를 읽을 수 없습니다({type(error).__name__}: {error}). "
                "Retriever를 다시 만들어 저장해 주십시오."
            ) from error
        check_identity(about["encoder"], model, str(folder))
        retriever = cls(corpus, model, embeddings, k=about["k"])
        if hubness is not None:
            retriever.hubness = torch.from_numpy(hubness).to(model.device)
        if (folder / "index.faiss").exists():
            retriever.index = ApproximateIndex.load(folder / "index.faiss", retriever.embeddings.cpu())
        return retriever


def return_most_similar(
    query: str | list[str],
    corpus: list[str],
    model: SentenceTransformer,
    top_k: int = 1,
    corpus_embeddings: np.ndarray | Tensor | None = None,
) -> str | list[str] | list[list[str]]:
    """``corpus``에서 ``query``와 코사인 유사도가 가장 높은 문장을 찾습니다.

    ``corpus``는 부를 때마다 한 번만 인코딩합니다. 여러 번 부른다면 미리 구한 ``corpus_embeddings``를 건네십시오.

    Args:
        query: 질의 문장 하나, 또는 Q개의 목록.
        corpus: 후보 문장 M개.
        model: ``load_model``이 돌려준 인코더.
        top_k: 질의마다 돌려줄 문장 수. 1 이상 M 이하.
        corpus_embeddings: ``model.encode(corpus)``의 결과 (M, dim). 주면 다시 인코딩하지 않습니다.

    Returns:
        질의 하나에 ``top_k=1``이면 문장 하나(str), ``top_k>1``이면 점수가 높은 순서의 목록.
        질의가 목록이면 위의 것을 Q개 담은 목록.

    Raises:
        InputError: 빈 목록이나 빈 문장, ``top_k``가 범위 밖, 임베딩의 모양이 안 맞거나 NaN이 있을 때.
    """
    single = isinstance(query, str)
    queries = [check_sentence(query, "query")] if single else check_sentences(query, "query")
    check_sentences(corpus, "corpus")
    check_top_k(top_k, len(corpus))
    query_embeddings = model.encode(queries, convert_to_tensor=True)
    if corpus_embeddings is None:
        corpus_embeddings = model.encode(corpus, convert_to_tensor=True)
    corpus_embeddings = torch.as_tensor(corpus_embeddings).to(query_embeddings)
    expected = (len(corpus), query_embeddings.shape[1])
    if tuple(corpus_embeddings.shape) != expected:
        raise InputError(
            f"corpus_embeddings의 모양이 {tuple(corpus_embeddings.shape)}인데 {expected}이어야 합니다"
            "(문장 수, 인코더의 차원). 같은 인코더로 같은 corpus를 인코딩했는지 확인해 주십시오."
        )
    if not torch.isfinite(corpus_embeddings).all():
        raise InputError("corpus_embeddings에 NaN이나 무한대가 있습니다. 다시 인코딩해 주십시오.")
    hits = util.semantic_search(query_embeddings, corpus_embeddings, top_k=top_k)
    found = [[corpus[hit["corpus_id"]] for hit in query_hits] for query_hits in hits]
    if top_k == 1:
        found = [sentences[0] for sentences in found]
    return found[0] if single else found
