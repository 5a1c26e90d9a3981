"""벡터와 문장의 준비: 정규화와 반복되는 문장 고르기는 여기 한 곳에서만 합니다."""

from typing import Any

import torch
from torch import Tensor

from ..checks import blocks, check_matrix

UNIT = 1e-4  # 길이가 1에서 이만큼 안이면 이미 정규화된 것으로 봅니다
_BLOCK = 65_536


def unit_vectors(values: Any, name: str, rows: int | None = None, dim: int | None = None) -> Tensor:
    """벡터 (N, dim)을 검사해 길이 1인 float32 텐서로 돌려줍니다. 이미 길이가 1이면 베끼지 않습니다(memory map은 디스크에 둡니다).

    영벡터는 그대로 두므로 그 코사인은 0입니다. 아주 크거나 작은 벡터도 방향은 그대로입니다.

    Args:
        values: numpy 배열(memory map도), 텐서, 벡터들의 목록. 길이는 아무래도 됩니다.
        name: 오류 메시지에 쓸 인자 이름.
        rows, dim: 기다리는 모양. None이면 아무 수나.

    Raises:
        InputError: 모양이 다르거나 NaN·무한대가 있을 때(:func:`~labse_helpers.checks.check_matrix`).
    """
    vectors = check_matrix(values, name, rows, dim, dtype=torch.float32)
    if all(_is_unit(vectors[part]) for part in blocks(len(vectors), _BLOCK)):
        return vectors
    return torch.cat([_normalized(vectors[part]) for part in blocks(len(vectors), _BLOCK)])


def _is_unit(vectors: Tensor) -> bool:
    return bool(((torch.linalg.vector_norm(vectors, dim=1) - 1).abs() < UNIT).all())


def _normalized(vectors: Tensor) -> Tensor:
    """가장 큰 성분으로 먼저 나누므로, 제곱이 float32의 범위를 넘는 벡터도 됩니다."""
    largest = vectors.abs().amax(dim=1, keepdim=True)
    scaled = vectors / torch.where(largest > 0, largest, 1)
    return torch.nn.functional.normalize(scaled, dim=1)


def first_occurrences(sentences: list[str]) -> list[int]:
    """서로 다른 문장이 처음 나오는 자리. 문장은 이미 다듬은 것이어야 합니다."""
    first: dict[str, int] = {}
    for i, sentence in enumerate(sentences):
        first.setdefault(sentence, i)
    return list(first.values())
