"""두 더미의 이웃을 두 방향에서 함께 찾습니다. 코사인을 한 번만 구해 행과 열에서 같이 고르므로 따로 찾는 것보다 두 배쯤 빠릅니다."""

import torch
from torch import Tensor
from tqdm.auto import tqdm

from .search import GROUP, QUERY_BLOCK, exact_top_k

SHOWN_FROM = 20_000  # 이보다 많으면 몇 초가 걸리므로 진행 막대를 보입니다


def exact_top_k_both_ways(
    source: Tensor, target: Tensor, top_k: int
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """원문마다, 그리고 번역마다, 내적이 가장 큰 상대 ``top_k``개를 빠짐없이 찾습니다.

    Args:
        source: 벡터 (N, dim).
        target: 벡터 (M, dim).
        top_k: 1 이상, N과 M 이하.

    Returns:
        원문에서 본 (점수 (N, top_k), 번호 (N, top_k))와 번역에서 본 (점수 (M, top_k), 번호 (M, top_k)).
        점수가 높은 순서입니다.

    Raises:
        InputError: 모양이 안 맞거나, NaN·무한대가 있거나, ``top_k``가 범위 밖일 때.
    """
    columns = _ColumnBest(len(target), top_k)
    found = []
    with tqdm(total=len(source), desc="이웃 찾기", unit="문장", disable=len(source) < SHOWN_FROM) as bar:
        for start in range(0, len(source), QUERY_BLOCK):
            columns.first_query = start
            queries = source[start : start + QUERY_BLOCK]
            found.append(exact_top_k(queries, target, top_k, rescale=columns.look))
            bar.update(len(queries))
    scores, indices = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
    return (scores, indices), (columns.scores, columns.indices)


class _ColumnBest:
    """``exact_top_k``가 구한 점수를 어깨너머로 보며, 후보(열)마다 지금까지의 상위 ``top_k``개를 지닙니다."""

    def __init__(self, n: int, top_k: int) -> None:
        self.scores = torch.full((n, top_k), -torch.inf)
        self.indices = torch.zeros((n, top_k), dtype=torch.int64)
        self.first_query = 0

    def look(self, products: Tensor, rows: slice, columns: slice) -> Tensor:
        """점수 (후보, 질의) 한 조각에서 상위에 들 것을 골라 둡니다. 점수는 그대로 돌려줍니다."""
        block = products.cpu()
        best_scores, best_indices = self.scores[columns], self.indices[columns]  # 고치면 원래 것이 바뀝니다
        n_queries, top_k = block.shape[1], best_scores.shape[1]
        if self.first_query == 0 or n_queries % GROUP:
            here = torch.arange(len(block))
            scores, queries = block.topk(min(top_k, n_queries), dim=1)
        else:
            here, scores, queries = _better(block, best_scores[:, -1])
        both = torch.cat([best_scores[here], scores], dim=1)
        numbers = torch.cat([best_indices[here], queries + self.first_query], dim=1)
        best_scores[here], kept = both.topk(top_k, dim=1)
        best_indices[here] = numbers.gather(1, kept)
        return products


def _better(block: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """조각 (B, Q)의 행 가운데 문턱 (B,)을 넘는 점수가 있는 행의 번호 (R,)와, 그 점수와 열 (R, 최대 개수)을 모읍니다.

    열을 16개씩 묶은 최댓값만 문턱과 견주고 넘은 묶음만 들여다봅니다. 빈자리의 점수는 -∞입니다.
    """
    per_group = block.shape[1] // GROUP
    group_best = torch.from_numpy(block.numpy().reshape(len(block), GROUP, per_group).max(axis=1))
    row, group = (group_best > threshold[:, None]).nonzero(as_tuple=True)  # (P,)
    members = group[:, None] + per_group * torch.arange(GROUP)  # (P, 16)
    scores = block[row[:, None], members]
    pair, inside = (scores > threshold[row, None]).nonzero(as_tuple=True)
    here, place, counts = row[pair].unique_consecutive(return_inverse=True, return_counts=True)
    slot = torch.arange(len(pair)) - (counts.cumsum(0) - counts)[place]
    shape = (len(here), int(counts.max()) if len(counts) else 0)
    padded_scores = block.new_full(shape, -torch.inf)
    padded_columns = torch.zeros(shape, dtype=torch.int64)
    padded_scores[place, slot] = scores[pair, inside]
    padded_columns[place, slot] = members[pair, inside]
    return here, padded_scores, padded_columns
