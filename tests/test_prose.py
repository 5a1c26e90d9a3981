"""노트북의 글: 글에 적힌 수마다 근거가 위에 있는가.

소수, 퍼센트, 배수는 같은 노트북에서 먼저 출력된 값이거나, 출처가 있는 줄에 있거나, 이유를 적은 :data:`ALLOWED`에 있어야 합니다.
"""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# (노트북, 글에 적힌 수): 출력에 없어도 되는 이유
ALLOWED: dict[tuple[str, str], str] = {}

NOT_PROSE = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]*\$|<[^>\n]*>|(?<=\])\([^)]*\)|https?://\S+"
    r"|(?:연습|퀴즈|절|그림)\s?\d+\.\d+|\d+\.\d+절|[A-Za-z]+[ -]?v?\d+\.\d+(?:\.\d+)*",
    re.DOTALL,
)
NUMBER = re.compile(
    r"(?<![\d.,])(?P<sign>(?<![\w\]])[-+−])?(?P<value>\d[\d,]*(?:\.\d+)?)\s?(?P<unit>%p?|퍼센트|배(?![가-힣]*(?:치|열|포|경|송|운|낭))|)(?!\.?\d)"
)
PRINTED = re.compile(r"(?:(?<![\w.\])])[-+−])?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")
CITATION = re.compile(
    r"\]\(https?://|논문|표 \d|et al\.|출처|[(（][^()]*(?:19|20)\d\d[^()]*[)）]|[A-Z][a-z]+ (?:&|and) [A-Z]"
)


def claims(markdown: str) -> list[str]:
    """글에서 근거가 있어야 하는 수: 소수, 퍼센트, 배수. 출처가 있는 줄은 뺍니다.

    표에는 행마다 출처를 적지 않으므로, 같은 셀에 출처가 있으면 표의 행들도 출처가 있는 것으로 봅니다.
    """
    has_source = bool(CITATION.search(markdown))
    found = []
    cited = [bool(CITATION.search(line)) for line in markdown.split("\n")]
    text = NOT_PROSE.sub(lambda match: "\n" * match[0].count("\n") or " ", markdown)
    for line, is_cited in zip(text.split("\n"), cited, strict=True):
        if is_cited or (line.startswith("|") and has_source):
            continue
        for match in NUMBER.finditer(line):
            if "." in match["value"] or match["unit"]:
                found.append((match["sign"] or "") + match["value"] + match["unit"].replace("퍼센트", "%"))
    return found


def is_supported(claim: str, printed: set[float]) -> bool:
    """출력된 값 가운데 글의 자릿수로 반올림하면 같은 것이 있는가. 퍼센트는 비율로 출력된 것도 됩니다.

    글에 부호가 있으면 부호까지 같아야 합니다.
    """
    value = number(re.sub(r"[%p배]", "", claim))
    if claim[0] not in "+-−":
        printed = {abs(one) for one in printed}
    digits = len(re.sub(r"[%p배]", "", claim).partition(".")[2])
    half = 0.5 * 10**-digits + 1e-9
    scales = (1, 100) if "%" in claim else (1,)
    return any(abs(one * scale - value) <= half for one in printed for scale in scales)


def number(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-"))


def numbers_in(text: str) -> set[float]:
    return set(map(number, PRINTED.findall(text)))


def printed_by(cell) -> set[float]:
    """코드 셀에 적힌 값(설정)과 그 셀이 출력한 값."""
    texts = [cell.source]
    for output in cell.outputs:
        data = output.get("data", {})
        texts += [output.get("text", ""), data.get("text/plain", ""), data.get("text/html", "")]
    return set().union(*map(numbers_in, texts))


def unsupported(notebook) -> list[tuple[int, str]]:
    """근거가 위에 없는 수들의 (셀 번호, 수)."""
    printed: set[float] = set()
    missing = []
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            printed |= printed_by(cell)
        elif not cell.source.startswith("## 참고 문헌"):
            missing += [(i, claim) for claim in claims(cell.source) if not is_supported(claim, printed)]
    return missing


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_number_in_the_text_has_its_evidence_above(path):
    missing = [
        (i, claim)
        for i, claim in unsupported(nbformat.read(path, as_version=4))
        if (path.stem, claim) not in ALLOWED
    ]
    assert missing == []


def test_every_exception_is_still_needed():
    needed = {
        (path.stem, claim)
        for path in NOTEBOOKS
        for _, claim in unsupported(nbformat.read(path, as_version=4))
    }
    assert set(ALLOWED) == needed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P@1은 89.2 %에서 94.6%로 5.4 %p 올랐습니다.", ["89.2%", "94.6%", "5.4%p"]),
        ("61배 빠르고 1,009쌍입니다.", ["61배"]),
        ("코사인은 0.95이고 배치는 64입니다.", ["0.95"]),
        ("차이는 −7.9 %p [−8.3, +0.5]입니다.", ["−7.9%p", "−8.3", "+0.5"]),
        ("3배치를 보았고 2배열입니다.", []),
        ("90퍼센트", ["90%"]),
        ("`0.5`와 $m = 0.3$, 연습 2.4, 3.2절", []),
        ("논문의 표 3에서는 95.3입니다.", []),
        ("| LaBSE | 95.3 |\n\n[출처](https://aclanthology.org/2022.acl-long.62)", []),
        ("| LaBSE | 95.3 |", ["95.3"]),
    ],
)
def test_claims(text, expected):
    assert claims(text) == expected


@pytest.mark.parametrize(
    ("claim", "printed", "expected"),
    [
        ("89.2%", {0.8923}, True),
        ("89.2%", {89.2}, True),
        ("89.2%", {89.3}, False),
        ("61배", {61.2}, True),
        ("61배", {60.2}, False),
        ("0.95", {0.9534}, True),
        ("0.95", {95.0}, False),
        ("1,009.5", {1009.5}, True),
        ("−7.9%p", {7.9}, False),
        ("−7.9%p", {-7.9}, True),
        ("+2.2%p", {-2.2}, False),
        ("3.1%p", {-3.1}, True),
    ],
)
def test_support(claim, printed, expected):
    assert is_supported(claim, printed) is expected
