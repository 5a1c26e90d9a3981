"""번역 캐기의 과제와 채점: 정답을 아는 두 더미, 정밀도·재현율·F1."""

import zlib
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .corpora import Corpus, load_corpus, own_rows
from .errors import InputError
from .retrieval import N_RESAMPLES, Estimate

PAIRED, LONELY = "짝", "짝 없음"


@dataclass(frozen=True)
class MiningTask:
    """두 문장 더미와 그 사이의 번역쌍.

    Attributes:
        source: 한국어 문장 N개.
        target: 영어 문장 M개.
        gold: 번역쌍 ``(source의 자리, target의 자리)``의 집합. 어느 더미에서나 짝이 있는 문장은 절반이 안 됩니다.
        source_kind, target_kind: 문장마다 ``"짝"``, ``"짝 없음"``, 또는 미끼 문장이면 무엇을 바꾼 것인지(``"숫자"``, ``"부정"`` …).
    """

    source: list[str]
    target: list[str]
    gold: frozenset[tuple[int, int]]
    source_kind: list[str]
    target_kind: list[str]


def load_mining_task(part: str = "test") -> MiningTask:
    """``"course"``와 ``"jupyterlab"``의 평가용 부분과, 그것을 한 곳씩 비틀어 쓴 미끼 문장으로 만든 과제를 불러옵니다.

    미끼가 흉내 낸 쌍은 두 더미에 모두 들어 있고, 나머지 쌍은 대부분 한쪽만 들어 있습니다.

    Args:
        part: ``"dev"``(기준값을 고를 때) 또는 ``"test"``(그 기준값을 채점할 때). 겹치는 문장은 없습니다.

    Raises:
        InputError: 모르는 ``part``일 때.
    """
    if part not in ("dev", "test"):
        raise InputError(f"part는 'dev'나 'test'여야 하는데 {part!r}이(가) 왔습니다.")
    decoys = {row["id"]: row for row in own_rows("mining_near_misses.tsv")}
    source: dict[str, tuple[str, str]] = {}  # 문장 → (쌍의 이름, 갈래)
    target: dict[str, tuple[str, str]] = {}
    for corpus in (load_corpus("course"), load_corpus("jupyterlab")):
        for pair in _half(corpus, part).test:
            ko, en = " ".join(pair.ko.split()), " ".join(pair.en.split())  # 화면 문구의 줄바꿈은 빈칸으로
            # 미끼가 노리는 쌍은 그대로 두고, 나머지는 여덟 가운데 하나만 짝을 남깁니다
            share = 0 if pair.id in decoys else _draw(pair.id, 8)
            kind = LONELY if share else PAIRED
            if share % 2 == 0:
                source[ko] = pair.id, kind
            if share % 2 == 1 or share == 0:
                target[en] = pair.id, kind
            if pair.id in decoys:
                row = decoys[pair.id]
                pile = source if row["language"] == "ko" else target
                pile[row["sentence"]] = f"{pair.id}-decoy", row["kind"]
    piles = [sorted(pile.items(), key=lambda item: _draw(item[0], 2**32)) for pile in (source, target)]
    place = {name: j for j, (_, (name, kind)) in enumerate(piles[1]) if kind == PAIRED}
    gold = {
        (i, place[name]) for i, (_, (name, kind)) in enumerate(piles[0]) if kind == PAIRED and name in place
    }
    sentences, kinds = (
        [[item[0] for item in pile] for pile in piles],
        [[item[1][1] for item in pile] for pile in piles],
    )
    return MiningTask(*sentences, frozenset(gold), *kinds)


def _half(corpus: Corpus, part: str) -> Corpus:
    """``part``에 드는 쌍. 화면 문구에는 번역이 둘인 것이 있어, 대소문자만 다른 것까지 합쳐 하나뿐인 쌍만 씁니다."""
    seen = Counter(sentence.casefold() for pair in corpus for sentence in (pair.ko, pair.en))
    return corpus.select(
        [
            i
            for i, pair in enumerate(corpus)
            if seen[pair.ko.casefold()] == seen[pair.en.casefold()] == 1
            and _draw(pair.ko, 2) == (part == "test")
        ]
    )


def _draw(text: str, n: int) -> int:
    """글에서만 정해지는 0 이상 n 미만의 수. 다른 문장이 늘거나 줄어도 그대로입니다."""
    return zlib.crc32(text[::-1].encode()) % n


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
