"""평가: 손으로 센 값, 정의 그대로 적은 계산, 라이브러리의 값과 같은가."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch
from sentence_transformers.sentence_transformer.evaluation import TranslationEvaluator

from labse_helpers import (
    InputError,
    estimate,
    f1_at,
    f1_difference,
    mean_reciprocal_rank,
    paired_difference,
    precision_at_1,
    precision_recall,
    ranks,
)
from labse_helpers.evaluation import N_RESAMPLES

# --- P@1과 MRR ---------------------------------------------------------------------------------

SCORES = np.array(
    [  # 행의 순위 1, 2, 3 / 열의 순위 1, 1, 3
        [0.9, 0.1, 0.8],
        [0.2, 0.5, 0.7],
        [0.6, 0.4, 0.3],
    ]
)


@pytest.mark.parametrize("scores", [SCORES, torch.tensor(SCORES), torch.tensor(SCORES, dtype=torch.float16)])
def test_counted_by_hand(scores):
    p1, mrr = precision_at_1(scores), mean_reciprocal_rank(scores)
    assert p1.forward.value == pytest.approx(1 / 3)
    assert p1.backward.value == pytest.approx(2 / 3)
    assert mrr.forward.value == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert mrr.backward.value == pytest.approx((1 + 1 + 1 / 3) / 3)


def test_same_as_the_librarys_evaluator(model, course):
    result = TranslationEvaluator(course.en[:300], course.ko[:300])(model)
    scores = model.similarity(model.encode(course.en[:300]), model.encode(course.ko[:300]))
    p1 = precision_at_1(scores)
    assert p1.forward.value == pytest.approx(result["src2trg_accuracy"])
    assert p1.backward.value == pytest.approx(result["trg2src_accuracy"])


def test_ties_are_not_counted_as_found():
    assert precision_at_1(np.ones((4, 4))).forward.value == 0
    assert mean_reciprocal_rank(np.ones((4, 4))).forward.value == pytest.approx(1 / 4)


def test_interval_is_repeatable_and_narrows_with_more_queries():
    rng = np.random.default_rng(0)
    small, large = (rng.normal(size=(n, n)) + 2.5 * np.eye(n) for n in (50, 800))
    first, again = precision_at_1(small).forward, precision_at_1(small).forward
    assert first == again
    assert first.low < first.value < first.high
    wide, narrow = mean_reciprocal_rank(small).forward, mean_reciprocal_rank(large).forward
    assert narrow.high - narrow.low < wide.high - wide.low
    # 정규 근사와 비교해 엉뚱한 폭이 아닌지 봅니다.
    p = first.value
    assert first.high - first.low == pytest.approx(2 * 1.96 * (p * (1 - p) / 50) ** 0.5, rel=0.2)
    assert str(first).count("%") == 3


def test_paired_difference_is_narrower_than_two_intervals():
    rng = np.random.default_rng(0)
    before = rng.random(300) < 0.6
    after = before | (rng.random(300) < 0.1)
    gain = paired_difference(before, after)
    assert gain.value == pytest.approx(after.mean() - before.mean())
    assert gain.value == pytest.approx(-paired_difference(after, before).value)
    assert 0 < gain.low < gain.value < gain.high < estimate(before).high - estimate(before).low
    assert gain == paired_difference(before.tolist(), after.astype(float))


def test_paired_difference_is_written_in_percentage_points():
    assert str(paired_difference([0, 0, 0, 1], [1, 1, 1, 1])).startswith("+75.0 %p [+25.0, +100.0]")
    assert str(paired_difference([0.5] * 3, [0.5] * 3)) == "+0.0 %p [+0.0, +0.0]"
    assert (paired_difference([1], [0]).low, paired_difference([1], [0]).high) == (-1, 1)


def test_paired_difference_refuses_other_items():
    with pytest.raises(InputError, match="같은 항목"):
        paired_difference([1, 0, 1], [1, 0])
    with pytest.raises(InputError, match="values"):
        paired_difference([[1.0]], [[0.0]])


@pytest.mark.parametrize("size", [1, 2])
def test_tiny_and_perfect_matrices(size):
    estimate = precision_at_1(np.eye(size)).forward
    assert estimate.value == 1
    assert 0 <= estimate.low <= estimate.high <= 1


@pytest.mark.parametrize("function", [precision_at_1, mean_reciprocal_rank, ranks])
@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.ones(3), "2차원"),
        (np.ones((0, 0)), "2차원"),
        (np.array([[1, np.nan], [0, 1]]), r"scores\[0, 1\]"),
        (np.array([[1, 0], [np.inf, 1]]), r"scores\[1, 0\]"),
    ],
)
def test_bad_scores(function, scores, message):
    with pytest.raises(InputError, match=message):
        function(scores)


def test_bad_shape():
    with pytest.raises(InputError, match="정사각"):
        precision_at_1(np.ones((2, 3)))


@pytest.mark.parametrize(
    "gold", [[2, 0, 2], (2, 0, 2), np.array([2, 0, 2]), np.array([2, 0, 2], np.uint8), torch.tensor([2, 0, 2]),
             [np.int64(2), 0, np.int32(2)]],
)  # fmt: skip
def test_ranks_of_any_gold(gold):
    assert ranks(SCORES, gold).tolist() == [2, 3, 3]
    assert ranks(SCORES).tolist() == [1, 2, 3]
    assert ranks(np.array([[0.5, 0.5, 0.5, 0.1]]), [1]).tolist() == [3]  # 같은 점수의 오답은 앞으로 봅니다


@pytest.mark.parametrize(
    "gold",
    [
        [0, 1], [0, 1, 3], [0, 1, -1], [[0], [1], [2]], 0, [],
        [0.0, 1.0, 2.0], np.array([0.0, 1.0, 2.0]), torch.tensor([0.0, 1.0, 2.0]), [0, 1, 2.5], [0, 1, float("nan")],
        [True, False, True], np.array([True, False, True]), torch.tensor([True, False, True]), [True, 0, 1],
        [np.True_, 0, 1], ["0", "1", "2"], [None, 1, 2], [0, 1, 10**30],
    ],
)  # fmt: skip
def test_bad_gold(gold):
    with pytest.raises(InputError, match="정답"):
        ranks(SCORES, gold)


@pytest.mark.parametrize("values", [[], [[1.0, 0.0]], [1.0, np.nan], 3.0])
def test_bad_values_for_an_estimate(values):
    with pytest.raises(InputError, match="values"):
        estimate(values)


# --- 정밀도, 재현율, F1 ------------------------------------------------------------------------


def mined(pairs: list[tuple[int, int, float]]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["source_index", "target_index", "score"])


def test_precision_and_recall_by_hand():
    table = precision_recall(
        mined([(0, 0, 0.9), (1, 2, 0.8), (2, 2, 0.8), (3, 3, 0.5)]), frozenset({(0, 0), (2, 2), (9, 9)})
    )
    assert table["threshold"].tolist() == [0.9, 0.8, 0.5]  # 같은 점수는 한 줄
    np.testing.assert_allclose(table["precision"], [1, 2 / 3, 1 / 2])
    np.testing.assert_allclose(table["recall"], [1 / 3, 2 / 3, 2 / 3])
    np.testing.assert_allclose(table["f1"], [1 / 2, 2 / 3, 4 / 7])


def test_f1_at_agrees_with_the_curve_and_its_interval_holds_it():
    pairs = mined([(i, i if i % 3 else i + 1, 1 - i / 100) for i in range(60)])
    gold = frozenset((i, i) for i in range(50))
    for row in precision_recall(pairs, gold).iloc[[5, 30, 59]].itertuples():
        estimate = f1_at(pairs, gold, row.threshold)
        assert estimate.value == pytest.approx(row.f1)
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert f1_at(pairs, gold, 2.0).value == 0
    for call in (
        lambda: precision_recall(pairs.head(0), gold),
        lambda: precision_recall(pairs, frozenset()),
        lambda: f1_at(pairs, frozenset(), 0),
        lambda: f1_at(pairs, gold, float("nan")),
        lambda: f1_at(pairs.drop(columns="score"), gold, 0),
        lambda: precision_recall(pairs.assign(score=np.nan), gold),
        lambda: precision_recall(pairs, [1, 2, 3]),
    ):
        with pytest.raises(InputError):
            call()


def test_no_row_at_all_is_zero():
    assert f1_at(mined([]), frozenset({(0, 0)}), 0).value == 0


def test_f1_of_many_rows_needs_little_memory_and_is_the_same():
    n = 20_000
    pairs = mined([(i, i if i % 3 else i + 1, 1.0) for i in range(n)])
    gold = frozenset((i, i) for i in range(0, n, 2))
    tracemalloc.start()
    f1_at(pairs, gold, 0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6


@pytest.mark.parametrize("n", [5, 700])
def test_f1_is_the_same_as_drawing_everything_at_once(n, monkeypatch):
    monkeypatch.setattr("labse_helpers.evaluation.DRAWS_AT_ONCE", 3_001)
    pairs = mined([(i, i if i % 3 else i + 1, 1.0) for i in range(n)])
    gold = frozenset((i, i) for i in range(0, n, 2))
    right = np.array(
        [pair in gold for pair in zip(pairs["source_index"], pairs["target_index"], strict=True)]
    )
    hits = np.concatenate([right, np.zeros(len(gold) - right.sum())])
    sizes = np.concatenate([np.where(right, 2, 1), np.ones(len(gold) - right.sum())])
    draws = np.random.default_rng(0).integers(len(hits), size=(N_RESAMPLES, len(hits)))
    low, high = np.percentile(2 * hits[draws].sum(axis=1) / sizes[draws].sum(axis=1), [2.5, 97.5])
    found = f1_at(pairs, gold, 0.5)
    assert (found.low, found.high) == (low, high)


def test_difference_of_f1_is_the_difference_and_narrower_than_apart():
    gold = frozenset((i, i) for i in range(200))
    before = mined([(i, i if i % 3 else i + 1, 1.0) for i in range(0, 240)])
    after = mined([(i, i if i % 4 else i + 1, 1.0) for i in range(0, 220)])
    apart = [f1_at(pairs, gold, 0.0) for pairs in (before, after)]
    found = f1_difference(before, after, gold)
    assert found.value == pytest.approx(apart[1].value - apart[0].value)
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(-f1_difference(after, before, gold).value)
    same = f1_difference(before, before, gold)
    assert (same.low, same.value, same.high) == (0, 0, 0)
    nothing = f1_difference(mined([]), mined([]), gold)
    assert (nothing.low, nothing.value, nothing.high) == (0, 0, 0)
    nearly = f1_difference(before, before.iloc[:-5], gold)
    assert nearly.high - nearly.low < (apart[0].high - apart[0].low) / 2


def test_difference_of_f1_may_choose_a_sentence_twice():
    """방향이 backward면 원문 하나에 쌍이 여럿입니다."""
    found = f1_difference(mined([(0, 0, 1.0), (0, 1, 0.9)]), mined([(0, 0, 1.0)]), [(0, 0)])
    assert found.value == pytest.approx(1 - 2 / 3)
    with pytest.raises(InputError, match="정답"):
        f1_difference(mined([(0, 0, 1.0)]), mined([(0, 0, 1.0)]), [])
    with pytest.raises(InputError, match="score"):
        f1_difference(mined([(0, 0, 1.0)]).drop(columns="score"), mined([(0, 0, 1.0)]), [(0, 0)])
