"""병렬 문장 마이닝의 속도와 성능을 같은 벡터, 같은 실행에서 비교합니다: ``python -m benchmarks.mining``

두 문장 집합은 100,000문장씩입니다. 강의 말뭉치와 화면 문구의 번역쌍(정답)에 짝이 없는 문장을 더했습니다. 영어 쪽은 설치된 패키지의
설명글에서 모은 서로 다른 문장이고, 한국어 쪽은 그만한 글이 기계에 없어 말뭉치의 두 문장을 이은 것입니다. 비교하는 상대는 사람들이 지금 쓰는 두 길을 faiss로 옮긴 것입니다.

- LASER의 길: ``IndexFlatIP``로 두 방향의 이웃을 빠짐없이 찾고, ratio와 max로 마이닝합니다(LASER 저장소의 tasks/bucc).
- sentence-transformers의 예제의 길: IVF 색인(클러스터 32,768개, 3곳만 찾아봄)에서 이웃을 찾습니다
  (examples의 bitext_mining). 십만 문장에는 클러스터가 너무 많아 faiss가 학습할 수 없으므로 √M의 네 배로 줄였습니다.

`pip install faiss-cpu`가 필요합니다.
"""

import resource
import sys

import faiss
import numpy as np
import torch
from torch import Tensor

from labse_helpers import load_corpus, load_model
from labse_helpers.search.mining import mine_vectors

from .harness import compare, save
from .mined import mined_vectors

N_EACH = 100_000
K = 4
PROBES = 3


def two_sides(n: int) -> tuple[Tensor, Tensor, int]:
    """두 문장 집합의 벡터 (n, dim)과 번역쌍의 수. 앞의 쌍들은 i번째끼리 번역이고, 나머지에는 짝이 없습니다."""
    model = load_model("muse")
    pairs = [pair for name in ("course", "jupyterlab") for pair in load_corpus(name)]
    pairs = list({pair.ko: pair for pair in {pair.en: pair for pair in pairs}.values()}.values())
    unpaired_ko = joined([pair.ko for pair in pairs], n - len(pairs))
    source = model.encode(
        [pair.ko for pair in pairs] + unpaired_ko, convert_to_tensor=True, show_progress_bar=True
    )
    target = model.encode([pair.en for pair in pairs], convert_to_tensor=True)
    unpaired_en = torch.as_tensor(mined_vectors(n))[: n - len(pairs)]
    return source.cpu().contiguous(), torch.cat([target.cpu(), unpaired_en]).contiguous(), len(pairs)


def joined(sentences: list[str], n: int) -> list[str]:
    """서로 다른 두 문장을 이은 것 n개. 어느 것도 영어 집합에 짝이 없습니다."""
    rng = np.random.default_rng(0)
    found: dict[str, None] = {}
    while len(found) < n:
        first, second = rng.integers(len(sentences), size=2)
        if first != second:
            found[f"{sentences[first]} {sentences[second]}"] = None
    return list(found)


def laser(source: Tensor, target: Tensor) -> list[tuple[float, int, int]]:
    return _mine_by_faiss(source, target, _flat)


def sentence_transformers_example(source: Tensor, target: Tensor) -> list[tuple[float, int, int]]:
    return _mine_by_faiss(source, target, _ivf)


def _mine_by_faiss(source: Tensor, target: Tensor, build) -> list[tuple[float, int, int]]:
    x, y = source.numpy(), target.numpy()
    x_cosine, x_near = build(y).search(x, K)
    y_cosine, y_near = build(x).search(y, K)
    x_mean, y_mean = x_cosine.mean(axis=1), y_cosine.mean(axis=1)

    def best(cosine, near, own, other):
        scores = np.where(near < 0, -np.inf, cosine / ((own[:, None] + other[near]) / 2))
        place = scores.argmax(axis=1)
        every = np.arange(len(near))
        return scores[every, place], near[every, place]

    forward, backward = best(x_cosine, x_near, x_mean, y_mean), best(y_cosine, y_near, y_mean, x_mean)
    scores = np.concatenate([forward[0], backward[0]])
    rows = np.concatenate([np.arange(len(x)), backward[1]])
    columns = np.concatenate([forward[1], np.arange(len(y))])
    seen_rows, seen_columns, chosen = set(), set(), []
    for i in np.argsort(-scores):
        row, column = int(rows[i]), int(columns[i])
        if row not in seen_rows and column not in seen_columns:
            seen_rows.add(row)
            seen_columns.add(column)
            chosen.append((float(scores[i]), row, column))
    return chosen


def _flat(vectors: np.ndarray):
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index


def _ivf(vectors: np.ndarray):
    quantizer = faiss.IndexFlatIP(vectors.shape[1])
    n_lists = int(4 * len(vectors) ** 0.5)
    index = faiss.IndexIVFFlat(quantizer, vectors.shape[1], n_lists, faiss.METRIC_INNER_PRODUCT)
    index.nprobe = PROBES
    index.train(vectors)
    index.add(vectors)
    return index


def best_f1(mined, n_gold: int) -> float:
    """점수가 높은 쌍부터 믿을 때 가장 높은 F1. 앞의 ``n_gold``개는 i번째끼리 짝입니다."""
    right = np.array([row == column < n_gold for _, row, column in mined])
    found = np.cumsum(right)
    return float((2 * found / (np.arange(1, len(found) + 1) + n_gold)).max())


def main() -> None:
    source, target, n_gold = two_sides(N_EACH)
    before = _peak_megabytes()
    peers = {
        "mine_bitext(approximate=True)": lambda: list(
            zip(*mine_vectors(source, target, K, approximate=True), strict=True)
        ),
        "mine_bitext": lambda: list(zip(*mine_vectors(source, target, K), strict=True)),
        "LASER의 길(faiss.IndexFlatIP)": lambda: laser(source, target),
        "sentence-transformers 예제의 길(IVF)": lambda: sentence_transformers_example(source, target),
    }
    f1 = {}

    def remembering(name):
        def run():
            f1[name] = best_f1(peers[name](), n_gold)

        return run

    rows = compare(
        f"{N_EACH:,} × {N_EACH:,}문장에서 병렬 문장 마이닝 (번역쌍 {n_gold:,}개)",
        {name: remembering(name) for name in peers},
        N_EACH,
        "문장",
    )
    for row in rows:
        row["best_f1"] = f1[row["peer"]]
        print(f"  F1 {row['best_f1']:.3f}   {row['peer']}")
    peak = _peak_megabytes()
    print(f"  최대 메모리 {peak:,.0f} MB (벡터를 읽은 뒤 {before:,.0f} MB)")
    save("mining", {"pairs": n_gold, "vectors": N_EACH, "mining": rows, "peak_memory_mb": peak})


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main()
