"""번역 캐기: 행렬을 다 만드는 느린 계산과 같은가, 방향마다 약속을 지키는가, 과제와 채점이 맞는가."""

import numpy as np
import pandas as pd
import pytest
import torch

from labse_helpers import (
    InputError,
    exact_top_k,
    f1_at,
    load_corpus,
    load_mining_task,
    mine_bitext,
    precision_recall,
)
from labse_helpers.search.exact import exact_top_k_both_ways
from labse_helpers.search.mining import DIRECTIONS, SCORINGS, mine_vectors


def vectors(n: int, seed: int, dim: int = 8) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.nn.functional.normalize(torch.tensor(rng.normal(size=(n, dim)), dtype=torch.float32), dim=1)


def slow(x: np.ndarray, y: np.ndarray, k: int, scoring: str, direction: str) -> set[tuple[int, int]]:
    """N×M 행렬을 다 만들어 글자 그대로 옮긴 계산. 이웃 밖의 쌍은 후보가 아닙니다."""
    cosine = x @ y.T
    near_row, near_column = -np.sort(-cosine, axis=1)[:, :k], -np.sort(-cosine, axis=0)[:k]
    mean = (near_row.mean(axis=1)[:, None] + near_column.mean(axis=0)[None]) / 2
    score = {"ratio": cosine / np.maximum(mean, 1e-6), "distance": cosine - mean, "absolute": cosine}[scoring]
    by_row = np.where(cosine >= near_row[:, -1:], score, -np.inf)
    by_column = np.where(cosine >= near_column[-1:], score, -np.inf)
    forward = {(i, int(j)) for i, j in enumerate(by_row.argmax(axis=1))}
    backward = {(int(i), j) for j, i in enumerate(by_column.argmax(axis=0))}
    if direction != "max":
        return {"forward": forward, "backward": backward, "intersection": forward & backward}[direction]
    rows, columns, chosen = set(), set(), set()
    for i, j in sorted(forward | backward, key=lambda pair: -score[pair]):
        if i not in rows and j not in columns:
            chosen.add((i, j))
            rows.add(i)
            columns.add(j)
    return chosen


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("scoring", SCORINGS)
def test_same_pairs_as_the_full_matrix(scoring, direction):
    for seed, (n, m, k) in enumerate([(40, 55, 4), (7, 3, 1), (1, 1, 1), (30, 30, 30)]):
        x, y = vectors(n, seed), vectors(m, seed + 100)
        scores, rows, columns = mine_vectors(x, y, k, scoring, direction)
        expected = slow(x.numpy(), y.numpy(), k, scoring, direction)
        assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == expected
        assert (np.diff(scores) <= 0).all()


def test_max_never_uses_a_sentence_twice_and_intersection_is_mutual():
    x, y = vectors(60, 1), vectors(50, 2)
    for direction in ("max", "intersection"):
        _, rows, columns = mine_vectors(x, y, direction=direction)
        assert len(set(rows)) == len(rows) == len(set(columns))
    swapped = mine_vectors(y, x, direction="max")
    assert set(zip(*mine_vectors(x, y)[1:], strict=True)) == set(zip(swapped[2], swapped[1], strict=True))


@pytest.mark.parametrize(("n", "m", "k"), [(700, 900, 4), (512, 300, 300), (257, 40, 3), (1, 50, 1)])
def test_both_ways_equals_two_searches(monkeypatch, n, m, k):
    monkeypatch.setattr("labse_helpers.search.exact.QUERY_BLOCK", 256)  # 여러 블록과, 16으로 나뉘지 않는 끝
    x, y = vectors(n, 3), vectors(m, 4)
    k = min(n, m, k)
    for (scores, indices), (a, b) in zip(exact_top_k_both_ways(x, y, k), ((x, y), (y, x)), strict=True):
        np.testing.assert_allclose(scores, exact_top_k(a, b, k)[0], atol=1e-6)
        np.testing.assert_allclose((a @ b.T).gather(1, indices), scores, atol=1e-6)
        assert all(len(set(row)) == k for row in indices.tolist())


def test_unrelated_neighbours_do_not_flip_the_ratio():
    """이웃의 평균이 음수여도, 코사인이 높은 쌍이 낮은 쌍보다 뒤로 가지 않습니다."""
    x = torch.eye(3)
    y = -torch.eye(3)
    y[0] = torch.tensor([0.6, -0.8, 0.0])
    scores, rows, columns = mine_vectors(x, y, k=2)
    assert (rows[0], columns[0]) == (0, 0)
    assert np.isfinite(scores).all()


def test_repeated_sentences_are_used_once(model):
    ko = ["기차가 늦었다.", "고양이가 잔다.", "기차가 늦었다.", "비가 온다."]
    en = ["It is raining.", "The cat is asleep.", "The cat is asleep.", "The train was late."]
    mined = mine_bitext(ko, en, model, k=1)
    assert sorted(zip(mined["source_index"], mined["target_index"], strict=True)) == [(0, 3), (1, 1), (3, 0)]
    assert list(mined.columns) == ["source", "target", "score", "source_index", "target_index"]
    given = mine_bitext(ko, en, model, k=1, embeddings=(model.encode(ko), model.encode(en)))
    pd.testing.assert_frame_equal(mined, given, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": []}, "source가 비어"),
        ({"target": ["하나", "  "]}, r"target\[1\]"),
        ({"k": 0}, "k는 1 이상"),
        ({"k": 4}, "후보는 3개뿐"),
        ({"scoring": "cosine"}, "ratio, distance, absolute"),
        ({"direction": "both"}, "forward, backward"),
        ({"embeddings": (np.ones((3, 2)), np.ones((2, 2)))}, "target 쪽이"),
        ({"embeddings": (np.ones((3, 2)), None)}, "NoneType"),
        ({"embeddings": (np.ones((3, 2)), np.ones((3, 5)))}, "차원"),
        ({"embeddings": (np.full((3, 2), np.nan), np.ones((3, 2)))}, "NaN"),
        ({"approximate": True}, "50,000"),
    ],
)
def test_bad_input_is_said(model, change, message):
    given = {"source": ["가", "나", "다"], "target": ["a", "b", "c"], "k": 2} | change
    with pytest.raises(InputError, match=message):
        mine_bitext(model=model, **given)


def test_approximate_neighbours_find_nearly_the_same_pairs():
    pytest.importorskip("faiss")
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(2_000, 32))
    x = centres[rng.integers(2_000, size=50_000)] + rng.normal(size=(50_000, 32)) * 0.4
    y = x + rng.normal(size=x.shape) * 0.15
    x, y = (torch.nn.functional.normalize(torch.tensor(z, dtype=torch.float32), dim=1) for z in (x, y))
    _, rows, columns = mine_vectors(x, y, approximate=True)
    assert (rows == columns).sum() > 0.95 * 50_000


def test_task_has_few_partners_and_known_gold():
    course = load_corpus("course")
    english = dict(zip(course.ko, course.en, strict=True))
    seen = []
    for part in ("dev", "test"):
        task = load_mining_task(part)
        assert len(task.gold) < 0.5 * min(len(task.source), len(task.target))
        assert len({i for i, _ in task.gold}) == len({j for _, j in task.gold}) == len(task.gold)
        assert len(task.gold) == task.source_kind.count("짝") == task.target_kind.count("짝")
        for i, j in task.gold:
            assert task.source_kind[i] == task.target_kind[j] == "짝"
            assert english.get(task.source[i], task.target[j]) == task.target[j]
        assert len(set(task.source)) == len(task.source) and len(set(task.target)) == len(task.target)
        assert {"숫자", "부정", "방향"} <= set(task.source_kind) & set(task.target_kind)
        seen.append(task)
    assert not set(seen[0].source) & set(seen[1].source)
    assert not set(seen[0].target) & set(seen[1].target)
    with pytest.raises(InputError, match="'dev'나 'test'"):
        load_mining_task("train")


def test_decoys_differ_from_what_they_mimic():
    course = {pair.id: pair for pair in load_corpus("course").test}
    from labse_helpers.corpora import own_rows

    rows = own_rows("mining_near_misses.tsv")
    assert len({row["id"] for row in rows}) == len(rows) > 100
    everything = set(load_corpus("course").ko) | set(load_corpus("course").en)
    for row in rows:
        assert row["sentence"] not in everything
        assert row["id"] in course
        assert row["language"] in ("ko", "en")


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
    ):
        with pytest.raises(InputError):
            call()
