"""01장 연습의 옳은 답과 흔한 오답."""

import math

import numpy as np
import torch
from torch.nn.functional import linear, normalize

# 1.2 [CLS]에서 문장 벡터까지


def sentence_vectors(hidden, weight, bias):
    vectors = torch.tanh(hidden[:, 0] @ weight.T + bias)
    return vectors / vectors.norm(dim=1, keepdim=True)


def sentence_vectors_by_functions(hidden, weight, bias):
    return normalize(linear(hidden, weight, bias).tanh(), dim=-1)[:, 0]


def sentence_vectors_by_loops(hidden, weight, bias):
    rows = []
    for tokens in hidden.numpy():
        row = np.tanh(weight.numpy() @ tokens[0] + bias.numpy())
        rows.append(row / np.sqrt((row**2).sum()))
    return rows


def forgotten_return(hidden, weight, bias):
    normalize(torch.tanh(linear(hidden[:, 0], weight, bias)), dim=-1)


def finish(pooled, weight, bias):
    return normalize(torch.tanh(linear(pooled, weight, bias)), dim=-1)


# 1.3 패딩을 뺀 평균


def mean_pool(hidden, mask):
    m = mask[:, :, None]
    return (hidden * m).sum(dim=1) / m.sum(dim=1)


def mean_pool_by_loops(hidden, mask):
    return torch.stack([row[keep.bool()].mean(dim=0) for row, keep in zip(hidden, mask, strict=True)])


def mean_pool_by_nan(hidden, mask):
    return hidden.masked_fill(mask[:, :, None] == 0, torch.nan).nanmean(dim=1)


# 1.5 이웃한 두 토큰


def bigrams(x, kernel):
    pairs = torch.cat([x[:-1], x[1:]], dim=1)
    return torch.tanh(pairs @ kernel).mean(dim=0)


def bigrams_by_unfold(x, kernel):
    pairs = x.unfold(0, 2, 1).transpose(1, 2).flatten(1)  # (L - 1, 2 * dim)
    return (pairs @ kernel).tanh().mean(0)


def bigrams_by_halves(x, kernel):
    left, right = kernel[: x.shape[1]], kernel[x.shape[1] :]
    return torch.tanh(x[:-1] @ left + x[1:] @ right).mean(dim=0)


def neighbours(x):
    return torch.cat([x[:-1], x[1:]], dim=1)


# 1.6 수용 영역


def receptive_field(widths):
    return 1 + sum(width - 1 for width in widths)


def receptive_field_by_loop(widths):
    """위치 0의 값이 어느 위치들에서 왔는지 층마다 넓혀 가며 셉니다."""
    seen = {0}
    for width in widths:
        seen = {place + shift - width // 2 for place in seen for shift in range(width)}
    return len(seen)


RIGHT = {
    "1.1": [
        (150_000, 800, 3_800),
        [300 * 500, 300.0 + 500, 800 + 300 * 10],
        torch.tensor([150_000, 800, 3_800]),
    ],
    "1.2": [sentence_vectors, sentence_vectors_by_functions, sentence_vectors_by_loops],
    "1.3": [mean_pool, mean_pool_by_loops, mean_pool_by_nan],
    "1.4": [(110_617_344, 0.222), [110_617_344, 24_576_000 / 110_617_344], (110_617_344, 0.2222)],
    "1.5": [bigrams, bigrams_by_unfold, bigrams_by_halves],
    "1.6": [receptive_field, receptive_field_by_loop, lambda widths: np.int64(sum(widths) - len(widths) + 1)],
}

WRONG = {
    "1.1": [
        (800, 150_000, 3_800),
        (640_000, 800, 3_800),
        (90_000, 800, 3_800),
        (300_000, 800, 3_800),
        (800, 800, 3_800),
        (7, 800, 3_800),
        (150_000, 150_000, 3_800),
        (150_000, 300, 3_800),
        (150_000, 1_600, 3_800),
        (150_000, 7, 3_800),
        (150_000, 800, 3_000),
        (150_000, 800, 5_800),
        (150_000, 800, 150_800),
        (150_000, 800, 800),
        (150_000, 800, 6_800),
        (150_000, 800, 7),
        (150_000, 800),
        ("150,000번", 800, 3_800),
        (150_000, 800, 3_800, "재순위"),
    ],
    "1.2": [
        lambda h, w, b: finish(h.mean(dim=1), w, b),
        lambda h, w, b: finish(h[:, -1], w, b),
        lambda h, w, b: finish(h.max(dim=1).values, w, b),
        lambda h, w, b: normalize(h[:, 0], dim=1),
        lambda h, w, b: normalize(torch.tanh(h[:, 0] @ w + b), dim=1),
        lambda h, w, b: normalize(torch.tanh(h[:, 0] @ w.T), dim=1),
        lambda h, w, b: normalize(h[:, 0] @ w.T + b, dim=1),
        lambda h, w, b: torch.tanh(normalize(h[:, 0] @ w.T + b, dim=1)),
        lambda h, w, b: torch.tanh(h[:, 0] @ w.T + b),
        lambda h, w, b: normalize(torch.tanh(h[:, 0] @ w.T + b), dim=0),
        lambda h, w, b: torch.tanh(h[:, 0] @ w.T + b) / torch.tanh(h[:, 0] @ w.T + b).norm(),
        lambda h, w, b: torch.tanh(h[:, 0] @ w.T + b) / torch.tanh(h[:, 0] @ w.T + b).norm(dim=1),
        finish,
        lambda h, w, b: finish(h[0], w, b),
        lambda h, w, b: finish(h[0, 0], w, b),
        lambda h, w, b: 2 * finish(h[:, 0], w, b),
        lambda h, w, b: normalize(torch.tanh(linear(h[:, 0], w, b)), p=1, dim=1),
        lambda h, w, b: normalize(torch.relu(linear(h[:, 0], w, b)), dim=1),
        forgotten_return,
        torch.zeros(3, 4),
    ],
    "1.3": [
        lambda h, m: h.mean(dim=1),
        lambda h, m: (h * m[:, :, None]).mean(dim=1),
        lambda h, m: h.sum(dim=1) / m.sum(dim=1)[:, None],
        lambda h, m: (h * m[:, :, None]).sum(dim=1),
        lambda h, m: (h * m[:, :, None]).sum(dim=1) / m.sum(),
        lambda h, m: mean_pool(h, 1 - m).nan_to_num(),
        lambda h, m: h.max(dim=1).values,
        lambda h, m: h[:, 0],
        lambda h, m: normalize(mean_pool(h, m), dim=1),
        lambda h, m: h * m[:, :, None],
        lambda h, m: h.mean(dim=0),
        lambda h, m: h.mean(dim=2),
        lambda h, m: mean_pool(h, m)[0],
        lambda h, m: (h * m[:, :, None]).sum(dim=1) / m.sum(dim=1),
        lambda h, m: mean_pool(h, m) + 1,
        lambda h, m: mean_pool(h[:, 1:], m[:, 1:]),
        lambda h, m: (h * m[:, :, None]).sum(dim=1) / (m.sum(dim=1)[:, None] + 1),
    ],
    "1.4": [
        (0.222, 110_617_344),
        (470_926_848, 0.222),
        (24_576_000, 0.222),
        (86_041_344, 0.222),
        (470_457_695, 0.222),
        (446_350_848, 0.222),
        (495_502_848, 0.222),
        (110.6, 0.22),
        (1.106e8, 0.22),
        ("1억 1,061만", 0.22),
        (1, 0.222),
        (110_617_344, 0.0522),
        (110_617_344, 22.2),
        (110_617_344, 0.778),
        (110_617_344, 0.8173),
        (110_617_344, 0.2349),
        (110_617_344, 0.2856),
        (110_617_344, 0.5),
        0.222,
    ],
    "1.5": [
        lambda x, k: (neighbours(x) @ k).mean(dim=0),
        lambda x, k: torch.tanh((neighbours(x) @ k).mean(dim=0)),
        lambda x, k: torch.tanh(neighbours(x) @ k).sum(dim=0),
        lambda x, k: torch.tanh(torch.cat([x, x.roll(-1, dims=0)], dim=1) @ k).mean(dim=0),
        lambda x, k: torch.tanh(torch.cat([x[1:], x[:-1]], dim=1) @ k).mean(dim=0),
        lambda x, k: torch.tanh(neighbours(x)[::2] @ k).mean(dim=0),
        lambda x, k: torch.tanh(neighbours(x) @ k).sum(dim=0) / len(x),
        lambda x, k: torch.tanh(neighbours(x) @ k).max(dim=0).values,
        lambda x, k: torch.tanh(neighbours(x) @ k),
        lambda x, k: torch.tanh(neighbours(x) @ k).mean(dim=1),
        lambda x, k: (x[:-1] + x[1:]) @ k,
        lambda x, k: torch.relu(neighbours(x) @ k).mean(dim=0),
        lambda x, k: normalize(bigrams(x, k), dim=0),
    ],
}

WRONG["1.6"] = [
    sum,
    math.prod,
    max,
    lambda widths: sum(widths) - len(widths),
    lambda widths: sum(widths) + 1,
    lambda widths: 1 + sum(width // 2 for width in widths),
    lambda widths: 2 * sum(widths) if len(widths) > 1 else widths[0],
    lambda widths: 1 + len(widths) * (widths[0] - 1),
    lambda widths: widths,
    9,
]

GIVEN = {"1.1": {}, "1.2": {}, "1.3": {}, "1.4": {}, "1.5": {}, "1.6": {}}
