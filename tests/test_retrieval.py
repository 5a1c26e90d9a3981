"""검색과 채점: 손으로 센 값, 정의 그대로 적은 계산, 라이브러리의 값과 같은가."""

import numpy as np
import pytest
import torch
from sentence_transformers.sentence_transformer.evaluation import TranslationEvaluator

from labse_helpers import (
    InputError,
    margin_scores,
    mean_reciprocal_rank,
    precision_at_1,
    return_most_similar,
)

KO = ["눈이 펑펑 내린다.", "커피가 식었어요.", "열쇠를 잃어버렸습니다."]
EN = ["I lost my keys.", "It is snowing hard.", "The coffee has gone cold."]


def test_one_query_one_string(model):
    assert return_most_similar("눈이 펑펑 내린다.", EN, model) == "It is snowing hard."


def test_many_queries_and_top_k(model):
    assert return_most_similar(KO, EN, model) == [EN[1], EN[2], EN[0]]
    top_two = return_most_similar(KO, EN, model, top_k=2)
    assert [len(hits) for hits in top_two] == [2, 2, 2]
    assert [hits[0] for hits in top_two] == [EN[1], EN[2], EN[0]]
    assert sorted(return_most_similar("커피가 식었어요.", EN, model, top_k=3)) == sorted(EN)


@pytest.mark.parametrize("convert_to_tensor", [True, False])
def test_given_embeddings_are_not_computed_again(model, monkeypatch, convert_to_tensor):
    embeddings = model.encode(EN, convert_to_tensor=convert_to_tensor)
    encoded = []
    encode = model.encode
    monkeypatch.setattr(
        model,
        "encode",
        lambda sentences, **kwargs: (encoded.append(list(sentences)), encode(sentences, **kwargs))[1],
    )
    assert return_most_similar(KO[0], EN, model, corpus_embeddings=embeddings) == EN[1]
    assert encoded == [KO[:1]]
    encoded.clear()
    return_most_similar(KO, EN, model)
    assert encoded == [KO, EN]  # 질의가 셋이어도 corpus는 한 번


def test_same_as_brute_force_on_a_larger_corpus(model, course):
    corpus, queries = course.en[:200], course.ko[:50]
    scores = model.encode(queries) @ model.encode(corpus).T
    assert return_most_similar(queries, corpus, model) == [corpus[i] for i in scores.argmax(axis=1)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"query": ""}, "query: 빈 문장"),
        ({"query": []}, "query가 비어"),
        ({"query": ["좋다", None]}, r"query\[1\]"),
        ({"corpus": []}, "corpus가 비어"),
        ({"corpus": ["a", " "]}, r"corpus\[1\]: 빈 문장"),
        ({"corpus": "한 문장"}, "문장 목록"),
        ({"top_k": 4}, "top_k=4인데 후보는 3개"),
        ({"top_k": 0}, "1 이상의 정수"),
        ({"top_k": 1.5}, "1 이상의 정수"),
        ({"top_k": True}, "1 이상의 정수"),
        ({"corpus_embeddings": np.ones((3, 7))}, r"\(3, 7\)인데 \(3, 512\)"),
        ({"corpus_embeddings": np.ones((2, 512))}, r"\(2, 512\)인데 \(3, 512\)"),
        ({"corpus_embeddings": np.full((3, 512), np.nan)}, "NaN"),
    ],
)
def test_bad_input(model, arguments, message):
    with pytest.raises(InputError, match=message):
        return_most_similar(**{"query": KO[0], "corpus": EN, "model": model, **arguments})


# --- P@1과 MRR ---------------------------------------------------------------------------------

SCORES = np.array(
    [  # 행의 등수 1, 2, 3 / 열의 등수 1, 1, 3
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
    # 정규 근사와 견주어 엉뚱한 폭이 아닌지 봅니다.
    p = first.value
    assert first.high - first.low == pytest.approx(2 * 1.96 * (p * (1 - p) / 50) ** 0.5, rel=0.2)
    assert str(first).count("%") == 3


@pytest.mark.parametrize("size", [1, 2])
def test_tiny_and_perfect_matrices(size):
    estimate = precision_at_1(np.eye(size)).forward
    assert estimate.value == 1
    assert 0 <= estimate.low <= estimate.high <= 1


# --- 마진 점수 ---------------------------------------------------------------------------------


def margin_by_definition(scores: np.ndarray, k: int) -> np.ndarray:
    """Artetxe & Schwenk (2019)의 비율 마진을 낱낱의 이웃으로 적은 것."""
    result = np.empty_like(scores)
    for i, j in np.ndindex(*scores.shape):
        around_x = sum(sorted(scores[i, :], reverse=True)[:k]) / (2 * k)
        around_y = sum(sorted(scores[:, j], reverse=True)[:k]) / (2 * k)
        result[i, j] = scores[i, j] / (around_x + around_y)
    return result


@pytest.mark.parametrize("shape", [(9, 9), (6, 11)])
@pytest.mark.parametrize("k", [1, 4])
def test_margin_is_its_definition(shape, k):
    scores = np.random.default_rng(0).uniform(0.1, 1, shape)
    assert margin_scores(scores, k=k) == pytest.approx(margin_by_definition(scores, k))
    as_tensor = margin_scores(torch.tensor(scores), k=k)
    assert isinstance(as_tensor, torch.Tensor)
    assert as_tensor.numpy() == pytest.approx(margin_by_definition(scores, k))


def test_margin_beats_a_hub():
    """누구에게나 가까운 문장(hub)이 하나 있을 때, 코사인은 속고 마진은 속지 않습니다."""
    scores = np.array([[0.60, 0.70, 0.10], [0.20, 0.90, 0.20], [0.10, 0.70, 0.65]])
    assert precision_at_1(scores).forward.value < 1
    assert precision_at_1(margin_scores(scores, k=2)).forward.value == 1


@pytest.mark.parametrize("function", [precision_at_1, mean_reciprocal_rank, margin_scores])
@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.ones(3), "2차원"),
        (np.ones((0, 0)), "2차원"),
        (np.array([[1, np.nan], [0, 1]]), r"\(0, 1\)"),
        (np.array([[1, 0], [np.inf, 1]]), r"\(1, 0\)"),
    ],
)
def test_bad_scores(function, scores, message):
    with pytest.raises(InputError, match=message):
        function(scores)


def test_bad_shape_and_k():
    with pytest.raises(InputError, match="정사각"):
        precision_at_1(np.ones((2, 3)))
    with pytest.raises(InputError, match="k=4인데 후보는 3개"):
        margin_scores(np.ones((3, 5)))
