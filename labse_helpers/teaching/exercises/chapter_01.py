"""01장의 채점: 읽는 횟수, [CLS]에서 문장 벡터까지, 패딩을 뺀 평균 풀링, 어휘의 크기, 이웃한 두 토큰, 수용 영역."""

from typing import Any

import torch

from .grading import as_array, call, call_on_arrays, check_unit, close, compare, exercise, expect

N_KOREAN, N_ENGLISH, N_KEPT = 300, 500, 10  # 1.1


@exercise(
    "1.1",
    praise="듀얼 인코더로 후보를 추리고 크로스 인코더로 순위를 다시 매기면, 크로스 인코더만 쓸 때보다 훨씬 적게 계산합니다. "
    "대신 추릴 때 빠진 정답은 되찾을 수 없습니다.",
)
def grade_passes(answer):
    expect(
        not isinstance(answer, tuple | list) or len(answer) <= 3,
        "셋보다 많이 넣었습니다. 무엇을 쓸지는 적지 말고 횟수 세 개만 넣으십시오.",
    )
    answer = as_array(answer)
    expect(
        answer.shape == (3,),
        "수 세 개를 (크로스 인코더만, 듀얼 인코더만, 추린 뒤 다시 매기기) 순서로 넣으십시오.",
    )
    pairs, total = N_KOREAN * N_ENGLISH, N_KOREAN + N_ENGLISH
    reranked = N_KOREAN * N_KEPT
    expect(
        not close(answer[:2], (total, pairs)),
        "앞의 두 수의 순서를 보십시오. 크로스 인코더가 먼저입니다.",
    )
    cross = {
        "한국어끼리, 영어끼리도 비교했습니다. 비교할 것은 한국어와 영어의 쌍뿐입니다.": [
            total**2,
            total * (total - 1) / 2,
        ],
        "한쪽의 수만 제곱했습니다. 두 언어의 문장 수가 서로 다릅니다.": [N_KOREAN**2, N_ENGLISH**2],
        "크로스 인코더는 한 번에 두 문장을 함께 읽으므로, 쌍 하나에 한 번입니다.": 2 * pairs,
        "크로스 인코더의 횟수가 문장의 수와 같을 수는 없습니다. 한 번에 읽는 것이 무엇입니까?": total,
    }
    compare(
        answer[0],
        pairs,
        cross,
        "크로스 인코더의 횟수가 다릅니다. 한국어 하나가 만나는 영어는 몇 개입니까?",
    )
    dual = {
        "첫째는 맞았습니다. 듀얼 인코더도 쌍마다 읽습니까?": pairs,
        "첫째는 맞았습니다. 듀얼 인코더는 두 언어의 문장을 모두 한 번씩 읽어야 합니다.": [
            N_KOREAN,
            N_ENGLISH,
        ],
        "첫째는 맞았습니다. 본문의 2N은 두 쪽의 수가 같을 때의 식입니다.": [
            2 * N_KOREAN,
            2 * N_ENGLISH,
            2 * total,
        ],
    }
    compare(
        answer[1],
        total,
        dual,
        "첫째는 맞았습니다. 듀얼 인코더는 문장마다 한 번만 읽으니, 문장이 모두 몇 개인지 세십시오.",
    )
    both = {
        "셋째: 크로스 인코더의 횟수만 세었습니다. 후보를 추리려면 듀얼 인코더가 먼저 문장들을 읽어야 합니다.": reranked,
        "셋째: 한국어마다 후보를 추리므로, 크로스 인코더가 읽는 쌍은 한국어의 수 × 후보의 수입니다.": [
            total + N_ENGLISH * N_KEPT,
            total + (N_KOREAN + N_ENGLISH) * N_KEPT,
            total + N_KEPT,
            total + N_KEPT**2,
        ],
        "셋째: 추린 뒤에도 모든 쌍을 크로스 인코더로 읽었습니다. 그러면 추린 의미가 없습니다.": [
            total + pairs,
            pairs,
        ],
        "셋째: 듀얼 인코더의 횟수 그대로입니다. 크로스 인코더가 다시 읽는 쌍을 더하십시오.": total,
        "셋째: 추린 후보를 두 번 세었습니다. 크로스 인코더는 쌍 하나를 한 번 읽습니다.": total + 2 * reranked,
    }
    compare(
        answer[2],
        total + reranked,
        both,
        "앞의 둘은 맞았습니다. 셋째는 (듀얼 인코더가 읽는 문장) + (크로스 인코더가 다시 읽는 쌍)입니다.",
    )


@exercise(
    "1.2",
    praise="[CLS]를 고르고, Dense와 tanh를 지나, 행마다 길이를 1로 맞추었습니다. LaBSE의 마지막 세 층이 이것입니다.",
)
def grade_sentence_vectors(function):
    generator = torch.Generator().manual_seed(7)
    hidden = torch.randn(3, 5, 4, generator=generator)  # (N, L, dim)
    weight = torch.randn(4, 4, generator=generator)  # (dim, dim), 대칭이 아님
    bias = torch.randn(4, generator=generator)

    def unit(x, axis=-1):
        return x / x.norm(dim=axis, keepdim=True)

    def finish(pooled):
        return unit(torch.tanh(pooled @ weight.T + bias))

    cls = hidden[:, 0]
    dense = cls @ weight.T + bias
    broken = "모양이 맞지 않는 계산이 있습니다. 단계마다 모양을 출력해 (N, L, dim) → (N, dim)인지 보십시오. "
    broken += "길이로 나눌 때는 길이가 (N, 1)이어야 합니다."
    answer = as_array(call_on_arrays(function, hidden, weight, bias, broken=broken))
    expect(
        answer.shape != (3, 5, 4),
        "토큰마다의 벡터가 그대로 남아 있습니다. 문장마다 벡터 하나여야 하니 어느 토큰을 쓰는지 보십시오.",
    )
    expect(
        answer.shape != (5, 4),
        "첫 문장의 토큰을 모두 골랐습니다. 첫째 축은 문장, 둘째 축이 토큰입니다.",
    )
    expect(
        answer.shape == (3, 4),
        f"(N, dim) = (3, 4)를 기다렸는데 모양이 {answer.shape}입니다. 어느 축을 골랐는지 보십시오.",
    )
    mistakes = {
        "평균 풀링을 했습니다. LaBSE는 맨 앞의 토큰 하나만 씁니다.": finish(hidden.mean(dim=1)),
        "마지막 토큰을 썼습니다. [CLS]는 문장의 어느 쪽에 있습니까?": finish(hidden[:, -1]),
        "최댓값 풀링을 했습니다. LaBSE는 맨 앞의 토큰 하나만 씁니다.": finish(hidden.max(dim=1).values),
        "Dense를 빠뜨렸습니다. [CLS]의 벡터에 가중치를 곱하고 편향을 더해야 합니다.": [
            cls,
            unit(cls),
            torch.tanh(cls),
            unit(torch.tanh(cls)),
        ],
        "가중치의 행과 열이 바뀌었습니다. PyTorch의 Linear는 (나가는 차원, 들어오는 차원)으로 적어 둡니다.": [
            unit(torch.tanh(cls @ weight + bias)),
            torch.tanh(cls @ weight + bias),
        ],
        "편향(bias)을 더하지 않았습니다.": [unit(torch.tanh(cls @ weight.T)), torch.tanh(cls @ weight.T)],
        "tanh를 빠뜨렸습니다. Dense와 정규화 사이에 들어갑니다.": [dense, unit(dense)],
        "tanh를 길이를 맞춘 뒤에 씌웠습니다. 그러면 길이가 다시 1이 아니게 됩니다.": [
            torch.tanh(unit(dense)),
            unit(torch.tanh(unit(dense))),
        ],
        "마지막 정규화가 빠졌습니다. 돌려준 벡터의 길이를 재어 보십시오.": torch.tanh(dense),
        "길이를 절댓값의 합으로 재었습니다. L2 길이는 제곱의 합의 제곱근입니다.": torch.tanh(dense)
        / torch.tanh(dense).abs().sum(dim=1, keepdim=True),
        "tanh가 아닌 다른 활성 함수를 썼습니다. 값이 -1과 1 사이에 들어야 합니다.": [
            unit(torch.relu(dense)),
            unit(torch.sigmoid(dense)),
            unit(torch.nn.functional.gelu(dense)),
        ],
        "길이를 열마다 구했습니다. 문장 하나는 한 행입니다.": unit(torch.tanh(dense), 0),
        "전체의 길이 하나로 나누었습니다. 길이는 문장마다 따로 구해야 합니다.": torch.tanh(dense)
        / torch.tanh(dense).norm(),
    }
    otherwise = "모양은 맞지만 값이 다릅니다. 3절의 `by_hand`와 한 단계씩 비교해 보십시오."
    compare(answer, finish(cls), mistakes, otherwise)


@exercise(
    "1.3",
    praise="길이를 맞추려고 넣은 패딩 토큰은 문장이 아니므로, 더할 때도 나눌 때도 세지 않았습니다.",
)
def grade_mean_pooling(function):
    generator = torch.Generator().manual_seed(11)
    hidden = torch.randn(3, 5, 4, generator=generator)  # (N, L, dim), 패딩 토큰에도 0이 아닌 값이 있음
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]])  # (N, L)
    m = mask[:, :, None].float()
    broken = "모양이 맞지 않는 계산이 있습니다. hidden은 (N, L, dim), mask는 (N, L)이니 mask에 축이 하나 더 있어야 합니다. "
    broken += "나누는 수도 (N, 1)이어야 합니다."
    answer = as_array(call_on_arrays(function, hidden, mask, broken=broken))
    expect(answer.shape != (3, 5, 4), "토큰 축이 그대로 남아 있습니다. 토큰을 따라 모아야 합니다.")
    expect(
        answer.shape != (5, 4),
        "문장을 따라 평균했습니다. 문장은 서로 섞이지 않아야 합니다. 토큰은 둘째 축입니다.",
    )
    expect(
        answer.shape != (3, 5), "차원을 따라 평균했습니다. 토큰은 둘째 축이고, 차원은 그대로 남아야 합니다."
    )
    expect(
        answer.shape == (3, 4),
        f"(N, dim) = (3, 4)를 기다렸는데 모양이 {answer.shape}입니다. 어느 축을 모았는지 보십시오.",
    )
    summed = (hidden * m).sum(dim=1)
    right = summed / m.sum(dim=1)
    mistakes = {
        "패딩 토큰까지 평균에 들어갔습니다. mask를 아직 쓰지 않았습니다.": hidden.mean(dim=1),
        "더할 때는 패딩을 뺐지만 나눌 때는 함께 세었습니다. 문장마다 토큰이 몇 개인지로 나누십시오.": (
            hidden * m
        ).mean(dim=1),
        "나눌 때는 패딩을 뺐지만 더할 때 함께 더했습니다. 패딩 토큰의 벡터도 0이 아닙니다.": hidden.sum(dim=1)
        / m.sum(dim=1),
        "더하기만 했습니다. 평균이 되려면 무엇으로 나누어야 합니까?": summed,
        "모든 문장의 토큰 수로 나누었습니다. 문장마다 자기 토큰 수로 나누십시오.": summed / m.sum(),
        "거꾸로 패딩 토큰만 평균했습니다. mask의 1이 진짜 토큰입니다.": [
            (hidden * (1 - m)).sum(dim=1) / (1 - m).sum(dim=1).clamp(min=1),
        ],
        "최댓값을 골랐습니다. 평균 풀링은 더해서 나눕니다.": [
            hidden.max(dim=1).values,
            hidden.masked_fill(m == 0, -torch.inf).max(dim=1).values,
        ],
        "[CLS]만 썼습니다. 이번에는 모든 토큰을 평균하는 인코더입니다.": hidden[:, 0],
        "[CLS]를 빼고 평균했습니다. 패딩이 아닌 토큰은 모두 평균에 넣으십시오.": (summed - hidden[:, 0])
        / (m.sum(dim=1) - 1),
        "나누는 수에 1을 더했습니다. 토큰의 수로 나누어야 평균입니다.": summed / (m.sum(dim=1) + 1),
        "길이까지 1로 맞추었습니다. 이 연습은 평균에서 멈춥니다.": right / right.norm(dim=1, keepdim=True),
    }
    otherwise = "모양은 맞지만 값이 다릅니다. 토큰이 둘뿐인 문장 하나를 골라 손으로 평균해 비교해 보십시오."
    compare(answer, right, mistakes, otherwise)


FULL_VOCABULARY, SMALL_VOCABULARY, DIM, TOTAL = 501_153, 32_000, 768, 470_926_848  # 1.4: 4절의 LaBSE


@exercise(
    "1.4",
    praise="어휘를 32,000개로 줄이면 매개변수의 4분의 3 이상이 사라집니다. "
    "어휘가 501,153개일 때는 크기를 거의 토큰 임베딩이 정하지만, 이제는 22 %입니다.",
)
def grade_small_vocabulary(answer):
    answer = as_array(answer)
    expect(answer.shape == (2,), "수 두 개를 (매개변수의 수, 토큰 임베딩의 비율) 순서로 넣으십시오.")
    table = SMALL_VOCABULARY * DIM
    others = TOTAL - FULL_VOCABULARY * DIM
    total = others + table
    expect(not close(answer[1], total, 1), "두 수의 순서를 보십시오. 앞이 매개변수의 수, 뒤가 비율입니다.")
    sizes = {
        "처음의 매개변수 수 그대로입니다. 어휘가 줄었으니 표도 작아집니다.": TOTAL,
        "줄어든 표의 크기만 구했습니다. 트랜스포머와 나머지도 더하십시오.": table,
        "토큰 임베딩을 통째로 뺐습니다. 작아진 표는 남습니다.": others,
        "줄어든 어휘의 수만 뺐습니다. 토큰 하나의 벡터에는 수가 몇 개 있습니까?": TOTAL
        - (FULL_VOCABULARY - SMALL_VOCABULARY),
        "처음의 전체에서 작은 표를 뺐습니다. 빼야 할 것은 없어진 토큰의 벡터입니다.": TOTAL - table,
        "처음의 전체에 작은 표를 더했습니다. 큰 표는 없어졌습니다.": TOTAL + table,
    }
    if not close(answer[0], total, 1):
        check_unit(answer[0], total, "매개변수의 수", exact=True)
        compare(
            answer[0],
            total,
            sizes,
            "매개변수의 수가 다릅니다. 4절의 `counts`에서 바뀌는 부분은 하나뿐입니다.",
        )
    shares: dict[str, Any] = {
        "매개변수의 수는 맞았습니다. 비율은 처음의 전체가 아니라 새 전체로 나누십시오.": table / TOTAL,
        "매개변수의 수는 맞았습니다. 백분율이 아니라 0과 1 사이의 비율로 적으십시오.": [
            100 * table / total,
            round(100 * table / total),
        ],
        "매개변수의 수는 맞았습니다. 토큰 임베딩이 아니라 나머지의 비율을 구했습니다.": others / total,
        "매개변수의 수는 맞았습니다. 처음 LaBSE에서의 비율입니다. 새 표와 새 전체로 다시 구하십시오.": FULL_VOCABULARY
        * DIM
        / TOTAL,
        "매개변수의 수는 맞았습니다. 전체가 얼마나 남았는지가 아니라 토큰 임베딩의 비율을 묻습니다.": [
            total / TOTAL,
            1 - total / TOTAL,
        ],
        "매개변수의 수는 맞았습니다. 나머지에 대한 비가 아니라 전체에 대한 비율입니다.": table / others,
    }
    for hint, values in shares.items():
        for value in values if isinstance(values, list) else [values]:
            expect(not close(answer[1], value, 2e-3 * max(1, value)), hint)
    expect(
        close(answer[1], table / total, 5e-3),
        "매개변수의 수는 맞았습니다. 비율은 (토큰 임베딩) ÷ (전체)입니다.",
    )


@exercise(
    "1.5",
    praise="이웃한 두 토큰을 함께 읽으니 순서가 바뀌면 벡터도 바뀝니다. 그러나 서로 이웃하지 않은 두 토큰을 함께 읽지는 못합니다.",
)
def grade_bigrams(function):
    generator = torch.Generator().manual_seed(5)
    kernel = torch.randn(6, 4, generator=generator)  # (2 * dim, out)
    broken = (
        "모양이 맞지 않는 계산이 있습니다. 이웃한 두 벡터를 이어 붙이면 (L - 1, 2 * dim)이 되는지 보십시오."
    )
    for length in (6, 2):  # L - 1이 out과 같으면 축을 혼동한 답의 모양이 맞아 버립니다
        x = torch.randn(length, 3, generator=generator)  # (L, dim)
        pairs = torch.cat([x[:-1], x[1:]], dim=1)
        wrapped = torch.cat([x, x.roll(-1, dims=0)], dim=1)
        swapped = torch.cat([x[1:], x[:-1]], dim=1)
        answer = as_array(call_on_arrays(function, x, kernel, broken=broken))
        expect(
            answer.shape != (length - 1, 4) or length == 2,
            "위치마다의 값이 그대로 남아 있습니다. 문장의 벡터 하나가 되도록 위치를 따라 평균하십시오.",
        )
        expect(
            answer.shape != (length - 1,) or length == 2,
            "위치마다 수 하나가 되었습니다. 차원이 아니라 위치(첫째 축)를 따라 평균하십시오.",
        )
        expect(
            answer.shape == (4,),
            f"(out,) = (4,)를 기다렸는데 모양이 {answer.shape}입니다. 문장 하나에 벡터 하나여야 합니다.",
        )
        separate = torch.cat([x[0::2][: length // 2], x[1::2][: length // 2]], dim=1)  # 겹치지 않게 둘씩
        mistakes: dict[str, Any] = {
            "tanh를 빠뜨렸습니다. 그러면 평균이 양 끝의 토큰 말고는 순서를 보지 못합니다.": (
                pairs @ kernel
            ).mean(dim=0),
            "평균을 낸 다음에 tanh를 씌웠습니다. 위치마다 씌운 뒤에 평균하십시오.": torch.tanh(
                (pairs @ kernel).mean(dim=0)
            ),
            "평균이 아니라 합입니다. 문장이 길수록 벡터가 길어집니다.": torch.tanh(pairs @ kernel).sum(dim=0),
            "마지막 토큰과 첫 토큰은 이웃이 아닙니다. 토큰이 L개면 이웃한 쌍은 몇 개입니까?": torch.tanh(
                wrapped @ kernel
            ).mean(dim=0),
            "두 토큰을 이어 붙인 순서가 거꾸로입니다. 왼쪽 토큰이 먼저입니다.": torch.tanh(
                swapped @ kernel
            ).mean(dim=0),
            "둘씩 끊어 읽어서 빠진 이웃이 있습니다. 한 토큰씩 밀면서 모든 이웃을 읽으십시오.": torch.tanh(
                separate @ kernel
            ).mean(dim=0),
            "L로 나누었습니다. 이웃한 쌍의 수로 나누어야 평균입니다.": torch.tanh(pairs @ kernel).sum(dim=0)
            / length,
            "최댓값을 골랐습니다. 이 연습에서는 위치를 따라 평균합니다.": torch.tanh(pairs @ kernel)
            .max(dim=0)
            .values,
            "tanh가 아닌 다른 활성 함수를 썼습니다.": [
                torch.relu(pairs @ kernel).mean(dim=0),
                torch.sigmoid(pairs @ kernel).mean(dim=0),
            ],
            "문장 벡터의 길이를 1로 맞추었습니다. 이 연습은 평균에서 멈춥니다.": torch.nn.functional.normalize(
                torch.tanh(pairs @ kernel).mean(dim=0), dim=0
            ),
        }
        right = torch.tanh(pairs @ kernel).mean(dim=0)
        if length == 2:  # 이웃이 한 쌍뿐이라 끊어 읽어도, 합해도 같습니다
            mistakes = {hint: value for hint, value in mistakes.items() if not close(value, right)}
        otherwise = (
            "모양은 맞지만 값이 다릅니다. 토큰이 둘뿐인 문장(이웃 한 쌍)으로 한 단계씩 비교해 보십시오."
        )
        compare(answer, right, mistakes, otherwise)


@exercise(
    "1.6",
    praise="층 하나가 창의 폭에서 1을 뺀 만큼만 더 넓힙니다. 그래서 합성곱은 층을 쌓아도 천천히 넓어지고, 어텐션은 한 층에서 문장 전체를 반영합니다.",
)
def grade_receptive_field(function):
    for widths in ([3, 11], [5], [5, 5], [3, 3, 3]):
        steps = [width - 1 for width in widths]
        right = 1 + sum(steps)
        product = 1
        for width in widths:
            product *= width
        mistakes = {
            "창의 폭을 더했습니다. 층을 하나 더 쌓으면 가운데 토큰이 겹치므로 폭만큼 늘지는 않습니다.": sum(
                widths
            ),
            "창의 폭을 곱했습니다. 둘째 층의 창은 이미 겹쳐 있는 값들을 읽습니다.": product,
            "가장 넓은 창만 셌습니다. 둘째 층이 읽는 값은 이웃을 이미 반영한 값입니다.": max(widths),
            "자기 자신을 빠뜨렸습니다. 가운데 토큰도 셉니다.": sum(steps),
            "한쪽만 셌습니다. 창은 왼쪽과 오른쪽을 모두 봅니다.": [
                sum(steps) / 2,
                1 + sum(steps) / 2,
            ],
            "층의 수만 셌습니다. 층마다 창의 폭이 다릅니다.": len(widths),
            "첫 층의 폭만 썼습니다. 층마다 창의 폭이 다를 수 있습니다.": 1 + len(widths) * (widths[0] - 1),
            "폭에서 1을 빼지 않고 더했습니다. 폭이 5인 창 하나의 수용 영역은 5입니다.": 1 + sum(widths),
        }
        answer = as_array(call(function, widths), ())
        distinct = {hint: value for hint, value in mistakes.items() if value != right}
        expect(
            len(widths) > 1 or close(answer, right) or answer == 1 + sum(widths),
            "창이 하나일 때부터 다릅니다. 폭이 5인 층 하나는 토큰 5개를 봅니다.",
        )
        compare(
            answer,
            right,
            distinct,
            f"폭이 {widths}인 층들을 쌓았을 때 토큰 하나가 보는 범위를 종이에 그려 세어 보십시오.",
        )
