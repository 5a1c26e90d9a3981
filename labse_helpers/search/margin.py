"""마진 점수: 코사인을 두 문장의 이웃과 비교해 고칩니다."""

import numpy as np
from torch import Tensor

from ..checks import check_top_k
from ..evaluation import _check_scores


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
