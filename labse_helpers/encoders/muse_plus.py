"""muse-plus: mUSE와, 편향만 미세 조정한 e5의 벡터를 이어 붙인, 내려받지 않고 쓸 수 있는 더 나은 한국어–영어 인코더.

두 인코더는 구조도 학습한 글도 달라서 서로 다른 곳에서 틀립니다. 저마다 학습용 문장들의 평균을 빼고(centring) 길이를 1로 맞춘 뒤
이어 붙이면, 코사인은 두 코사인의 가중 평균이 됩니다. 배운 것은 평균 벡터 둘과 e5의 편향·LayerNorm의 변화량뿐입니다
(Ben Zaken et al. 2022, BitFit, 2022.acl-short.1). 자료, 재는 법, 한계는 docs/muse_plus.md에 있습니다.
"""

import torch
from safetensors.torch import load
from sentence_transformers.base.modules import InputModule
from torch import Tensor, nn

from ..corpora import DATA
from ..errors import InputError
from .e5 import PROMPTS, e5_modules
from .muse import MuseEncoder

LEARNED = "muse_plus.safetensors"  # "muse", "e5": 평균 벡터. "e5.이름": 그 가중치의 변화량. tools/fit_muse_plus.py가 만듭니다
E5_WEIGHT = 1.0  # 코사인에서 e5가 mUSE의 몇 배를 차지하는가의 제곱근


class JointEncoder(InputModule):
    """두 인코더의 벡터를 이어 붙이는 입력 모듈. 512 + 384 = 896차원.

    Args:
        muse: mUSE의 입력 모듈.
        e5: e5의 모듈들(Transformer, 풀링, 정규화).
        centre: 인코더마다 뺄 평균 벡터, ``{"muse": (512,), "e5": (384,)}``.
    """

    batch_size = 64  # e5가 빈칸을 덜 계산하도록 작게 둡니다

    def __init__(self, muse: nn.Module, e5: list[nn.Module], centre: dict[str, Tensor]) -> None:
        super().__init__()
        self.muse, self.e5 = nn.Sequential(muse), nn.Sequential(*e5)
        self.register_buffer("muse_centre", centre["muse"])
        self.register_buffer("e5_centre", centre["e5"])

    @classmethod
    def from_wheels(cls) -> "JointEncoder":
        """설치된 두 휠과 저장소의 배운 값으로 만듭니다.

        Raises:
            ModelUnavailableError: 휠이 없거나 파일이 원본과 다를 때.
        """
        learned = {name: x.float() for name, x in load((DATA / LEARNED).read_bytes()).items()}
        encoder = cls(MuseEncoder.from_wheel(), e5_modules(), learned)
        with torch.no_grad():
            for name, p in encoder.e5.named_parameters():
                if f"e5.{name}" in learned:
                    p += learned[f"e5.{name}"]
        return encoder

    def preprocess(self, inputs: list[str], prompt: str | None = None, **kwargs) -> dict[str, Tensor]:
        """두 토크나이저의 결과를 ``"muse.…"``와 ``"e5.…"``라는 이름으로 함께 담습니다."""
        if prompt:
            inputs = self._prepend_prompt(inputs, prompt)
        both = {
            "muse": self.muse[0].preprocess(inputs),
            "e5": self.e5[0].preprocess([PROMPTS["query"] + sentence for sentence in inputs]),
        }
        return {f"{name}.{key}": value for name, features in both.items() for key, value in features.items()}

    def forward(self, features: dict[str, Tensor], **kwargs) -> dict[str, Tensor]:
        """``features["sentence_embedding"]``에 길이 1인 벡터 (N, 896)을 넣어 돌려줍니다."""
        parts = []
        for name, modules, centre, weight in (
            ("muse.", self.muse, self.muse_centre, 1.0),
            ("e5.", self.e5, self.e5_centre, E5_WEIGHT),
        ):
            own = {key.removeprefix(name): value for key, value in features.items() if key.startswith(name)}
            vectors = modules(own)["sentence_embedding"]
            parts.append(weight * nn.functional.normalize(vectors - centre, dim=1))
        features["sentence_embedding"] = nn.functional.normalize(torch.cat(parts, dim=1), dim=1)
        return features

    def get_embedding_dimension(self) -> int:
        return len(self.muse_centre) + len(self.e5_centre)

    def save(self, output_path: str, *args, **kwargs) -> None:
        raise InputError("muse-plus는 저장하지 않습니다. 쓸 때마다 load_model('muse-plus')로 부르십시오.")
