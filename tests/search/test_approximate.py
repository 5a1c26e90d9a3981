"""근사 색인: 대개 찾는가, 점수는 정확한가, 모자라거나 깨졌을 때 틀린 답을 내지 않는가."""

import sys

import numpy as np
import pytest
import torch

from labse_helpers import InputError, exact_top_k
from labse_helpers.errors import OutputError
from labse_helpers.search import approximate
from labse_helpers.search.approximate import ApproximateIndex, rescore


@pytest.fixture(scope="module")
def corpus():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(200, 64))
    values = centers[rng.integers(200, size=6_000)] + 0.8 * rng.normal(size=(6_000, 64))
    return torch.nn.functional.normalize(torch.tensor(values, dtype=torch.float32), dim=1)


@pytest.fixture(scope="module")
def index(corpus):
    pytest.importorskip("faiss")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(approximate, "MIN_VECTORS", 5_000)
        return ApproximateIndex(corpus)


def test_finds_most_and_scores_exactly(index, corpus):
    scores, indices = index.top_k(corpus[:100], 10)
    expected = exact_top_k(corpus[:100], corpus, 10)[1]
    recall = (indices[:, :, None] == expected[:, None, :]).any(dim=2).float().mean()
    assert recall > 0.85
    assert scores.numpy() == pytest.approx((corpus[:100, None] * corpus[indices]).sum(-1).numpy(), abs=1e-5)


@pytest.mark.parametrize("top_k", [700, 3_000, 6_000])
def test_missing_candidates_are_never_hits(index, corpus, top_k):
    """훑은 클러스터에 후보가 모자라면 faiss는 -1을 돌려줍니다. 그것이 말뭉치의 마지막 문장이 되어서는 안 됩니다."""
    assert (index.index.search(corpus[:20].numpy(), top_k)[1] < 0).any()
    scores, indices = index.top_k(corpus[:20], top_k)
    assert indices.min() >= 0 and torch.isfinite(scores).all()
    assert all(len(set(row)) == top_k for row in indices.tolist())
    assert torch.equal(indices, exact_top_k(corpus[:20], corpus, top_k)[1])


def test_queries_of_any_length_have_cosines(index, corpus):
    scores, indices = index.top_k(corpus[:20], 5)
    longer = index.top_k(7 * corpus[:20], 5)
    assert torch.allclose(longer[0], scores, atol=1e-5) and torch.equal(longer[1], indices)


def test_equal_scores_come_lowest_index_first():
    pytest.importorskip("faiss")
    vectors = torch.nn.functional.normalize(
        torch.randn(6, 8, generator=torch.Generator().manual_seed(0)), dim=1
    )
    corpus = vectors[torch.tensor([3, 1, 0, 1, 0, 2, 0, 3])]
    candidates = torch.tensor([[6, 7, 3, 4, 2, 1], [-1, 7, 0, 3, 1, -1]])
    scores, indices = rescore(vectors[[0, 3]], candidates, corpus, 5)
    assert indices[0, :3].tolist() == [2, 4, 6] and indices[1, :2].tolist() == [0, 7]
    assert indices[1].tolist()[2:] == [1, 3, -1] and scores[1, 4] == -torch.inf


@pytest.fixture(scope="module")
def saved(index, tmp_path_factory):
    path = tmp_path_factory.mktemp("index") / "index.faiss"
    index.save(path)
    return path.read_bytes()


def test_saved_index_finds_the_same(index, corpus, saved, tmp_path):
    (tmp_path / "한글.faiss").write_bytes(saved)
    loaded = ApproximateIndex.load(tmp_path / "한글.faiss", corpus)
    assert torch.equal(loaded.top_k(corpus[:30], 5)[1], index.top_k(corpus[:30], 5)[1])


@pytest.mark.parametrize("damage", ["empty", "junk", "text", "half", "no end", "other kind", "missing"])
def test_damaged_file_is_our_error(corpus, saved, tmp_path, damage):
    faiss = pytest.importorskip("faiss")
    flat = faiss.IndexFlatIP(64)
    flat.add(corpus.numpy())
    content = {
        "empty": b"",
        "junk": np.random.default_rng(0).bytes(5_000),
        "text": "색인이 아닌 글".encode(),
        "half": saved[: len(saved) // 2],
        "no end": saved[:-1],
        "other kind": faiss.serialize_index(flat).tobytes(),
    }
    if damage != "missing":
        (tmp_path / "index.faiss").write_bytes(content[damage])
    with pytest.raises(OutputError, match=r"index\.faiss: 근사 색인이 깨졌거나"):
        ApproximateIndex.load(tmp_path / "index.faiss", corpus)


@pytest.mark.parametrize(
    "other", [lambda c: c[:5_999], lambda c: torch.cat([c, c[:1]]), lambda c: c[:, :32].contiguous()]
)
def test_index_of_other_vectors_is_refused(corpus, saved, tmp_path, other):
    (tmp_path / "index.faiss").write_bytes(saved)
    with pytest.raises(OutputError, match="이 벡터들의 것이 아닙니다"):
        ApproximateIndex.load(tmp_path / "index.faiss", other(corpus))


def test_what_cannot_be_built_is_said(corpus, monkeypatch):
    pytest.importorskip("faiss")
    with pytest.raises(InputError, match="50,000개 이상"):
        ApproximateIndex(corpus)
    monkeypatch.setattr(approximate, "MIN_VECTORS", 5_000)
    with pytest.raises(InputError, match="4의 배수"):
        ApproximateIndex(corpus[:, :30].contiguous())


def test_missing_faiss_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match="pip install faiss-cpu"):
        ApproximateIndex(torch.rand(60_000, 8))
