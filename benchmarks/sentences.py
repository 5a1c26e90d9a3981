"""벤치마크가 함께 쓰는 문장: 강의 말뭉치와 화면 문구로 만든, 길이와 반복이 실제와 비슷한 한국어·영어 줄."""

import numpy as np

from labse_helpers import load_corpus

MIN_WORDS, MAX_WORDS = 3, 60


def mixed_lines(n: int, repeated: float = 0.1, seed: int = 0) -> list[str]:
    """3–60단어의 한국어·영어 줄 n개를 고르게 섞어 돌려줍니다.

    짧은 줄은 말뭉치의 문장 그대로, 긴 줄은 같은 언어의 이어진 문장들입니다. 단어 수는 로그 정규 분포(중앙값 9)를
    따릅니다. ``repeated``는 앞에 나온 줄이 그대로 반복되는 비율입니다.
    """
    rng = np.random.default_rng(seed)
    pools = []
    for name in ("course", "jupyterlab", "multilingual"):
        corpus = load_corpus(name)
        pools += [corpus.ko, corpus.en]
    weights = np.array([len(pool) for pool in pools]) / sum(len(pool) for pool in pools)
    lines: list[str] = []
    seen: set[str] = set()
    while len(lines) < n:
        pool = pools[rng.choice(len(pools), p=weights)]
        wanted = int(np.clip(rng.lognormal(np.log(9), 0.7), MIN_WORDS, MAX_WORDS))
        words: list[str] = []
        start = int(rng.integers(len(pool)))
        for sentence in pool[start:] + pool[:start]:
            words += sentence.split()
            if len(words) >= wanted:
                break
        line = " ".join(words[:MAX_WORDS])
        if line not in seen:
            seen.add(line)
            lines.append(line)
            if rng.random() < repeated / (1 - repeated):
                lines.append(lines[rng.integers(len(lines))])
    return lines[:n]
