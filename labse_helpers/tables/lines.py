"""파일을 줄로: 압축을 풀고, 글로 풀고, 나눕니다. 언제나 조금씩 읽으므로 큰 파일도, 압축 폭탄도 메모리를 쓰지 않습니다.

줄은 ``\\n``, ``\\r\\n``, 또는 ``\\n``이 하나도 없는 파일의 ``\\r``에서 끝납니다. 다른 것(U+2028, U+0085, VT, FF …)은 줄 안의 글자입니다.
"""

import bz2
import gzip
import lzma
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import CorpusError
from ..storage.atomic import printable
from .encoding import UnknownEncodingError, check_encoding, decode, find_encoding

CHUNK = 1 << 16
MAX_LINE = 10_000_000  # 한 줄의 글자 수. 이보다 길면 줄로 된 글이 아닙니다

_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
_SAVE_AS = "표는 .csv, .tsv, .xlsx, .jsonl로, 글은 한 줄에 한 문장인 .txt로 저장해 주십시오."
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip(엑셀 .xlsx, 한글 .hwpx, 워드 .docx도 zip입니다)",
    b"%PDF": "PDF",
    b"\xd0\xcf\x11\xe0": "옛 엑셀(.xls)·한글(.hwp)이거나 암호가 걸린 문서",
    b"HWP Document": "한글(.hwp)",
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "rar",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"SQLite format": "SQLite",
    b"\x93NUMPY": "numpy",
    b"{\\rtf": "RTF",
}
_COMPRESSED = {".gz": "gzip", ".xz": "xz", ".bz2": "bzip2"}
REFUSED = {
    **dict.fromkeys((".xls", ".xlsb", ".ods", ".numbers"), "엑셀에서 열어 .xlsx나 'CSV UTF-8'로 저장해 주십시오."),
    **dict.fromkeys((".hwp", ".hwpx", ".doc", ".docx", ".odt", ".rtf", ".ppt", ".pptx", ".pdf", ".html", ".htm"), _SAVE_AS),
    **dict.fromkeys((".zip", ".7z", ".rar", ".tar", ".tgz", ".zst", ".lz4", ".z"), "압축을 풀어 안의 파일을 주거나 .gz로 압축해 주십시오."),
    **dict.fromkeys((".parquet", ".feather", ".arrow", ".pkl", ".npy", ".db", ".sqlite"), "pandas로 읽어 to_csv(…, index=False)로 저장해 주십시오."),
    **dict.fromkeys((".json", ".xml", ".xliff", ".xlf"), "한 줄에 객체 하나인 .jsonl이나 .tsv, .tmx로 저장해 주십시오."),
}  # fmt: skip


def input_file(path: str | Path) -> Path:
    """읽을 수 있는 보통 파일인지, 한 바이트도 읽기 전에 봅니다. 두 번 읽을 수 없는 것(파이프)은 여기서 걸립니다.

    Raises:
        CorpusError: 없거나, 폴더나 파이프이거나, 읽지 않는 형식일 때.
    """
    path = Path(path)
    if str(path) == "-":
        raise CorpusError(
            "-(표준 입력)는 읽지 않습니다. 두 번 읽어야 하므로 파일로 저장해 그 경로를 주십시오."
        )
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise CorpusError(_cannot_open(path, error)) from error
    if stat.S_ISDIR(mode):
        raise CorpusError(f"{printable(path)}: 폴더라서 열 수 없습니다. 그 안의 파일을 주십시오.")
    if not stat.S_ISREG(mode):
        raise CorpusError(
            f"{printable(path)}: 보통 파일이 아닙니다(파이프나 장치). 두 번 읽어야 하므로 파일로 저장해 그 경로를 주십시오."
        )
    suffix = kind_suffix(path)
    if suffix in REFUSED:
        raise CorpusError(f"{printable(path)}: {suffix} 파일은 읽지 않습니다. {REFUSED[suffix]}")
    _check_magic(path)
    return path


def kind_suffix(path: Path) -> str:
    """형식을 말하는 확장자. 압축된 것은 안의 파일의 것입니다(``a.tsv.gz`` → ``.tsv``)."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _OPENERS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _check_magic(path: Path) -> None:
    compressed = path.suffix.lower()
    with opened(path, inside=False) as file:
        outside = _format(file.read(16))
    if compressed in _COMPRESSED:
        if outside != _COMPRESSED[compressed]:
            raise CorpusError(
                f"{printable(path)}: 이름은 {compressed}인데 {_COMPRESSED[compressed]} 파일이 아닙니다. "
                "파일을 다시 받거나 확장자를 고쳐 주십시오."
            )
        with opened(path) as file:
            outside = _format(file.read(16))
    if outside and not (path.suffix.lower() in (".xlsx", ".xlsm") and outside.startswith("zip")):
        raise CorpusError(
            f"{printable(path)}: 내용이 {path.suffix or '글'} 파일이 아니라 {outside}입니다. "
            f"확장자를 고치거나, {_SAVE_AS}"
        )


def _format(head: bytes) -> str:
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


@contextmanager
def opened(path: Path, inside: bool = True) -> Iterator[IO[bytes]]:
    """파일을 바이트로 엽니다. ``inside``면 압축을 풀어 가며 읽습니다.

    Raises:
        CorpusError: 열 수 없거나, 압축이 깨졌거나 끊겼을 때.
    """
    opener = _OPENERS.get(path.suffix.lower()) if inside else None
    try:
        with opener(path, "rb") if opener else path.open("rb") as file:
            yield file
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise CorpusError(
            f"{printable(path)}: 압축이 깨졌거나 중간에 끊겼습니다. 파일을 다시 받아 주십시오."
        ) from error
    except OSError as error:
        if opener and error.errno is None:
            raise CorpusError(f"{printable(path)}: 압축이 깨졌습니다. 파일을 다시 받아 주십시오.") from error
        raise CorpusError(_cannot_open(path, error)) from error


def _cannot_open(path: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or error
    return f"{printable(path)}: 파일을 열 수 없습니다({reason}). 경로와 권한을 확인해 주십시오."


@dataclass(frozen=True)
class TextFile:
    """인코딩과 줄의 끝을 아는 글 파일. 몇 번이고 처음부터 읽습니다. ``lines``는 앞의 ``skipped``줄을 뺍니다."""

    path: Path
    encoding: str
    line_end: str
    skipped: int = 0

    def texts(self) -> Iterator[str]:
        """풀린 글의 조각들."""
        return decode(_chunks(self.path), self.encoding)

    def lines(self) -> Iterator[tuple[int, str]]:
        """(줄 번호, 줄)들. 번호는 1부터이고, 줄의 끝은 떼었습니다."""
        number, rest = 1, ""
        for text in self.texts():
            *whole, rest = (rest + text).split(self.line_end)
            for line in whole:
                if number > self.skipped:
                    yield number, line.rstrip("\r")
                number += 1
            if len(rest) > MAX_LINE:
                raise CorpusError(
                    f"{printable(self.path)}:{number}: 한 줄이 {MAX_LINE:,}자를 넘습니다. 한 줄에 한 문장씩 적어 주십시오."
                )
        if rest and number > self.skipped:
            yield number, rest.rstrip("\r")


def open_text(path: Path, encoding: str | None = None) -> TextFile:
    """인코딩과 줄의 끝을 정합니다. UTF-8이 아닌 것을 알아보았으면 한 줄 알립니다.

    Raises:
        CorpusError: 인코딩을 알 수 없을 때. 어느 것인 듯한지 알려 줍니다.
        InputError: ``encoding``이 모르는 이름일 때.
    """
    if encoding is None:
        try:
            name = find_encoding(_chunks(path), _chunks(path))
        except UnknownEncodingError as error:
            raise CorpusError(f"{printable(path)}: {error}") from error
        if name != "utf-8":
            print(f"{printable(path)}: {name.upper()}로 읽습니다.")
    else:
        name = check_encoding(encoding)
    has_newline = any("\n" in text for text in decode(_chunks(path), name))
    return TextFile(path, name, "\n" if has_newline else "\r")


def _chunks(path: Path) -> Iterator[bytes]:
    with opened(path) as file:
        while chunk := file.read(CHUNK):
            yield chunk
