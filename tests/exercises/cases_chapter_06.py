"""06장 연습의 옳은 답과 흔한 오답."""

import re

import numpy as np

# 6.1 비율에 맞는 방법


def f1_of(hit, false_alarm, share):
    return 2 * share * hit / (share * hit + (1 - share) * false_alarm + share)


def best_method(methods, share):
    return max(methods, key=lambda name: f1_of(*methods[name], share))


def best_method_by_counting(methods, share):
    """문장 1,000개를 놓고 셉니다."""
    paired, best, best_f1 = 1_000 * share, None, -1.0
    for name, (hit, false_alarm) in methods.items():
        right, wrong = paired * hit, (1_000 - paired) * false_alarm
        precision, recall = right / (right + wrong) if right else 0.0, right / paired
        f1 = 2 * precision * recall / (precision + recall) if right else 0.0
        if f1 > best_f1:
            best, best_f1 = name, f1
    return best


def by(score):
    """F1이 아닌 것으로 고른 답."""
    return lambda methods, share: max(methods, key=lambda name: score(*methods[name], share))


def undefined_at_zero(methods, share):
    def f1(name):
        hit, false_alarm = methods[name]
        precision = share * hit / (share * hit + (1 - share) * false_alarm)
        return 2 * precision * hit / (precision + hit)

    return max(methods, key=f1)


def precision_of(hit, false_alarm, share):
    return share * hit / (share * hit + (1 - share) * false_alarm + 1e-9)


def f1_of_shrunk_recall(hit, false_alarm, share):
    """재현율에 share를 곱한 답."""
    precision, recall = precision_of(hit, false_alarm, share), share * hit
    return 2 * precision * recall / (precision + recall + 1e-9)


# 6.2 이웃과 비교한 점수


def margin(cosine, source_near, target_near, scoring):
    mean = (source_near.mean() + target_near.mean()) / 2
    return cosine / mean if scoring == "ratio" else cosine - mean


def margin_from_sums(cosine, source_near, target_near, scoring):
    k = len(source_near)
    mean = sum(source_near) / (2 * k) + sum(target_near) / (2 * k)
    return {"ratio": cosine / mean, "distance": cosine - mean}[scoring]


def against(mean_of):
    """이웃의 평균을 잘못 구한 점수."""

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


# 6.4 정밀도를 지키는 임곗값


def precise_threshold(scores, right, target):
    passing = [t for t in scores if right[scores >= t].mean() >= target]
    return min(passing, default=np.inf)


def precise_threshold_by_cumsum(scores, right, target):
    order = np.argsort(-scores)
    scores, right = scores[order], right[order]
    precision = np.cumsum(right) / np.arange(1, len(scores) + 1)
    last = np.append(scores[1:] != scores[:-1], True)  # 같은 점수의 마지막
    passing = np.flatnonzero(last & (precision >= target))
    return scores[passing[-1]] if len(passing) else np.inf


def cumulative(scores, right, target, order=None, ratio=None, pick=-1):
    """쌓은 정밀도에서 고르되 한 곳이 틀린 답."""
    order = np.argsort(-scores, kind="stable") if order is None else order(scores)
    scores, right = scores[order], right[order]
    hits = np.cumsum(right)
    value = hits / np.arange(1, len(scores) + 1) if ratio is None else ratio(hits, right)
    passing = np.flatnonzero(value >= target)
    return scores[passing[pick]] if len(passing) else np.inf


def first_drop(scores, right, target):
    order = np.argsort(-scores)
    kept = np.inf
    for i, place in enumerate(order, 1):
        if right[order[:i]].mean() < target:
            break
        kept = scores[place]
    return kept


# 6.5 숫자 검사


def numbers(text):
    return set(re.findall(r"\d+", re.sub(r"(?<=\d),(?=\d{3})", "", text)))


def same_numbers(ko, en):
    return not (numbers(ko) and numbers(en)) or numbers(ko) == numbers(en)


def same_numbers_by_words(ko, en):
    def found(text):
        text = "".join(c if c.isdigit() else "" if c == "," else " " for c in text)
        return sorted(text.split())

    a, b = found(ko), found(en)
    return True if not a or not b else a == b


RIGHT = {
    "6.1": [best_method, best_method_by_counting],
    "6.2": [margin, margin_from_sums],
    "6.3": [mutual, mutual_by_sets, mutual_by_numpy],
    "6.4": [
        precise_threshold,
        precise_threshold_by_cumsum,
        lambda s, r, t: float(precise_threshold(s, r, t)) - 0.05,
    ],
    "6.5": [same_numbers, same_numbers_by_words],
}

WRONG = {
    "6.1": [
        by(lambda hit, false_alarm, share: hit),
        by(lambda hit, false_alarm, share: -false_alarm),
        by(lambda hit, false_alarm, share: hit - false_alarm),
        by(lambda hit, false_alarm, share: f1_of(hit, false_alarm, 1 - share)),
        by(f1_of_shrunk_recall),
        by(lambda hit, false_alarm, share: share * hit + (1 - share) * (1 - false_alarm)),
        by(precision_of),
        by(lambda hit, false_alarm, share: hit if share > 0.5 else -false_alarm),
        undefined_at_zero,
        lambda methods, share: max(f1_of(*m, share) for m in methods.values()),
        lambda methods, share: {0.9: "느슨하게", 0.5: "알맞게", 0.03: "엄격하게"}[share],
        lambda methods, share: print(best_method(methods, share)),
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
        against(lambda s, t: (s[1:].mean() + t[1:].mean()) / 2),
        lambda c, s, t, scoring: margin(c, s, t, "ratio"),
        lambda c, s, t, scoring: s,
    ],
    "6.3": [
        lambda f, b: [(j, i) for i, j in mutual(f, b)],
        lambda f, b: list(enumerate(f)),
        lambda f, b: [(i, j) for j, i in enumerate(b)],
        lambda f, b: [(i, j) for i, j in enumerate(f) if i == j],
        lambda f, b: [],
        lambda f, b: mutual(f, b)[1:],
        lambda f, b: [*mutual(f, b), (4, 1)],
        lambda f, b: [(i, f[i]) for i in range(min(len(f), len(b))) if b[f[i]] == i],
        lambda f, b: [(b[j], j) for j in range(min(len(f), len(b))) if f[b[j]] == j],
        lambda f, b: f,
        lambda f, b: [(i, f[i]) for i in np.flatnonzero(f == b)],
    ],
    "6.4": [
        lambda s, r, t: cumulative(s, r, t, order=lambda s: np.arange(len(s))),  # 늘어놓지 않은 누적
        lambda s, r, t: cumulative(s, r, t, ratio=lambda hits, r: hits / r.sum()),  # 재현율
        lambda s, r, t: cumulative(s, r, t, ratio=lambda hits, r: hits / r.sum(), pick=0),
        cumulative,  # 점수가 같은 쌍을 나눔
        first_drop,
        lambda s, r, t: cumulative(s, r, t, order=np.argsort),  # 낮은 것부터
        lambda s, r, t: min((x for x in s if r[s >= x].mean() > t), default=np.inf),
        lambda s, r, t: min((x for x in s if r[s > x].mean() >= t), default=np.inf),
        lambda s, r, t: min((x for x in s if r[s >= x].mean() >= t), default=s.max()),
        lambda s, r, t: min(x for x in s if r[s >= x].mean() >= t),  # 없을 때 오류
        lambda s, r, t: min((x for x in s if r[s >= x].mean() >= t), default=None),
        lambda s, r, t: max((x for x in s if r[s >= x].mean() >= t), default=np.inf),
        lambda s, r, t: t,
        lambda s, r, t: s,
    ],
    "6.5": [
        lambda ko, en: numbers(ko) == numbers(en),
        lambda ko, en: set(re.findall(r"\d", ko)) == set(re.findall(r"\d", en)) or not (numbers(ko) and numbers(en)),
        lambda ko, en: not (numbers(ko) and numbers(en)) or sum(map(int, numbers(ko))) == sum(map(int, numbers(en))),
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
