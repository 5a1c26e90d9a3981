"""02장의 채점: 거저 생기는 오답, 두 방향의 손실, 가산 마진, 거짓 네거티브를 일부러 섞기, 거짓 네거티브 가리기."""

import re

import numpy as np
import torch
from torch.nn.functional import cross_entropy, normalize

from .grading import as_array, call_on_arrays, close, compare, exercise, expect

BATCH = 64  # 2.1
NEARLY = 5e-3  # 2.1에서 반올림한 로그를 받아 주는 폭


@exercise("2.1", praise="짝 64개로 오답 4,032개를 거저 얻었고, 손실이 이 출발점보다 낮아져야 배운 것입니다.")
def grade_free_negatives(answer):
    answer = as_array(answer)
    expect(answer.shape == (2,), "수 두 개를 (오답인 칸의 수, 손실) 차례로 넣으십시오.")
    cells, loss = BATCH * (BATCH - 1), 2 * np.log(BATCH)
    expect(
        not close(answer[::-1], (cells, loss), NEARLY),
        "두 수의 차례를 보십시오. 앞이 오답인 칸의 수, 뒤가 손실입니다.",
    )
    counts = {
        "대각선까지 세었습니다. 대각선의 칸은 오답이 아니라 정답입니다.": BATCH**2,
        "한 행에 있는 오답만 세었습니다. 행이 모두 몇 개입니까?": [BATCH - 1, BATCH],
        "같은 칸을 두 방향에서 두 번 세었습니다. 칸의 수를 묻습니다.": 2 * cells,
        "위쪽 세모만 세었습니다. 한국어 i와 영어 j, 한국어 j와 영어 i는 다른 칸입니다.": cells / 2,
    }
    compare(
        answer[0],
        cells,
        counts,
        "오답의 수가 다릅니다. 작은 배치(N = 3)를 그려 대각선 밖의 칸을 세어 보십시오.",
    )
    losses = {
        "오답의 수는 맞았습니다. 손실은 두 방향을 더한 것입니다.": np.log(BATCH),
        "오답의 수는 맞았습니다. 로그는 밑이 e인 자연로그입니다.": [
            2 * np.log2(BATCH),
            2 * np.log10(BATCH),
            np.log2(BATCH),
            np.log10(BATCH),
        ],
        "오답의 수는 맞았습니다. 고르는 것은 오답만이 아니라 정답까지 N개 가운데에서입니다.": [
            2 * np.log(BATCH - 1),
            np.log(BATCH - 1),
        ],
        "오답의 수는 맞았습니다. 확률이 아니라 손실입니다. 확률에 무엇을 씌워야 손실이 됩니까?": [
            1 / BATCH,
            2 / BATCH,
        ],
        "오답의 수는 맞았습니다. 손실은 양수입니다. 부호를 보십시오.": [-loss, -loss / 2],
        "오답의 수는 맞았습니다. 두 방향의 손실은 곱하지 않고 더합니다.": np.log(BATCH) ** 2,
    }
    for hint, values in losses.items():
        for value in values if isinstance(values, list) else [values]:
            expect(not close(answer[1], value, NEARLY), hint)
    expect(
        close(answer[1], loss, NEARLY),
        "오답의 수는 맞았습니다. 손실은 2절 끝의 칸에서 N만 바꾼 값입니다. 소수 둘째 자리까지는 맞아야 합니다.",
    )


def both_directions(logits: torch.Tensor) -> float:
    """점수 (N, N)의 두 방향 교차 엔트로피의 합."""
    labels = torch.arange(len(logits))
    return float(cross_entropy(logits, labels) + cross_entropy(logits.T, labels))


@exercise(
    "2.2",
    praise="길이를 맞추고, 배율을 곱하고, 행과 열의 두 방향에서 대각선을 고르게 했습니다. LaBSE의 손실의 뼈대입니다.",
)
def grade_loss(function):
    generator = torch.Generator().manual_seed(3)
    broken = "모양이 맞지 않는 계산이 있습니다. x와 y는 (N, dim), 점수는 (N, N), 정답은 (N,)입니다."
    for n, dim, scale in ((4, 6, 5.0), (3, 2, 10.0)):
        x, y = torch.randn(n, dim, generator=generator), torch.randn(n, dim, generator=generator)
        cosine = normalize(x, dim=1) @ normalize(y, dim=1).T
        logits, raw = scale * cosine, scale * (x @ y.T)
        labels = torch.arange(n)
        forward, backward = cross_entropy(logits, labels), cross_entropy(logits.T, labels)
        each = cross_entropy(logits, labels, reduction="none") + cross_entropy(
            logits.T, labels, reduction="none"
        )
        answer = as_array(call_on_arrays(function, x, y, scale, broken=broken))
        expect(
            answer.shape != (n,),
            "문장마다의 손실이 그대로 남아 있습니다. 배치 전체의 손실은 그 평균 하나입니다.",
        )
        expect(answer.shape != (n, n), "점수 행렬이 나왔습니다. 손실은 수 하나입니다.")
        expect(
            answer.shape in ((), (1,)),
            f"수 하나를 기다렸는데 모양이 {answer.shape}입니다. 무엇을 더 평균해야 하는지 보십시오.",
        )
        shifted = labels.roll(-1)
        whole = -torch.log_softmax(logits.flatten(), dim=0).view(n, n).diagonal().mean()
        mistakes = {
            "벡터의 길이를 1로 맞추지 않았습니다. 점수는 내적이 아니라 코사인입니다.": [
                both_directions(raw),
                float(cross_entropy(raw, labels)),
                float(cross_entropy(raw.T, labels)),
            ],
            "한 방향(행)만 구했습니다. y에게 x를 고르게 하는 방향도 있습니다.": forward,
            "한 방향(열)만 구했습니다. x에게 y를 고르게 하는 방향도 있습니다.": backward,
            "같은 방향을 두 번 더했습니다. 한 번은 행렬의 다른 축을 따라야 합니다.": [
                2 * forward,
                2 * backward,
            ],
            "두 방향을 평균했습니다. 이 강의의 손실은 두 방향의 합입니다.": (forward + backward) / 2,
            "배율(scale)을 곱하지 않았습니다.": both_directions(cosine),
            "배율로 나누었습니다. 배율은 온도의 역수이므로 곱합니다.": both_directions(cosine / scale),
            "정답의 번호가 한 칸씩 밀렸습니다. i째 행의 정답은 i째 열입니다.": [
                cross_entropy(logits, shifted) + cross_entropy(logits.T, shifted),
                cross_entropy(logits, labels.roll(1)) + cross_entropy(logits.T, labels.roll(1)),
            ],
            "평균이 아니라 합을 구했습니다. 배치가 크다고 손실까지 커지면 안 됩니다.": each.sum(),
            "부호가 거꾸로입니다. 손실은 로그 확률에 음의 부호를 붙인 값입니다.": [
                -(forward + backward),
                -forward,
            ],
            "소프트맥스를 행렬 전체에 씌웠습니다. 행마다, 그리고 열마다 따로 씌워야 합니다.": [
                whole,
                2 * whole,
            ],
            "로그를 씌우지 않고 확률을 평균했습니다.": [
                torch.softmax(logits, 1).diagonal().mean() + torch.softmax(logits, 0).diagonal().mean(),
                -torch.softmax(logits, 1).diagonal().mean() - torch.softmax(logits, 0).diagonal().mean(),
            ],
            "길이를 열마다 맞추었습니다. 문장 하나는 한 행입니다.": both_directions(
                scale * normalize(x, dim=0) @ normalize(y, dim=0).T
            ),
        }
        otherwise = (
            "값이 다릅니다. 2절의 코사인 행렬에 본문의 네 줄을 써서 얻은 값과 한 단계씩 견주어 보십시오."
        )
        compare(answer.reshape(()), float(forward + backward), mistakes, otherwise)


@exercise(
    "2.3",
    praise="정답의 점수만 깎았으므로, 정답은 오답보다 마진만큼 더 높아야 이깁니다. 남끼리는 그대로입니다.",
)
def grade_margin(function):
    generator = torch.Generator().manual_seed(9)
    cosine = torch.rand(4, 4, generator=generator) * 1.6 - 0.8
    margin, eye = 0.25, torch.eye(4)
    broken = "모양이 맞지 않는 계산이 있습니다. 대각선에만 값이 있는 (N, N) 행렬을 어떻게 만드는지 보십시오."
    answer = as_array(call_on_arrays(function, cosine, margin, broken=broken))
    expect(
        answer.shape != (4,),
        "대각선만 돌려주었습니다. 오답의 칸도 그대로 남아 있는 (N, N) 행렬이어야 합니다.",
    )
    expect(
        answer.shape == (4, 4),
        f"(N, N) = (4, 4)를 기다렸는데 모양이 {answer.shape}입니다. 받은 행렬과 같은 모양이어야 합니다.",
    )
    mistakes = {
        "받은 행렬이 그대로 나왔습니다. 마진을 빼지 않았습니다.": cosine,
        "마진을 더했습니다. 그러면 정답이 더 쉬워집니다.": cosine + margin * eye,
        "모든 칸에서 뺐습니다. 모두 같이 낮아지면 소프트맥스는 바뀌지 않습니다.": cosine - margin,
        "정답이 아니라 오답에서 뺐습니다. 그러면 시험이 더 쉬워집니다.": cosine - margin * (1 - eye),
        "오답에 더했습니다. 손실은 같아지지만, 이 연습은 정답의 점수를 깎는 꼴로 적습니다.": cosine
        + margin * (1 - eye),
        "빼지 않고 곱했습니다. 가산(additive) 마진은 더하고 빼는 마진입니다.": [
            cosine * (1 - margin * eye),
            cosine * (1 - (1 - margin) * eye),
            cosine * margin,
        ],
        "대각선이 한 칸 밀렸습니다. i째 행의 정답은 i째 열입니다.": [
            cosine - margin * torch.diag(torch.ones(3), 1),
            cosine - margin * torch.diag(torch.ones(3), -1),
            cosine - margin * eye.roll(1, 1),
            cosine - margin * eye.roll(-1, 1),
        ],
        "다른 쪽의 대각선에서 뺐습니다. 정답은 왼쪽 위에서 오른쪽 아래로 놓입니다.": cosine
        - margin * eye.flip(1),
        "첫 행이나 첫 열에서 뺐습니다. 정답은 행마다 다른 열에 있습니다.": [
            cosine - margin * eye[0],
            cosine - margin * eye[:, :1],
        ],
        "오답의 칸을 지웠습니다. 견줄 남이 있어야 배웁니다.": [
            (cosine - margin) * eye,
            cosine * eye,
            cosine * eye - margin * eye,
        ],
        "행과 열이 바뀌었습니다.": (cosine - margin * eye).T,
    }
    otherwise = "모양은 맞지만 값이 다릅니다. 받은 행렬과의 차이를 출력해, 대각선에만 값이 있는지 보십시오."
    compare(answer, cosine - margin * eye, mistakes, otherwise)


MIN_RISE = 0.1  # 2.4에서 손실이 올라야 하는 폭


@exercise(
    "2.4",
    praise="번역으로는 나무랄 데 없는 짝인데 손실이 올랐습니다. 틀린 것은 인코더가 아니라 ‘남은 모두 오답’이라는 가정입니다.",
)
def grade_false_negative(answer, ko=None, en=None, model=None):
    expect(
        isinstance(answer, (list, tuple)) and len(answer) == 2 and all(isinstance(s, str) for s in answer),
        "문장 두 개를 (한국어, 영어) 차례로 괄호에 묶어 넣으십시오.",
    )
    mine_ko, mine_en = (sentence.strip() for sentence in answer)
    expect(mine_ko and mine_en, "빈 문장이 있습니다. 두 자리를 모두 채우십시오.")
    is_korean = [bool(re.search("[가-힣]", sentence)) for sentence in (mine_ko, mine_en)]
    expect(is_korean != [False, True], "두 문장의 차례를 보십시오. 한국어가 먼저입니다.")
    expect(is_korean[0], "첫 문장에 한글이 없습니다. 한국어로 적으십시오.")
    expect(not is_korean[1], "둘째 문장에 한글이 있습니다. 영어로 적으십시오.")
    expect(
        model is not None and ko is not None and en is not None,
        "견줄 것이 없습니다. check에 ko=ko, en=en, model=model을 함께 넣으십시오.",
    )
    expect(
        mine_ko not in ko and mine_en not in en,
        "이미 있는 문장을 그대로 되풀이했습니다. 같은 뜻을 다른 말로 적으십시오.",
    )

    def encode(sentences: list[str]) -> torch.Tensor:
        return normalize(torch.as_tensor(as_array(model.encode(sentences))), dim=1)

    source, target = encode([*ko[:-1], mine_ko]), encode([*en[:-1], mine_en])
    cosine = source @ target.T  # (N, N), 마지막이 학생의 짝
    own, others_en, others_ko = cosine[-1, -1], cosine[-1, :-1], cosine[:-1, -1]
    before = both_directions(20 * encode(ko) @ encode(en).T)
    after = both_directions(20 * cosine)
    twin = int((others_en + others_ko).argmax())
    expect(
        own > 0.75 * torch.minimum(cosine[twin, twin], torch.tensor(1.0)),
        "지은 두 문장이 서로의 번역 같지 않습니다. 번역이 아닌 짝은 거짓 네거티브가 아니라 잘못된 정답입니다.",
    )
    expect(
        after > before + MIN_RISE,
        f"손실 {before:.2f} → {after:.2f}: {MIN_RISE} 넘게 올라야 합니다. "
        "배치의 다른 짝과 뜻이 같은 문장이어야 인코더가 둘을 헷갈립니다.",
    )


@exercise(
    "2.5",
    praise="뜻이 같은 남을 시험지에서 지웠으니, 인코더는 이제 그 둘을 떼어 놓으라는 꾸중을 듣지 않습니다.",
)
def grade_masked(function):
    generator = torch.Generator().manual_seed(21)
    same = torch.eye(5, dtype=torch.bool)
    same[0, 4] = same[4, 0] = True
    same[1, 3] = True  # 한쪽 방향만 같은 뜻(넓은 말과 좁은 말)
    logits = 6 * (torch.rand(5, 5, generator=generator) - 0.3) + 3 * same
    eye = torch.eye(5, dtype=torch.bool)
    broken = "모양이 맞지 않는 계산이 있습니다. logits와 same은 모두 (N, N)입니다."
    try_nothing = "받은 점수가 그대로 나왔습니다. 가릴 칸을 고르고 그 점수를 바꾸어야 합니다."
    answer = call_on_arrays(function, logits, same, broken=broken)
    values = _finite_or_hidden(answer)
    expect(
        values.shape == (5, 5),
        f"(N, N) = (5, 5)를 기다렸는데 모양이 {values.shape}입니다. 받은 행렬과 같은 모양이어야 합니다.",
    )
    hidden = values <= -1e4
    given, alike, diagonal = logits.double().numpy(), same.numpy(), eye.numpy()
    target = alike & ~diagonal
    expect(not close(values, given), try_nothing)
    expect(
        not hidden[diagonal].any(),
        "대각선까지 가렸습니다. 정답이 사라지면 손실이 무한대가 됩니다.",
    )
    expect(
        not (values[target] == 0).all(),
        "점수를 0으로 바꾸었습니다. 0점도 소프트맥스에서는 확률을 얻습니다. e의 몇 제곱이 0입니까?",
    )
    expect(
        not (np.isposinf(values) | (values > 1e4)).any(),
        "아주 큰 수를 넣었습니다. 그러면 가린 칸이 확률을 모두 가져갑니다.",
    )
    expect(
        not (hidden == (~alike)).all(),
        "거꾸로 가렸습니다. 뜻이 다른 남은 남아 있어야 배울 것이 있습니다.",
    )
    expect(
        not (hidden == (target | target.T)).all() or (target == target.T).all(),
        "same이 True가 아닌 칸까지 가렸습니다. 전치하지 말고 same의 칸만 보십시오.",
    )
    expect(
        not (hidden == target.T).all(), "행과 열이 바뀌었습니다. same[i, j]가 True이면 i행 j열을 가립니다."
    )
    expect(
        hidden.any(),
        "가린 칸의 점수가 충분히 낮지 않습니다. 소프트맥스를 지나면 확률이 0이어야 합니다.",
    )
    expect(
        (hidden == target).all(),
        "가린 칸이 다릅니다. 뜻이 같은데 짝은 아닌 칸만 가려야 합니다. `same`과 대각선을 함께 출력해 보십시오.",
    )
    expect(
        close(values[~target], given[~target]),
        "가리지 않은 칸의 점수까지 바뀌었습니다. 다른 칸은 그대로 두십시오.",
    )


def _finite_or_hidden(answer: object) -> np.ndarray:
    """답을 배열로 바꾸되 −∞와 +∞는 그대로 둡니다(가리는 데 쓰므로)."""
    if isinstance(answer, torch.Tensor):
        answer = answer.detach().cpu().numpy()
    try:
        array = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        return as_array(answer)
    expect(
        not np.isnan(array).any(),
        "NaN이 들어 있습니다. 0에 무한대를 곱하면 NaN이 됩니다. 곱하지 말고 칸을 골라 바꾸십시오.",
    )
    return array
