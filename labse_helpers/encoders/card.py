"""인코더의 카드: 이름, 차원, 언어, 라이선스, 최대 길이, 무엇으로 미세 조정했는지. 가중치와 함께 저장됩니다."""

import hashlib
import zlib
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from torch import nn

from ..errors import ModelUnavailableError, OutputError
from ..storage.atomic import read_json, write_json

CARD_FILE = "card.json"
UNRECORDED = "기록되지 않은 변경"


@dataclass(frozen=True)
class ModelCard:
    """인코더의 신상. 모르는 값은 None입니다."""

    name: str
    dimension: int
    languages: str | None = None
    license: str | None = None
    max_seq_length: int | None = None  # 이보다 긴 글은 뒤가 잘립니다. None이면 제한이 없거나 모릅니다
    tuned_on: str | None = None  # 무엇으로 미세 조정했는지. None이면 공개된 가중치 그대로입니다

    def __str__(self) -> str:
        facts = [
            f"{self.dimension}차원",
            self.max_seq_length and f"최대 {self.max_seq_length}토큰",
            self.languages,
            self.license and f"라이선스 {self.license}",
            self.tuned_on and f"미세 조정: {self.tuned_on}",
        ]
        return f"{self.name} ({', '.join(fact for fact in facts if fact)})"

    def with_unrecorded_change(self) -> "ModelCard":
        """카드를 붙인 뒤에 가중치가 바뀌었다는 말을 덧붙인 카드."""
        return replace(self, tuned_on=f"{self.tuned_on}, {UNRECORDED}" if self.tuned_on else UNRECORDED)


def card_of(
    model: SentenceTransformer, name: str, languages: str | None = None, license: str | None = None
) -> ModelCard:
    """차원과 최대 길이를 ``model``에 물어 만든 카드.

    Raises:
        ModelUnavailableError: 문장 벡터의 차원을 모르는 모델일 때.
    """
    dimension = model.get_embedding_dimension()
    if dimension is None:
        raise ModelUnavailableError(
            f"{name}: 문장 벡터를 내는 모델이 아닙니다. 문장 임베딩 모델을 골라 주십시오."
        )
    return ModelCard(name, dimension, languages, license, model.max_seq_length)


def fingerprint(module: nn.Module) -> str:
    """가중치를 알아보는 값. 값 하나만 바뀌어도 달라지고, 이름과 장치가 바뀌어도 그대로입니다(1 GB에 0.3초쯤)."""
    parts = []
    for x in module.state_dict().values():
        data = x.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
        parts.append(f"{x.dtype} {tuple(x.shape)} {zlib.crc32(data)}")
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()


def write_card(folder: Path, card: ModelCard, weights: str) -> None:
    """카드와 가중치의 :func:`fingerprint`를 ``card.json``으로 적습니다."""
    write_json(folder / CARD_FILE, asdict(card) | {"weights": weights})


def read_card(folder: Path, weights: str) -> ModelCard | None:
    """``folder``에 적어 둔 카드. 없으면 None. 적을 때와 가중치가 다르면 그렇다고 적힌 카드입니다.

    Raises:
        OutputError: ``card.json``이 깨져 있을 때.
    """
    stored = read_json(folder / CARD_FILE)
    if stored is None:
        return None
    names = [field.name for field in fields(ModelCard)]
    try:
        card = ModelCard(**{name: stored[name] for name in names})
        unchanged = stored["weights"] == weights
    except (KeyError, TypeError) as error:
        raise OutputError(f"{folder / CARD_FILE}: 인코더의 카드가 아닙니다. 다시 저장해 주십시오.") from error
    return card if unchanged else card.with_unrecorded_change()
