"""검색과 그 채점: 가장 비슷한 문장 찾기, 마진 점수, P@1과 MRR."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import bootstrap
from sentence_transformers import SentenceTransformer, util
from torch import Tensor

from .checks import check_sentence, check_sentences, check_top_k
from .errors import InputError

N_RESAMPLES = 2_000


@dataclass(frozen=True)
class Estimate:
    """평균과 부트스트랩 95 % 신뢰구간."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}]"


@dataclass(frozen=True)
class BothDirections:
    """두 방향의 성적: ``forward``는 행→열, ``backward``는 열→행입니다."""

    forward: Estimate
    backward: Estimate


def return_most_similar(
    query: str | list[str],
    corpus: list[str],
    model: SentenceTransformer,
    top_k: int = 1,
    corpus_embeddings: np.ndarray | Tensor | None = None,
) -> str | list[str] | list[list[str]]:
    """``corpus``에서 ``query``와 코사인 유사도가 가장 높은 문장을 찾습니다.

    ``corpus``는 부를 때마다 한 번만 인코딩합니다. 여러 번 부른다면 미리 구한 ``corpus_embeddings``를 건네십시오.

    Args:
        query: 질의 문장 하나, 또는 Q개의 목록.
        corpus: 후보 문장 M개.
        model: ``load_model``이 돌려준 인코더.
        top_k: 질의마다 돌려줄 문장 수. 1 이상 M 이하.
        corpus_embeddings: ``model.encode(corpus)``의 결과 (M, dim). 주면 다시 인코딩하지 않습니다.

    Returns:
        질의 하나에 ``top_k=1``이면 문장 하나(str), ``top_k>1``이면 점수가 높은 순서의 목록.
        질의가 목록이면 위의 것을 Q개 담은 목록.

    Raises:
        InputError: 빈 목록이나 빈 문장, ``top_k``가 범위 밖, 임베딩의 모양이 안 맞거나 NaN이 있을 때.
    """
    single = isinstance(query, str)
    queries = [check_sentence(query, "query")] if single else check_sentences(query, "query")
    check_sentences(corpus, "corpus")
    check_top_k(top_k, len(corpus))
    query_embeddings = model.encode(queries, convert_to_tensor=True)
    if corpus_embeddings is None:
        corpus_embeddings = model.encode(corpus, convert_to_tensor=True)
    corpus_embeddings = torch.as_tensor(corpus_embeddings).to(query_embeddings)
    expected = (len(corpus), query_embeddings.shape[1])
    if tuple(corpus_embeddings.shape) != expected:
        raise InputError(
            f"corpus_embeddings의 모양이 {tuple(corpus_embeddings.shape)}인데 {expected}이어야 합니다"
            "(문장 수, 인코더의 차원). 같은 인코더로 같은 corpus를 인코딩했는지 확인해 주십시오."
        )
    if not torch.isfinite(corpus_embeddings).all():
        raise InputError("corpus_embeddings에 NaN이나 무한대가 있습니다. 다시 인코딩해 주십시오.")
    hits = util.semantic_search(query_embeddings, corpus_embeddings, top_k=top_k)
    found = [[corpus[hit["corpus_id"]] for hit in query_hits] for query_hits in hits]
    if top_k == 1:
        found = [sentences[0] for sentences in found]
    return found[0] if single else found


def margin_scores(scores: np.ndarray | Tensor, k: int = 4) -> np.ndarray | Tensor:
    r"""코사인 유사도를 비율 마진(ratio margin) 점수로 바꿉니다.

    .. math:: \frac{\cos(x, y)}{\sum_{z \in NN_k(x)} \frac{\cos(x, z)}{2k} + \sum_{z \in NN_k(y)} \frac{\cos(y, z)}{2k}}

    이웃이 두루 가까운 문장(hub)의 점수는 낮아지고, 짝만 유난히 가까운 문장의 점수는 높아집니다.
    출처: Artetxe & Schwenk (2019), ACL (P19-1309)의 ratio.

    Args:
        scores: 코사인 유사도 (N, M). numpy 배열이나 torch 텐서.
        k: 이웃의 수. 1 이상 min(N, M) 이하. 논문은 4를 씁니다.

    Returns:
        같은 종류, 같은 모양 (N, M)의 마진 점수. 1보다 크면 이웃들보다 가깝다는 뜻입니다.

    Raises:
        InputError: 2차원이 아니거나, NaN이 있거나, ``k``가 범위 밖일 때.
    """
    matrix = _check_scores(scores)
    check_top_k(k, min(matrix.shape), "k")
    row_mean = matrix.topk(k, dim=1).values.mean(dim=1, keepdim=True)  # (N, 1)
    column_mean = matrix.topk(k, dim=0).values.mean(dim=0, keepdim=True)  # (1, M)
    result = matrix / ((row_mean + column_mean) / 2)
    return result.numpy() if isinstance(scores, np.ndarray) else result


def precision_at_1(scores: np.ndarray | Tensor) -> BothDirections:
    """P@1: 정답(대각선)이 1등인 질의의 비율을 두 방향으로 구합니다.

    Args:
        scores: 점수 (N, N). i번째 행의 정답은 i번째 열입니다. 정답과 같은 점수의 오답이 있으면 틀린 것으로 칩니다.

    Returns:
        행→열, 열→행의 비율과 부트스트랩 95 % 신뢰구간.

    Raises:
        InputError: 정사각 행렬이 아니거나 NaN이 있을 때.
    """
    return _both_directions(scores, lambda rank: (rank == 1).astype(float))


def mean_reciprocal_rank(scores: np.ndarray | Tensor) -> BothDirections:
    """MRR: 정답(대각선) 등수의 역수의 평균을 두 방향으로 구합니다. 인자와 오류는 :func:`precision_at_1`과 같습니다."""
    return _both_directions(scores, lambda rank: 1 / rank)


def _both_directions(scores, grade) -> BothDirections:
    matrix = _check_scores(scores)
    if matrix.shape[0] != matrix.shape[1]:
        raise InputError(
            f"scores의 모양이 {tuple(matrix.shape)}입니다. i번째 행의 정답이 i번째 열인 정사각 행렬이어야 합니다."
        )
    return BothDirections(estimate(grade(ranks(matrix))), estimate(grade(ranks(matrix.T))))


def ranks(scores: np.ndarray | Tensor, gold: Sequence[int] | None = None) -> np.ndarray:
    """질의마다 정답의 등수를 구합니다. 정답과 점수가 같은 오답은 정답보다 앞으로 칩니다.

    Args:
        scores: 점수 (Q, M). 행이 질의, 열이 후보입니다.
        gold: 질의마다 정답인 열의 번호 Q개. 없으면 i번째 행의 정답은 i번째 열입니다(Q ≤ M).

    Returns:
        등수 (Q,) int64. 1이 1등입니다.

    Raises:
        InputError: 2차원이 아니거나, NaN이 있거나, ``gold``의 개수나 번호가 맞지 않을 때.
    """
    matrix = _check_scores(scores)
    n_queries, n_candidates = matrix.shape
    columns = torch.arange(n_queries) if gold is None else torch.as_tensor(gold)
    if columns.shape != (n_queries,) or not ((columns >= 0) & (columns < n_candidates)).all():
        raise InputError(
            f"정답의 번호는 질의마다 하나씩 {n_queries}개이고 0부터 {n_candidates - 1} 사이여야 합니다."
        )
    return (matrix >= matrix.gather(1, columns[:, None])).sum(dim=1).numpy()


def estimate(values: np.ndarray) -> Estimate:
    """질의 N개의 성적 (N,)을 다시 뽑아(seed 0, 2,000번) 평균의 부트스트랩 95 % 신뢰구간을 구합니다. 값이 하나면 폭을 알 수 없어 [0, 1]입니다.

    같은 질의의 성적 둘을 뺀 것을 넣으면 차이의 신뢰구간이 됩니다(짝지은 부트스트랩).
    """
    if len(values) == 1:
        return Estimate(float(values[0]), 0.0, 1.0)  # 하나로는 폭을 알 수 없습니다
    interval = bootstrap(
        (values,), np.mean, n_resamples=N_RESAMPLES, method="percentile", rng=0, batch=200
    ).confidence_interval
    return Estimate(float(np.mean(values)), float(interval.low), float(interval.high))


def _check_scores(scores: np.ndarray | Tensor) -> Tensor:
    matrix = torch.as_tensor(scores).detach().cpu()
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(
            f"scores의 모양이 {tuple(matrix.shape)}입니다. 비어 있지 않은 2차원 행렬을 넣어 주십시오."
        )
    bad = (~torch.isfinite(matrix)).nonzero()
    if len(bad):
        row, column = bad[0].tolist()
        raise InputError(
            f"scores에 NaN이나 무한대가 {len(bad)}개 있습니다. 첫 자리는 ({row}, {column})입니다."
        )
    return matrix
