"""코사인을 위한 길이 1인 벡터: 정규화는 여기 한 곳에서만 합니다."""

from typing import Any

import torch
from torch import Tensor

from ..checks import blocks, check_matrix

UNIT = 1e-4  # 길이가 1에서 이만큼 안이면 이미 정규화된 것으로 봅니다
_BLOCK = 65_536


def unit_vectors(values: Any, name: str, rows: int | None = None, dim: int | None = None) -> Tensor:
    """벡터 (N, dim)을 검사해 길이 1인 float32 텐서로 돌려줍니다. 이미 길이가 1이면 베끼지 않습니다(memory map은 디스크에 둡니다).

    영벡터는 그대로 두므로 그 코사인은 0입니다.

    Raises:
        InputError: 모양이 다르거나 NaN·무한대가 있을 때(:func:`~labse_helpers.checks.check_matrix`).
    """
    vectors = check_matrix(values, name, rows, dim, dtype=torch.float32)
    lengths = torch.cat([vectors[part].norm(dim=1) for part in blocks(len(vectors), _BLOCK)])
    if ((lengths - 1).abs() < UNIT).all():
        return vectors
    return torch.nn.functional.normalize(vectors, dim=1)
