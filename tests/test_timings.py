"""걸리는 시간: 장의 첫머리, 첫 쪽, README, 강사 안내서가 같은 말을 하는가."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = sorted((ROOT / "notebooks").glob("0[1-7]_*.ipynb"))
INDEX = "\n".join(cell.source for cell in nbformat.read(ROOT / "notebooks" / "00_index.ipynb", 4).cells)
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "instructor.md").read_text(encoding="utf-8")


def seconds(text: str) -> int:
    """‘1분 30초’나 ‘40초 안팎’을 초로."""
    found = re.match(r"(?:(\d+)분)? ?(?:(\d+)초)?", text)
    return 60 * int(found[1] or 0) + int(found[2] or 0)


def head_of(path: Path) -> tuple[int, int]:
    """장의 첫머리에 적힌 (수업의 분, 모두 실행하는 초)."""
    row = re.search(r"\| \*\*걸리는 시간\*\* \| (.*?) \|", nbformat.read(path, 4).cells[0].source)[1]
    *lessons, run = row.split(", ")
    return sum(int(re.search(r"(\d+)분", part)[1]) for part in lessons), seconds(
        run.removeprefix("모두 실행하기 ")
    )


def row_of(path: Path, text: str) -> tuple[int, int]:
    """첫 쪽이나 README의 표에서 그 장의 줄에 적힌 (분, 초)."""
    *_, minutes, run = re.search(rf"^\| \[.*{path.name}\).*$", text, re.MULTILINE)[0].strip("| ").split(" | ")
    return int(minutes.removesuffix("분")), seconds(run)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_times_agree(path):
    head = head_of(path)
    assert row_of(path, INDEX) == head
    assert row_of(path, README) == head
    lesson = re.search(rf"^### [가-힣]+째 시간: {path.name[:2]} .*?(?=^##)", GUIDE, re.MULTILINE | re.DOTALL)[
        0
    ]
    assert sum(map(int, re.findall(r"^\| (\d+) \|", lesson, re.MULTILINE))) == head[0]


def test_the_guide_has_a_lesson_questions_and_exam_for_every_chapter():
    names = [path.name[:2] for path in CHAPTERS]
    assert re.findall(r"^### [가-힣]+째 시간: (\d\d) ", GUIDE, re.MULTILINE) == names
    for heading in ("## 4.", "## 5."):
        section = GUIDE.partition(f"\n{heading}")[2].partition("\n## ")[0]
        assert re.findall(r"^(?:### |\*\*)(\d\d) ", section, re.MULTILINE) == names
    questions, answers = GUIDE.partition("### 모범 답안과 채점 기준")[::2]
    for number in range(1, 8):
        assert f"**문제 {number}." in questions
        assert f"**문제 {number}." in answers
