"""파일을 표로: 형식마다 다른 것은 여기까지이고, 그다음은 모두 :class:`Table`입니다."""

import json
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from ..checks import clean
from ..errors import CorpusError
from ..storage.atomic import printable
from .cells import find_dialect, read_rows
from .encoding import undecodable
from .lines import MAX_LINE, TextFile, input_file, kind_suffix, open_text

MAX_XLSX_BYTES = 1 << 30  # 압축을 푼 엑셀 파일의 크기
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_TMX_CODES = {"bpt", "ept", "ph", "it", "ut"}  # 글이 아니라 서식을 적은 요소


class Record(NamedTuple):
    """표의 한 행. ``line``은 시작하는 줄(엑셀은 행), ``text``는 적힌 그대로의 글, ``problem``은 읽지 못한 이유입니다."""

    line: int
    cells: list[str]
    text: str
    problem: str = ""


@dataclass(frozen=True)
class Table:
    """몇 번이고 처음부터 읽는 표.

    Attributes:
        path: 파일.
        encoding: 글을 푼 인코딩. 엑셀이면 빈 문자열입니다.
        records: 행들을 처음부터 내는 함수. 빈 줄도 냅니다.
        names: 행마다 적힌 열의 이름(JSON의 키, TMX의 언어). 없으면 첫 행이 헤더일 수 있습니다.
        is_text: 한 줄에 한 문장인 글. 헤더와 열이 없습니다.
    """

    path: Path
    encoding: str
    records: Callable[[], Iterator[Record]]
    names: list[str] | None = None
    is_text: bool = False


def open_table(path: str | Path, encoding: str | None = None, *, as_table: bool = False) -> Table:
    """파일의 형식을 확장자로 정해 엽니다.

    Args:
        as_table: 확장자를 모르는 글 파일(.txt …)을 탭으로 나뉜 표로 읽을지.

    Raises:
        CorpusError: 열 수 없거나, 읽지 않는 형식이거나, 인코딩이나 따옴표를 정할 수 없을 때.
    """
    path = input_file(path)
    suffix = kind_suffix(path)
    if suffix in (".xlsx", ".xlsm"):
        return _open_xlsx(path)
    file = open_text(path, encoding)
    if suffix == ".tmx":
        return _open_tmx(file)
    if suffix in (".jsonl", ".ndjson"):
        return _open_json_lines(file)
    if suffix == ".csv":
        return _open_csv(file)
    if suffix in (".tsv", ".tab") or as_table:
        return _open_delimited(file, "\t")
    return Table(path, file.encoding, lambda: _text_records(file), is_text=True)


def _text_records(file: TextFile) -> Iterator[Record]:
    for number, text in file.lines():
        yield Record(number, [text], text, undecodable(text, file.encoding))


def _open_csv(file: TextFile) -> Table:
    """CSV. 엑셀에게 구분 문자를 알리는 첫 줄(``sep=;``)이 있으면 그것을 따릅니다."""
    first = next((text for _, text in file.lines()), "")
    said = re.fullmatch('"?sep=([,;\t])"?', first, re.IGNORECASE)
    if said:
        print(
            f"{printable(file.path)}: 첫 줄 {first!r}은 구분 문자를 알리는 줄로 보고 데이터로 읽지 않습니다."
        )
        return _open_delimited(replace(file, skipped=1), said[1])
    return _open_delimited(file, ",;\t")


def _open_delimited(file: TextFile, delimiters: str) -> Table:
    dialect = find_dialect(file, delimiters)

    def records() -> Iterator[Record]:
        for row in read_rows(file.lines(), dialect):
            yield Record(*row, undecodable(row.text, file.encoding) or dialect.problem(row))

    return Table(file.path, file.encoding, records)


def _open_json_lines(file: TextFile) -> Table:
    """한 줄에 JSON 객체 하나. 키가 열이고, 객체 안의 객체(``{"translation": {"ko": …}}``)는 펼칩니다."""
    names: dict[str, None] = {}  # 앞의 1,000줄에 나오는 키
    for _, text in islice(file.lines(), 1_000):
        with suppress(ValueError, RecursionError):
            names.update(dict.fromkeys(_flat(json.loads(text))))

    def records() -> Iterator[Record]:
        for number, text in file.lines():
            if not text.strip():
                yield Record(number, [""], text)
                continue
            problem = undecodable(text, file.encoding)
            cells: list[str] = []
            try:
                row = _flat(json.loads(text))
                if wrong := [name for name in names if not isinstance(row.get(name, ""), (str, int, float))]:
                    problem = problem or f"{wrong[0]!r}의 값이 글이 아닙니다"
                cells = [str(row.get(name, "")) for name in names]
                "".join(cells).encode("utf-8")
            except UnicodeEncodeError:
                problem = problem or "깨진 글자(짝이 없는 서로게이트)가 있습니다"
            except (ValueError, RecursionError):
                problem = problem or "올바른 JSON 객체가 아닙니다"
            yield Record(number, cells, text, problem)

    return Table(file.path, file.encoding, records, list(names))


def _flat(row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise ValueError("not an object")
    flat: dict[str, Any] = {}
    for name, value in row.items():
        flat.update(value if isinstance(value, dict) else {name: value})
    return flat


def _open_xlsx(path: Path) -> Table:
    """엑셀의 첫 시트. 모든 셀을 글로 읽고, ``NA``나 ``없음`` 같은 글도 그대로 둡니다."""
    import pandas as pd

    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_XLSX_BYTES:
            raise CorpusError(
                f"{printable(path)}: 압축을 풀면 {size / 1e9:.1f} GB라서 읽지 않습니다. .csv로 저장해 주십시오."
            )
        with pd.ExcelFile(path, engine="openpyxl") as book:
            sheets = [str(name) for name in book.sheet_names]
            frame = pd.read_excel(book, sheets[0], header=None, dtype=str, na_filter=False)
    except ImportError as error:
        raise CorpusError(
            f"{printable(path)}: 엑셀 파일을 읽으려면 `pip install openpyxl`로 설치하거나, "
            "엑셀에서 'CSV UTF-8'로 저장해 주십시오."
        ) from error
    except CorpusError:
        raise
    except Exception as error:
        raise CorpusError(
            f"{printable(path)}: 엑셀(.xlsx) 파일로 읽을 수 없습니다({type(error).__name__}). 엑셀에서 다시 저장해 주십시오."
        ) from error
    if len(sheets) > 1:
        print(f"{printable(path)}: 시트 {len(sheets)}개 가운데 첫 시트 {sheets[0]!r}만 읽습니다.")
    rows = [[str(cell) for cell in row] for row in frame.itertuples(index=False)]

    def records() -> Iterator[Record]:
        return (Record(number, row, "\t".join(row)) for number, row in enumerate(rows, start=1))

    return Table(path, "", records)


class _TmxReader:
    """expat이 부르는 대로 번역 단위(``tu``)를 모읍니다."""

    def __init__(self) -> None:
        self.units: list[tuple[int, dict[str, str]]] = []
        self.line = lambda: 0
        self._unit: dict[str, str] = {}
        self._start = 0
        self._language = ""
        self._pieces: list[str] = []
        self._inside: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition("}")[2]
        self._inside.append(tag)
        if tag == "tu":
            self._unit, self._start = {}, self.line()
        elif tag == "tuv":
            self._language = attributes.get(_LANG) or attributes.get("lang", "")
        elif tag == "seg":
            self._pieces = []

    def data(self, text: str) -> None:
        if "seg" in self._inside and not _TMX_CODES.intersection(self._inside):
            self._pieces.append(text)

    def end(self, tag: str) -> None:
        tag = tag.rpartition("}")[2]
        self._inside.pop()
        if tag == "seg":
            self._unit.setdefault(self._language, "".join(self._pieces))
        elif tag == "tu":
            self.units.append((self._start, self._unit))

    def close(self) -> None:
        pass


def _open_tmx(file: TextFile) -> Table:
    """TMX의 번역 단위들. 언어가 열입니다. 개체(entity)를 정의하는 파일은 폭탄일 수 있어 거절합니다."""
    names: dict[str, None] = {}
    for _, unit in _tmx_units(file):
        names.update(dict.fromkeys(unit))

    def records() -> Iterator[Record]:
        for line, unit in _tmx_units(file):
            cells = [unit.get(name, "") for name in names]
            text = "\t".join(cells)
            yield Record(line, cells, text, undecodable(text, file.encoding))

    return Table(file.path, file.encoding, records, list(names))


def _tmx_units(file: TextFile) -> Iterator[tuple[int, dict[str, str]]]:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser, ParseError

    reader = _TmxReader()
    parser = DefusedXMLParser(target=reader)
    reader.line = lambda: parser.parser.CurrentLineNumber
    waiting = 0
    try:
        for text in file.texts():
            parser.feed(text.encode("utf-8", "replace").decode("utf-8"))
            waiting = 0 if reader.units else waiting + len(text)
            if waiting > MAX_LINE:
                raise CorpusError(
                    f"{printable(file.path)}:{reader.line()}: 번역 단위 하나가 {MAX_LINE:,}자를 넘습니다."
                )
            yield from reader.units
            reader.units.clear()
        parser.close()
        yield from reader.units
    except ParseError as error:
        raise CorpusError(
            f"{printable(file.path)}:{error.position[0]}: 올바른 TMX(XML)가 아닙니다. 다시 내보내 주십시오."
        ) from error
    except DefusedXmlException as error:
        raise CorpusError(
            f"{printable(file.path)}: 개체(entity)를 정의하는 XML은 읽지 않습니다. DOCTYPE의 ENTITY를 지워 주십시오."
        ) from error


def is_blank(record: Record) -> bool:
    """공백뿐인 행인지. 보이지 않는 글자가 있으면 아닙니다."""
    return not record.problem and not any(cell.strip() for cell in record.cells)


def first_rows(table: Table, n: int) -> list[Record]:
    """빈 줄을 뺀 앞의 ``n``행."""
    rows: list[Record] = []
    for record in table.records():
        if not is_blank(record):
            rows.append(record._replace(cells=[clean(cell) for cell in record.cells]))
        if len(rows) == n:
            break
    return rows
