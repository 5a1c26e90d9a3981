"""05장의 채점: 상위 k개, 인코딩하는 문장의 수, MRR, 마진이 이기는 행렬 짓기, 질의가 틀린 까닭 찾기."""

import numpy as np

from ...search.margin import margin_scores
from .grading import as_array, as_integer, call, call_on_arrays, close, compare, exercise, expect

N_QUERIES, N_CORPUS = 1_000, 50_000  # 5.2


@exercise(
    "5.1",
    praise="질의마다 점수가 높은 것부터 k개의 번호를 골랐습니다. 검색이 하는 일의 전부가 이 한 줄입니다.",
)
def grade_top_k(function):
    scores = np.array(
        [[0.3, 0.9, 0.1, 0.5, 0.7], [0.8, -0.2, 0.6, 0.4, 0.75], [0.05, 0.15, 0.95, 0.25, 0.2]]
    )  # (Q, M)
    broken = "모양이 맞지 않는 계산이 있습니다. scores는 (Q, M), 답은 (Q, k)입니다."
    for k in (3, 1):
        answer = as_array(call_on_arrays(function, scores, k, broken=broken))
        order = np.argsort(-scores, axis=1)
        right = order[:, :k]
        expect(
            answer.shape != (k, 3) or k == 3,
            "행과 열이 바뀌었습니다. 질의마다 한 행이고, 그 행에 번호 k개가 놓입니다.",
        )
        expect(
            answer.shape != (3,) or k > 1,
            "k가 1이면 축 하나가 사라집니다. k가 얼마이든 모양이 (Q, k)여야 합니다.",
        )
        expect(answer.shape != (3, 5), "k개만 남기지 않고 모든 후보를 돌려주었습니다.")
        expect(
            answer.shape != (k, 5),
            "질의를 k개 골랐습니다. 질의는 모두 남고, 후보를 질의마다 k개씩 골라야 합니다.",
        )
        expect(
            answer.shape == (3, k),
            f"(Q, k) = (3, {k})를 기다렸는데 모양이 {answer.shape}입니다. 어느 축을 골랐는지 보십시오.",
        )
        mistakes = {
            "번호가 아니라 점수를 돌려주었습니다. 어느 후보인지 알려면 번호가 필요합니다.": np.take_along_axis(
                scores, right, axis=1
            ),
            "점수가 가장 낮은 것들을 골랐습니다. `argsort`는 작은 것부터 늘어놓습니다.": order[:, ::-1][
                :, :k
            ],
            "가장 높은 k개는 맞지만 낮은 것부터 놓였습니다. 1등이 맨 앞이어야 합니다.": right[:, ::-1],
            "번호를 1부터 세었습니다. 파이썬의 번호는 0부터입니다.": right + 1,
            "1등을 건너뛰었습니다. 자기 자신을 빼는 검색이 아니므로 1등도 답입니다.": order[:, 1 : k + 1],
            "후보마다의 등수를 돌려주었습니다. 등수마다 어느 후보인지를 묻습니다.": order.argsort(axis=1)[
                :, :k
            ],
            "질의가 아니라 후보를 따라 골랐습니다. 한 행이 질의 하나입니다.": np.argsort(-scores, axis=0)[
                :, :k
            ],
        }
        otherwise = (
            "높은 k개를 고르기는 했지만 차례가 뒤섞였습니다. 점수가 높은 것부터 놓으십시오."
            if close(np.sort(answer, axis=1), np.sort(right, axis=1))
            else "고른 번호가 다릅니다. 한 행의 점수를 눈으로 늘어놓아 보고, 그 번호와 견주어 보십시오."
        )
        compare(answer, right, mistakes, otherwise)


@exercise(
    "5.2", praise="결과는 같은데 한쪽은 오천만 문장을, 다른 쪽은 오만 천 문장을 읽습니다. 거의 천 배입니다."
)
def grade_encoded(answer):
    answer = as_array(answer)
    expect(answer.shape == (2,), "수 두 개를 (질의마다 다시, 한 번만) 차례로 넣으십시오.")
    again, once = N_QUERIES * (N_CORPUS + 1), N_QUERIES + N_CORPUS
    expect(
        not close(answer, (once, again)),
        "두 수의 차례를 보십시오. 앞이 질의마다 다시 인코딩할 때, 뒤가 한 번만 인코딩할 때입니다.",
    )
    slow = {
        "질의를 세지 않았습니다. 질의도 한 번씩 인코딩합니다.": N_QUERIES * N_CORPUS,
        "질의와 후보가 바뀌었습니다. 질의가 올 때마다 다시 인코딩하는 것은 말뭉치입니다.": N_CORPUS
        * (N_QUERIES + 1),
        "N² + N은 질의와 후보의 수가 같을 때의 식입니다.": [
            N_QUERIES**2 + N_QUERIES,
            N_CORPUS**2 + N_CORPUS,
        ],
        "질의마다 모든 질의까지 다시 인코딩한다고 보았습니다. 질의는 그때 온 하나뿐입니다.": N_QUERIES
        * (N_QUERIES + N_CORPUS),
        "말뭉치를 한 번만 인코딩하면 그렇지만, 앞의 수는 질의마다 다시 인코딩하는 반복문입니다.": once,
    }
    compare(
        answer[0], again, slow, "앞의 수가 다릅니다. 질의 하나에 인코딩하는 문장이 몇 개인지부터 세십시오."
    )
    fast = {
        "앞의 수는 맞았습니다. 한 번만 인코딩할 때는 곱하지 않고 더합니다.": [N_QUERIES * N_CORPUS, again],
        "앞의 수는 맞았습니다. 질의도 인코딩해야 합니다.": N_CORPUS,
        "앞의 수는 맞았습니다. 말뭉치도 한 번은 인코딩해야 합니다.": N_QUERIES,
        "앞의 수는 맞았습니다. 2N은 질의와 후보의 수가 같을 때의 식입니다.": [2 * N_QUERIES, 2 * N_CORPUS],
    }
    compare(
        answer[1], once, fast, "앞의 수는 맞았습니다. 뒤의 수는 두 쪽을 저마다 한 번씩 인코딩한 수입니다."
    )


@exercise(
    "5.3", praise="정답이 대각선에 없어도, 후보의 수가 질의의 수와 달라도 잴 수 있는 진짜 채점표입니다."
)
def grade_mrr(function):
    scores = np.array(
        [
            [0.9, 0.2, 0.4, 0.1, 0.3, 0.05],
            [0.5, 0.3, 0.7, 0.6, 0.2, 0.1],
            [0.15, 0.45, 0.35, 0.25, 0.85, 0.65],
            [0.55, 0.5, 0.6, 0.4, 0.3, 0.7],
        ]
    )  # (Q, M)
    gold = np.array([0, 3, 5, 4])
    broken = "모양이 맞지 않는 계산이 있습니다. 정답의 점수를 (Q, 1)로 두면 (Q, M)과 견줄 수 있습니다."
    for table, correct in ((scores, gold), (scores[:3], np.array([4, 2, 0]))):
        answer = as_array(call_on_arrays(function, table, correct, broken=broken))
        n = len(table)
        expect(answer.shape != (n,), "질의마다의 값이 그대로 남아 있습니다. MRR은 그 평균 하나입니다.")
        expect(
            answer.shape in ((), (1,)),
            f"수 하나를 기다렸는데 모양이 {answer.shape}입니다. 무엇을 더 모아야 하는지 보십시오.",
        )
        own = table[np.arange(n), correct][:, None]
        rank = (table >= own).sum(axis=1)  # 1부터
        low_rank = (table <= own).sum(axis=1)
        diagonal = (table >= table.diagonal()[:, None]).sum(axis=1)
        column = np.array([(table[:, c] >= table[q, c]).sum() for q, c in enumerate(correct)])
        mistakes = {
            "정답이 대각선에 있다고 보았습니다. 이번에는 질의마다 정답의 번호가 따로 있습니다.": (
                1 / diagonal
            ).mean(),
            "등수를 0부터 세었습니다. 1등의 등수는 1입니다.": [
                (1 / np.maximum(rank - 1, 1)).mean(),
                (1 / (rank + 1)).mean(),
                np.mean([1 / r if r else 0 for r in rank - 1]),
            ],
            "등수의 평균입니다. 평균을 내기 전에 등수마다 뒤집어야 합니다.": rank.mean(),
            "평균을 낸 다음에 뒤집었습니다. 등수마다 먼저 뒤집고 평균하십시오.": 1 / rank.mean(),
            "P@1을 구했습니다. 2등, 3등에게도 점수를 나누어 주어야 합니다.": (rank == 1).mean(),
            "등수를 거꾸로 매겼습니다. 점수가 가장 높은 것이 1등입니다.": (1 / low_rank).mean(),
            "질의가 아니라 후보를 따라 등수를 매겼습니다. 한 질의(한 행) 안에서의 등수입니다.": (
                1 / column
            ).mean(),
            "평균이 아니라 합을 구했습니다.": (1 / rank).sum(),
            "백분율로 바꾸었습니다. 0과 1 사이의 값을 그대로 돌려주십시오.": 100 * (1 / rank).mean(),
        }
        otherwise = "값이 다릅니다. 첫 질의의 점수를 높은 것부터 늘어놓고, 정답이 몇째인지부터 세십시오."
        compare(answer.reshape(()), (1 / rank).mean(), mistakes, otherwise)


HUB, SIZE, NEIGHBOURS = 2, 4, 2  # 5.4


@exercise(
    "5.4",
    praise="짝이 자기 이웃들 사이에서는 가장 높은데 허브에게만 지는 모양을 만들었습니다. 마진이 고치는 것이 바로 이런 줄입니다.",
)
def grade_hub_matrix(answer):
    matrix = as_array(answer)
    expect(
        matrix.shape == (SIZE, SIZE),
        f"{SIZE}행 {SIZE}열의 점수를 기다렸는데 모양이 {matrix.shape}입니다.",
    )
    expect((np.abs(matrix) <= 1).all(), "코사인은 −1과 1 사이입니다. 그 밖의 값이 있습니다.")
    expect(
        len(np.unique(matrix.round(6))) >= 3,
        "값이 거의 다 같습니다. 짝, 허브, 나머지의 점수가 서로 달라야 합니다.",
    )
    chosen = matrix.argmax(axis=1)
    expect(
        chosen[HUB] == HUB,
        f"{HUB}번 행은 허브 자신이 정답입니다. 그 행의 1등은 {HUB}번 열이어야 합니다.",
    )
    expect(
        not (chosen == np.arange(SIZE)).all(),
        "코사인이 모두 맞혔습니다. 허브의 열을 더 높여 다른 행이 허브에 끌려가게 하십시오.",
    )
    others = set(chosen) - {HUB}
    expect(
        not others,
        f"허브가 아닌 열을 고른 행이 있습니다. 코사인으로는 모든 행이 {HUB}번 열을 골라야 합니다.",
    )
    margins = np.asarray(margin_scores(matrix, k=NEIGHBOURS))
    by_margin = margins.argmax(axis=1)
    fixed = int((by_margin == np.arange(SIZE)).sum())
    expect(
        by_margin[HUB] == HUB,
        "마진이 허브 자신의 짝까지 놓쳤습니다. 허브가 제 짝과는 다른 행보다 더 가까워야 합니다.",
    )
    expect(
        fixed > 1,
        "마진으로도 다른 행이 하나도 고쳐지지 않았습니다. 짝의 점수를 허브의 점수에 더 가까이 올려 보십시오.",
    )
    expect(
        fixed == SIZE,
        f"마진이 {SIZE}행 가운데 {fixed}행을 맞혔습니다. 남은 행에서 짝과 허브의 점수, 그리고 나머지의 점수를 견주어 보십시오.",
    )


def diagnosis(scores: np.ndarray, i: int) -> tuple[int, int, int]:
    """질의 i가 고른 후보, 정답의 등수, 그 후보를 잘못 고른 질의의 수(i도 셉니다)."""
    best = scores.argmax(axis=1)
    rank = int((scores[i] >= scores[i, i]).sum())
    wrong = best != np.arange(len(scores))
    return int(best[i]), rank, int((wrong & (best == best[i])).sum())


@exercise(
    "5.5",
    praise="정답이 한참 뒤에 있으면 인코더가 뜻을 모른 것이고, 여러 질의가 같은 오답에 끌렸으면 허브입니다. 약이 서로 다릅니다.",
)
def grade_diagnosis(function):
    rng = np.random.default_rng(1)
    scores = rng.uniform(-0.2, 0.5, size=(8, 8)).round(3) + 0.4 * np.eye(8)
    scores[:, 5] += 0.45  # 허브
    scores[5, 5] += 0.2
    scores[0, 0], scores[0, 3] = 0.31, 0.98
    best = scores.argmax(axis=1)
    wrong = np.flatnonzero(best != np.arange(8))
    for i in (int(wrong[wrong > 0][0]), 0, int(wrong[-1])):
        answer = call(function, scores, i)
        expect(
            hasattr(answer, "__len__") and not isinstance(answer, (str, dict, set)) and len(answer) == 3,
            "정수 세 개를 (고른 후보, 정답의 등수, 그 후보를 잘못 고른 질의의 수) 차례로 돌려주십시오.",
        )
        chosen, rank, pulled = (as_integer(value) for value in answer)
        right_chosen, right_rank, right_pulled = diagnosis(scores, i)
        expect(
            chosen != i or right_chosen == i,
            "고른 후보로 정답의 번호를 돌려주었습니다. 이 질의는 다른 후보를 골라 틀렸습니다.",
        )
        expect(
            chosen != scores[:, i].argmax() or chosen == right_chosen,
            "행과 열이 바뀌었습니다. 질의 하나의 점수는 한 열이 아니라 한 행입니다.",
        )
        expect(
            chosen != scores[i].argmin(),
            "점수가 가장 낮은 후보를 골랐습니다. 검색은 가장 높은 것을 고릅니다.",
        )
        expect(
            chosen == right_chosen,
            "고른 후보가 다릅니다. 그 질의의 행에서 점수가 가장 높은 열의 번호를 보십시오.",
        )
        expect(
            rank != right_rank - 1,
            "고른 후보는 맞았습니다. 등수를 0부터 세었습니다. 1등의 등수는 1입니다.",
        )
        expect(
            rank != int((scores[i] <= scores[i, i]).sum()) or rank == right_rank,
            "고른 후보는 맞았습니다. 등수를 점수가 낮은 것부터 세었습니다.",
        )
        expect(
            rank != int((scores[:, i] >= scores[i, i]).sum()) or rank == right_rank,
            "고른 후보는 맞았습니다. 등수를 열을 따라 세었습니다. 한 질의의 후보들은 한 행에 있습니다.",
        )
        expect(
            rank == right_rank,
            "고른 후보는 맞았습니다. 정답의 등수가 다릅니다. 정답보다 점수가 높거나 같은 후보가 몇입니까?",
        )
        everyone = int((best == right_chosen).sum())
        expect(
            pulled != everyone or pulled == right_pulled,
            "앞의 둘은 맞았습니다. 그 후보를 맞게 고른 질의까지 세었습니다. 잘못 고른 질의만 세십시오.",
        )
        expect(
            pulled != len(wrong) or pulled == right_pulled,
            "앞의 둘은 맞았습니다. 틀린 질의를 모두 세었습니다. 같은 후보에 끌린 것만 세십시오.",
        )
        expect(
            pulled != right_pulled - 1,
            "앞의 둘은 맞았습니다. 이 질의 자신을 빼고 세었습니다. 자신도 함께 세십시오.",
        )
        expect(
            pulled == right_pulled,
            "앞의 둘은 맞았습니다. 셋째는 그 후보를 1등으로 고른 질의 가운데 틀린 것의 수입니다.",
        )
