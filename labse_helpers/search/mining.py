"""병렬 문장 마이닝(bitext mining): 두 문장 집합에서, 짝이 있는지조차 모르는 번역쌍을 찾습니다.

방법과 이름은 Artetxe & Schwenk (2019), ACL(P19-1309)의 것입니다. 후보는 문장마다 가까운 이웃 k개뿐이므로 N×M 행렬은 만들지
않습니다.
"""

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor
from tqdm.auto import tqdm

from ..checks import blocks, check_choice, check_sentences, check_top_k
from ..errors import InputError
from .approximate import ApproximateIndex, check_indexable
from .exact import SHOWN_FROM, best_first, exact_top_k_both_ways
from .margin import Scoring, check_scoring, margin
from .vectors import first_occurrences, unit_vectors

Direction = Literal["forward", "backward", "intersection", "max", "fwd", "bwd", "intersect"]
DIRECTIONS: tuple[Direction, ...] = ("forward", "backward", "intersection", "max", "fwd", "bwd", "intersect")
LASER_NAMES = {"fwd": "forward", "bwd": "backward", "intersect": "intersection"}
QUERY_CHUNK = 4_096  # 진행 막대가 한 번에 나아가는 질의의 수

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]  # 쌍 P개의 점수, 원문의 번호, 번역의 번호 (P,)


def mine_bitext(
    source: Iterable[str],
    target: Iterable[str],
    model: SentenceTransformer,
    k: int = 4,
    scoring: Scoring = "ratio",
    direction: Direction = "max",
    embeddings: tuple[Any, Any] | None = None,
    approximate: bool = False,
) -> pd.DataFrame:
    r"""두 문장 집합에서 번역인 듯한 쌍을 찾아 점수가 높은 순서로 돌려줍니다. 어디까지 믿을지는 점수의 임곗값으로 정합니다.

    쌍 (x, y)의 점수는 코사인을 둘의 이웃과 비교한 것입니다. 이웃은 상대 집합에서 가장 가까운 k개입니다.

    .. math:: a(x, y) = \sum_{z \in NN_k(x)} \frac{\cos(x, z)}{2k} + \sum_{z \in NN_k(y)} \frac{\cos(y, z)}{2k}

    ``"ratio"``는 :math:`\cos(x, y) / a`, ``"distance"``는 :math:`\cos(x, y) - a`, ``"cosine"``은 코사인 그대로입니다
    (:func:`labse_helpers.search.margin.margin`).

    Args:
        source: 원문 N개. 목록, 튜플, pandas Series, 제너레이터 무엇이든 됩니다. 다듬어서 같은 문장은 처음 것만 씁니다.
        target: 번역 M개. 위와 같습니다.
        model: ``load_model``이 돌려준 인코더.
        k: 이웃의 수. 1 이상, 두 집합의 서로 다른 문장 수 이하. 논문은 4를 씁니다.
        scoring: ``"ratio"``, ``"distance"``, ``"cosine"``(LASER의 이름 ``"absolute"``도 됩니다).
        direction: ``"forward"``는 원문마다 가장 좋은 번역, ``"backward"``는 번역마다 가장 좋은 원문,
            ``"intersection"``은 두 방향이 서로를 고른 쌍, ``"max"``는 두 방향을 합쳐 점수가 높은 쌍부터 고르되
            이미 고른 문장은 다시 쓰지 않은 것. LASER의 이름 ``"fwd"``, ``"bwd"``, ``"intersect"``도 됩니다.
        embeddings: 이미 구한 ``(model.encode(source), model.encode(target))``. 주면 다시 인코딩하지 않습니다. 길이는 아무래도
            됩니다(여기서 정규화합니다).
        approximate: True면 이웃을 근사 색인(faiss)에서 찾습니다. 두 집합이 모두 50,000문장이 넘을 때 쓰십시오.

    Returns:
        열이 ``source``, ``target``, ``score``, ``source_index``, ``target_index``인 표. 점수가 높은 순서이고, 같으면 번호가 앞선
        것부터입니다. 번호는 건네준 순서에서의 자리(0부터)입니다.

    Raises:
        InputError: 빈 집합이나 빈 문장, 범위 밖의 ``k``, 모르는 ``scoring``이나 ``direction``, 모양이 안 맞거나 NaN이 든 벡터.
    """
    check_scoring(scoring)
    check_direction(direction)
    sides = check_sentences(source, "source"), check_sentences(target, "target")
    kept = [first_occurrences(sentences) for sentences in sides]
    k = check_top_k(k, min(map(len, kept)), "k")
    if embeddings is None:
        if approximate:
            check_indexable(min(map(len, kept)), model.get_embedding_dimension())
        vectors = [_encode(model, sides[i], kept[i]) for i in (0, 1)]
    elif not isinstance(embeddings, (tuple, list)) or len(embeddings) != 2:
        raise InputError("embeddings에는 (source의 벡터, target의 벡터) 둘을 넣어 주십시오.")
    else:
        names = "embeddings의 source 쪽", "embeddings의 target 쪽"
        vectors = [unit_vectors(embeddings[i], names[i], len(sides[i]))[kept[i]] for i in (0, 1)]
    scores, rows, columns = mine_vectors(vectors[0], vectors[1], k, scoring, direction, approximate)
    source_index, target_index = np.asarray(kept[0])[rows], np.asarray(kept[1])[columns]
    return pd.DataFrame(
        {
            "source": [sides[0][i] for i in source_index],
            "target": [sides[1][j] for j in target_index],
            "score": scores,
            "source_index": source_index,
            "target_index": target_index,
        }
    )


def check_direction(direction: object) -> str:
    """방향의 이름을 검사해 ``"forward"``, ``"backward"``, ``"intersection"``, ``"max"`` 가운데 하나로 돌려줍니다.

    Raises:
        InputError: 모르는 이름일 때.
    """
    name = check_choice(direction, DIRECTIONS, "direction")
    return LASER_NAMES.get(name, name)


def mine_vectors(
    source: Any,
    target: Any,
    k: int = 4,
    scoring: Scoring = "ratio",
    direction: Direction = "max",
    approximate: bool = False,
) -> Pairs:
    """:func:`mine_bitext`에서 문장을 뺀 것. 벡터 (N, dim)과 (M, dim)에서 점수, 행, 열 (P,)을 점수의 순서로 돌려줍니다."""
    scoring_name, direction_name = check_scoring(scoring), check_direction(direction)
    x = unit_vectors(source, "source")
    y = unit_vectors(target, "target", dim=x.shape[1])
    k = check_top_k(k, min(len(x), len(y)), "k")
    if approximate:
        forward = _approximate_neighbours(x, y, k, "원문의 이웃")
        backward = _approximate_neighbours(y, x, k, "번역의 이웃")
    else:
        forward, backward = exact_top_k_both_ways(x, y, k)
    x_cosine, x_near = (values.numpy() for values in forward)  # (N, k): 원문마다 가까운 번역
    y_cosine, y_near = (values.numpy() for values in backward)  # (M, k): 번역마다 가까운 원문
    x_mean, y_mean = x_cosine.mean(axis=1), y_cosine.mean(axis=1)
    x_scores = margin(x_cosine, (x_mean[:, None] + y_mean[x_near]) / 2, scoring_name)  # (N, k)
    y_scores = margin(y_cosine, (y_mean[:, None] + x_mean[y_near]) / 2, scoring_name)  # (M, k)
    return _choose(_best(x_scores, x_near), _best(y_scores, y_near), direction_name)


def _encode(model: SentenceTransformer, sentences: list[str], kept: list[int]) -> Tensor:
    vectors = model.encode(
        [sentences[i] for i in kept], convert_to_tensor=True, show_progress_bar=len(kept) > SHOWN_FROM // 4
    )
    return unit_vectors(vectors, "embeddings", len(kept))


def _approximate_neighbours(queries: Tensor, corpus: Tensor, k: int, name: str) -> tuple[Tensor, Tensor]:
    """질의마다 가장 가까운 k개의 코사인 (Q, k)과 번호 (Q, k)."""
    index = ApproximateIndex(corpus)
    found = []
    with tqdm(total=len(queries), desc=name, unit="문장") as bar:
        for part in blocks(len(queries), QUERY_CHUNK):
            found.append(index.top_k(queries[part], k))
            bar.update(part.stop - part.start)
    cosine, indices = (torch.cat(parts) for parts in zip(*found, strict=True))
    return cosine, indices


def _best(scores: np.ndarray, neighbours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """문장마다 점수가 가장 높은 이웃의 점수 (N,)과 번호 (N,)."""
    first = best_first(scores, neighbours)[:, 0]
    every = np.arange(len(scores))
    return scores[every, first], neighbours[every, first]


def _choose(
    forward: tuple[np.ndarray, np.ndarray], backward: tuple[np.ndarray, np.ndarray], direction: str
) -> Pairs:
    """원문마다 고른 번역과 번역마다 고른 원문에서, 방향의 규칙대로 쌍을 골라 점수의 순서로 늘어놓습니다."""
    (forward_scores, to_target), (backward_scores, to_source) = forward, backward
    each_source, each_target = np.arange(len(to_target)), np.arange(len(to_source))
    if direction == "backward":
        return _in_order(backward_scores, to_source, each_target)
    if direction == "forward":
        return _in_order(forward_scores, each_source, to_target)
    if direction == "intersection":
        mutual = to_source[to_target] == each_source
        return _in_order(forward_scores[mutual], each_source[mutual], to_target[mutual])
    scores, rows, columns = _in_order(
        np.concatenate([forward_scores, backward_scores]),
        np.concatenate([each_source, to_source]),
        np.concatenate([to_target, each_target]),
    )
    chosen = _without_reuse(rows, columns)
    return scores[chosen], rows[chosen], columns[chosen]


def _in_order(scores: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> Pairs:
    """점수가 높은 순서, 같으면 원문과 번역의 번호가 앞선 순서로."""
    order = np.lexsort((columns, rows, -scores))
    return scores[order], rows[order], columns[order]


def _without_reuse(rows: np.ndarray, columns: np.ndarray) -> list[int]:
    """앞에서부터, 두 문장이 모두 아직 쓰이지 않은 쌍의 자리."""
    used_rows, used_columns, chosen = set(), set(), []
    for place, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        if row not in used_rows and column not in used_columns:
            used_rows.add(row)
            used_columns.add(column)
            chosen.append(place)
    return chosen
