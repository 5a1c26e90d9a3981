"""바이트를 글로: 어느 인코딩인지 파일 전체를 증거로 정합니다.

풀린다고 해서 맞게 푼 것은 아닙니다. 조합형이나 Big5의 파일도 대개 CP949로 오류 없이 풀려 엉뚱한 글자가 됩니다. 그래서 다음만 읽습니다.

- BOM이 있는 UTF-8, UTF-16, UTF-32
- 파일 전체가 올바른 UTF-8인 것
- CP949로 풀었을 때 한국어에서 흔한 음절이 나오는 것(강의 말뭉치의 음절 빈도로 잽니다)

나머지는 어느 인코딩인 듯한지 말하고 거절합니다. ``encoding=``으로 정해 주면 그대로 풉니다.
"""

import codecs
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ..errors import InputError

BOMS = {  # UTF-32의 BOM은 UTF-16의 것으로 시작하므로 먼저 봅니다
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_SAMPLE = 1 << 17
_ENOUGH_BITS, _ENOUGH_MEAN = 12.0, 1.0  # CP949로 볼 증거: 모두 합쳐서, 그리고 글자마다(비트)
_DOUBLE_BYTES = 8_822  # CP949의 두 바이트 글자 수. 아무렇게나 뽑은 글자 하나의 확률은 그 역수입니다
_UNLIKELY = -4.0  # 한국어 글에 좀처럼 없는 글자 하나의 증거(비트)

# 풀 수 없는 바이트는 이 문자(U+DC00 + 바이트)로 표시해 두고, 그것이 든 줄을 알립니다.
_MARK = re.compile("[\udc00-\udcff]")
_TOUCHING = re.compile("[A-Za-z][^\x00-\x7f]|[^\x00-\x7f][A-Za-z]")
_WINDOWS = {ord(bytes([byte]).decode("cp1252", "replace")): byte for byte in range(0x80, 0xA0)}
_HZ = re.compile(rb"~\{(?:[!-w][!-~])+~\}")
_UTF_7 = re.compile(rb"\+[A-Za-z0-9+/]{5,}")


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error("labse-mark", _mark)


class UnknownEncodingError(Exception):
    """인코딩을 정할 증거가 모자랍니다. 메시지는 어느 것인 듯한지와 할 일입니다."""


def decode(chunks: Iterable[bytes], encoding: str) -> Iterator[str]:
    """바이트 조각들을 글 조각들로 풉니다. 맨 앞의 BOM은 떼고, 풀 수 없는 바이트는 U+DC00–U+DCFF로 남깁니다."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="labse-mark")
    at_start = True
    for chunk in chunks:
        text = decoder.decode(chunk)
        if at_start and text:
            text, at_start = text.removeprefix("\ufeff"), False
        yield text
    yield decoder.decode(b"", final=True)


def undecodable(line: str, encoding: str) -> str:
    """한 줄에 든 글자의 문제. 없으면 빈 문자열입니다."""
    if line.isascii():
        return "NUL 문자가 있습니다" if "\0" in line else ""
    if _MARK.search(line):
        return f"{encoding.upper()}로 읽을 수 없는 글자가 있습니다"
    if "\0" in line:
        return "NUL 문자가 있습니다"
    if encoding == "cp949":
        try:
            if re.search("[가-힣]", line.encode("cp949").decode("utf-8")):
                return "다른 줄은 CP949인데 이 줄은 UTF-8입니다"
        except UnicodeError:
            pass
    return ""


def visible(text: str) -> str:
    """풀 수 없던 바이트를 ``\\xNN``으로 적어, 어디에나 적을 수 있는 글로."""
    return _MARK.sub(lambda mark: f"\\x{ord(mark[0]) - 0xDC00:02x}", text).encode(
        "utf-8", "backslashreplace"
    ).decode("utf-8")  # fmt: skip


def check_encoding(name: str) -> str:
    """사용자가 정한 인코딩의 이름을 파이썬의 이름으로. 모르는 이름이면 :class:`InputError`입니다."""
    try:
        codec = codecs.lookup(name)
        codecs.getincrementaldecoder(name)
        "가a".encode(codec.name, "replace").decode(codec.name, "replace")
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"encoding={name!r}은(는) 모르는 인코딩입니다. 'utf-8', 'cp949', 'utf-16', 'johab'처럼 넣어 주십시오."
        ) from error
    return {"utf-8-sig": "utf-8", "euc_kr": "cp949"}.get(codec.name, codec.name)  # CP949는 EUC-KR을 품습니다


@dataclass
class _Utf8:
    """UTF-8로 풀어 본 결과: 바이트 수, NUL, 풀 수 없는 바이트, U+0800 이상인 글자, 그보다 좁은 비ASCII 글자, 그것이 라틴 문자와, 서로와 맞닿은 수."""

    size: int = 0
    nuls: int = 0
    bad: int = 0
    wide: int = 0
    narrow: int = 0
    touching: int = 0
    runs: int = 0


def find_encoding(chunks: Iterable[bytes], again: Iterable[bytes]) -> str:
    """파일의 인코딩을 정합니다. 메모리는 파일의 크기와 상관없습니다.

    Args:
        chunks, again: 같은 파일의 바이트 조각들. UTF-8이 아니면 한 번 더 읽습니다.

    Raises:
        UnknownEncodingError: 증거가 모자라거나 지원하지 않는 인코딩일 때.
    """
    look, sample = _Utf8(), b""

    def watched() -> Iterator[bytes]:
        nonlocal sample
        for chunk in chunks:
            look.size += len(chunk)
            look.nuls += chunk.count(0)
            if len(sample) < _SAMPLE:
                sample += chunk
            yield chunk

    for text in decode(watched(), "utf-8"):
        if bom := next((bom for bom in BOMS if sample.startswith(bom)), None):
            return BOMS[bom]
        if not text.isascii():
            look.bad += len(_MARK.findall(text))
            look.wide += len(re.findall("[\u0800-\ud7ff\ue000-\U0010ffff]", text))
            look.narrow += len(re.findall("[\x80-\u07ff]", text))
            look.touching += len(_TOUCHING.findall(text))
            look.runs += len(re.findall("[\x80-\u07ff]{2}", text))
            if look.bad > 100_000 and look.wide * 10 < look.bad:
                break  # UTF-8이 아닌 것이 분명합니다
    if look.nuls * 100 > look.size:
        raise UnknownEncodingError(_with_nuls(sample))
    if not look.bad and not look.narrow + look.wide:
        _refuse_seven_bits(sample)
        return "utf-8"
    if not look.bad:
        _refuse_broken_twice(sample)
        if look.wide or look.touching * 2 >= look.narrow:
            return "utf-8"
    if look.bad and look.wide >= look.bad:
        return "utf-8"
    # 짧은 CP949 단어는 UTF-8로도 풀립니다("철책"은 "öå"). 그때는 한국어일 수만 있어도 묻습니다.
    korean = _is_korean(decode(again, "cp949"), 0.0 if look.runs and not look.bad else _ENOUGH_BITS)
    if not look.bad:
        if korean:
            raise UnknownEncodingError(
                "UTF-8로도 CP949로도 읽힙니다. encoding='cp949'나 encoding='utf-8'로 정해 주십시오."
            )
        return "utf-8"
    if korean:
        return "cp949"
    raise UnknownEncodingError(_likely(sample))


@cache
def _syllable_bits() -> tuple[dict[str, float], float]:
    """음절마다, 한국어에서 나올 확률이 아무 글자나 뽑을 확률의 몇 배인지(비트). 강의 말뭉치에서 셉니다. 뒤는 못 본 음절의 것입니다."""
    text = (files("labse_helpers") / "data" / "course.tsv").read_text(encoding="utf-8")
    counts = Counter("".join(line.split("\t")[3] for line in text.strip("\n").split("\n")[1:]))
    syllables = {syllable: n for syllable, n in counts.items() if "가" <= syllable <= "힣"}
    total = sum(syllables.values()) + 0.5 * 2_350  # 못 본 음절에도 조금씩 나눕니다(KS X 1001의 2,350자)

    def bits(n: int) -> float:
        return math.log2((n + 0.5) / total * _DOUBLE_BYTES)

    return {syllable: bits(n) for syllable, n in syllables.items()}, bits(0)


def _is_korean(pieces: Iterable[str], enough: float = _ENOUGH_BITS) -> bool:
    """한국어 글로 볼 증거가 ``enough``비트를 넘고, 풀 수 없는 바이트가 글자의 5 %를 넘지 않는지."""
    known, rare = _syllable_bits()
    bits, letters, bad = 0.0, 0, 0
    for piece in pieces:
        for character, n in Counter(piece).items():
            if "\udc00" <= character <= "\udcff":
                bad += n
            elif "가" <= character <= "힣":
                bits, letters = bits + n * known.get(character, rare), letters + n
            elif character > "\x7f" and unicodedata.category(character).startswith("L"):
                bits, letters = bits + n * _UNLIKELY, letters + n
    return bits > enough and bits >= _ENOUGH_MEAN * letters and bad * 20 <= letters


def _with_nuls(sample: bytes) -> str:
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        text = "".join(decode([sample[: len(sample) // 4 * 4]], encoding))
        usual = re.findall(r"[\t\r\n -~가-힣]", text)
        if len(usual) * 10 >= len(text) * 7:
            return _name(encoding)
    return "글이 아닌 파일(NUL이 많은 이진 파일)입니다. 글이나 표로 저장해 주십시오."


def _refuse_seven_bits(sample: bytes) -> None:
    """ASCII 바이트만으로 다른 글자를 적는 인코딩."""
    if b"\x1b$" in sample or (b"\x0e" in sample and b"\x0f" in sample):
        japanese = b"\x1b$B" in sample or b"\x1b$@" in sample
        raise UnknownEncodingError(_name("iso2022_jp" if japanese else "iso2022_kr"))
    if _HZ.search(sample):
        raise UnknownEncodingError(_name("hz"))
    if _UTF_7.search(sample) and _is_korean(decode([sample], "utf-7")):
        raise UnknownEncodingError(_name("utf-7"))


def _refuse_broken_twice(sample: bytes) -> None:
    """UTF-8을 다른 인코딩으로 잘못 읽어 다시 저장한 파일(``ê°€``)."""
    originals = {}
    for line in sample.decode("utf-8", "ignore").split("\n")[:1000]:
        if not line.isascii():
            broken = line.strip(" \t\r")
            with suppress(UnicodeError):
                originals[broken] = broken.translate(_WINDOWS).encode("latin-1").decode("utf-8")
    if _is_korean(originals.values()):
        broken, original = next(iter(originals.items()))
        raise UnknownEncodingError(
            f"글자가 깨진 채 저장되어 있습니다({broken[:10]!r}은(는) {original[:10]!r}이(가) 깨진 것입니다). 원래 파일을 쓰십시오."
        )


def _likely(sample: bytes) -> str:
    for encoding in ("johab", "utf-16-le", "utf-16-be", "cp949"):
        if _is_korean(decode([sample[:65_536]], encoding)):
            return _name(encoding)
    from charset_normalizer import from_bytes

    best = from_bytes(sample[:65_536]).best()
    return _name(best.encoding if best else "cp1252")


def _name(encoding: str) -> str:
    return (
        f"UTF-8이 아니고 {encoding}인 듯합니다. 맞으면 encoding={encoding!r}(명령줄은 --encoding {encoding})을 주고, "
        "아니면 UTF-8로 다시 저장해 주십시오."
    )
