"""강의를 시작하기 전의 환경 점검. 모두 OK면 어느 장이든 돌아갑니다."""

import importlib.util
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from ..errors import InputError, ModelUnavailableError

PACKAGES = ("torch", "sentence-transformers", "numpy", "seaborn", "jupyterlab", "ipywidgets")


def check_environment() -> bool:
    """파이썬, 패키지, 인코더, 한글 글꼴, LaBSE 캐시를 점검해 한 줄씩 출력합니다.

    Returns:
        강의에 필요한 것이 모두 갖추어졌으면 True.
    """
    results = [_check_python(), *(_check_package(name) for name in PACKAGES), _check_encoder(), _check_font()]
    for label, problem in results:
        print(
            f"{'OK  ' if problem is None else 'FAIL'} {label}" + ("" if problem is None else f" → {problem}")
        )
    passed = all(problem is None for _, problem in results)
    print("준비가 끝났습니다." if passed else "FAIL 줄의 안내를 따른 뒤 다시 실행해 주십시오.")
    return passed


def _check_python() -> tuple[str, str | None]:
    supported = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return f"Python {platform.python_version()}", None if supported else "3.11–3.13을 설치해 주십시오."


def _check_package(name: str) -> tuple[str, str | None]:
    try:
        return f"{name} {version(name)}", None
    except PackageNotFoundError:
        return name, f"`pip install {name}`"


def _check_encoder() -> tuple[str, str | None]:
    label = "내장 인코더 mUSE"
    if importlib.util.find_spec("torch") is None:
        return label, "torch가 먼저 필요합니다."
    from ..encoders.load import load_model

    try:
        load_model("muse").encode("준비되었습니까?")
    except ModelUnavailableError as error:
        return label, str(error)
    return label, None


def _check_font() -> tuple[str, str | None]:
    from .plots import FONT, use_korean_font

    try:
        use_korean_font()
    except InputError as error:
        return f"한글 글꼴 {FONT}", str(error)
    return f"한글 글꼴 {FONT}", None
