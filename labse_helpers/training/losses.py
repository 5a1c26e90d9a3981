"""배치 내 네거티브 손실: 한 배치의 다른 문장들을 오답으로 삼아 번역을 고르게 합니다."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_real
from ..errors import InputError


def in_batch_negatives_loss(
    source: Tensor, target: Tensor, scale: float = 20.0, margin: float = 0.0
) -> Tensor:
    r"""양방향 번역 순위 손실(additive margin softmax)을 구합니다.

    .. math:: -\frac{1}{N} \sum_i \log
        \frac{e^{s(\phi(x_i, y_i) - m)}}{e^{s(\phi(x_i, y_i) - m)} + \sum_{n \ne i} e^{s\,\phi(x_i, y_n)}}

    를 원문→번역과 번역→원문 두 방향에서 구해 **더합니다**. :math:`\phi`는 코사인 유사도입니다.
    출처: Feng et al. (2022), ACL (2022.acl-long.62); 마진은 Yang et al. (2019), IJCAI (arXiv:1902.08564).

    LaBSE의 마진은 0.3입니다. LaBSE 논문의 식에는 스케일 s가 없습니다. 기본값 20은 sentence-transformers의
    ``MultipleNegativesRankingLoss``의 것이고, 공개된 LaBSE 학습 설정(tensorflow/models의
    ``official/projects/labse/experiments/labse_base.yaml``)은 ``logit_scale: 100``과 ``logit_margin: 0.3``입니다.

    Args:
        source: 원문의 임베딩 (N, dim), 실수형. 안에서 L2 정규화합니다.
        target: 번역의 임베딩 (N, dim). i번째가 ``source[i]``의 번역입니다.
        scale: 코사인에 곱하는 수 s. 온도(temperature)의 역수이며 0보다 큽니다.
        margin: 정답의 코사인에서 빼는 마진 m. 0 이상.

    Returns:
        미분할 수 있는 스칼라 텐서.

    Raises:
        InputError: 모양이 다르거나, 2차원이 아니거나, 쌍이 둘보다 적거나, 실수형이 아니거나, 값이 범위 밖이거나, NaN·무한대가
            있을 때.
    """
    if source.ndim != 2 or source.shape != target.shape:
        raise InputError(
            f"source는 {tuple(source.shape)}, target은 {tuple(target.shape)}입니다. 둘 다 (N, dim)으로 같아야 합니다."
        )
    if len(source) < 2:
        raise InputError("배치에 쌍이 하나뿐이면 오답이 없어 학습할 것이 없습니다. 둘 이상을 넣어 주십시오.")
    if not (source.is_floating_point() and target.is_floating_point()):
        raise InputError(f"임베딩은 실수형이어야 하는데 {source.dtype}, {target.dtype}입니다.")
    scale = check_real(scale, "scale", 0, above_low=True)
    margin = check_real(margin, "margin", 0)
    cosine = F.normalize(source, dim=1) @ F.normalize(target, dim=1).T  # (N, N)
    if not torch.isfinite(cosine).all():
        raise InputError("임베딩에 NaN이나 무한대가 있습니다. 학습률이 너무 크지 않은지 확인해 주십시오.")
    labels = torch.arange(len(source), device=source.device)  # 정답은 대각선
    logits = scale * (cosine - margin * torch.eye(len(source), device=source.device, dtype=cosine.dtype))
    return F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)
