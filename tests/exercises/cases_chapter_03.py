"""03장 연습의 옳은 답과 흔한 오답."""

import unicodedata

import numpy as np
import torch

# 3.2 행의 길이를 1로


def unit_rows(x):
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(lengths == 0, 1, lengths)


def unit_rows_by_loops(x):
    return [row / np.sqrt((row**2).sum()) if row.any() else row for row in x]


def unit_rows_by_torch(x):
    return torch.nn.functional.normalize(torch.from_numpy(x), dim=1)


def unit_rows_without_nan(x):
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(x / np.linalg.norm(x, axis=1, keepdims=True))


def unit_or_dropped(x):
    lengths = np.linalg.norm(x, axis=1)
    return x[lengths > 0] / lengths[lengths > 0, None]


def unit_or_evenly_spread(x):
    filled = np.where(x.any(axis=1, keepdims=True), x, 1)
    return filled / np.linalg.norm(filled, axis=1, keepdims=True)


def all_zero_if_any(x):
    return unit_rows(x) * x.any(axis=1).all()


# 3.3 문장 쌍을 지키며 다듬기


def nfc(line):
    return unicodedata.normalize("NFC", line).strip()


def clean_pairs(ko, en):
    pairs = [(nfc(k), nfc(e)) for k, e in zip(ko, en, strict=True)]
    return list(dict.fromkeys(pair for pair in pairs if all(pair)))


def clean_pairs_by_loop(ko, en):
    kept = []
    for i in range(len(ko)):
        pair = [nfc(ko[i]), nfc(en[i])]
        if len(pair[0]) > 0 and len(pair[1]) > 0 and pair not in kept:
            kept.append(pair)
    return kept


def clean_pairs_stripped_first(ko, en):
    pairs = {}
    for k, e in zip(ko, en, strict=True):
        k, e = (unicodedata.normalize("NFC", line.strip()) for line in (k, e))
        if k != "" and e != "":
            pairs.setdefault((k, e))
    return tuple(pairs)


def clean_with(tidy, tidy_en=None, keep=all, once=dict.fromkeys):
    """``clean_pairs``의 한 군데를 바꾼 것."""

    def function(ko, en):
        pairs = [(tidy(k), (tidy_en or tidy)(e)) for k, e in zip(ko, en, strict=True)]
        return list(once(pair for pair in pairs if keep(pair)))

    return function


def form(name):
    return lambda line: unicodedata.normalize(name, line).strip()


def filtered_before_tidying(ko, en):
    pairs = [pair for pair in zip(ko, en, strict=True) if all(pair)]
    return list(dict.fromkeys((nfc(k), nfc(e)) for k, e in pairs))


def filtered_apart(ko, en):
    ko, en = ([nfc(line) for line in side if line.strip()] for side in (ko, en))
    return list(dict.fromkeys(zip(ko, en, strict=False)))


def once_before_tidying(ko, en):
    pairs = dict.fromkeys(zip(ko, en, strict=True))
    return [(nfc(k), nfc(e)) for k, e in pairs if k.strip() and e.strip()]


def once_by_korean(pairs):
    return {ko: (ko, en) for ko, en in reversed(list(pairs))}.values()


def once_by_english(pairs):
    return {en: (ko, en) for ko, en in reversed(list(pairs))}.values()


def only_unrepeated(pairs):
    pairs = list(pairs)
    return [pair for pair in pairs if pairs.count(pair) == 1]


# 3.4 한 번만 인코딩하기


def encode_once(sentences, encode):
    distinct = list(dict.fromkeys(sentences))
    number = {sentence: i for i, sentence in enumerate(distinct)}
    return encode(distinct)[[number[sentence] for sentence in sentences]]


def encode_once_by_numpy(sentences, encode):
    distinct, inverse = np.unique(sentences, return_inverse=True)
    return encode(list(distinct))[inverse]


def encode_once_by_dictionary(sentences, encode):
    distinct = set(sentences)
    vectors = dict(zip(distinct, encode(list(distinct)), strict=True))
    return [vectors[sentence] for sentence in sentences]


def encode_each_once(sentences, encode):
    vectors = {}
    for sentence in sentences:
        if sentence not in vectors:
            vectors[sentence] = encode(sentence)
    return np.stack([vectors[sentence] for sentence in sentences])


def neighbours_once(sentences, encode):
    """나란히 반복되는 문장만 지웁니다."""
    kept = [s for i, s in enumerate(sentences) if i == 0 or s != sentences[i - 1]]
    vectors = encode(kept)
    return vectors[[kept.index(sentence) for sentence in sentences]]


def encoded_for_the_shape_first(sentences, encode):
    dim = encode(list(dict.fromkeys(sentences))).shape[1]
    vectors = encode_once(sentences, encode)
    return vectors.reshape(len(sentences), dim)


def numbered_in_all(sentences, encode):
    return encode(list(dict.fromkeys(sentences)))[[sentences.index(sentence) for sentence in sentences]]


def numbered_by_turns(sentences, encode):
    vectors = encode(list(dict.fromkeys(sentences)))
    return vectors[[i % len(vectors) for i in range(len(sentences))]]


def numbers_mixed_up(sentences, encode):
    distinct = list(dict.fromkeys(sentences))
    return encode(distinct)[[sorted(distinct).index(sentence) for sentence in sentences]]


def gathered_by_sentence(sentences, encode):
    distinct, counts = np.unique(sentences, return_counts=True)
    return np.repeat(encode(list(distinct)), counts, axis=0)


# 3.5 토큰 수로 배치 나누기


def batches_within(lengths, max_tokens):
    batches = [[]]
    for i in np.argsort(lengths):
        if (len(batches[-1]) + 1) * lengths[i] > max_tokens:
            batches.append([])
        batches[-1].append(int(i))
    return batches


def batches_from_the_longest(lengths, max_tokens):
    batches, rest = [], sorted(range(len(lengths)), key=lambda i: -lengths[i])
    while rest:
        size = max_tokens // int(lengths[rest[0]])
        batches.append(np.array(rest[:size]))
        rest = rest[size:]
    return batches


def batches_when(full, order=np.argsort, item=lambda i, lengths: int(i)):
    """``batches_within``의 한 군데를 바꾼 것. ``full(배치, 새 길이, max_tokens)``이면 새 배치를 시작합니다."""

    def function(lengths, max_tokens):
        batches = [[]]
        for i in order(lengths):
            if batches[-1] and full(lengths[batches[-1]], lengths[i], max_tokens):
                batches.append([])
            batches[-1].append(int(i))
        return [[item(i, lengths) for i in batch] for batch in batches]

    return function


def overflows(batch, new, max_tokens):
    return (len(batch) + 1) * max(*batch, new) > max_tokens


def as_given(lengths):
    return range(len(lengths))


def last_batch_forgotten(lengths, max_tokens):
    return batches_within(lengths, max_tokens)[:-1]


def places_after_sorting(lengths, max_tokens):
    batches, start = [], 0
    for batch in batches_within(lengths, max_tokens):
        batches.append(list(range(start, start + len(batch))))
        start += len(batch)
    return batches


def in_pairs(lengths, max_tokens):
    """길이순으로 둘씩. 둘이 안 되면 하나씩 넣습니다."""
    order = [int(i) for i in np.argsort(lengths)]
    pairs = [order[i : i + 2] for i in range(0, len(order), 2)]
    return [
        part
        for pair in pairs
        for part in ([pair] if len(pair) * lengths[pair].max() <= max_tokens else [[i] for i in pair])
    ]


def from_the_longest(lengths):
    return np.argsort(-lengths)


RIGHT = {
    "3.1": [(6, 1), [6.0000004, 0.9999999], torch.tensor([6.0, 1.0])],
    "3.2": [unit_rows, unit_rows_by_loops, unit_rows_by_torch, unit_rows_without_nan],
    "3.3": [clean_pairs, clean_pairs_by_loop, clean_pairs_stripped_first],
    "3.4": [encode_once, encode_once_by_numpy, encode_once_by_dictionary],
    "3.5": [batches_within, batches_from_the_longest],
}

WRONG = {
    "3.1": [
        (1, 6),
        (1, 1),
        (5, 1),
        (2, 1),
        (3, 1),
        (36, 1),
        (0.6, 1),
        (6, 6),
        (6, 1 / 6),
        (6, 0.5),
        6,
        ("6배", "1배"),
        (600, 100),
        (6, 0),
    ],
    "3.2": [
        lambda x: x,
        lambda x: x / np.linalg.norm(x, axis=0),
        lambda x: x / np.linalg.norm(x),
        lambda x: x / (x**2).sum(axis=1, keepdims=True),
        lambda x: x / np.abs(x).sum(axis=1, keepdims=True),
        lambda x: x / x.max(axis=1, keepdims=True),
        lambda x: x / np.sqrt((x**2).mean(axis=1, keepdims=True)),
        lambda x: (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True),
        lambda x: x * np.linalg.norm(x, axis=1, keepdims=True),
        lambda x: x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1),
        lambda x: x / np.linalg.norm(x, axis=1),
        lambda x: np.linalg.norm(x, axis=1),
        lambda x: unit_rows(x).T,
        lambda x: unit_rows(x)[0],
        lambda x: unit_rows(x) ** 2,
        lambda x: x / np.linalg.norm(x, axis=1, keepdims=True),
        lambda x: x / (np.linalg.norm(x, axis=1, keepdims=True) + 1),
        lambda x: -unit_rows(x),
        lambda x: unit_rows(x)[::-1],
        unit_or_dropped,
        unit_or_evenly_spread,
        all_zero_if_any,
        np.ones((2, 3)),
    ],
    "3.3": [
        lambda ko, en: zip(ko, en, strict=True),
        lambda ko, en: (ko, en),
        lambda ko, en: [f"{k}\t{e}" for k, e in clean_pairs(ko, en)],
        lambda ko, en: [],
        lambda ko, en: [(e, k) for k, e in clean_pairs(ko, en)],
        lambda ko, en: [(k.rstrip(".?!"), e) for k, e in clean_pairs(ko, en)],
        filtered_apart,
        clean_with(nfc, keep=lambda pair: True),
        clean_with(nfc, keep=any),
        clean_with(nfc, keep=lambda pair: pair[0]),
        lambda ko, en: dict(clean_pairs(ko, en)),
        clean_with(nfc, once=once_by_english),
        filtered_before_tidying,
        clean_with(lambda line: unicodedata.normalize("NFC", line), keep=lambda p: all(s.strip() for s in p)),
        clean_with(form("NFD")),
        clean_with(str.strip),
        clean_with(nfc, tidy_en=str.strip),
        clean_with(form("NFKC")),
        clean_with(lambda line: " ".join(nfc(line).split())),
        clean_with(lambda line: nfc(line).lower()),
        clean_with(nfc, once=list),
        once_before_tidying,
        clean_with(nfc, once=once_by_korean),
        clean_with(nfc, once=only_unrepeated),
        lambda ko, en: clean_pairs(ko, en)[1:],
        lambda ko, en: clean_pairs(ko[::-1], en[::-1])[::-1],
        lambda ko, en: sorted(clean_pairs(ko, en)),
    ],
    "3.4": [
        lambda sentences, encode: np.zeros((len(sentences), 3)),
        lambda sentences, encode: encode(sentences),
        lambda sentences, encode: np.stack([encode(sentence) for sentence in sentences]),
        encode_each_once,
        lambda sentences, encode: encode(list(dict.fromkeys(sentences))),
        lambda sentences, encode: encode_once(sentences, encode).T,
        lambda sentences, encode: encode_once(sentences, encode)[0],
        neighbours_once,
        encoded_for_the_shape_first,
        lambda sentences, encode: encode_once(sentences, encode)[::-1],
        numbered_in_all,
        numbered_by_turns,
        gathered_by_sentence,
        numbers_mixed_up,
        lambda sentences, encode: encode(" ".join(sentences)),
    ],
    "3.5": [
        batches_when(overflows, item=lambda i, lengths: int(lengths[i])),
        batches_when(overflows, item=lambda i, lengths: int(i) + 1),
        batches_when(overflows, item=lambda i, lengths: int(i) - 1),
        batches_when(overflows, item=lambda i, lengths: i / 2),
        lambda lengths, max_tokens: [int(i) for batch in batches_within(lengths, max_tokens) for i in batch],
        lambda lengths, max_tokens: [[], *batches_within(lengths, max_tokens)],
        lambda lengths, max_tokens: [*batches_within(lengths, max_tokens), [0]],
        last_batch_forgotten,
        lambda lengths, max_tokens: [list(range(len(lengths)))],
        places_after_sorting,
        batches_when(lambda batch, new, max_tokens: sum(batch) + new > max_tokens),
        batches_when(lambda batch, new, max_tokens: len(batch) * max(batch) > max_tokens - 1),
        lambda lengths, max_tokens: np.array_split(np.argsort(lengths), 2),
        lambda lengths, max_tokens: [[i] for i in range(len(lengths))],
        batches_when(overflows, order=as_given),
        in_pairs,
        batches_when(
            lambda batch, new, max_tokens: (len(batch) + 1) * new > max_tokens, order=from_the_longest
        ),
        lambda lengths, max_tokens: {0: list(range(len(lengths)))},
        batches_when(lambda batch, new, max_tokens: overflows(batch, new, max_tokens - 1)),
        lambda lengths, max_tokens: 3,
        lambda lengths, max_tokens: [],
    ],
}

GIVEN = {"3.1": {}, "3.2": {}, "3.3": {}, "3.4": {}, "3.5": {}}
