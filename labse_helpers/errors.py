"""학생에게 보이는 오류. 무엇이, 어디서 잘못되었고, 어떻게 고치는지를 한국어로 말합니다.

모두 :class:`LabseError`이므로 한 번에 잡을 수 있고, 파이썬의 알맞은 예외이기도 해서 ``except ValueError``로도 잡힙니다.
"""


class LabseError(Exception):
    """이 패키지가 내는 모든 오류의 바탕."""


class InputError(LabseError, ValueError):
    """함수에 건넨 값(문장, 행렬, 개수 …)이 쓸 수 없는 것일 때 발생합니다."""


class CorpusError(LabseError, ValueError):
    """사용자의 파일을 읽을 수 없을 때 발생합니다. 파일 이름과 줄 번호가 메시지에 들어 있습니다."""


class ModelUnavailableError(LabseError, RuntimeError):
    """인코더를 불러올 수 없을 때 발생합니다. 대신 쓸 수 있는 방법이 메시지에 들어 있습니다."""


class OutputError(LabseError, OSError):
    """결과를 디스크에 적거나 거기서 다시 열 수 없을 때 발생합니다: 공간, 권한, 이름, 다른 실행의 잠금."""
