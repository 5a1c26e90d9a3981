"""용어집의 ‘쓰지 않는 말’이 강의의 글에 나오지 않는가.

강의의 글은 노트북(글, 코드의 문자열과 주석), 퀴즈, 패키지와 도구의 문자열·주석·설명, 문서, 그림의 글자, 테스트의 설명입니다.
따옴표(‘…’, “…”)와 역따옴표 안, 말뭉치의 문장, 용어집의 그 절은 빼고 봅니다.
"""

import ast
import io
import json
import re
import tokenize
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import nbformat
import pytest

from labse_helpers.corpora import own_rows

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
SECTION = "## 쓰지 않는 말"

START = r"(?<![가-힣])"  # 단어의 첫머리
MODEL = r"(?:모델|인코더|신경망|LaBSE|mUSE|muse-plus|e5|LASER|BERT)"
# 왼쪽 열의 말에서 그것을 찾는 정규식으로. 여기 없는 말은 단어의 첫머리에서 그대로 찾습니다.
PATTERNS = {
    "캐다": START
    + r"(?:캐(?:기|다|내|낸|냅|는|고 |면|서 |어 |지 |려)|캔 (?:쌍|문장|번역|것)|캘 |캡니다|캤)",  # 캐나다, 캐시는 됩니다
    "번역 캐기": r"번역 ?캐기",
    "칸": START
    + r"칸(?:들)?(?:은|이|을|에|의|으로|과|도|만|마다|까지|에서|씩|부터|인|짜리|이나|수|입니다)?(?![가-힣])",
    "시험": START
    + r"시험(?! ?(?:문제|문항|시간|범위|답안|공부|점수|기간))",  # 학생이 치는 시험의 문제는 됩니다
    "짝과 남": r"짝(?:과|·|/|이나|하고) ?남(?![가-힣]{2})|^남(?: \d.*)?$|남 (?:하나|쌍)|남의 (?:점수|코사인|분포|문장|유사도)|남끼리|남남|뜻이 같은 남|짝: \d",
    "주의": START
    + r"(?:자기 ?)?주의(?:\(attention|(?:는|가|의|를)? ?(?:층|머리|헤드|행렬|가중치|점수|값)|를 (?:나누|계산)| 계산)",  # 주의하십시오는 됩니다
    "머리": START
    + r"머리(?:\(head|마다| ?(?:\d+|열두|여러|하나) ?(?:개|가)|의 (?:수|차원|개수)|별)|(?:\d+|열두|여러|주의|어텐션) ?(?:개의 )?머리",  # 머리글은 됩니다
    "너비": START + r"너비(?!가? ?(?:넓은|좁은)? ?(?:화면|터미널|페이지))",
    "속너비": "속너비",
    "걸음": START + r"걸음(?!마)|\d걸음",
    "바퀴": START + r"바퀴|\d바퀴",
    "되풀이": "되풀이",
    "자료": r"(?<!강의 )(?<!수업 )(?<!참고 )(?<!발표 )(?<!교육 )(?<!읽을 )" + START + r"자료(?!형| 구조)",
    "가르치다": (  # 사람이 사람을 가르치는 것은 됩니다
        MODEL
        + r"[^.\n]{0,12}(?:을|를|에게|도|만) (?:더 |조금 |다시 )?가르[치쳐친칠칩]|가르친 (?:쪽|것|가중치|모델|인코더|값|뒤)|가르치(?:기|지) (?:전|뒤|않은)"
        r"|(?:오래|더) 가르[치쳐친]|(?:문구|번역쌍|쌍|속담|번역)(?:로|으로|을|를)만? 가르[치쳐친칠칩]"
    ),
    "배우다": (  # 학생이 배우는 것은 됩니다
        MODEL
        + r"(?:은|는|이|가|도)[^.\n]{0,25}배[우웁운울웠]|배운 (?:모델|인코더|갈래|도메인|언어|가중치|데이터|편향|뒤의)|배우지 않은|배우기 전"
        r"|배운 (?:\d+개 )?언어|새로 배운|함께 배운|덜 배[우웁운울웠]"
    ),
    "눈금": r"(?<!축 )(?<!축의 )(?<!저울 )"
    + START
    + r"눈금(?! ?(?:글자|선|이름|표시|자))",  # 축의 눈금은 됩니다
    "셈하다": START + r"셈(?:하|한|할|합니|했|해|을|법)|손셈",  # ‘-ㄴ 셈입니다’는 됩니다
    "견주다": r"견[주준줄줍줘줬]",
    "꾀": START + r"꾀(?!꼬리|병)",
    "값을 치르다": r"값을 치[르러렀릅른]|치르는 값|치른 값",
    "내치다": START + r"내[치친칠칩쳤쳐](?!킨)",
    "차례": r"(?<!한 )(?<!두 )(?<!세 )(?<!여러 )(?<!몇 )" + START + r"차례",  # 세는 말은 됩니다
    "낱말": "낱말",
    "열에 여섯": r"(?:셋|넷|다섯|열|백)에 (?:하나|둘|셋|넷|다섯|여섯|일곱|여덟|아홉)",
    "뜻을 두다": r"뜻을 (?:두[지었고는어려]|둘|둡)",
    "471백만": r"\d{2,}백만|\d\.\d+백만",
    "토막": START + r"토막|\d토막",
    "가속기": None,  # GPU와 TPU를 함께 가리킬 때는 맞는 말이라 찾지 않습니다
}
EXAMPLES = {  # 강의의 예문이라 그대로 두는 문자열
    "천 리 길도 한 걸음부터 시작한다.",
    "할머니는 화투를 치실 때마다 사투리로 셈을 하신다.",
}
PASSES = [
    "발표 자료와 자료형, 자료 구조", "주의하십시오.", "머리글과 머리 위", "학생을 가르치는 강사", "강의에서 배우는 것", "캐나다와 캐시", "남기다, 남은 문장",
    "한 차례만", "그러니 뺀 셈입니다.", "축의 눈금", "시험 문제의 답", "‘짝과 남’이라 하지 않습니다", "`되풀이`", "칸막이", "내지 않은", "구성적인 이야기", "매개변수를 배열로",
]  # fmt: skip
TRIPS = [
    "두 칸을 비웁니다", "칸마다", "시험에서 진다", "번역을 캐는 일", "짝과 남의 점수", "인코더를 더 가르칩니다", "mUSE가 배운 언어", "배우지 않은 갈래", "12머리 어텐션과 주의 층",
    "평가용 자료", "견주면", "차례가 바뀝니다", "열에 여섯은", "손으로 셈하고", "100걸음", "까닭은", "471백만 개", "이중 인코더의", "낱말", "맞는 쌍을 내칩니다",
]  # fmt: skip


def banned() -> dict[str, re.Pattern | None]:
    """용어집의 ‘쓰지 않는 말’ 표에서 (말, 정규식)."""
    section = GLOSSARY.read_text(encoding="utf-8").partition(f"\n{SECTION}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ")[0] for line in section.split("\n") if line.startswith("| ")]
    words = [word for row in rows[1:] for word in row.split(", ")]
    return {
        word: None if word in PATTERNS and PATTERNS[word] is None
        else re.compile(PATTERNS.get(word) or START + re.escape(word))
        for word in words
    }  # fmt: skip


WORDS = banned()
QUOTED = re.compile(r"``[^`]*``|`[^`\n]*`|‘[^’\n]*’|“[^”\n]*”|\]\([^)]*\)|https?://\S+")
FENCE = re.compile(r"```.*?```|<!--.*?-->|\$\$.*?\$\$", re.DOTALL)


def blank(match: re.Match) -> str:
    """줄 번호가 그대로이도록 줄바꿈만 남깁니다."""
    return " " + "\n" * match[0].count("\n")


def hits(text: str) -> Iterator[tuple[int, str, str]]:
    """글에서 (줄, 쓰지 않는 말, 그 앞뒤)."""
    text = QUOTED.sub(blank, FENCE.sub(blank, text))
    for number, line in enumerate(text.split("\n"), 1):
        if not re.search("[가-힣]", line):
            continue
        for word, pattern in WORDS.items():
            match = pattern.search(line) if pattern else None
            if match and pattern.search(without_examples(line)):
                yield number, word, line[max(0, match.start() - 20) : match.end() + 20].strip()


def without_examples(line: str) -> str:
    for sentence in corpus_sentences():
        if sentence in line:
            line = line.replace(sentence, " ")
    return line


@cache
def corpus_sentences() -> list[str]:
    """강의의 예문들, 긴 것부터."""
    names = ("course.tsv", "messages.tsv", "challenge.tsv", "mining_near_misses.tsv")
    texts = {row[key] for name in names for row in own_rows(name) for key in ("ko", "ko_foil", "sentence", "note") if row.get(key)}  # fmt: skip
    return sorted(texts | EXAMPLES, key=len, reverse=True)


def python_text(source: str, only_documentation: bool = False) -> Iterator[tuple[int, str]]:
    """파이썬 코드에서 (줄, 글): 문자열과 주석. ``only_documentation``이면 설명 문자열(docstring)과 주석만."""
    source = re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE)  # IPython의 명령
    documentation = set()
    if only_documentation:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                first = node.body[0] if node.body else None
                if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                    documentation.add(first.lineno)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if kind == "COMMENT" or (kind in ("STRING", "FSTRING_MIDDLE") and (not only_documentation or token.start[0] in documentation)):  # fmt: skip
            yield token.start[0], unquoted(token.string) if kind == "STRING" else token.string


def unquoted(literal: str) -> str:
    """문자열 리터럴에서 앞뒤의 따옴표를 떼고, 적힌 그대로의 글을 돌려줍니다."""
    body = literal.lstrip("rRbBfFuU")
    quote = body[:3] if body[:3] in ('"""', "'''") else body[:1]
    return body[len(quote) : -len(quote)]


def in_notebook(path: Path) -> Iterator[tuple[str, str]]:
    for i, cell in enumerate(nbformat.read(path, as_version=4).cells):
        where = f"{path.relative_to(ROOT)}[{i}]"
        if cell.cell_type == "markdown":
            yield where, cell.source
        elif cell.cell_type == "code":
            for line, text in python_text(cell.source):
                yield f"{where} {line}째 줄", text


def in_json(path: Path) -> Iterator[tuple[str, str]]:
    def walk(value: object, where: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, str):
            yield where, value
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from walk(item, f"{where}.{key}")
        elif isinstance(value, list):
            for i, item in enumerate(value):
                yield from walk(item, f"{where}[{i}]")

    yield from walk(json.loads(path.read_text(encoding="utf-8")), str(path.relative_to(ROOT)))


def in_text(path: Path) -> Iterator[tuple[str, str]]:
    text = path.read_text(encoding="utf-8")
    if path == GLOSSARY:
        before, _, rest = text.partition(f"\n{SECTION}\n")
        section, mark, after = rest.partition("\n## ")
        text = before + "\n" * (section.count("\n") + 2) + mark + after
    if path.suffix == ".svg":
        text = re.sub(r"<(?!/?(?:text|tspan|title|desc)\b)[^>]*>", blank, text)
        text = re.sub(r"</?(?:text|tspan|title|desc)\b[^>]*>", blank, text)
    yield str(path.relative_to(ROOT)), text


def in_python(path: Path, only_documentation: bool = False) -> Iterator[tuple[str, str]]:
    for line, text in python_text(path.read_text(encoding="utf-8"), only_documentation):
        yield f"{path.relative_to(ROOT)}:{line}", text


def course_files() -> dict[Path, Callable[[], Iterator[tuple[str, str]]]]:
    """강의의 글이 든 모든 파일과, 그 속의 (자리, 글)을 읽는 함수."""
    found = {path: partial(in_notebook, path) for path in ROOT.glob("notebooks/*.ipynb")}
    found |= {path: partial(in_json, path) for path in ROOT.glob("labse_helpers/teaching/quizzes/*.json")}
    for pattern in (
        "labse_helpers/**/*.py",
        "tools/**/*.py",
        "images/*.py",
        "benchmarks/*.py",
        "conftest.py",
    ):
        found |= {path: partial(in_python, path) for path in ROOT.glob(pattern)}
    found |= {
        path: partial(in_python, path, only_documentation=True)
        for path in ROOT.glob("tests/**/*.py")
        if path != Path(__file__).resolve()
    }
    for pattern in ("*.md", "docs/*.md", "images/*.svg", "tools/**/*.html", "Makefile", "CITATION.cff"):
        found |= {path: partial(in_text, path) for path in ROOT.glob(pattern)}
    return dict(sorted(found.items()))


FILES = course_files()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_words_the_field_does_not_use(path):
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 정규식이 든 문자열의 역빗금
        for where, text in FILES[path]():
            found += [f"{place(where, line)}: {word}: …{around}…" for line, word, around in hits(text)]
    assert not found, "\n".join(["", *found])


def place(where: str, line: int) -> str:
    """파일과 줄. 문자열의 둘째 줄부터는 그만큼 뒤의 줄입니다."""
    if where.endswith("째 줄"):
        head, _, number = where.removesuffix("째 줄").rpartition(" ")
        return f"{head} {int(number) + line - 1}째 줄"
    head, colon, number = where.rpartition(":")
    return f"{head}:{int(number) + line - 1}" if colon else f"{where}:{line}"


def test_every_word_of_the_section_is_looked_for():
    assert len(WORDS) >= 60
    assert set(PATTERNS) <= set(WORDS), set(PATTERNS) - set(WORDS)


@pytest.mark.parametrize("text", PASSES)
def test_ordinary_meanings_pass(text):
    assert list(hits(text)) == []


@pytest.mark.parametrize("text", TRIPS)
def test_course_jargon_trips(text):
    assert list(hits(text)) != []


def test_text_is_read_where_students_read_it(tmp_path):
    code = 'x = 1  # 까닭\nprint(f"낱말 {x}")\n\n\ndef f():\n    """되풀이."""\n    return "칸"\n'
    words = {word for _, text in python_text(code) for _, word, _ in hits(text)}
    assert words == {"까닭", "낱말", "되풀이", "칸"}
    documented = {word for _, text in python_text(code, True) for _, word, _ in hits(text)}
    assert documented == {"까닭", "되풀이"}
    assert place("a.ipynb[3] 2째 줄", 2) == "a.ipynb[3] 3째 줄"
    assert place("a.py:5", 3) == "a.py:7"
    assert place("README.md", 3) == "README.md:3"
