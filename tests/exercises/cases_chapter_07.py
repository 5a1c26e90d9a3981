"""07장 연습의 옳은 답과 흔한 오답."""

import numpy as np
import torch

# 7.1 거짓 음성


def counting(rule, diagonal=False, half=False):
    def answer(source, target):
        n = len(source)
        return sum(
            rule(source[i] == source[j], target[i] == target[j])
            for i in range(n)
            for j in range(n)
            if (diagonal or i != j) and not (half and j > i)
        )

    return answer


either = counting(lambda s, t: s or t)


def either_by_numpy(source, target):
    s, t = np.array(source), np.array(target)
    same = (s[:, None] == s) | (t[:, None] == t)
    return same.sum() - len(source)


# 7.2 손실의 하한


def floor(n, copies):
    return 2 * copies * np.log(copies) / n


def floor_by_cross_entropy(n, copies):
    """완벽한 인코더의 점수를 만들어 재어 봅니다."""
    group = torch.cat([torch.zeros(copies), torch.arange(1, n - copies + 1)])
    logits = 1000.0 * (group[:, None] == group)
    return 2 * torch.nn.functional.cross_entropy(logits, torch.arange(n))


# 7.3 섞기


def blend(original, tuned, alpha):
    return {
        name: (1 - alpha) * x + alpha * tuned[name] if x.is_floating_point() else x
        for name, x in original.items()
    }


def blend_by_lerp(original, tuned, alpha):
    result = dict(original)
    for name in original:
        if torch.is_floating_point(original[name]):
            result[name] = torch.lerp(original[name], tuned[name], alpha)
    return result


def blending(rule):
    def answer(original, tuned, alpha):
        return {
            name: rule(x, tuned[name], alpha) if x.is_floating_point() else x for name, x in original.items()
        }

    return answer


def blend_into(place):
    """받은 텐서를 그 자리에서 바꾸는 오답."""

    def answer(original, tuned, alpha):
        for name, x in original.items():
            if x.is_floating_point() and place == "original":
                x.mul_(1 - alpha).add_(alpha * tuned[name])
            elif x.is_floating_point():
                tuned[name].mul_(alpha).add_((1 - alpha) * x)
        return original if place == "original" else tuned | {"table": original["table"]}

    return answer


# 7.4 다시 뽑는 단위


def per_sentence(before, after):
    return ((after == 1).astype(float) - (before == 1)).mean(axis=1)


def per_sentence_by_loop(before, after):
    return [
        np.mean([int(a == 1) - int(b == 1) for b, a in zip(*rows, strict=True)])
        for rows in zip(before, after, strict=True)
    ]


# 7.5 설정 고르기


def chosen(gain=min, loss=max, level=False, strict=False, base_too=True, fixed=None):
    def answer(rows, allowed):
        base = rows[0]
        limit = allowed if fixed is None else fixed

        def change(row, key):
            return [after - before for after, before in zip(row[key], base[key], strict=True)]

        def lost(row):
            return loss([-x for x in change(row, "elsewhere")])

        kept = [row for row in rows if (lost(row) < limit if strict else lost(row) <= limit)]
        kept = kept if base_too else [row for row in kept if row is not base]
        return max(kept, key=lambda row: gain(row["learned"] if level else change(row, "learned")))["recipe"]

    return answer


def choose_by_loop(rows, allowed):
    base, best, name = rows[0], 0, rows[0]["recipe"]
    for row in rows[1:]:
        gain = (np.array(row["learned"]) - base["learned"]).min()
        loss = (np.array(base["elsewhere"]) - row["elsewhere"]).max()
        if loss <= allowed + 1e-9 and gain > best:
            best, name = gain, row["recipe"]
    return name


def mean(values):
    return sum(values) / len(values)


RIGHT = {
    "7.1": [either, either_by_numpy],
    "7.2": [floor, floor_by_cross_entropy],
    "7.3": [blend, blend_by_lerp],
    "7.4": [per_sentence, per_sentence_by_loop],
    "7.5": [chosen(), choose_by_loop],
}

WRONG = {
    "7.1": [
        lambda s, t: 0,
        lambda s, t: 99,
        lambda s, t: 18,
        counting(lambda s, t: s or t, diagonal=True),
        counting(lambda s, t: s or t, half=True),
        counting(lambda s, t: s),
        counting(lambda s, t: t),
        counting(lambda s, t: s + t),
        counting(lambda s, t: s and t),
        counting(lambda s, t: s != t),
        lambda s, t: len(s) - len(set(s)) + len(t) - len(set(t)),
        lambda s, t: s,
    ],
    "7.2": [
        lambda n, c: floor(n, c) / 2,
        lambda n, c: c * np.log(c),
        lambda n, c: np.log(c) / n,
        lambda n, c: np.log(c),
        lambda n, c: 2 * c * np.log2(c) / n,
        lambda n, c: 2 * (c - 1) * np.log(c) / n,
        lambda n, c: 2 * c * np.log(n) / n,
        lambda n, c: -floor(n, c),
        lambda n, c: 0.1,
        lambda n, c: floor(n, c) + 0.1 * (c == 1),
    ],
    "7.3": [
        lambda o, t, a: blend(o, t, 1 - a),
        lambda o, t, a: o,
        lambda o, t, a: t,
        lambda o, t, a: blend(o, t, 0.5),
        blending(lambda x, y, a: x + a * y),
        blending(lambda x, y, a: x * y),
        lambda o, t, a: {name: (1 - a) * x + a * t[name] for name, x in o.items()},
        lambda o, t, a: {
            name: x if x.dtype == torch.uint8 else blend(o, t, a)[name] for name, x in t.items()
        },
        lambda o, t, a: {
            name: blend(o, t, a)[name] if x.dtype == torch.float32 else x for name, x in o.items()
        },
        blend_into("original"),
        blend_into("tuned"),
        lambda o, t, a: blend(o, t, a) | {"table": o["table"] + 1},
        lambda o, t, a: {"weight": blend(o, t, a)["weight"]},
        lambda o, t, a: list(blend(o, t, a).values()),
    ],
    "7.4": [
        lambda b, a: ((a == 1).astype(float) - (b == 1)).ravel(),
        lambda b, a: per_sentence(b, a).mean(),
        lambda b, a: per_sentence(b.T, a.T),
        lambda b, a: per_sentence(a, b),
        lambda b, a: per_sentence(b, a) * b.shape[1],
        lambda b, a: (a - b).mean(axis=1),
        lambda b, a: (1 / a - 1 / b).mean(axis=1),
        lambda b, a: (a == 1).mean(axis=1),
        lambda b, a: (a == 1).all(axis=1).astype(int) - (b == 1).all(axis=1),
        lambda b, a: ((a == 1) & (b > 1)).mean(axis=1),
        lambda b, a: np.sign(per_sentence(b, a)),
        lambda b, a: np.stack([per_sentence(b, a)] * 2),
    ],
    "7.5": [
        lambda r, x: "학습 전",
        lambda r, x: "없는 이름",
        lambda r, x: 2,
        lambda r, x: chosen()(r, 100),
        chosen(loss=mean),
        chosen(gain=max),
        chosen(gain=sum),
        chosen(level=True),
        chosen(strict=True),
        lambda r, x: chosen()(r, 0.2),
        chosen(fixed=1.0),
        chosen(base_too=False),
    ],
}

GIVEN = {"7.1": {}, "7.2": {}, "7.3": {}, "7.4": {}, "7.5": {}}
