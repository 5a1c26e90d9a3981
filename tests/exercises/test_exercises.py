"""연습: 노트북의 연습, 채점 함수, 테스트가 빠짐없이 짝을 이루고, 채점이 맞는 답과 흔한 오답을 가려내는가."""

import re
from importlib import import_module
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from labse_helpers import check
from labse_helpers.teaching.exercises.grading import (
    CHAPTERS,
    Hint,
    Unanswered,
    as_array,
    call,
    call_unchanged,
    check_unit,
    judge,
    numbers,
    uses,
)

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("0[1-9]_*.ipynb"))
CASES = {chapter: import_module(f"cases_{chapter}") for chapter in CHAPTERS}
RIGHT = {number: answers for cases in CASES.values() for number, answers in cases.RIGHT.items()}
WRONG = {number: answers for cases in CASES.values() for number, answers in cases.WRONG.items()}
GIVEN = {number: given for cases in CASES.values() for number, given in cases.GIVEN.items()}
HEADING = re.compile(r"^### 연습 (\d+\.\d+)\. \S", re.MULTILINE)
MIN_PER_CHAPTER = 4
STRANGE = [
    "문자열", "", b"bytes", 3, -1.5, True, float("nan"), [], [[]], {}, {"a": 1}, {1, 2}, object(), len, lambda: 1, lambda *a: 1 / 0,
    lambda *a: ..., lambda *a: None, lambda *a: "글", lambda *a: float("nan"), np.zeros((0, 3)), np.zeros((2, 3, 4)), np.full(5, np.nan), np.array(["가"]),
    torch.zeros(3), torch.tensor(float("inf")), torch.zeros(2, 2, dtype=torch.int64), [1, "둘", None], range(3), int, Exception("x"),
]  # fmt: skip


def cells_of(path):
    return nbformat.read(path, as_version=4).cells


def exercises_in(path) -> dict[str, tuple]:
    """연습의 번호에서 (시작 셀, 풀이 셀)으로."""
    found = {}
    cells = cells_of(path)
    for i, cell in enumerate(cells):
        for number in HEADING.findall(cell.source) if cell.cell_type == "markdown" else []:
            found[number] = cells[i + 1], cells[i + 2]
    return found


def tags(cell):
    return cell.metadata.get("tags", [])


def output(cell):
    return "".join(out.get("text", "") for out in cell.outputs if out.output_type == "stream")


def test_exercises_checks_and_tests_agree():
    in_notebooks = [number for path in NOTEBOOKS for number in exercises_in(path)]
    assert in_notebooks == numbers()
    assert set(RIGHT) == set(WRONG) == set(numbers())
    for path in NOTEBOOKS:
        mine = list(exercises_in(path))
        chapter = int(path.name[:2])
        assert mine == [f"{chapter}.{i}" for i in range(1, len(mine) + 1)]
        assert len(mine) >= MIN_PER_CHAPTER


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_starter_runs_unanswered_and_solution_is_hidden_and_right(path):
    for number, (starter, solution) in exercises_in(path).items():
        assert tags(starter) == ["exercise"], number
        assert f'check("{number}"' in starter.source
        assert "..." in starter.source
        assert output(starter).startswith(f"… 연습 {number}: 아직 답하지 않았습니다."), output(starter)
        assert tags(solution) == ["solution"], number
        assert solution.metadata["jupyter"]["source_hidden"] is True
        assert f"✓ 연습 {number}: 맞았습니다." in output(solution), output(solution)
        assert f'check("{number}"' in solution.source


@pytest.mark.parametrize("number", numbers())
def test_right_answers_are_accepted(number):
    assert len(RIGHT[number]) >= 2, "풀이와 다른 옳은 길 하나"
    for answer in RIGHT[number]:
        verdict = judge(number, answer, **GIVEN.get(number, {}))
        assert verdict.status == "right", verdict


@pytest.mark.parametrize("number", numbers())
def test_wrong_answers_get_different_hints(number):
    verdicts = [judge(number, answer, **GIVEN.get(number, {})) for answer in WRONG[number]]
    assert [verdict.status for verdict in verdicts] == ["wrong"] * len(verdicts), verdicts
    assert len({verdict.message for verdict in verdicts}) == len(verdicts) >= 3, verdicts
    for verdict in verdicts:
        assert "살펴볼 수 없었습니다" not in verdict.message, verdict
        assert re.search(r"[.?]$", verdict.message), verdict


@pytest.mark.parametrize("number", numbers())
def test_any_input_is_survived_and_never_right(number):
    for answer in STRANGE:
        verdict = judge(number, answer, **GIVEN.get(number, {}))
        assert verdict.status != "right", (answer, verdict)
        assert re.search(r"[.?]$", verdict.message), verdict
    for answer in (None, ..., [...], (None, 1)):
        assert judge(number, answer, **GIVEN.get(number, {})).status == "unanswered"
    assert judge(number, "글자", **GIVEN.get(number, {})).status == "wrong"
    for given in ({}, {"model": None}, {"없는 것": 1}):
        assert judge(number, 1.0, **given).status == "wrong"


FUNCTIONS = [number for number in numbers() if any(callable(answer) for answer in RIGHT[number])]


@pytest.mark.parametrize("number", FUNCTIONS)
def test_a_forgotten_return_gets_its_own_hint(number):
    answer = next(answer for answer in RIGHT[number] if callable(answer))

    def forgetful(*args):
        result = answer(*args)
        print(result)

    def with_starter_lines(*args):
        n = len(args)
        n += 1
        ...

    for function in (forgetful, with_starter_lines):
        verdict = judge(number, function, **GIVEN.get(number, {}))
        assert verdict.status == "wrong"
        assert "값을 돌려주지 않았습니다(None). `return`" in verdict.message


def not_begun(*args):
    """설명."""
    ...


@pytest.mark.parametrize("number", FUNCTIONS)
def test_a_body_of_dots_is_unanswered(number):
    for function in (not_begun, lambda *args: None, lambda *args: ..., lambda *args: [1, ...]):
        assert judge(number, function, **GIVEN.get(number, {})).status == "unanswered"


@pytest.mark.parametrize("answer", ["6배", "0.5", ("110.6M", 0.2), [3, "4 %"]])
def test_a_number_in_quotes_is_named(answer):
    with pytest.raises(Hint, match="따옴표와 단위"):
        as_array(answer)


@pytest.mark.parametrize(
    ("value", "hint"),
    [(110.6, "백만"), (1.106, "억"), (11_061, "만 단위"), (110_617, "천 단위"), (1.106e8, "반올림"), (110_617_344.0, None)],
)  # fmt: skip
def test_units_and_rounding_are_named(value, hint):
    if hint is None:
        check_unit(value, 110_617_344, exact=True)
    else:
        with pytest.raises(Hint, match=hint):
            check_unit(value, 110_617_344, exact=True)


def test_percent_is_named_and_rounding_is_accepted_where_it_may():
    with pytest.raises(Hint, match="비율: 퍼센트로"):
        check_unit(22.2, 0.2222, what="비율")
    check_unit(0.222, 0.2222)


def test_changed_arguments_are_noticed():
    state = {"weight": torch.ones(2), "bias": [np.zeros(1)]}

    def in_place(values):
        values["weight"] *= 0.5
        return values

    with pytest.raises(Hint, match="그 자리에서 바꾸었습니다"):
        call_unchanged(in_place, state)
    assert torch.equal(call(in_place, state)["weight"], torch.full((2,), 0.5))
    assert torch.equal(state["weight"], torch.ones(2))
    assert call_unchanged(lambda values: values["weight"] + 1, state).sum() == 4


def test_forbidden_names_are_found():
    def outer(x):
        return [torch.nn.functional.cross_entropy(row, row) for row in x]

    assert uses(outer, "cross_entropy", "logsumexp")
    assert not uses(outer, "softmax")
    assert not uses(len, "len")


def test_an_empty_body_is_told_from_a_forgotten_return():
    with pytest.raises(Unanswered):
        call(not_begun, 1)
    with pytest.raises(Hint, match="return"):
        call(lambda x: print(end=""), 1)


def test_unknown_number_is_said(capsys):
    check("9.9", 1)
    assert "그런 번호의 연습은 없습니다" in capsys.readouterr().out
    check(None, None)
