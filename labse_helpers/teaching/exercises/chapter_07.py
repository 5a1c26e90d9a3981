"""07장의 채점: 거짓 네거티브 세기, 손실의 바닥, 가중치 섞기, 얻은 것과 잃은 것, 조리법 고르기."""

import numpy as np
import torch

from .grading import Hint, as_array, as_integer, call, close, compare, exercise, expect


@exercise("7.1", praise="이 칸들에서 손실은 맞는 번역을 밀어냅니다. 배치를 나눌 때 미리 없애는 까닭입니다.")
def grade_false_negatives(function):
    source = ["닫기", "열기", "닫기", "저장", "닫기", "취소", "저장"]
    target = ["Close", "Open", "Shut", "Save", "Close", "Open", "Save"]
    answer = as_integer(call(function, source, target))
    hints = {
        0: "하나도 없다고 나왔습니다. 번호는 다른데 글이 같은 문장을 찾으십시오.",
        17: "대각선까지 세었습니다. 제 짝과 이루는 칸은 정답입니다.",
        5: "칸 (i, j)와 (j, i)는 서로 다른 칸입니다. 둘 다 세십시오.",
        8: "원문이 같은 칸만 세었습니다. 번역이 같은 칸도 오답이 아닙니다.",
        6: "번역이 같은 칸만 세었습니다. 원문이 같은 칸도 오답이 아닙니다.",
        14: "원문도 번역도 같은 칸을 두 번 세었습니다. ‘또는’이므로 한 번만 셉니다.",
        4: "원문과 번역이 모두 같은 칸만 세었습니다. 하나만 같아도 맞는 번역일 수 있습니다.",
    }
    expect(
        answer == 10,
        hints.get(
            answer,
            "개수가 다릅니다. i ≠ j이면서 source[i]와 source[j]가 같거나 target[i]와 target[j]가 같은 칸을 세십시오.",
        ),
    )
    expect(
        as_integer(call(function, ["가", "나"], ["a", "b"])) == 0,
        "겹치는 문장이 없는 배치에서 0이 나와야 합니다.",
    )


@exercise(
    "7.2",
    praise="아무리 잘 배워도 이 아래로는 못 갑니다. 중복이 있으면 손실이 0에 가까워지지 않는 까닭입니다.",
)
def grade_floor(function):
    for n, copies in ((64, 2), (10, 5), (8, 8)):
        answer = as_array(call(function, n, copies), ())
        one = copies * np.log(copies) / n
        compare(
            answer,
            2 * one,
            {
                "한 방향만 더했습니다. 두 방향의 손실을 더하십시오.": one,
                "배치의 크기로 나누지 않았습니다. 손실은 배치의 평균입니다.": [copies * np.log(copies), 2 * copies * np.log(copies)],
                "같은 쌍 하나만 셈했습니다. 같은 쌍 모두가 손실을 냅니다.": [np.log(copies) / n, 2 * np.log(copies) / n],
                "모든 쌍이 겹친 것으로 보았습니다. 겹치지 않은 쌍의 손실은 0입니다.": [np.log(copies), 2 * np.log(copies)],
                "밑이 2인 로그입니다. 손실은 자연로그를 씁니다.": [2 * copies * np.log2(copies) / n, copies * np.log2(copies) / n],
                "부호가 반대입니다. -log(1 / copies)는 양수입니다.": -2 * one,
            },
            "값이 다릅니다. 겹친 쌍 하나에서 정답의 확률은 많아야 1 / copies입니다. 나머지 쌍의 손실은 0입니다.",
        )  # fmt: skip
    expect(close(as_array(call(function, 32, 1), ()), 0.0), "겹친 쌍이 없으면(copies가 1) 바닥은 0입니다.")


@exercise("7.3", praise="가중치를 섞는 것만으로 새로 배운 것의 대부분을 지키면서 잃은 것을 되찾습니다.")
def grade_blend(function):
    original = {
        "weight": torch.tensor([[1.0, -2.0], [0.5, 4.0]]),
        "bias": torch.tensor([0.0, 1.0]),
        "table": torch.tensor([3, 200, 7], dtype=torch.uint8),
    }
    tuned = {
        "weight": torch.tensor([[2.0, 0.0], [0.5, 1.0]]),
        "bias": torch.tensor([1.0, -1.0]),
        "table": original["table"].clone(),
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
                "비율이 뒤바뀌었습니다. alpha는 가르친 쪽의 몫입니다.": 0.25 * start + 0.75 * end,
                "원래 가중치 그대로입니다.": start,
                "가르친 가중치 그대로입니다.": end,
                "절반씩 섞었습니다. alpha를 쓰십시오.": (start + end) / 2,
                "더하기만 했습니다. 원래 것에는 1 - alpha를 곱하십시오.": [start + 0.25 * end, start + end],
            },
            f"{name}의 값이 다릅니다. (1 - alpha) × 원래 + alpha × 가르친 것입니다.",
        )
    table = blended["table"]
    expect(
        isinstance(table, torch.Tensor) and table.dtype == torch.uint8,
        "정수 텐서(8비트 표)가 실수로 바뀌었습니다. 실수가 아닌 것은 섞지 말고 그대로 두십시오.",
    )
    expect(bool((table == original["table"]).all()), "정수 텐서의 값이 달라졌습니다. 그대로 두십시오.")


@exercise("7.4", praise="평균이 몇 점 올랐는지와 함께, 무엇을 잃고 얻은 것인지 볼 수 있습니다.")
def grade_gained_lost(function):
    before, after = np.array([1, 2, 1, 5, 1, 1, 3, 9, 2]), np.array([1, 1, 3, 1, 1, 2, 2, 1, 4])
    answer = as_array(call(function, before, after))
    expect(answer.shape == (2,), "수 둘을 (얻은 것, 잃은 것)의 차례로 돌려주십시오.")
    expect(not close(answer, (2, 3)), "둘이 뒤바뀌었습니다. 얻은 것은 틀리다가 맞게 된 질의입니다.")
    expect(
        not close(answer, (4, 3)) and not close(answer, (4, 2)),
        "등수가 오르기만 한 것까지 세었습니다. 얻은 것은 1등이 아니다가 1등이 된 질의입니다.",
    )
    expect(
        not close(answer, (3, 3)),
        "등수가 내리기만 한 것까지 세었습니다. 잃은 것은 1등이다가 아니게 된 질의입니다.",
    )
    expect(not close(answer, (5, 4)), "뒤와 앞에서 1등인 것을 모두 세었습니다. 달라진 것만 세십시오.")
    expect((answer == np.round(answer)).all(), "비율이 아니라 질의의 수를 돌려주십시오.")
    expect(
        close(answer, (3, 2)),
        "개수가 다릅니다. (앞은 1이 아니고 뒤는 1), (앞은 1이고 뒤는 1이 아님)을 세십시오.",
    )


@exercise("7.5", praise="얻은 것이 가장 큰 조리법이 아니라, 잃지 않으면서 얻은 조리법을 골랐습니다.")
def grade_choose(function):
    rows = [
        {"recipe": "배우기 전", "learned": [75.0, 77.0], "elsewhere": [90.0, 89.0]},
        {"recipe": "가", "learned": [85.0, 84.0], "elsewhere": [86.0, 85.0]},
        {"recipe": "나", "learned": [80.0, 80.0], "elsewhere": [89.6, 88.4]},
        {"recipe": "다", "learned": [83.0, 77.5], "elsewhere": [90.0, 89.0]},
        {"recipe": "라", "learned": [84.0, 83.0], "elsewhere": [91.5, 87.5]},
        {"recipe": "마", "learned": [78.0, 78.5], "elsewhere": [90.5, 89.5]},
    ]
    answer = call(function, rows, 1.0)
    if not isinstance(answer, str):
        raise Hint(f"조리법의 이름(문자열)을 기다렸는데 {type(answer).__name__}형이 왔습니다.")
    hints = {
        "배우기 전": "첫 줄은 견줄 기준입니다. 고르는 것은 그 아래 줄에서 합니다.",
        "가": "가장 많이 얻었지만 다른 갈래에서 4점을 잃었습니다. 잃은 것을 먼저 보십시오.",
        "라": "다른 갈래의 평균은 그대로지만 한 방향에서 1점 넘게 잃었습니다. 방향마다 보십시오.",
        "다": "한 방향만 많이 올랐습니다. 두 방향 가운데 덜 오른 쪽을 견주십시오.",
        "마": "잃지 않은 것 가운데 더 많이 얻은 것이 있습니다.",
    }
    expect(answer == "나", hints.get(answer, "표에 없는 이름입니다. 'recipe'의 값을 그대로 돌려주십시오."))
    strict = call(function, rows, 0.2)
    expect(
        strict == "마",
        "allowed를 0.2로 줄이면 답이 달라져야 합니다. 1.0을 그대로 써 넣지 않았는지 보십시오.",
    )
