"""Encoder.encode: 라이브러리의 encode와 같은가, 어떤 목록이든 받는가, 잘린 문장을 알리는가, 언제나 float32인가."""

import inspect
import pickle
import queue
import threading
import unicodedata
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from tiny_labse import DIM, use_cache

from labse_helpers import InputError, load_model
from labse_helpers.encoders.encoder import Encoder
from labse_helpers.encoders.truncation import TruncationWarning

SOME = [
    "가을입니다.",
    "It is autumn.",
    "가을입니다.",
    unicodedata.normalize("NFD", "가을입니다."),
    "짧다",
    "긴 문장도 하나 있습니다.",
]
LONG = "끝까지 읽히지 않는 문장입니다 " * 100


@pytest.fixture(scope="module")
def labse(tiny_labse_cache):
    with pytest.MonkeyPatch.context() as patch:
        use_cache(patch, tiny_labse_cache)
        return load_model("labse", device="cpu")


@pytest.fixture(scope="module")
def library(labse):
    """같은 모듈로 만든 라이브러리의 인코더."""
    return SentenceTransformer(modules=list(labse), device="cpu")


def equal(ours, theirs) -> bool:
    if isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(equal(ours[key], theirs[key]) for key in theirs)
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(equal, ours, theirs))
    if isinstance(theirs, (np.ndarray, torch.Tensor)):
        if type(ours) is not type(theirs) or ours.dtype != theirs.dtype or ours.shape != theirs.shape:
            return False
        return np.allclose(np.asarray(ours), np.asarray(theirs), atol=1e-6)
    return ours == theirs


def test_signature_is_the_librarys():
    """라이브러리가 인자를 더하거나 바꾸면 여기서 알게 됩니다. 다른 것은 batch_size의 기본값 하나입니다."""
    ours, theirs = (inspect.signature(cls.encode).parameters for cls in (Encoder, SentenceTransformer))
    assert list(ours) == list(theirs)
    assert {name: p.kind for name, p in ours.items()} == {name: p.kind for name, p in theirs.items()}
    differ = {name for name in theirs if ours[name].default != theirs[name].default}
    assert differ == {"batch_size"}
    for name in ("save", "save_pretrained", "preprocess"):
        ours, theirs = (
            list(inspect.signature(getattr(cls, name)).parameters) for cls in (Encoder, SentenceTransformer)
        )
        assert ours == theirs, name


OPTIONS = [
    {}, {"convert_to_tensor": True}, {"convert_to_numpy": False}, {"normalize_embeddings": True}, {"truncate_dim": 5},
    {"truncate_dim": 5, "normalize_embeddings": True}, {"precision": "int8"}, {"precision": "uint8", "convert_to_tensor": True},
    {"precision": "binary"}, {"precision": "ubinary"}, {"precision": None}, {"output_value": "token_embeddings"},
    {"output_value": None}, {"prompt": "머리말: "}, {"batch_size": 1}, {"batch_size": np.int64(3)}, {"device": "cpu"},
    {"show_progress_bar": False}, {"chunk_size": 2}, {"task": "query"}, {"processing_kwargs": {"text": {"max_length": 4}}},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_option_does_what_the_librarys_does(labse, library, options):
    """같은 문장이 섞여 있어도 줄 하나하나가 라이브러리의 것과 같습니다."""
    cleaned = [unicodedata.normalize("NFC", sentence) for sentence in SOME]
    ours, theirs = labse.encode(SOME, **options), library.encode(cleaned, **options)
    if options.get("output_value", "") is None:  # 배치에 담긴 순서에 따라 패딩이 다릅니다
        ours, theirs = ([row["sentence_embedding"] for row in rows] for rows in (ours, theirs))
    assert equal(ours, theirs)


@pytest.mark.parametrize("options", [o for o in OPTIONS if "int8" not in str(o)], ids=str)
def test_one_sentence_is_like_the_librarys(labse, library, options):
    assert equal(labse.encode(SOME[0], **options), library.encode(SOME[0], **options))


def test_identical_sentences_only(labse, library):
    """서로 다른 문장이 하나뿐이어도 int8은 라이브러리와 같습니다(줄이 여럿이므로)."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert equal(
            labse.encode(["같다"] * 3, precision="int8"), library.encode(["같다"] * 3, precision="int8")
        )


@pytest.mark.parametrize("method", ["encode", "encode_query", "encode_document"])
def test_the_old_name_of_the_argument_works_as_in_the_library(labse, library, method):
    ours, theirs = (getattr(model, method)(sentences=SOME[:2]) for model in (labse, library))
    assert equal(ours, theirs)
    assert equal(labse.encode(inputs="하나"), library.encode(sentences="하나"))


@pytest.mark.parametrize(
    "make",
    [list, tuple, iter, np.array, lambda s: (x for x in s), lambda s: dict.fromkeys(s).keys().__iter__(),
     lambda s: pd.Series(s, index=[9, 3, 1]), lambda s: pd.Series(["x", *s])[1:], lambda s: pd.array(s, dtype="string"),
     lambda s: np.array(s, dtype=object), lambda s: Dataset.from_dict({"text": s})["text"]],
)  # fmt: skip
def test_any_iterable_of_strings(labse, make):
    sentences = ["하나", "둘", "셋"]
    np.testing.assert_array_equal(labse.encode(make(sentences)), labse.encode(sentences))


def test_string_subclasses_are_single_sentences(labse):
    assert labse.encode(np.str_("하나")).shape == (DIM,)


def test_equal_sentences_are_encoded_once_and_come_back_in_place(model, monkeypatch):
    seen = []
    preprocess = model[0].preprocess
    monkeypatch.setattr(
        model[0], "preprocess", lambda inputs, **kw: seen.extend(inputs) or preprocess(inputs, **kw)
    )
    embeddings = model.encode(SOME[:4])
    assert sorted(seen) == ["It is autumn.", "가을입니다."]
    assert np.array_equal(embeddings[0], embeddings[2])
    assert np.array_equal(embeddings[0], embeddings[3])
    assert embeddings[1] @ embeddings[0] < 0.99


def test_muse_through_the_library(model):
    as_tensor = model.encode(["하나", "둘"], convert_to_tensor=True, normalize_embeddings=True)
    assert (
        isinstance(as_tensor, torch.Tensor)
        and as_tensor.shape == (2, 512)
        and as_tensor.dtype == torch.float32
    )
    assert model.similarity(as_tensor, as_tensor).diagonal() == pytest.approx(np.ones(2), abs=1e-5)
    assert np.array_equal(model.encode("하나", prompt="둘 "), model.encode("둘 하나"))
    rows = model.encode(["하나", "둘 셋"], output_value=None)
    assert [set(row) for row in rows] == [{"sentence_embedding", "lengths"}] * 2
    assert [tuple(row["sentence_embedding"].shape) for row in rows] == [(512,)] * 2
    features = model.preprocess(["하나", "둘"])
    keys = set(features)
    model(features)
    assert set(features) == keys  # 받은 것을 고치지 않습니다


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size"), ({"batch_size": -1}, "batch_size"), ({"batch_size": 2.5}, "batch_size"),
        ({"truncate_dim": 0}, "truncate_dim"), ({"truncate_dim": "3"}, "truncate_dim"), ({"chunk_size": 0}, "chunk_size"),
        ({"precision": "int4"}, "precision.*ubinary"), ({"precision": torch.float32}, "precision"),
        ({"output_value": "tokens"}, "output_value.*token_embeddings"), ({"output_value": "token_embeddings"}, "mUSE v3"),
        ({"prompt_name": "없는이름"}, "prompt_name"), ({"normalise": True}, "normalise"), ({"batchsize": 3, "x": 1}, "batchsize, x"),
    ],
)  # fmt: skip
def test_bad_options_are_korean_errors_before_any_work(model, monkeypatch, options, message):
    monkeypatch.setattr(model[0], "preprocess", lambda *args, **kwargs: pytest.fail("먼저 거절해야 합니다"))
    with pytest.raises(InputError, match=message):
        model.encode(["하나", "둘"], **options)


@pytest.mark.parametrize("sentences", ["하나", ["하나"]])
def test_int8_of_one_sentence_is_an_error(model, sentences):
    with pytest.raises(InputError, match="문장 하나로는"):
        model.encode(sentences, precision="int8")


@pytest.mark.parametrize(
    "bad",
    [None, 5, [], "", [""], [None], {"가": 1}, b"x", [["가"]], [("가", "나")], pd.DataFrame({"a": ["가"]})],
)
def test_bad_sentences_are_errors(labse, bad):
    with pytest.raises(InputError):
        labse.encode(bad)


@pytest.mark.parametrize(
    ("stored", "product"),
    [
        (torch.float32, torch.bfloat16),
        (torch.bfloat16, None),
        (torch.bfloat16, torch.bfloat16),
        (torch.float16, None),
    ],
)
@pytest.mark.parametrize("options", [{}, {"convert_to_tensor": True}, {"convert_to_numpy": False}, {"output_value": None},
                                     {"output_value": "token_embeddings"}], ids=str)  # fmt: skip
def test_whatever_the_weights_the_result_is_float32(labse, options, stored, product):
    lighter = pickle.loads(pickle.dumps(labse)).to(stored)
    lighter.product_dtype = product
    found = lighter.encode(SOME, **options)
    rows = [row["sentence_embedding"] if isinstance(row, dict) else row for row in found]
    assert {str(row.dtype).removeprefix("torch.") for row in rows} == {"float32"}
    if options.get("output_value", "") != "token_embeddings":
        vectors = np.stack([np.asarray(row) for row in rows])
        np.testing.assert_allclose(
            np.linalg.norm(vectors, axis=1), 1, atol=1e-5
        )  # 16비트로 나눈 길이가 아닙니다
        assert (vectors * labse.encode(SOME)).sum(axis=1).min() > 0.99


def test_reduced_products_are_for_inference_only(labse):
    """학습할 때의 forward는 product_dtype과 상관없이 가중치의 자료형으로 계산합니다."""
    model = pickle.loads(pickle.dumps(labse)).train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    expected = model(model.preprocess(["문장"]))["sentence_embedding"]
    model.product_dtype = torch.bfloat16
    again = model(model.preprocess(["문장"]))["sentence_embedding"]
    assert torch.equal(expected, again)
    assert not torch.equal(expected, model.eval()(model.preprocess(["문장"]))["sentence_embedding"])


def caught(model, *args, **options) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as messages:
        warnings.simplefilter("always")
        model.encode(*args, **options)
    return [message for message in messages if message.category is TruncationWarning]


def test_cut_sentences_are_counted_in_one_warning(labse):
    (message,) = caught(labse, ["짧다", LONG, "짧다", LONG, LONG + "하나 더"], batch_size=1)
    assert "문장 3개가 최대 256토큰" in str(message.message)
    assert "sentences[1]('끝까지 읽히지" in str(message.message)
    assert message.filename == __file__  # 부른 곳을 가리킵니다


@pytest.mark.parametrize(("n", "is_cut"), [(253, False), (254, False), (255, True), (256, True), (400, True)])
def test_exactly_at_the_limit(labse, n, is_cut):
    """한 단어가 한 토큰입니다. [CLS]와 [SEP]을 더해 256개까지는 잘리지 않습니다."""
    assert bool(caught(labse, "가 " * n)) == is_cut
    assert bool(caught(labse, "가 " * (n - 3), prompt="나 나 나 ")) == is_cut


def test_cutting_follows_the_changed_limit(labse):
    model = pickle.loads(pickle.dumps(labse))
    model.max_seq_length = 5
    assert not caught(model, "가나다")
    assert "최대 5토큰" in str(caught(model, "가나다라")[0].message)


def test_no_warning_without_a_limit_or_outside_encode(model, labse):
    assert not caught(model, LONG * 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labse.preprocess([LONG])  # 학습이 부르는 길


def test_threads_do_not_share_their_cut_sentences(labse, monkeypatch):
    """두 스레드가 같은 인코더를 함께 쓸 때, 저마다 자기가 건넨 문장만 셉니다."""
    warned: dict[str, list[list[int]]] = {"long": [], "short": []}
    monkeypatch.setattr(
        Encoder,
        "_warn_of_cut",
        lambda self, cut, sentences, name: warned[threading.current_thread().name].append(
            sorted(map(sentences.index, cut))
        ),
    )
    start = threading.Barrier(2)

    def work(sentences: list[str]) -> None:
        start.wait()
        for _ in range(20):
            labse.encode(sentences)

    threads = [threading.Thread(target=work, args=(some,), name=name) for name, some in
               (("long", ["짧다", LONG, LONG + "둘"]), ("short", ["짧다"]))]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warned == {"long": [[1, 2]] * 20, "short": []}


def pool_of(model) -> dict:
    """라이브러리의 다중 프로세스 풀과 모습이 같은, 스레드 하나짜리 풀. 모델은 다른 프로세스로 갈 때처럼 pickle을 거칩니다."""

    class Worker(threading.Thread):
        def is_alive(self):
            return True

    pool = {"input": queue.Queue(), "output": queue.Queue()}
    copy = pickle.loads(pickle.dumps(model))
    worker = Worker(
        target=Encoder._multi_process_worker, args=("cpu", copy, pool["input"], pool["output"]), daemon=True
    )
    worker.start()
    return pool | {"processes": [worker]}


def test_many_processes_give_the_same(model, labse):
    for encoder in (model, labse):
        np.testing.assert_allclose(
            encoder.encode(SOME, pool=pool_of(encoder), chunk_size=2), encoder.encode(SOME), atol=1e-6
        )
    (message,) = caught(labse, ["짧다", LONG, LONG], pool=pool_of(labse))
    assert "문장 2개" in str(message.message) and "sentences[1]" in str(message.message)


def test_an_unnormalised_encoder_keeps_its_lengths(labse):
    """Normalize가 없는 인코더의 벡터는 길이를 바꾸지 않습니다. 길이를 맞추는 것은 부른 쪽의 일입니다."""
    longer = Encoder(modules=list(labse)[:3], device="cpu")
    vectors = longer.encode(SOME)
    assert np.ptp(np.linalg.norm(vectors, axis=1)) > 1e-3
    np.testing.assert_allclose(
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True), labse.encode(SOME), atol=1e-5
    )
