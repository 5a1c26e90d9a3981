"""05장의 채점: 상위 k개, 바뀐 말뭉치의 벡터, MRR, 마진이 이기는 행렬 짓기, 질의가 틀린 이유 찾기."""

import zlib

import numpy as np

from ...search.margin import margin_scores
from .grading import as_array, as_integer, call, call_on_arrays, close, compare, exercise, expect


@exercise(
    "5.1",
    praise="질의마다 점수가 높은 것부터 k개의 번호를 골랐습니다. 점수가 있으면 검색은 이 한 줄입니다.",
)
def grade_top_k(function):
    rng = np.random.default_rng(5)
    scores = rng.permutation(3 * 4_000).reshape(3, 4_000) / 15_000 - 0.2  # (Q, M), 같은 값이 없습니다
    broken = "모양이 맞지 않는 계산이 있습니다. scores는 (Q, M), 답은 (Q, k)입니다."
    for k in (1, 500):  # 후보가 많아야 `argpartition`의 답이 정렬되어 있지 않습니다
        answer = as_array(call_on_arrays(function, scores, k, broken=broken))
        order = np.argsort(-scores, axis=1)
        right = order[:, :k]
        expect(
            answer.shape != (k, 3),
            "행과 열이 바뀌었습니다. 질의마다 한 행이고, 그 행에 번호 k개가 놓입니다.",
        )
        expect(
            answer.shape != (3,) or k > 1,
            "k가 1이면 축 하나가 사라집니다. k가 얼마이든 모양이 (Q, k)여야 합니다.",
        )
        expect(answer.shape != (3, 4_000), "k개만 남기지 않고 모든 후보를 돌려주었습니다.")
        expect(
            answer.shape != (min(k, 3), 4_000),
            "질의를 k개 골랐습니다. 질의는 모두 남고, 후보를 질의마다 k개씩 골라야 합니다.",
        )
        expect(
            answer.shape != (3, k - 1),
            "k개가 아니라 k − 1개를 골랐습니다. 자르는 끝을 보십시오.",
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
            "가장 높은 k개는 맞지만 낮은 것부터 놓였습니다. 1위가 맨 앞이어야 합니다.": right[:, ::-1],
            "번호를 1부터 세었습니다. 파이썬의 번호는 0부터입니다.": right + 1,
            "1위를 건너뛰었습니다. 자기 자신을 빼는 검색이 아니므로 1위도 답입니다.": order[:, 1 : k + 1],
            "후보마다의 순위를 돌려주었습니다. 순위마다 어느 후보인지를 묻습니다.": order.argsort(axis=1)[
                :, :k
            ],
            "질의가 아니라 후보를 따라 골랐습니다. 한 행이 질의 하나입니다.": np.argsort(-scores, axis=0)[
                :, :k
            ],
        }
        if close(np.sort(answer, axis=1), np.sort(right, axis=1)):
            otherwise = "높은 k개를 고르기는 했지만 순서가 뒤섞였습니다. `argpartition`은 골라내기만 하고 정렬하지 않습니다. 고른 k개를 점수가 높은 것부터 놓으십시오."
        elif close(answer[:1], right[:1]):
            otherwise = "첫 질의는 맞지만 다른 질의가 다릅니다. 질의마다 그 행의 점수로 따로 골라야 합니다."
        else:
            otherwise = (
                "고른 번호가 다릅니다. 한 행의 점수를 높은 것부터 늘어놓아 보고, 그 번호와 비교해 보십시오."
            )
        compare(answer, right, mistakes, otherwise)


OLD = [
    "막차를 놓쳤어요.",
    "국이 식기 전에 드세요.",
    "우산 두고 갔네?",
    "택배는 문 앞에 두었습니다.",
    "오늘은 바람이 차다.",
]
NEW_ONES = ["우산 두고 갔네!", "첫눈이 왔다."]  # 앞의 것은 문장 부호만 다른, 다른 문장입니다
NEW = [
    OLD[3],
    NEW_ONES[0],
    OLD[0],
    NEW_ONES[1],
    NEW_ONES[0],
    OLD[4],
]  # 순서가 바뀌고, 지워지고, 두 번 나옵니다
UNCHANGED = [OLD[2], OLD[1], OLD[2]]  # 새 문장이 없는 날
SENTENCE_DIM = 7


def sentence_vectors(sentences: list[str]) -> np.ndarray:
    """문장마다 정해진 벡터 (문장 수, SENTENCE_DIM). 인코더를 흉내 냅니다."""
    vectors = [
        np.random.default_rng(zlib.crc32(sentence.encode())).normal(size=SENTENCE_DIM)
        for sentence in sentences
    ]
    return np.array(vectors).reshape(-1, SENTENCE_DIM)


def recording_encoder():
    """``encode(문장들)``과, 부를 때마다 받은 문장들의 목록."""
    calls: list[list[str]] = []

    def encode(sentences, *args, **options):
        single = isinstance(sentences, str)
        calls.append([sentences] if single else list(sentences))
        vectors = sentence_vectors(calls[-1])
        return vectors[0] if single else vectors

    return encode, calls


@exercise(
    "5.2",
    praise="바뀐 문장만 한 번에 모아 인코딩했습니다. 날마다 조금씩 바뀌는 말뭉치에서 시간의 거의 전부를 아낍니다.",
)
def grade_refresh(function):
    old_vectors = sentence_vectors(OLD)
    broken = "모양이 맞지 않는 계산이 있습니다. 답은 (len(new), dim)이고, 새 문장이 없는 날도 있습니다."
    for new in (NEW, UNCHANGED):
        missing = list(dict.fromkeys(sentence for sentence in new if sentence not in OLD))
        encode, calls = recording_encoder()
        answer = as_array(call_on_arrays(function, OLD, old_vectors, new, encode, broken=broken))
        right = sentence_vectors(new)
        expect(
            not close(answer, old_vectors),
            "어제의 벡터를 그대로 돌려주었습니다. 말뭉치가 바뀌었습니다.",
        )
        expect(
            answer.shape != (len(missing), SENTENCE_DIM),
            "새 문장의 벡터만 돌려주었습니다. 어제부터 있던 문장의 벡터도 함께 있어야 합니다.",
        )
        expect(
            answer.shape != (len(set(new)), SENTENCE_DIM) or len(set(new)) == len(new),
            "같은 문장이 한 번만 남았습니다. `new`에 두 번 나오면 벡터도 두 번 놓입니다.",
        )
        expect(
            answer.ndim == 2 and answer.shape[1] == SENTENCE_DIM,
            f"(len(new), dim)을 기다렸는데 모양이 {answer.shape}입니다.",
        )
        expect(
            len(answer) == len(new),
            f"오늘의 문장은 {len(new)}개인데 벡터가 {len(answer)}개입니다. 지워진 문장의 벡터는 빼야 합니다.",
        )
        rows = {tuple(row) for row in right.round(4)}
        expect(
            close(answer, right) or {tuple(row) for row in answer.round(4)} != rows,
            "벡터는 다 있지만 순서가 다릅니다. i번째 벡터는 `new`의 i번째 문장의 것이어야 합니다.",
        )
        expect(
            close(answer, right),
            "벡터가 제 문장의 것이 아닌 행이 있습니다. 번호가 아니라 문장으로 어제의 벡터를 찾고, 문장 부호 하나만 달라도 다른 문장으로 보십시오.",
        )
        read = [sentence for given in calls for sentence in given]
        expect(
            not set(read) & set(OLD),
            "답은 맞지만 어제 인코딩한 문장을 다시 인코딩했습니다. `old_vectors`에 있는 것은 다시 만들지 마십시오.",
        )
        expect(
            len(read) == len(missing),
            "답은 맞지만 같은 새 문장을 두 번 인코딩했습니다. 새 문장이 겹치면 한 번만 인코딩하십시오.",
        )
        expect(
            len(calls) <= 1,
            "답은 맞지만 `encode`를 여러 번 불렀습니다. 새 문장을 모아 한 번에 인코딩하는 쪽이 빠릅니다.",
        )


@exercise(
    "5.3", praise="정답이 대각선에 없어도, 후보의 수가 질의의 수와 달라도 구할 수 있는 지표가 되었습니다."
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
    broken = "모양이 맞지 않는 계산이 있습니다. 정답의 점수를 (Q, 1)로 두면 (Q, M)과 비교할 수 있습니다."
    for table, correct in ((scores, gold), (scores[:3], np.array([4, 2, 0]))):
        raw = call_on_arrays(function, table, correct, broken=broken)
        expect(
            not (np.isscalar(raw) and raw == np.inf),
            "1을 0으로 나누었습니다. 순위를 0부터 센 듯합니다. 1위의 순위는 1입니다.",
        )
        answer = as_array(raw)
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
            "순위를 0부터 세었습니다. 1위의 순위는 1입니다.": [
                (1 / np.maximum(rank - 1, 1)).mean(),
                (1 / (rank + 1)).mean(),
                np.mean([1 / r if r else 0 for r in rank - 1]),
            ],
            "순위의 평균입니다. 평균을 내기 전에 순위마다 역수를 구해야 합니다.": rank.mean(),
            "평균의 역수를 구했습니다. 순위마다 먼저 역수를 구하고 평균하십시오.": 1 / rank.mean(),
            "P@1을 구했습니다. 2위, 3위에도 점수가 있어야 합니다.": (rank == 1).mean(),
            "순위를 거꾸로 매겼습니다. 점수가 가장 높은 것이 1위입니다.": (1 / low_rank).mean(),
            "질의가 아니라 후보를 따라 순위를 매겼습니다. 한 질의(한 행) 안에서의 순위입니다.": (
                1 / column
            ).mean(),
            "평균이 아니라 합을 구했습니다.": (1 / rank).sum(),
            "평균이 아니라 중앙값을 구했습니다. MRR의 M은 평균(mean)입니다.": np.median(1 / rank),
            "순위의 역수가 아니라 정답보다 낮은 후보의 비율을 구했습니다. 2위의 값은 후보가 몇 개이든 1/2입니다.": [
                (table < own).mean(),
                np.mean((table < own).sum(axis=1) / (table.shape[1] - 1)),
            ],
            "백분율로 바꾸었습니다. 0과 1 사이의 값을 그대로 돌려주십시오.": 100 * (1 / rank).mean(),
        }
        otherwise = "값이 다릅니다. 첫 질의의 점수를 높은 것부터 늘어놓고, 정답이 몇째인지부터 세십시오."
        compare(answer.reshape(()), (1 / rank).mean(), mistakes, otherwise)


HUB, SIZE, NEIGHBOURS = 2, 4, 2  # 5.4


def is_hubbed(matrix: np.ndarray) -> bool:
    """코사인으로는 모든 행이 허브를, 마진으로는 모든 행이 제 정답을 고르면 True."""
    by_margin = np.asarray(margin_scores(matrix, k=NEIGHBOURS)).argmax(axis=1)
    return bool((matrix.argmax(axis=1) == HUB).all() and (by_margin == np.arange(SIZE)).all())


@exercise(
    "5.4",
    praise="정답이 자기 이웃들 사이에서는 가장 높은데 허브에만 지는 행렬을 만들었습니다. 마진이 고치는 것이 바로 이런 행입니다.",
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
        "값이 거의 다 같습니다. 정답, 허브, 나머지의 점수가 서로 달라야 합니다.",
    )
    chosen = matrix.argmax(axis=1)
    expect(
        len(set(chosen)) > 1 or chosen[0] == HUB,
        f"허브가 {chosen[0]}번 열에 있습니다. 번호는 0부터이고, 허브는 {HUB}번 열이어야 합니다.",
    )
    expect(
        not is_hubbed(matrix.T),
        "허브가 행에 놓였습니다. 허브는 여러 질의가 함께 고르는 후보이므로 열입니다.",
    )
    expect(
        chosen[HUB] == HUB,
        f"{HUB}번 행은 허브 자신이 정답입니다. 그 행의 1위는 {HUB}번 열이어야 합니다.",
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
        "마진이 허브 자신의 행까지 놓쳤습니다. 허브는 자기 행과의 점수가 다른 행보다 더 높아야 합니다.",
    )
    expect(
        fixed > 1,
        "마진으로도 다른 행이 하나도 고쳐지지 않았습니다. 정답의 점수를 허브의 점수에 더 가까이 올려 보십시오.",
    )
    expect(
        fixed == SIZE,
        f"마진이 {SIZE}행 가운데 {fixed}행을 맞혔습니다. 남은 행에서 정답과 허브의 점수, 그리고 나머지의 점수를 비교해 보십시오.",
    )


def diagnosis(scores: np.ndarray, i: int) -> tuple[int, int, int]:
    """질의 i가 고른 후보, 정답의 순위, 그 후보를 잘못 고른 질의의 수(i도 셉니다)."""
    best = scores.argmax(axis=1)
    rank = int((scores[i] >= scores[i, i]).sum())
    wrong = best != np.arange(len(scores))
    return int(best[i]), rank, int((wrong & (best == best[i])).sum())


@exercise(
    "5.5",
    praise="정답이 한참 뒤에 있으면 인코더가 두 문장을 가깝게 놓지 못한 것이고, 여러 질의가 같은 오답을 골랐으면 그 후보가 허브인지 확인할 만합니다. 고치는 방법이 서로 다릅니다.",
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
            "정수 세 개를 (고른 후보, 정답의 순위, 그 후보를 잘못 고른 질의의 수) 순서로 돌려주십시오.",
        )
        chosen, rank, pulled = (as_integer(value) for value in answer)
        right_chosen, right_rank, right_pulled = diagnosis(scores, i)
        expect(
            chosen != i or right_chosen == i,
            "고른 후보로 정답의 번호를 돌려주었습니다. 이 질의는 다른 후보를 골라 틀렸습니다.",
        )
        expect(
            (chosen, rank) != (right_rank, right_chosen) or right_rank == right_chosen,
            "앞의 두 수가 서로 바뀌었습니다. 고른 후보의 번호가 먼저, 정답의 순위가 다음입니다.",
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
            "고른 후보는 맞았습니다. 순위를 0부터 세었습니다. 1위의 순위는 1입니다.",
        )
        expect(
            rank != int((scores[i] <= scores[i, i]).sum()) or rank == right_rank,
            "고른 후보는 맞았습니다. 순위를 점수가 낮은 것부터 세었습니다.",
        )
        expect(
            rank != int((scores[:, i] >= scores[i, i]).sum()) or rank == right_rank,
            "고른 후보는 맞았습니다. 순위를 열을 따라 세었습니다. 한 질의의 후보들은 한 행에 있습니다.",
        )
        expect(
            rank == right_rank,
            "고른 후보는 맞았습니다. 정답의 순위가 다릅니다. 정답보다 점수가 높거나 같은 후보가 몇입니까?",
        )
        everyone = int((best == right_chosen).sum())
        expect(
            pulled != everyone or pulled == right_pulled,
            "앞의 둘은 맞았습니다. 그 후보를 맞게 고른 질의까지 세었습니다. 잘못 고른 질의만 세십시오.",
        )
        expect(
            pulled != int((best == i).sum()) or pulled == right_pulled,
            "앞의 둘은 맞았습니다. 정답인 후보를 고른 질의를 세었습니다. 셀 것은 잘못 고른 후보를 함께 고른 질의입니다.",
        )
        expect(
            pulled != len(wrong) or pulled == right_pulled,
            "앞의 둘은 맞았습니다. 틀린 질의를 모두 세었습니다. 같은 후보를 고른 것만 세십시오.",
        )
        expect(
            pulled != right_pulled - 1,
            "앞의 둘은 맞았습니다. 이 질의 자신을 빼고 세었습니다. 자신도 함께 세십시오.",
        )
        expect(
            pulled == right_pulled,
            "앞의 둘은 맞았습니다. 셋째는 그 후보를 1위로 고른 질의 가운데 틀린 것의 수입니다.",
        )
