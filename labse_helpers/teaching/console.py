"""콘솔에 적기: 어떤 인코딩의 콘솔에서도 출력이 오류로 사라지지 않습니다."""

import sys

# 윈도우의 cp949 콘솔처럼 좁은 인코딩에 없는 글자와 그 대신 적을 글자.
_PLAIN = str.maketrans({"✓": "O", "✗": "X", "…": "...", "–": "-", "−": "-", "█": "#"})


def say(text: str) -> None:
    """한 줄을 출력합니다. 콘솔의 인코딩에 없는 글자는 비슷한 글자나 ``\\uXXXX``로 적습니다. ``✓``는 O, ``✗``는 X입니다."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    print(text)
