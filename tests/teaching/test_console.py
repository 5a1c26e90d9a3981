"""콘솔: 좁은 인코딩에서도 판정이 사라지지 않는가."""

import io
import sys

import pytest

from labse_helpers import check, check_environment
from labse_helpers.teaching.console import say


@pytest.fixture()
def console(monkeypatch):
    """인코딩을 정한 콘솔을 놓고, 거기 적힌 글을 돌려주는 함수."""

    def use(encoding: str):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
        monkeypatch.setattr(sys, "stdout", stream)

        def written() -> str:
            stream.flush()
            return stream.buffer.getvalue().decode(encoding)

        return written

    return use


@pytest.mark.parametrize("encoding", ["cp949", "euc-kr", "johab"])
def test_verdicts_survive_a_korean_console(console, encoding):
    written = console(encoding)
    check("2.1", "글")
    check("2.1", None)
    check("9.9", 1)
    lines = written().splitlines()
    assert lines[0].startswith("X 연습 2.1: ")
    assert lines[1].startswith(("…", "...")) and "아직 답하지 않았습니다" in lines[1]
    assert lines[2].startswith("X 연습 9.9: 그런 번호의 연습은 없습니다")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_verdicts_survive_a_console_without_hangul(console, encoding):
    written = console(encoding)
    check("2.1", "글")
    assert written().startswith("X \\uc5f0\\uc2b5 2.1: ")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030"])
def test_marks_stay_where_they_can_be_written(console, encoding):
    written = console(encoding)
    check("2.1", "글")
    assert written().startswith("✗ 연습 2.1: ")


def test_what_a_student_raises_is_written_too(console):
    written = console("cp949")

    def broken(*args):
        raise ValueError("\ud800 이모지 \U0001f642 안녕")

    check("5.1", broken)
    assert "\\ud800" in written() and "안녕" in written()


def test_environment_is_reported_on_a_korean_console(console):
    written = console("cp949")
    check_environment()
    assert "준비가 끝났습니다." in written()


def test_no_console_at_all(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    say("✗ 아무 데도 적히지 않습니다")
