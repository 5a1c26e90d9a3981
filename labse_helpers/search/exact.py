"""정확한 검색: 모든 후보와 비교해 가까운 것을 빠짐없이 찾습니다. N×M 행렬은 만들지 않습니다."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..checks import check_top_k
from ..errors import InputError

QUERY_BLOCK, CORPUS_BLOCK = 1_024, 16_384  # 한 번에 견주는 질의와 후보의 수
TILE = 4_096  # 한 번에 곱하는 후보의 수. 그 점수가 프로세서의 캐시에 들어갑니다
GROUP = 16  # 후보 16개 가운데 최댓값만 먼저 봅니다
SHOWN_FROM = 20_000  # 이보다 많으면 몇 초가 걸리므로 진행 막대를 보입니다


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


def exact_top_k_both_ways(
    source: Tensor, target: Tensor, top_k: int
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """원문마다, 그리고 번역마다, 내적이 가장 큰 상대 ``top_k``개를 빠짐없이 찾습니다.

    Args:
        source: 벡터 (N, dim).
        target: 벡터 (M, dim).
        top_k: 1 이상, N과 M 이하.

    Returns:
        원문에서 본 (점수 (N, top_k), 번호 (N, top_k))와 번역에서 본 (점수 (M, top_k), 번호 (M, top_k)).
        점수가 높은 순서입니다.

    Raises:
        InputError: 모양이 안 맞거나, NaN·무한대가 있거나, ``top_k``가 범위 밖일 때.
    """
    columns = _ColumnBest(len(target), top_k)
    found = []
    with tqdm(total=len(source), desc="이웃 찾기", unit="문장", disable=len(source) < SHOWN_FROM) as bar:
        for start in range(0, len(source), QUERY_BLOCK):
            columns.first_query = start
            queries = source[start : start + QUERY_BLOCK]
            found.append(exact_top_k(queries, target, top_k, rescale=columns.look))
            bar.update(len(queries))
    scores, indices = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
    return (scores, indices), (columns.scores, columns.indices)


class _ColumnBest:
    """``exact_top_k``가 구한 점수를 어깨너머로 보며, 후보(열)마다 지금까지의 상위 ``top_k``개를 지닙니다."""

    def __init__(self, n: int, top_k: int) -> None:
        self.scores = torch.full((n, top_k), -torch.inf)
        self.indices = torch.zeros((n, top_k), dtype=torch.int64)
        self.first_query = 0

    def look(self, products: Tensor, rows: slice, columns: slice) -> Tensor:
        """점수 (후보, 질의) 한 조각에서 상위에 들 것을 골라 둡니다. 점수는 그대로 돌려줍니다."""
        block = products.cpu()
        best_scores, best_indices = self.scores[columns], self.indices[columns]  # 고치면 원래 것이 바뀝니다
        n_queries, top_k = block.shape[1], best_scores.shape[1]
        if self.first_query == 0 or n_queries % GROUP:
            here = torch.arange(len(block))
            scores, queries = block.topk(min(top_k, n_queries), dim=1)
        else:
            here, scores, queries = _better(block, best_scores[:, -1])
        both = torch.cat([best_scores[here], scores], dim=1)
        numbers = torch.cat([best_indices[here], queries + self.first_query], dim=1)
        best_scores[here], kept = both.topk(top_k, dim=1)
        best_indices[here] = numbers.gather(1, kept)
        return products


def _better(block: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """조각 (B, Q)의 행 가운데 문턱 (B,)을 넘는 점수가 있는 행의 번호 (R,)와, 그 점수와 열 (R, 최대 개수)을 모읍니다.

    열을 16개씩 묶은 최댓값만 문턱과 견주고 넘은 묶음만 들여다봅니다. 빈자리의 점수는 -∞입니다.
    """
    per_group = block.shape[1] // GROUP
    group_best = torch.from_numpy(block.numpy().reshape(len(block), GROUP, per_group).max(axis=1))
    row, group = (group_best > threshold[:, None]).nonzero(as_tuple=True)  # (P,)
    members = group[:, None] + per_group * torch.arange(GROUP)  # (P, 16)
    scores = block[row[:, None], members]
    pair, inside = (scores > threshold[row, None]).nonzero(as_tuple=True)
    here, place, counts = row[pair].unique_consecutive(return_inverse=True, return_counts=True)
    slot = torch.arange(len(pair)) - (counts.cumsum(0) - counts)[place]
    shape = (len(here), int(counts.max()) if len(counts) else 0)
    padded_scores = block.new_full(shape, -torch.inf)
    padded_columns = torch.zeros(shape, dtype=torch.int64)
    padded_scores[place, slot] = scores[pair, inside]
    padded_columns[place, slot] = members[pair, inside]
    return here, padded_scores, padded_columns
