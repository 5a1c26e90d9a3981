"""07장 연습의 옳은 답과 흔한 오답."""

import numpy as np
import torch

# 7.1 거짓 네거티브


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


# 7.2 손실의 바닥


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


# 7.4 얻은 것과 잃은 것


def gained_lost(before, after):
    return ((before != 1) & (after == 1)).sum(), ((before == 1) & (after != 1)).sum()


def gained_lost_by_loop(before, after):
    gained = lost = 0
    for b, a in zip(before, after, strict=True):
        gained += b > 1 and a == 1
        lost += b == 1 and a > 1
    return [gained, lost]


# 7.5 조리법 고르기


def chosen(worst_of=min, losses_of=max, skip=1, fixed=None):
    def answer(rows, allowed):
        base, *rest = rows

        def change(row, key):
            return [after - before for after, before in zip(row[key], base[key], strict=True)]

        kept = [
            row
            for row in rows[skip:]
            if losses_of(-x for x in change(row, "elsewhere")) <= (fixed or allowed) + 1e-9
        ]
        return max(kept, key=lambda row: worst_of(change(row, "learned")))["recipe"]

    return answer


def choose_by_loop(rows, allowed):
    base, best, name = rows[0], -np.inf, None
    for row in rows[1:]:
        gain = (np.array(row["learned"]) - base["learned"]).min()
        loss = (np.array(base["elsewhere"]) - row["elsewhere"]).max()
        if loss <= allowed + 1e-9 and gain > best:
            best, name = gain, row["recipe"]
    return name


RIGHT = {
    "7.1": [either, either_by_numpy],
    "7.2": [floor, floor_by_cross_entropy],
    "7.3": [blend, blend_by_lerp],
    "7.4": [gained_lost, gained_lost_by_loop],
    "7.5": [chosen(), choose_by_loop],
}

WRONG = {
    "7.1": [
        lambda s, t: 0,
        lambda s, t: 99,
        lambda s, t: 10,
        counting(lambda s, t: s or t, diagonal=True),
        counting(lambda s, t: s or t, half=True),
        counting(lambda s, t: s),
        counting(lambda s, t: t),
        counting(lambda s, t: s + t),
        counting(lambda s, t: s and t),
        lambda s, t: s,
    ],
    "7.2": [
        lambda n, c: floor(n, c) / 2,
        lambda n, c: c * np.log(c),
        lambda n, c: np.log(c) / n,
        lambda n, c: np.log(c),
        lambda n, c: 2 * c * np.log2(c) / n,
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
        lambda o, t, a: blend(o, t, a) | {"table": o["table"] + 1},
        lambda o, t, a: {"weight": blend(o, t, a)["weight"]},
        lambda o, t, a: list(blend(o, t, a).values()),
    ],
    "7.4": [
        lambda b, a: gained_lost(a, b),
        lambda b, a: ((a < b).sum(), (a > b).sum()),
        lambda b, a: (gained_lost(b, a)[0], (a > b).sum()),
        lambda b, a: ((a == 1).sum(), (b == 1).sum()),
        lambda b, a: np.array(gained_lost(b, a)) / len(b),
        lambda b, a: gained_lost(b, a)[0] - gained_lost(b, a)[1],
        lambda b, a: (0, 0),
    ],
    "7.5": [
        lambda r, x: "배우기 전",
        lambda r, x: "없는 이름",
        lambda r, x: 2,
        lambda r, x: chosen()(r, 100),
        chosen(losses_of=lambda values: sum(values) / 2),
        chosen(worst_of=max),
        lambda r, x: chosen()(r, 0.2),
        chosen(fixed=1.0),
    ],
}

GIVEN = {"7.1": {}, "7.2": {}, "7.3": {}, "7.4": {}, "7.5": {}}
