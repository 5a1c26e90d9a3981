"""번역 캐기(bitext mining): 두 문장 더미에서, 짝이 있는지조차 모르는 번역쌍을 찾습니다.

방법과 이름은 Artetxe & Schwenk (2019), ACL(P19-1309)의 것입니다. 후보는 문장마다 가까운 이웃 k개뿐이므로 N×M 행렬은 만들지
않습니다.
"""

import numpy as np
import pandas as pd
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor
from tqdm.auto import tqdm

from ..checks import check_sentences, check_top_k
from ..errors import InputError
from .approximate import ApproximateIndex
from .exact import SHOWN_FROM, exact_top_k_both_ways

SCORINGS = ("ratio", "distance", "absolute")
DIRECTIONS = ("forward", "backward", "intersection", "max")
QUERY_CHUNK = 4_096  # 진행 막대가 한 번에 나아가는 질의의 수
SMALLEST_MEAN = 1e-6  # 이웃의 평균이 0이거나 음수여도 비율의 부호가 뒤집히지 않게 합니다


def mine_bitext(
    source: list[str],
    target: list[str],
    model: SentenceTransformer,
    k: int = 4,
    scoring: str = "ratio",
    direction: str = "max",
    embeddings: tuple[np.ndarray | Tensor, np.ndarray | Tensor] | None = None,
    approximate: bool = False,
) -> pd.DataFrame:
    r"""두 더미에서 번역인 듯한 쌍을 찾아 점수가 높은 순서로 돌려줍니다. 어디까지 믿을지는 점수의 기준값으로 정합니다.

    쌍 (x, y)의 점수는 코사인을 둘의 이웃과 견준 것입니다. 이웃은 상대 더미에서 가장 가까운 k개입니다.

    .. math:: a(x, y) = \sum_{z \in NN_k(x)} \frac{\cos(x, z)}{2k} + \sum_{z \in NN_k(y)} \frac{\cos(y, z)}{2k}

    ``"ratio"``는 :math:`\cos(x, y) / a`, ``"distance"``는 :math:`\cos(x, y) - a`, ``"absolute"``는 코사인 그대로입니다.

    Args:
        source: 원문 더미, 문장 N개. 같은 문장은 처음 것만 씁니다.
        target: 번역 더미, 문장 M개. 같은 문장은 처음 것만 씁니다.
        model: ``load_model``이 돌려준 인코더.
        k: 이웃의 수. 1 이상, 두 더미의 서로 다른 문장 수 이하. 논문은 4를 씁니다.
        scoring: ``"ratio"``, ``"distance"``, ``"absolute"``.
        direction: ``"forward"``는 원문마다 가장 좋은 번역, ``"backward"``는 번역마다 가장 좋은 원문,
            ``"intersection"``은 두 방향이 서로를 고른 쌍, ``"max"``는 두 방향을 합쳐 점수가 높은 쌍부터 고르되
            이미 고른 문장은 다시 쓰지 않은 것.
        embeddings: 이미 구한 ``(model.encode(source), model.encode(target))``. 주면 다시 인코딩하지 않습니다.
        approximate: True면 이웃을 근사 색인(faiss)에서 찾습니다. 두 더미가 모두 50,000문장이 넘을 때 쓰십시오.

    Returns:
        열이 ``source``, ``target``, ``score``, ``source_index``, ``target_index``인 표. 점수가 높은 순서입니다.
        번호는 건네준 목록에서의 자리(0부터)입니다.

    Raises:
        InputError: 빈 더미나 빈 문장, 범위 밖의 ``k``, 모르는 ``scoring``이나 ``direction``, 모양이 안 맞거나 NaN이 든 벡터.
    """
    piles = check_sentences(source, "source"), check_sentences(target, "target")
    kept = [_first_occurrences(pile) for pile in piles]
    if embeddings is None:
        vectors = [
            model.encode(
                [pile[i] for i in first],
                convert_to_tensor=True,
                show_progress_bar=len(first) > SHOWN_FROM // 4,
            )
            for pile, first in zip(piles, kept, strict=True)
        ]
    else:
        vectors = [
            _check_vectors(array, len(pile), name)[first]
            for array, pile, first, name in zip(embeddings, piles, kept, ("source", "target"), strict=True)
        ]
    scores, rows, columns = mine_vectors(*vectors, k, scoring, direction, approximate)
    source_index, target_index = np.asarray(kept[0])[rows], np.asarray(kept[1])[columns]
    return pd.DataFrame(
        {
            "source": [piles[0][i] for i in source_index],
            "target": [piles[1][j] for j in target_index],
            "score": scores,
            "source_index": source_index,
            "target_index": target_index,
        }
    )


def mine_vectors(
    source: Tensor,
    target: Tensor,
    k: int = 4,
    scoring: str = "ratio",
    direction: str = "max",
    approximate: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """:func:`mine_bitext`의 속. 길이 1인 벡터 (N, dim)과 (M, dim)에서 점수, 행, 열 (P,)을 점수의 차례로 돌려줍니다."""
    for value, known, name in ((scoring, SCORINGS, "scoring"), (direction, DIRECTIONS, "direction")):
        if value not in known:
            raise InputError(f"{name}은 {', '.join(known)} 가운데 하나여야 하는데 {value!r}이(가) 왔습니다.")
    check_top_k(k, min(len(source), len(target)), "k")
    if approximate:
        forward_cosine, forward = _approximate_neighbours(source, target, k, "원문의 이웃")
        backward_cosine, backward = _approximate_neighbours(target, source, k, "번역의 이웃")
    else:
        (forward_cosine, forward), (backward_cosine, backward) = exact_top_k_both_ways(source, target, k)
    source_mean, target_mean = forward_cosine.mean(dim=1), backward_cosine.mean(dim=1)

    def best(cosine: Tensor, neighbours: Tensor, own_mean: Tensor, other_mean: Tensor):
        scores = _margin(cosine, (own_mean[:, None] + other_mean[neighbours]) / 2, scoring)
        top, place = scores.max(dim=1)
        return top.numpy(), neighbours.gather(1, place[:, None])[:, 0].numpy()

    forward_scores, to_target = best(forward_cosine, forward, source_mean, target_mean)
    backward_scores, to_source = best(backward_cosine, backward, target_mean, source_mean)
    each_source, each_target = np.arange(len(source)), np.arange(len(target))
    if direction == "forward":
        pairs = forward_scores, each_source, to_target
    elif direction == "backward":
        pairs = backward_scores, to_source, each_target
    elif direction == "intersection":
        mutual = to_source[to_target] == each_source
        pairs = forward_scores[mutual], each_source[mutual], to_target[mutual]
    else:
        pairs = (
            np.concatenate([forward_scores, backward_scores]),
            np.concatenate([each_source, to_source]),
            np.concatenate([to_target, each_target]),
        )
    order = np.lexsort((pairs[2], pairs[1], -pairs[0]))  # 점수가 같으면 앞의 문장부터
    scores, rows, columns = (values[order] for values in pairs)
    if direction == "max":
        chosen = _without_reuse(rows, columns)
        scores, rows, columns = scores[chosen], rows[chosen], columns[chosen]
    return scores, rows, columns


def _approximate_neighbours(queries: Tensor, corpus: Tensor, k: int, name: str) -> tuple[Tensor, Tensor]:
    """질의마다 가장 가까운 k개의 코사인 (Q, k)과 번호 (Q, k)."""
    index = ApproximateIndex(corpus.cpu())
    found = []
    with tqdm(total=len(queries), desc=name, unit="문장") as bar:
        for start in range(0, len(queries), QUERY_CHUNK):
            found.append(index.top_k(queries[start : start + QUERY_CHUNK], k))
            bar.update(len(found[-1][0]))
    cosine, indices = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
    return cosine, indices


def _margin(cosine: Tensor, mean: Tensor, scoring: str) -> Tensor:
    if scoring == "ratio":
        return cosine / mean.clamp_min(SMALLEST_MEAN)
    return cosine - mean if scoring == "distance" else cosine


def _without_reuse(rows: np.ndarray, columns: np.ndarray) -> list[int]:
    """앞에서부터, 두 문장이 모두 아직 쓰이지 않은 쌍의 자리."""
    used_rows, used_columns, chosen = set(), set(), []
    for place, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        if row not in used_rows and column not in used_columns:
            used_rows.add(row)
            used_columns.add(column)
            chosen.append(place)
    return chosen


def _first_occurrences(sentences: list[str]) -> list[int]:
    """서로 다른 문장이 처음 나오는 자리."""
    first: dict[str, int] = {}
    for i, sentence in enumerate(sentences):
        first.setdefault(sentence.strip(), i)
    return list(first.values())


def _check_vectors(array: np.ndarray | Tensor, n: int, name: str) -> Tensor:
    if not isinstance(array, (np.ndarray, Tensor)) or array.ndim != 2 or len(array) != n:
        shape = tuple(array.shape) if hasattr(array, "shape") else type(array).__name__
        raise InputError(f"embeddings의 {name} 쪽이 {shape}인데 ({n}, 차원) 모양의 배열이어야 합니다.")
    return torch.as_tensor(array).detach().float()
