"""평가: 순위, P@1, MRR, 정밀도·재현율·F1과 그 신뢰구간."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import bootstrap
from torch import Tensor

from .checks import blocks, check_matrix
from .errors import InputError

N_RESAMPLES = 2_000
DRAWS_AT_ONCE = 500_000  # 한 번에 다시 뽑는 수. 메모리가 쌍의 수와 관계없이 그대로입니다


@dataclass(frozen=True)
class Estimate:
    """평균과 부트스트랩 95 % 신뢰구간."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}]"


@dataclass(frozen=True)
class Difference(Estimate):
    """두 비율의 차이와 부트스트랩 95 % 신뢰구간. 글로 쓰면 퍼센트포인트(%p)입니다."""

    def __str__(self) -> str:
        value, low, high = (f"{round(100 * x, 1) + 0.0:+.1f}" for x in (self.value, self.low, self.high))
        return f"{value} %p [{low}, {high}]"


@dataclass(frozen=True)
class BothDirections:
    """두 방향의 값: ``forward``는 행→열, ``backward``는 열→행입니다."""

    forward: Estimate
    backward: Estimate


def precision_at_1(scores: Any) -> BothDirections:
    """P@1: 정답(대각선)이 1위인 질의의 비율을 두 방향으로 구합니다.

    Args:
        scores: 점수 (N, N). i번째 행의 정답은 i번째 열입니다. 정답과 같은 점수의 오답이 있으면 틀린 것으로 봅니다.

    Returns:
        행→열, 열→행의 비율과 부트스트랩 95 % 신뢰구간.

    Raises:
        InputError: 정사각 행렬이 아니거나 NaN·무한대가 있을 때.
    """
    return _both_directions(scores, lambda rank: (rank == 1).astype(float))


def mean_reciprocal_rank(scores: Any) -> BothDirections:
    """MRR: 정답(대각선) 순위의 역수의 평균을 두 방향으로 구합니다. 인자와 오류는 :func:`precision_at_1`과 같습니다."""
    return _both_directions(scores, lambda rank: 1 / rank)


def _both_directions(scores: Any, grade: Callable[[np.ndarray], np.ndarray]) -> BothDirections:
    matrix = check_matrix(scores, "scores")
    if matrix.shape[0] != matrix.shape[1]:
        raise InputError(
            f"scores의 모양이 {tuple(matrix.shape)}입니다. i번째 행의 정답이 i번째 열인 정사각 행렬이어야 합니다."
        )
    return BothDirections(estimate(grade(ranks(matrix))), estimate(grade(ranks(matrix.T))))


def ranks(scores: Any, gold: Sequence[int] | np.ndarray | Tensor | None = None) -> np.ndarray:
    """질의마다 정답의 순위를 구합니다. 정답과 점수가 같은 오답은 정답보다 앞으로 봅니다.

    Args:
        scores: 점수 (Q, M). 행이 질의, 열이 후보입니다.
        gold: 질의마다 정답인 열의 번호 Q개(정수의 목록, 배열, 텐서). 없으면 i번째 행의 정답은 i번째 열입니다(Q ≤ M).

    Returns:
        순위 (Q,) int64. 가장 높은 것이 1입니다.

    Raises:
        InputError: 2차원이 아니거나, NaN·무한대가 있거나, ``gold``가 정수가 아니거나 개수나 범위가 맞지 않을 때.
    """
    matrix = check_matrix(scores, "scores").cpu()
    n_queries, n_candidates = matrix.shape
    columns = np.arange(n_queries) if gold is None else _whole_numbers(gold)
    if columns.shape != (n_queries,) or columns.min() < 0 or columns.max() >= n_candidates:
        raise InputError(
            f"정답의 번호는 질의마다 하나씩 {n_queries}개이고 0부터 {n_candidates - 1} 사이여야 합니다."
        )
    own = matrix.gather(1, torch.from_numpy(columns)[:, None])
    return (matrix >= own).sum(dim=1).numpy()


def _whole_numbers(gold: Any) -> np.ndarray:
    """정수들을 int64 배열로. True·False와 소수는 잘못 넣은 것이므로 받지 않습니다."""
    if isinstance(gold, Tensor):
        gold = gold.detach().cpu().numpy()
    array = np.asarray(gold, dtype=None if isinstance(gold, np.ndarray) else object)
    if array.dtype == object:
        whole = all(isinstance(x, (int, np.integer)) and not isinstance(x, bool) for x in array.flat)
        whole = whole and all(abs(x) < 2**63 for x in array.flat)
    else:
        whole = array.dtype.kind in "iu"
    if not whole:
        raise InputError(
            "gold에는 정답인 열의 번호(0부터의 정수)를 넣어 주십시오. 참·거짓이나 소수는 받지 않습니다."
        )
    return array.astype(np.int64)


def estimate(values: Any) -> Estimate:
    """질의 N개의 값 (N,)을 다시 뽑아(seed 0, 2,000번) 평균의 부트스트랩 95 % 신뢰구간을 구합니다. 값이 하나면 폭을 알 수 없어 [0, 1]입니다.

    같은 질의의 값 둘을 뺀 것을 넣으면 차이의 신뢰구간이 됩니다(짝지은 부트스트랩).

    Raises:
        InputError: 비었거나, 1차원이 아니거나, NaN·무한대가 있을 때.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or len(numbers) == 0 or not np.isfinite(numbers).all():
        raise InputError("values에는 유한한 수를 하나 이상, 1차원으로 넣어 주십시오.")
    if len(numbers) == 1:
        return Estimate(float(numbers[0]), 0.0, 1.0)  # 하나로는 폭을 알 수 없습니다
    interval = bootstrap(
        (numbers,), np.mean, n_resamples=N_RESAMPLES, method="percentile", rng=0, batch=200
    ).confidence_interval
    return Estimate(float(np.mean(numbers)), float(interval.low), float(interval.high))


def paired_difference(before: Any, after: Any) -> Difference:
    """같은 항목 N개를 두 방법으로 잰 값의 차이(``after`` − ``before``)의 평균과 부트스트랩 95 % 신뢰구간.

    항목마다 두 값을 뺀 다음, 그 차이를 :func:`estimate`와 같은 방법으로 다시 뽑습니다(짝지은 부트스트랩).
    글로 쓰면 비율의 차이로 읽어 ``+3.1 %p [+0.7, +5.6]``처럼 적습니다. 항목이 하나면 폭을 알 수 없어 [-1, 1]입니다.

    Args:
        before: 앞 방법의 값 (N,). 맞고 틀림(0/1, bool)이나 실수입니다.
        after: 뒤 방법의 값 (N,). i번째 값은 ``before``의 i번째와 같은 항목의 값입니다.

    Raises:
        InputError: 개수가 다르거나, 비었거나, 1차원이 아니거나, NaN·무한대가 있을 때.
    """
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if first.shape != second.shape:
        raise InputError(
            f"before의 모양은 {first.shape}, after의 모양은 {second.shape}입니다. 같은 항목의 값을 같은 순서로 넣어 주십시오."
        )
    result = estimate(second - first)
    return Difference(result.value, -1.0 if len(first) == 1 else result.low, result.high)


def precision_recall(mined: pd.DataFrame, gold: Iterable[tuple[int, int]]) -> pd.DataFrame:
    """임곗값을 점수가 높은 쪽부터 하나씩 낮추며 정밀도, 재현율, F1을 구합니다.

    Args:
        mined: ``mine_bitext``의 결과 P줄.
        gold: 번역쌍 ``(source의 자리, target의 자리)``의 집합.

    Returns:
        열이 ``threshold``, ``precision``, ``recall``, ``f1``인 표. 줄마다 점수가 ``threshold`` 이상인 쌍만 믿을 때의 값입니다.

    Raises:
        InputError: ``mined``나 ``gold``가 비었거나, 필요한 열이 없거나, 점수에 NaN이 있을 때.
    """
    pairs = _gold_pairs(gold)
    if len(mined) == 0:
        raise InputError("찾은 쌍이 없습니다. mine_bitext의 결과를 넣어 주십시오.")
    right = correct(mined, pairs)
    order = np.argsort(-mined["score"].to_numpy(), kind="stable")
    found = np.cumsum(right[order])
    kept = np.arange(1, len(mined) + 1)
    table = pd.DataFrame(
        {
            "threshold": mined["score"].to_numpy()[order],
            "precision": found / kept,
            "recall": found / len(pairs),
            "f1": 2 * found / (kept + len(pairs)),
        }
    )
    last = table.groupby("threshold", sort=False).tail(1)  # 같은 점수는 함께 남거나 함께 버려집니다
    return last.reset_index(drop=True)


def correct(mined: pd.DataFrame, gold: frozenset[tuple[int, int]]) -> np.ndarray:
    """줄마다 맞은 쌍인지 (P,) bool.

    Raises:
        InputError: ``mine_bitext``의 결과가 아닐 때(열이 없거나 점수에 NaN이 있을 때).
    """
    missing = {"score", "source_index", "target_index"} - set(mined.columns)
    if missing or mined["score"].isna().any():
        what = f"{', '.join(sorted(missing))} 열이 없습니다" if missing else "score에 NaN이 있습니다"
        raise InputError(f"mined에 {what}. mine_bitext의 결과를 넣어 주십시오.")
    pairs = zip(mined["source_index"].tolist(), mined["target_index"].tolist(), strict=True)
    return np.array([pair in gold for pair in pairs], dtype=bool)


def f1_at(mined: pd.DataFrame, gold: Iterable[tuple[int, int]], threshold: float) -> Estimate:
    """점수가 ``threshold`` 이상인 쌍만 믿을 때의 F1과 부트스트랩 95 % 신뢰구간.

    찾은 쌍과 놓친 쌍을 함께 다시 뽑습니다(seed 0, 2,000번). F1은 2·맞은 쌍 / (믿은 쌍 + 정답)입니다.

    Args:
        mined: ``mine_bitext``의 결과.
        gold: 번역쌍 ``(source의 자리, target의 자리)``의 집합.
        threshold: 임곗값.

    Raises:
        InputError: ``gold``가 비었거나, ``mined``에 필요한 열이 없거나, NaN이 있을 때.
    """
    pairs = _gold_pairs(gold)
    if math.isnan(threshold):
        raise InputError("threshold가 NaN입니다. 수를 넣어 주십시오.")
    right = correct(mined, pairs)[mined["score"].to_numpy() >= threshold]
    missed = len(pairs) - right.sum()
    # 한 단위는 (맞았는가, 믿었는가 + 정답인가): 맞은 쌍 (1, 2), 잘못 믿은 쌍 (0, 1), 놓친 정답 (0, 1)
    hits = np.concatenate([right, np.zeros(missed)])
    sizes = np.concatenate([np.where(right, 2, 1), np.ones(missed)])
    rng = np.random.default_rng(0)
    resampled = np.empty(N_RESAMPLES)
    for part in blocks(N_RESAMPLES, max(1, DRAWS_AT_ONCE // len(hits))):
        draws = rng.integers(len(hits), size=(part.stop - part.start, len(hits)))
        resampled[part] = 2 * hits[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Estimate(float(2 * hits.sum() / sizes.sum()), float(low), float(high))


def f1_difference(before: pd.DataFrame, after: pd.DataFrame, gold: Iterable[tuple[int, int]]) -> Difference:
    """같은 두 문장 집합에서 두 방법이 찾은 쌍의 F1의 차이(``after`` − ``before``)와 부트스트랩 95 % 신뢰구간.

    원문 하나가 한 단위입니다. 원문들을 다시 뽑아(seed 0, 2,000번) 그때마다 두 F1을 함께 구해 뺍니다. 두 방법에 똑같이 어렵거나 쉬운
    문장이 더 뽑힌 것은 빼면서 사라지므로, 두 신뢰구간을 따로 놓고 보는 것보다 좁습니다.

    Args:
        before: 앞 방법이 믿은 쌍만 담은 ``mine_bitext``의 결과. 임곗값보다 낮은 쌍은 빼고 넣습니다.
        after: 뒤 방법이 믿은 쌍만 담은 ``mine_bitext``의 결과.
        gold: 번역쌍 ``(source의 자리, target의 자리)``의 집합.

    Raises:
        InputError: ``gold``가 비었거나, 표에 필요한 열이 없거나, 점수에 NaN이 있을 때.
    """
    pairs = _gold_pairs(gold)
    tables = [(table["source_index"].to_numpy(), correct(table, pairs)) for table in (before, after)]
    gold_rows = np.array([i for i, _ in pairs])
    rows = np.unique(np.concatenate([gold_rows, *(source for source, _ in tables)]).astype(np.int64))  # (R,)

    def count(sources: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        return np.bincount(np.searchsorted(rows, sources), weights, minlength=len(rows))  # (R,)

    hits = np.stack([count(source, right) for source, right in tables])  # (2, R) 맞은 쌍
    sizes = np.stack([count(source) for source, _ in tables]) + count(gold_rows)  # (2, R) 믿은 쌍 + 정답
    rng = np.random.default_rng(0)
    resampled = np.empty(N_RESAMPLES)
    for part in blocks(N_RESAMPLES, max(1, DRAWS_AT_ONCE // len(rows))):
        draws = rng.integers(len(rows), size=(part.stop - part.start, len(rows)))
        f1 = 2 * hits[:, draws].sum(axis=2) / sizes[:, draws].sum(axis=2).clip(min=1)  # (2, 뽑은 횟수)
        resampled[part] = f1[1] - f1[0]
    low, high = np.percentile(resampled, [2.5, 97.5])
    first, second = 2 * hits.sum(axis=1) / sizes.sum(axis=1)
    return Difference(float(second - first), float(low), float(high))


def _gold_pairs(gold: Iterable[tuple[int, int]]) -> frozenset[tuple[int, int]]:
    try:
        pairs = frozenset((int(i), int(j)) for i, j in gold)
    except (TypeError, ValueError) as error:
        raise InputError("gold에는 (source의 자리, target의 자리) 쌍들을 넣어 주십시오.") from error
    if not pairs:
        raise InputError("정답(gold)이 비어 있습니다. 번역쌍을 하나 이상 넣어 주십시오.")
    return pairs
