"""06장 연습의 옳은 답과 흔한 오답."""

import re

import numpy as np

# 6.1 정밀도와 재현율


def scored(found, gold):
    hits = len(found & gold)
    return hits / len(found), hits / len(gold), 2 * hits / (len(found) + len(gold))


def scored_by_loops(found, gold):
    hits = sum(pair in gold for pair in found)
    precision, recall = hits / len(found), hits / len(gold)
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return [precision, recall, f1]


def replaced(place, function):
    """세 값 가운데 하나만 틀린 답."""

    def answer(found, gold):
        values = list(scored(found, gold))
        values[place] = function(*values[:2], found, gold)
        return values

    return answer


def undefined_at_zero(found, gold):
    precision, recall, _ = scored(found, gold)
    return precision, recall, 2 * precision * recall / (precision + recall)


# 6.2 이웃과 견준 점수


def margin(cosine, source_near, target_near, scoring):
    mean = (source_near.mean() + target_near.mean()) / 2
    return cosine / mean if scoring == "ratio" else cosine - mean


def margin_from_sums(cosine, source_near, target_near, scoring):
    k = len(source_near)
    mean = sum(source_near) / (2 * k) + sum(target_near) / (2 * k)
    return {"ratio": cosine / mean, "distance": cosine - mean}[scoring]


def against(mean_of):
    """이웃에서 견줄 값을 잘못 구한 점수."""

    def answer(cosine, source_near, target_near, scoring):
        mean = mean_of(source_near, target_near)
        return cosine / mean if scoring == "ratio" else cosine - mean

    return answer


# 6.3 서로를 고른 쌍


def mutual(forward, backward):
    return [(i, int(j)) for i, j in enumerate(forward) if backward[j] == i]


def mutual_by_sets(forward, backward):
    return set(enumerate(forward.tolist())) & {(i, j) for j, i in enumerate(backward.tolist())}


def mutual_by_numpy(forward, backward):
    rows = np.flatnonzero(backward[forward] == np.arange(len(forward)))
    return np.stack([rows, forward[rows]], axis=1)


# 6.4 기준값


def f1s(scores, right, n_gold):
    order = np.argsort(-scores)
    found = np.cumsum(right[order])
    return scores[order], 2 * found / (np.arange(1, len(scores) + 1) + n_gold)


def best_threshold(scores, right, n_gold):
    ordered, f1 = f1s(scores, right, n_gold)
    return ordered[f1.argmax()]


def best_threshold_by_trying(scores, right, n_gold):
    def f1(threshold):
        kept = scores >= threshold
        return 2 * right[kept].sum() / (kept.sum() + n_gold)

    return max(scores, key=f1)


# 6.5 숫자 검문


def numbers(text):
    return set(re.findall(r"\d+", text.replace(",", "")))


def same_numbers(ko, en):
    return not (numbers(ko) and numbers(en)) or numbers(ko) == numbers(en)


def same_numbers_by_words(ko, en):
    def found(text):
        text = "".join(c if c.isdigit() else "" if c == "," else " " for c in text)
        return sorted(text.split())

    a, b = found(ko), found(en)
    return True if not a or not b else a == b


RIGHT = {
    "6.1": [scored, scored_by_loops],
    "6.2": [margin, margin_from_sums],
    "6.3": [mutual, mutual_by_sets, mutual_by_numpy],
    "6.4": [best_threshold, best_threshold_by_trying, lambda s, r, n: best_threshold(s, r, n) - 0.05],
    "6.5": [same_numbers, same_numbers_by_words],
}

WRONG = {
    "6.1": [
        lambda f, g: scored(g, f),
        lambda f, g: 100 * np.array(scored(f, g)),
        lambda f, g: scored(f, g)[:2],
        replaced(0, lambda p, r, f, g: r),
        replaced(0, lambda p, r, f, g: len(f & g) / len(f | g)),
        replaced(0, lambda p, r, f, g: len({i for i, _ in f} & {i for i, _ in g}) / len(f) + 0.2),
        replaced(0, lambda p, r, f, g: 0.11),
        replaced(1, lambda p, r, f, g: p),
        replaced(1, lambda p, r, f, g: 0.11),
        replaced(2, lambda p, r, f, g: (p + r) / 2),
        replaced(2, lambda p, r, f, g: p * r / (p + r)),
        replaced(2, lambda p, r, f, g: p * r),
        replaced(2, lambda p, r, f, g: min(p, r)),
        replaced(2, lambda p, r, f, g: 0.11),
        replaced(2, lambda p, r, f, g: 0.5),
        undefined_at_zero,
    ],
    "6.2": [
        lambda c, s, t, scoring: c,
        lambda c, s, t, scoring: margin(c, s, t, "distance" if scoring == "ratio" else "ratio"),
        lambda c, s, t, scoring: 1 / margin(c, s, t, "ratio"),
        lambda c, s, t, scoring: margin(c, s, t, scoring) * (1 if scoring == "ratio" else -1),
        against(lambda s, t: s.mean() + t.mean()),
        against(lambda s, t: s.mean()),
        against(lambda s, t: t.mean()),
        against(lambda s, t: s.sum() + t.sum()),
        against(lambda s, t: (s.max() + t.max()) / 2),
        against(lambda s, t: (np.median(s) + np.median(t)) / 2),
        against(lambda s, t: 0.9),
        lambda c, s, t, scoring: s,
    ],
    "6.3": [
        lambda f, b: [(j, i) for i, j in mutual(f, b)],
        lambda f, b: list(enumerate(f)),
        lambda f, b: [(i, j) for j, i in enumerate(b)],
        lambda f, b: [(i, j) for i, j in enumerate(f) if i == j],
        lambda f, b: [],
        lambda f, b: mutual(f, b)[:-1],
        lambda f, b: [*mutual(f, b), (4, 1)],
        lambda f, b: [(i, i) for i in range(len(f)) if f[i] == b[i]],
        lambda f, b: f,
    ],
    "6.4": [
        lambda s, r, n: f1s(s, r, n)[1].max(),
        lambda s, r, n: s.max(),
        lambda s, r, n: s.min(),
        lambda s, r, n: 1.5,
        lambda s, r, n: 1.6,
        lambda s, r, n: 1.2,
        lambda s, r, n: 0,
        lambda s, r, n: s,
    ],
    "6.5": [
        lambda ko, en: numbers(ko) == numbers(en),
        lambda ko, en: True,
        lambda ko, en: False,
        lambda ko, en: bool(numbers(ko)) and same_numbers(ko, en),
        lambda ko, en: all(n in en for n in numbers(ko)) if numbers(en) else True,
        lambda ko, en: not (numbers(ko) and numbers(en)) or re.findall(r"\d+", ko) == re.findall(r"\d+", en),
        lambda ko, en: not (numbers(ko) and numbers(en)) or bool(numbers(ko) & numbers(en)),
        lambda ko, en: not numbers(ko) or set(re.findall(r"\d+", ko)) == set(re.findall(r"\d+", en)) or not numbers(en),
        lambda ko, en: not numbers(en) or numbers(ko) == numbers(en),
        lambda ko, en: "같음",
    ],
}  # fmt: skip

GIVEN = {"6.1": {}, "6.2": {}, "6.3": {}, "6.4": {}, "6.5": {}}
