"""헤더와 열: 이름으로 알아듣고, 모르는 헤더는 데이터로 읽지 않고 묻습니다."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ..checks import clean
from ..errors import CorpusError, InputError
from ..storage.atomic import printable
from .formats import Record, Table, first_rows

# 헤더에서 알아듣는 이름. 대소문자, 밑줄·붙임표·공백, 지역(ko_KR, en-US)은 가리지 않고, ``문장``·``text``가 붙어도 됩니다(한국어문장,
# korean_text). source와 target은 어느 쪽이 한국어인지 말하지 않으므로 글을 보고 정합니다.
NAMES = {
    "ko": "ko kor korean kr 한국어 국문 한글 국어 한글문 한국문",
    "en": "en eng english 영어 영문 영어문",
    "source": "source src original 원문 원본 출발어",
    "target": "target tgt trg translation translated mt 번역문 번역 번역본 역문 도착어",
    "text": "text sentence sent s1 s2 content contents title comment review document utterance query question answer "
    "premise hypothesis 문장 텍스트 내용 본문 제목 댓글 리뷰 문서 발화 질의 질문 답변 전제 가설",
    "id": "id idx index no number sn sid uid tuid guid key 번호 순번 연번 일련번호 아이디",
    "topic": "topic domain category subject 주제 분야 범주 분류 도메인",
    "other": "register genre filename year date score label similarity url license source_line target_line sourceline "
    "targetline 말투 장르 파일명 연도 날짜 점수 유사도 출처 라이선스 메모 비고 note notes",
}
TEXT_ROLES = ("ko", "en", "source", "target", "text")
_ROLE_OF = {name: role for role, names in NAMES.items() for name in names.split()}
_REGIONS = {"kr", "us", "gb", "uk", "kor", "usa", "hang", "latn"}
_TEXT_WORDS = {"text", "sentence", "sent", "문장", "텍스트"}
_SAMPLE_ROWS = 1_000
_HANGUL = re.compile("[가-힣ㄱ-ㆎᄀ-ᇿ]")


def role(name: str) -> str:
    """헤더의 이름이 뜻하는 것: ``"ko" "en" "source" "target" "text" "id" "topic" "other"``. 모르면 빈 문자열입니다."""
    plain = clean(name).casefold()
    if plain in _ROLE_OF:
        return _ROLE_OF[plain]
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", clean(name)).casefold()
    spaced = re.sub(r"(문장|텍스트|번역|원문)(?=\d*$)", r" \1", spaced)
    words = [word.rstrip("0123456789") for word in re.split(r"[\s_\-.()]+", spaced)]
    words = [word for word in words if word]
    if len(words) == 2 and words[1] in _REGIONS:
        words.pop()
    kept = [word for word in words if word not in _TEXT_WORDS] or words[:1]
    meanings = {_ROLE_OF.get(word, "") for word in kept}
    sides = meanings & {"ko", "en"}
    if len(sides) == 1 and meanings <= set(TEXT_ROLES):
        return sides.pop()  # 국문 번역, korean_source
    return meanings.pop() if len(meanings) == 1 else ""


def has_hangul(text: str) -> bool:
    """글자의 30 % 이상이 한글인지."""
    letters = sum(map(str.isalpha, text))
    return len(_HANGUL.findall(text)) * 10 >= letters * 3 and bool(_HANGUL.search(text))


class Header(NamedTuple):
    """표의 헤더.

    Attributes:
        names: 열의 이름들. 헤더가 없으면 빈 목록입니다.
        width: 열의 수.
        line: 첫 행이 놓인 줄. 행마다 이름이 적힌 형식이면 0입니다.
        first: 첫 행의 셀들. 헤더가 아니어도 오류 메시지에 보입니다.
        unknown: 헤더처럼 보이는데 모르는 이름인지.
    """

    names: list[str]
    width: int
    line: int
    first: list[str]
    unknown: bool = False


def find_header(table: Table) -> Header:
    """첫 행이 헤더인지, 이름과 그 아래의 행들을 보고 정합니다.

    Raises:
        CorpusError: 빈 파일일 때.
    """
    if table.names is not None:
        if not table.names:
            raise CorpusError(
                f"{printable(table.path)}: 읽을 것이 없습니다. 빈 파일이 아닌지 확인해 주십시오."
            )
        return Header(table.names, len(table.names), 0, table.names)
    rows = first_rows(table, _SAMPLE_ROWS)
    if not rows:
        raise CorpusError(f"{printable(table.path)}: 문장이 없습니다. 빈 파일이 아닌지 확인해 주십시오.")
    first, cells = rows[0], rows[0].cells
    roles = [role(cell) for cell in cells]
    known = sum(map(bool, roles))
    header = Header([], len(cells), first.line, cells)
    named = [cell for cell in cells if cell]
    if table.is_text or first.problem or len(set(named)) < len(named) or max(map(len, cells)) > 40:
        return header
    texts = [name for name in roles if name in TEXT_ROLES]
    one_language = len(texts) > 1 and set(texts) in ({"ko"}, {"en"})  # "영어, English"는 데이터일 수 있습니다
    if texts and known >= min(2, len(cells)) and not one_language:
        return header._replace(names=cells)
    return header._replace(unknown=bool(known) or _looks_like_header(cells, rows[1:]))


def _looks_like_header(cells: list[str], rows: list[Record]) -> bool:
    """짧고 서로 다른 이름들이고, 식별자이거나 아래의 행들과 결이 다른지(한글이 든 열에 한글이 없고, 수의 열에 수가 없는 …)."""
    if any(not cell or len(cell.split()) > 4 or re.search(r"[.?!…。,]$|^[\d.]+$", cell) for cell in cells):
        return False
    if all(re.fullmatch(r"[A-Za-z]+[_-]\w+", cell) for cell in cells):
        return True
    rows = [row for row in rows if len(row.cells) == len(cells)]
    for column, cell in enumerate(cells):
        below = Counter(_texture(row.cells[column]) for row in rows)
        texture, n = below.most_common(1)[0] if below else ("", 0)
        if n >= 2 and n * 10 >= len(rows) * 9 and texture != _texture(cell):
            return True
    return False


def _texture(cell: str) -> str:
    if re.fullmatch(r"[-+]?[\d.,]+%?", cell):
        return "수"
    return "한글" if has_hangul(cell) else "글"


def pick_column(table: Table, header: Header, column: str | int | None) -> int:
    """한 열의 자리(0부터)를 고릅니다.

    Raises:
        CorpusError: 그런 열이 없거나, 열이 여럿인데 고르지 않았거나, 모르는 헤더일 때. 있는 열을 알려 줍니다.
        InputError: ``column``이 이름도 번호도 아닐 때.
    """
    if column is not None:
        _say_first_row_is_data(table, header, column)
        return _chosen(table, header, column, "column", "--column")
    if header.width > 1:
        raise CorpusError(
            f"{printable(table.path)}: 열이 {header.width}개입니다. 어느 열을 읽을지 column(명령줄은 --column)에 이름이나 번호(0부터)를 "
            f"넣어 주십시오. {_listed(header)}"
        )
    if header.unknown:
        raise CorpusError(
            f"{printable(table.path)}:{header.line}: 첫 줄 {header.first[0]!r}이(가) 헤더인지 문장인지 알 수 없습니다. "
            f"헤더이면 column={header.first[0]!r}을, 문장이면 column=0을(명령줄은 --column) 넣어 주십시오."
        )
    return 0


def pick_pair(table: Table, header: Header, columns: tuple[str | int, str | int] | None) -> tuple[int, int]:
    """번역쌍의 두 열을 고릅니다. 어느 쪽이 한국어인지는 글을 보고 나중에 정합니다.

    Raises:
        CorpusError: 두 열을 정할 수 없을 때. 있는 열과 적을 것을 알려 줍니다.
        InputError: ``columns``가 둘이 아니거나, 이름도 번호도 아닐 때.
    """
    if columns is not None:
        if isinstance(columns, (str, int)) or len(columns) != 2:
            raise InputError(
                f'columns에는 열 둘을 넣어 주십시오: ("원문", "번역문")이나 (0, 1). {columns!r}이(가) 왔습니다.'
            )
        first, second = (_chosen(table, header, column, "columns", "--columns") for column in columns)
        _say_first_row_is_data(table, header, *columns)
        if first == second:
            raise InputError(f"columns={columns!r}는 같은 열입니다. 서로 다른 두 열을 넣어 주십시오.")
        return first, second
    if header.width < 2:
        raise CorpusError(
            f"{printable(table.path)}: 열이 하나뿐이라 번역쌍을 읽을 수 없습니다. 탭으로 나뉜 .tsv나 쉼표로 나뉜 .csv를 주십시오."
        )
    roles = [role(name) for name in header.names]
    for pair in (("ko", "en"), ("source", "target")):
        if all(roles.count(side) == 1 for side in pair):
            return roles.index(pair[0]), roles.index(pair[1])
    texts = [i for i, name in enumerate(roles) if name in TEXT_ROLES]
    if len(texts) == 2:
        return texts[0], texts[1]
    if not header.names and not header.unknown and header.width == 2:
        return 0, 1
    what = "첫 줄이 헤더가 아니면" if header.unknown else "또는"
    raise CorpusError(
        f"{printable(table.path)}:{header.line or 1}: 어느 열이 한국어와 영어인지 알 수 없습니다. columns=(한국어 열의 이름, 영어 열의 이름)을, "
        f"{what} 번호로 columns=(0, 1)을(명령줄은 --columns) 넣어 주십시오. 헤더에 'ko'와 'en'을 적어도 됩니다. {_listed(header)}"
    )


def pick_extra(header: Header, wanted: str, taken: Sequence[int]) -> int | None:
    """``id``나 ``topic``인 열의 자리. 없거나 여럿이면 None입니다."""
    places = [i for i, name in enumerate(header.names) if role(name) == wanted and i not in taken]
    return places[0] if len(places) == 1 else None


def is_header_used(header: Header, columns: Sequence[str | int | None]) -> bool:
    """첫 행을 데이터로 읽지 않을지: 아는 헤더이거나, 그 이름으로 열을 골랐을 때."""
    return bool(header.line) and (bool(header.names) or any(isinstance(column, str) for column in columns))


def _chosen(table: Table, header: Header, column: str | int, argument: str, option: str) -> int:
    names = header.names or header.first
    if isinstance(column, int) and not isinstance(column, bool):
        if 0 <= column < header.width:
            return column
    elif isinstance(column, str):
        for same in (
            lambda name: name == clean(column),
            lambda name: name.casefold() == clean(column).casefold(),
            lambda name: bool(header.names and role(column)) and role(name) == role(column),
        ):
            places = [i for i, name in enumerate(names) if same(clean(name))]
            if len(places) == 1:
                return places[0]
    else:
        raise InputError(
            f"{argument}에는 열의 이름이나 번호(0부터)를 넣어 주십시오. {column!r}이(가) 왔습니다."
        )
    raise CorpusError(
        f"{printable(table.path)}: {column!r} 열이 없습니다. {argument}(명령줄은 {option})에 있는 열을 넣어 주십시오. {_listed(header)}"
    )


def _say_first_row_is_data(table: Table, header: Header, *columns: str | int) -> None:
    if header.unknown and all(isinstance(column, int) for column in columns):
        print(f"{printable(table.path)}: 열을 번호로 골랐으므로 첫 줄 {header.first}도 데이터로 읽습니다.")


def _listed(header: Header) -> str:
    names = header.names or header.first
    listed = ", ".join(f"{i}: {name[:30]!r}" for i, name in enumerate(names[:20]))
    return f"{'있는 열' if header.names else '첫 줄'}은 {listed}입니다."
