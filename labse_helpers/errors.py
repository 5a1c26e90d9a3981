"""학생에게 보이는 오류. 무엇이, 어디서 잘못되었고, 어떻게 고치는지를 한국어로 말합니다."""


class InputError(ValueError):
    """함수에 건넨 값(문장, 행렬, 개수 …)이 쓸 수 없는 것일 때 발생합니다."""


class CorpusError(ValueError):
    """말뭉치 파일을 읽을 수 없을 때 발생합니다. 파일 이름과 줄 번호가 메시지에 들어 있습니다."""


class ModelUnavailableError(RuntimeError):
    """인코더를 불러올 수 없을 때 발생합니다. 대신 쓸 수 있는 방법이 메시지에 들어 있습니다."""
