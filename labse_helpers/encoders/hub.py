"""모델 허브에 닿는지 보기: 닿지 않을 때 재시도로 몇 분을 쓰지 않으려는 것입니다."""

import huggingface_hub
from huggingface_hub.utils import get_session

from ..errors import LabseError


def require_hub() -> None:
    """허브를 한 번만 두드려 봅니다. 닿지 않으면 5초 안에 예외가 납니다."""
    get_session().head(huggingface_hub.constants.ENDPOINT, timeout=5)


def reason(error: BaseException) -> str:
    """오류 사슬의 맨 밑이나 우리 오류를 한 줄로 줄입니다."""
    while not isinstance(error, LabseError) and (
        cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    ):
        error = cause
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:160]}" if text else type(error).__name__
