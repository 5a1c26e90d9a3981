"""exact_top_k와 Retriever: 빠짐없이 찾는가, 저장했다 열어도 같은가, 다른 인코더를 알아보는가."""

import json
import sys

import numpy as np
import pytest
import torch

from labse_helpers import InputError, Retriever, exact_top_k, load_model, margin_scores
from labse_helpers.search import approximate as ann_module
from labse_helpers.search import exact as search_module
from labse_helpers.search.approximate import ApproximateIndex


def unit_vectors(n, seed, dim=16):
    vectors = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def retriever(model, course):
    return Retriever(course.ko[:300], model)


@pytest.mark.parametrize("top_k", [1, 3, 10, 200])
@pytest.mark.parametrize(
    ("n_queries", "n_corpus"), [(1, 200), (700, 5_000), (3, 4_096), (5, 4_097), (2, 9_000)]
)
def test_exact_top_k_equals_full_sort(n_queries, n_corpus, top_k, monkeypatch):
    monkeypatch.setattr(search_module, "QUERY_BLOCK", 256)  # 여러 블록에 걸치게 합니다
    monkeypatch.setattr(search_module, "CORPUS_BLOCK", 2_048)
    queries, corpus = unit_vectors(n_queries, 0), unit_vectors(n_corpus, 1)
    scores, indices = exact_top_k(queries, corpus, top_k)
    full = queries @ corpus.T
    expected = -np.sort(-full, axis=1)[:, :top_k]
    assert scores.numpy() == pytest.approx(expected, abs=1e-5)
    assert np.take_along_axis(full, indices.numpy(), axis=1) == pytest.approx(expected, abs=1e-5)
    assert all(len(set(row)) == top_k for row in indices.tolist())


def test_equal_vectors_are_all_candidates():
    corpus = np.repeat(unit_vectors(3, 0), 700, axis=0)
    scores, indices = exact_top_k(corpus[:1], corpus, 50)
    assert scores.numpy() == pytest.approx(1, abs=1e-5)
    assert len(set(indices[0].tolist())) == 50
    assert indices.max() < 700


def test_rescaled_search_equals_margin_of_the_full_matrix(model, course):
    ko, en = model.encode(course.ko), model.encode(course.en)
    full = margin_scores(en @ ko.T, k=4)
    hits = Retriever(course.ko, model, embeddings=ko).search(course.en, top_k=3, scoring="margin")
    best = -np.sort(-full, axis=1)[:, :3]
    assert [[hit.score for hit in row] for row in hits] == pytest.approx(best, abs=1e-4)


def test_torch_threads_are_given_back_even_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(InputError):
        exact_top_k(unit_vectors(3, 0), np.full((5, 16), np.nan), 2)
    exact_top_k(unit_vectors(3, 0), unit_vectors(5, 1), 2)
    assert torch.get_num_threads() == before


def test_no_matrix_of_all_scores_is_built(monkeypatch):
    sizes = []
    block = search_module._candidates
    monkeypatch.setattr(search_module, "_candidates", lambda s, *a: sizes.append(s.numel()) or block(s, *a))
    exact_top_k(unit_vectors(1_500, 0), unit_vectors(40_000, 1), 5)
    assert max(sizes) <= search_module.QUERY_BLOCK * search_module.CORPUS_BLOCK
    assert len(sizes) == 2 * 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="GPU가 있는 기계에서만")
def test_search_on_a_gpu_finds_the_same():
    queries, corpus = torch.tensor(unit_vectors(100, 0)), torch.tensor(unit_vectors(9_000, 1))
    there = exact_top_k(queries.cuda(), corpus.cuda(), 5)
    assert torch.equal(there[1].cpu(), exact_top_k(queries, corpus, 5)[1])


def test_search_answers_one_query_and_many(retriever, course):
    hits = retriever.search(course.en[5], top_k=3)
    assert len(hits) == 3
    assert hits[0].sentence == course.ko[:300][hits[0].index]
    assert hits[0].score >= hits[1].score >= hits[2].score
    many = retriever.search(course.en[:50], top_k=3)
    assert [hit.index for hit in many[5]] == [hit.index for hit in hits]
    assert np.mean([row[0].index == i for i, row in enumerate(many)]) > 0.8


def test_corpus_is_encoded_only_once(model, course, monkeypatch):
    encoded = []
    encode = type(model).encode
    monkeypatch.setattr(
        type(model),
        "encode",
        lambda self, inputs, *a, **k: encoded.append(inputs) or encode(self, inputs, *a, **k),
    )
    retriever = Retriever(course.ko[:50], model)
    for query in course.en[:5]:
        retriever.search(query)
    assert [len(inputs) for inputs in encoded] == [50, 1, 1, 1, 1, 1]


def test_reference_lets_one_query_use_margin(model, course):
    retriever = Retriever(course.ko[:300], model, reference=course.en[300:600])
    alone = retriever.search(course.en[7], top_k=2, scoring="margin")
    together = retriever.search(course.en[:20], top_k=2, scoring="margin")[7]
    assert [hit.index for hit in alone] == [hit.index for hit in together]
    assert alone[0].score == pytest.approx(together[0].score, abs=1e-4)


def test_saved_retriever_answers_the_same(model, course, tmp_path):
    retriever = Retriever(course.ko[:100], model, reference=course.en[100:200])
    for _ in range(2):  # 두 번째는 덮어씁니다
        retriever.save(tmp_path / "index")
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    loaded = Retriever.load(tmp_path / "index", model)
    for scoring in ("cosine", "margin"):
        assert loaded.search(course.en[:9], 3, scoring) == retriever.search(course.en[:9], 3, scoring)


def test_other_encoders_are_recognised(retriever, tmp_path):
    retriever.save(tmp_path / "index")
    tuned = load_model("muse", device="cpu")
    with torch.no_grad():
        tuned[0].dense3.weight += 0.02 * torch.randn(512, 512, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match="같은 문장의 벡터가 서로 다릅니다"):
        Retriever.load(tmp_path / "index", tuned)
    about = json.loads((tmp_path / "index" / "retriever.json").read_text(encoding="utf-8"))
    about["encoder"]["dimension"] = 768
    (tmp_path / "index" / "retriever.json").write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(InputError, match="차원이 768"):
        Retriever.load(tmp_path / "index", retriever.model)


def test_approximate_index_finds_most_and_scores_exactly(monkeypatch):
    pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    centers = unit_vectors(200, 0, dim=128)
    corpus = centers[rng.integers(200, size=6_000)] + 0.1 * rng.normal(size=(6_000, 128)).astype(np.float32)
    corpus = torch.tensor(corpus / np.linalg.norm(corpus, axis=1, keepdims=True))
    with pytest.raises(InputError, match="50,000개 이상"):
        ApproximateIndex(corpus)
    monkeypatch.setattr(ann_module, "MIN_VECTORS", 5_000)
    index = ApproximateIndex(corpus)
    scores, indices = index.top_k(corpus[:100], 10)
    expected = exact_top_k(corpus[:100], corpus, 10)[1]
    recall = np.mean(
        [len(set(a) & set(b)) / 10 for a, b in zip(indices.tolist(), expected.tolist(), strict=True)]
    )
    assert recall > 0.9
    assert scores.numpy() == pytest.approx((corpus[:100, None] * corpus[indices]).sum(-1).numpy(), abs=1e-5)


def test_index_is_used_saved_and_reloaded(model, course, tmp_path, monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(ann_module, "MIN_VECTORS", 100)
    retriever = Retriever(course.ko, model)
    exact = retriever.search(course.en[:50], top_k=1)
    retriever.build_index()
    found = retriever.search(course.en[:50], top_k=1)
    assert np.mean([a[0].index == b[0].index for a, b in zip(exact, found, strict=True)]) > 0.7
    retriever.save(tmp_path / "index")
    assert Retriever.load(tmp_path / "index", model).search(course.en[:50], top_k=1) == found


def test_missing_faiss_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match="pip install faiss-cpu"):
        ApproximateIndex(torch.rand(60_000, 8))
