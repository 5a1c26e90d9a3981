"""02장의 채점: 오답 쌍의 수, 두 방향의 손실, 기울기가 남는 코사인 차이, 거짓 음성을 일부러 섞기, 거짓 음성 가리기."""

import re

import numpy as np
import torch
from torch.nn.functional import cross_entropy, normalize

from .grading import Hint, as_array, call, call_on_arrays, close, compare, exercise, expect, uses

BATCH = 64  # 2.1
NEARLY = 5e-3  # 2.1에서 반올림한 로그를 받아 주는 폭


@exercise("2.1", praise="번역쌍 64개에서 오답 쌍 4,032개가 나왔고, 학습이 되면 손실이 이 값보다 낮아집니다.")
def grade_free_negatives(answer):
    answer = as_array(answer)
    expect(answer.shape == (2,), "수 두 개를 (오답 쌍의 수, 손실) 순서로 넣으십시오.")
    cells, loss = BATCH * (BATCH - 1), 2 * np.log(BATCH)
    expect(
        not close(answer[::-1], (cells, loss), NEARLY),
        "두 수의 순서를 보십시오. 앞이 오답 쌍의 수, 뒤가 손실입니다.",
    )
    counts = {
        "대각선까지 세었습니다. 대각선의 원소는 정답 쌍입니다.": BATCH**2,
        "한 행에 있는 오답만 세었습니다. 행이 모두 몇 개입니까?": [BATCH - 1, BATCH],
        "같은 원소를 두 방향에서 두 번 세었습니다. 행렬의 원소 가운데 오답 쌍의 수를 묻습니다.": 2 * cells,
        "위쪽 삼각형만 세었습니다. 한국어 i와 영어 j, 한국어 j와 영어 i는 다른 쌍입니다.": cells / 2,
    }
    compare(
        answer[0],
        cells,
        counts,
        "오답의 수가 다릅니다. 작은 배치(N = 3)를 그려 대각선 밖의 원소를 세어 보십시오.",
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
        "오답의 수는 맞았습니다. 확률이 아니라 손실입니다. 손실은 확률에 어떤 함수를 적용한 값입니까?": [
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
        "오답의 수는 맞았습니다. 손실은 2절의 “점수가 모두 같을 때” 셀에서 N만 바꾼 값입니다. 소수 둘째 자리까지는 맞아야 합니다.",
    )


def both_directions(logits: torch.Tensor) -> float:
    """점수 (N, N)의 두 방향 교차 엔트로피의 합."""
    labels = torch.arange(len(logits))
    return float(cross_entropy(logits, labels) + cross_entropy(logits.T, labels))


READY_MADE = ("in_batch_negatives_loss", "MultipleNegativesRankingLoss")  # 2.2에서 쓰지 않기로 한 것


@exercise(
    "2.2",
    praise="벡터를 정규화하고, 스케일을 곱하고, 행과 열 두 방향의 교차 엔트로피를 더했습니다.",
)
def grade_loss(function):
    expect(
        not uses(function, *READY_MADE) and getattr(function, "__name__", "") not in READY_MADE,
        "이미 만들어진 손실을 불러 썼습니다. 정규화부터 교차 엔트로피까지 스스로 적으십시오.",
    )
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
        try:
            answer = as_array(call_on_arrays(function, x, y, scale, broken=broken))
        except Hint as hint:
            if "batch_size" not in str(hint.__cause__):
                raise
            raise Hint(
                "정답 번호의 수가 배치의 크기와 다릅니다. 배치의 크기는 5가 아니라 `len(x)`입니다."
            ) from hint
        expect(
            answer.shape != (2,),
            "두 방향의 손실이 따로 나왔습니다. 더해서 수 하나로 만드십시오.",
        )
        expect(
            answer.shape != (n,),
            "문장마다의 손실이 그대로 남아 있습니다. 배치 전체의 손실은 그 평균 하나입니다.",
        )
        expect(answer.shape != (n, n), "점수 행렬이 나왔습니다. 손실은 수 하나입니다.")
        expect(
            answer.shape in ((), (1,)),
            f"수 하나를 기다렸는데 모양이 {answer.shape}입니다. 배치 전체의 손실 하나를 돌려주십시오.",
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
            "스케일(scale)을 곱하지 않았습니다.": both_directions(cosine),
            "스케일로 나누었습니다. 스케일은 온도의 역수이므로 곱합니다.": both_directions(cosine / scale),
            "정답의 번호가 하나씩 밀렸습니다. i째 행의 정답은 i째 열입니다.": [
                cross_entropy(logits, shifted) + cross_entropy(logits.T, shifted),
                cross_entropy(logits, labels.roll(1)) + cross_entropy(logits.T, labels.roll(1)),
            ],
            "평균이 아니라 합을 구했습니다. 배치가 크다고 손실까지 커지면 안 됩니다.": each.sum(),
            "부호가 거꾸로입니다. 손실은 로그 확률에 음의 부호를 붙인 값입니다.": [
                -(forward + backward),
                -forward,
            ],
            "소프트맥스를 행렬 전체에 적용했습니다. 행마다, 그리고 열마다 따로 적용해야 합니다.": [
                whole,
                2 * whole,
            ],
            "소프트맥스를 두 번 적용했습니다. `F.cross_entropy`는 로짓을 받아 그 안에서 소프트맥스를 구합니다.": [
                both_directions(logits.softmax(1)),
                float(cross_entropy(logits.softmax(1), labels) + cross_entropy(logits.T.softmax(1), labels)),
                float(cross_entropy(logits.softmax(1), labels)),
            ],
            "로그를 취하지 않고 확률을 평균했습니다.": [
                torch.softmax(logits, 1).diagonal().mean() + torch.softmax(logits, 0).diagonal().mean(),
                -torch.softmax(logits, 1).diagonal().mean() - torch.softmax(logits, 0).diagonal().mean(),
            ],
            "열마다 정규화했습니다. 문장 하나는 한 행입니다.": both_directions(
                scale * normalize(x, dim=0) @ normalize(y, dim=0).T
            ),
        }
        otherwise = (
            "값이 다릅니다. 1절의 코사인 행렬에 2절의 네 줄을 써서 얻은 값과 한 단계씩 비교해 보십시오."
        )
        compare(answer.reshape(()), float(forward + backward), mistakes, otherwise)


@exercise(
    "2.3",
    praise="마진은 필요한 차이를 그만큼 옮기고, 스케일은 그 둘레에서 기울기가 사라지는 폭을 정합니다. "
    "그래서 마진과 스케일은 따로 고를 수 없습니다.",
)
def grade_needed_gap(function):
    for scale, margin, rest in ((20.0, 0.3, 0.1), (5.0, 0.0, 0.25), (50.0, 0.2, 0.7)):
        answer = as_array(call(function, scale, margin, rest))
        expect(
            answer.shape in ((), (1,)),
            f"수 하나를 기다렸는데 모양이 {answer.shape}입니다. 오답이 하나인 행 하나만 생각합니다.",
        )
        log_odds = np.log((1 - rest) / rest)
        mistakes = {
            "마진을 빠뜨렸습니다. 마진을 뺀 정답의 코사인으로 확률을 적어 보십시오.": log_odds / scale,
            "마진의 부호를 보십시오. 마진이 있으면 더 벌어져야 합니까, 덜 벌어져도 됩니까?": log_odds / scale
            - margin,
            "스케일을 곱했습니다. 스케일이 크면 작은 차이로도 기울기가 사라집니다.": margin
            + log_odds * scale,
            "스케일을 빠뜨렸습니다. 로짓은 코사인에 스케일을 곱한 값입니다.": margin + log_odds,
            "마진까지 스케일로 나누었습니다. 마진은 스케일을 곱하기 전의 코사인에서 뺍니다.": (
                margin + log_odds
            )
            / scale,
            "마진에 스케일을 곱했습니다. 돌려줄 값은 로짓이 아니라 코사인의 차이입니다.": scale * margin
            + log_odds,
            "로그의 부호가 거꾸로입니다. 기울기의 크기 rest는 정답의 확률이 아니라 1 − p입니다.": margin
            - log_odds / scale,
            "−log(rest)를 썼습니다. 그것은 rest와 1의 비입니다. 두 확률 rest와 1 − rest의 비가 필요합니다.": margin
            - np.log(rest) / scale,
            "손실이 rest가 되는 차이입니다. 묻는 것은 손실이 아니라 기울기의 크기 1 − p입니다.": margin
            - np.log(np.expm1(rest)) / scale,
            "로그의 밑이 e인지 보십시오.": [
                margin + np.log10((1 - rest) / rest) / scale,
                margin + np.log2((1 - rest) / rest) / scale,
            ],
            "마진을 그대로 돌려주었습니다. 그 차이에서는 정답과 오답의 확률이 반반입니다.": margin,
        }
        otherwise = "값이 다릅니다. 로짓의 차이를 d라 하면 정답의 확률은 1 / (1 + exp(−d))입니다. 1 − p = rest를 d에 대해 푸십시오."
        compare(answer.reshape(()), margin + log_odds / scale, mistakes, otherwise)


MIN_RISE = 0.1  # 2.4에서 손실이 올라야 하는 폭
SHARED_MEANING = (
    0.42  # 2.4에서 뜻이 같은 문장끼리의 언어를 건넌 코사인. mUSE에서 뜻이 같은 것은 0.44 이상이었습니다
)
NO = "안 |않|못|없|아니|맹|밍밍|싱거|싱겁|심심"
NEGATED = ("안 |않|못|없|아니", r"n't|n’t|\bnot?\b|never", "부정")
CORE = {  # 2.4: 원문의 한국어에서, 같은 뜻이면 남아 있어야 하는 (한국어의 말, 영어의 말, 내용)으로
    "표는 세 장 남았습니다.": [
        ("표|티켓|입장권", "ticket", "표"),
        ("세 |세장|셋|3|석 장", "three|3", "세 장"),
        ("남|뿐|밖에", "left|remain|only|still", "남았다는 것"),
    ],
    "우체국은 다리 건너에 있어요.": [
        ("우체국", "post", "우체국"),
        ("다리", "bridge", "다리"),
        ("건너|건넌|건널|건넜|반대|맞은|저편|너머", "across|other side|cross|over|beyond|opposite", "건너편"),
    ],
    "수박이 하나도 달지 않아요.": [
        ("수박", "melon", "수박"),
        ("달|단|당도|맹|밍밍|싱거|싱겁|심심", "sweet|bland|sugar", "단맛"),
        (NO, r"n't|n’t|\bnot?\b|never|bland|lack|without|zero|any", "달지 않다는 것"),
    ],
    "아이는 그림책을 거꾸로 들고 읽었다.": [
        ("책", "book", "책"),
        ("거꾸로|뒤집|위아래", "upside|invert|upturn|wrong way", "거꾸로"),
    ],
}
ADDED = {  # 2.4: 같은 뜻이면 없어야 하는 말. “밖에 없다”는 부정이 아니므로 먼저 지우고 봅니다
    "표는 세 장 남았습니다.": [NEGATED, ("팔|매진", r"\bsold\b|\bsell", "팔렸다는 것")],
    "우체국은 다리 건너에 있어요.": [NEGATED],
    "아이는 그림책을 거꾸로 들고 읽었다.": [NEGATED],
}


@exercise(
    "2.4",
    praise="번역으로는 맞는 쌍인데 손실이 올랐습니다. 틀린 것은 인코더가 아니라 ‘배치의 다른 문장은 모두 오답’이라는 가정입니다. "
    "채점기는 인코더의 점수와 핵심어만 보므로, 뜻이 정말 같은지는 스스로 다시 읽어 보십시오.",
)
def grade_false_negative(answer, ko=None, en=None, model=None):
    expect(
        isinstance(answer, (list, tuple)) and len(answer) == 2 and all(isinstance(s, str) for s in answer),
        "문장 두 개를 (한국어, 영어) 순서로 괄호에 묶어 넣으십시오.",
    )
    mine_ko, mine_en = (sentence.strip() for sentence in answer)
    expect(mine_ko and mine_en, "빈 문장이 있습니다. 두 문장을 모두 적으십시오.")
    is_korean = [bool(re.search("[가-힣]", sentence)) for sentence in (mine_ko, mine_en)]
    expect(is_korean != [False, True], "두 문장의 순서를 보십시오. 한국어가 먼저입니다.")
    expect(is_korean[0], "첫 문장에 한글이 없습니다. 한국어로 적으십시오.")
    expect(not is_korean[1], "둘째 문장에 한글이 있습니다. 영어로 적으십시오.")
    expect(
        model is not None and ko is not None and en is not None,
        "비교할 것이 없습니다. check에 ko=ko, en=en, model=model을 함께 넣으십시오.",
    )
    expect(
        _letters(mine_ko) not in map(_letters, ko) and _letters(mine_en) not in map(_letters, en),
        "배치에 이미 있는 문장을 그대로 적었습니다. 같은 뜻을 다른 말로 적으십시오.",
    )

    def encode(sentences: list[str]) -> torch.Tensor:
        return normalize(torch.as_tensor(as_array(model.encode(sentences))), dim=1)

    source, target = encode([*ko[:-1], mine_ko]), encode([*en[:-1], mine_en])
    cosine = source @ target.T  # (N, N), 마지막이 학생의 쌍
    before = both_directions(20 * encode(ko) @ encode(en).T)
    after = both_directions(20 * cosine)
    twin = int((cosine[-1, :-1] + cosine[:-1, -1]).argmax())
    shared = min(cosine[-1, twin], cosine[twin, -1])  # 한국어와 영어가 모두 가까워야 같은 뜻입니다
    expect(
        cosine[-1, -1] > 0.75 * cosine[twin, twin],
        "적은 두 문장이 서로의 번역 같지 않습니다. 번역이 아닌 쌍은 거짓 음성이 아니라 잘못된 정답입니다.",
    )
    expect(
        twin != 0 or shared < SHARED_MEANING,
        "첫째 쌍(고양이)과 뜻이 같습니다. 본문에서 쓴 것이니 나머지 쌍 가운데 하나와 뜻이 같게 적으십시오.",
    )
    expect(
        after > before + MIN_RISE,
        f"손실 {before:.2f} → {after:.2f}: {MIN_RISE} 넘게 올라야 합니다. "
        "배치에 남은 앞의 네 쌍 가운데 하나와 뜻이 같은 문장이어야 인코더가 둘을 구별하지 못합니다. "
        "마지막 쌍은 바꾸어 넣을 자리이므로 배치에 없습니다.",
    )
    expect(
        shared >= SHARED_MEANING,
        f"손실은 올랐지만, 가장 가까운 쌍(“{ko[twin]}”)과의 코사인이 낮아 뜻이 같은지 인코더의 점수로는 알 수 없습니다. "
        "뜻이 같다면 완전한 문장으로 고쳐 보십시오. 비슷한 말이 든 다른 뜻의 문장은 거짓 음성이 아니라 하드 네거티브입니다.",
    )
    for *words, content in CORE.get(ko[twin], []):
        kept = [
            re.search(word, text, re.IGNORECASE) for word, text in zip(words, (mine_ko, mine_en), strict=True)
        ]
        expect(
            all(kept),
            f"“{ko[twin]}”에 있는 내용({content})이 빠지거나 달라졌습니다. 인코더에는 가까워도 뜻이 다르면 거짓 음성이 아닙니다. "
            f"{'한국어' if not kept[0] else '영어'} 문장을 다시 보십시오.",
        )
    plain = (re.sub("밖에 (?:안 |없|남지 않)", "", mine_ko), mine_en)
    for *words, content in ADDED.get(ko[twin], []):
        expect(
            not any(re.search(word, text, re.IGNORECASE) for word, text in zip(words, plain, strict=True)),
            f"“{ko[twin]}”에 없는 내용({content})이 들어갔습니다. 비슷한 말이 들어 있어도 뜻이 다르면 거짓 음성이 아닙니다.",
        )


def _letters(sentence: str) -> str:
    """띄어쓰기, 문장 부호, 대소문자를 뺀 글자."""
    return re.sub(r"[\W_]+", "", sentence).lower()


@exercise(
    "2.5",
    praise="거짓 음성의 확률이 0이 되었으므로, 그 쌍의 코사인을 낮추는 기울기도 0이 됩니다.",
)
def grade_masked(function):
    generator = torch.Generator().manual_seed(21)
    same = torch.eye(5, dtype=torch.bool)
    same[0, 4] = same[4, 0] = True
    same[1, 3] = True  # 한쪽 방향만 같은 뜻(상위어와 하위어)
    logits = 6 * (torch.rand(5, 5, generator=generator) - 0.3) + 3 * same
    eye = torch.eye(5, dtype=torch.bool)
    broken = "모양이 맞지 않는 계산이 있습니다. logits와 same은 모두 (N, N)입니다."
    try_nothing = "받은 점수가 그대로 나왔습니다. 가릴 원소를 고르고 그 점수를 바꾸어야 합니다."
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
    is_probability = np.isfinite(values).all() and close(values.sum(axis=1), np.ones(5))
    expect(
        not is_probability,
        "소프트맥스까지 적용했습니다. 확률이 아니라 소프트맥스에 넣을 점수를 돌려주십시오.",
    )
    expect(
        not (values[target] == 0).all(),
        "점수를 0으로 바꾸었습니다. 0점도 소프트맥스에서는 확률을 얻습니다. e의 몇 제곱이 0입니까?",
    )
    expect(
        not (np.isposinf(values) | (values > 1e4)).any(),
        "아주 큰 수를 넣었습니다. 그러면 가린 원소가 확률을 모두 가져갑니다.",
    )
    expect(
        not (hidden == (~alike)).all(),
        "거꾸로 가렸습니다. 뜻이 다른 오답 쌍은 남아 있어야 학습이 됩니다.",
    )
    expect(
        not (hidden == (target | target.T)).all() or (target == target.T).all(),
        "same이 True가 아닌 원소까지 가렸습니다. 전치하지 말고 same의 원소만 보십시오.",
    )
    expect(
        not (hidden == target.T).all(), "행과 열이 바뀌었습니다. same[i, j]가 True이면 i행 j열을 가립니다."
    )
    expect(
        hidden.any(),
        "가린 원소의 점수가 충분히 낮지 않습니다. 소프트맥스를 지나면 확률이 0이어야 합니다.",
    )
    expect(
        (hidden == target).all(),
        "가린 원소가 다릅니다. 뜻이 같은데 정답 쌍은 아닌 원소만 가려야 합니다. `same`과 대각선을 함께 출력해 보십시오.",
    )
    expect(
        close(values[~target], given[~target]),
        "가리지 않은 원소의 점수까지 바뀌었습니다. 다른 원소는 그대로 두십시오.",
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
        "NaN이 들어 있습니다. 0에 무한대를 곱하면 NaN이 됩니다. 곱하지 말고 원소를 골라 바꾸십시오.",
    )
    return array
