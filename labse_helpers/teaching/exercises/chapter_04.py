"""04장의 채점: 코사인 행렬, AUC, 정밀도와 재현율, 기준값 고르기, 인코더를 속이는 두 문장."""

import difflib
import re
from collections.abc import Callable

import numpy as np

from .grading import as_array, call, call_on_arrays, close, compare, exercise, expect

MAX_CHANGED_WORDS = 2  # 4.5에서 두 문장이 달라도 되는 어절의 수
MIN_WORDS = 3


@exercise("4.1", praise="길이가 제각각인 벡터라도, 두 묶음의 모든 쌍을 행렬곱 한 번으로 견줄 수 있습니다.")
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
        "같은 번호의 짝끼리만 견주었습니다. x의 모든 행과 y의 모든 행이 한 번씩 만나야 합니다.",
    )
    unequal = (
        "x와 y의 문장 수가 다르면 오류가 납니다. 행마다의 길이가 (N, M)의 어느 축에 맞아야 하는지 보십시오."
    )
    answer = as_array(call_on_arrays(function, x, y, broken=unequal))
    expect(
        answer.shape != (5, 3),
        "행과 열이 바뀌었습니다. i행 j열은 x의 i째와 y의 j째를 견준 값입니다.",
    )
    expect(
        answer.shape == (3, 5),
        f"x가 (3, 4), y가 (5, 4)이면 답은 (3, 5)여야 하는데 모양이 {answer.shape}입니다. 어느 축을 모았는지 보십시오.",
    )

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
        "가까울수록 값이 작아집니다. 유사도가 아니라 거리를 구한 것은 아닌지 보십시오.": [
            1 - cosine,
            np.linalg.norm(x[:, None] - y, axis=2),
        ],
    }
    otherwise = (
        "모양은 맞지만 값이 다릅니다. 행 하나와 행 하나를 골라 1절의 식대로 구한 값과 견주어 보십시오."
    )
    compare(answer, cosine, mistakes, otherwise)


@exercise("4.2", praise="AUC는 모든 (짝, 남) 대결에서 짝이 이긴 비율이고, 비기면 반씩 나눕니다.")
def grade_auc(function):
    broken = "짝과 남의 수가 다르면 오류가 납니다. 모든 쌍을 견주려면 두 배열을 어떤 모양으로 두어야 합니까?"
    data = [
        ([0.9, 0.6, 0.5, 0.5], [0.6, 0.5, 0.4, 0.7, 0.1, 0.3, 0.2]),
        ([0.2, 0.8, 0.8, 0.35, 0.6], [0.35, 0.3, 0.8, 0.1]),
    ]
    for positives, negatives in data:
        p, n = np.array(positives), np.array(negatives)
        answer = as_array(call_on_arrays(function, p, n, broken=broken), ())
        again = as_array(call_on_arrays(function, p, n, broken=broken), ())
        expect(close(answer, again), "부를 때마다 값이 다릅니다. 뽑지 말고 모든 쌍을 한 번씩 세십시오.")

        duels = p[:, None] - n  # (P, N)
        win, tie = (duels > 0).mean(), (duels == 0).mean()
        right = win + tie / 2
        same_number = p[: len(n)] - n[: len(p)]
        cuts = [0.5, (p.mean() + n.mean()) / 2]
        mistakes = {
            "비긴 대결을 빠뜨렸습니다. 점수가 같으면 몇 점을 주기로 했습니까?": win,
            "비긴 대결을 모두 이긴 것으로 쳤습니다. 점수가 같으면 몇 점을 주기로 했습니까?": win + tie,
            "비긴 대결을 분모에서도 뺐습니다. 분모는 모든 대결의 수입니다.": win / (1 - tie),
            "방향이 거꾸로입니다. 남이 아니라 짝의 점수가 높은 경우를 세십시오.": [1 - right, 1 - win - tie],
            "이긴 수를 셌습니다. 비율이 되려면 무엇으로 나누어야 합니까?": [
                right * duels.size,
                win * duels.size,
                (win + tie) * duels.size,
            ],
            "같은 번호끼리만 견주었습니다. 짝 하나가 모든 남과 한 번씩 만나야 합니다.": [
                (same_number > 0).mean(),
                (same_number >= 0).mean(),
                (same_number > 0).mean() + (same_number == 0).mean() / 2,
            ],
            "평균끼리 견주었습니다. 평균을 내기 전에 점수 하나하나를 맞대십시오.": [
                float(p.mean() > n.mean()),
                p.mean() - n.mean(),
            ],
            "기준값을 정해 맞힌 비율을 구했습니다. AUC에는 기준값이 없습니다.": [
                ((p >= cut).sum() + (n < cut).sum()) / (len(p) + len(n)) for cut in cuts
            ],
            "백분율로 바꾸었습니다. 0과 1 사이의 비율을 그대로 돌려주십시오.": 100 * right,
        }
        nearly = abs(float(answer) - right) < 0.03
        otherwise = (
            "거의 같지만 꼭 같지는 않습니다. 아무렇게나 뽑지 말고 모든 쌍을 한 번씩 세십시오."
            if nearly
            else "값이 다릅니다. 점수가 둘뿐인 짝과 남을 만들어, 네 번의 대결을 종이에 적은 것과 견주어 보십시오."
        )
        compare(answer, right, mistakes, otherwise)


@exercise(
    "4.3", praise="재현율은 짝을 얼마나 남겼는지를, 정밀도는 남긴 것을 얼마나 믿을 수 있는지를 말합니다."
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
        expect(answer.shape == (2,), "정밀도와 재현율, 두 수를 이 차례로 돌려주십시오.")
        kept, false = int((p >= threshold).sum()), int((n >= threshold).sum())
        over, over_false = int((p > threshold).sum()), int((n > threshold).sum())
        precision, recall = kept / (kept + false), kept / len(p)
        fall_out = false / len(n)
        size = len(p) + len(n)
        mistakes = {
            "두 값의 차례가 바뀌었습니다. 정밀도가 먼저입니다.": (recall, precision),
            "기준값과 꼭 같은 점수를 버렸습니다. ‘기준 이상’은 어떤 부등호입니까?": (
                over / (over + over_false),
                over / len(p),
            ),
            "기준보다 낮은 것을 남겼습니다. 부등호의 방향을 보십시오.": [
                (
                    (len(p) - kept) / max(1, size - kept - false),
                    (len(p) - kept) / len(p),
                ),
                (
                    (p <= threshold).sum() / ((p <= threshold).sum() + (n <= threshold).sum()),
                    (p <= threshold).mean(),
                ),
            ],
            "정밀도의 분모가 다릅니다. 정밀도는 ‘남긴 것’ 가운데에서 따지는 비율입니다.": [
                (kept / size, recall),
                (kept / len(n), recall),
                (recall, recall),
            ],
            "정밀도 자리에 남 가운데의 비율을 넣었습니다. 정밀도의 분모에는 남긴 짝도 들어갑니다.": [
                (fall_out, recall),
                (1 - fall_out, recall),
            ],
            "비율을 더해서 나누었습니다. 짝의 수와 남의 수가 다르므로 비율이 아니라 개수를 더해야 합니다.": (
                recall / (recall + fall_out),
                recall,
            ),
            "정밀도는 맞았습니다. 재현율의 분모는 남긴 것이 아니라 모든 짝입니다.": [
                (precision, kept / size),
                (precision, precision),
                (precision, (kept + false) / size),
                (precision, kept / len(n)),
            ],
            "정밀도 대신 정확도(맞게 가른 비율)를 구했습니다. 버린 것은 세지 않습니다.": (
                (kept + len(n) - false) / size,
                recall,
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
            otherwise = "재현율은 맞았습니다. 정밀도에서 기준을 넘은 남이 어디에 들어가는지 보십시오."
        elif close(answer[0], precision):
            otherwise = "정밀도는 맞았습니다. 재현율은 모든 짝 가운데 남긴 짝의 비율입니다."
        else:
            otherwise = "둘 다 다릅니다. 기준을 넘은 짝과 기준을 넘은 남을 먼저 따로 세어 보십시오."
        compare(answer, np.array([precision, recall]), mistakes, otherwise)


def f1_of(kept: np.ndarray, labels: np.ndarray) -> float:
    """남긴 것 (N,)과 정답 (N,)의 F1."""
    return 2 * (kept & labels).sum() / max(1, kept.sum() + labels.sum())


def best_threshold(
    scores: np.ndarray, labels: np.ndarray, merit: Callable = f1_of, keeps: Callable = np.greater_equal
) -> float:
    """``scores`` 가운데 ``merit``가 가장 큰 기준값. 같으면 가장 작은 것입니다."""
    candidates = np.unique(scores)
    return float(candidates[np.argmax([merit(keeps(scores, t), labels) for t in candidates])])


@exercise(
    "4.4", praise="기준값은 고르는 데 쓰지 않은 자료로 재어야 처음 보는 글에서의 실력을 알 수 있습니다."
)
def grade_choose_threshold(function):
    dev_scores = np.array([0.76, 0.35, 0.17, 0.12, 0.47, 0.28, 0.64, 0.58, 0.55, 0.44, 0.83, 0.39, 0.69, 0.06,
                           0.22, 0.31, 0.52])  # fmt: skip
    dev_labels = np.array([0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0], dtype=bool)
    test_scores = np.array([0.8, 0.14, 0.43, 0.71, 0.57, 0.49, 0.26, 0.2, 0.38, 0.41, 0.33, 0.53, 0.51, 0.62])
    test_labels = np.array([1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1], dtype=bool)
    dev, test = (dev_scores, dev_labels), (test_scores, test_labels)
    broken = "모양이 맞지 않는 계산이 있습니다. 개발용 점수를 평가용 정답과 견주지 않았는지 보십시오."
    answer = as_array(call_on_arrays(function, *dev, *test, broken=broken))
    expect(answer.shape == (2,), "고른 기준값과 평가용 자료의 F1, 두 수를 이 차례로 돌려주십시오.")
    threshold, merit = answer

    def f1_at(t, scores, labels):
        return f1_of(scores >= t, labels)

    def accuracy(kept, labels):
        return (kept == labels).mean()

    best = best_threshold(*dev)
    on_test = f1_at(best, *test)
    if close(threshold, best):
        hints = {
            "기준값을 고른 자료에서 다시 쟀습니다. 이미 본 문제로 시험을 치른 셈이니 다른 자료에서 재십시오.": f1_at(
                best, *dev
            ),
            "기준값은 맞았습니다. 두 번째 값은 정확도가 아니라 평가용 자료의 F1입니다.": [
                accuracy(test_scores >= best, test_labels),
                accuracy(dev_scores >= best, dev_labels),
            ],
            "기준값은 맞았습니다. 평가용 점수를 기준값과 견줄 때의 부등호를 보십시오.": [
                f1_of(test_scores < best, test_labels),
                f1_of(test_scores <= best, test_labels),
            ],
            "기준값은 맞았습니다. 두 번째 값은 F1인데 정밀도나 재현율만 구했습니다.": [
                (test_scores[test_labels] >= best).mean(),
                test_labels[test_scores >= best].mean(),
            ],
        }
        compare(
            merit,
            on_test,
            hints,
            "기준값은 맞았습니다. 그 값을 바꾸지 말고 평가용 자료에 대어 F1을 구하십시오.",
        )
        return

    expect(
        not close(merit, best),
        "두 값의 차례가 바뀌었습니다. 기준값이 먼저입니다.",
    )
    both = np.concatenate([dev_scores, test_scores]), np.concatenate([dev_labels, test_labels])
    midpoint = (dev_scores[dev_labels].mean() + dev_scores[~dev_labels].mean()) / 2
    lowest_positive, highest_negative = dev_scores[dev_labels].min(), dev_scores[~dev_labels].max()
    for keeps in (np.less, np.less_equal):
        below = best_threshold(*dev, keeps=keeps)
        reversed_answer = np.array([below, f1_of(keeps(test_scores, below), test_labels)])
        expect(not close(answer, reversed_answer), "방향이 거꾸로입니다. 점수가 기준값 이상이면 짝입니다.")
    number = threshold == np.round(threshold) and 0 <= threshold < len(dev_scores)
    expect(not number, "기준값이 아니라 후보의 번호인 듯합니다. 그 번호의 점수를 꺼내십시오.")
    hints = {
        "평가용 자료를 보고 기준값을 골랐습니다. 평가용 자료는 마지막에 한 번만 쓰십시오.": best_threshold(
            *test
        ),
        "두 자료를 합쳐 기준값을 골랐습니다. 고를 때는 평가용 자료를 보지 마십시오.": best_threshold(*both),
        "정확도가 가장 큰 기준값을 골랐습니다. 짝이 드물 때 정확도는 다 버리기만 해도 높으니 F1을 견주십시오.": best_threshold(
            *dev, accuracy
        ),
        "F1이 가장 작은 기준값을 골랐습니다. 가장 큰 것을 골라야 합니다.": best_threshold(
            *dev, lambda kept, labels: -f1_of(kept, labels)
        ),
        "기준값과 꼭 같은 점수를 버리고 골랐습니다. ‘기준 이상’은 어떤 부등호입니까?": best_threshold(
            *dev, keeps=np.greater
        ),
        "두 평균의 가운데를 기준값으로 삼았습니다. 후보마다 F1을 구해 견주어야 합니다.": midpoint,
        "재현율만 보고 골랐습니다. 짝을 모두 남겨도 남이 많이 섞이면 F1은 낮습니다.": list(
            dev_scores[dev_scores <= lowest_positive]
        ),
        "정밀도만 보고 골랐습니다. 확실한 것만 남기면 놓치는 짝이 많습니다.": list(
            dev_scores[dev_scores > highest_negative]
        ),
        "기준값 대신 가장 큰 F1을 돌려주었습니다. F1이 가장 클 때의 점수가 기준값입니다.": f1_at(best, *dev),
    }
    in_dev = np.isclose(dev_scores, threshold).any()
    otherwise = (
        "개발용 자료에서 F1이 가장 큰 점수가 아닙니다. 후보마다 F1을 출력해 보십시오."
        if in_dev
        else "기준값의 후보는 개발용 점수들인데 그 밖의 값이 나왔습니다. 어디에서 온 값인지 찾아보십시오."
    )
    compare(threshold, best, hints, otherwise)


def letters_only(sentence: str) -> str:
    """글자와 숫자만 남긴 문장. 띄어쓰기와 문장 부호만 다른 두 문장은 같아집니다."""
    return re.sub(r"[\W_]", "", sentence)


def n_changed_words(first: str, second: str) -> int:
    """한 문장을 다른 문장으로 고치려면 바꾸거나 넣거나 빼야 하는 어절의 수."""
    before, after = (re.sub(r"[^\w\s]", "", sentence).split() for sentence in (first, second))
    steps = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return sum(max(i2 - i1, j2 - j1) for step, i1, i2, j1, j2 in steps if step != "equal")


@exercise(
    "4.5",
    praise="어절 한둘만 다른 두 문장이 바꿔 쓴 두 문장보다 가깝습니다. 뜻이 정말 뒤집혔는지는 인코더도 채점기도 모르니 사람이 읽어야 합니다.",
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
    expect(
        model is not None and paraphrase is not None,
        "견줄 것이 없습니다. check에 paraphrase=paraphrase와 model=model을 함께 넣으십시오.",
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
        f"지은 두 문장은 {mine:.3f}, 바꿔 쓴 두 문장은 {given:.3f}입니다. 5절에서 인코더가 가장 못 가린 갈래를 흉내 내어 보십시오.",
    )
