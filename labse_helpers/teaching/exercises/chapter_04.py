"""04장의 채점: 코사인 행렬, AUC, 정밀도와 재현율, 임곗값 고르기, 같은 뜻보다 가까운 반대 뜻."""

import difflib
import re
import unicodedata
from collections.abc import Callable

import numpy as np

from ...corpora import load_challenge
from .grading import Hint, as_array, call, call_on_arrays, close, compare, exercise, expect

MAX_CHANGED_WORDS = 2  # 4.5에서 두 문장이 달라도 되는 어절의 수
MIN_WORDS = 2


@exercise("4.1", praise="길이가 제각각인 벡터라도 모든 쌍의 코사인을 행렬곱 한 번으로 구할 수 있습니다.")
def grade_cosine_matrix(function):
    x = np.array([[3.0, 4.0, 0.0, 1.0], [1.0, -2.0, 2.0, 0.5], [0.2, 0.1, 0.7, -0.4]])
    y = np.array([[2.0, 1.0, -1.0, 3.0], [0.0, 0.5, 1.5, 0.5], [-4.0, 2.0, 0.3, 1.0],
                  [1.0, 1.0, 6.0, -2.0], [0.3, 0.9, -0.2, 0.8]])  # fmt: skip
    broken = "모양이 맞지 않는 계산이 있습니다. 곱하거나 나누는 두 배열의 모양을 먼저 출력해 보십시오."
    dot = x @ y.T
    nx, ny = np.linalg.norm(x, axis=1, keepdims=True), np.linalg.norm(y, axis=1, keepdims=True)
    cosine = dot / (nx * ny.T)

    first = as_array(call_on_arrays(function, x, y[:3], broken=broken))  # 문장 수가 같을 때
    expect(
        not (close(first, cosine.diagonal()) or close(first, dot.diagonal())),
        "같은 번호끼리만 비교했습니다. x의 모든 행과 y의 모든 행을 한 번씩 비교해야 합니다.",
    )
    unequal = (
        "x와 y의 문장 수가 다르면 오류가 납니다. 행마다의 길이가 (N, M)의 어느 축에 맞아야 하는지 보십시오."
    )
    answer = as_array(call_on_arrays(function, x, y, broken=unequal))
    expect(
        answer.shape != (5, 3),
        "행과 열이 바뀌었습니다. i행 j열은 x의 i번째 행과 y의 j번째 행을 비교한 값입니다.",
    )
    expect(
        answer.shape == (3, 5),
        f"x가 (3, 4), y가 (5, 4)이면 답은 (3, 5)여야 하는데 모양이 {answer.shape}입니다. 어느 축으로 더했는지 보십시오.",
    )

    shifted = [m - m.mean(axis=1, keepdims=True) for m in (x, y)]
    centered = np.corrcoef(*shifted)[:3, 3:]
    by_column = (x / np.linalg.norm(x, axis=0)) @ (y / np.linalg.norm(y, axis=0)).T
    mistakes = {
        "내적까지는 맞습니다. 이 벡터들은 길이가 1이 아니므로 길이의 영향을 마저 없애야 합니다.": dot,
        "한쪽의 길이만 나누었습니다. 1절의 식에서 분모를 다시 보십시오.": [dot / nx, dot / ny.T],
        "길이를 잘못된 축으로 구했습니다. 벡터 하나는 한 열이 아니라 한 행입니다.": by_column,
        "행렬 전체의 길이 하나로 나누었습니다. 길이는 행마다 따로 구해야 합니다.": [
            dot / (np.linalg.norm(x) * np.linalg.norm(y)),
            dot / np.linalg.norm(dot),
        ],
        "길이의 제곱으로 나눈 듯합니다. 제곱을 더한 다음에 할 일이 하나 남았습니다.": dot / (nx * ny.T) ** 2,
        "행마다 수의 합(또는 절댓값의 합)으로 나누었습니다. 벡터의 길이는 제곱합에서 나옵니다.": [
            dot / (x.sum(1, keepdims=True) * y.sum(1)),
            dot / (np.abs(x).sum(1, keepdims=True) * np.abs(y).sum(1)),
        ],
        "행마다 평균을 뺀 상관계수를 구했습니다. 코사인에서는 평균을 빼지 않습니다.": centered,
        "음수를 없앴습니다. 방향이 반대인 두 벡터의 코사인은 음수여야 합니다.": [
            np.maximum(cosine, 0),
            np.abs(cosine),
        ],
        "가까울수록 값이 작아집니다. 유사도가 아니라 거리를 구한 것은 아닌지 보십시오.": [
            1 - cosine,
            np.linalg.norm(x[:, None] - y, axis=2),
        ],
    }
    otherwise = (
        "모양은 맞지만 값이 다릅니다. 행 하나와 행 하나를 골라 1절의 식대로 구한 값과 비교해 보십시오."
    )
    compare(answer, cosine, mistakes, otherwise)


@exercise(
    "4.2",
    praise="AUC는 정답 쌍과 오답 쌍의 모든 비교에서 정답 쌍의 점수가 더 높은 비율이고, 같으면 반으로 셉니다.",
)
def grade_auc(function):
    broken = "정답 쌍과 오답 쌍의 수가 다르면 오류가 납니다. 빠짐없이 비교하려면 두 배열을 어떤 모양으로 두어야 합니까?"
    data = [
        ([0.9, 0.6, 0.5, 0.5], [0.6, 0.5, 0.4, 0.7, 0.1, 0.3, 0.2]),
        ([0.2, 0.8, 0.8, 0.35, 0.6], [0.35, 0.3, 0.8, 0.1]),
    ]
    for positives, negatives in data:
        p, n = np.array(positives), np.array(negatives)
        answer = as_array(call_on_arrays(function, p, n, broken=broken), ())
        again = as_array(call_on_arrays(function, p, n, broken=broken), ())
        expect(
            close(answer, again),
            "부를 때마다 값이 다릅니다. 무작위로 뽑지 말고 빠짐없이 한 번씩 비교하십시오.",
        )

        duels = p[:, None] - n  # (P, N)
        win, tie = (duels > 0).mean(), (duels == 0).mean()
        right = win + tie / 2
        same_number = p[: len(n)] - n[: len(p)]
        cuts = [0.5, (p.mean() + n.mean()) / 2]
        mistakes = {
            "점수가 같은 비교를 빠뜨렸습니다. 같으면 몇 점을 주기로 했습니까?": win,
            "점수가 같은 비교에 1점을 주었습니다. 같으면 몇 점을 주기로 했습니까?": win + tie,
            "점수가 같은 비교를 분모에서도 뺐습니다. 분모는 모든 비교의 수입니다.": win / (1 - tie),
            "방향이 거꾸로입니다. 정답 쌍의 점수가 높은 경우를 세십시오.": [1 - right, 1 - win - tie],
            "개수를 셌습니다. 비율이 되려면 무엇으로 나누어야 합니까?": [
                right * duels.size,
                win * duels.size,
                (win + tie) * duels.size,
            ],
            "같은 번호끼리만 비교했습니다. 정답 쌍 하나를 모든 오답 쌍과 한 번씩 비교해야 합니다.": [
                (same_number > 0).mean(),
                (same_number >= 0).mean(),
                (same_number > 0).mean() + (same_number == 0).mean() / 2,
            ],
            "평균끼리 비교했습니다. 평균을 내기 전에 점수 하나하나를 비교하십시오.": [
                float(p.mean() > n.mean()),
                p.mean() - n.mean(),
            ],
            "정답 쌍의 점수를 하나로 줄여서 비교했습니다. 정답 쌍도 하나하나 비교해야 합니다.": [
                (np.mean(p) > n).mean(),
                (np.median(p) > n).mean(),
                (p.max() > n).mean(),
            ],
            "가장 높은 오답 쌍과만 비교했습니다. 모든 오답 쌍과 비교해야 합니다.": [
                (p > n.max()).mean(),
                (p >= n.max()).mean(),
            ],
            "임곗값을 정해 맞힌 비율을 구했습니다. AUC에는 임곗값이 없습니다.": [
                ((p >= cut).sum() + (n < cut).sum()) / (len(p) + len(n)) for cut in cuts
            ],
            "백분율로 바꾸었습니다. 0과 1 사이의 비율을 그대로 돌려주십시오.": 100 * right,
        }
        nearly = abs(float(answer) - right) < 0.03
        otherwise = (
            "거의 같지만 꼭 같지는 않습니다. 무작위로 뽑지 말고 빠짐없이 한 번씩 세십시오."
            if nearly
            else "값이 다릅니다. 정답 쌍과 오답 쌍의 점수를 둘씩 만들어, 네 번의 비교를 종이에 적은 것과 맞추어 보십시오."
        )
        compare(answer, right, mistakes, otherwise)


@exercise(
    "4.3", praise="재현율은 정답 쌍을 얼마나 남겼는지, 정밀도는 남긴 것을 얼마나 믿을 수 있는지를 말합니다."
)
def grade_precision_recall(function):
    data = [
        (
            [0.82, 0.74, 0.6, 0.41, 0.35, 0.5],
            [0.77, 0.6, 0.66, 0.3, 0.63, 0.22, 0.18, 0.11, 0.05, 0.02, 0.41],
            0.6,
        ),
        ([0.9, 0.5, 0.48], [0.7, 0.2, 0.1, 0.0, -0.1, 0.52, 0.3], 0.48),
    ]
    for positives, negatives, threshold in data:
        p, n = np.array(positives), np.array(negatives)
        answer = as_array(call(function, p, n, threshold))
        expect(answer.shape == (2,), "정밀도와 재현율, 두 수를 이 순서로 돌려주십시오.")
        kept, false = int((p >= threshold).sum()), int((n >= threshold).sum())
        over, over_false = int((p > threshold).sum()), int((n > threshold).sum())
        precision, recall = kept / (kept + false), kept / len(p)
        fall_out = false / len(n)
        size = len(p) + len(n)
        mistakes = {
            "두 값의 순서가 바뀌었습니다. 정밀도가 먼저입니다.": (recall, precision),
            "임곗값과 꼭 같은 점수를 버렸습니다. ‘이상’은 어떤 부등호입니까?": (
                over / (over + over_false),
                over / len(p),
            ),
            "임곗값보다 낮은 것을 남겼습니다. 부등호의 방향을 보십시오.": [
                (
                    (len(p) - kept) / max(1, size - kept - false),
                    (len(p) - kept) / len(p),
                ),
                (
                    (p <= threshold).sum() / ((p <= threshold).sum() + (n <= threshold).sum()),
                    (p <= threshold).mean(),
                ),
            ],
            "정밀도의 분모가 다릅니다. 정밀도는 ‘남긴 것’ 가운데 정답 쌍의 비율입니다.": [
                (kept / size, recall),
                (kept / len(n), recall),
                (recall, recall),
            ],
            "정밀도 자리에 오답 쌍 가운데의 비율을 넣었습니다. 정밀도의 분모에는 남긴 정답 쌍도 들어갑니다.": [
                (fall_out, recall),
                (1 - fall_out, recall),
            ],
            "비율을 더해서 나누었습니다. 정답 쌍과 오답 쌍의 수가 다르므로 비율이 아니라 개수를 더해야 합니다.": (
                recall / (recall + fall_out),
                recall,
            ),
            "정밀도는 맞았습니다. 재현율의 분모는 남긴 것이 아니라 모든 정답 쌍입니다.": [
                (precision, kept / size),
                (precision, precision),
                (precision, (kept + false) / size),
                (precision, kept / len(n)),
            ],
            "정밀도 대신 정확도(맞게 가려낸 비율)를 구했습니다. 버린 것은 세지 않습니다.": (
                (kept + len(n) - false) / size,
                recall,
            ),
            "정밀도는 맞았습니다. 두 번째 값은 F1이 아니라 재현율입니다.": (
                precision,
                2 * kept / (kept + false + len(p)),
            ),
            "백분율로 바꾸었습니다. 0과 1 사이의 비율을 그대로 돌려주십시오.": (
                100 * precision,
                100 * recall,
            ),
            "개수를 돌려주었습니다. 저마다 무엇으로 나누어야 비율이 됩니까?": [
                (kept, false),
                (kept, kept),
                (kept + false, kept),
            ],
        }
        mistakes = {
            hint: [np.array(value) for value in (values if isinstance(values, list) else [values])]
            for hint, values in mistakes.items()
        }
        if close(answer[1], recall):
            otherwise = "재현율은 맞았습니다. 정밀도에서 임곗값을 넘은 오답 쌍이 어디에 들어가는지 보십시오."
        elif close(answer[0], precision):
            otherwise = "정밀도는 맞았습니다. 재현율은 모든 정답 쌍 가운데 남긴 것의 비율입니다."
        elif close(answer[0], recall):
            otherwise = "첫 값은 재현율입니다. 정밀도가 먼저이고, 그 분모는 통과한 쌍 모두입니다."
        else:
            otherwise = "둘 다 다릅니다. 임곗값을 넘은 정답 쌍과 오답 쌍을 먼저 따로 세어 보십시오."
        compare(answer, np.array([precision, recall]), mistakes, otherwise)

    nothing = "통과한 쌍이 하나도 없으면 0으로 나누게 됩니다. 그때의 정밀도를 어떻게 하기로 했습니까?"
    try:
        answer = as_array(call(function, np.array([0.3, 0.2]), np.array([0.1, 0.4, 0.0]), 0.9), (2,))
    except Hint as hint:
        raise Hint(nothing) from hint
    compare(
        answer,
        np.zeros(2),
        {
            "통과한 쌍이 하나도 없을 때의 정밀도를 1로 두었습니다. 지문에서 정한 값을 보십시오.": np.array(
                [1.0, 0.0]
            )
        },
        "통과한 쌍이 하나도 없을 때의 값이 다릅니다. 정밀도도 재현율도 0이어야 합니다.",
    )


def f1_of(kept: np.ndarray, labels: np.ndarray) -> float:
    """남긴 것 (N,)과 정답 (N,)의 F1."""
    return 2 * (kept & labels).sum() / max(1, kept.sum() + labels.sum())


def best_threshold(
    scores: np.ndarray, labels: np.ndarray, merit: Callable = f1_of, keeps: Callable = np.greater_equal
) -> float:
    """``scores`` 가운데 ``merit``가 가장 큰 임곗값. 같으면 가장 작은 것입니다."""
    candidates = np.unique(scores)
    return float(candidates[np.argmax([merit(keeps(scores, t), labels) for t in candidates])])


@exercise(
    "4.4", praise="임곗값을 고를 때 쓰지 않은 데이터로 평가해야 처음 보는 글에서의 성능을 알 수 있습니다."
)
def grade_choose_threshold(function):
    dev_scores = np.array([0.76, 0.35, 0.17, 0.12, 0.47, 0.28, 0.64, 0.58, 0.55, 0.44, 0.83, 0.39, 0.69, 0.06,
                           0.22, 0.31, 0.52])  # fmt: skip
    dev_labels = np.array([0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0], dtype=bool)
    test_scores = np.array([0.8, 0.14, 0.43, 0.71, 0.57, 0.49, 0.26, 0.2, 0.38, 0.41, 0.33, 0.53, 0.51, 0.62])
    test_labels = np.array([1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1], dtype=bool)
    dev, test = (dev_scores, dev_labels), (test_scores, test_labels)
    broken = "모양이 맞지 않는 계산이 있습니다. 개발용 점수를 평가용 정답과 비교하지 않았는지 보십시오."
    answer = as_array(call_on_arrays(function, *dev, *test, broken=broken))
    expect(answer.shape == (2,), "고른 임곗값과 평가용 데이터의 F1, 두 수를 이 순서로 돌려주십시오.")
    threshold, merit = answer

    def f1_at(t, scores, labels):
        return f1_of(scores >= t, labels)

    def accuracy(kept, labels):
        return (kept == labels).mean()

    best = best_threshold(*dev)
    on_test = f1_at(best, *test)
    if close(threshold, best):
        hints = {
            "임곗값을 고른 데이터로 평가했습니다. 고를 때 보지 않은 데이터로 평가하십시오.": f1_at(
                best, *dev
            ),
            "임곗값은 맞았습니다. 그런데 평가용 데이터에서 임곗값을 다시 골랐습니다. 고른 임곗값을 그대로 쓰십시오.": f1_at(
                best_threshold(*test), *test
            ),
            "임곗값은 맞았습니다. 두 번째 값은 정확도가 아니라 평가용 데이터의 F1입니다.": [
                accuracy(test_scores >= best, test_labels),
                accuracy(dev_scores >= best, dev_labels),
            ],
            "임곗값은 맞았습니다. 평가용 점수를 임곗값과 비교하는 부등호를 보십시오.": [
                f1_of(test_scores < best, test_labels),
                f1_of(test_scores <= best, test_labels),
            ],
            "임곗값은 맞았습니다. 두 번째 값은 F1인데 정밀도나 재현율만 구했습니다.": [
                (test_scores[test_labels] >= best).mean(),
                test_labels[test_scores >= best].mean(),
            ],
        }
        compare(
            merit,
            on_test,
            hints,
            "임곗값은 맞았습니다. 그 값을 바꾸지 말고 평가용 데이터의 F1을 구하십시오.",
        )
        return

    expect(
        not close(merit, best),
        "두 값의 순서가 바뀌었습니다. 임곗값이 먼저입니다.",
    )
    both = np.concatenate([dev_scores, test_scores]), np.concatenate([dev_labels, test_labels])
    midpoint = (dev_scores[dev_labels].mean() + dev_scores[~dev_labels].mean()) / 2
    lowest_positive, highest_negative = dev_scores[dev_labels].min(), dev_scores[~dev_labels].max()
    for keeps in (np.less, np.less_equal):
        below = best_threshold(*dev, keeps=keeps)
        reversed_answer = np.array([below, f1_of(keeps(test_scores, below), test_labels)])
        expect(
            not close(answer, reversed_answer),
            "방향이 거꾸로입니다. 점수가 임곗값 이상이면 정답 쌍으로 봅니다.",
        )
    number = threshold == np.round(threshold) and 0 <= threshold < len(dev_scores)
    expect(not number, "임곗값이 아니라 후보의 번호인 듯합니다. 그 번호의 점수를 꺼내십시오.")
    hints = {
        "평가용 데이터를 보고 임곗값을 골랐습니다. 평가용 데이터는 마지막에 한 번만 쓰십시오.": best_threshold(
            *test
        ),
        "두 데이터를 합쳐 임곗값을 골랐습니다. 고를 때는 평가용 데이터를 보지 마십시오.": best_threshold(
            *both
        ),
        "정확도가 가장 큰 임곗값을 골랐습니다. 정답 쌍이 드물 때 정확도는 모두 버리기만 해도 높으니 F1을 비교하십시오.": best_threshold(
            *dev, accuracy
        ),
        "F1이 가장 작은 임곗값을 골랐습니다. 가장 큰 것을 골라야 합니다.": best_threshold(
            *dev, lambda kept, labels: -f1_of(kept, labels)
        ),
        "임곗값과 꼭 같은 점수를 버리고 골랐습니다. ‘이상’은 어떤 부등호입니까?": best_threshold(
            *dev, keeps=np.greater
        ),
        "두 평균의 가운데를 임곗값으로 삼았습니다. 후보마다 F1을 구해 비교해야 합니다.": midpoint,
        "재현율만 보고 골랐습니다. 정답 쌍을 모두 남겨도 오답 쌍이 많이 섞이면 F1은 낮습니다.": list(
            dev_scores[dev_scores <= lowest_positive]
        ),
        "정밀도만 보고 골랐습니다. 확실한 것만 남기면 놓치는 정답 쌍이 많습니다.": list(
            dev_scores[dev_scores > highest_negative]
        ),
        "임곗값 대신 가장 큰 F1을 돌려주었습니다. F1이 가장 클 때의 점수가 임곗값입니다.": f1_at(best, *dev),
    }
    in_dev = np.isclose(dev_scores, threshold).any()
    otherwise = (
        "개발용 데이터에서 F1이 가장 큰 점수가 아닙니다. 후보마다 F1을 출력해 보십시오."
        if in_dev
        else f"고른 임곗값 {threshold:.4g}: 개발용 점수에 없는 값입니다. 임곗값의 후보는 개발용 점수들입니다."
    )
    compare(threshold, best, hints, otherwise)


def letters_only(sentence: str) -> str:
    """글자와 숫자만 남긴 문장. 띄어쓰기와 문장 부호만 다른 두 문장은 같아집니다."""
    return re.sub(r"[\W_]", "", sentence)


def words_of(sentence: str) -> list[str]:
    """문장 부호를 뺀 어절들."""
    return re.sub(r"[^\w\s]", "", sentence).split()


def n_changed_words(first: str, second: str) -> int:
    """한 문장을 다른 문장으로 고치려면 바꾸거나 넣거나 빼야 하는 어절의 수."""
    before, after = words_of(first), words_of(second)
    steps = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return sum(max(i2 - i1, j2 - j1) for step, i1, i2, j1, j2 in steps if step != "equal")


def jamo(text: str) -> str:
    return unicodedata.normalize("NFD", text)


NEGATION = re.compile(
    r"안|못|못[하했한해합할].*|않.*|없.*|아니.*|아닌.*|아닙.*|아닐.*|말[고아라자]?|마[라요]?|마[세십].*|.*지(마|말).*"
)
# 끝의 ㄴ·ㅂ·ㅆ은 앞 글자의 받침입니다. 어미를 떼면 어간이 남습니다: 먹었습니다 → 먹었 → 먹
ENDINGS = [
    jamo(ending)
    for ending in (
        *("습니다", "습니까", "니다", "니까", "ᆸ니다", "ᆸ니까", "십시오", "ᆸ시오", "ᆸ시다", "시다", "세요", "에요", "예요"),
        *("는다", "ᆫ다", "다", "어요", "아요", "여요", "요", "어", "아", "여", "지", "죠", "네", "군", "니", "냐", "나", "자"),
        *("어라", "아라", "거라", "라", "는구나", "구나", "ᆯ게", "ᆯ래", "았", "었", "였", "ᆻ", "겠", "으시", "시"),
    )
]  # fmt: skip
CONTRACTIONS = {"ᅧ": "ᅵᅥ", "ᅪ": "ᅩᅡ", "ᅯ": "ᅮᅥ", "ᅢ": "ᅡ", "ᅦ": "ᅵ"}  # 마셔 → 마시어, 와 → 오아, 해 → 하
PARTICLES = {"은": "SO", "는": "SO", "도": "SO", "이": "S", "가": "S", "께서": "S", "께서는": "S", "을": "O", "를": "O",
             "에게": "D", "한테": "D", "께": "D", "에게서": "F", "한테서": "F"}  # fmt: skip
SAME = [{"나", "저", "내", "제"}, {"우리", "저희"}, {"너", "네", "당신"},
        {"아주", "매우", "무척", "몹시", "정말", "참", "꽤", "너무", "굉장히", "엄청", "진짜", "잘"}]  # fmt: skip


def forms(word: str) -> set[str]:
    """어절에서 말끝과 조사를 떼어 얻을 수 있는 꼴들. 두 어절의 꼴이 하나라도 같으면 말투나 조사만 다른 것으로 봅니다."""
    nouns = {f"{word}/{role}" for role in "SO"}  # 조사를 생략한 꼴
    for particle, roles in PARTICLES.items():
        stem = word.removesuffix(particle)
        if stem and stem != word:
            nouns |= {f"{stem}/{role}" for role in roles}
    for same in SAME:
        nouns |= {f"{min(same)}/{noun.partition('/')[2]}" for noun in nouns if noun.partition("/")[0] in same}
    verbs, queue = set(), [jamo(word)]
    while queue:
        verb = queue.pop()
        if verb in verbs:
            continue
        verbs.add(verb)
        queue += [verb.removesuffix(end) for end in ENDINGS if verb.endswith(end) and verb != end]
        queue += [verb[:-1] + CONTRACTIONS[verb[-1]]] if verb[-1] in CONTRACTIONS else []
    return nouns | {verb for verb in verbs if len(verb) > 1}


def why_not_reversed(first: str, second: str) -> str:
    """두 문장의 뜻이 뒤집히지 않은 것이 글자만 보아도 분명하면 그 이유를, 아니면 빈 문자열을 돌려줍니다."""
    before, after = words_of(first), words_of(second)
    if sorted(before) == sorted(after):
        return "어절의 순서만 다릅니다. 한국어는 조사가 역할을 나타내므로 순서를 바꾸어도 뜻이 그대로입니다."
    n_negations = [sum(bool(NEGATION.fullmatch(word)) for word in words) for words in (before, after)]
    if (n_negations[0] - n_negations[1]) % 2:
        return ""
    removed = [word for word in before if word not in after]
    added = [word for word in after if word not in before]
    alike = []
    for word in list(removed):
        match = next((other for other in added if forms(word) & forms(other)), None)
        if match:
            removed.remove(word)
            added.remove(match)
            alike.append(f"{word} → {match}")
    if removed and added:
        return ""
    if removed or added:
        return f"‘{' '.join(removed or added)}’만 넣거나 뺐습니다. 뜻이 더 자세해질 뿐 뒤집히지는 않습니다."
    return f"{', '.join(alike)}: 말투나 시제, 조사만 다릅니다. 긍정과 부정, 하는 쪽과 당하는 쪽처럼 뜻이 반대여야 합니다."


@exercise(
    "4.5",
    praise="어절 한둘만 다른 두 문장이 바꿔 쓴 두 문장보다 가깝습니다. 뜻이 정말 뒤집혔는지는 인코더도 채점 함수도 모르므로 사람이 읽어야 합니다.",
)
def grade_opposite(answer, paraphrase=None, model=None):
    two = "문장 두 개를 괄호로 묶어 넣으십시오. 하나는 지은 문장, 하나는 그 뜻을 뒤집은 문장입니다."
    expect(isinstance(answer, (list, tuple)) and len(answer) == 2, two)
    expect(all(isinstance(sentence, str) for sentence in answer), two)
    first, second = answer
    expect(first.strip() and second.strip(), "빈 문장이 있습니다. 두 자리를 모두 채우십시오.")
    for sentence in answer:
        letters = letters_only(sentence)
        expect(
            letters and len(re.findall("[가-힣]", letters)) > len(letters) / 2,
            "한국어 문장이 아닌 것이 있습니다. 두 문장 모두 한글로 적으십시오.",
        )
    expect(
        letters_only(first) != letters_only(second),
        "두 문장이 같거나 문장 부호와 띄어쓰기만 다릅니다. 뜻이 뒤집혀야 합니다.",
    )
    expect(
        min(len(first.split()), len(second.split())) >= MIN_WORDS,
        f"문장이 너무 짧습니다. 저마다 {MIN_WORDS}어절은 되어야 합니다.",
    )
    expect(
        n_changed_words(first, second) <= MAX_CHANGED_WORDS,
        f"다른 어절이 {MAX_CHANGED_WORDS}개를 넘습니다. 5절의 도전 문항처럼 한두 곳만 고쳐 뜻을 뒤집어 보십시오.",
    )
    given_items = [{letters_only(item.ko), letters_only(item.ko_foil)} for item in load_challenge()]
    expect(
        {letters_only(first), letters_only(second)} not in given_items,
        "도전 문항에 있는 두 문장입니다. 다른 문장을 직접 지으십시오.",
    )
    reason = why_not_reversed(first, second)
    expect(not reason, reason)
    expect(
        model is not None and paraphrase is not None,
        "비교할 문장이 없습니다. check에 paraphrase=paraphrase와 model=model을 함께 넣으십시오.",
    )
    expect(
        isinstance(paraphrase, (list, tuple)) and len(paraphrase) == 2,
        "paraphrase에는 주어진 두 문장을 그대로 넣으십시오.",
    )
    vectors = as_array(model.encode([first, second, *paraphrase]), None)  # (4, dim)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    mine, given = float(vectors[0] @ vectors[1]), float(vectors[2] @ vectors[3])
    expect(
        mine > given,
        f"지은 두 문장은 {mine:.3f}, 바꿔 쓴 두 문장은 {given:.3f}입니다. 5절에서 두 한국어의 코사인이 가장 높았던 범주를 참고하십시오.",
    )
