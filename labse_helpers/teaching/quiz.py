"""장 끝의 퀴즈: jupyterquiz로 보이되, 한글 파일을 어느 운영 체제에서나 읽고 출력이 실행마다 같게 합니다."""

import json
import random
from pathlib import Path

from jupyterquiz import display_quiz

from ..errors import InputError

QUIZZES = Path(__file__).parent / "quizzes"
COLORS = {  # 글과 바탕의 대비가 WCAG AA(4.5:1) 이상인 색
    "--jq-multiple-choice-bg": "#1f3a5f",
    "--jq-mc-button-bg": "#ffffff",
    "--jq-mc-button-border": "#8a8a8a",
    "--jq-mc-button-inset-shadow": "#555555",
    "--jq-incorrect-color": "#a40000",
    "--jq-correct-color": "#00661a",
    "--jq-text-color": "#ffffff",
}


def quiz_names() -> list[str]:
    """강의에 든 퀴즈의 이름들."""
    return sorted(path.stem for path in QUIZZES.glob("*.json"))


def show_quiz(quiz: str | Path) -> None:
    """누를 수 있는 퀴즈를 보입니다. 네트워크가 없어도, 어느 폴더에서 실행해도 됩니다.

    Args:
        quiz: 강의에 든 퀴즈의 이름(예: ``"01_architecture"``), 또는 스스로 쓴 jupyterquiz 형식의 JSON 파일의 경로.

    Raises:
        InputError: 그런 이름도 파일도 없거나, 파일이 퀴즈가 아닐 때.
    """
    path = QUIZZES / f"{quiz}.json" if str(quiz) in quiz_names() else Path(quiz)
    try:
        questions = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{quiz}: 퀴즈 파일을 읽을 수 없습니다({error}). 강의에 든 퀴즈의 이름은 {', '.join(quiz_names())}입니다."
        ) from error
    if not isinstance(questions, list) or not all(isinstance(q, dict) and "question" in q for q in questions):
        raise InputError(
            f'{quiz}: 퀴즈가 아닙니다. [{{"question": …, "answers": […]}}, …] 꼴의 JSON이어야 합니다.'
        )
    state = random.getstate()
    random.seed(str(quiz))  # 화면 요소의 이름이 실행마다 같아집니다
    try:
        display_quiz(questions, colors=COLORS, max_width=800)
    finally:
        random.setstate(state)
