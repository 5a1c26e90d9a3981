"""강의를 시작하기 전의 환경 점검. 모두 OK면 어느 장이든 돌아갑니다."""

import importlib.util
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from ..errors import InputError, ModelUnavailableError
from .console import say

PACKAGES = ("torch", "sentence-transformers", "numpy", "seaborn", "jupyterlab", "ipywidgets")


def check_environment() -> bool:
    """파이썬, 패키지, 인코더, 계산 장치, 글꼴, e5의 가중치를 점검해 한 줄씩 출력합니다.

    ``OK``와 ``FAIL``은 꼭 있어야 하는 것이고, ``없음``은 없어도 강의가 돌아가는 것입니다. 화살표 뒤에 할 일이 있습니다.

    Returns:
        강의에 꼭 필요한 것이 모두 갖추어졌으면 True.
    """
    required = [_check_python(), *map(_check_package, PACKAGES), *_check_encoder(), _check_font()]
    for label, problem in required:
        _report("OK  " if problem is None else "FAIL", label, problem)
    for label, problem in (_check_other_fonts(), _check_e5()):
        _report("OK  " if problem is None else "없음", label, problem)
    passed = all(problem is None for _, problem in required)
    say("준비가 끝났습니다." if passed else "FAIL 줄의 안내를 따른 뒤 다시 실행해 주십시오.")
    return passed


def _report(mark: str, label: str, problem: str | None) -> None:
    say(f"{mark} {label}" if problem is None else f"{mark} {label} → {problem}")


def _check_python() -> tuple[str, str | None]:
    supported = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return f"Python {platform.python_version()}", None if supported else "3.11–3.13을 설치해 주십시오."


def _check_package(name: str) -> tuple[str, str | None]:
    try:
        return f"{name} {version(name)}", None
    except PackageNotFoundError:
        return name, f"`pip install {name}`"


def _check_encoder() -> list[tuple[str, str | None]]:
    label = "내장 인코더 mUSE"
    if importlib.util.find_spec("torch") is None:
        return [(label, "torch가 먼저 필요합니다.")]
    from ..encoders.load import load_model

    try:
        model = load_model("muse")
        model.encode("준비되었습니까?")
    except ModelUnavailableError as error:
        return [(label, str(error))]
    return [(label, None), (f"계산 장치: {_device_name(model.device.type)}", None)]


def _device_name(kind: str) -> str:
    """``load_model``이 고른 장치를 사람이 아는 이름으로."""
    import torch

    if kind == "cuda":
        return f"GPU ({torch.cuda.get_device_name()})"
    return {"cpu": f"CPU (스레드 {torch.get_num_threads()}개)", "mps": "GPU (Apple)"}.get(kind, kind)


def _check_font() -> tuple[str, str | None]:
    from .fonts import FONT, families

    try:
        families()
    except InputError as error:
        return f"한글 글꼴 {FONT}", str(error)
    return f"한글 글꼴 {FONT}", None


def _check_other_fonts() -> tuple[str, str | None]:
    from .fonts import missing_wheels

    label, missing = "이모지·한자·태국·아랍 글꼴", missing_wheels()
    return (
        label,
        f"`pip install {' '.join(missing)}`. 없으면 그 글자는 그림에서 □가 됩니다." if missing else None,
    )


def _check_e5() -> tuple[str, str | None]:
    label = "e5의 가중치"
    if importlib.util.find_spec("torch") is None:
        return label, "torch가 먼저 필요합니다."
    from ..encoders.e5 import e5_is_available

    if e5_is_available():
        return label, None
    return label, "이것을 쓰는 1, 3, 7장의 셀은 건너뜁니다. `labse-helpers fetch-e5`로 받을 수 있습니다."
