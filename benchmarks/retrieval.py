"""검색의 속도를 같은 벡터, 같은 실행에서 비교합니다: ``python -m benchmarks.retrieval``

정확한 검색은 faiss.IndexFlatIP, sentence_transformers.util.semantic_search와, 근사 색인은 정확한 검색과 HNSW(faiss, usearch)와,
Retriever는 질의마다 말뭉치를 다시 인코딩하는 순진한 방법과 비교합니다. 벡터는 실제 문장의 mUSE 벡터 100만 개입니다(benchmarks/mined.py).
`pip install faiss-cpu usearch`가 필요합니다.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import torch
from sentence_transformers.util import semantic_search
from torch import Tensor
from usearch.index import Index

from labse_helpers import Retriever, exact_top_k, load_model
from labse_helpers.search.approximate import ApproximateIndex, rescore

from .harness import compare, save
from .mined import mined_vectors
from .sentences import mixed_lines

N_VECTORS, N_QUERIES, TOP_K = 1_000_000, 1_000, 10
N_EXACT = 100_000
EXACT_RUNS = 15
N_NAIVE = 1_000  # 순진한 방법과 비교할 때의 말뭉치와 질의의 수
NAIVE_QUERIES = 10  # 그 가운데 순진한 방법으로 실제로 재는 질의의 수. 질의마다 하는 일이 같습니다
WANTED_RECALL = 0.95
HNSW_WANTED = 3 * TOP_K  # HNSW가 고르고 원래 벡터로 다시 채점하는 후보의 수
PASSES = 10  # 근사 검색을 한 번 잴 때 질의를 반복하는 수. 한 번이 0.2초라 정확한 검색(6초)과 비교하기에는 너무 짧습니다
HNSW_EFFORTS = (64, 96, 128, 192, 256, 384, 512)


def exact_search(queries: Tensor, corpus: Tensor) -> list[dict]:
    flat = faiss.IndexFlatIP(corpus.shape[1])
    flat.add(corpus.numpy())
    peers = {
        "exact_top_k": lambda: exact_top_k(queries, corpus, TOP_K),
        "faiss.IndexFlatIP": lambda: flat.search(queries.numpy(), TOP_K),
        "sentence_transformers semantic_search": lambda: semantic_search(queries, corpus, top_k=TOP_K),
    }
    ours, theirs = exact_top_k(queries, corpus, TOP_K)[0].numpy(), flat.search(queries.numpy(), TOP_K)[0]
    assert np.allclose(ours, theirs, atol=1e-5), "정확한 검색끼리 점수가 다릅니다"
    return compare(
        f"정확한 검색: 벡터 {len(corpus):,}개, 질의 {len(queries):,}개",
        peers,
        len(queries),
        "질의",
        EXACT_RUNS,
    )


def approximate_search(queries: Tensor, corpus: Tensor) -> dict:
    """이 강의의 근사 색인이 정확한 검색보다 얼마나 빠르고 얼마나 찾는가."""
    name, exact = "IVF + PQ(Retriever.build_index)", "정확한 검색(exact_top_k)"
    rows, searches = _built([(name, ApproximateIndex)], queries, corpus)
    peers = {
        name: lambda: [searches[name]() for _ in range(PASSES)],
        exact: lambda: exact_top_k(queries, corpus, TOP_K),
    }
    work = {name: PASSES * len(queries), exact: len(queries)}
    title = f"근사 검색과 정확한 검색: 벡터 {len(corpus):,}개, 상위 {TOP_K}개"
    return {"indexes": rows, "search": compare(title, peers, work, "질의")}


def against_hnsw(queries: Tensor, corpus: Tensor) -> dict:
    """근사 색인끼리: 재현율이 0.95를 넘는 가장 가벼운 설정의 속도, 만드는 시간, 크기."""
    kinds = [
        ("IVF + PQ(Retriever.build_index)", ApproximateIndex),
        ("faiss HNSW, 8비트", _faiss_hnsw),
        ("usearch HNSW, 8비트", _usearch_hnsw),
    ]
    rows, searches = _built(kinds, queries, corpus)
    return {"indexes": rows, "search": compare("근사 색인끼리", searches, len(queries), "질의")}


def _built(kinds: list[tuple[str, Callable]], queries: Tensor, corpus: Tensor) -> tuple[list[dict], dict]:
    """색인을 만들어 걸린 시간, 크기(파일의 크기이며 원래 벡터는 따로), 재현율을 재고, 검색 함수와 함께 돌려줍니다."""
    gold = exact_top_k(queries, corpus, TOP_K)[1]
    rows, searches = [], {}
    for name, build in kinds:
        start = time.perf_counter()
        index = build(corpus)
        seconds = time.perf_counter() - start
        megabytes = _size(index)
        searches[name], recall, setting = _fast_enough(index, queries, corpus, gold)
        print(f"{name}: 만들기 {seconds:.0f}초, {megabytes:.0f} MB, 재현율 {recall:.4f} ({setting})")
        rows.append(
            {
                "index": name,
                "build_seconds": seconds,
                "megabytes": megabytes,
                "recall_at_10": recall,
                "setting": setting,
            }
        )
    return rows, searches


def _size(index) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        if isinstance(index, faiss.Index):
            faiss.write_index(index, str(path))
        else:
            index.save(path if isinstance(index, ApproximateIndex) else str(path))
        return path.stat().st_size / 1e6


def _faiss_hnsw(corpus: Tensor):
    index = faiss.index_factory(corpus.shape[1], "HNSW16,SQ8", faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 64
    index.train(corpus[:100_000].numpy())
    index.add(corpus.numpy())
    return index


def _usearch_hnsw(corpus: Tensor) -> Index:
    index = Index(ndim=corpus.shape[1], metric="ip", dtype="i8", connectivity=16, expansion_add=64)
    index.add(np.arange(len(corpus)), corpus.numpy(), threads=torch.get_num_threads())
    return index


def _fast_enough(index, queries: Tensor, corpus: Tensor, gold: Tensor) -> tuple[Callable, float, str]:
    """재현율 0.95에 이르는 가장 가벼운 설정의 검색 함수, 그 재현율, 설정의 이름."""
    if isinstance(index, ApproximateIndex):
        return lambda: index.top_k(queries, TOP_K), _recall(index.top_k(queries, TOP_K)[1], gold), "기본값"

    def search() -> Tensor:
        if isinstance(index, Index):
            threads = torch.get_num_threads()
            keys = index.search(queries.numpy(), HNSW_WANTED, threads=threads).keys.astype(np.int64)
        else:
            keys = index.search(queries.numpy(), HNSW_WANTED)[1]
        return rescore(queries, torch.from_numpy(keys), corpus, TOP_K)[1]

    for effort in HNSW_EFFORTS:
        if isinstance(index, Index):
            index.expansion_search = effort
        else:
            index.hnsw.efSearch = effort
        recall = _recall(search(), gold)
        if recall >= WANTED_RECALL:
            break
    return search, recall, f"ef={effort}"


def _recall(found: Tensor, gold: Tensor) -> float:
    return float((found[:, :, None] == gold[:, None, :]).any(dim=2).float().mean())


def against_naive_loop() -> list[dict]:
    """순진한 방법: 질의가 올 때마다 말뭉치를 처음부터 다시 인코딩합니다."""
    model = load_model("muse", device="cpu")
    lines = mixed_lines(2 * N_NAIVE, repeated=0)
    corpus, queries = lines[:N_NAIVE], lines[N_NAIVE:]

    def naive() -> None:
        for query in queries[:NAIVE_QUERIES]:
            scores = model.similarity(model.encode(query), model.encode(corpus))[0]
            scores.topk(TOP_K)

    peers = {
        "Retriever(만들기까지)": lambda: Retriever(corpus, model).search(queries, TOP_K),
        "질의마다 말뭉치를 다시 인코딩": naive,
    }
    work = dict(zip(peers, (len(queries), NAIVE_QUERIES), strict=True))
    return compare(f"문장 {len(corpus):,}개에 질의 {len(queries):,}개", peers, work, "질의")


def main() -> None:
    vectors = torch.from_numpy(np.asarray(mined_vectors(N_VECTORS)))
    order = torch.randperm(N_VECTORS, generator=torch.Generator().manual_seed(0))
    queries = vectors[order[:N_QUERIES]]
    corpus = vectors[order[N_QUERIES:].sort().values]
    del vectors
    faiss.omp_set_num_threads(torch.get_num_threads())
    results = {
        "naive": against_naive_loop(),
        "exact": exact_search(queries, corpus[:N_EXACT].clone()),
        "approximate": approximate_search(queries, corpus),
        "against_hnsw": against_hnsw(queries, corpus),
    }
    save("retrieval", results)


if __name__ == "__main__":
    main()
