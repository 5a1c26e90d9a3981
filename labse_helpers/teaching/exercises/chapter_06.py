"""06장의 채점: 비율에 맞는 방법, 이웃과 비교한 점수, 서로를 고른 쌍, 정밀도를 지키는 임곗값, 숫자 검사."""

import numpy as np

from .grading import Hint, as_array, call, call_on_arrays, compare, exercise, expect

METHODS = {
    "느슨하게": (0.95, 0.30),
    "알맞게": (0.85, 0.08),
    "엄격하게": (0.60, 0.02),
    "모두 버리기": (0.0, 0.0),
}
SHARES = {
    0.9: "느슨하게",
    0.5: "알맞게",
    0.03: "엄격하게",
}  # 짝이 있는 문장의 비율에서 F1이 가장 높은 방법으로


@exercise(
    "6.1", praise="같은 방법이라도 짝이 있는 문장의 비율에 따라 F1이 달라지므로, 고를 방법도 달라집니다."
)
def grade_method(function):
    rules = {
        "짝이 있는 문장에서 얼마나 찾는지만 보았습니다. 짝 없는 문장까지 믿으면 정밀도가 떨어집니다.": lambda share: "느슨하게",
        "짝 없는 문장을 얼마나 믿는지만 보았습니다. 찾지 못한 정답이 많아도 F1이 낮아집니다.": lambda share: "모두 버리기",
        "share에 따라 답이 달라져야 합니다. 맞은 쌍은 share × hit, 잘못 믿은 쌍은 (1 − share) × false_alarm입니다.":
            lambda share: "알맞게",
        "정밀도만 보았습니다. 찾지 못한 정답도 F1에 들어갑니다.": lambda share: "엄격하게",
        "정확도(맞게 판정한 문장의 비율)로 골랐습니다. 짝이 드물면 모두 버려도 정확도가 높습니다. F1으로 비교하십시오.":
            lambda share: max(METHODS, key=lambda name: _accuracy(*METHODS[name], share)),
        "짝이 있는 문장의 비율과 없는 문장의 비율이 바뀌었습니다. share는 짝이 있는 쪽입니다.":
            lambda share: max(METHODS, key=lambda name: _f1(*METHODS[name], 1 - share)),
        "재현율은 정답 가운데 찾아낸 비율이므로 hit 그대로입니다. share를 곱하지 않습니다.":
            lambda share: max(METHODS, key=lambda name: _f1_of_shrunk_recall(*METHODS[name], share)),
    }  # fmt: skip
    answers = {}
    for share in SHARES:
        try:
            answers[share] = call(function, METHODS, share)
        except Hint as hint:
            expect(
                not isinstance(hint.__cause__, ZeroDivisionError),
                "믿은 쌍이 하나도 없는 방법에서 0으로 나눕니다. F1을 한 번에 구하는 식을 쓰거나, 그때의 F1을 0으로 두십시오.",
            )
            raise
    expect(
        all(isinstance(answer, str) and answer in METHODS for answer in answers.values()),
        "방법의 이름(methods의 키)을 돌려주십시오. F1의 값이나 번호가 아닙니다.",
    )
    if answers != SHARES:
        for message, rule in rules.items():
            expect(answers != {share: rule(share) for share in SHARES}, message)
        wrong = next(share for share in SHARES if answers[share] != SHARES[share])
        raise Hint(
            f"share가 {wrong}일 때의 답이 다릅니다. 문장 1,000개를 놓고 네 방법의 F1을 손으로 구해 보십시오."
        )
    renamed = {f"방법 {i}": METHODS[name] for i, name in enumerate(reversed(METHODS), 1)}
    expect(
        all(METHODS[SHARES[share]] == renamed.get(call(function, renamed, share)) for share in SHARES),
        "방법의 이름과 순서가 바뀌니 답이 달라졌습니다. 정해 둔 이름을 돌려주지 말고 methods에서 고르십시오.",
    )


def _f1(hit: float, false_alarm: float, share: float) -> float:
    return 2 * share * hit / (share * hit + (1 - share) * false_alarm + share)


def _f1_of_shrunk_recall(hit: float, false_alarm: float, share: float) -> float:
    precision = share * hit / max(share * hit + (1 - share) * false_alarm, 1e-9)
    return 2 * precision * share * hit / max(precision + share * hit, 1e-9)


def _accuracy(hit: float, false_alarm: float, share: float) -> float:
    return share * hit + (1 - share) * (1 - false_alarm)


@exercise(
    "6.2", praise="같은 코사인이라도 이웃들이 모두 가까우면 점수가 낮아지고, 그 쌍만 가까우면 높아집니다."
)
def grade_margin(function):
    cosine, source_near, target_near = (
        0.72,
        np.array([0.72, 0.5, 0.45, 0.41]),
        np.array([0.8, 0.72, 0.6, 0.2]),
    )
    mean = (source_near.mean() + target_near.mean()) / 2
    one, other = source_near.mean(), target_near.mean()
    middle = (np.median(source_near) + np.median(target_near)) / 2
    without_first = (source_near[1:].mean() + target_near[1:].mean()) / 2
    largest = (source_near.max() + target_near.max()) / 2
    for scoring, score in (("ratio", lambda m: cosine / m), ("distance", lambda m: cosine - m)):
        answer = as_array(call_on_arrays(function, cosine, source_near, target_near, scoring,
                                         broken="이웃 둘을 따로 평균하십시오. 이웃의 수가 서로 다를 수도 있습니다."), ())  # fmt: skip
        ignoring = cosine / mean if scoring == "distance" else []  # ratio는 이미 맞았습니다
        mistakes = {
            "코사인 그대로입니다. 이웃의 평균과 비교하십시오.": cosine,
            "두 평균을 더하기만 했습니다. 둘의 평균을 쓰십시오.": score(one + other),
            "원문의 이웃하고만 비교했습니다. 번역의 이웃도 함께 보십시오.": score(one),
            "번역의 이웃하고만 비교했습니다. 원문의 이웃도 함께 보십시오.": score(other),
            "이웃의 평균이 아니라 합과 비교했습니다.": [
                score(source_near.sum() + target_near.sum()),
                score((source_near.sum() + target_near.sum()) / 2),
            ],
            "가장 가까운 이웃 하나씩만 보았습니다. k개의 평균을 쓰십시오.": score(largest),
            "평균 대신 중앙값을 썼습니다.": score(middle),
            "가장 가까운 이웃을 빼고 평균했습니다. 식은 가까운 k개를 모두 더합니다.": score(without_first),
            "나누는 수와 나뉘는 수가 바뀌었습니다. 점수는 이웃보다 가까울수록 높아야 합니다.": mean / cosine,
            "빼는 순서가 바뀌었습니다. 점수는 이웃보다 가까울수록 높아야 합니다.": mean - cosine,
            "scoring을 보지 않았습니다. ratio일 때와 distance일 때의 식이 다릅니다.": ignoring,
            "ratio와 distance가 바뀌었습니다. 앞의 것은 나누고 뒤의 것은 뺍니다.": (
                cosine - mean if scoring == "ratio" else cosine / mean
            ),
        }
        compare(
            answer,
            score(mean),
            mistakes,
            f"scoring이 {scoring!r}일 때의 값이 다릅니다. 식을 종이에 써 보십시오.",
        )


@exercise("6.3", praise="두 방향이 서로를 고른 쌍만 남기니 쌍의 수는 줄고 정밀도는 대개 오릅니다.")
def grade_mutual(function):
    forward, backward = np.array([2, 0, 2, 4, 1, 3, 3]), np.array([1, 3, 0, 6, 3])
    pairs = as_pairs(
        call_on_arrays(
            function, forward, backward,
            broken="forward와 backward는 길이가 달라 바로 비교할 수 없습니다. i가 고른 번역 forward[i]가 다시 i를 골랐는지, "
            "곧 backward[forward[i]]가 i인지 보십시오.",
        )
    )  # fmt: skip
    right = {(0, 2), (1, 0), (3, 4), (6, 3)}
    expect(pairs, "남은 쌍이 없습니다. 원문이 고른 번역이 다시 그 원문을 골랐는지 보십시오.")
    expect(pairs != {(j, i) for i, j in right}, "쌍의 순서가 바뀌었습니다. (원문의 번호, 번역의 번호)입니다.")
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
        "번호가 같은 쌍을 남겼습니다. 마이닝에서는 번호가 정답을 알려 주지 않습니다.",
    )
    expect(
        pairs != {(i, j) for i, j in right if i < len(backward)},
        "번역의 수만큼만 원문을 보았습니다. 원문 N개를 모두 보십시오. N과 M은 다를 수 있습니다.",
    )
    expect(right <= pairs, "서로를 고른 쌍이 빠졌습니다. 원문의 수와 번역의 수가 다르다는 데 유의하십시오.")
    expect(pairs == right, "한쪽만 고른 쌍이 섞였습니다. backward[forward[i]]가 무엇인지 보십시오.")
    fewer = as_pairs(call(function, np.array([4, 1]), np.array([0, 1, 1, 0, 0])))
    expect(
        fewer == {(0, 4), (1, 1)},
        "번역이 원문보다 많을 때의 답이 다릅니다. 번역의 번호는 M보다 작은 어느 수든 될 수 있습니다.",
    )


@exercise("6.4", praise="dev에서 지킨 정밀도가 test에서도 지켜지는지는 재어 보아야 압니다.")
def grade_precise_threshold(function):
    scores = np.array([1.9, 1.8, 1.7, 1.6, 1.5, 1.4, 1.3, 1.2, 1.1])
    right = np.array([True, False, True, True, True, False, False, True, False])
    # 위에서부터의 정밀도: 1, 1/2, 2/3, 3/4, 4/5, 4/6, 4/7, 5/8, 5/9
    for shuffle in (slice(None), [3, 0, 7, 5, 8, 1, 4, 2, 6]):
        for target, above, threshold in ((0.75, 1.4, 1.5), (0.8, 1.4, 1.5), (0.6, 1.1, 1.2), (0.9, 1.8, 1.9)):
            answer = _threshold(function, scores[shuffle], right[shuffle], target)
            expect(
                answer > 1.0,
                "점수의 임곗값을 기다렸는데 점수들보다 작은 수입니다. 번호나 정밀도를 돌려주지 않았는지 보십시오.",
            )
            expect(
                answer <= 1.9,
                f"정밀도가 {target} 이상인 임곗값이 있는데 모두 버렸습니다. 정밀도가 목표와 같은 것도 됩니다.",
            )
            if above < answer <= threshold:
                continue
            expect(
                target != 0.8 or answer <= 1.8,
                "정밀도가 목표와 꼭 같은 곳도 됩니다. 목표 ‘이상’입니다.",
            )
            expect(
                shuffle == slice(None),
                "점수가 높은 순서로 넣으면 맞는데 섞어 넣으면 다릅니다. 먼저 점수의 순서로 늘어놓고, right도 같은 순서로 옮기십시오.",
            )
            if answer > max(threshold, 1.8):
                steady = _threshold(function, np.array([1.9, 1.8, 1.7]), np.array([True, True, False]), 0.9)
                expect(
                    steady <= 1.8,
                    "목표를 지키는 임곗값 가운데 가장 높은 것을 골랐습니다. 가장 많은 쌍을 믿는 것은 가장 낮은 것입니다.",
                )
                raise Hint(
                    "정밀도가 처음 떨어진 곳에서 멈추었습니다. 더 낮추면 다시 목표를 넘을 수 있으니 끝까지 보십시오."
                )
            expect(
                answer <= threshold,
                "목표를 지키면서 임곗값을 더 낮출 수 있습니다. 믿는 쌍이 가장 많은 곳을 고르십시오.",
            )
            expect(
                not above - 0.1 < answer <= above,
                "한 쌍을 더 믿었습니다. 점수가 임곗값과 같은 쌍도 믿는 쌍에 듭니다.",
            )
            raise Hint(
                "너무 낮추었습니다. 임곗값 이상인 쌍 가운데 맞은 쌍의 비율이 목표보다 낮습니다. 재현율과 혼동하지 않았는지 보십시오."
            )
    tied = _threshold(function, np.array([2.0, 1.5, 1.5, 1.0]), np.array([True, True, False, False]), 0.9)
    expect(
        1.5 < tied <= 2.0,
        "점수가 같은 쌍을 나누었습니다. 임곗값 이상이면 같은 점수의 쌍은 모두 믿게 됩니다.",
    )
    scores, right = np.array([2.0, 1.5, 1.0]), np.array([False, True, False])
    try:
        hopeless = _threshold(function, scores, right, 0.9)
    except Hint as hint:
        raise Hint(
            "어느 임곗값도 목표를 지키지 못하는 경우에서 오류가 났습니다. 빈 것의 min이나 max를 구하지 않았는지 보고, 그때는 np.inf를 돌려주십시오."
            if hint.__cause__
            else "어느 임곗값도 목표를 지키지 못하면 None이 아니라 np.inf를 돌려주십시오."
        ) from hint
    expect(
        hopeless == np.inf,
        "어느 임곗값도 목표를 지키지 못하면 np.inf를 돌려주십시오. 아무것도 믿지 않는다는 뜻입니다.",
    )


def _threshold(function: object, *args: object) -> float:
    """임곗값 하나. 무한대도 답이 됩니다."""
    answer = call_on_arrays(
        function, *args, broken="배열의 길이가 맞지 않습니다. scores와 right는 P개씩입니다."
    )
    if isinstance(answer, (float, np.floating)) and answer == np.inf:
        return np.inf
    return float(as_array(answer, ()))


@exercise("6.5", praise="규칙은 임베딩이 놓치는 것을 찾을 수 있습니다. 도움이 되는지는 재어 보아야 압니다.")
def grade_numbers(function):
    cases = [
        ("701호 앞에 두었습니다.", "I left it outside 701.", True, "숫자가 같은 쌍을 제외했습니다."),
        ("46쪽을 펴세요.", "Turn to page 45.", False, "숫자가 다른 쌍을 통과시켰습니다."),
        ("710호 앞에 두었습니다.", "I left it outside 701.", False,
         "710과 701을 같다고 보았습니다. 숫자를 한 글자씩 보지 말고 이어진 것을 한 수로 보십시오."),
        ("2층 7호실입니다.", "It is room 6 on floor 3.", False, "합이 같은 수들을 통과시켰습니다. 수를 하나씩 비교하십시오."),
        ("두 시에 만나요.", "Let's meet at two.", True, "숫자가 없는 쌍을 제외했습니다."),
        ("밤 10시까지입니다.", "Until ten at night.", True,
         "한쪽에만 아라비아 숫자가 있는 쌍을 제외했습니다. 다른 쪽은 단어로 적었을 수 있습니다."),
        ("열 시까지입니다.", "Until 10 p.m.", True, "영어에만 아라비아 숫자가 있는 쌍을 제외했습니다. 단어로 적었을 수 있습니다."),
        ("30분 늦었습니다.", "I was 300 minutes late.", False,
         "30과 300을 같다고 보았습니다. 글자가 들어 있는지가 아니라 수가 같은지를 보십시오."),
        ("3호선을 타고 12번 출구로 나오세요.", "Take exit 12 from Line 3.", True, "순서가 바뀐 숫자를 제외했습니다. 언어마다 어순이 다릅니다."),
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
