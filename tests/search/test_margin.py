"""마진 점수: 정의 그대로인가, 음수와 0에 가까운 평균에서도 나은 쌍이 앞서는가."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labse_helpers import InputError, margin_scores, precision_at_1
from labse_helpers.search.margin import SMALLEST_MEAN, check_scoring, margin

cosines = st.floats(-1, 1, width=32)
relaxed = settings(max_examples=300, deadline=None, derandomize=True, database=None)


def by_definition(scores: np.ndarray, k: int, scoring: str) -> np.ndarray:
    """Artetxe & Schwenk (2019)의 마진을 낱낱의 이웃으로 적은 것."""
    result = np.empty_like(scores)
    for i, j in np.ndindex(*scores.shape):
        around_x = sum(sorted(scores[i, :], reverse=True)[:k]) / (2 * k)
        around_y = sum(sorted(scores[:, j], reverse=True)[:k]) / (2 * k)
        mean = around_x + around_y
        result[i, j] = {
            "ratio": scores[i, j] / mean,
            "distance": scores[i, j] - mean,
            "cosine": scores[i, j],
        }[scoring]
    return result


@pytest.mark.parametrize("scoring", ["ratio", "distance", "cosine"])
@pytest.mark.parametrize("shape", [(9, 9), (6, 11)])
@pytest.mark.parametrize("k", [1, 4])
def test_margin_is_its_definition(shape, k, scoring):
    scores = np.random.default_rng(0).uniform(0.1, 1, shape)
    expected = by_definition(scores, k, scoring)
    assert margin_scores(scores, k, scoring) == pytest.approx(expected)
    as_tensor = margin_scores(torch.tensor(scores), k, scoring)
    assert isinstance(as_tensor, torch.Tensor)
    assert as_tensor.numpy() == pytest.approx(expected)


def test_the_default_is_the_ratio_and_lasers_name_is_known():
    scores = np.random.default_rng(1).uniform(-0.2, 1, (5, 7))
    assert np.array_equal(margin_scores(scores), margin_scores(scores, 4, "ratio"))
    assert np.array_equal(margin_scores(scores, 4, "absolute"), scores)
    assert check_scoring("absolute") == "cosine"


def test_the_given_matrix_is_never_changed():
    for scores in (np.eye(5), torch.eye(5)):
        for scoring in ("ratio", "distance", "cosine"):
            result = margin_scores(scores, 2, scoring)
            result[:] = 7
        assert (scores == (np.eye(5) if isinstance(scores, np.ndarray) else torch.eye(5))).all()


def test_margin_beats_a_hub():
    """누구에게나 가까운 문장(hub)이 하나 있을 때, 코사인은 속고 마진은 속지 않습니다."""
    scores = np.array([[0.60, 0.70, 0.10], [0.20, 0.90, 0.20], [0.10, 0.70, 0.65]])
    assert precision_at_1(scores).forward.value < 1
    assert precision_at_1(margin_scores(scores, k=2)).forward.value == 1


@relaxed
@given(
    first=cosines,
    second=cosines,
    first_mean=cosines,
    second_mean=cosines,
    scoring=st.sampled_from(["ratio", "distance", "cosine"]),
)
def test_a_closer_pair_with_farther_neighbours_is_never_behind(
    first, second, first_mean, second_mean, scoring
):
    near, far = max(first, second), min(first, second)
    lonely, crowded = min(first_mean, second_mean), max(first_mean, second_mean)
    better, worse = margin(torch.tensor([near, far]), torch.tensor([lonely, crowded]), scoring).tolist()
    assert better >= worse
    assert -2 <= worse <= better <= 1 / SMALLEST_MEAN + 1e-5


@relaxed
@given(first=cosines, second=cosines, mean=cosines, scoring=st.sampled_from(["ratio", "distance", "cosine"]))
def test_with_equal_means_the_order_is_that_of_the_cosine(first, second, mean, scoring):
    a, b = margin(np.array([first, second]), np.array([mean, mean]), scoring).tolist()
    assert (a > b) <= (first > second) and (a < b) <= (first < second)


@pytest.mark.parametrize("mean", [0.0, -0.0, 1e-30, -1e-30, -0.3, -1.0])
def test_tiny_and_negative_means_give_finite_scores_in_the_right_order(mean):
    scores = margin(np.array([0.9, 0.1, 0.0, -0.1, -0.9]), np.full(5, mean), "ratio")
    assert np.isfinite(scores).all()
    assert (np.diff(scores) < 0).all()


def test_matrix_of_unrelated_sentences():
    """모든 이웃이 음수인 행: 나누면 가장 먼 쌍이 1위가 됩니다."""
    scores = np.array([[-0.1, -0.5, -0.6], [-0.5, -0.2, -0.6], [-0.6, -0.5, -0.1]])
    assert margin_scores(scores, k=3).argmax(axis=1).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scores": np.ones(3)}, "2차원"),
        ({"scores": np.ones((0, 0))}, "2차원"),
        ({"scores": np.array([[1, np.nan], [0, 1]])}, r"scores\[0, 1\]"),
        ({"scores": np.array([[1, 0], [np.inf, 1]])}, r"scores\[1, 0\]"),
        ({"scores": np.ones((3, 5))}, "k=4인데 후보는 3개"),
        ({"scores": np.ones((5, 5)), "k": 0}, "k는 1 이상"),
        ({"scores": np.ones((5, 5)), "scoring": "margin"}, "scoring.*cosine, ratio, distance"),
        ({"scores": np.ones((5, 5)), "scoring": None}, "scoring"),
    ],
)  # fmt: skip
def test_bad_input(arguments, message):
    with pytest.raises(InputError, match=message):
        margin_scores(**arguments)
