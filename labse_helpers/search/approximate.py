"""근사 색인: 후보가 수십만을 넘을 때, 조금 놓치는 대신 수십 배 빨리 찾습니다(faiss).

벡터를 √M의 네 배쯤 되는 클러스터(IVF)로 나누고 차원 넷을 4비트로 줄인 부호(PQ)로 바꾸어, 질의와 가까운 클러스터만 부호로 훑습니다.
거기서 고른 후보는 원래 벡터로 다시 채점하므로 돌려주는 점수는 정확한 코사인입니다. HNSW(faiss, usearch)와 비교한 값은
benchmarks/retrieval.py가 잽니다.
"""

from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..checks import check_top_k
from ..errors import InputError, OutputError
from ..storage.atomic import printable
from .exact import best_first, nearest
from .vectors import unit_vectors

MIN_VECTORS = 50_000  # 이보다 적으면 정확한 검색이 이미 빠릅니다
TRAINING_PER_LIST = 40  # 클러스터 하나를 학습하는 데 쓰는 벡터의 수
VISITED = 3 / 64  # 찾아보는 클러스터의 비율
OVERSAMPLING = 8  # 원하는 수의 몇 배를 골라 다시 채점하는가


class ApproximateIndex:
    """벡터 (M, dim)의 근사 색인.

    Args:
        embeddings: 벡터 (M, dim). 색인이 아니라 이 배열에서 다시 채점하므로 memory map이어도 됩니다.
        index: 이미 만든 faiss 색인. 주지 않으면 새로 만듭니다(100만 × 512에 1–2분).

    Raises:
        InputError: faiss가 설치되어 있지 않거나, 벡터가 50,000개보다 적을 때.
    """

    def __init__(self, embeddings: Tensor, index: Any = None) -> None:
        self.embeddings = unit_vectors(embeddings, "embeddings").cpu()
        self.index = index if index is not None else _build(self.embeddings)
        inner = _faiss().extract_index_ivf(self.index)
        inner.nprobe = max(1, round(inner.nlist * VISITED))

    def top_k(self, query_embeddings: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
        """점수 (Q, top_k)와 후보의 번호 (Q, top_k). 상위 10개의 약 95 %를 찾습니다(benchmarks/results/retrieval.json).

        찾은 후보 가운데 점수가 같은 것은 번호가 앞선 것부터입니다. 훑은 클러스터에 후보가 ``top_k``개보다 적은 질의는 빠짐없이
        정확하게 다시 찾습니다.
        """
        check_top_k(top_k, len(self.embeddings))
        queries = unit_vectors(query_embeddings, "query_embeddings", dim=self.embeddings.shape[1]).cpu()
        wanted = min(top_k * OVERSAMPLING, len(self.embeddings))
        found = torch.from_numpy(self.index.search(queries.numpy(), wanted)[1])
        scores, indices = rescore(queries, found, self.embeddings, top_k)
        short = (indices < 0).any(dim=1)
        if short.any():
            scores[short], indices[short] = nearest(queries[short], self.embeddings, top_k)
        return scores, indices

    def save(self, path: Path) -> None:
        """색인을 파일에 적습니다. 벡터는 적지 않습니다.

        Raises:
            OSError: 적을 수 없을 때.
        """
        with path.open("wb") as file:
            file.write(_faiss().serialize_index(self.index).data)

    @classmethod
    def load(cls, path: Path, embeddings: Tensor) -> "ApproximateIndex":
        """:meth:`save`로 적은 색인을 엽니다.

        Raises:
            InputError: faiss가 설치되어 있지 않을 때.
            OutputError: 파일이 깨졌거나, ``embeddings``의 색인이 아닐 때.
        """
        faiss = _faiss()
        try:
            index = faiss.deserialize_index(np.fromfile(path, dtype=np.uint8))
            is_ours = faiss.try_extract_index_ivf(index) is not None
        except Exception as error:  # 깨진 파일에 faiss는 여러 가지 예외를 냅니다
            raise _damaged(path, type(error).__name__) from error
        if not is_ours or (index.ntotal, index.d) != tuple(embeddings.shape):
            raise _damaged(path, f"벡터 {index.ntotal:,}개, {index.d}차원의 색인")
        return cls(embeddings, index)


def rescore(
    query_embeddings: Tensor, candidates: Tensor, embeddings: Tensor, top_k: int
) -> tuple[Tensor, Tensor]:
    """후보의 번호 (Q, C)를 원래 벡터로 다시 채점해 상위 ``top_k``개의 점수와 번호를 돌려줍니다.

    -1은 후보가 없는 자리이며, 후보가 모자라면 맨 뒤에 점수 -∞로 남습니다. 후보의 벡터를 모아 베끼지 않고 그 자리에서 내적하는
    faiss의 함수를 씁니다. 모아서 행렬곱하는 것보다 세 배쯤 빠릅니다.
    """
    faiss = _faiss()
    queries, vectors, numbers = (
        np.ascontiguousarray(array.numpy()) for array in (query_embeddings, embeddings, candidates)
    )
    cosine = np.empty(numbers.shape, dtype=np.float32)
    pointers = [faiss.swig_ptr(array) for array in (cosine, queries, vectors, numbers)]
    faiss.fvec_inner_products_by_idx(*pointers, queries.shape[1], *numbers.shape)
    cosine[numbers < 0] = -np.inf
    order = best_first(cosine, numbers)[:, :top_k]
    scores, indices = (np.take_along_axis(values, order, axis=1) for values in (cosine, numbers))
    return torch.from_numpy(scores), torch.from_numpy(indices)


def check_indexable(n: int, dim: int) -> None:
    """벡터 ``n``개, ``dim``차원의 근사 색인을 만들 수 있는지, 오래 걸리는 인코딩을 시작하기 전에 봅니다.

    Raises:
        InputError: faiss가 설치되어 있지 않거나, 벡터가 50,000개보다 적거나, 차원이 4의 배수가 아닐 때.
    """
    _faiss()
    if n < MIN_VECTORS:
        raise InputError(
            f"근사 색인은 벡터가 {MIN_VECTORS:,}개 이상일 때 씁니다. {n:,}개라면 그대로 검색하는 쪽이 빠르고 정확합니다."
        )
    if dim % 4:
        raise InputError(f"근사 색인은 차원이 4의 배수일 때 쓸 수 있는데 {dim}차원입니다.")


def _build(embeddings: Tensor) -> Any:
    faiss = _faiss()
    n, dim = embeddings.shape
    check_indexable(n, dim)
    n_lists = 2 ** round(log2(4 * n**0.5))
    index = faiss.index_factory(dim, f"IVF{n_lists},PQ{dim // 4}x4fs", faiss.METRIC_L2)
    faiss.extract_index_ivf(index).cp.niter = 10
    sample = torch.randperm(n, generator=torch.Generator().manual_seed(0))[: TRAINING_PER_LIST * n_lists]
    index.train(embeddings[sample.sort().values].numpy())
    index.add(embeddings.numpy())
    return index


def _damaged(path: Path, reason: str) -> OutputError:
    return OutputError(
        f"{printable(path)}: 근사 색인이 깨졌거나 이 벡터들의 것이 아닙니다({reason}). "
        "Retriever를 다시 만들어 저장해 주십시오."
    )


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise InputError(
            "근사 색인에는 faiss가 필요합니다. `pip install faiss-cpu`로 설치해 주십시오."
        ) from error
    return faiss
