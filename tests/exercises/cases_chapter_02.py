"""02장 연습의 옳은 답과 흔한 오답."""

import math
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F

from labse_helpers import in_batch_negatives_loss, load_model

# 2.2 두 방향의 손실


def loss(x, y, scale):
    logits = scale * F.normalize(x, dim=1) @ F.normalize(y, dim=1).T
    labels = torch.arange(len(x))
    return F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)


def loss_by_log_softmax(x, y, scale):
    logits = scale * F.cosine_similarity(x[:, None], y[None], dim=2)
    chosen = [F.log_softmax(logits, dim=dim).diagonal().mean() for dim in (0, 1)]
    return -sum(chosen)


def loss_by_loops(x, y, scale):
    x, y = (np.asarray(v) / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, y))
    total = 0.0
    for a, b in ((x, y), (y, x)):
        for i in range(len(a)):
            scores = np.exp(scale * a[i] @ b.T)
            total -= np.log(scores[i] / scores.sum()) / len(a)
    return total


def half(x, y, scale, transposed=False, labels=None, **options):
    logits = scale * F.normalize(x, dim=1) @ F.normalize(y, dim=1).T
    labels = torch.arange(len(x)) if labels is None else labels
    return F.cross_entropy(logits.T if transposed else logits, labels, **options)


def shifted(x, y, scale):
    labels = (torch.arange(len(x)) + 1) % len(x)
    return half(x, y, scale, labels=labels) + half(x, y, scale, True, labels)


def whole(x, y, scale):
    logits = scale * F.normalize(x, dim=1) @ F.normalize(y, dim=1).T
    return -F.log_softmax(logits.flatten(), dim=0).view(len(x), len(x)).diagonal().mean()


def softmax_twice(x, y, scale):
    logits, labels = scale * F.normalize(x, dim=1) @ F.normalize(y, dim=1).T, torch.arange(len(x))
    return F.cross_entropy(logits.softmax(1), labels) + F.cross_entropy(logits.T.softmax(1), labels)


def mean_probability(x, y, scale):
    logits = scale * F.normalize(x, dim=1) @ F.normalize(y, dim=1).T
    return logits.softmax(0).diagonal().mean() + logits.softmax(1).diagonal().mean()


def unnormalised(x, y, scale):
    logits, labels = scale * x @ y.T, torch.arange(len(x))
    return F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)


# 2.3 기울기가 남는 코사인 차이


def needed_gap(scale, margin, rest):
    return margin + math.log((1 - rest) / rest) / scale


def needed_gap_by_search(scale, margin, rest):
    low, high = -5.0, 5.0
    for _ in range(60):
        gap = (low + high) / 2
        p = torch.softmax(scale * torch.tensor([gap - margin, 0.0], dtype=torch.float64), dim=0)[0]
        low, high = (gap, high) if 1 - p > rest else (low, gap)
    return gap


def needed_gap_by_tensor(scale, margin, rest):
    return margin - torch.logit(torch.tensor([rest])) / scale


# 2.4 거짓 음성

KO = [
    "지붕 위에서 고양이가 운다.",
    "표는 세 장 남았습니다.",
    "우체국은 다리 건너에 있어요.",
    "수박이 하나도 달지 않아요.",
    "아이는 그림책을 거꾸로 들고 읽었다.",
]
EN = [
    "A cat is crying on the roof.",
    "There are three tickets left.",
    "The post office is across the bridge.",
    "The watermelon isn't sweet at all.",
    "The child read the picture book upside down.",
]


class Muse:
    """처음 쓸 때에야 불러오는 mUSE."""

    @staticmethod
    @cache
    def model():
        return load_model("muse", device="cpu")

    def encode(self, sentences):
        return self.model().encode(sentences)


# 2.5 거짓 음성 가리기


def masked(logits, same):
    false_negative = same & ~torch.eye(len(same), dtype=torch.bool)
    return logits.masked_fill(false_negative, -torch.inf)


def masked_by_where(logits, same):
    same = same.clone().fill_diagonal_(False)
    return torch.where(same, -1e9, logits)


def masked_by_loops(logits, same):
    rows = logits.tolist()
    for i, row in enumerate(rows):
        for j in range(len(row)):
            if i != j and same[i][j]:
                row[j] = float("-inf")
    return rows


def off_diagonal(same):
    return same & ~torch.eye(len(same), dtype=torch.bool)


RIGHT = {
    "2.1": [(4032, 8.32), [64 * 63, 2 * np.log(64)], torch.tensor([4032.0, 8.3178])],
    "2.2": [loss, loss_by_log_softmax, loss_by_loops],
    "2.3": [needed_gap, needed_gap_by_search, needed_gap_by_tensor],
    "2.4": [
        ("남은 표가 세 장이에요.", "Three tickets remain."),
        ["다리를 건너면 우체국이 나옵니다.", "Cross the bridge and you will find the post office."],
        ("이 수박은 전혀 달지 않네요.", "This watermelon is not sweet."),
        ("수박이 전혀 안 달다.", "There is no sweetness in the watermelon at all."),
        ("수박 맛이 심심하네요.", "The watermelon tastes bland."),
        ("표가 세 장밖에 남지 않았습니다.", "Only three tickets are left."),
        ("표가 세 장밖에 없어요.", "There are only three tickets."),
        ("다리 반대편에 우체국이 있다.", "There is a post office on the other side of the bridge."),
    ],
    "2.5": [masked, masked_by_where, masked_by_loops],
}

WRONG = {
    "2.1": [
        (8.3178, 4032),
        (4096, 8.32),
        (63, 8.32),
        (8064, 8.32),
        (2016, 8.32),
        (5, 8.32),
        (4032, 4.159),
        (4032, 12),
        (4032, 2 * np.log(63)),
        (4032, 1 / 64),
        (4032, -8.3178),
        (4032, np.log(64) ** 2),
        (4032, 7),
        4032,
    ],
    "2.2": [
        lambda x, y, s: in_batch_negatives_loss(x, y, scale=s),
        unnormalised,
        half,
        lambda x, y, s: half(x, y, s, True),
        lambda x, y, s: 2 * half(x, y, s),
        lambda x, y, s: loss(x, y, s) / 2,
        lambda x, y, s: loss(x, y, 1.0),
        lambda x, y, s: loss(x, y, 1 / s),
        shifted,
        lambda x, y, s: loss(x, y, s) * len(x),
        lambda x, y, s: -loss(x, y, s),
        whole,
        mean_probability,
        lambda x, y, s: unnormalised(F.normalize(x, dim=0), F.normalize(y, dim=0), s),
        lambda x, y, s: half(x, y, s, reduction="none"),
        lambda x, y, s: s * F.normalize(x, dim=1) @ F.normalize(y, dim=1).T,
        lambda x, y, s: F.normalize(x, dim=1),
        lambda x, y, s: (half(x, y, s), half(x, y, s, True)),
        softmax_twice,
        lambda x, y, s: half(x, y, s, labels=torch.arange(5)),
        lambda x, y, s: loss(x, y, s) + 0.1,
        3.0,
    ],
    "2.3": [
        lambda s, m, r: math.log((1 - r) / r) / s,
        lambda s, m, r: math.log((1 - r) / r) / s - m,
        lambda s, m, r: m + s * math.log((1 - r) / r),
        lambda s, m, r: m + math.log((1 - r) / r),
        lambda s, m, r: (m + math.log((1 - r) / r)) / s,
        lambda s, m, r: s * m + math.log((1 - r) / r),
        lambda s, m, r: m + math.log(r / (1 - r)) / s,
        lambda s, m, r: m - math.log(r) / s,
        lambda s, m, r: m - math.log(math.exp(r) - 1) / s,
        lambda s, m, r: m + math.log10((1 - r) / r) / s,
        lambda s, m, r: m,
        lambda s, m, r: [m, m + math.log((1 - r) / r) / s],
        lambda s, m, r: 0.41,
        0.41,
    ],
    "2.4": [
        "고양이",
        ("", "A cat is crying."),
        ("A cat is up there.", "지붕에 고양이가 있다."),
        ("A cat is up there.", "A cat is on the roof."),
        ("지붕에 고양이가 있다.", "지붕에 고양이가 있다."),
        ("표는 세 장  남았습니다", "Three tickets remain."),
        ("남은 표가 세 장이에요.", "The bank closes at four on weekdays."),
        ("은행은 평일 네 시에 닫습니다.", "The bank closes at four on weekdays."),
        ("고양이 한 마리가 지붕에서 울고 있어요.", "There's a cat crying up on the roof."),
        ("표는 다 팔렸습니다.", "All the tickets are sold out."),
        ("은행은 다리 건너에 있어요.", "The bank is across the bridge."),
        ("수박이 아주 달아요.", "The watermelon is very sweet."),
        ("표가 세 장 팔렸습니다.", "Three tickets were sold."),
        ("표가 세 장밖에 안 팔렸습니다.", "Only three tickets were sold."),
        ("표가 세 장 남지 않았습니다.", "There are not three tickets left."),
        ("우체국은 다리 아래에 있어요.", "The post office is under the bridge."),
        ("우체국은 다리 건너에 없어요.", "The post office is not across the bridge."),
        ("수박이 맛이 없어요.", "The watermelon tastes bland."),
    ],
    "2.5": [
        lambda logits, same: logits,
        lambda logits, same: logits.masked_fill(same, -torch.inf),
        lambda logits, same: logits.masked_fill(off_diagonal(same), 0),
        lambda logits, same: logits.masked_fill(off_diagonal(same), torch.inf),
        lambda logits, same: logits.masked_fill(~same, -torch.inf),
        lambda logits, same: logits.masked_fill(off_diagonal(same | same.T), -torch.inf),
        lambda logits, same: logits.masked_fill(off_diagonal(same.T), -torch.inf),
        lambda logits, same: logits - 5 * off_diagonal(same),
        lambda logits, same: logits.masked_fill(torch.ones_like(same).triu(1), -torch.inf),
        lambda logits, same: (2 * logits).masked_fill(off_diagonal(same), -torch.inf),
        lambda logits, same: logits + off_diagonal(same) * -torch.inf,
        lambda logits, same: logits[~off_diagonal(same)],
        lambda logits, same: logits @ same,
        lambda logits, same: masked(logits, same).softmax(1),
        "가림",
    ],
}

GIVEN = {"2.1": {}, "2.2": {}, "2.3": {}, "2.4": {"ko": KO, "en": EN, "model": Muse()}, "2.5": {}}
