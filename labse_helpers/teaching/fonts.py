"""글꼴: 한글과 그 밖의 문자를 그릴 글꼴, 그리고 사용자의 글을 그림에 적는 규칙.

사용자의 글(이름표, 범례, 제목)은 글자 그대로 그립니다. ``$``가 있어도 수식이 아니고, 글꼴에 없는 글자는 □로 그리고 그렇다고
알립니다. matplotlib이 문자마다 글꼴을 고르는 순서는 :func:`families`입니다.
"""

import dataclasses
import importlib.util
import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib import font_manager
from matplotlib.text import Text

from ..errors import InputError
from .console import say

FONT = "NanumGothic"
SYMBOLS = "DejaVu Sans"  # matplotlib에 든 글꼴. 한글 글꼴에 없는 −, ↔ 같은 기호
NUMBERS = (FONT, SYMBOLS)  # 수를 적는 데 넉넉한 글꼴
# 나머지 문자의 글꼴이 든 휠과 그 안의 파일. 글꼴 파일만 씁니다. import는 하지 않습니다.
WHEELS = {
    "manimgx_fonts": "Noto*.ttf",  # 이모지, 아랍, 태국, 인도계 …
    "pylopdf_fonts_zh_cn": "NotoSansSC-Regular.otf",  # 한자 20,976자
}
PALETTE = "colorblind"
MAX_LABEL = 30  # 이름표에 적는 글자의 수. 더 길면 가운데를 줄입니다
NO_GLYPH = "□"
# 글꼴에 없어도 되는 문자: 앞뒤 글자의 모양이나 방향만 정하고 보이지 않습니다.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def use_korean_font() -> None:
    """matplotlib에 한글 글꼴(NanumGothic)과 뒷자리에서도 읽히는 글자 크기를 정합니다.

    몇 번을 불러도 됩니다. ``sns.set_theme()``으로 다른 모습이 되었어도 다시 부르면 한글이 나옵니다. 이모지, 한자, 태국어, 아랍어의
    글꼴도 설치되어 있으면 뒤에 잇습니다.

    Raises:
        InputError: 한글 글꼴이 설치되어 있지 않을 때.
    """
    names = families()
    sns.set_theme(style="whitegrid", context="talk", palette=PALETTE, font=FONT)
    plt.rcParams.update({"font.family": list(names), "figure.dpi": 80, "axes.titlepad": 12})


@cache
def _first_use() -> None:
    use_korean_font()


def ensure_korean_font() -> None:
    """그림을 그리기 전에 부릅니다: 처음이면 :func:`use_korean_font`, 다음부터는 글꼴만 되돌립니다.

    사용자가 그 사이에 고른 색과 크기는 그대로 둡니다.
    """
    _first_use()
    plt.rcParams["font.family"] = list(families())


@cache
def families() -> tuple[str, ...]:
    """글꼴을 등록하고 그 이름들을, 글자를 찾을 순서대로 돌려줍니다.

    Raises:
        InputError: 한글 글꼴이 설치되어 있지 않을 때. 나머지 글꼴은 없으면 빼고, 그 글자는 □가 됩니다.
    """
    korean = _files("koreanize_matplotlib", "fonts/*.ttf")
    if not korean:
        raise InputError("한글 글꼴이 없습니다. `pip install koreanize-matplotlib`로 설치해 주십시오.")
    for path in korean:
        font_manager.fontManager.addfont(path)
    others = [path for package, pattern in WHEELS.items() for path in _files(package, pattern)]
    return FONT, SYMBOLS, *dict.fromkeys(map(_register_for_every_weight, others))


def _register_for_every_weight(path: Path) -> str:
    """굵기가 하나뿐인 글꼴을 모든 굵기로 등록하고 이름을 돌려줍니다. 그러지 않으면 굵은 제목마다 경고가 나옵니다."""
    entry = font_manager.ttfFontProperty(font_manager.get_font(path))
    entries = [dataclasses.replace(entry, weight=weight) for weight in range(100, 1000, 100)]
    font_manager.fontManager.ttflist.extend(entries)
    font_manager.fontManager.addfont(path)
    return entry.name


def missing_wheels() -> list[str]:
    """설치되어 있지 않은 글꼴 휠의 이름(pip에 적는 이름)."""
    return [package.replace("_", "-") for package, pattern in WHEELS.items() if not _files(package, pattern)]


def _files(package: str, pattern: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    return sorted(Path(spec.origin).parent.glob(pattern)) if spec and spec.origin else []


@cache
def _family_of(character: str) -> str | None:
    """그 글자를 그릴 첫 글꼴. 없으면 None."""
    for name in families():
        if font_manager.get_font(font_manager.findfont(name)).get_char_index(ord(character)):
            return name
    return None


def can_draw(character: str) -> bool:
    """그 글자를 그릴 글꼴이 있거나, 본디 보이지 않는 문자이면 True."""
    return character == "\n" or bool(_UNSEEN.match(character)) or _family_of(character) is not None


def families_for(text: str) -> list[str]:
    """``text``를 그리는 데 필요한 글꼴들. 글꼴이 많을수록 그리는 데 오래 걸리므로 필요한 것만 고릅니다."""
    return list(dict.fromkeys([*NUMBERS, *filter(None, map(_family_of, text))]))


def drawable(text: object) -> str:
    """그릴 수 없는 글자를 □로 바꾼 글."""
    return "".join(character if can_draw(character) else NO_GLYPH for character in str(text))


def announce_missing(texts: Iterable[object]) -> None:
    """그릴 수 없어 □가 되는 글자가 있으면 한 줄로 알립니다. 어떤 콘솔에서도 읽히도록 글자 대신 코드와 이름을 적습니다."""
    missing = sorted({character for text in texts for character in str(text) if not can_draw(character)})
    if missing:
        names = [f"U+{ord(c):04X} {unicodedata.name(c, '')}".rstrip() for c in missing[:5]]
        rest = f" 외 {len(missing) - 5}자" if len(missing) > 5 else ""
        say(f"글꼴에 없는 글자를 {NO_GLYPH}로 그렸습니다: {', '.join(names)}{rest}")


def shorten(text: object, width: int = MAX_LABEL) -> str:
    """긴 이름표의 가운데를 줄입니다. 처음과 끝이 남으므로 앞만 같거나 뒤만 같은 문장들도 구별됩니다."""
    text = str(text)
    head = width // 2
    return text if len(text) <= width else f"{text[:head]}…{text[len(text) - (width - head - 1) :]}"


def as_plain(texts: Iterable[Text]) -> None:
    """그림에 놓인 글을 글자 그대로, 우리 글꼴로 그리게 합니다. ``$``는 수식의 시작이 아니라 ``$``입니다."""
    for text in texts:
        shown = drawable(text.get_text())
        text.set(text=shown, parse_math=False, family=families_for(shown))
