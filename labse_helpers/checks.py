"""입력 검사: 잘못된 값은 계산에 들어가기 전에 여기서 걸러집니다."""

import unicodedata
from collections.abc import Iterable, Sequence

from .errors import InputError


def check_sentences(sentences: Iterable[str], name: str = "sentences") -> list[str]:
    """문장 목록을 검사하고 NFC로 정규화한 새 목록을 돌려줍니다.

    Args:
        sentences: 문자열의 목록. 길이 N.
        name: 오류 메시지에 쓸 인자 이름.

    Returns:
        NFC로 정규화된 문자열 N개의 목록.

    Raises:
        InputError: 목록이 비었거나, 문자열이 아닌 값이나 빈 문장이 섞여 있을 때. 위치(0부터)를 알려 줍니다.
    """
    if isinstance(sentences, str):
        raise InputError(
            f"{name}에 문자열 하나가 왔습니다. 문장 목록(list)으로 넣어 주십시오: [{sentences[:20]!r}]"
        )
    if not isinstance(sentences, Iterable):
        raise InputError(f"{name}에 {sentences!r:.40}이(가) 왔습니다. 문장 목록(list)을 넣어 주십시오.")
    checked = [check_sentence(sentence, f"{name}[{i}]") for i, sentence in enumerate(sentences)]
    if not checked:
        raise InputError(f"{name}가 비어 있습니다. 문장을 하나 이상 넣어 주십시오.")
    return checked


def check_sentence(sentence: str, where: str = "문장") -> str:
    """문장 하나를 검사하고 NFC로 정규화해 돌려줍니다. 쓸 수 없으면 :class:`InputError`."""
    if not isinstance(sentence, str):
        raise InputError(
            f"{where}: 문장은 문자열(str)이어야 하는데 {type(sentence).__name__} 값({sentence!r:.40})이 왔습니다."
        )
    if not sentence.strip():
        raise InputError(f"{where}: 빈 문장입니다({sentence!r:.40}). 지우거나 내용을 채워 주십시오.")
    try:
        sentence.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"{where}: {error.start}번째 글자가 깨져 있습니다(짝이 없는 서로게이트).") from error
    return unicodedata.normalize("NFC", sentence)


def check_same_length(first: Sequence, second: Sequence, names: tuple[str, str]) -> None:
    """두 목록의 길이가 다르면 :class:`InputError`를 냅니다."""
    if len(first) != len(second):
        raise InputError(
            f"{names[0]}는 {len(first)}개, {names[1]}는 {len(second)}개입니다. "
            "i번째끼리 짝이 되도록 같은 개수로 맞춰 주십시오."
        )


def check_top_k(top_k: int, available: int, name: str = "top_k") -> int:
    """``1 <= top_k <= available``인 정수인지 검사합니다. 아니면 :class:`InputError`."""
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
        raise InputError(f"{name}는 1 이상의 정수여야 하는데 {top_k!r}이(가) 왔습니다.")
    if top_k > available:
        raise InputError(
            f"{name}={top_k}인데 후보는 {available}개뿐입니다. {available} 이하로 줄이거나 후보를 늘려 주십시오."
        )
    return top_k
