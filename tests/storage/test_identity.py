"""인코더의 신원: 다른 인코더를 알아보고, 같은 인코더를 다르다고 하지 않으며, 깨진 기록을 믿지 않는가."""

import copy
import json

import numpy as np
import pytest
import torch
from fake_encoder import FakeEncoder

from labse_helpers import InputError
from labse_helpers.errors import OutputError
from labse_helpers.storage.identity import check_identity, identity


def saved(model) -> dict:
    """적었다가 읽은 신원."""
    return json.loads(json.dumps(identity(model)))


def test_the_same_encoder_is_the_same_however_it_was_written(model):
    check_identity(saved(model), model, "벡터")
    check_identity(saved(model), copy.deepcopy(model), "벡터")
    check_identity(saved(FakeEncoder()), FakeEncoder(), "벡터")


@pytest.mark.parametrize("noise", [1e-6, 1e-4])
def test_rounding_of_another_machine_is_the_same_encoder(noise):
    record = saved(FakeEncoder())
    rng = np.random.default_rng(0)
    record["probes"] = (np.array(record["probes"]) * (1 + noise * rng.standard_normal((3, 8)))).tolist()
    check_identity(record, FakeEncoder(), "벡터")


@pytest.mark.parametrize("training", [True, False])
def test_a_fine_tuned_encoder_of_the_same_name_is_another(model, training):
    tuned = copy.deepcopy(model).train(training)
    with torch.no_grad():
        for p in tuned.parameters():
            p.mul_(1 + 0.2 * torch.randn(p.shape, generator=torch.Generator().manual_seed(0)))
    with pytest.raises(InputError, match="^색인: 저장된 벡터는 .*서로 다릅니다.*다시 인코딩"):
        check_identity(saved(model), tuned, "색인")


class Changed(FakeEncoder):
    """벡터를 ``change``로 바꾸는 인코더."""

    def __init__(self, change) -> None:
        super().__init__()
        self.change = change

    def encode(self, inputs, **kwargs):
        return self.change(super().encode(inputs, **kwargs))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: -x, "코사인 -1.0000"),
        (lambda x: x[:, ::-1], "서로 다릅니다"),
        (lambda x: x + 0.05, "서로 다릅니다"),
        (lambda x: 0 * x, "서로 다릅니다"),
        (lambda x: np.nan * x, "서로 다릅니다"),
        (lambda x: 1.02 * x, "길이가 다릅니다"),
        (lambda x: 0.1 * x, "길이가 다릅니다"),
    ],
)
def test_other_vectors_are_another_encoder(change, message):
    with pytest.raises(InputError, match=message):
        check_identity(saved(FakeEncoder()), Changed(change), "벡터")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("product_dtype", torch.bfloat16, "자료형이 float32인데 지금 인코더는 bfloat16"),
        ("max_seq_length", 64, "최대 길이가 None인데 지금 인코더는 64"),
        ("dim", 4, "차원이 8인데 지금 인코더는 4"),
    ],
)
def test_other_settings_are_another_encoder(name, value, message):
    other = FakeEncoder()
    setattr(other, name, value)
    with pytest.raises(InputError, match=message):
        check_identity(saved(FakeEncoder()), other, "벡터")


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        "신원",
        {},
        {"name": "mUSE", "dimension": 8, "precision": "float32", "probes": []},  # 예전 형식
        {**identity(FakeEncoder()), "probes": None},
        {**identity(FakeEncoder()), "probes": [["a"] * 8] * 3},
        {**identity(FakeEncoder()), "probes": [[0.1] * 8] * 2},
        {**identity(FakeEncoder()), "probes": [[0.1] * 8, [0.1], []]},
        {**identity(FakeEncoder()), "probes": {}},
    ],
)
def test_a_damaged_record_is_never_an_answer(record):
    with pytest.raises(OutputError, match="^벡터: .*깨졌거나 예전 형식.*다시 만들어"):
        check_identity(record, FakeEncoder(), "벡터")
