"""마이닝: 행렬을 다 만드는 느린 계산과 같은가, 방향마다 규칙을 지키는가, 블록·길이·그릇과 관계없이 같은가."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch

from labse_helpers import InputError, load_corpus, load_mining_task, mine_bitext
from labse_helpers.search import exact
from labse_helpers.search.margin import SMALLEST_MEAN
from labse_helpers.search.mining import mine_vectors

SCORINGS = ("ratio", "distance", "cosine")
FOUR = ("forward", "backward", "intersection", "max")


def vectors(n: int, seed: int, dim: int = 8) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.nn.functional.normalize(torch.tensor(rng.normal(size=(n, dim)), dtype=torch.float32), dim=1)


def slow(x: np.ndarray, y: np.ndarray, k: int, scoring: str, direction: str) -> set[tuple[int, int]]:
    """N×M 행렬을 다 만들어 글자 그대로 옮긴 계산. 이웃 밖의 쌍은 후보가 아닙니다."""
    cosine = x @ y.T
    near_row, near_column = -np.sort(-cosine, axis=1)[:, :k], -np.sort(-cosine, axis=0)[:k]
    mean = (near_row.mean(axis=1)[:, None] + near_column.mean(axis=0)[None]) / 2
    ratio = np.where(cosine > 0, cosine / np.maximum(mean, SMALLEST_MEAN), cosine)
    score = {"ratio": ratio, "distance": cosine - mean, "cosine": cosine}[scoring]
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


@pytest.mark.parametrize("direction", FOUR)
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


@pytest.mark.parametrize("direction", FOUR)
def test_blocks_never_change_the_answer(monkeypatch, direction):
    """같은 벡터가 여럿이어도, 블록을 어떻게 나누어도 마지막 비트까지 같은 쌍과 점수입니다."""
    rng = np.random.default_rng(0)
    x, y = vectors(90, 3, 24)[rng.integers(90, size=200)], vectors(70, 4, 24)[rng.integers(70, size=150)]
    found = []
    for queries, corpus in ((1_024, 8_192), (16, 8_192), (1_024, 16), (7, 13), (1, 50)):
        monkeypatch.setattr(exact, "QUERY_BLOCK", queries)
        monkeypatch.setattr(exact, "CORPUS_BLOCK", corpus)
        found.append(mine_vectors(x, y, direction=direction))
    for other in found[1:]:
        for values, expected in zip(other, found[0], strict=True):
            np.testing.assert_array_equal(values, expected)


def test_lengths_never_change_the_answer():
    x, y = vectors(60, 1), vectors(50, 2)
    lengths = torch.rand(60, 1, generator=torch.Generator().manual_seed(0)) * 9 + 0.1
    for scoring in SCORINGS:
        expected, found = (
            mine_vectors(x, y, scoring=scoring),
            mine_vectors(x * lengths, 5 * y, scoring=scoring),
        )
        np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
        np.testing.assert_array_equal(found[1], expected[1])
        np.testing.assert_array_equal(found[2], expected[2])


def test_equal_scores_come_lowest_index_first():
    x, y = torch.eye(4)[[0, 1, 0, 2]], torch.eye(4)[[1, 0, 0, 2, 1]]
    _, rows, columns = mine_vectors(x, y, k=1, direction="forward")
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (1, 0), (2, 1), (3, 3)]
    _, rows, columns = mine_vectors(x, y, k=1, direction="backward")
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 0), (1, 4), (3, 3)]


@pytest.mark.parametrize(
    ("lasers", "ours"),
    [({"direction": "fwd"}, {"direction": "forward"}), ({"direction": "bwd"}, {"direction": "backward"}),
     ({"direction": "intersect"}, {"direction": "intersection"}), ({"scoring": "absolute"}, {"scoring": "cosine"})],
)  # fmt: skip
def test_lasers_names_mean_the_same(lasers, ours):
    x, y = vectors(30, 1), vectors(40, 2)
    for found, expected in zip(mine_vectors(x, y, **lasers), mine_vectors(x, y, **ours), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_unrelated_neighbours_do_not_flip_the_ratio():
    """이웃의 평균이 음수여도, 코사인이 높은 쌍이 낮은 쌍보다 뒤로 가지 않습니다."""
    x = torch.eye(3)
    y = -torch.eye(3)
    y[0] = torch.tensor([0.6, -0.8, 0.0])
    scores, rows, columns = mine_vectors(x, y, k=2)
    assert (rows[0], columns[0]) == (0, 0)
    assert np.isfinite(scores).all() and np.abs(scores).max() <= 1 / SMALLEST_MEAN


def test_repeated_sentences_are_used_once(model):
    ko = ["기차가 늦었다.", "고양이가 잔다.", "기차가 늦었다.", "비가 온다."]
    en = ["It is raining.", "The cat is asleep.", "The cat is asleep.", "The train was late."]
    mined = mine_bitext(ko, en, model, k=1)
    assert sorted(zip(mined["source_index"], mined["target_index"], strict=True)) == [(0, 3), (1, 1), (3, 0)]
    assert list(mined.columns) == ["source", "target", "score", "source_index", "target_index"]
    given = mine_bitext(ko, en, model, k=1, embeddings=(model.encode(ko), model.encode(en)))
    pd.testing.assert_frame_equal(mined, given, rtol=1e-4)


KO = ["기차가 늦었다.", "고양이가 잔다.", "비가 온다."]
EN = ["It is raining.", "The cat is asleep.", "The train was late."]


@pytest.mark.parametrize(
    "kind",
    [
        tuple, np.array, iter, lambda s: (sentence for sentence in s), pd.array,
        lambda s: pd.Series(s, index=[7, 7, 0]), lambda s: pd.Series(["버릴 것", *s])[1:],
        lambda s: pd.DataFrame({"ko": s}).sort_index(ascending=False)["ko"].iloc[::-1],
    ],
)  # fmt: skip
def test_any_iterable_of_sentences(model, kind):
    expected = mine_bitext(KO, EN, model, k=1)
    pd.testing.assert_frame_equal(mine_bitext(kind(KO), kind(EN), model, k=1), expected)
    assert sorted(zip(expected["source_index"], expected["target_index"], strict=True)) == [
        (0, 2),
        (1, 1),
        (2, 0),
    ]


def test_sentences_that_look_the_same_are_the_same(model):
    """NFD, NBSP, 폭 없는 공백만 다른 문장은 같은 문장이고, 돌려주는 것은 처음 것입니다."""
    import unicodedata

    ko = [
        "비가 온다.",
        "고양이가 잔다.",
        unicodedata.normalize("NFD", "비가 온다."),
        "비가\u00a0온다.",
        "비가 온다.\u200b",
    ]
    mined = mine_bitext(ko, EN, model, k=1, direction="forward")
    assert sorted(mined["source_index"]) == [0, 1]
    assert set(mined["source"]) == {"비가 온다.", "고양이가 잔다."}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": []}, "source가 비어"),
        ({"target": ["하나", "  "]}, r"target\[1\]"),
        ({"k": 0}, "k는 1 이상"),
        ({"k": 4}, "후보는 3개뿐"),
        ({"scoring": "margin"}, "cosine, ratio, distance"),
        ({"scoring": ["ratio"]}, "scoring"),
        ({"direction": "both"}, "forward, backward"),
        ({"embeddings": (np.ones((3, 2)), np.ones((2, 2)))}, "target 쪽의 모양"),
        ({"embeddings": (np.ones((3, 2)), None)}, "target 쪽.*NoneType"),
        ({"embeddings": np.ones((3, 2))}, "둘을"),
        ({"embeddings": (np.ones((3, 2)), np.ones((3, 5)))}, r"\(3, 5\)인데 \(3, 2\)"),
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
        assert len(task.gold) == task.source_kind.count("짝 있음") == task.target_kind.count("짝 있음")
        for i, j in task.gold:
            assert task.source_kind[i] == task.target_kind[j] == "짝 있음"
            assert english.get(task.source[i], task.target[j]) == task.target[j]
        assert len(set(task.source)) == len(task.source) and len(set(task.target)) == len(task.target)
        assert {"숫자", "부정", "방향"} <= set(task.source_kind) & set(task.target_kind)
        seen.append(task)
    assert not set(seen[0].source) & set(seen[1].source)
    assert not set(seen[0].target) & set(seen[1].target)
    with pytest.raises(InputError, match="dev, test"):
        load_mining_task("train")


def test_task_by_domain_and_with_more_unpaired_sentences():
    both, course = load_mining_task(), load_mining_task(corpora=("course",))
    assert set(course.source) < set(both.source) and set(course.target) < set(both.target)
    crowded = load_mining_task(unpaired=1)
    some = load_mining_task(unpaired=0.3)
    assert set(both.source) < set(some.source) < set(crowded.source)

    def sentences(task):
        return {(task.source[i], task.target[j]) for i, j in task.gold}

    assert sentences(both) == sentences(some) == sentences(crowded)
    assert len(crowded.gold) < 0.2 * min(len(crowded.source), len(crowded.target))
    assert not set(crowded.source) & set(load_mining_task("dev", unpaired=1).source)
    plain = load_mining_task(distractors=False)
    assert sentences(plain) == sentences(both) and set(plain.source_kind) == {"짝 있음", "짝 없음"}
    for wrong in ({"corpora": "course"}, {"corpora": ()}, {"corpora": ("tatoeba",)}):
        with pytest.raises(InputError, match="corpora"):
            load_mining_task(**wrong)
    with pytest.raises(InputError, match="unpaired"):
        load_mining_task(unpaired=2)


KINDS = {"숫자", "부정", "방향", "행위자", "대상", "시간", "이름"}


def test_decoys_change_one_thing():
    """방해 문장은 평가용 문장에서 단어 몇 개만 다르고, 말뭉치에 있는 문장이 아닙니다."""
    from labse_helpers.corpora import own_rows

    course = {pair.id: pair for pair in load_corpus("course").test}
    rows = own_rows("mining_near_misses.tsv")
    assert len({row["id"] for row in rows}) == len(rows) > 100
    everything = set(load_corpus("course").ko) | set(load_corpus("course").en)
    for row in rows:
        assert row["sentence"] not in everything
        assert row["language"] in ("ko", "en") and row["kind"] in KINDS
        own = getattr(course[row["id"]], row["language"])
        before, after = Counter(own.split()), Counter(row["sentence"].split())
        assert max((before - after).total(), (after - before).total()) <= 4, row
        assert own.split() != row["sentence"].split()
