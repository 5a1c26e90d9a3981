"""장 끝의 퀴즈: jupyterquiz로 보이되, 한글 파일을 어느 운영 체제에서나 읽고 출력이 실행마다 같게 합니다."""

import json
import random
from pathlib import Path

from jupyterquiz import display_quiz

from ..errors import InputError

COLORS = {  # 글과 바탕의 대비가 WCAG AA(4.5:1) 이상인 색
    "--jq-multiple-choice-bg": "#1f3a5f",
    "--jq-mc-button-bg": "#ffffff",
    "--jq-mc-button-border": "#8a8a8a",
    "--jq-mc-button-inset-shadow": "#555555",
    "--jq-incorrect-color": "#a40000",
    "--jq-correct-color": "#00661a",
    "--jq-text-color": "#ffffff",
}


def show_quiz(path: str | Path) -> None:
    """JSON 파일의 문제를 누를 수 있는 퀴즈로 보입니다. 네트워크가 없어도 됩니다.

    Args:
        path: jupyterquiz 형식의 JSON. 예: ``"quizzes/01_architecture.json"``.

    Raises:
        InputError: 파일이 없거나 JSON이 아닐 때.
    """
    try:
        questions = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: 퀴즈 파일을 읽을 수 없습니다({error}).") from error
    state = random.getstate()
    random.seed(str(path))  # 화면 요소의 이름이 실행마다 같아집니다
    try:
        display_quiz(questions, colors=COLORS, max_width=800)
    finally:
        random.setstate(state)
