"""04장 연습의 옳은 답과 흔한 오답."""

from functools import cache

import numpy as np
import torch
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from labse_helpers import load_model

# 4.1 모든 쌍의 코사인 유사도


def unit_rows(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def cosine_by_units(x, y):
    return unit_rows(x) @ unit_rows(y).T


def cosine_by_loops(x, y):
    return [[float(u @ v) / float(np.sqrt((u**2).sum() * (v**2).sum())) for v in y] for u in x]


def cosine_by_torch(x, y):
    x, y = torch.tensor(x), torch.tensor(y)
    return torch.nn.functional.cosine_similarity(x[:, None], y[None], dim=2)


# 4.2 AUC


def auc_by_grid(positives, negatives):
    return (positives[:, None] > negatives).mean() + (positives[:, None] == negatives).mean() / 2


def auc_by_loops(positives, negatives):
    points = [1.0 if p > n else 0.5 if p == n else 0.0 for p in positives for n in negatives]
    return sum(points) / len(points)


def auc_by_library(positives, negatives):
    labels = [1] * len(positives) + [0] * len(negatives)
    return roc_auc_score(labels, np.concatenate([positives, negatives]))


def auc_by_drawing(positives, negatives):
    rng = np.random.default_rng()
    return np.mean(rng.choice(positives, 1000) > rng.choice(negatives, 1000))


def auc_by_seeded_drawing(positives, negatives):
    rng = np.random.default_rng(0)
    p, n = rng.choice(positives, 100_000), rng.choice(negatives, 100_000)
    return (p > n).mean() + (p == n).mean() / 2


# 4.3 정밀도와 재현율


def precision_recall_by_counts(positives, negatives, threshold):
    kept, false = (positives >= threshold).sum(), (negatives >= threshold).sum()
    return kept / max(1, kept + false), kept / len(positives)


def divided_by_zero(positives, negatives, threshold):
    kept, false = (positives >= threshold).sum(), (negatives >= threshold).sum()
    return kept / (kept + false), kept / len(positives)


def precise_when_nothing_is_kept(positives, negatives, threshold):
    kept, false = (positives >= threshold).sum(), (negatives >= threshold).sum()
    return kept / (kept + false) if kept + false else 1.0, kept / len(positives)


def f1_in_place_of_recall(positives, negatives, threshold):
    kept, false = (positives >= threshold).sum(), (negatives >= threshold).sum()
    return kept / max(1, kept + false), 2 * kept / (kept + false + len(positives))


def precision_recall_by_library(positives, negatives, threshold):
    labels = np.array([True] * len(positives) + [False] * len(negatives))
    kept = np.concatenate([positives, negatives]) >= threshold
    return [precision_score(labels, kept), recall_score(labels, kept)]


def rates_added(positives, negatives, threshold):
    recall, fall_out = (positives >= threshold).mean(), (negatives >= threshold).mean()
    return recall / (recall + fall_out), recall


# 4.4 임곗값을 고르고 다른 데이터로 평가하기


def choose(scores, labels, merit=f1_score):
    return max(scores, key=lambda threshold: merit(labels, scores >= threshold))


def choose_then_judge(dev_scores, dev_labels, test_scores, test_labels):
    best = choose(dev_scores, dev_labels)
    return best, f1_score(test_labels, test_scores >= best)


def choose_by_numpy(dev_scores, dev_labels, test_scores, test_labels):
    kept = dev_scores >= dev_scores[:, None]  # (후보, N)
    f1 = 2 * (kept & dev_labels).sum(1) / (kept.sum(1) + dev_labels.sum())
    best = dev_scores[f1.argmax()]
    kept = test_scores >= best
    return np.array([best, 2 * (kept & test_labels).sum() / (kept.sum() + test_labels.sum())])


def judged_on_dev(dev_scores, dev_labels, test_scores, test_labels):
    best = choose(dev_scores, dev_labels)
    return best, f1_score(dev_labels, dev_scores >= best)


def chosen_on_test(dev_scores, dev_labels, test_scores, test_labels):
    best = choose(test_scores, test_labels)
    return best, f1_score(test_labels, test_scores >= best)


def chosen_on_both(dev_scores, dev_labels, test_scores, test_labels):
    best = choose(np.append(dev_scores, test_scores), np.append(dev_labels, test_labels))
    return best, f1_score(test_labels, test_scores >= best)


def chosen_by_accuracy(dev_scores, dev_labels, test_scores, test_labels):
    best = choose(dev_scores, dev_labels, accuracy_score)
    return best, f1_score(test_labels, test_scores >= best)


def middle_of_means(dev_scores, dev_labels, test_scores, test_labels):
    best = (dev_scores[dev_labels].mean() + dev_scores[~dev_labels].mean()) / 2
    return best, f1_score(test_labels, test_scores >= best)


def below_the_threshold(dev_scores, dev_labels, test_scores, test_labels):
    best = max(np.sort(dev_scores), key=lambda threshold: f1_score(dev_labels, dev_scores < threshold))
    return best, f1_score(test_labels, test_scores < best)


def chosen_again_on_test(dev_scores, dev_labels, test_scores, test_labels):
    again = choose(test_scores, test_labels)
    return choose(dev_scores, dev_labels), f1_score(test_labels, test_scores >= again)


def chosen_on_a_grid(dev_scores, dev_labels, test_scores, test_labels):
    best = max(np.arange(0.005, 1, 0.01), key=lambda t: f1_score(dev_labels, dev_scores >= t))
    return best, f1_score(test_labels, test_scores >= best)


def accuracy_on_test(dev_scores, dev_labels, test_scores, test_labels):
    best = choose(dev_scores, dev_labels)
    return best, accuracy_score(test_labels, test_scores >= best)


def number_of_candidate(dev_scores, dev_labels, test_scores, test_labels):
    best = int(np.argmax([f1_score(dev_labels, dev_scores >= t) for t in dev_scores]))
    return best, f1_score(test_labels, test_scores >= dev_scores[best])


def order_swapped(*parts):
    return choose_then_judge(*parts)[::-1]


def sizes_mixed_up(dev_scores, dev_labels, test_scores, test_labels):
    best = choose(dev_scores, dev_labels)
    kept = dev_scores >= best
    return best, 2 * (kept & test_labels).sum() / (kept.sum() + test_labels.sum())


# 4.5 뜻을 뒤집은 두 문장


class LazyEncoder:
    """처음 쓸 때 불러오는 내장 인코더. 테스트를 모으는 동안에는 아무것도 불러오지 않습니다."""

    @cache  # noqa: B019 - 모듈에 하나뿐인 객체입니다
    def encoder(self):
        return load_model("muse", device="cpu")

    def encode(self, sentences):
        return self.encoder().encode(sentences)


PARAPHRASE = ("버스를 놓쳐서 학교까지 걸어갔다.", "버스가 먼저 떠나 걸어서 등교했다.")

RIGHT = {
    "4.1": [cosine_by_units, cosine_by_loops, cosine_by_torch],
    "4.2": [auc_by_grid, auc_by_loops, auc_by_library],
    "4.3": [precision_recall_by_counts, precision_recall_by_library],
    "4.4": [choose_then_judge, choose_by_numpy],
    "4.5": [
        ("할머니는 아침마다 약을 드신다.", "할머니는 아침마다 약을 거르신다."),
        ["나는 밥을 먹었다.", "나는 밥을 안 먹었다."],
        ("밥을 먹었다.", "밥을 안 먹었다."),
        ("오늘은 학교에 간다.", "오늘은 학교에 안 간다."),
        ("내일은 비가 온다.", "내일은 비가 오지 않는다."),
        ("나는 그 영화를 봤다.", "나는 그 영화를 못 봤다."),
        ("이 물은 마셔도 됩니다.", "이 물은 마시면 안 됩니다."),
        ("문을 꼭 닫아라.", "문을 꼭 열어라."),
        ("민수는 수영을 할 수 있다.", "민수는 수영을 할 수 없다."),
        ("선생님이 학생에게 사과했다.", "학생이 선생님에게 사과했다."),
    ],
}

WRONG = {
    "4.1": [
        lambda x, y: cosine_by_units(y, x),
        lambda x, y: x @ y.T,
        lambda x, y: unit_rows(x) @ y.T,
        lambda x, y: (x / np.linalg.norm(x, axis=0)) @ (y / np.linalg.norm(y, axis=0)).T,
        lambda x, y: (x / np.linalg.norm(x)) @ (y / np.linalg.norm(y)).T,
        lambda x, y: x @ y.T / ((x**2).sum(1, keepdims=True) * (y**2).sum(1)),
        lambda x, y: x @ y.T / (x.sum(1, keepdims=True) * y.sum(1)),
        lambda x, y: 1 - cosine_by_units(x, y),
        lambda x, y: (unit_rows(x) * unit_rows(y)).sum(axis=1),
        lambda x, y: x @ y.T / (np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)),
        lambda x, y: x / np.linalg.norm(x, axis=1),
        lambda x, y: cosine_by_units(x, y).mean(axis=1),
        lambda x, y: cosine_by_units(x, y) ** 2,
        lambda x, y: np.corrcoef(x, y)[: len(x), len(x) :],
        lambda x, y: np.maximum(cosine_by_units(x, y), 0),
    ],
    "4.2": [
        lambda p, n: (p[:, None] > n).mean(),
        lambda p, n: (p[:, None] >= n).mean(),
        lambda p, n: (p[:, None] > n).sum() / (p[:, None] != n).sum(),
        lambda p, n: 1 - auc_by_grid(p, n),
        lambda p, n: (p[:, None] > n).sum(),
        lambda p, n: np.mean([a > b for a, b in zip(p, n, strict=False)]),
        lambda p, n: (p > n).mean(),
        lambda p, n: p.mean() - n.mean(),
        lambda p, n: ((p >= 0.5).sum() + (n < 0.5).sum()) / (len(p) + len(n)),
        auc_by_drawing,
        auc_by_seeded_drawing,
        lambda p, n: 100 * auc_by_grid(p, n),
        lambda p, n: (p.mean() > n).mean(),
        lambda p, n: (p > n.max()).mean(),
        lambda p, n: 0.123,
    ],
    "4.3": [
        lambda p, n, t: precision_recall_by_counts(p, n, t)[::-1],
        lambda p, n, t: ((p > t).sum() / ((p > t).sum() + (n > t).sum()), (p > t).mean()),
        lambda p, n, t: ((p < t).sum() / ((p < t).sum() + (n < t).sum()), (p < t).mean()),
        lambda p, n, t: ((p >= t).sum() / (len(p) + len(n)), (p >= t).mean()),
        lambda p, n, t: ((n < t).mean(), (p >= t).mean()),
        rates_added,
        lambda p, n, t: (precision_recall_by_counts(p, n, t)[0], (p >= t).sum() / (len(p) + len(n))),
        lambda p, n, t: (((p >= t).sum() + (n < t).sum()) / (len(p) + len(n)), (p >= t).mean()),
        lambda p, n, t: 100 * np.array(precision_recall_by_counts(p, n, t)),
        lambda p, n, t: ((p >= t).sum(), (n >= t).sum()),
        lambda p, n, t: precision_recall_by_counts(p, n, t)[0],
        divided_by_zero,
        precise_when_nothing_is_kept,
        f1_in_place_of_recall,
        lambda p, n, t: (0.1, (p >= t).mean()),
        lambda p, n, t: (precision_recall_by_counts(p, n, t)[0], 0.1),
        lambda p, n, t: (0.1, 0.1),
    ],
    "4.4": [
        judged_on_dev,
        chosen_on_test,
        chosen_on_both,
        chosen_by_accuracy,
        middle_of_means,
        chosen_again_on_test,
        chosen_on_a_grid,
        below_the_threshold,
        accuracy_on_test,
        lambda *parts: (choose(*parts[:2], lambda labels, kept: -f1_score(labels, kept)), 0.5),
        number_of_candidate,
        order_swapped,
        sizes_mixed_up,
        lambda *parts: (min(parts[0]), 0.5),
        lambda *parts: (max(parts[0]), 0.5),
        lambda *parts: (0.77, 0.5),
        lambda *parts: (0.47, 0.5),
        lambda *parts: choose_then_judge(*parts)[0],
    ],
    "4.5": [
        "할머니는 아침마다 약을 드신다.",
        ("할머니는 아침마다 약을 드신다.", ""),
        ("Grandma takes her pills.", "Grandma skips her pills."),
        ("할머니는 아침마다 약을 드신다.", "할머니는 아침마다, 약을 드신다!"),
        ("먹었다.", "안 먹었다."),
        ("나는 점심에 밥을 먹었다.", "나는 점심에 밥을 먹었어."),
        ("나는 점심에 밥을 먹었다.", "저는 점심에 밥을 먹었습니다."),
        ("할머니는 아침마다 약을 드신다.", "할머니께서 아침마다 약을 드십니다."),
        ("나는 어제 밥을 먹었다.", "어제 나는 밥을 먹었다."),
        ("나는 어제 밥을 먹었다.", "나는 어제 흰 밥을 먹었다."),
        ("나는 매일 밥을 먹는다.", "나는 매일 밥을 먹었다."),
        ("나는 어젯밤에 대문을 잠갔다.", "나는 어젯밤에 대문을 안 잠갔다."),
        ("할머니는 아침마다 약을 드신다.", "우리 할머니께서는 요즘 매일 약을 거르신다."),
        ("아이가 크게 웃었다.", "아이가 크게 울었다."),
    ],
}

GIVEN = {
    "4.1": {},
    "4.2": {},
    "4.3": {},
    "4.4": {},
    "4.5": {"paraphrase": PARAPHRASE, "model": LazyEncoder()},
}
