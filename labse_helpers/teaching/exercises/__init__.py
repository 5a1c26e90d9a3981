"""연습의 답을 그 자리에서 살핍니다: 맞았는지, 아니면 무엇이 어긋났는지.

장마다 파일 하나(``chapter_01.py`` …)에 채점 함수가 있습니다. 채점 함수는 흔한 오답을 하나씩 알아보고 힌트만 줄 뿐,
답을 보여 주지 않습니다.
"""

from ..console import say
from .grading import Verdict, judge

__all__ = ["Verdict", "check", "judge"]


def check(number: str, answer: object, **given: object) -> None:
    """연습 ``number``의 답을 살펴 결과를 한국어로 출력합니다. 무엇을 넣어도, 어떤 콘솔에서도 오류를 내지 않습니다.

    Args:
        number: 연습의 번호. 예: ``"2.1"``.
        answer: 학생의 답. 연습에 따라 수, 배열, 텐서, 목록 또는 함수입니다. ``...``이나 ``None``은 아직 답하지 않은 것입니다.
        given: 그 연습이 함께 받는 것(셀에 적혀 있습니다). 예: ``model=model``.
    """
    say(str(judge(number, answer, **given)))
