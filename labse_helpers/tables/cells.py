"""줄을 셀로: 구분 문자와 따옴표. 파일 전체를 증거로 정합니다.

셀은 따옴표로 시작하고 끝나며 안의 따옴표가 모두 둘씩일 때만 벗깁니다. CSV의 따옴표는 언제나 이 뜻이지만, TSV에는 따옴표를 그대로 적은
것(KorSTS)과 엑셀·pandas가 씌워 적은 것이 있습니다. 파일 전체가 씌워 적은 것으로 어긋남 없이 읽힐 때만 그렇게 읽습니다.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from ..errors import CorpusError
from ..storage.atomic import printable
from .lines import MAX_LINE, TextFile

MAX_QUOTED_LINES = 1_000  # 따옴표로 묶인 셀 하나가 걸칠 수 있는 줄
_SAMPLE_ROWS = 1_000
_NAMES = {",": "쉼표", ";": "쌍반점(;)", "\t": "탭 문자"}
_CLOSED = re.compile('"(?:[^"]++|"")*+"')


class Row(NamedTuple):
    """표의 한 행. ``line``은 행이 시작하는 줄, ``text``는 적힌 그대로의 글입니다."""

    line: int
    cells: list[str]
    text: str


class UnclosedQuoteError(Exception):
    """이 줄에서 연 따옴표가 닫히지 않습니다."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


@dataclass(frozen=True)
class Dialect:
    """구분 문자, 따옴표가 셀을 묶는 것인지(``quoted``), 아니라면 열의 수가 줄마다 다른지(``uneven``)."""

    delimiter: str
    quoted: bool
    uneven: bool = False

    def problem(self, row: Row) -> str:
        """열의 수가 고르지 않은 파일에서 따옴표가 홀수인 줄은, 줄이 나뉜 셀의 반쪽일 수 있습니다."""
        return "따옴표의 짝이 이 줄에 없습니다" if self.uneven and row.text.count('"') % 2 else ""


def read_rows(lines: Iterable[tuple[int, str]], dialect: Dialect) -> Iterator[Row]:
    """줄들을 행들로. 따옴표로 묶인 셀은 여러 줄에 걸칠 수 있습니다.

    Raises:
        UnclosedQuoteError: 따옴표가 파일 끝이나 1,000줄 뒤까지 닫히지 않을 때.
    """
    if dialect.quoted:
        for number, written, text in _written_rows(lines, dialect.delimiter):
            yield Row(number, [_unquote(cell) for cell in written], text)
        return
    for number, text in lines:
        cells = text.split(dialect.delimiter)
        yield Row(number, [_unquote(cell) if '""' in cell[1:-1] else cell for cell in cells], text)


def find_dialect(file: TextFile, delimiters: str) -> Dialect:
    """구분 문자와 따옴표의 뜻을 정합니다. 처음 것이 아닌 구분 문자를 골랐으면 한 줄 알립니다.

    Args:
        delimiters: 구분 문자의 후보. 하나면 TSV입니다.

    Raises:
        CorpusError: 따옴표가 닫히지 않는 CSV이거나, 구분 문자나 따옴표가 두 가지로 읽힐 때. 할 일을 알려 줍니다.
    """
    evenness = {delimiter: _evenness(file, delimiter) for delimiter in delimiters}
    delimiter, *others = sorted(delimiters, key=lambda candidate: -evenness[candidate])
    if others and evenness[delimiter] == evenness[others[0]] > 0:
        raise CorpusError(
            f"{printable(file.path)}: {_NAMES[delimiter]}로도 {_NAMES[others[0]]}로도 열이 나뉩니다. "
            f"첫 줄에 헤더(ko{delimiter}en)을 넣거나 .tsv로 저장해 주십시오."
        )
    if delimiter != delimiters[0]:
        print(f"{printable(file.path)}: 열이 쉼표가 아니라 {_NAMES[delimiter]}로 나뉘었다고 보고 읽습니다.")
    if not any('"' in text for text in file.texts()):
        return Dialect(delimiter, quoted=False)
    if len(delimiters) > 1:
        _check_quotes_close(file, delimiter)
        return Dialect(delimiter, quoted=True)
    if _is_quoted_tsv(file, delimiter):
        return Dialect(delimiter, quoted=True)
    widths = {text.count(delimiter) for _, text in file.lines() if text.strip()}
    return Dialect(delimiter, quoted=False, uneven=len(widths) > 1)


def _evenness(file: TextFile, delimiter: str) -> float:
    """앞쪽 행들 가운데 열의 수가 첫 행과 같고 따옴표가 어긋나지 않은 것의 비율. 절반이 안 되거나 첫 행의 열이 하나면 0입니다."""
    widths: Counter[int] = Counter()
    first = 0
    try:
        for _, cells, text in _written_rows(islice(file.lines(), _SAMPLE_ROWS), delimiter):
            if text.strip():
                first = first or len(cells)
                is_clean = all('"' not in cell or _unquote(cell) != cell for cell in cells)
                widths[len(cells) if is_clean else 0] += 1
    except UnclosedQuoteError:  # 표본의 끝에서 잘린 셀
        pass
    evenness = widths[first] / widths.total() if first > 1 else 0.0
    return evenness if evenness > 0.5 else 0.0


def _check_quotes_close(file: TextFile, delimiter: str) -> None:
    try:
        for _ in _written_rows(file.lines(), delimiter):
            pass
    except UnclosedQuoteError as error:
        raise CorpusError(
            f"{printable(file.path)}:{error.line}: 따옴표가 짝이 맞지 않습니다. 여기서 연 따옴표가 닫히지 않습니다. "
            '셀 안의 따옴표는 둘("")로 적고 셀을 따옴표로 묶어 주십시오.'
        ) from error


def _is_quoted_tsv(file: TextFile, delimiter: str) -> bool:
    """따옴표를 씌워 적은 TSV인지. 한 셀이라도 어긋나면(따옴표가 글의 일부이면) 아닙니다.

    Raises:
        CorpusError: 줄바꿈이나 탭을 묶은 따옴표로도, 글의 일부로도 어긋남 없이 읽힐 때.
    """
    width = raw_width = regrouped = unclear = 0
    even = raw_even = True  # 모든 행의 열의 수가 같은지: 따옴표를 벗겼을 때와 그대로 두었을 때
    try:
        for number, written, text in _written_rows(file.lines(), delimiter):
            if not text.strip():
                continue
            if any('"' in cell and _unquote(cell) == cell for cell in written):
                return False
            raw = [line.count(delimiter) + 1 for line in text.split("\n")]
            width, raw_width = width or len(written), raw_width or raw[0]
            even, raw_even = even and len(written) == width, raw_even and set(raw) == {raw_width}
            if raw != [len(written)]:
                regrouped = regrouped or number
            if len(raw) > 1 and set(raw) == {width} and width > 1:
                unclear = unclear or number
    except UnclosedQuoteError:
        return False
    if regrouped and raw_even and raw_width > 1:
        if not even:
            return False
        unclear = unclear or regrouped
    if unclear:
        raise CorpusError(
            f"{printable(file.path)}:{unclear}: 따옴표가 글의 일부인지 셀을 묶는 것인지 가릴 수 없습니다. "
            "pandas나 엑셀에서 .csv로 저장해 주십시오."
        )
    return True


def _written_rows(lines: Iterable[tuple[int, str]], delimiter: str) -> Iterator[tuple[int, list[str], str]]:
    """(시작하는 줄, 따옴표까지 적힌 그대로의 셀들, 행의 글)들. 따옴표가 묶은 줄바꿈은 셀 안에 둡니다."""
    lines = iter(lines)
    for number, text in lines:
        cells = _split(text, delimiter)
        n_lines = 1
        while cells is None:
            for _, more in lines:
                text += "\n" + more
                n_lines += 1
                if '"' in more:
                    break
                if n_lines > MAX_QUOTED_LINES or len(text) > MAX_LINE:
                    raise UnclosedQuoteError(number)
            else:
                raise UnclosedQuoteError(number)
            cells = _split(text, delimiter)
        if any("\n" in cell and _unquote(cell) == cell for cell in cells):
            raise UnclosedQuoteError(number)
        yield number, cells, text


def _split(text: str, delimiter: str) -> list[str] | None:
    """적힌 그대로의 셀들. 따옴표가 이 글 안에서 닫히지 않으면 None입니다."""
    if '"' not in text:
        return text.split(delimiter)
    cells, at = [], 0
    while at <= len(text):
        end = -1
        if text.startswith('"', at):
            closed = _CLOSED.match(text, at)
            if closed is None:
                return None
            if closed.end() == len(text) or text[closed.end()] == delimiter:
                end = closed.end()
        if end < 0:
            end = text.find(delimiter, at)
        if end < 0:
            end = len(text)
        cells.append(text[at:end])
        at = end + 1
    return cells


def _unquote(cell: str) -> str:
    """따옴표로 시작하고 끝나며 안의 따옴표가 모두 둘씩이면 벗기고, 아니면 그대로 둡니다."""
    if len(cell) < 2 or not cell[0] == cell[-1] == '"':
        return cell
    inner = cell[1:-1]
    return cell if '"' in inner.replace('""', "") else inner.replace('""', '"')
