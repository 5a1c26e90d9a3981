"""06장의 채점: 정밀도와 재현율, 이웃과 견준 점수, 서로를 고른 쌍, 기준값 고르기, 숫자 검문."""

import numpy as np

from .grading import Hint, as_array, call, call_on_arrays, close, compare, exercise, expect


@exercise(
    "6.1", praise="믿은 쌍이 얼마나 맞는지와 정답을 얼마나 찾았는지를 함께 보아야 캐기를 채점할 수 있습니다."
)
def grade_precision_recall(function):
    found = {(0, 0), (1, 2), (2, 2), (4, 5), (5, 4)}
    gold = {(0, 0), (2, 2), (3, 3), (4, 5), (6, 6), (7, 1), (8, 9)}
    answer = as_array(call(function, found, gold))
    expect(answer.shape == (3,), "수 셋을 (정밀도, 재현율, F1)의 차례로 돌려주십시오.")
    expect(
        (answer >= 0).all() and (answer <= 1).all(), "셋 다 0과 1 사이여야 합니다. 퍼센트로 바꾸지 마십시오."
    )
    precision, recall = 3 / 5, 3 / 7
    expect(
        not close(answer[:2], (recall, precision)),
        "앞의 둘이 바뀌었습니다. 정밀도는 믿은 쌍 가운데, 재현율은 정답 가운데 맞은 쌍의 비율입니다.",
    )
    compare(
        answer[0],
        precision,
        {
            "정밀도를 정답의 수로 나누었습니다. 믿은 쌍의 수로 나누십시오.": recall,
            "정밀도를 두 집합을 합친 것의 크기로 나누었습니다. 믿은 쌍의 수로 나누십시오.": 3 / 9,
            "원문의 번호만 맞아도 맞았다고 쳤습니다. 번역의 번호까지 같아야 합니다.": [4 / 5, 5 / 5],
        },
        "정밀도가 다릅니다. 두 집합에 모두 든 쌍을 세어, 믿은 쌍의 수로 나누십시오.",
    )
    compare(
        answer[1],
        recall,
        {"정밀도는 맞았습니다. 재현율은 믿은 쌍이 아니라 정답의 수로 나눕니다.": precision},
        "정밀도는 맞았습니다. 재현율은 맞은 쌍의 수를 정답의 수로 나눈 것입니다.",
    )
    compare(
        answer[2],
        2 * precision * recall / (precision + recall),
        {
            "앞의 둘은 맞았습니다. F1은 산술 평균이 아니라 조화 평균입니다.": (precision + recall) / 2,
            "앞의 둘은 맞았습니다. F1에서 2를 곱하는 것을 잊었습니다.": precision
            * recall
            / (precision + recall),
            "앞의 둘은 맞았습니다. 두 값을 곱하기만 했습니다. 조화 평균을 구하십시오.": precision * recall,
            "앞의 둘은 맞았습니다. F1은 둘 가운데 작은 값이 아닙니다.": recall,
        },
        "앞의 둘은 맞았습니다. F1은 두 값의 조화 평균, 곧 역수의 평균의 역수입니다.",
    )
    try:
        nothing = as_array(call(function, {(1, 1)}, gold))
    except Hint as hint:
        expect(
            not isinstance(hint.__cause__, ZeroDivisionError) and "NaN" not in str(hint),
            "맞은 쌍이 하나도 없을 때 0으로 나눕니다. 그때의 F1은 0입니다.",
        )
        raise
    expect(close(nothing, np.zeros(3)), "맞은 쌍이 하나도 없으면 셋 다 0이어야 합니다.")


@exercise("6.2", praise="같은 코사인이라도 이웃들이 두루 가까우면 깎이고, 홀로 가까우면 살아납니다.")
def grade_margin(function):
    cosine, source_near, target_near = (
        0.72,
        np.array([0.72, 0.5, 0.45, 0.41]),
        np.array([0.8, 0.72, 0.6, 0.2]),
    )
    mean = (source_near.mean() + target_near.mean()) / 2
    one, other = source_near.mean(), target_near.mean()
    middle = (np.median(source_near) + np.median(target_near)) / 2
    largest = (source_near.max() + target_near.max()) / 2
    for scoring, score in (("ratio", lambda m: cosine / m), ("distance", lambda m: cosine - m)):
        answer = as_array(call_on_arrays(function, cosine, source_near, target_near, scoring,
                                         broken="이웃 둘을 따로 평균하십시오. 이웃의 수가 서로 다를 수도 있습니다."), ())  # fmt: skip
        mistakes = {
            "코사인 그대로입니다. 이웃의 평균과 견주십시오.": cosine,
            "두 평균을 더하기만 했습니다. 둘의 평균을 쓰십시오.": score(one + other),
            "원문의 이웃하고만 견주었습니다. 번역의 이웃도 함께 보십시오.": score(one),
            "번역의 이웃하고만 견주었습니다. 원문의 이웃도 함께 보십시오.": score(other),
            "이웃의 평균이 아니라 합으로 견주었습니다.": [
                score(source_near.sum() + target_near.sum()),
                score((source_near.sum() + target_near.sum()) / 2),
            ],
            "가장 가까운 이웃 하나씩만 보았습니다. k개의 평균을 쓰십시오.": score(largest),
            "평균 대신 가운데 값을 썼습니다.": score(middle),
            "나누는 수와 나뉘는 수가 바뀌었습니다. 점수는 이웃보다 가까울수록 높아야 합니다.": mean / cosine,
            "빼는 차례가 바뀌었습니다. 점수는 이웃보다 가까울수록 높아야 합니다.": mean - cosine,
            "ratio와 distance가 바뀌었습니다. 앞의 것은 나누고 뒤의 것은 뺍니다.": (
                cosine - mean if scoring == "ratio" else cosine / mean
            ),
        }
        compare(
            answer, score(mean), mistakes, f"scoring이 {scoring!r}일 때의 값이 다릅니다. 종이에 써 보십시오."
        )


@exercise("6.3", praise="두 방향이 서로를 고른 쌍만 남으니, 수는 줄고 믿을 만해집니다.")
def grade_mutual(function):
    forward, backward = np.array([2, 0, 2, 4, 1, 0]), np.array([1, 3, 0, 5, 3])
    pairs = as_pairs(call(function, forward, backward))
    right = {(0, 2), (1, 0), (3, 4)}
    expect(pairs, "남은 쌍이 없습니다. 원문이 고른 번역이 다시 그 원문을 골랐는지 보십시오.")
    expect(pairs != {(j, i) for i, j in right}, "쌍의 차례가 바뀌었습니다. (원문의 번호, 번역의 번호)입니다.")
    expect(
        pairs != set(enumerate(forward.tolist())),
        "원문마다 고른 번역을 모두 남겼습니다. 번역도 그 원문을 골랐는지 확인하십시오.",
    )
    expect(
        pairs != {(i, j) for j, i in enumerate(backward.tolist())},
        "번역마다 고른 원문을 모두 남겼습니다. 원문도 그 번역을 골랐는지 확인하십시오.",
    )
    expect(
        pairs != {(i, j) for i, j in enumerate(forward.tolist()) if i == j},
        "번호가 같은 쌍을 남겼습니다. 캐기에서는 번호가 짝을 말해 주지 않습니다.",
    )
    expect(right <= pairs, "서로를 고른 쌍이 빠졌습니다. 원문의 수와 번역의 수가 다르다는 데 유의하십시오.")
    expect(pairs == right, "한쪽만 고른 쌍이 섞였습니다. backward[forward[i]]가 무엇인지 보십시오.")


@exercise("6.4", praise="정답을 아는 쪽에서 고른 기준값을, 이제 다른 쪽에서 채점하면 됩니다.")
def grade_threshold(function):
    scores = np.array([1.9, 1.7, 1.6, 1.5, 1.4, 1.3, 1.2, 1.1])
    right = np.array([True, True, False, True, True, False, False, True])
    n_gold = 6
    for shuffle in (slice(None), [3, 0, 7, 5, 1, 4, 2, 6]):
        answer = as_array(call(function, scores[shuffle], right[shuffle], n_gold), ())
        expect(not close(answer, 8 / 11), "F1의 값이 아니라, 그 F1이 나오는 점수를 돌려주십시오.")
        expect(
            answer >= 1,
            "점수의 기준값을 기다렸는데 점수들보다 훨씬 작은 수입니다. 번호나 비율을 돌려주지 않았는지 보십시오.",
        )
        expect(answer <= 1.7, "정밀도가 가장 높은 곳입니다. 찾지 못하고 남은 정답도 세어야 합니다.")
        expect(answer > 1.1, "재현율이 가장 높은 곳입니다. 틀린 쌍이 얼마나 섞이는지도 보아야 합니다.")
        expect(
            answer <= 1.4 or answer > 1.5,
            "한 칸이 모자랍니다. 기준값 이상인 쌍을 남기므로, 마지막으로 남길 쌍의 점수여야 합니다.",
        )
        expect(
            answer <= 1.4,
            "더 낮추면 F1이 오릅니다. 정답의 수는 n_gold이지, 찾은 쌍 가운데 맞은 것의 수가 아닙니다.",
        )
        expect(answer > 1.3, "너무 낮췄습니다. 거기서는 틀린 쌍이 더 들어와 F1이 내려갑니다.")


@exercise("6.5", praise="규칙은 벡터가 못 보는 것을 봅니다. 다만 도움이 되는지는 재어 보아야 압니다.")
def grade_numbers(function):
    cases = [
        ("701호 앞에 두었습니다.", "I left it outside 701.", True, "숫자가 같은 쌍을 내쳤습니다."),
        ("710호 앞에 두었습니다.", "I left it outside 701.", False, "숫자가 다른 쌍을 통과시켰습니다."),
        ("두 시에 만나요.", "Let's meet at two.", True, "숫자가 없는 쌍을 내쳤습니다."),
        ("밤 10시까지입니다.", "Until ten at night.", True,
         "한쪽에만 아라비아 숫자가 있는 쌍을 내쳤습니다. 다른 쪽은 낱말로 적었을 수 있습니다."),
        ("열 시까지입니다.", "Until 10 p.m.", True, "영어에만 아라비아 숫자가 있는 쌍을 내쳤습니다. 낱말로 적었을 수 있습니다."),
        ("30분 늦었습니다.", "I was 300 minutes late.", False,
         "30과 300을 같다고 보았습니다. 글자가 들어 있는지가 아니라 수가 같은지를 보십시오."),
        ("3호선을 타고 12번 출구로 나오세요.", "Take exit 12 from Line 3.", True, "차례가 바뀐 숫자를 내쳤습니다. 언어마다 어순이 다릅니다."),
        ("3호선을 타고 12번 출구로 나오세요.", "Take exit 21 from Line 3.", False, "숫자 둘 가운데 하나만 같은 쌍을 통과시켰습니다."),
        ("참가비는 5,000원입니다.", "The fee is 5000 won.", True, "5,000과 5000을 다르다고 보았습니다. 쉼표는 무시하십시오."),
    ]  # fmt: skip
    for ko, en, same, hint in cases:
        answer = call(function, ko, en)
        expect(
            isinstance(answer, (bool, np.bool_)),
            f"True나 False를 기다렸는데 {type(answer).__name__}형이 왔습니다.",
        )
        expect(answer == same, hint)


def as_pairs(answer: object) -> set[tuple[int, int]]:
    """쌍의 목록, 집합, (P, 2) 배열을 집합으로 바꿉니다."""
    wanted = "(원문의 번호, 번역의 번호) 쌍의 목록을 기다렸습니다."
    answer = sorted(answer) if isinstance(answer, (set, frozenset)) else answer
    if isinstance(answer, (list, tuple)) and len(answer) == 0:
        return set()
    try:
        table = as_array(list(answer) if isinstance(answer, zip) else answer)
    except Hint:
        raise Hint(wanted) from None
    expect(table.ndim == 2 and table.shape[1] == 2, wanted)
    return {(int(i), int(j)) for i, j in table}
