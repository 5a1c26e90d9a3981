"""사용자의 파일을 읽는 단 하나의 길: 인코딩, 줄의 끝, 따옴표, 헤더, 열, 잘못된 줄.

``load_corpus``, ``encode_file``, 명령줄의 ``search``·``mine``·``encode``·``train``이 모두 여기를 지나므로, 같은 파일은 어디서나
같은 뜻입니다.

추측한 것(UTF-8이 아닌 인코딩, 쉼표가 아닌 구분 문자, 헤더, 서로 바뀐 두 열)은 ``print``로 한 줄 알립니다. 아는 헤더가 있는 평범한
UTF-8 파일은 아무것도 찍지 않습니다.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from tqdm.auto import tqdm

from ..checks import check_choice, clean
from ..errors import CorpusError, InputError
from ..storage.atomic import printable
from .columns import Header, find_header, has_hangul, is_header_used, pick_column, pick_extra, pick_pair, role
from .formats import Record, Table, is_blank, open_table
from .problems import BadLines, OnError, bad_lines

Blank = Literal["skip", "error"]
_MAX_BLANKS = 1_000_000


class Sentences(NamedTuple):
    """파일에서 읽은 문장 N개와, 그 문장이 시작하는 줄의 번호(1부터, 편집기의 것) N개."""

    sentences: list[str]
    lines: list[int]


class PairRow(NamedTuple):
    """파일에서 읽은 번역쌍 하나. ``id``와 ``topic``은 파일에 없으면 빈 문자열입니다."""

    line: int
    id: str
    ko: str
    en: str
    topic: str


def read_sentences(
    path: str | Path,
    column: str | int | None = None,
    *,
    encoding: str | None = None,
    on_error: OnError = "raise",
    blank: Blank = "skip",
) -> Sentences:
    """파일의 문장들을 메모리에 읽습니다.

    Args:
        path: 글(한 줄에 한 문장), CSV, TSV, JSON Lines, 엑셀, TMX. 글과 표는 ``.gz``·``.xz``·``.bz2``여도 됩니다.
        column: 읽을 열의 이름이나 번호(0부터). 열이 하나뿐이면 주지 않아도 됩니다.
        encoding: 파이썬의 인코딩 이름. None이면 파일 전체를 보고 정합니다.
        on_error: 잘못된 줄이 있을 때 ``"raise"``면 오류, ``"skip"``이면 건너뛰고 그 줄들을 입력 옆의 파일에 적습니다.
        blank: 공백뿐인 줄이 ``"skip"``이면 문장이 아닌 것으로, ``"error"``면 잘못된 줄로 봅니다. 파일 끝의 것은 언제나 세지 않습니다.

    Returns:
        :func:`~labse_helpers.checks.clean`을 거친 문장들과 그 줄 번호.

    Raises:
        CorpusError: 열 수 없거나, 인코딩·헤더·열을 정할 수 없거나, 문장이 없거나, 잘못된 줄이 있을 때. 줄 번호를 알려 줍니다.
        InputError: ``column``, ``encoding``, ``on_error``가 쓸 수 없는 값일 때.
        OutputError: 건너뛴 줄을 적을 곳이 없을 때.
    """
    source = open_sentences(path, column, encoding=encoding, on_error=on_error, blank=blank)
    found = list(source.checked())
    return Sentences([sentence for _, sentence in found], [line for line, _ in found])


def open_sentences(
    path: str | Path,
    column: str | int | None = None,
    *,
    encoding: str | None = None,
    on_error: OnError = "raise",
    blank: Blank = "error",
) -> "SentenceSource":
    """파일의 문장을 일정한 메모리로 읽는 흐름을 엽니다. 인자와 오류는 :func:`read_sentences`와 같습니다."""
    check_choice(on_error, ("raise", "skip"), "on_error")
    check_choice(blank, ("skip", "error"), "blank")
    table = open_table(path, encoding, as_table=column is not None)
    header = find_header(table)
    if table.is_text:
        _refuse_hidden_table(table)
    place = pick_column(table, header, column)
    return SentenceSource(table, header, place, column, on_error, blank)


class SentenceSource:
    """파일의 문장을 몇 번이고 처음부터, 한 줄씩, 일정한 메모리로 읽는 흐름. :func:`open_sentences`가 만듭니다.

    Attributes:
        path: 파일.
        column: 읽는 열의 이름이나 번호(고른 그대로). 고르지 않았으면 None입니다.
        encoding: 파이썬의 인코딩 이름. 엑셀이면 빈 문자열입니다.
    """

    def __init__(
        self,
        table: Table,
        header: Header,
        place: int,
        column: str | int | None,
        on_error: OnError,
        blank: Blank,
    ) -> None:
        self.path, self.column, self.encoding = table.path, column, table.encoding
        self._table, self._header, self._place = table, header, place
        self._on_error, self._blank = on_error, blank

    def check(self, show_progress_bar: bool = True) -> int:
        """파일을 끝까지 한 번 읽어 보고 문장의 수를 돌려줍니다.

        Raises:
            CorpusError: 문장이 없거나, ``on_error="raise"``인데 잘못된 줄이 있을 때. 처음 열 줄과 전체 개수를 알려 줍니다.
        """
        bar = tqdm(self.checked(), desc="검사", unit="문장", disable=not show_progress_bar)
        return sum(1 for _ in bar)

    def checked(self) -> Iterator[tuple[int, str]]:
        """``iter``와 같되, 끝까지 읽은 뒤 잘못된 줄들을 모아 알리거나 건너뛴 줄을 파일에 적습니다."""
        n = 0
        with bad_lines(self.path, self._on_error) as bad:
            for found in self._read(bad):
                n += 1
                yield found
        if not n:
            raise CorpusError(f"{printable(self.path)}: 문장이 없습니다. 파일과 고른 열을 확인해 주십시오.")

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """(줄 번호, 문장)을 순서대로 냅니다. 문장은 ``clean``을 거친 것입니다.

        Raises:
            CorpusError: ``on_error="raise"``인데 잘못된 줄을 만났을 때.
        """
        bad = _Passing(self.path, self._on_error)
        return self._read(bad)

    def _read(self, bad: "BadLines | _Passing") -> Iterator[tuple[int, str]]:
        blanks: list[int] = []  # 뒤에 글이 있어야 잘못된 줄입니다. 파일 끝의 빈 줄은 세지 않습니다
        for record in _data(self._table, self._header, self.column):
            if is_blank(record):
                if self._blank == "error":
                    blanks.append(record.line)
                if len(blanks) > _MAX_BLANKS:
                    raise CorpusError(
                        f"{printable(self.path)}:{blanks[0]}: 빈 줄이 {_MAX_BLANKS:,}줄 넘게 이어집니다. 파일을 확인해 주십시오."
                    )
                continue
            for line in blanks:
                bad.add(line, "빈 줄입니다", "")
            blanks.clear()
            problem = record.problem or _wrong_width(record, self._header.width)
            sentence = "" if problem else clean(record.cells[self._place])
            if problem or not sentence:
                bad.add(record.line, problem or _nothing(record.cells[self._place]), record.text)
            else:
                yield record.line, sentence


class _Passing:
    """검사를 마친 파일을 다시 읽을 때: 건너뛰기로 했으면 말없이 건너뛰고, 아니면 멈춥니다."""

    def __init__(self, path: Path, on_error: OnError) -> None:
        self.path, self.on_error = path, on_error

    def add(self, line: int, reason: str, text: str) -> None:
        if self.on_error == "raise":
            raise CorpusError(f"{printable(self.path)}:{line}: {reason}.")


def read_pairs(
    path: str | Path | tuple[str | Path, str | Path],
    columns: tuple[str | int, str | int] | None = None,
    *,
    encoding: str | None = None,
    on_error: OnError = "raise",
) -> list[PairRow]:
    """번역쌍의 파일(또는 줄마다 짝인 두 파일)을 읽습니다. 어느 열이 한국어인지는 다수의 행에서 한글이 든 쪽으로 정합니다.

    Args:
        path: 두 열이 있는 표의 경로, 또는 한 줄에 한 문장인 글 파일 둘의 ``(경로, 경로)``.
        columns: 두 열의 이름이나 번호. None이면 헤더에서 알아보고, 헤더가 없으면 두 열이어야 합니다.
        encoding, on_error: :func:`read_sentences`와 같습니다.

    Raises:
        CorpusError: :func:`read_sentences`의 것에 더해, 두 파일의 줄 수가 다르거나, 한글이 어느 열에도 없거나 두 열에 다 있을 때.
            같은 쌍이 다시 나오거나 한쪽만 서로 바뀐 행은 잘못된 줄입니다.
        InputError: ``columns``가 쓸 수 없는 값일 때.
    """
    check_choice(on_error, ("raise", "skip"), "on_error")
    if isinstance(path, (tuple, list)):
        if columns is not None:
            raise InputError("두 파일을 함께 읽을 때는 columns를 쓰지 않습니다. 빼고 불러 주십시오.")
        where, named, rows = _parallel_rows(path, encoding)
    else:
        table = open_table(path, encoding, as_table=True)
        header = find_header(table)
        first, second = pick_pair(table, header, columns)
        where = table.path
        named = columns is None and [role(name) for name in header.names].count("ko") == 1
        rows = _table_rows(table, header, columns, first, second)
    with bad_lines(where, on_error) as bad:
        pairs = _good_pairs(rows, bad)
        is_swapped = _is_korean_second(pairs, where) if pairs else False
        if is_swapped:
            what = "헤더의 이름과 글이 서로 바뀌어 있어" if named else "둘째 열에 한글이 있어"
            print(f"{printable(where)}: {what}, 둘째를 한국어로 읽습니다.")
            pairs = [(row._replace(ko=row.en, en=row.ko), text) for row, text in pairs]
        kept = []
        for row, text in pairs:
            if has_hangul(row.en) and not has_hangul(row.ko):
                bad.add(row.line, "다른 줄과 달리 한국어와 영어가 서로 바뀌었습니다", text)
            else:
                kept.append(row)
    if not kept:
        raise CorpusError(f"{printable(where)}: 문장쌍이 없습니다. 파일과 고른 열을 확인해 주십시오.")
    return kept


class _Sides(NamedTuple):
    """아직 어느 쪽이 한국어인지 모르는 행."""

    record: Record
    first: str
    second: str
    id: str
    topic: str
    problem: str


def _table_rows(
    table: Table, header: Header, columns: tuple[str | int, str | int] | None, first: int, second: int
) -> Iterator[_Sides]:
    extras = [pick_extra(header, name, (first, second)) for name in ("id", "topic")]
    for record in _data(table, header, *(columns or (None,))):
        if is_blank(record):
            continue
        if problem := record.problem or _wrong_width(record, header.width):
            yield _Sides(record, "", "", "", "", problem)
            continue
        cells = [clean(cell) for cell in record.cells]
        id_, topic = ("" if place is None else cells[place] for place in extras)
        empty = [place for place in (first, second) if not cells[place]]
        names = header.names or [f"{i}번" for i in range(header.width)]
        problem = f"{names[empty[0]]!r} 열이 비었습니다" if empty else ""
        yield _Sides(record, cells[first], cells[second], id_, topic, problem)


def _parallel_rows(
    paths: tuple[str | Path, str | Path] | list[str | Path], encoding: str | None
) -> tuple[Path, bool, Iterator[_Sides]]:
    if len(paths) != 2:
        raise InputError(f"같은 줄끼리 번역인 파일은 둘이어야 하는데 {len(paths)}개가 왔습니다.")
    tables = [open_table(path, encoding) for path in paths]
    for table in tables:
        if not table.is_text:
            raise CorpusError(
                f"{printable(table.path)}: 두 파일을 함께 읽을 때는 한 줄에 한 문장인 글 파일이어야 합니다."
            )
    counts = [sum(1 for _ in table.records()) for table in tables]
    if counts[0] != counts[1]:
        listed = ", ".join(f"{printable(t.path)} {n:,}줄" for t, n in zip(tables, counts, strict=True))
        raise CorpusError(f"두 파일의 줄 수가 다릅니다({listed}). 같은 줄끼리 번역이어야 합니다.")

    def rows() -> Iterator[_Sides]:
        for one, other in zip(*(table.records() for table in tables), strict=True):
            sides = clean(one.cells[0]), clean(other.cells[0])
            if is_blank(one) and is_blank(other):
                continue
            empty = [table for table, side in zip(tables, sides, strict=True) if not side]
            problem = one.problem or other.problem
            if empty and not problem:
                problem = f"{printable(empty[0].path)}의 줄이 비었습니다"
            record = one._replace(text=f"{one.text}\t{other.text}")
            yield _Sides(record, sides[0], sides[1], "", "", problem)

    return tables[0].path, False, rows()


def _good_pairs(rows: Iterator[_Sides], bad: BadLines) -> list[tuple[PairRow, str]]:
    """온전하고 처음 나오는 쌍과 적힌 그대로의 글. 첫째 열을 ``ko``에 둡니다."""
    seen: dict[tuple[str, str], int] = {}
    pairs = []
    for row in rows:
        line, key = row.record.line, (row.first, row.second)
        if row.problem:
            bad.add(line, row.problem, row.record.text)
        elif key in seen:
            bad.add(line, f"{seen[key]}번째 줄과 같습니다", row.record.text)
        else:
            seen[key] = line
            pairs.append((PairRow(line, row.id, row.first, row.second, row.topic), row.record.text))
    return pairs


def _is_korean_second(pairs: list[tuple[PairRow, str]], where: Path) -> bool:
    """둘째 열이 한국어인지, 행마다 한쪽에만 한글이 든 것을 세어 정합니다."""
    korean = [(has_hangul(row.ko), has_hangul(row.en)) for row, _ in pairs]
    first_only, second_only = korean.count((True, False)), korean.count((False, True))
    if korean.count((False, False)) == len(pairs):
        raise CorpusError(
            f"{printable(where)}: 두 열 어디에도 한글이 없습니다. 한국어가 든 열을 columns(명령줄은 --columns)로 고르거나 "
            "encoding을 확인해 주십시오."
        )
    if korean.count((True, True)) * 2 > len(pairs):
        raise CorpusError(
            f"{printable(where)}: 두 열이 모두 한국어입니다. 영어가 든 열을 columns(명령줄은 --columns)로 골라 주십시오."
        )
    return second_only > first_only


def _data(table: Table, header: Header, *columns: str | int | None) -> Iterator[Record]:
    """헤더를 뺀 행들. 빈 줄도 냅니다."""
    skipped = header.line if is_header_used(header, columns) else 0
    return (record for record in table.records() if record.line != skipped or not skipped)


def _wrong_width(record: Record, width: int) -> str:
    is_enough = len(record.cells) >= width
    if is_enough and not any(map(clean, record.cells[width:])):  # 엑셀은 줄의 끝에 빈 셀을 더 적기도 합니다
        return ""
    return f"열이 {width}개여야 하는데 {len(record.cells)}개입니다"


def _refuse_hidden_table(table: Table) -> None:
    """글 파일이라는데 첫 줄이 아는 헤더인 표이면, 헤더를 문장으로 읽지 않고 묻습니다."""
    first = next((record.text for record in table.records() if record.text.strip()), "")
    roles = [role(name) for name in first.split("\t")]
    if len(roles) > 1 and all(roles):
        raise CorpusError(
            f"{printable(table.path)}: 탭으로 나뉜 표인 듯합니다. column(명령줄은 --column)에 읽을 열을 넣어 주십시오: "
            + ", ".join(first.split("\t"))
        )


def _nothing(cell: str) -> str:
    return "보이지 않는 글자뿐입니다" if cell.strip() else "열이 비었습니다"
