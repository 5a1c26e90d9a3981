"""채점의 뼈대: 채점 함수의 등록, 답의 모양 살피기, 학생이 쓴 함수 부르기."""

import copy
import dis
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

CHAPTERS = ("chapter_01", "chapter_02", "chapter_03", "chapter_04", "chapter_05", "chapter_06", "chapter_07")
MARKS = {"right": "✓", "wrong": "✗", "unanswered": "…"}

_GRADERS: dict[str, tuple[Callable, str]] = {}


class Hint(Exception):  # noqa: N818 - 오류가 아니라 학생에게 줄 힌트입니다
    """답이 어긋났습니다. 메시지는 무엇이 어긋났는지와 어디를 볼지를 말하고, 답은 말하지 않습니다."""


class Unanswered(Exception):  # noqa: N818
    """아직 답하지 않았습니다(``...`` 또는 None)."""


@dataclass(frozen=True)
class Verdict:
    """채점의 결과. ``status``는 ``"right"``, ``"wrong"``, ``"unanswered"`` 가운데 하나입니다."""

    number: str
    status: str
    message: str

    def __str__(self) -> str:
        return f"{MARKS[self.status]} 연습 {self.number}: {self.message}"


def exercise(number: str, praise: str) -> Callable:
    """채점 함수를 ``number``번 연습에 잇습니다. 함수는 맞으면 그냥 돌아오고, 아니면 :class:`Hint`를 던집니다.

    Args:
        number: ``"장.순서"``. 예: ``"2.1"``.
        praise: 맞았을 때의 말. 무엇을 해낸 것인지 한 문장으로 되짚어 줍니다.
    """

    def register(grade: Callable) -> Callable:
        _GRADERS[number] = grade, praise
        return grade

    return register


def numbers() -> list[str]:
    """채점 함수가 있는 모든 연습의 번호."""
    for chapter in CHAPTERS:
        import_module(f".{chapter}", __package__)
    return sorted(_GRADERS, key=lambda number: tuple(map(int, number.split("."))))


def judge(number: str, answer: object, **given: object) -> Verdict:
    """``check``와 같되 출력하지 않고 :class:`Verdict`를 돌려줍니다."""
    if number not in numbers():
        return Verdict(
            str(number), "wrong", f"그런 번호의 연습은 없습니다. 있는 번호: {', '.join(numbers())}."
        )
    grade, praise = _GRADERS[number]
    try:
        if is_unanswered(answer):
            raise Unanswered
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            grade(answer, **given)
    except Unanswered:
        return Verdict(
            number, "unanswered", "아직 답하지 않았습니다. `...`의 자리를 채우고 다시 실행하십시오."
        )
    except Hint as hint:
        return Verdict(number, "wrong", str(hint))
    except Exception as error:
        kind = type(answer).__name__
        return Verdict(
            number,
            "wrong",
            f"답을 살펴볼 수 없었습니다({kind}형, {type(error).__name__}). 문제가 묻는 꼴인지 다시 읽어 보십시오.",
        )
    return Verdict(number, "right", f"맞았습니다. {praise}")


def is_unanswered(answer: object) -> bool:
    """``...``이나 None이면, 또는 그것이 든 목록이면 True."""
    if isinstance(answer, (list, tuple)):
        return any(is_unanswered(item) for item in answer)
    return answer is None or answer is ...


def expect(condition: object, hint: str) -> None:
    """조건이 거짓이면 ``hint``를 힌트로 줍니다."""
    if not bool(condition):
        raise Hint(hint)


def as_array(answer: object, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """답을 float64 배열로 바꿉니다. 수, 목록, numpy 배열, torch 텐서를 받습니다.

    Args:
        shape: 기다리는 모양. 주면 다를 때 :class:`Hint`를 던집니다. ``()``은 수 하나입니다.

    Raises:
        Hint: 함수·문자열처럼 수가 아니거나, 모양이 다르거나, NaN·무한대가 있을 때.
    """
    if callable(answer) and not isinstance(answer, torch.Tensor):
        raise Hint("함수 자체가 아니라 함수를 불러 얻은 값을 넣으십시오.")
    if isinstance(answer, torch.Tensor):
        answer = answer.detach().cpu().numpy()
    for text in answer if isinstance(answer, (list, tuple)) else [answer]:
        if isinstance(text, str) and re.search(r"\d", text):
            raise Hint(
                f"문자열 {text[:20]!r}이(가) 왔습니다. 따옴표와 단위(배, %, 개)를 떼고 수만 넣으십시오."
            )
    try:
        array = np.asarray(answer)
        if array.dtype.kind not in "biuf":
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise Hint(f"수나 배열을 기다렸는데 {type(answer).__name__}형이 왔습니다.") from None
    if shape is not None and array.shape != shape:
        what = f"모양이 {shape}인 배열을" if shape else "수 하나를"
        raise Hint(f"{what} 기다렸는데 모양이 {array.shape}입니다. 어느 축을 모았는지 보십시오.")
    if not np.isfinite(array).all():
        raise Hint("NaN이나 무한대가 들어 있습니다. 0으로 나누거나 0의 로그를 구한 곳이 있는지 보십시오.")
    return array


def as_integer(answer: object) -> int:
    """답을 정수 하나로 바꿉니다. 5.0처럼 값이 정수인 것도 받습니다."""
    value = as_array(answer, ())
    expect(value == np.round(value), "정수여야 합니다.")
    return int(value)


def check_unit(value: float, right: float, what: str = "값", exact: bool = False) -> None:
    """``value``가 다른 단위로 적은 ``right``이거나 반올림한 ``right``이면 그것을 알려 주는 힌트를 던집니다.

    Args:
        what: 힌트에서 그 수를 부르는 말. 예: ``"매개변수의 수"``.
        exact: True면 반올림한 값도 받지 않습니다.
    """
    units = {
        2: "퍼센트로 적었습니다. 100을 곱하지 마십시오",
        -2: "100으로 나눈 값입니다. 퍼센트인지 비율인지 문제를 다시 보십시오",
        -3: "천 단위로 적었습니다. 0을 세 개 빠뜨렸습니다",
        -4: "만 단위로 적었습니다. 0을 네 개 빠뜨렸습니다",
        -6: "백만 단위로 적었습니다. 줄이지 않은 수를 넣으십시오",
        -8: "억 단위로 적었습니다. 줄이지 않은 수를 넣으십시오",
    }
    for power, name in units.items():
        if (
            right != 0 and abs(value / right / 10.0**power - 1) < 5e-3
        ):  # 0.5 % 안의 반올림은 같은 실수로 봅니다
            raise Hint(f"{what}: {name}.")
    if exact and value != right and abs(value - right) < 5e-3 * abs(right):
        raise Hint(f"{what}: 반올림한 값입니다. 줄이지 않은 정확한 수를 넣으십시오.")


def call(function: object, *args: object) -> Any:
    """학생이 쓴 함수를 인자의 사본으로 부릅니다.

    Raises:
        Unanswered: 함수의 몸이 아직 ``...``뿐이거나, ``...``을 돌려줄 때.
        Hint: 함수가 아니거나, 부르다 오류가 나거나, ``return``을 잊어 None이 나올 때.
    """
    return _call(function, copy.deepcopy(args))


def call_unchanged(function: object, *args: object) -> Any:
    """``call``과 같되, 함수가 받은 인자의 값을 바꾸었으면 :class:`Hint`를 던집니다."""
    copies = copy.deepcopy(args)
    result = _call(function, copies)
    if not _same(copies, args):
        raise Hint("받은 값을 그 자리에서 바꾸었습니다. 부른 쪽의 값도 달라지니 새로 만들어 돌려주십시오.")
    return result


def uses(function: object, *names: str) -> bool:
    """``function``이나 그 안의 함수가 ``names`` 가운데 하나를 이름으로 쓰면 True. 쓰지 말라고 한 함수를 찾을 때 씁니다."""
    codes = [getattr(function, "__code__", None)]
    while codes:
        code = codes.pop()
        if code is None:
            continue
        if set(names) & {*code.co_names, *code.co_freevars}:
            return True
        codes += [constant for constant in code.co_consts if hasattr(constant, "co_names")]
    return False


def _call(function: object, args: tuple) -> Any:
    if not callable(function):
        raise Hint(
            f"함수를 기다렸는데 {type(function).__name__}형이 왔습니다. 괄호 없이 함수의 이름을 넣으십시오."
        )
    try:
        result = function(*args)
    except Exception as error:
        raise Hint(f"함수를 부르니 오류가 났습니다({type(error).__name__}: {str(error)[:120]}).") from error
    if result is None and not _is_empty(function):
        raise Hint(
            "함수가 값을 돌려주지 않았습니다(None). `return`을 빠뜨리지 않았는지 보십시오. `print`는 값을 돌려주지 않습니다."
        )
    if is_unanswered(result):
        raise Unanswered
    return result


def _is_empty(function: object) -> bool:
    """함수의 몸이 ``...``이나 ``pass``뿐이면 True. 바이트코드에 None을 돌려주는 일밖에 없습니다."""
    code = getattr(function, "__code__", None)
    idle = {"RESUME", "NOP", "LOAD_CONST", "POP_TOP", "RETURN_VALUE", "RETURN_CONST"}
    return code is not None and all(step.opname in idle for step in dis.get_instructions(code))


def _same(first: Any, second: Any) -> bool:
    """목록·사전·배열·텐서를 담은 두 값이 속까지 같으면 True."""
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and np.array_equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(_same, first, second))
    return bool(first == second) or callable(first)


def call_on_arrays(function: object, *args: object, broken: str) -> Any:
    """``call``과 같되, 배열의 모양이 맞지 않아 난 오류에는 ``broken``을 힌트로 줍니다."""
    try:
        return call(function, *args)
    except Hint as hint:
        if re.search("broadcast|mismatch|aligned|multiplied|must match|inhomogeneous", str(hint.__cause__)):
            raise Hint(broken) from hint
        raise


def close(first: ArrayLike, second: ArrayLike, tolerance: float = 1e-4) -> bool:
    """모양이 같고 모든 값의 차이가 ``tolerance`` 안이면 True."""
    first, second = np.asarray(first), np.asarray(second)
    return first.shape == second.shape and bool(np.allclose(first, second, rtol=0, atol=tolerance))


def compare(answer: np.ndarray, right: ArrayLike, mistakes: dict, otherwise: str) -> None:
    """맞으면 그냥 돌아오고, 아니면 값이 같은 오답의 힌트를, 없으면 ``otherwise``를 던집니다.

    Args:
        mistakes: 힌트에서, 그 실수를 하면 나올 값 하나 또는 여럿(목록)으로.
    """
    if close(answer, right):
        return
    for hint, values in mistakes.items():
        for value in values if isinstance(values, list) else [values]:
            if close(answer, value):
                raise Hint(hint)
    raise Hint(otherwise)
