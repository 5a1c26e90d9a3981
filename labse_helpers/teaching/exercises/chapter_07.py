"""07장의 채점: 거짓 음성 세기, 손실의 하한, 가중치 섞기, 다시 뽑는 단위, 설정 고르기."""

import copy

import numpy as np
import torch

from .grading import Hint, as_array, as_integer, call, close, compare, exercise, expect


@exercise(
    "7.1",
    praise="손실은 이 원소를 오답으로 셉니다. 글까지 같으면 정답 원소가 같은 값을 끌어당겨 서로 상쇄되고 손실의 하한만 남습니다. 글은 다르고 뜻만 같으면 상쇄되지 않아 맞는 번역을 밀어냅니다.",
)
def grade_false_negatives(function):
    source = ["닫기", "열기", "닫기", "저장", "닫기", "취소", "저장", "닫기", "정지", "도움말"]
    target = ["Close", "Open", "Shut", "Save", "Close", "Open", "Store", "Dismiss", "Shut", "Help"]
    answer = as_integer(call(function, source, target))
    repeated = (
        "반복된 문장의 수를 세었습니다. 세는 것은 행렬의 원소입니다. 같은 문장이 k개면 k(k − 1)개입니다."
    )
    hints = {
        0: "하나도 없다고 나왔습니다. 번호는 다른데 글이 같은 문장을 찾으십시오.",
        28: "대각선까지 세었습니다. 대각선의 원소는 정답 쌍입니다.",
        9: "원소 (i, j)와 (j, i)는 서로 다른 원소입니다. 둘 다 세십시오.",
        14: "원문이 같은 원소만 세었습니다. 번역이 같은 원소도 오답이 아닙니다.",
        6: "번역이 같은 원소만 세었습니다. 원문이 같은 원소도 오답이 아닙니다.",
        20: "원문도 번역도 같은 원소를 두 번 세었습니다. ‘또는’이므로 한 번만 셉니다.",
        2: "원문과 번역이 모두 같은 원소만 세었습니다. 하나만 같아도 맞는 번역일 수 있습니다.",
        16: "원문과 번역 가운데 하나만 같은 원소를 세었습니다. 둘 다 같은 원소도 셉니다.",
    } | dict.fromkeys((3, 4, 7), repeated)
    expect(
        answer == 18,
        hints.get(
            answer,
            "개수가 다릅니다. i ≠ j이면서 source[i]와 source[j]가 같거나 target[i]와 target[j]가 같은 원소를 세십시오.",
        ),
    )
    expect(
        as_integer(call(function, ["가", "나"], ["a", "b"])) == 0,
        "겹치는 문장이 없는 배치에서 0이 나와야 합니다.",
    )


@exercise(
    "7.2",
    praise="아무리 잘 학습해도 손실은 이 값보다 낮아지지 않습니다.",
)
def grade_floor(function):
    for n, copies in ((10, 5), (64, 2), (8, 8)):
        answer = as_array(call(function, n, copies), ())
        one = copies * np.log(copies) / n
        compare(
            answer,
            2 * one,
            {
                "한 방향만 더했습니다. 두 방향의 손실을 더하십시오.": one,
                "배치의 크기로 나누지 않았습니다. 손실은 배치의 평균입니다.": [copies * np.log(copies), 2 * copies * np.log(copies)],
                "같은 쌍 하나의 손실만 더했습니다. 같은 쌍 모두에서 손실이 남습니다.": [np.log(copies) / n, 2 * np.log(copies) / n],
                "같은 쌍에서 하나를 뺐습니다. copies개 모두에서 손실이 남습니다.": [
                    (copies - 1) * np.log(copies) / n, 2 * (copies - 1) * np.log(copies) / n],
                "모든 쌍이 겹친 것으로 보았습니다. 겹치지 않은 쌍의 손실은 0입니다.": [np.log(copies), 2 * np.log(copies)],
                "배치의 모든 쌍이 확률을 나누어 갖는 것으로 보았습니다. 확률을 나누어 갖는 것은 똑같은 쌍끼리입니다.": [
                    copies * np.log(n) / n, 2 * copies * np.log(n) / n],
                "밑이 2인 로그입니다. 손실은 자연로그를 씁니다.": [2 * copies * np.log2(copies) / n, copies * np.log2(copies) / n],
                "부호가 반대입니다. -log(1 / copies)는 양수입니다.": -2 * one,
            },
            "값이 다릅니다. 겹친 쌍 하나에서 정답의 확률은 많아야 1 / copies입니다. 나머지 쌍의 손실은 0입니다.",
        )  # fmt: skip
    expect(close(as_array(call(function, 32, 1), ()), 0.0), "겹친 쌍이 없으면(copies가 1) 하한은 0입니다.")


@exercise(
    "7.3",
    praise="학습은 한 번만 하고, 섞는 비율은 나중에 정할 수 있습니다.",
)
def grade_blend(function):
    original = {
        "weight": torch.tensor([[1.0, -2.0], [0.5, 4.0]]),
        "bias": torch.tensor([0.0, 1.0], dtype=torch.float64),
        "table": torch.tensor([3, 200, 7], dtype=torch.uint8),
    }
    tuned = {
        "weight": torch.tensor([[2.0, 0.0], [0.5, 1.0]]),
        "bias": torch.tensor([1.0, -1.0], dtype=torch.float64),
        "table": torch.tensor([4, 100, 7], dtype=torch.uint8),
    }
    blended = call(function, original, tuned, 0.25)
    expect(isinstance(blended, dict), f"사전을 기다렸는데 {type(blended).__name__}형이 왔습니다.")
    expect(
        set(blended) == set(original), "이름이 빠지거나 늘었습니다. original과 같은 이름을 모두 담으십시오."
    )
    for name in ("weight", "bias"):
        mixed = as_array(blended[name], tuple(original[name].shape))
        start, end = original[name].double().numpy(), tuned[name].double().numpy()
        compare(
            mixed,
            0.75 * start + 0.25 * end,
            {
                "비율이 뒤바뀌었습니다. alpha는 학습한 가중치에 곱하는 비율입니다.": 0.25 * start
                + 0.75 * end,
                (
                    "원래 가중치 그대로입니다."
                    if name == "weight"
                    else "float64 텐서를 섞지 않았습니다. float32만이 아니라 실수 텐서는 모두 섞으십시오."
                ): start,
                "학습한 가중치 그대로입니다.": end,
                "절반씩 섞었습니다. alpha를 쓰십시오.": (start + end) / 2,
                "원래 가중치에 1 - alpha를 곱하지 않았습니다.": [start + 0.25 * end, start + end],
            },
            f"{name}의 값이 다릅니다. (1 - alpha) × 원래 + alpha × 학습한 것입니다.",
        )
    table = blended["table"]
    expect(
        isinstance(table, torch.Tensor) and table.dtype == torch.uint8,
        "정수 텐서(8비트 표)가 실수로 바뀌었습니다. 실수가 아닌 것은 섞지 말고 그대로 두십시오.",
    )
    expect(
        not torch.equal(table, tuned["table"]),
        "정수 텐서를 학습한 쪽에서 가져왔습니다. 실수가 아닌 것은 원래 것을 씁니다.",
    )
    expect(bool((table == original["table"]).all()), "정수 텐서의 값이 달라졌습니다. 그대로 두십시오.")
    mine, theirs = copy.deepcopy(original), copy.deepcopy(tuned)
    call(lambda: function(mine, theirs, 0.25))
    for kept, given, name in ((original, mine, "original"), (tuned, theirs, "tuned")):
        expect(
            kept.keys() == given.keys() and all(torch.equal(kept[key], given[key]) for key in kept),
            f"받은 {name}의 값이 바뀌었습니다. 다른 비율로 다시 섞을 수 있게 새 텐서를 만들어 돌려주십시오.",
        )


@exercise(
    "7.4",
    praise="문장마다 값 하나로 모은 뒤 문장을 다시 뽑습니다. 함께 움직이는 값이 있을 때 따로따로 뽑으면 구간이 실제보다 좁아질 수 있습니다.",
)
def grade_unit(function):
    before = np.array([[1, 2, 5], [1, 1, 1], [3, 2, 9], [1, 1, 2], [4, 1, 1]])  # (S, L) = (5, 3)
    after = np.array([[1, 1, 4], [2, 1, 4], [1, 1, 1], [1, 1, 1], [3, 1, 1]])
    answer = as_array(call(function, before, after))
    gain = (after == 1).astype(float) - (before == 1)
    expect(
        answer.size != gain.size,
        "질의마다 값이 하나씩입니다. 한 문장의 여러 번역은 함께 맞고 함께 틀릴 수 있으므로 서로 독립이라고 볼 수 없습니다. 값을 문장마다 하나로 모으십시오.",
    )
    expect(
        answer.shape != (3,),
        "언어마다 하나로 모았습니다. 다른 데이터에서 잰다면 새로 뽑히는 것은 언어가 아니라 문장입니다.",
    )
    expect(answer.size != 1, "모두 평균하면 다시 뽑을 것이 없습니다. 문장마다 값을 하나씩 돌려주십시오.")
    answer = as_array(answer, (5,))
    right = gain.mean(axis=1)
    compare(
        answer,
        right,
        {
            "부호가 반대입니다. 학습 뒤에서 학습 전을 빼십시오.": -right,
            "언어마다의 차이를 더했습니다. P@1의 차이가 되려면 언어에 대해 평균하십시오.": gain.sum(axis=1),
            "순위의 차이입니다. P@1은 순위가 1인지만 봅니다.": [(after - before).mean(axis=1), (before - after).mean(axis=1)],
            "역순위(1 / 순위)의 차이는 MRR의 차이입니다. P@1은 순위가 1인지만 봅니다.": (1 / after - 1 / before).mean(axis=1),
            "학습 뒤의 P@1입니다. 학습 전을 빼십시오.": (after == 1).mean(axis=1),
            "모든 언어에서 맞은 문장만 세었습니다. 언어마다 맞았는지를 평균하십시오.": (after == 1).all(axis=1) * 1.0 - (before == 1).all(axis=1),
            "새로 맞은 것만 셌습니다. 새로 틀린 것은 -1입니다.": np.maximum(gain, 0).mean(axis=1),
        },
        "값이 다릅니다. 문장마다 (학습 뒤에 1위인 언어의 비율) - (학습 전에 1위인 언어의 비율)입니다.",
    )  # fmt: skip


@exercise(
    "7.5",
    praise="가장 많이 얻은 설정이 아니라, 다른 도메인을 지키면서 얻은 설정을 골랐습니다.",
)
def grade_choose(function):
    rows = [
        {"recipe": "학습 전", "learned": [75.0, 77.0], "elsewhere": [90.0, 89.0]},
        {"recipe": "가", "learned": [85.0, 84.0], "elsewhere": [86.0, 85.0]},
        {"recipe": "나", "learned": [81.5, 79.5], "elsewhere": [89.5, 88.5]},
        {"recipe": "다", "learned": [85.0, 77.5], "elsewhere": [90.0, 89.0]},
        {"recipe": "라", "learned": [84.0, 83.0], "elsewhere": [91.5, 87.5]},
        {"recipe": "마", "learned": [78.5, 80.5], "elsewhere": [90.0, 88.0]},
        {"recipe": "바", "learned": [76.5, 78.5], "elsewhere": [90.5, 89.5]},
        {"recipe": "사", "learned": [74.0, 88.0], "elsewhere": [90.0, 89.5]},
    ]
    answer = call(function, rows, 1.0)
    if not isinstance(answer, str):
        raise Hint(f"설정의 이름(문자열)을 기다렸는데 {type(answer).__name__}형이 왔습니다.")
    hints = {
        "학습 전": "잃은 것이 허용 범위 안이면서 두 방향 모두 오른 설정이 있습니다.",
        "가": "가장 많이 올랐지만 다른 도메인에서 4 %p를 잃었습니다. 잃은 것을 먼저 보십시오.",
        "라": "다른 도메인의 평균은 그대로지만 한 방향에서 1 %p 넘게 잃었습니다. 방향마다 보십시오.",
        "다": "한 방향만 많이 올랐습니다. 두 방향 가운데 덜 오른 쪽을 비교하십시오.",
        "나": "P@1이 높은 설정을 골랐습니다. 학습 전과의 차이를 방향마다 구해 비교하십시오.",
        "사": "한 방향만 많이 올랐고 다른 방향은 내렸습니다. 두 방향 가운데 덜 오른 쪽을 비교하십시오.",
        "바": "허용 범위 안에서 더 많이 오른 설정이 있습니다. allowed를 쓰십시오.",
    }
    expect(
        answer != "나" or call(function, rows, 1.2) != "마",
        "꼭 allowed만큼 잃은 설정까지 뺐습니다. ‘넘게’ 잃은 것만 빼십시오.",
    )
    expect(answer == "마", hints.get(answer, "표에 없는 이름입니다. 'recipe'의 값을 그대로 돌려주십시오."))
    expect(
        call(function, rows, 0.2) == "바",
        "allowed를 0.2로 줄이면 답이 달라져야 합니다. 1.0을 그대로 써 넣지 않았는지 보십시오.",
    )
    expect(
        call(function, [rows[0], rows[7]], 1.0) == "학습 전" and call(function, rows[:2], 1.0) == "학습 전",
        "남은 설정이 없거나 오르지 않았을 때는 학습 전의 이름을 돌려주십시오. 바꾸지 않는 것도 선택지입니다.",
    )
