"""마진 점수: 코사인을 두 문장의 이웃과 비교해 고칩니다. 점수의 이름과 식은 여기에만 있습니다."""

from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..checks import check_choice, check_matrix, check_top_k

Scoring = Literal["cosine", "ratio", "distance", "absolute"]
SCORINGS: tuple[Scoring, ...] = ("cosine", "ratio", "distance", "absolute")

# 무관한 두 벡터의 코사인은 표준편차가 1/√dim(512차원에서 0.044)쯤입니다. 이웃의 평균이 이보다 작으면 우연과 구별되지 않습니다.
SMALLEST_MEAN = 0.05

Values = TypeVar("Values", np.ndarray, Tensor)


def check_scoring(scoring: object) -> str:
    """점수의 이름을 검사해 ``"cosine"``, ``"ratio"``, ``"distance"`` 가운데 하나로 돌려줍니다.

    LASER와 논문의 이름 ``"absolute"``는 ``"cosine"``과 같습니다.

    Raises:
        InputError: 모르는 이름일 때.
    """
    name = check_choice(scoring, SCORINGS, "scoring")
    return "cosine" if name == "absolute" else name


def margin(cosine: Values, mean: Values, scoring: str) -> Values:
    r"""쌍마다 코사인과 이웃의 평균에서 점수를 구합니다. 두 배열은 모양이 같거나 브로드캐스팅됩니다.

    ``"ratio"``는 :math:`\cos / \mathrm{mean}`, ``"distance"``는 :math:`\cos - \mathrm{mean}`, ``"cosine"``은 코사인 그대로입니다
    (Artetxe & Schwenk 2019, ACL, P19-1309).

    비율은 평균이나 코사인이 0에 가깝거나 음수이면 뜻을 잃습니다(무한대가 되거나 먼 쌍이 앞섭니다). 논문과 다른 점은 그때뿐입니다:
    평균이 :data:`SMALLEST_MEAN`보다 작으면 그 값으로 보고, 음수인 코사인은 나누지 않습니다. 그래서 더 가깝고 이웃은 더 먼 쌍이
    뒤로 가는 일이 없고, 점수는 언제나 -1과 1 / 0.05 = 20 사이입니다.
    """
    if scoring == "ratio":
        return cosine.clip(min=0) / mean.clip(min=SMALLEST_MEAN) + cosine.clip(max=0)
    return cosine - mean if scoring == "distance" else cosine


def margin_scores(scores: Any, k: int = 4, scoring: Scoring = "ratio") -> Any:
    r"""코사인 유사도의 행렬을 마진 점수로 바꿉니다. 기본값은 비율 마진(ratio margin)입니다.

    .. math:: \frac{\cos(x, y)}{\sum_{z \in NN_k(x)} \frac{\cos(x, z)}{2k} + \sum_{z \in NN_k(y)} \frac{\cos(y, z)}{2k}}

    이웃이 두루 가까운 문장(hub)의 점수는 낮아지고, 짝만 유난히 가까운 문장의 점수는 높아집니다.
    출처: Artetxe & Schwenk (2019), ACL (P19-1309). 분모가 0에 가까울 때는 :func:`margin`처럼 합니다.

    Args:
        scores: 코사인 유사도 (N, M). numpy 배열이나 torch 텐서.
        k: 이웃의 수. 1 이상 min(N, M) 이하. 논문은 4를 씁니다.
        scoring: ``"ratio"``, ``"distance"``(나누지 않고 뺍니다), ``"cosine"``(그대로, ``"absolute"``라고도 합니다).

    Returns:
        텐서를 넣으면 텐서, 아니면 numpy 배열인 (N, M)의 점수. 비율은 1보다 크면 이웃들보다 가깝다는 뜻입니다.

    Raises:
        InputError: 2차원이 아니거나, NaN이 있거나, ``k``가 범위 밖이거나, 모르는 ``scoring``일 때.
    """
    name = check_scoring(scoring)
    matrix = check_matrix(scores, "scores")
    k = check_top_k(k, min(matrix.shape), "k")
    row_mean = matrix.topk(k, dim=1).values.mean(dim=1, keepdim=True)  # (N, 1)
    column_mean = matrix.topk(k, dim=0).values.mean(dim=0, keepdim=True)  # (1, M)
    result = margin(matrix, (row_mean + column_mean) / 2, name)
    result = result.clone() if name == "cosine" else result  # 고쳐도 넣은 행렬은 그대로이게
    return result if isinstance(scores, torch.Tensor) else result.numpy()
