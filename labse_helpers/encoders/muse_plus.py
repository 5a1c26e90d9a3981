"""muse-plus: mUSE와, 편향만 미세 조정한 e5의 벡터를 이어 붙인, 내려받지 않고 쓸 수 있는 더 나은 한국어–영어 인코더.

두 인코더는 구조도 학습 데이터도 달라서 서로 다른 곳에서 틀립니다. 저마다 학습용 문장들의 평균을 빼고(centring) 길이를 1로 맞춘
뒤 이어 붙이면, 코사인은 두 코사인의 가중 평균이 됩니다. 학습한 것은 평균 벡터 둘과 e5의 편향·LayerNorm의 변화량뿐입니다
(Ben Zaken et al. 2022, BitFit, 2022.acl-short.1). 데이터, 평가, 한계는 docs/muse_plus.md에 있습니다.
"""

import posixpath
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load, load_file, save_file
from sentence_transformers.base.modules import InputModule
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from torch import Tensor, nn

from ..corpora import DATA
from .e5 import PROMPTS, e5_modules, remember_no_pooler
from .muse import MuseEncoder, hub_options
from .truncation import cut_texts

LEARNED = "muse_plus.safetensors"  # "muse", "e5": 평균 벡터. "e5.이름": 그 가중치의 변화량. tools/fit_muse_plus.py가 만듭니다
CENTRES = "centres.safetensors"  # 저장한 폴더에서 평균 벡터 둘
E5_WEIGHT = 1.0  # 코사인에서 e5가 mUSE의 몇 배를 차지하는가의 제곱근


class JointEncoder(InputModule):
    """두 인코더의 벡터를 이어 붙이는 입력 모듈. 512 + 384 = 896차원.

    Args:
        muse: mUSE의 입력 모듈.
        e5: e5의 모듈들(Transformer, 풀링, 정규화).
        centre: 인코더마다 뺄 평균 벡터, ``{"muse": (512,), "e5": (384,)}``.
    """

    batch_size = 64  # e5가 패딩을 덜 계산하도록 작게 둡니다

    def __init__(self, muse: nn.Module, e5: list[nn.Module], centre: dict[str, Tensor]) -> None:
        super().__init__()
        self.muse, self.e5 = nn.Sequential(muse), nn.Sequential(*e5)
        self.register_buffer("muse_centre", centre["muse"])
        self.register_buffer("e5_centre", centre["e5"])

    @classmethod
    def from_wheels(cls) -> "JointEncoder":
        """mUSE와 e5의 가중치, 저장소의 학습한 값으로 만듭니다.

        Raises:
            ModelUnavailableError: 가중치가 없거나 파일이 원본과 다를 때.
        """
        learned = {name: x.float() for name, x in load((DATA / LEARNED).read_bytes()).items()}
        encoder = cls(MuseEncoder.from_wheel(), e5_modules(), learned)
        with torch.no_grad():
            for name, p in encoder.e5.named_parameters():
                if f"e5.{name}" in learned:
                    p.add_(learned[f"e5.{name}"])
        return encoder

    @property
    def _muse(self) -> MuseEncoder:
        return cast(MuseEncoder, self.muse[0])

    @property
    def _transformer(self) -> Transformer:
        return cast(Transformer, self.e5[0])

    @property
    def max_seq_length(self) -> int | None:
        """e5가 읽는 토큰의 수. mUSE에는 제한이 없습니다."""
        return self._transformer.max_seq_length

    def preprocess(self, inputs: list[str], prompt: str | None = None, **kwargs: Any) -> dict[str, Any]:
        """두 토크나이저의 결과를 ``"muse.…"``와 ``"e5.…"``라는 이름으로 함께 담습니다."""
        if prompt:
            inputs = self._prepend_prompt(inputs, prompt)
        both = {
            "muse": self._muse.preprocess(inputs),
            "e5": self._transformer.preprocess(self._for_e5(inputs)),
        }
        return {f"{name}.{key}": value for name, features in both.items() for key, value in features.items()}

    def cut_texts(self, texts: list[str], attention_mask: Tensor | None) -> list[bool]:
        """e5가 뒤를 자르는 글이면 True인 목록 N개. mUSE는 자르지 않습니다."""
        return cut_texts(self._transformer, self._for_e5(texts), attention_mask)

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Tensor]:
        """``preprocess``의 결과에서 길이 1인 문장 벡터 ``{"sentence_embedding": (N, 896)}``을 냅니다."""
        parts = []
        for name, modules, centre, weight in (
            ("muse.", self.muse, self.muse_centre, 1.0),
            ("e5.", self.e5, self.e5_centre, E5_WEIGHT),
        ):
            own = {key.removeprefix(name): value for key, value in features.items() if key.startswith(name)}
            vectors = modules(own)["sentence_embedding"].float()
            parts.append(weight * nn.functional.normalize(vectors - centre, dim=1))
        return {"sentence_embedding": nn.functional.normalize(torch.cat(parts, dim=1), dim=1)}

    @staticmethod
    def _for_e5(texts: list[str]) -> list[str]:
        return [PROMPTS["query"] + text for text in texts]

    def get_embedding_dimension(self) -> int:
        return len(self.muse_centre) + len(self.e5_centre)

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **kwargs: Any) -> None:
        """``muse``와 ``e5`` 폴더, 평균 벡터 둘로 저장합니다."""
        folder = Path(output_path)
        for name, module in (("muse", self._muse), ("e5", self._transformer)):
            (folder / name).mkdir(exist_ok=True)
            module.save(str(folder / name), safe_serialization=safe_serialization)
        remember_no_pooler(self._transformer, folder / "e5")
        centres = {"muse": self.muse_centre, "e5": self.e5_centre}
        save_file({name: centre.detach().cpu() for name, centre in centres.items()}, folder / CENTRES)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **kwargs: Any) -> "JointEncoder":
        options = hub_options(kwargs)

        def inside(name: str) -> dict[str, Any]:
            return options | {"subfolder": posixpath.join(subfolder, name)}

        transformer = Transformer.load(model_name_or_path, **inside("e5"))
        modules = [transformer, Pooling(transformer.get_embedding_dimension(), "mean"), Normalize()]
        centres = cls.load_file_path(model_name_or_path, filename=CENTRES, subfolder=subfolder, **options)
        return cls(MuseEncoder.load(model_name_or_path, **inside("muse")), modules, load_file(str(centres)))
