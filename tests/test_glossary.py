"""용어집: 장에서 소개한 용어와 약어가 빠짐없이, 가나다순으로, 한 문장의 풀이와 함께 있는가."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
CHAPTERS = sorted((ROOT / "notebooks").glob("0[1-9]_*.ipynb"))
ROW = re.compile(r"^\| (?P<term>[^|]+) \| (?P<english>[^|]+) \| (?P<meaning>[^|]+) \| \[(?P<chapter>\d\d)\]\((?P<link>[^)]+)\) \|$", re.M)  # fmt: skip
NOT_TERMS = {  # 괄호 안의 영어지만 용어가 아닌 것
    "horse",  # 동음이의어를 가르는 풀이
}
NOT_ABBREVIATIONS = {  # 학회, 기계와 파일 형식, 용어집에서는 다른 이름에 든 것
    "ACL", "CPU", "CSV", "GPU", "TPU", "HTML", "README", "CNN", "USE", "NLLB",
}  # fmt: skip


def prose(notebook) -> str:
    """글만: 코드, 수식, 주소, 참고 문헌을 뺀 마크다운."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    text = text.split("## 참고 문헌")[0]
    return re.sub(r"```.*?```|`[^`]*`|\$[^$]*\$|\]\([^)]*\)|https?://\S+", "", text, flags=re.DOTALL)


def introduced(text: str) -> set[str]:
    """‘우리말(english)’의 꼴로 소개한 영어 용어들."""
    found = re.findall(r"(?<=[가-힣*])\(([a-z][a-z -]{2,})\)", text)
    return {term for term in found if term not in NOT_TERMS}


def abbreviations(text: str) -> set[str]:
    """대문자 셋 이상의 약어들."""
    return set(re.findall(r"(?<![A-Za-z@])[A-Z]{3,}(?![A-Za-z])", text)) - NOT_ABBREVIATIONS


def entries() -> list[dict]:
    return [match.groupdict() for match in ROW.finditer(GLOSSARY.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_terms_of_the_chapter_are_in_the_glossary(path):
    text = prose(nbformat.read(path, as_version=4))
    english = {entry["english"].lower() for entry in entries()}
    names = {entry["term"] for entry in entries()}
    assert introduced(text) - english == set()
    assert abbreviations(text) - names == set()


def test_entries_are_complete_and_belong_to_their_chapter():
    texts = {path.name: prose(nbformat.read(path, as_version=4)).lower() for path in CHAPTERS}
    assert len(entries()) >= 60
    for entry in entries():
        assert entry["meaning"].endswith("니다."), entry
        assert entry["meaning"].count(".") == 1, entry
        name = Path(entry["link"]).name
        assert (GLOSSARY.parent / entry["link"]).is_file(), entry
        assert name.startswith(entry["chapter"]), entry
    missing = [
        (entry["term"], entry["chapter"])
        for entry in entries()
        if entry["term"].lower() not in texts[Path(entry["link"]).name]
    ]
    assert missing == [], "그 장의 글에 나오지 않는 용어"


def test_every_row_is_read_and_sorted():
    sections = GLOSSARY.read_text(encoding="utf-8").split("\n## ")[1:]
    *terms_sections, unused = sections
    assert len(terms_sections) == 2
    assert unused.startswith("쓰지 않는 말\n")
    for section in terms_sections:
        terms = [match["term"] for match in ROW.finditer(section)]
        assert len(terms) == section.count("\n| ") - 1  # 제목 줄
        assert terms == sorted(set(terms), key=str.lower)


def test_extraction():
    assert introduced("**풀링**(pooling)과 배치 내 네거티브(in-batch negatives), 말(horse), 식(N, dim)") == {
        "pooling",
        "in-batch negatives",
    }
    assert abbreviations("MLM과 CLS, LaBSE와 CPU, P@1") == {"MLM", "CLS"}
