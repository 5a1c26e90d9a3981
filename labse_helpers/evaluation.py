"""평가: 순위, P@1, MRR, 정밀도·재현율·F1과 그 신뢰구간."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.stats import bootstrap
from torch import Tensor

from .errors import InputError

N_RESAMPLES = 2_000


@dataclass(frozen=True)
class Estimate:
    """평균과 부트스트랩 95 % 신뢰구간."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}]"


@dataclass(frozen=True)
class BothDirections:
    """두 방향의 성적: ``forward``는 행→열, ``backward``는 열→행입니다."""

    forward: Estimate
    backward: Estimate


def precision_at_1(scores: np.ndarray | Tensor) -> BothDirections:
    """P@1: 정답(대각선)이 1등인 질의의 비율을 두 방향으로 구합니다.

    Args:
        scores: 점수 (N, N). i번째 행의 정답은 i번째 열입니다. 정답과 같은 점수의 오답이 있으면 틀린 것으로 칩니다.

    Returns:
        행→열, 열→행의 비율과 부트스트랩 95 % 신뢰구간.

    Raises:
        InputError: 정사각 행렬이 아니거나 NaN이 있을 때.
    """
    return _both_directions(scores, lambda rank: (rank == 1).astype(float))


def mean_reciprocal_rank(scores: np.ndarray | Tensor) -> BothDirections:
    """MRR: 정답(대각선) 등수의 역수의 평균을 두 방향으로 구합니다. 인자와 오류는 :func:`precision_at_1`과 같습니다."""
    return _both_directions(scores, lambda rank: 1 / rank)


def _both_directions(scores, grade) -> BothDirections:
    matrix = _check_scores(scores)
    if matrix.shape[0] != matrix.shape[1]:
        raise InputError(
            f"scores의 모양이 {tuple(matrix.shape)}입니다. i번째 행의 정답이 i번째 열인 정사각 행렬이어야 합니다."
        )
    return BothDirections(estimate(grade(ranks(matrix))), estimate(grade(ranks(matrix.T))))


def ranks(scores: np.ndarray | Tensor, gold: Sequence[int] | None = None) -> np.ndarray:
    """질의마다 정답의 등수를 구합니다. 정답과 점수가 같은 오답은 정답보다 앞으로 칩니다.

    Args:
        scores: 점수 (Q, M). 행이 질의, 열이 후보입니다.
        gold: 질의마다 정답인 열의 번호 Q개. 없으면 i번째 행의 정답은 i번째 열입니다(Q ≤ M).

    Returns:
        등수 (Q,) int64. 1이 1등입니다.

    Raises:
        InputError: 2차원이 아니거나, NaN이 있거나, ``gold``의 개수나 번호가 맞지 않을 때.
    """
    matrix = _check_scores(scores)
    n_queries, n_candidates = matrix.shape
    columns = torch.arange(n_queries) if gold is None else torch.as_tensor(gold)
    if columns.shape != (n_queries,) or not ((columns >= 0) & (columns < n_candidates)).all():
        raise InputError(
            f"정답의 번호는 질의마다 하나씩 {n_queries}개이고 0부터 {n_candidates - 1} 사이여야 합니다."
        )
    return (matrix >= matrix.gather(1, columns[:, None])).sum(dim=1).numpy()


def estimate(values: np.ndarray) -> Estimate:
    """질의 N개의 성적 (N,)을 다시 뽑아(seed 0, 2,000번) 평균의 부트스트랩 95 % 신뢰구간을 구합니다. 값이 하나면 폭을 알 수 없어 [0, 1]입니다.

    같은 질의의 성적 둘을 뺀 것을 넣으면 차이의 신뢰구간이 됩니다(짝지은 부트스트랩).
    """
    if len(values) == 1:
        return Estimate(float(values[0]), 0.0, 1.0)  # 하나로는 폭을 알 수 없습니다
    interval = bootstrap(
        (values,), np.mean, n_resamples=N_RESAMPLES, method="percentile", rng=0, batch=200
    ).confidence_interval
    return Estimate(float(np.mean(values)), float(interval.low), float(interval.high))


def _check_scores(scores: np.ndarray | Tensor) -> Tensor:
    matrix = torch.as_tensor(scores).detach().cpu()
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(
            f"scores의 모양이 {tuple(matrix.shape)}입니다. 비어 있지 않은 2차원 행렬을 넣어 주십시오."
        )
    bad = (~torch.isfinite(matrix)).nonzero()
    if len(bad):
        row, column = bad[0].tolist()
        raise InputError(
            f"scores에 NaN이나 무한대가 {len(bad)}개 있습니다. 첫 자리는 ({row}, {column})입니다."
        )
    return matrix


def precision_recall(mined: pd.DataFrame, gold: frozenset[tuple[int, int]]) -> pd.DataFrame:
    """기준값을 점수가 높은 쪽부터 하나씩 낮추며 정밀도, 재현율, F1을 구합니다.

    Args:
        mined: ``mine_bitext``의 결과 P줄.
        gold: 번역쌍 ``(source의 자리, target의 자리)``의 집합.

    Returns:
        열이 ``threshold``, ``precision``, ``recall``, ``f1``인 표. 줄마다 점수가 ``threshold`` 이상인 쌍만 믿을 때의 값입니다.

    Raises:
        InputError: ``mined``나 ``gold``가 비었을 때.
    """
    if len(mined) == 0 or not gold:
        raise InputError("채점할 쌍이나 정답이 비어 있습니다. 찾은 쌍과 정답을 하나 이상 넣어 주십시오.")
    ranked = mined.sort_values("score", ascending=False, kind="stable")
    found = np.cumsum(correct(ranked, gold))
    kept = np.arange(1, len(ranked) + 1)
    table = pd.DataFrame(
        {
            "threshold": ranked["score"].to_numpy(),
            "precision": found / kept,
            "recall": found / len(gold),
            "f1": 2 * found / (kept + len(gold)),
        }
    )
    return (
        table.groupby("threshold", sort=False).tail(1).reset_index(drop=True)
    )  # 같은 점수는 함께 남거나 함께 버려집니다


def correct(mined: pd.DataFrame, gold: frozenset[tuple[int, int]]) -> np.ndarray:
    """줄마다 맞은 쌍인지 (P,) bool."""
    pairs = zip(mined["source_index"].tolist(), mined["target_index"].tolist(), strict=True)
    return np.array([pair in gold for pair in pairs], dtype=bool)


def f1_at(mined: pd.DataFrame, gold: frozenset[tuple[int, int]], threshold: float) -> Estimate:
    """점수가 ``threshold`` 이상인 쌍만 믿을 때의 F1과 부트스트랩 95 % 신뢰구간.

    찾은 쌍과 놓친 쌍을 함께 다시 뽑습니다(seed 0, 2,000번). F1은 2·맞은 쌍 / (믿은 쌍 + 정답)입니다.

    Raises:
        InputError: ``gold``가 비었을 때.
    """
    if not gold:
        raise InputError("정답이 비어 있습니다.")
    right = correct(mined[mined["score"] >= threshold], gold)
    missed = len(gold) - right.sum()
    # 한 단위는 (맞았는가, 믿었는가 + 정답인가): 맞은 쌍 (1, 2), 잘못 믿은 쌍 (0, 1), 놓친 정답 (0, 1)
    hits = np.concatenate([right, np.zeros(missed)])
    sizes = np.concatenate([np.where(right, 2, 1), np.ones(missed)])
    draws = np.random.default_rng(0).integers(len(hits), size=(N_RESAMPLES, len(hits)))
    resampled = 2 * hits[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Estimate(float(2 * hits.sum() / sizes.sum()), float(low), float(high))
