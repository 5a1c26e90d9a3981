"""검색기: 말뭉치를 한 번 인코딩해 두고 질의 여럿에 답합니다. N×M 행렬은 만들지 않습니다."""

import json
import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from .ann import ApproximateIndex
from .checks import check_sentence, check_sentences, check_top_k
from .errors import InputError
from .identity import check_identity, identity

QUERY_BLOCK, CORPUS_BLOCK = 1_024, 16_384  # 한 번에 견주는 질의와 후보의 수
TILE = 4_096  # 한 번에 곱하는 후보의 수. 그 점수가 프로세서의 캐시에 들어갑니다
GROUP = 16  # 후보 16개 가운데 최댓값만 먼저 봅니다


class Hit(NamedTuple):
    """찾은 문장 하나."""

    sentence: str
    score: float
    index: int


def exact_top_k(
    query_embeddings: np.ndarray | Tensor,
    corpus_embeddings: np.ndarray | Tensor,
    top_k: int,
    rescale: Callable[[Tensor, slice, slice], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """내적이 가장 큰 후보 ``top_k``개를 질의마다 빠짐없이 정확하게 찾습니다.

    점수를 ``16,384 × 1,024`` 블록씩 구하고 곧바로 ``top_k``개만 남기므로, 메모리는 Q와 M이 아무리 커도 그대로입니다.

    Args:
        query_embeddings: 질의 벡터 (Q, dim).
        corpus_embeddings: 후보 벡터 (M, dim). 길이 1이면 내적이 코사인 유사도입니다. ``np.memmap``도 됩니다.
        top_k: 1 이상 M 이하.
        rescale: ``(점수 (후보, 질의), 질의의 범위, 후보의 범위) -> 새 점수``. 마진처럼 점수를 고쳐 견줄 때 씁니다.

    Returns:
        점수 (Q, top_k) float32와 후보의 번호 (Q, top_k) int64. 점수가 높은 순서입니다.

    Raises:
        InputError: 모양이 안 맞거나, NaN·무한대가 있거나, ``top_k``가 범위 밖일 때.
    """
    queries = _as_matrix(query_embeddings, "query_embeddings")
    corpus = _as_matrix(corpus_embeddings, "corpus_embeddings").to(queries.device)
    if queries.shape[1] != corpus.shape[1]:
        raise InputError(
            f"query_embeddings는 {queries.shape[1]}차원, corpus_embeddings는 {corpus.shape[1]}차원입니다. "
            "같은 인코더의 벡터를 넣어 주십시오."
        )
    check_top_k(top_k, len(corpus))
    _check_finite(queries, "query_embeddings")
    with _one_torch_thread():
        found = [
            _top_k_of_rows(queries[rows], corpus, top_k, rescale, rows)
            for rows in _slices(len(queries), QUERY_BLOCK)
        ]
    scores, indices = (torch.cat(parts) for parts in zip(*found, strict=True))
    return scores, indices


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """곱셈은 numpy의 스레드가 합니다. 그동안 torch의 스레드가 코어를 두고 다투지 않게 하나로 줄입니다."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _top_k_of_rows(
    queries: Tensor, corpus: Tensor, top_k: int, rescale, rows: slice
) -> tuple[Tensor, Tensor]:
    best_scores = queries.new_empty(len(queries), 0)
    best_indices = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
    size = -(-min(CORPUS_BLOCK, len(corpus)) // TILE) * TILE
    block = queries.new_empty(size, len(queries))  # 블록마다 다시 씁니다
    group_best = queries.new_empty(size // GROUP, len(queries))
    for columns in _slices(len(corpus), CORPUS_BLOCK):
        n_tiles = 0
        for tile in _slices(columns.stop, TILE, columns.start):
            here = slice(n_tiles * TILE, (n_tiles + 1) * TILE)
            groups = slice(here.start // GROUP, here.stop // GROUP)
            _fill_tile(corpus[tile], queries, rescale, rows, tile, block[here], group_best[groups])
            n_tiles += 1
        scores, indices = _candidates(
            block[: n_tiles * TILE], group_best[: n_tiles * TILE // GROUP], top_k, best_scores
        )
        scores = torch.cat([best_scores, scores], dim=1)
        indices = torch.cat([best_indices, indices + columns.start], dim=1)
        best_scores, kept = scores.topk(min(top_k, scores.shape[1]), dim=1)
        best_indices = indices.gather(1, kept)
    return best_scores, best_indices


def _fill_tile(
    corpus: Tensor, queries: Tensor, rescale, rows: slice, columns: slice, tile: Tensor, group_best: Tensor
) -> None:
    """한 조각의 점수 (TILE, Q)와, 16개씩 묶은 최댓값 (TILE / 16, Q)을 채웁니다. 후보가 모자라는 끝은 -∞입니다.

    조각이 프로세서의 캐시에 들어가므로 최댓값은 거의 거저입니다. CPU에서는 numpy의 곱셈(OpenBLAS)이 torch의 것보다
    빠르고, 둘의 스레드를 섞으면 느려지므로 여기서는 numpy만 씁니다(benchmarks/retrieval.py).
    """
    _check_finite(corpus, "corpus_embeddings", columns.start)
    products = tile[: len(corpus)]
    if tile.is_cuda:
        torch.mm(corpus, queries.T, out=products)
    else:
        np.matmul(corpus.numpy(), queries.numpy().T, out=products.numpy())
    if rescale:
        products.copy_(rescale(products, rows, columns))
    if len(corpus) < len(tile):
        tile[len(corpus) :] = -torch.inf
    grouped = tile.view(GROUP, -1, tile.shape[1])  # 묶음 j는 j, j + TILE / 16, … 행
    if tile.is_cuda:
        torch.amax(grouped, dim=0, out=group_best)
    else:
        np.max(grouped.numpy(), axis=0, out=group_best.numpy())


def _candidates(block: Tensor, group_best: Tensor, top_k: int, best_scores: Tensor) -> tuple[Tensor, Tensor]:
    """블록 (B, Q)에서 상위 ``top_k``에 들 수 있는 것만 골라, 질의마다 한 행씩 (Q, 최대 개수)로 모읍니다.

    묶음의 최댓값 (B / 16, Q)만 문턱과 견주고, 넘은 묶음만 들여다봅니다. 문턱은 지금까지의 k등이거나, 아직 k개가 없으면
    k번째로 좋은 묶음의 최댓값(그 이상인 것이 적어도 k개)입니다. 빈자리의 점수는 -∞입니다.
    """
    n_groups, n_queries = group_best.shape
    if n_groups < top_k:
        scores, rows = block.topk(min(top_k, len(block)), dim=0)
        return scores.T, rows.T
    full = best_scores.shape[1] == top_k
    threshold = best_scores[:, -1] if full else group_best.topk(top_k, dim=0).values[-1]  # (Q,)
    query, group = (group_best >= threshold).T.nonzero(as_tuple=True)  # 질의의 차례로 늘어선 (P,)
    per_tile = TILE // GROUP
    first = group // per_tile * TILE + group % per_tile
    members = first + per_tile * torch.arange(GROUP, device=block.device)[:, None]  # (16, P)
    scores = block.flatten().take(members * n_queries + query)
    inside, pair = (scores >= threshold[query]).T.nonzero(as_tuple=True)[::-1]
    query = query[pair]
    counts = query.bincount(minlength=n_queries)
    slot = torch.arange(len(query), device=block.device) - (counts.cumsum(0) - counts)[query]
    shape = (n_queries, int(counts.max()))
    padded_scores = block.new_full(shape, -torch.inf)
    padded_rows = torch.zeros(shape, dtype=torch.int64, device=block.device)
    padded_scores[query, slot] = scores[inside, pair]
    padded_rows[query, slot] = members[inside, pair]
    return padded_scores, padded_rows


def _check_finite(vectors: Tensor, name: str, start: int = 0) -> None:
    """NaN이나 무한대가 있으면 어느 행인지 알립니다. 제곱의 합부터 보므로 멀쩡한 벡터에는 거의 거저입니다."""
    flat = vectors.flatten()
    total = torch.dot(flat, flat).item() if vectors.is_cuda else float(np.vdot(flat.numpy(), flat.numpy()))
    if not math.isfinite(total):
        bad = (~torch.isfinite(vectors)).any(dim=1).nonzero()
        if len(bad):
            raise InputError(
                f"{name}[{start + int(bad[0])}]에 NaN이나 무한대가 있습니다. 다시 인코딩해 주십시오."
            )


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


def _as_matrix(embeddings: np.ndarray | Tensor, name: str) -> Tensor:
    if not isinstance(embeddings, (np.ndarray, Tensor)):
        raise InputError(
            f"{name}는 (개수, 차원) 모양의 배열이나 텐서여야 하는데 {type(embeddings).__name__}입니다."
        )
    if embeddings.ndim != 2 or 0 in embeddings.shape:
        raise InputError(f"{name}의 모양이 {tuple(embeddings.shape)}입니다. (개수, 차원)이어야 합니다.")
    matrix = torch.as_tensor(embeddings)
    if not matrix.is_floating_point():
        raise InputError(f"{name}의 자료형이 {matrix.dtype}입니다. 실수여야 합니다.")
    return matrix.detach().float()


def _slices(stop: int, size: int, start: int = 0) -> list[slice]:
    return [slice(first, min(first + size, stop)) for first in range(start, stop, size)]
