"""퀴즈: 문제의 꼴이 갖추어져 있고, 오답마다 제 설명이 있고, 네트워크 없이 실행마다 같은 출력을 내는가."""

import json
from pathlib import Path

import pytest

from labse_helpers import InputError, show_quiz

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
QUIZZES = sorted((FOLDER / "quizzes").glob("*.json"))


def test_every_chapter_has_its_quiz():
    assert [path.stem for path in QUIZZES] == sorted(path.stem for path in FOLDER.glob("0[1-9]_*.ipynb"))


@pytest.mark.parametrize("path", QUIZZES, ids=lambda path: path.stem)
def test_questions_are_well_formed(path):
    questions = json.loads(path.read_text(encoding="utf-8"))
    assert len(questions) == 5
    longest_is_right = 0
    for question in questions:
        answers = question["answers"]
        assert question["type"] == "multiple_choice"
        assert len(answers) == 4
        assert [answer["correct"] for answer in answers].count(True) == 1
        assert len({answer["answer"] for answer in answers}) == 4
        assert len({answer["feedback"] for answer in answers}) == 4, question["question"]
        assert all(len(answer["feedback"]) > 15 for answer in answers)
        longest_is_right += max(answers, key=lambda answer: len(answer["answer"]))["correct"]
    assert longest_is_right <= 2, "긴 것을 고르면 맞는 퀴즈입니다"
    assert len({[a["correct"] for a in q["answers"]].index(True) for q in questions}) >= 3


@pytest.mark.parametrize("path", QUIZZES, ids=lambda path: path.stem)
def test_shown_without_network_and_always_the_same(path, monkeypatch):
    shown = []
    monkeypatch.setattr("jupyterquiz.dynamic.display.display", lambda output: shown.append(output.data))
    show_quiz(path)
    show_quiz(path)
    assert shown[:2] == shown[2:]
    assert "src=" not in shown[0]
    assert (
        json.loads(path.read_text(encoding="utf-8"))[0]["question"][:5].encode("unicode_escape").decode()
        in shown[1]
    )


def test_missing_or_broken_quiz_is_said(tmp_path):
    with pytest.raises(InputError, match="퀴즈 파일을 읽을 수 없습니다"):
        show_quiz(tmp_path / "none.json")
    (tmp_path / "broken.json").write_text("[", encoding="utf-8")
    with pytest.raises(InputError, match="퀴즈 파일을 읽을 수 없습니다"):
        show_quiz(tmp_path / "broken.json")
