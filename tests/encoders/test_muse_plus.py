"""muse-plus: 두 인코더를 약속한 대로 이어 붙였는가, 더 잘 찾는가."""

import numpy as np
import pytest
import torch

from labse_helpers import fine_tune, load_corpus, load_model, precision_at_1
from labse_helpers.corpora import DATA
from labse_helpers.encoders.e5 import e5_is_available
from labse_helpers.encoders.muse_plus import E5_WEIGHT, LEARNED
from labse_helpers.encoders.truncation import TruncationWarning

pytestmark = pytest.mark.skipif(
    not e5_is_available(), reason="e5의 가중치가 없습니다(labse-helpers fetch-e5)"
)


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


def test_saved_opened_again_and_trained(joint, pairs, tmp_path):
    assert str(joint.card).startswith("muse-plus (896차원, 최대 512토큰")
    joint.save(tmp_path / "mine")
    again = load_model(tmp_path / "mine")
    before = again.encode(pairs.ko[:5])
    assert again.card == joint.card
    np.testing.assert_array_equal(before, joint.encode(pairs.ko[:5]))
    fine_tune(again, pairs.ko[:4], pairs.en[:4], epochs=1, batch_size=4, show_progress_bar=False)
    assert not np.array_equal(again.encode(pairs.ko[:5]), before) and again.card.tuned_on


def test_texts_cut_by_e5_are_warned_of(joint):
    with pytest.warns(TruncationWarning, match=r"문장 1개가 최대 512토큰.*sentences\[1\]"):
        joint.encode(["짧은 글", "긴 글이 이어집니다. " * 200])


def test_rows_of_the_whole_output(joint):
    rows = joint.encode(["하나", "둘 셋", "하나"], output_value=None)
    assert [set(row) for row in rows] == [{"sentence_embedding"}] * 3
    assert tuple(rows[0]["sentence_embedding"].shape) == (896,)
