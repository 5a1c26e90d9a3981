"""05장 연습의 옳은 답과 흔한 오답."""

import numpy as np
import torch

# 5.1 상위 k개


def top_k(scores, k):
    return np.argsort(-scores, axis=1)[:, :k]


def top_k_by_torch(scores, k):
    return torch.from_numpy(scores).topk(k, dim=1).indices


def top_k_by_loops(scores, k):
    return [sorted(range(len(row)), key=lambda j: -row[j])[:k] for row in scores.tolist()]


def by_partition(scores, k):
    return np.argpartition(-scores, k - 1, axis=1)[:, :k]


# 5.2 바뀐 말뭉치


def refresh(old, old_vectors, new, encode):
    known = dict(zip(old, old_vectors, strict=True))
    missing = list(dict.fromkeys(sentence for sentence in new if sentence not in known))
    if missing:
        known.update(zip(missing, encode(missing), strict=True))
    return np.array([known[sentence] for sentence in new])


def refresh_by_positions(old, old_vectors, new, encode):
    """목록의 자리로 찾고, 빈 목록도 그대로 인코딩합니다."""
    everything = [*old, *sorted(set(new) - set(old))]
    vectors = np.concatenate([old_vectors, encode(everything[len(old) :])])
    return torch.from_numpy(vectors[[everything.index(sentence) for sentence in new]])


def refresh_one_by_one(old, old_vectors, new, encode):
    known = dict(zip(old, old_vectors, strict=True))
    for sentence in new:
        if sentence not in known:
            known[sentence] = encode([sentence])[0]
    return [known[sentence] for sentence in new]


def refresh_with_repeats(old, old_vectors, new, encode):
    missing = [sentence for sentence in new if sentence not in old]
    fresh = iter(encode(missing))
    return np.array([old_vectors[old.index(s)] if s in old else next(fresh) for s in new])


def refresh_without_punctuation(old, old_vectors, new, encode):
    return refresh([s.rstrip("?!.") for s in old], old_vectors, [s.rstrip("?!.") for s in new], encode)


def kept_then_new(old, old_vectors, new, encode):
    vectors = refresh(old, old_vectors, new, encode)
    return vectors[sorted(range(len(new)), key=lambda i: new[i] not in old)]


# 5.3 MRR


def mrr(scores, gold):
    own = scores[np.arange(len(scores)), gold][:, None]
    return (1 / (scores >= own).sum(axis=1)).mean()


def mrr_by_sorting(scores, gold):
    order = np.argsort(-scores, axis=1)
    return np.mean([1 / (list(row).index(g) + 1) for row, g in zip(order, gold, strict=True)])


def ranks(scores, gold):
    return (scores >= scores[np.arange(len(scores)), gold][:, None]).sum(axis=1)


def ranks_in_column(scores, gold):
    return np.array([(scores[:, g] >= scores[q, g]).sum() for q, g in enumerate(gold)])


# 5.4 마진이 이기는 행렬


def hubbed(match=0.6, hub=0.7, rest=0.1, own=0.9):
    """정답, 허브의 열, 나머지, 허브 자신의 점수로 지은 행렬."""
    matrix = np.full((4, 4), rest)
    np.fill_diagonal(matrix, match)
    matrix[:, 2] = hub
    matrix[2, 2] = own
    return matrix


def changed(matrix, cells):
    for place, value in cells.items():
        matrix[place] = value
    return matrix


# 5.5 이유 찾기


def diagnose(scores, i):
    best = scores.argmax(axis=1)
    wrong = best != np.arange(len(scores))
    return best[i], (scores[i] >= scores[i, i]).sum(), (wrong & (best == best[i])).sum()


def diagnose_by_loops(scores, i):
    choices = [int(np.argmax(row)) for row in scores]
    rank = sorted(scores[i], reverse=True).index(scores[i, i]) + 1
    pulled = sum(1 for query, chosen in enumerate(choices) if chosen == choices[i] and chosen != query)
    return [choices[i], rank, pulled]


def diagnosed(chosen=None, rank=None, pulled=None):
    """``diagnose``의 한 군데를 바꾼 것."""

    def function(scores, i):
        answer = list(diagnose(scores, i))
        for place, change in enumerate((chosen, rank, pulled)):
            if change:
                answer[place] = change(scores, i)
        return tuple(answer)

    return function


RIGHT = {
    "5.1": [top_k, top_k_by_torch, top_k_by_loops],
    "5.2": [refresh, refresh_by_positions],
    "5.3": [mrr, mrr_by_sorting],
    "5.4": [hubbed(), torch.tensor(hubbed(0.5, 0.55, -0.1, 0.8)), hubbed(0.62, 0.7, 0.2, 0.85).tolist()],
    "5.5": [diagnose, diagnose_by_loops],
}

WRONG = {
    "5.1": [
        lambda s, k: np.argsort(s, axis=1)[:, :k],
        lambda s, k: np.argsort(s, axis=1)[:, -k:],
        lambda s, k: -np.sort(-s, axis=1)[:, :k],
        lambda s, k: top_k(s, k) + 1,
        lambda s, k: np.argsort(-s, axis=1)[:, 1 : k + 1],
        lambda s, k: np.argsort(np.argsort(-s, axis=1), axis=1)[:, :k],
        lambda s, k: np.argsort(-s, axis=0)[:, :k],
        lambda s, k: np.argsort(-s, axis=1),
        by_partition,
        lambda s, k: top_k(s[:1], k).repeat(3, axis=0),
        lambda s, k: top_k(s, k).T,
        lambda s, k: top_k(s, k).squeeze(),
        lambda s, k: top_k(s, k + 1),
        lambda s, k: np.argsort(s, axis=1)[:, :-k:-1],
        lambda s, k: np.zeros((3, k)),
        lambda s, k: s[:k],
        lambda s, k: s @ s,
        4,
    ],
    "5.2": [
        lambda old, vectors, new, encode: encode(new),
        lambda old, vectors, new, encode: vectors,
        lambda old, vectors, new, encode: encode(list(dict.fromkeys(s for s in new if s not in old))),
        lambda old, vectors, new, encode: refresh(old, vectors, list(dict.fromkeys(new)), encode),
        lambda old, vectors, new, encode: np.concatenate([vectors, encode([s for s in new if s not in old])]),
        lambda old, vectors, new, encode: refresh(old, vectors, new, encode).T,
        kept_then_new,
        refresh_without_punctuation,
        refresh_with_repeats,
        refresh_one_by_one,
        lambda old, vectors, new, encode: vectors + encode(new),
        (51_000, 50_001_000),
    ],
    "5.3": [
        lambda s, g: mrr(s, np.arange(len(s))),
        lambda s, g: (1 / (ranks(s, g) + 1)).mean(),
        lambda s, g: (1 / (ranks(s, g) - 1)).mean(),
        lambda s, g: ranks(s, g).mean(),
        lambda s, g: 1 / ranks(s, g).mean(),
        lambda s, g: (ranks(s, g) == 1).mean(),
        lambda s, g: mrr(-s, g),
        lambda s, g: (1 / ranks_in_column(s, g)).mean(),
        lambda s, g: (1 / ranks(s, g)).sum(),
        lambda s, g: 100 * mrr(s, g),
        lambda s, g: 1 / ranks(s, g),
        lambda s, g: s,
        lambda s, g: (s >= s[np.arange(len(s)), g]).mean(),
        lambda s, g: 0.123,
        lambda s, g: np.median(1 / ranks(s, g)),
        lambda s, g: (s < s[np.arange(len(s)), g][:, None]).mean(),
        0.5,
    ],
    "5.4": [
        np.ones((3, 3)),
        hubbed().T,
        hubbed()[[0, 2, 1, 3]][:, [0, 2, 1, 3]],
        2 * hubbed(),
        np.ones((4, 4)),
        changed(hubbed(), {(2, 2): 0.2, (2, 0): 0.8}),
        hubbed(match=0.8),
        changed(hubbed(), {(0, 1): 0.95}),
        hubbed(match=0.2, rest=0.19),
        changed(hubbed(), {(0, 0): 0.15}),
        changed(hubbed(), {(0, 0): 0.15, (1, 1): 0.15}),
    ],
    "5.5": [
        lambda s, i: (diagnose(s, i)[1], diagnose(s, i)[0], diagnose(s, i)[2]),
        diagnosed(pulled=lambda s, i: (s.argmax(axis=1) == i).sum()),
        diagnosed(chosen=lambda s, i: i),
        diagnosed(chosen=lambda s, i: s[i].argmin()),
        diagnosed(chosen=lambda s, i: np.argsort(-s[i])[1]),
        diagnosed(rank=lambda s, i: (s[i] > s[i, i]).sum()),
        diagnosed(rank=lambda s, i: (s[i] <= s[i, i]).sum()),
        diagnosed(rank=lambda s, i: (s[:, i] >= s[i, i]).sum()),
        diagnosed(rank=lambda s, i: 40),
        diagnosed(pulled=lambda s, i: (s.argmax(axis=1) == s[i].argmax()).sum()),
        diagnosed(pulled=lambda s, i: (s.argmax(axis=1) != np.arange(8)).sum()),
        diagnosed(pulled=lambda s, i: diagnose(s, i)[2] - 1),
        diagnosed(pulled=lambda s, i: 40),
        lambda s, i: diagnose(s.T, i),
        lambda s, i: diagnose(s, i)[0],
        lambda s, i: (0.5, 1, 1),
        (1, 2, 3),
    ],
}

GIVEN = {"5.1": {}, "5.2": {}, "5.3": {}, "5.4": {}, "5.5": {}}
