"""in_batch_negatives_loss: 정의, 라이브러리, 기울기와 같은가."""

import math

import numpy as np
import pytest
import torch
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from labse_helpers import InputError, in_batch_negatives_loss


def loss_by_definition(source: np.ndarray, target: np.ndarray, scale: float, margin: float) -> float:
    """두 방향의 식을 float64로 한 항씩 적은 것."""
    x = source / np.linalg.norm(source, axis=1, keepdims=True)
    y = target / np.linalg.norm(target, axis=1, keepdims=True)
    n = len(x)
    total = 0.0
    for a, b in ((x, y), (y, x)):
        for i in range(n):
            right = math.exp(scale * (a[i] @ b[i] - margin))
            wrong = sum(math.exp(scale * (a[i] @ b[j])) for j in range(n) if j != i)
            total -= math.log(right / (right + wrong)) / n
    return total


@pytest.fixture()
def pair():
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(8, 16, generator=generator, dtype=torch.float64)
    return source, source + torch.randn(8, 16, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("scale", [1.0, 20.0, 100.0])
@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_equal_to_a_plain_float64_statement(pair, scale, margin):
    source, target = pair
    expected = loss_by_definition(source.numpy(), target.numpy(), scale, margin)
    assert in_batch_negatives_loss(source, target, scale, margin).item() == pytest.approx(expected, rel=1e-9)
    single = in_batch_negatives_loss(source.float(), target.float(), scale, margin)
    assert single.item() == pytest.approx(expected, rel=1e-4)


def test_equal_to_the_librarys_loss_where_they_overlap(pair, model):
    source, target = (tensor.float() for tensor in pair)
    library = MultipleNegativesRankingLoss(
        model, scale=20.0, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
    )
    both = library.compute_loss_from_embeddings([source, target], labels=None)
    assert in_batch_negatives_loss(source, target, scale=20.0).item() == pytest.approx(
        2 * both.item(), rel=1e-5
    )


def test_symmetric_and_blind_to_length(pair):
    source, target = pair
    loss = in_batch_negatives_loss(source, target, margin=0.3)
    assert in_batch_negatives_loss(target, source, margin=0.3).item() == pytest.approx(loss.item())
    assert in_batch_negatives_loss(3 * source, 0.1 * target, margin=0.3).item() == pytest.approx(loss.item())


def test_margin_raises_the_loss_and_gradients_are_right(pair):
    source, target = (tensor[:4].clone().requires_grad_() for tensor in pair)
    assert in_batch_negatives_loss(source, target, margin=0.3) > in_batch_negatives_loss(source, target)
    assert torch.autograd.gradcheck(lambda s, t: in_batch_negatives_loss(s, t, 5.0, 0.3), (source, target))


def test_gradient_descent_turns_the_matrix_diagonal():
    torch.manual_seed(0)
    source, target = torch.randn(6, 8), torch.randn(6, 8, requires_grad=True)
    optimizer = torch.optim.Adam([target], lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        in_batch_negatives_loss(source, target, margin=0.3).backward()
        optimizer.step()
    cosine = torch.nn.functional.normalize(source, dim=1) @ torch.nn.functional.normalize(target, dim=1).T
    assert cosine.argmax(dim=1).tolist() == list(range(6))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": torch.ones(3, 4)}, r"\(2, 4\).*\(3, 4\)"),
        ({"source": torch.ones(4), "target": torch.ones(4)}, r"\(N, dim\)"),
        ({"source": torch.ones(1, 4), "target": torch.ones(1, 4)}, "쌍이 하나뿐"),
        ({"source": torch.ones(2, 4, dtype=torch.long)}, "실수형"),
        ({"source": torch.full((2, 4), torch.nan)}, "NaN"),
        ({"scale": 0.0}, "scale=0.0"),
        ({"scale": float("nan")}, "scale=nan"),
        ({"scale": "20"}, "scale='20'"),
        ({"scale": float("inf")}, "scale=inf"),
        ({"scale": True}, "scale=True"),
        ({"margin": -0.1}, "margin=-0.1"),
        ({"margin": None}, "margin=None"),
        ({"margin": float("inf")}, "margin=inf"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InputError, match=message):
        in_batch_negatives_loss(**{"source": torch.ones(2, 4), "target": torch.ones(2, 4), **arguments})
