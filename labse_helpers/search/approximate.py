"""근사 색인: 후보가 수십만을 넘을 때, 조금 놓치는 대신 수십 배 빨리 찾습니다(faiss).

벡터를 √M의 네 배쯤 되는 구역(IVF)으로 나누고 차원 넷을 4비트로 줄인 부호(PQ)로 바꾸어, 질의와 가까운 구역만 부호로 훑습니다.
거기서 고른 후보는 원래 벡터로 다시 채점하므로 돌려주는 점수는 정확한 코사인입니다. HNSW(faiss, usearch)와 견준 값은
benchmarks/retrieval.py가 잽니다.
"""

from math import log2
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..checks import check_top_k
from ..errors import InputError

MIN_VECTORS = 50_000  # 이보다 적으면 정확한 검색이 이미 빠릅니다
TRAINING_PER_LIST = 40  # 구역 하나를 배우는 데 쓰는 벡터의 수
VISITED = 3 / 64  # 찾아보는 구역의 비율
OVERSAMPLING = 8  # 원하는 수의 몇 배를 골라 다시 채점하는가


class ApproximateIndex:
    """벡터 (M, dim)의 근사 색인.

    Args:
        embeddings: 길이 1인 벡터 (M, dim). 색인이 아니라 이 배열에서 다시 채점하므로 memory map이어도 됩니다.
        index: 이미 만든 faiss 색인. 주지 않으면 새로 만듭니다(100만 × 512에 1–2분).

    Raises:
        InputError: faiss가 설치되어 있지 않거나, 벡터가 50,000개보다 적을 때.
    """

    def __init__(self, embeddings: Tensor, index=None) -> None:
        self.embeddings = embeddings
        self.index = index if index is not None else _build(embeddings)
        inner = _faiss().extract_index_ivf(self.index)
        inner.nprobe = max(1, round(inner.nlist * VISITED))

    def top_k(self, query_embeddings: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
        """점수 (Q, top_k)와 후보의 번호 (Q, top_k). 상위 10개의 약 95 %를 찾습니다(benchmarks/results/retrieval.json)."""
        check_top_k(top_k, len(self.embeddings))
        wanted = min(top_k * OVERSAMPLING, len(self.embeddings))
        found = torch.from_numpy(self.index.search(query_embeddings.cpu().numpy(), wanted)[1])
        return rescore(query_embeddings.cpu(), found, self.embeddings, top_k)

    def save(self, path: Path) -> None:
        _faiss().write_index(self.index, str(path))

    @classmethod
    def load(cls, path: Path, embeddings: Tensor) -> "ApproximateIndex":
        return cls(embeddings, _faiss().read_index(str(path)))


def rescore(
    query_embeddings: Tensor, candidates: Tensor, embeddings: Tensor, top_k: int
) -> tuple[Tensor, Tensor]:
    """후보의 번호 (Q, C)를 원래 벡터로 다시 채점해 상위 ``top_k``개의 점수와 번호를 돌려줍니다. -1은 빈자리입니다.

    후보의 벡터를 모아 베끼지 않고 그 자리에서 내적하는 faiss의 함수를 씁니다. 모아서 행렬곱하는 것보다 세 배쯤 빠릅니다.
    """
    faiss = _faiss()
    queries, vectors, numbers = (
        np.ascontiguousarray(array.numpy()) for array in (query_embeddings, embeddings, candidates)
    )
    cosine = np.empty(numbers.shape, dtype=np.float32)
    pointers = [faiss.swig_ptr(array) for array in (cosine, queries, vectors, numbers)]
    faiss.fvec_inner_products_by_idx(*pointers, queries.shape[1], *numbers.shape)
    cosine[numbers < 0] = -np.inf
    scores, kept = torch.from_numpy(cosine).topk(top_k, dim=1)
    return scores, candidates.gather(1, kept)


def _build(embeddings: Tensor):
    faiss = _faiss()
    n, dim = embeddings.shape
    if n < MIN_VECTORS:
        raise InputError(
            f"근사 색인은 벡터가 {MIN_VECTORS:,}개 이상일 때 씁니다. {n:,}개라면 그대로 검색하는 쪽이 빠르고 정확합니다."
        )
    n_lists = 2 ** round(log2(4 * n**0.5))
    index = faiss.index_factory(dim, f"IVF{n_lists},PQ{dim // 4}x4fs", faiss.METRIC_L2)
    faiss.extract_index_ivf(index).cp.niter = 10
    sample = torch.randperm(n, generator=torch.Generator().manual_seed(0))[: TRAINING_PER_LIST * n_lists]
    index.train(embeddings[sample.sort().values].numpy())
    index.add(embeddings.numpy())
    return index


def _faiss():
    try:
        import faiss
    except ImportError as error:
        raise InputError(
            "근사 색인에는 faiss가 필요합니다. `pip install faiss-cpu`로 설치해 주십시오."
        ) from error
    return faiss
