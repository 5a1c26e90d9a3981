"""퀴즈: 문제의 꼴이 갖추어져 있고, 오답마다 제 설명이 있고, 네트워크 없이 실행마다 같은 출력을 내는가."""

import json
from pathlib import Path

import pytest

from labse_helpers import InputError, show_quiz
from labse_helpers.teaching.quiz import QUIZZES as FOLDER
from labse_helpers.teaching.quiz import quiz_names

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
QUIZZES = sorted(FOLDER.glob("*.json"))


def test_every_chapter_has_its_quiz():
    assert quiz_names() == sorted(path.stem for path in NOTEBOOKS.glob("0[1-9]_*.ipynb"))


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


@pytest.fixture()
def shown(monkeypatch):
    """화면에 내놓은 것들."""
    outputs = []
    monkeypatch.setattr("jupyterquiz.dynamic.display.display", lambda output: outputs.append(output.data))
    return outputs


@pytest.mark.parametrize("path", QUIZZES, ids=lambda path: path.stem)
def test_shown_by_name_anywhere_without_network_and_always_the_same(path, shown, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    show_quiz(path.stem)
    show_quiz(path.stem)
    assert shown[:2] == shown[2:]
    assert "src=" not in shown[0]
    first = json.loads(path.read_text(encoding="utf-8"))[0]["question"][:5]
    assert first.encode("unicode_escape").decode() in shown[1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_own_quiz_is_shown(encoding, shown, tmp_path):
    own = tmp_path / "01_architecture.json"
    question = {"question": "내가 쓴 문제", "type": "numeric", "answers": []}
    own.write_text(json.dumps([question]), encoding=encoding)
    show_quiz(own)
    assert "\\ub0b4\\uac00" in shown[1]


@pytest.mark.parametrize("content", ["[", "{}", '{"question": "하나"}', '["문제"]', "3", '[{"answers": []}]'])
def test_broken_quiz_is_said(content, tmp_path):
    (tmp_path / "broken.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="broken.json: 퀴즈"):
        show_quiz(tmp_path / "broken.json")


@pytest.mark.parametrize(
    "name", ["08_none", "quizzes/01_architecture.json", "", "../quiz", "01_architecture "]
)
def test_missing_quiz_says_which_there_are(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="01_architecture, 02_in_batch_negatives"):
        show_quiz(name)


def test_file_in_another_encoding_is_said(tmp_path):
    (tmp_path / "cp949.json").write_text('[{"question": "문제"}]', encoding="cp949")
    with pytest.raises(InputError, match="읽을 수 없습니다"):
        show_quiz(tmp_path / "cp949.json")
