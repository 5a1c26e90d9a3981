"""입력 검사: 문장, 개수, 행렬. 잘못된 값은 계산에 들어가기 전에 여기서 걸러집니다.

문장은 모두 :func:`clean`을 거칩니다. 말뭉치와 질의가 같은 단계를 지나므로, 눈에 같아 보이는 문장은 같은 문장입니다.
"""

import math
import numbers
import operator
import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Mapping, Set, Sized
from contextlib import suppress
from typing import Any

import numpy as np

from .errors import InputError

# 공백의 일종은 모두 공백 하나로, 보이지 않는 문자는 없앱니다.
_SPACES = re.compile("[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u2800\u3000]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb]"
    # 한글과 라틴 글자 뒤이거나 글자 없이 홀로 있는 변이 선택자와, 깃발(🏴) 뒤가 아닌 태그 문자
    "|(?:^|(?<=[ A-Za-z\u1100-\u11ff\uac00-\ud7a3]))[\ufe00-\ufe0f\U000e0100-\U000e01ef]+"
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]+"
    # 글자를 잇거나 떼는 ZWNJ와 ZWJ: 앞이 이모지나 이어 쓰는 문자(아랍, 인도계, 몽골 …)가 아니거나, 뒤에 글자가 없을 때
    "|(?<![\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u18af\u2190-\u2bff\ufb50-\ufdff\ufe0f\ufe70-\ufefe"
    "\U0001f000-\U0001faff])[\u200c\u200d]+"
    "|[\u200c\u200d]+(?= |$)"
)
_BLOCK = 65_536  # 행렬을 한 번에 살피는 행의 수. memory map도 조금씩 읽습니다


def clean(text: str) -> str:
    """문장을 다듬습니다: NFC, 공백의 일종은 공백으로, 제어 문자와 폭 없는 문자는 없애고, 앞뒤의 공백을 뗍니다.

    이모지를 잇는 ZWJ와 아랍·인도계 글자 사이의 ZWJ·ZWNJ는 그대로 둡니다. 탭과 줄바꿈도 공백이 됩니다. 두 번 해도 같습니다.
    """
    text = _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip(" ")
    while _INVISIBLE.search(text):  # 하나를 없애면 그 옆이 홀로 남기도 합니다
        text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text)).strip(" ")
    return text


def check_sentence(sentence: object, where: str = "문장") -> str:
    """문장 하나를 검사하고 :func:`clean`으로 다듬어 돌려줍니다.

    Raises:
        InputError: 문자열이 아니거나, 다듬으면 남는 글자가 없거나, 글자가 깨져 있을 때.
    """
    if not isinstance(sentence, str):
        raise InputError(
            f"{where}: 문장은 문자열(str)이어야 하는데 {type(sentence).__name__} 값({sentence!r:.40})이 왔습니다."
        )
    cleaned = clean(sentence)
    if not cleaned:
        raise InputError(f"{where}: 빈 문장입니다({sentence!r:.40}). 지우거나 내용을 채워 주십시오.")
    try:
        cleaned.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"{where}: {error.start}번째 글자가 깨져 있습니다(짝이 없는 서로게이트).") from error
    return cleaned


def check_sentences(sentences: Iterable[str], name: str = "sentences") -> list[str]:
    """문장들을 검사하고 다듬은 새 목록을 돌려줍니다. 검사한 뒤에는 이 목록을 쓰십시오.

    Args:
        sentences: 문자열을 순서대로 내는 것이면 무엇이든: 목록, 튜플, pandas Series(색인과 상관없이 놓인 순서), 제너레이터,
            datasets의 열, numpy 배열.
        name: 오류 메시지에 쓸 인자 이름.

    Returns:
        문자열 N개의 목록.

    Raises:
        InputError: 목록이 비었거나, 순서가 없는 것(집합, 사전)이나 표가 왔거나, 문자열이 아닌 값이나 빈 문장이 섞여 있을 때.
            위치(0부터)를 알려 줍니다.
    """
    if isinstance(sentences, (str, bytes)):
        raise InputError(
            f"{name}에 {'문자열' if isinstance(sentences, str) else '바이트열'} 하나가 왔습니다. "
            f"문장 목록(list)으로 넣어 주십시오: [{sentences[:20]!r}]"
        )
    if isinstance(sentences, (Mapping, Set)):
        raise InputError(
            f"{name}에 {type(sentences).__name__}이(가) 왔습니다. 순서가 있는 문장 목록(list)을 넣어 주십시오."
        )
    if getattr(sentences, "ndim", 1) != 1:
        raise InputError(
            f"{name}에 {type(sentences).__name__}이(가) 왔습니다. 문장이 든 열 하나를 골라 넣어 주십시오."
        )
    if not isinstance(sentences, Iterable):
        raise InputError(f"{name}에 {sentences!r:.40}이(가) 왔습니다. 문장 목록(list)을 넣어 주십시오.")
    checked = [check_sentence(sentence, f"{name}[{i}]") for i, sentence in enumerate(sentences)]
    if not checked:
        raise InputError(f"{name}가 비어 있습니다. 문장을 하나 이상 넣어 주십시오.")
    return checked


def check_same_length(first: Sized, second: Sized, names: tuple[str, str]) -> None:
    """두 목록의 길이가 다르면 :class:`InputError`를 냅니다."""
    if len(first) != len(second):
        raise InputError(
            f"{names[0]}는 {len(first)}개, {names[1]}는 {len(second)}개입니다. "
            "i번째끼리 짝이 되도록 같은 개수로 맞춰 주십시오."
        )


def check_top_k(top_k: object, available: int, name: str = "top_k") -> int:
    """``1 <= top_k <= available``인 정수인지 검사해 ``int``로 돌려줍니다. numpy의 정수도 됩니다. 아니면 :class:`InputError`."""
    try:
        if isinstance(top_k, (bool, np.bool_)):
            raise TypeError
        number = operator.index(top_k)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if number < 1:
        raise InputError(f"{name}는 1 이상의 정수여야 하는데 {top_k!r}이(가) 왔습니다.")
    if number > available:
        raise InputError(
            f"{name}={top_k}인데 후보는 {available}개뿐입니다. {available} 이하로 줄이거나 후보를 늘려 주십시오."
        )
    return number


def check_whole(value: object, name: str, low: int, high: int | None = None) -> int:
    """``low`` 이상 ``high`` 이하의 정수인지 검사해 ``int``로 돌려줍니다. numpy의 정수도 됩니다. 아니면 :class:`InputError`."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < low or (high is not None and number > high):
        limit = "" if high is None else f" {high} 이하"
        raise InputError(f"{name}={value!r}: {name}은(는) {low} 이상{limit}의 정수여야 합니다.")
    return number


def check_real(
    value: object, name: str, low: float, high: float = math.inf, *, above_low: bool = False
) -> float:
    """``low`` 이상(``above_low``면 초과) ``high`` 이하의 유한한 수인지 검사해 ``float``로 돌려줍니다. 아니면 :class:`InputError`."""
    number = math.nan
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        with suppress(OverflowError):  # float에 담기지 않는 큰 정수
            number = float(value)
    if not (math.isfinite(number) and low <= number <= high) or (above_low and number == low):
        limit = "" if low == -math.inf else f"{low}보다 큰 " if above_low else f"{low} 이상의 "
        limit += "" if high == math.inf else f"{high} 이하의 "
        raise InputError(f"{name}={value!r}: {name}은(는) {limit}유한한 수여야 합니다.")
    return number


def check_choice(value: object, known: tuple[str, ...], name: str) -> str:
    """정해진 이름 가운데 하나인지 검사합니다. 아니면 :class:`InputError`가 아는 이름을 모두 알려 줍니다."""
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{name}은(는) {', '.join(known)} 가운데 하나여야 하는데 {value!r}이(가) 왔습니다.")
    return value


def check_matrix(
    values: Any, name: str, rows: int | None = None, columns: int | None = None, dtype: Any = None
) -> Any:
    """임베딩 (N, dim)이나 점수 (N, M)의 행렬을 검사해 기울기 없는 실수 텐서로 돌려줍니다. 베끼지 않아도 되면 베끼지 않습니다.

    Args:
        values: numpy 배열(memory map도), 텐서, 벡터들의 목록.
        name: 오류 메시지에 쓸 인자 이름.
        rows, columns: 기다리는 행과 열의 수. None이면 아무 수나.
        dtype: 바꿀 자료형. None이면 그대로입니다. 정수와 16비트는 언제나 float32가 됩니다.

    Raises:
        InputError: 2차원이 아니거나, 비었거나, 수가 아니거나, 모양이 다르거나, NaN·무한대가 있을 때. 행과 열을 알려 줍니다.
    """
    import torch

    matrix = _as_tensor(values, name)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(
            f"{name}의 모양이 {tuple(matrix.shape)}입니다. 비어 있지 않은 2차원 (행, 열)이어야 합니다."
        )
    expected = (len(matrix) if rows is None else rows, matrix.shape[1] if columns is None else columns)
    if tuple(matrix.shape) != expected:
        raise InputError(
            f"{name}의 모양이 {tuple(matrix.shape)}인데 {expected}이어야 합니다. "
            "같은 문장들을 같은 인코더로 구한 것인지 확인해 주십시오."
        )
    if matrix.is_complex() or matrix.dtype == torch.bool:
        raise InputError(f"{name}의 자료형이 {matrix.dtype}입니다. 실수여야 합니다.")
    small = not matrix.is_floating_point() or matrix.element_size() < 4
    matrix = matrix.detach().to(dtype or (torch.float32 if small else matrix.dtype))
    for start in range(0, len(matrix), _BLOCK):
        block = matrix[start : start + _BLOCK]
        if torch.isfinite(block.sum()):  # 원소마다 보는 것보다 수십 배 빠릅니다
            continue
        bad = (~torch.isfinite(block)).nonzero()
        if len(bad):
            row, column = bad[0].tolist()
            raise InputError(
                f"{name}[{start + row}, {column}]에 NaN이나 무한대가 있습니다. 다시 구해 주십시오."
            )
    return matrix


def _as_tensor(values: Any, name: str) -> Any:
    import torch

    try:
        if isinstance(values, torch.Tensor):
            return values
        if not isinstance(values, np.ndarray):
            rows = list(values)
            if rows and all(isinstance(row, torch.Tensor) for row in rows):
                return torch.stack(rows)
            values = np.stack([np.asarray(row) for row in rows])
        native = values.astype(values.dtype.newbyteorder("="), copy=False)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # 읽기 전용 배열이라는 경고. 고치지 않으므로 괜찮습니다
            return torch.from_numpy(np.ascontiguousarray(native))
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{name}는 (행, 열) 모양의 배열이나 텐서여야 하는데 {type(values).__name__}입니다."
        ) from error


def blocks(n: int, size: int) -> Iterator[slice]:
    """0부터 n까지를 ``size``씩 나눈 범위들."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
