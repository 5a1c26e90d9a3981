"""정확한 검색: 빠짐없이 찾는가, 같은 점수는 앞의 것부터인가, 블록·길이·장치와 관계없이 같은가."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labse_helpers import InputError, exact_top_k
from labse_helpers.search import exact
from labse_helpers.search.exact import TopK, exact_top_k_both_ways

BLOCKS = [(1_024, 8_192), (256, 2_048), (7, 13), (64, 3), (1, 1_000)]


def vectors(n: int, seed: int, dim: int = 16) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def sorted_top_k(queries: np.ndarray, corpus: np.ndarray, top_k: int) -> tuple[np.ndarray, np.ndarray]:
    """행렬을 다 만들어 (점수, 번호) 순서로 정렬한 것. 1e-9보다 가까운 점수는 같은 것입니다."""
    x, y = (
        z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-30)
        for z in (queries.astype(np.float64), corpus.astype(np.float64))
    )
    full = (x @ y.T).round(9)
    order = np.lexsort((np.broadcast_to(np.arange(len(y)), full.shape), -full), axis=1)[:, :top_k]
    return np.take_along_axis(full, order, axis=1), order


@pytest.fixture(params=BLOCKS, ids=lambda sizes: f"{sizes[0]}x{sizes[1]}")
def any_blocks(request, monkeypatch):
    monkeypatch.setattr(exact, "QUERY_BLOCK", request.param[0])
    monkeypatch.setattr(exact, "CORPUS_BLOCK", request.param[1])


@pytest.mark.parametrize("top_k", [1, 10, 150])
@pytest.mark.parametrize(("n_queries", "n_corpus"), [(1, 150), (40, 900), (3, 2_049)])
def test_equals_full_sort_whatever_the_blocks(any_blocks, n_queries, n_corpus, top_k):
    queries, corpus = vectors(n_queries, 0), vectors(n_corpus, 1)
    scores, indices = exact_top_k(queries, corpus, top_k)
    expected, order = sorted_top_k(queries, corpus, top_k)
    assert scores.numpy() == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(indices.numpy(), order)


@pytest.mark.parametrize("top_k", [1, 5, 120, 500])
def test_repeated_vectors_come_lowest_index_first(any_blocks, top_k):
    """600개 가운데 서로 다른 것은 40개뿐: 행렬곱의 끝자리가 블록마다 달라도, 잘리는 자리에서도 앞의 것부터."""
    copies = np.random.default_rng(2).integers(40, size=600)
    corpus = vectors(40, 3, dim=48)[copies]
    queries = vectors(30, 4, dim=48)
    scores, indices = exact_top_k(queries, corpus, top_k)
    assert np.array_equal(indices.numpy(), sorted_top_k(queries, corpus, top_k)[1])
    for row, found in zip(scores.tolist(), copies[indices.numpy()].tolist(), strict=True):
        assert len(set(zip(found, row, strict=True))) == len(
            set(found)
        )  # 같은 벡터의 점수는 마지막 비트까지 같습니다


@pytest.mark.parametrize("top_k", [1, 3, 40, 90])
@pytest.mark.parametrize("transposed", [False, True])
def test_rounding_of_the_product_never_decides(top_k, transposed):
    """행렬곱의 끝자리가 어떻게 틀려도(여기서는 일부러 4e-7까지) 정확한 점수와 번호의 순서입니다."""
    rng = np.random.default_rng(0)
    true = (rng.integers(-3, 4, (20, 100)) / 3).astype(np.float32)  # 같은 점수가 아주 흔합니다
    noisy = torch.tensor(true + rng.uniform(-4e-7, 4e-7, true.shape).astype(np.float32))
    best = TopK(20, top_k, lambda query, candidate: true[query, candidate])
    for columns in (slice(0, 30), slice(30, 31), slice(31, 100)):
        block = noisy[:, columns]
        best.look(slice(0, 20), columns, block.T.contiguous().T if transposed else block.contiguous())
    scores, indices = best.result()
    order = np.lexsort((np.broadcast_to(np.arange(100), true.shape), -true), axis=1)[:, :top_k]
    assert np.array_equal(indices.numpy(), order)
    assert np.array_equal(scores.numpy(), np.take_along_axis(true, order, axis=1))


def test_scores_do_not_depend_on_the_blocks(monkeypatch):
    queries, corpus = vectors(50, 0, 64), vectors(900, 1, 64)
    found = []
    for rows, columns in BLOCKS:
        monkeypatch.setattr(exact, "QUERY_BLOCK", rows)
        monkeypatch.setattr(exact, "CORPUS_BLOCK", columns)
        found.append(exact_top_k(queries, corpus, 9))
    for scores, indices in found[1:]:
        assert torch.equal(scores, found[0][0]) and torch.equal(indices, found[0][1])
    alone = exact_top_k(queries[7:8], corpus, 9)
    assert torch.equal(alone[0][0], found[0][0][7]) and torch.equal(alone[1][0], found[0][1][7])


def test_five_thousand_equal_sentences(monkeypatch):
    corpus = np.repeat(vectors(1, 0), 5_000, axis=0)
    sizes = []
    add = TopK._add
    monkeypatch.setattr(
        TopK, "_add", lambda self, query, *rest: sizes.append(len(query)) or add(self, query, *rest)
    )
    _, indices = exact_top_k(np.vstack([corpus[:150], vectors(50, 1)]), corpus, 7)
    assert (indices.numpy() == np.arange(7)).all()
    assert max(sizes) <= exact.CROWDED < sum(sizes)  # 나누어 보므로 메모리가 묶입니다


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(
    n_queries=st.integers(1, 40), n_corpus=st.integers(1, 300), top_k=st.integers(1, 30),
    levels=st.integers(1, 3), seed=st.integers(0, 1_000), blocks=st.sampled_from(BLOCKS),
)  # fmt: skip
def test_agrees_with_sorting_whatever_the_ties_and_lengths(n_queries, n_corpus, top_k, levels, seed, blocks):
    """작은 정수 벡터: 길이가 저마다 다르고, 영벡터와 나란한 벡터가 많아 같은 점수가 흔합니다."""
    rng = np.random.default_rng(seed)
    queries = rng.integers(-levels, levels + 1, (n_queries, 3)).astype(np.float32)
    corpus = rng.integers(-levels, levels + 1, (n_corpus, 3)).astype(np.float32)
    top_k = min(top_k, n_corpus)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "QUERY_BLOCK", blocks[0])
        patch.setattr(exact, "CORPUS_BLOCK", blocks[1])
        scores, indices = exact_top_k(queries, corpus, top_k)
    expected, _ = sorted_top_k(queries, corpus, n_corpus)
    assert scores.numpy() == pytest.approx(expected[:, :top_k], abs=1e-6)
    for query, row, found in zip(queries, scores.numpy(), indices.numpy(), strict=True):
        assert len(set(found.tolist())) == top_k
        ahead = [
            i
            for i in range(n_corpus)
            if i not in found and any((corpus[i] == corpus[j]).all() for j in found if j > i)
        ]
        assert not ahead, (query, row)  # 같은 벡터라면 앞의 것을 빼고 뒤의 것을 고르지 않습니다


@pytest.mark.parametrize("scale", [1e-25, 0.01, 3.0, 1e25])
def test_cosine_is_a_cosine_whatever_the_lengths(scale):
    queries, corpus = vectors(9, 0), vectors(80, 1)
    lengths = np.random.default_rng(2).uniform(0.5, 2, (80, 1)).astype(np.float32)
    scores, indices = exact_top_k(queries * np.float32(scale), corpus * lengths * np.float32(scale), 5)
    expected = exact_top_k(queries, corpus, 5)
    assert torch.equal(indices, expected[1])
    assert torch.allclose(scores, expected[0], atol=1e-6)


def test_zero_vector_has_cosine_zero():
    scores, indices = exact_top_k(np.zeros((1, 4)), np.eye(4), 2)
    assert scores.tolist() == [[0, 0]] and indices.tolist() == [[0, 1]]


def test_kinds_of_arrays_and_a_read_only_memory_map(tmp_path):
    queries, corpus = vectors(5, 0), vectors(60, 1)
    np.save(tmp_path / "v.npy", corpus)
    expected = exact_top_k(queries, corpus, 4)
    for kind in (
        torch.tensor(corpus),
        torch.tensor(corpus, requires_grad=True),
        corpus.astype(np.float64),
        np.asfortranarray(corpus),
        corpus.tolist(),
        np.load(tmp_path / "v.npy", mmap_mode="r"),
    ):
        scores, indices = exact_top_k(queries, kind, 4)
        assert torch.equal(indices, expected[1])
        assert not scores.requires_grad


def test_unit_memory_map_is_not_copied(tmp_path):
    from labse_helpers.search.vectors import unit_vectors

    np.save(tmp_path / "v.npy", vectors(60, 1))
    memory = np.load(tmp_path / "v.npy", mmap_mode="c")
    assert unit_vectors(memory, "v").numpy().ctypes.data == memory.ctypes.data


@pytest.mark.parametrize(("n", "m", "k"), [(300, 400, 4), (256, 120, 120), (257, 40, 3), (1, 50, 1)])
def test_both_ways_equals_two_searches(any_blocks, n, m, k):
    if exact.CORPUS_BLOCK == 1 or exact.QUERY_BLOCK == 1:
        n, m = min(n, 60), min(m, 50)
    x, y = vectors(n, 3), vectors(m, 4)
    x[: n // 2] = x[n // 2 : n // 2 * 2]  # 반복되는 문장
    k = min(n, m, k)
    forward, backward = exact_top_k_both_ways(x, y, k)
    for found, (a, b) in ((forward, (x, y)), (backward, (y, x))):
        expected = exact_top_k(a, b, k)
        assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])


class Elsewhere(torch.Tensor):
    """CPU가 아닌 장치의 대역: 장치의 이름이 다르고, ``.cpu()`` 없이는 numpy가 될 수 없습니다."""

    @property
    def device(self):
        return torch.device("mps")

    def numpy(self, *args, **kwargs):
        raise TypeError("can't convert mps device type tensor to numpy")

    def __array__(self, *args, **kwargs):
        raise TypeError("can't convert mps device type tensor to numpy")

    def cpu(self):
        return self.as_subclass(torch.Tensor)

    def to(self, target, *args, **kwargs):
        return self if isinstance(target, (torch.device, str)) else super().to(target, *args, **kwargs)


def test_other_devices_are_never_treated_as_numpy(monkeypatch):
    monkeypatch.setattr(exact, "CORPUS_BLOCK", 100)
    monkeypatch.setattr(
        torch.Tensor,
        "to",
        lambda self, *a, to=torch.Tensor.to, **k: self if a == (torch.device("mps"),) else to(self, *a, **k),
    )
    corpus = vectors(20, 1)[np.random.default_rng(0).integers(20, size=350)]
    queries = vectors(30, 0)
    there = [torch.tensor(array).as_subclass(Elsewhere) for array in (queries, corpus * 2)]
    expected = exact_top_k(queries, corpus, 25)
    scores, indices = exact_top_k(*there, 25)
    assert np.array_equal(np.asarray(indices.tolist()), expected[1].numpy())
    assert np.asarray(scores.tolist()) == pytest.approx(expected[0].numpy(), abs=1e-6)
    both, plain = exact_top_k_both_ways(*there, 4), exact_top_k_both_ways(queries, corpus, 4)
    assert torch.equal(both[0][1], plain[0][1]) and torch.equal(both[1][1], plain[1][1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="GPU가 있는 기계에서만")
def test_search_on_a_gpu_finds_the_same():
    queries, corpus = torch.tensor(vectors(100, 0)), torch.tensor(vectors(9_000, 1))
    scores, indices = exact_top_k(queries.cuda(), corpus.cuda(), 5)
    assert scores.is_cuda
    assert torch.equal(indices.cpu(), exact_top_k(queries, corpus, 5)[1])


@pytest.mark.parametrize(
    ("queries", "corpus", "top_k", "message"),
    [
        (np.ones((2, 3)), np.ones((4, 5)), 1, r"corpus_embeddings의 모양이 \(4, 5\)인데 \(4, 3\)"),
        (np.ones((0, 3)), np.ones((4, 3)), 1, "query_embeddings의 모양"),
        (np.ones((2, 3)), np.ones((0, 3)), 1, "corpus_embeddings의 모양"),
        (np.ones((2, 3)), np.ones((4, 3)), 5, "top_k=5"),
        (np.ones((2, 3)), np.ones((4, 3)), 1.0, "top_k는 1 이상의 정수"),
        (np.full((2, 3), np.nan), np.ones((4, 3)), 1, r"query_embeddings\[0, 0\].*NaN"),
        (np.ones((2, 3)), np.full((4, 3), np.inf), 1, "NaN이나 무한대"),
        (np.ones((2, 3)), np.vstack([np.ones((99, 3)), np.full((1, 3), np.nan)]), 1, r"corpus_embeddings\[99, 0\]"),
        ("하나", np.ones((4, 3)), 1, "배열이나 텐서"),
    ],
)  # fmt: skip
def test_bad_vectors(queries, corpus, top_k, message):
    with pytest.raises(InputError, match=message):
        exact_top_k(queries, corpus, top_k)
