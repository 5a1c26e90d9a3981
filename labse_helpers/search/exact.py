"""정확한 검색: 모든 후보와 비교해 가까운 것을 빠짐없이 찾습니다. N×M 행렬은 만들지 않습니다.

블록마다 행렬곱으로 코사인을 구하고, 지금까지의 k위에 못 미치는 것은 곧바로 버립니다. 행렬곱의 마지막 자리(1e-7쯤)는 블록의
모양에 따라 달라지므로, 순서를 정하는 점수는 한 쌍씩 다시 계산한 것입니다. 그래서 같은 문장은 어디에 있든 점수가 같고,
점수가 같으면 언제나 번호가 앞선 것이 먼저입니다.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..checks import blocks, check_top_k
from .vectors import unit_vectors

QUERY_BLOCK, CORPUS_BLOCK = 1_024, 8_192  # 한 번에 비교하는 질의와 후보의 수
PAIR_BLOCK = 16_384  # 한 번에 다시 계산하는 쌍의 수
ROUNDING = 1e-6  # 행렬곱으로 구한 코사인의 오차는 이보다 작습니다
CROWDED = 500_000  # 한 번에 남은 후보가 이보다 많으면 질의를 나누어 봅니다
SHOWN_FROM = 20_000  # 이보다 많으면 몇 초가 걸리므로 진행 막대를 보입니다

TopKResult = tuple[Tensor, Tensor]  # 점수 (Q, k) float32와 번호 (Q, k) int64


def exact_top_k(query_embeddings: Any, corpus_embeddings: Any, top_k: int) -> TopKResult:
    """코사인 유사도가 가장 큰 후보 ``top_k``개를 질의마다 빠짐없이 정확하게 찾습니다.

    길이가 1이 아닌 벡터는 먼저 정규화합니다. 코사인을 ``1,024 × 8,192`` 블록씩 구하고 곧바로 ``top_k``개만 남기므로,
    메모리는 Q와 M이 아무리 커도 그대로입니다.

    Args:
        query_embeddings: 질의 벡터 (Q, dim). numpy 배열이나 텐서.
        corpus_embeddings: 후보 벡터 (M, dim). ``np.memmap``도 되며, 길이가 1이면 메모리로 베끼지 않습니다.
        top_k: 1 이상 M 이하.

    Returns:
        점수 (Q, top_k) float32와 후보의 번호 (Q, top_k) int64. 점수가 높은 순서이고, 같으면 번호가 앞선 것부터입니다.
        ``query_embeddings``와 같은 장치에 있습니다.

    Raises:
        InputError: 모양이 안 맞거나, NaN·무한대가 있거나, ``top_k``가 범위 밖일 때.
    """
    queries, corpus = _same_space(
        query_embeddings, corpus_embeddings, "query_embeddings", "corpus_embeddings"
    )
    return nearest(queries, corpus, check_top_k(top_k, len(corpus)))


def nearest(queries: Tensor, corpus: Tensor, top_k: int) -> TopKResult:
    """이미 검사한, 길이가 1인 벡터에서 찾는 :func:`exact_top_k`."""
    best = TopK(len(queries), top_k, PairCosines(queries, corpus))
    for rows, columns, cosines in cosine_blocks(queries, corpus):
        best.look(rows, columns, cosines)
    scores, indices = best.result()
    return scores.to(queries.device), indices.to(queries.device)


def exact_top_k_both_ways(source: Any, target: Any, top_k: int) -> tuple[TopKResult, TopKResult]:
    """원문마다, 그리고 번역마다, 코사인이 가장 큰 상대 ``top_k``개를 빠짐없이 찾습니다. 행렬곱은 한 번만 합니다.

    Args:
        source: 벡터 (N, dim).
        target: 벡터 (M, dim).
        top_k: 1 이상, N과 M 이하.

    Returns:
        원문에서 본 (점수 (N, top_k), 번호 (N, top_k))와 번역에서 본 (점수 (M, top_k), 번호 (M, top_k)).
        순서는 :func:`exact_top_k`와 같습니다.

    Raises:
        InputError: 모양이 안 맞거나, NaN·무한대가 있거나, ``top_k``가 범위 밖일 때.
    """
    x, y = _same_space(source, target, "source", "target")
    top_k = check_top_k(top_k, min(len(x), len(y)))
    forward, backward = TopK(len(x), top_k, PairCosines(x, y)), TopK(len(y), top_k, PairCosines(y, x))
    with tqdm(total=len(x), desc="이웃 찾기", unit="문장", disable=len(x) < SHOWN_FROM) as bar:
        for rows, columns, cosines in cosine_blocks(x, y):
            forward.look(rows, columns, cosines)
            backward.look(columns, rows, cosines.T)
            if columns.stop == len(y):
                bar.update(rows.stop - rows.start)
    return forward.result(), backward.result()


def cosine_blocks(queries: Tensor, corpus: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """질의의 범위, 후보의 범위, 그 코사인 (R, C)를 하나씩 냅니다. 다음 것이 그 메모리에 덮어쓰므로 곧바로 쓰십시오.

    벡터는 길이가 1이어야 합니다. CPU에서는 numpy의 행렬곱(OpenBLAS)이, 다른 장치에서는 torch의 것이 계산합니다.
    """
    memory = queries.new_empty(min(len(queries), QUERY_BLOCK) * min(len(corpus), CORPUS_BLOCK))
    for rows in blocks(len(queries), QUERY_BLOCK):
        for columns in blocks(len(corpus), CORPUS_BLOCK):
            x, y = queries[rows], corpus[columns]
            cosines = memory[: len(x) * len(y)].view(len(x), len(y))
            if _on_cpu(cosines):
                np.matmul(x.numpy(), y.numpy().T, out=cosines.numpy())
            else:
                torch.mm(x, y.T, out=cosines)
            yield rows, columns, cosines


PairScores = Callable[[np.ndarray, np.ndarray], np.ndarray]  # 질의의 번호 (P,), 후보의 번호 (P,) -> 점수 (P,)


class PairCosines:
    """한 쌍씩 따로 구한 코사인. 행렬곱과 달리 같은 두 벡터의 값은 어디에 있든 마지막 비트까지 같습니다."""

    def __init__(self, queries: Tensor, corpus: Tensor) -> None:
        self.queries, self.corpus = queries, corpus

    def __call__(self, query: np.ndarray, candidate: np.ndarray) -> np.ndarray:
        """질의의 번호 (P,)와 후보의 번호 (P,)에서 코사인 (P,) float32."""
        cosines = np.empty(len(query), dtype=np.float32)
        for part in blocks(len(query), PAIR_BLOCK):
            cosines[part] = np.vecdot(_rows(self.queries, query[part]), _rows(self.corpus, candidate[part]))
        return cosines


class TopK:
    """질의 n개마다, 지금까지 본 후보 가운데 점수가 가장 높은 ``top_k``개. 점수가 같으면 번호가 앞선 것이 먼저입니다.

    Args:
        n: 질의의 수.
        top_k: 질의마다 남길 후보의 수.
        pair_scores: 한 쌍씩 정확하게 구한 점수. :meth:`look`에 보이는 점수와 ``rounding``보다 적게 달라야 합니다.
        rounding: :meth:`look`에 보이는 점수의 오차.
    """

    def __init__(self, n: int, top_k: int, pair_scores: PairScores, rounding: float = ROUNDING) -> None:
        self.top_k, self.pair_scores, self.rounding = top_k, pair_scores, rounding
        self.scores = np.full((n, top_k), -np.inf, dtype=np.float32)  # 아직 후보가 없는 자리는 -∞
        self.indices = np.zeros((n, top_k), dtype=np.int64)

    def look(self, rows: slice, columns: slice, scores: Tensor) -> None:
        """질의 ``rows``와 후보 ``columns``의 점수 (R, C)를 보고, 상위 ``top_k``개를 고칩니다."""
        enough = _at_least(scores, self._floor(rows, scores))
        n_enough, half = int(np.count_nonzero(enough)), (rows.stop - rows.start) // 2
        if n_enough > CROWDED and half > 0:  # 같은 문장이 아주 많을 때: 메모리를 아끼려고 반씩 봅니다
            self.look(slice(rows.start, rows.start + half), columns, scores[:half])
            self.look(slice(rows.start + half, rows.stop), columns, scores[half:])
        elif n_enough > 0:
            query, candidate = _places(enough)
            self._add(query + rows.start, candidate + columns.start, _take(scores, query, candidate))

    def _add(self, query: np.ndarray, candidate: np.ndarray, score: np.ndarray) -> None:
        """새 후보들 (P,)을 더해 질의마다 ``top_k``개만 남깁니다. ``query``는 순서대로 늘어놓은 것입니다."""
        some, place, count = np.unique(query, return_inverse=True, return_counts=True)
        new_scores = np.full((len(some), count.max()), -np.inf, dtype=np.float32)
        new_indices = np.zeros(new_scores.shape, dtype=np.int64)
        # 같은 질의의 새 후보들에 0, 1, 2 …를 매겨 한 행에 늘어놓습니다. 모자라는 자리는 -∞입니다
        slot = np.arange(len(query)) - np.repeat(np.cumsum(count) - count, count)
        new_scores[place, slot] = score
        new_indices[place, slot] = candidate

        all_scores = np.hstack([self.scores[some], new_scores])
        all_indices = np.hstack([self.indices[some], new_indices])
        order = best_first(all_scores, all_indices)
        if self._settle_ties(some, all_scores, all_indices, order):
            order = best_first(all_scores, all_indices)
        order = order[:, : self.top_k]
        self.scores[some] = np.take_along_axis(all_scores, order, axis=1)
        self.indices[some] = np.take_along_axis(all_indices, order, axis=1)

    def result(self) -> TopKResult:
        """점수 (n, top_k) float32와 후보의 번호 (n, top_k) int64. 점수는 모두 한 쌍씩 다시 구한 것입니다."""
        query = np.repeat(np.arange(len(self.scores)), self.top_k)
        scores = self.pair_scores(query, self.indices.ravel()).reshape(self.scores.shape)
        order = best_first(scores, self.indices)
        found = (np.take_along_axis(values, order, axis=1) for values in (scores, self.indices))
        best_scores, best_indices = map(torch.from_numpy, found)
        return best_scores, best_indices

    def _floor(self, rows: slice, scores: Tensor) -> np.ndarray:
        """점수가 이보다 낮으면 상위에 들 수 없습니다 (R,): 지금까지의, 아직 ``top_k``개를 못 보았으면 이 블록의 k위."""
        kth = self.scores[rows, -1]
        if np.isneginf(kth[0]):
            wanted = min(self.top_k, scores.shape[1])
            kth = scores.topk(wanted, dim=1).values[:, -1].cpu().numpy()
        return kth - self.rounding

    def _settle_ties(
        self, query: np.ndarray, scores: np.ndarray, indices: np.ndarray, order: np.ndarray
    ) -> bool:
        """k위와 다음 것의 점수가 거의 같은 질의에서는, k위와 거의 같은 점수를 모두 정확한 것으로 바꿉니다. 바꾸었으면 True."""
        kth, next_one = np.take_along_axis(scores, order[:, self.top_k - 1 : self.top_k + 1], axis=1).T
        unsure = np.flatnonzero((next_one >= kth - self.rounding) & np.isfinite(next_one))
        near, kth = scores[unsure], kth[unsure, None]
        row, column = np.nonzero((near >= kth - self.rounding) & (near <= kth + self.rounding))
        row = unsure[row]
        scores[row, column] = self.pair_scores(query[row], indices[row, column])
        return len(unsure) > 0


def best_first(scores: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """행마다 점수가 높은 순서, 같으면 번호가 앞선 순서."""
    return np.lexsort((indices, -scores), axis=1)


def _at_least(scores: Tensor, floor: np.ndarray) -> np.ndarray:
    """점수 (R, C)가 행의 ``floor`` (R,) 이상인가 (R, C)."""
    if _on_cpu(scores):
        return scores.numpy() >= floor[:, None]
    return (scores >= scores.new_tensor(floor)[:, None]).cpu().numpy()


def _places(enough: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """참인 원소의 행과 열 (P,). 행의 순서로 늘어놓습니다. ``np.nonzero``와 같지만, 메모리에 놓인 순서로 훑어 수십 배 빠릅니다."""
    if enough.flags.c_contiguous:
        row, column = np.divmod(np.flatnonzero(enough), enough.shape[1])
        return row, column
    column, row = np.divmod(np.flatnonzero(enough.T), len(enough))
    by_row = np.argsort(row, kind="stable")
    return row[by_row], column[by_row]


def _take(scores: Tensor, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    if _on_cpu(scores):
        return scores.numpy()[row, column]
    return (
        scores[scores.new_tensor(row, dtype=torch.int64), scores.new_tensor(column, dtype=torch.int64)]
        .cpu()
        .numpy()
    )


def _same_space(first: Any, second: Any, first_name: str, second_name: str) -> tuple[Tensor, Tensor]:
    """두 쪽의 길이 1인 벡터. 차원이 같아야 하고, 둘째는 첫째의 장치로 옮깁니다."""
    one = unit_vectors(first, first_name)
    return one, unit_vectors(second, second_name, dim=one.shape[1]).to(one.device)


def _rows(vectors: Tensor, numbers: np.ndarray) -> np.ndarray:
    """벡터 (N, dim) 가운데 ``numbers``번째들을 CPU로 (P, dim)."""
    if _on_cpu(vectors):
        return vectors.numpy()[numbers]
    return vectors[vectors.new_tensor(numbers, dtype=torch.int64)].cpu().numpy()


def _on_cpu(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu"
