"""검색기: 말뭉치를 한 번 인코딩해 두고 질의 여럿에 답합니다."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from ..checks import check_sentence, check_sentences, check_top_k
from ..errors import InputError, OutputError
from ..storage.atomic import atomic_folder, check_output, printable, read_json, recover_folder, write_json
from ..storage.identity import check_identity, identity
from .approximate import ApproximateIndex
from .exact import ROUNDING, PairCosines, TopK, cosine_blocks, nearest
from .margin import SMALLEST_MEAN, Scoring, check_scoring, margin
from .vectors import first_occurrences, unit_vectors

ABOUT, CORPUS, EMBEDDINGS = "retriever.json", "corpus.json", "embeddings.npy"
POSITIONS, HUBNESS, INDEX = "positions.npy", "hubness.npy", "index.faiss"  # 있을 때만 적는 것


class Hit(NamedTuple):
    """찾은 문장 하나. ``index``는 건네준 말뭉치에서의 자리(0부터)입니다."""

    sentence: str
    score: float
    index: int  # type: ignore[assignment]  # tuple.index를 가립니다


class Retriever:
    """말뭉치를 한 번만 인코딩해 두고, 질의가 올 때마다 질의만 인코딩해 찾습니다.

    Args:
        corpus: 후보 문장들. 목록, 튜플, pandas Series, 제너레이터 무엇이든 됩니다.
        model: ``load_model``이 돌려준 인코더.
        embeddings: 이미 구해 둔 ``model.encode(corpus)``의 결과 (문장 수, dim). 주면 다시 인코딩하지 않습니다. 길이가 1이
            아니면 정규화하므로 점수는 언제나 코사인입니다.
        reference: 질의와 같은 쪽의 문장들(지난 질의, 다른 언어의 말뭉치 …). 마진 점수에서 후보가 얼마나 아무에게나
            가까운지를 재는 데 씁니다. 없으면 한 번에 묻는 질의들로 잽니다.
        k: 마진 점수가 보는 이웃의 수.
        unique: True면 다듬어서 같은 문장은 처음 것만 후보로 씁니다. False면 같은 문장도 저마다 답이 됩니다.

    Attributes:
        corpus: 후보 문장 M개.
        positions: 후보마다, 건네준 말뭉치에서의 자리 (M,).
        embeddings: 후보의 길이 1인 벡터 (M, dim).

    Raises:
        InputError: 빈 목록이나 빈 문장, 모양이 안 맞는 벡터, ``k``가 범위 밖일 때.
    """

    def __init__(
        self,
        corpus: Iterable[str],
        model: SentenceTransformer,
        embeddings: Any = None,
        reference: Iterable[str] | None = None,
        k: int = 4,
        unique: bool = False,
    ) -> None:
        sentences = check_sentences(corpus, "corpus")
        asked = None if reference is None else check_sentences(reference, "reference")
        self.model = model
        kept = first_occurrences(sentences) if unique else range(len(sentences))
        self.positions = np.array(kept, dtype=np.int64)
        self.corpus = [sentences[i] for i in self.positions]
        self.k = check_top_k(k, len(self.corpus), "k")
        if asked is not None:
            check_top_k(k, len(asked), "k")
        if embeddings is None:
            embeddings = model.encode(
                self.corpus, convert_to_tensor=True, show_progress_bar=len(self.corpus) > 5_000
            )
            self.embeddings = unit_vectors(embeddings, "embeddings", len(self.corpus))
        else:
            dim = model.get_embedding_dimension()
            given = unit_vectors(embeddings, "embeddings", len(sentences), dim)
            self.embeddings = given[torch.from_numpy(self.positions)] if unique else given
        self.embeddings = self.embeddings.to(model.device)
        self.index: ApproximateIndex | None = None
        self.hubness = None if asked is None else self._hubness(self._encode(asked))

    def __len__(self) -> int:
        return len(self.corpus)

    def build_index(self) -> None:
        """근사 색인을 만들어 앞으로의 코사인 검색에 씁니다. 후보가 수십만이 넘을 때 쓰십시오(faiss 필요).

        Raises:
            InputError: 후보가 50,000개보다 적거나 faiss가 없을 때.
        """
        self.index = ApproximateIndex(self.embeddings.cpu())

    @overload
    def search(self, query: str, top_k: int = ..., scoring: Scoring = ...) -> list[Hit]: ...  # type: ignore[overload-overlap]

    @overload
    def search(self, query: Iterable[str], top_k: int = ..., scoring: Scoring = ...) -> list[list[Hit]]: ...

    def search(
        self, query: str | Iterable[str], top_k: int = 10, scoring: Scoring = "cosine"
    ) -> list[Hit] | list[list[Hit]]:
        """``query``와 가까운 후보를 점수가 높은 순서로 찾습니다. :meth:`build_index`를 부른 뒤의 코사인은 근사 검색입니다.

        Args:
            query: 질의 문장 하나, 또는 질의 Q개(목록, Series, 제너레이터 …).
            top_k: 질의마다 돌려줄 후보의 수. 1 이상 M 이하.
            scoring: ``"cosine"``, 또는 이웃과 비교하는 마진 ``"ratio"``, ``"distance"``
                (:func:`labse_helpers.search.margin.margin`).

        Returns:
            질의 하나면 :class:`Hit` ``top_k``개, 여럿이면 그것을 Q개 담은 목록. 점수가 같으면 번호가 앞선 것부터입니다.

        Raises:
            InputError: 빈 질의, ``top_k``가 범위 밖, 모르는 ``scoring``, 마진 점수에서 비교할 질의가 모자랄 때.
        """
        name = check_scoring(scoring)
        top_k = check_top_k(top_k, len(self))
        single = isinstance(query, str)
        queries = [check_sentence(query, "query")] if single else check_sentences(query, "query")
        if name != "cosine" and self.hubness is None and len(queries) <= self.k:
            raise InputError(
                f"마진 점수에는 비교할 질의가 {self.k}개보다 많아야 하는데 {len(queries)}개입니다. "
                "질의를 한꺼번에 넣거나 Retriever(..., reference=질의 쪽 문장들)로 만들어 주십시오."
            )
        vectors = self._encode(queries)
        if name != "cosine":
            scores, indices = self._margin_top_k(vectors, top_k, name)
        elif self.index:
            scores, indices = self.index.top_k(vectors, top_k)
        else:
            scores, indices = nearest(vectors, self.embeddings, top_k)
        hits = [
            [Hit(self.corpus[i], score, int(self.positions[i])) for score, i in zip(*row, strict=True)]
            for row in zip(scores.tolist(), indices.tolist(), strict=True)
        ]
        return hits[0] if single else hits

    def _encode(self, sentences: list[str]) -> Tensor:
        """길이 1인 벡터 (Q, dim)."""
        vectors = self.model.encode(sentences, convert_to_tensor=True)
        return unit_vectors(vectors, "model.encode의 결과", len(sentences)).to(self.embeddings.device)

    def _margin_top_k(self, queries: Tensor, top_k: int, scoring: str) -> tuple[Tensor, Tensor]:
        nearness = nearest(queries, self.embeddings, self.k)[0].mean(dim=1)  # (Q,)
        hubness = self.hubness if self.hubness is not None else self._hubness(queries)  # (M,)
        cosines_of, near, hub = (
            PairCosines(queries, self.embeddings),
            nearness.cpu().numpy(),
            hubness.cpu().numpy(),
        )

        def pair_scores(query: np.ndarray, candidate: np.ndarray) -> np.ndarray:
            return margin(cosines_of(query, candidate), (near[query] + hub[candidate]) / 2, scoring)

        best = TopK(len(queries), top_k, pair_scores, rounding=ROUNDING / SMALLEST_MEAN)
        for rows, columns, cosines in cosine_blocks(queries, self.embeddings):
            mean = (nearness[rows, None] + hubness[columns]) / 2
            best.look(rows, columns, margin(cosines, mean, scoring))
        return best.result()

    def _hubness(self, reference: Tensor) -> Tensor:
        """후보마다, 질의 쪽 벡터 (R, dim) 가운데 가장 가까운 k개와 이루는 코사인의 평균 (M,)."""
        return nearest(self.embeddings, reference, self.k)[0].mean(dim=1)

    def save(self, folder: str | Path) -> None:
        """문장, 벡터, 인코더의 신원을 폴더에 적습니다. 다 적은 뒤에 이름을 바꾸므로 적다 만 폴더는 남지 않습니다.

        Raises:
            OutputError: ``folder``에 검색기가 아닌 다른 것이 이미 있거나, 쓸 수 없을 때. 전에 저장한 검색기는 그대로입니다.
        """
        folder = check_output(folder)
        recover_folder(folder)
        if folder.exists() and not (folder / ABOUT).is_file():
            raise OutputError(
                f"{printable(folder)}에는 검색기가 아닌 것이 이미 있습니다. 다른 폴더에 저장해 주십시오."
            )
        encoder = identity(self.model)
        with atomic_folder(folder) as new:
            (new / CORPUS).write_text(json.dumps(self.corpus, ensure_ascii=False), encoding="utf-8")
            np.save(new / EMBEDDINGS, self.embeddings.cpu().numpy())
            if len(self.positions) != self.positions[-1] + 1:
                np.save(new / POSITIONS, self.positions)
            if self.hubness is not None:
                np.save(new / HUBNESS, self.hubness.cpu().numpy())
            if self.index:
                self.index.save(new / INDEX)
            sizes = {path.name: path.stat().st_size for path in sorted(new.iterdir())}
            write_json(new / ABOUT, {"encoder": encoder, "k": self.k, "files": sizes})

    @classmethod
    def load(cls, folder: str | Path, model: SentenceTransformer) -> "Retriever":
        """:meth:`save`로 적은 검색기를 엽니다. 벡터는 메모리에 올리지 않고 파일에서 바로 읽습니다(memory map).

        Raises:
            InputError: 저장할 때와 다른 인코더이거나, 근사 색인을 여는 데 필요한 faiss가 없을 때.
            OutputError: 검색기의 폴더가 아니거나, 파일이 없거나 깨졌을 때.
        """
        folder = Path(folder)
        recover_folder(folder)
        about = read_json(folder / ABOUT)
        if not isinstance(about, dict) or not {"encoder", "k", "files"} <= about.keys():
            raise OutputError(
                f"{printable(folder)}: 저장된 검색기가 아닙니다({ABOUT}이(가) 없거나 다릅니다). 경로를 확인해 주십시오."
            )
        check_identity(about["encoder"], model, printable(folder))
        try:
            retriever = _read(folder, about, model)
        except (OSError, ValueError, TypeError, AttributeError, EOFError, RecursionError) as error:
            raise OutputError(
                f"{printable(folder)}: 저장된 검색기를 읽을 수 없습니다({error}). "
                "Retriever를 다시 만들어 저장해 주십시오."
            ) from error
        if INDEX in about["files"]:
            retriever.index = ApproximateIndex.load(folder / INDEX, retriever.embeddings.cpu())
        return retriever


def _read(folder: Path, about: dict, model: SentenceTransformer) -> Retriever:
    """``index.faiss``를 뺀 나머지를 읽습니다. 파일이 적을 때와 다르면 OSError나 ValueError를 냅니다."""
    files = about["files"]
    if not {CORPUS, EMBEDDINGS} <= files.keys():
        raise ValueError(f"{ABOUT}에 {CORPUS}이나 {EMBEDDINGS}의 크기가 없습니다")
    for name, size in files.items():
        if (actual := (folder / name).stat().st_size) != size:
            raise ValueError(f"{name}이(가) {size:,}바이트여야 하는데 {actual:,}바이트입니다")
    corpus = json.loads((folder / CORPUS).read_text(encoding="utf-8"))
    embeddings = np.load(folder / EMBEDDINGS, mmap_mode="c")
    retriever = Retriever(corpus, model, embeddings, k=about["k"])
    if POSITIONS in files:
        retriever.positions = _vector(folder / POSITIONS, len(retriever), "i")
    if HUBNESS in files:
        retriever.hubness = torch.from_numpy(_vector(folder / HUBNESS, len(retriever), "f")).to(model.device)
    return retriever


def _vector(path: Path, n: int, kind: str) -> np.ndarray:
    """저장된 배열 (n,). 모양이나 자료형의 종류가 다르거나 유한하지 않으면 ValueError."""
    values = np.load(path)
    if values.shape != (n,) or values.dtype.kind != kind or not np.isfinite(values).all():
        raise ValueError(f"{path.name}의 모양이나 값이 다릅니다")
    return values


def return_most_similar(
    query: str | Iterable[str],
    corpus: Iterable[str],
    model: SentenceTransformer,
    top_k: int = 1,
    corpus_embeddings: Any = None,
) -> Any:
    """``corpus``에서 ``query``와 코사인 유사도가 가장 높은 문장을 찾습니다. :class:`Retriever`의 코사인 검색과 같은 답입니다.

    ``corpus``는 부를 때마다 한 번만 인코딩합니다. 여러 번 부른다면 미리 구한 ``corpus_embeddings``를 건네거나
    :class:`Retriever`를 쓰십시오.

    Args:
        query: 질의 문장 하나, 또는 질의 Q개.
        corpus: 후보 문장 M개. 목록, 튜플, pandas Series, 제너레이터 무엇이든 됩니다.
        model: ``load_model``이 돌려준 인코더.
        top_k: 질의마다 돌려줄 문장 수. 1 이상 M 이하.
        corpus_embeddings: ``model.encode(corpus)``의 결과 (M, dim). 주면 다시 인코딩하지 않습니다.

    Returns:
        질의 하나에 ``top_k=1``이면 문장 하나(str), ``top_k>1``이면 점수가 높은 순서의 목록.
        질의가 여럿이면 위의 것을 Q개 담은 목록.

    Raises:
        InputError: 빈 목록이나 빈 문장, ``top_k``가 범위 밖, 임베딩의 모양이 안 맞거나 NaN이 있을 때.
    """
    single = isinstance(query, str)
    queries = [check_sentence(query, "query")] if single else check_sentences(query, "query")
    sentences = check_sentences(corpus, "corpus")
    top_k = check_top_k(top_k, len(sentences))
    if corpus_embeddings is not None:
        dim = model.get_embedding_dimension()
        corpus_embeddings = unit_vectors(corpus_embeddings, "corpus_embeddings", len(sentences), dim)
    hits = Retriever(sentences, model, corpus_embeddings, k=1).search(queries, top_k)
    found: list[Any] = [[hit.sentence for hit in row] for row in hits]
    if top_k == 1:
        found = [row[0] for row in found]
    return found[0] if single else found
