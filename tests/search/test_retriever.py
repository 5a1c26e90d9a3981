"""검색기: 정확히 답하는가, 어떤 그릇의 문장이든 같은가, 저장하다 멈추거나 깨져도 틀린 답을 내지 않는가."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from fake_encoder import FakeEncoder

from labse_helpers import InputError, Retriever, load_model, margin_scores, return_most_similar
from labse_helpers.errors import OutputError
from labse_helpers.search import approximate
from labse_helpers.search import retriever as retriever_module

CORPUS = [f"{i}번 문장입니다." for i in range(30)]
KO = ["눈이 펑펑 내린다.", "커피가 식었어요.", "열쇠를 잃어버렸습니다."]
EN = ["I lost my keys.", "It is snowing hard.", "The coffee has gone cold."]


class TensorEncoder(FakeEncoder):
    """``device``와 ``convert_to_tensor``까지 아는 빠른 인코더. ``long``이면 벡터의 길이가 저마다 다릅니다(Normalize가 없는 인코더)."""

    device = "cpu"

    def __init__(self, *args, long: bool = False, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.long = long

    def encode(self, inputs, convert_to_tensor=False, **kwargs):
        embeddings = super().encode(inputs)
        if self.long:
            embeddings = embeddings * (1 + 9 * np.abs(embeddings[..., :1]))
        return torch.from_numpy(embeddings) if convert_to_tensor else embeddings


@pytest.fixture()
def encoder():
    return TensorEncoder()


@pytest.fixture()
def retriever(encoder):
    return Retriever(CORPUS, encoder)


@pytest.fixture(scope="module")
def real(model, course):
    return Retriever(course.ko[:300], model)


def test_search_answers_one_query_and_many(real, course):
    hits = real.search(course.en[5], top_k=3)
    assert len(hits) == 3
    assert hits[0].sentence == course.ko[:300][hits[0].index]
    assert hits[0].score >= hits[1].score >= hits[2].score
    many = real.search(course.en[:50], top_k=3)
    assert [hit.index for hit in many[5]] == [hit.index for hit in hits]
    assert np.mean([row[0].index == i for i, row in enumerate(many)]) > 0.8


def test_corpus_is_encoded_only_once(model, course, monkeypatch):
    encoded = []
    encode = type(model).encode
    monkeypatch.setattr(
        type(model),
        "encode",
        lambda self, inputs, *a, **k: encoded.append(inputs) or encode(self, inputs, *a, **k),
    )
    retriever = Retriever(course.ko[:50], model)
    for query in course.en[:5]:
        retriever.search(query)
    assert [len(inputs) for inputs in encoded] == [50, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("scoring", ["ratio", "distance"])
def test_margin_search_equals_margin_of_the_full_matrix(model, course, scoring):
    ko, en = model.encode(course.ko), model.encode(course.en)
    full = margin_scores(en @ ko.T, 4, scoring)
    hits = Retriever(course.ko, model, embeddings=ko).search(course.en, top_k=3, scoring=scoring)
    best = -np.sort(-full, axis=1)[:, :3]
    assert [[hit.score for hit in row] for row in hits] == pytest.approx(best, abs=1e-4)
    assert np.mean([row[0].index for row in hits] == full.argmax(axis=1)) > 0.999


def test_reference_lets_one_query_use_margin(model, course):
    retriever = Retriever(course.ko[:300], model, reference=course.en[300:600])
    alone = retriever.search(course.en[7], top_k=2, scoring="ratio")
    together = retriever.search(course.en[:20], top_k=2, scoring="ratio")[7]
    assert [hit.index for hit in alone] == [hit.index for hit in together]
    assert alone[0].score == pytest.approx(together[0].score, abs=1e-4)


@pytest.mark.parametrize(
    "kind",
    [
        tuple, np.array, iter, lambda s: (sentence for sentence in s), pd.array,
        lambda s: pd.Series(s, index=range(len(s))[::-1]), lambda s: pd.Series(["버릴 것", *s])[1:],
        lambda s: pd.Series(s, index=[3] * len(s)), lambda s: pd.DataFrame({"s": s})["s"].astype("category"),
    ],
)  # fmt: skip
def test_any_iterable_of_sentences(encoder, kind):
    expected = Retriever(CORPUS, encoder, reference=CORPUS[::2]).search(CORPUS[3:9], 4)
    assert (
        Retriever(kind(CORPUS), encoder, reference=kind(CORPUS[::2])).search(kind(CORPUS[3:9]), 4) == expected
    )
    similar = return_most_similar(kind(CORPUS[3:9]), kind(CORPUS), encoder, top_k=4)
    assert similar == [[hit.sentence for hit in row] for row in expected]
    assert all(hit.sentence == CORPUS[hit.index] for row in expected for hit in row)
    given = encoder.encode(CORPUS)
    assert return_most_similar(CORPUS[5], kind(CORPUS), encoder, corpus_embeddings=given) == CORPUS[5]


@pytest.mark.parametrize("scoring", ["cosine", "ratio", "distance"])
def test_cosine_is_a_cosine_without_a_normalize_module(scoring):
    """방향이 같고 길이만 다른 인코더는 답도 점수도 같습니다."""
    long, unit = TensorEncoder(long=True), TensorEncoder()
    assert np.linalg.norm(long.encode(CORPUS), axis=1).max() > 1.5
    found = [
        Retriever(CORPUS, model, embeddings).search(CORPUS[:20], 5, scoring)
        for model, embeddings in (
            (unit, None),
            (long, None),
            (long, long.encode(CORPUS)),
            (unit, 100 * unit.encode(CORPUS)),
        )
    ]
    for rows in found[1:]:
        assert [[hit.index for hit in row] for row in rows] == [
            [hit.index for hit in row] for row in found[0]
        ]
        assert [[hit.score for hit in row] for row in rows] == [
            pytest.approx([hit.score for hit in row], abs=1e-5) for row in found[0]
        ]
    if scoring == "cosine":
        assert max(row[0].score for row in found[1]) <= 1 + 1e-6
        similar = return_most_similar(CORPUS[:20], CORPUS, long, top_k=5)
        assert similar == [[hit.sentence for hit in row] for row in found[1]]


REPEATED = ["나", "가", "나", "다", "가 ", "나\u200b", "라", "가"]


def test_equal_scores_come_lowest_index_first(encoder):
    hits = Retriever(REPEATED, encoder, k=1).search("나", 8)
    assert [hit.index for hit in hits][:3] == [0, 2, 5]
    assert [hit.index for hit in Retriever(REPEATED, encoder, k=1).search("가", 2)] == [1, 4]
    assert len({hit.score for hit in hits if hit.sentence == "가"}) == 1


def test_repeated_sentences_can_be_dropped(encoder, tmp_path):
    given = encoder.encode(REPEATED)
    for retriever in (
        Retriever(REPEATED, encoder, k=1, unique=True),
        Retriever(REPEATED, encoder, given, k=1, unique=True),
    ):
        assert retriever.corpus == ["나", "가", "다", "라"] and len(retriever) == 4
        hits = retriever.search("다", 4)
        assert hits[0][:1] + hits[0][2:] == ("다", 3)
        assert sorted(hit.index for hit in hits) == [0, 1, 3, 6]
        with pytest.raises(InputError, match="후보는 4개뿐"):
            retriever.search("다", 5)
        retriever.save(tmp_path / "index")
        assert Retriever.load(tmp_path / "index", encoder).search(REPEATED, 4) == retriever.search(
            REPEATED, 4
        )


def test_one_query_one_string(model):
    assert return_most_similar("눈이 펑펑 내린다.", EN, model) == "It is snowing hard."


def test_many_queries_and_top_k(model):
    assert return_most_similar(KO, EN, model) == [EN[1], EN[2], EN[0]]
    top_two = return_most_similar(KO, EN, model, top_k=2)
    assert [len(hits) for hits in top_two] == [2, 2, 2]
    assert [hits[0] for hits in top_two] == [EN[1], EN[2], EN[0]]
    assert sorted(return_most_similar("커피가 식었어요.", EN, model, top_k=3)) == sorted(EN)


@pytest.mark.parametrize("convert_to_tensor", [True, False])
def test_given_embeddings_are_not_computed_again(model, monkeypatch, convert_to_tensor):
    embeddings = model.encode(EN, convert_to_tensor=convert_to_tensor)
    encoded = []
    encode = model.encode
    monkeypatch.setattr(
        model,
        "encode",
        lambda sentences, **kwargs: (encoded.append(list(sentences)), encode(sentences, **kwargs))[1],
    )
    assert return_most_similar(KO[0], EN, model, corpus_embeddings=embeddings) == EN[1]
    assert encoded == [KO[:1]]
    encoded.clear()
    return_most_similar(KO, EN, model)
    assert sorted(encoded) == sorted([KO, EN])  # 질의가 셋이어도 corpus는 한 번


def test_same_as_brute_force_on_a_larger_corpus(model, course):
    corpus, queries = course.en[:200], course.ko[:50]
    scores = model.encode(queries) @ model.encode(corpus).T
    assert return_most_similar(queries, corpus, model) == [corpus[i] for i in scores.argmax(axis=1)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"query": ""}, "query: 빈 문장"),
        ({"query": []}, "query가 비어"),
        ({"query": ["좋다", None]}, r"query\[1\]"),
        ({"corpus": []}, "corpus가 비어"),
        ({"corpus": ["a", " "]}, r"corpus\[1\]: 빈 문장"),
        ({"corpus": "한 문장"}, "문장 목록"),
        ({"top_k": 4}, "top_k=4인데 후보는 3개"),
        ({"top_k": 0}, "1 이상의 정수"),
        ({"top_k": 1.5}, "1 이상의 정수"),
        ({"top_k": True}, "1 이상의 정수"),
        ({"corpus_embeddings": np.ones((3, 7))}, r"\(3, 7\)인데 \(3, 512\)"),
        ({"corpus_embeddings": np.ones((2, 512))}, r"\(2, 512\)인데 \(3, 512\)"),
        ({"corpus_embeddings": np.full((3, 512), np.nan)}, "NaN"),
    ],
)
def test_bad_input_to_return_most_similar(model, arguments, message):
    with pytest.raises(InputError, match=message):
        return_most_similar(**{"query": KO[0], "corpus": EN, "model": model, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"corpus": []}, "corpus가 비어"),
        ({"corpus": "문장 하나"}, "목록"),
        ({"corpus": None}, "None"),
        ({"corpus": ["하나", None, "셋", "넷"]}, r"corpus\[1\].*None"),
        ({"corpus": ["하나", " ", "셋", "넷"]}, r"corpus\[1\].*빈 문장"),
        ({"k": 0}, "k는 1 이상"),
        ({"k": 31}, "k=31"),
        ({"k": 1.5}, "k는 1 이상의 정수"),
        ({"embeddings": np.ones((29, 8), np.float32)}, r"\(29, 8\)인데 \(30, 8\)"),
        ({"embeddings": np.ones((30, 7), np.float32)}, r"\(30, 7\)인데 \(30, 8\)"),
        ({"embeddings": np.ones(30, np.float32)}, r"\(30,\)"),
        ({"embeddings": "벡터"}, "배열이나 텐서"),
        ({"embeddings": np.ones((30, 8), bool)}, "자료형"),
        ({"embeddings": np.full((30, 8), np.nan, np.float32)}, r"embeddings\[0, 0\]에 NaN"),
        ({"reference": []}, "reference가 비어"),
        ({"reference": ["하나", ""]}, r"reference\[1\]"),
        ({"reference": ["하나"]}, "k=4인데 후보는 1개"),
    ],
)
def test_bad_construction(encoder, arguments, message):
    with pytest.raises(InputError, match=message):
        Retriever(**{"corpus": CORPUS, "model": encoder} | arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"query": ""}, "query: 빈 문장"),
        ({"query": []}, "query가 비어"),
        ({"query": None}, "None"),
        ({"query": ["하나", 3]}, r"query\[1\].*int"),
        ({"top_k": 31}, "top_k=31인데 후보는 30개"),
        ({"top_k": 0}, "top_k는 1 이상"),
        ({"top_k": True}, "top_k는 1 이상"),
        ({"top_k": "3"}, "top_k는 1 이상"),
        ({"scoring": "margin"}, "cosine, ratio, distance.*'margin'"),
        ({"scoring": "ratio"}, "비교할 질의가 4개보다 많아야"),
        ({"query": ["하나", "둘", "셋", "넷"], "scoring": "distance"}, "4개입니다"),
    ],
)
def test_bad_search(retriever, arguments, message):
    with pytest.raises(InputError, match=message):
        retriever.search(**{"query": "하나"} | arguments)


def test_saved_retriever_answers_the_same(model, course, tmp_path):
    retriever = Retriever(course.ko[:100], model, reference=course.en[100:200])
    for _ in range(2):  # 두 번째는 덮어씁니다
        retriever.save(tmp_path / "index")
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    loaded = Retriever.load(tmp_path / "index", model)
    for scoring in ("cosine", "ratio", "distance"):
        assert loaded.search(course.en[:9], 3, scoring) == retriever.search(course.en[:9], 3, scoring)


def test_saved_vectors_stay_on_the_disk(retriever, encoder, tmp_path, monkeypatch):
    retriever.save(tmp_path / "index")
    opened, load = [], np.load
    monkeypatch.setattr(
        np, "load", lambda *args, **kwargs: opened.append(load(*args, **kwargs)) or opened[-1]
    )
    loaded = Retriever.load(tmp_path / "index", encoder)
    assert isinstance(opened[0], np.memmap)
    assert loaded.embeddings.data_ptr() == opened[0].ctypes.data


def test_fine_tuned_encoder_is_recognised(real, tmp_path):
    real.save(tmp_path / "index")
    tuned = load_model("muse", device="cpu")
    with torch.no_grad():
        tuned[0].dense3.weight += 0.02 * torch.randn(512, 512, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match="같은 문장의 벡터가 서로 다릅니다"):
        Retriever.load(tmp_path / "index", tuned)


@pytest.mark.parametrize(
    ("other", "message"),
    [(TensorEncoder(16), "차원이 8인데 지금 인코더는 16"), (TensorEncoder(salt="다른"), "벡터가 서로 다릅니다"),
     (TensorEncoder(long=True), "길이가 다릅니다")],
)  # fmt: skip
def test_index_of_another_encoder_is_an_error(retriever, tmp_path, other, message):
    retriever.save(tmp_path / "index")
    with pytest.raises(InputError, match=message):
        Retriever.load(tmp_path / "index", other)


@pytest.fixture()
def indexed(encoder, monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(approximate, "MIN_VECTORS", 1_000)
    retriever = Retriever([f"{i}번" for i in range(1_500)], encoder)
    retriever.build_index()
    return retriever


def test_index_is_used_saved_and_reloaded(indexed, encoder, tmp_path):
    queries = indexed.corpus[::50]
    found = indexed.search(queries, 3)
    assert np.mean([row[0].index == 50 * i for i, row in enumerate(found)]) > 0.9
    indexed.save(tmp_path / "index")
    loaded = Retriever.load(tmp_path / "index", encoder)
    assert loaded.search(queries, 3) == found
    assert loaded.index is not None
    every = loaded.search(queries[:2], 1_500)
    assert all(sorted(hit.index for hit in row) == list(range(1_500)) for row in every)


@pytest.mark.parametrize("damage", [b"", b"junk", None])
def test_damaged_approximate_index_is_an_error(indexed, encoder, tmp_path, damage):
    indexed.save(tmp_path / "index")
    path, about = tmp_path / "index" / "index.faiss", tmp_path / "index" / "retriever.json"
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    with pytest.raises(OutputError, match="읽을 수 없습니다.*index.faiss"):
        Retriever.load(tmp_path / "index", encoder)
    if damage is not None:  # 크기까지 맞아도
        files = json.loads(about.read_text(encoding="utf-8"))
        files["files"]["index.faiss"] = len(damage)
        about.write_text(json.dumps(files), encoding="utf-8")
        with pytest.raises(OutputError, match="index.faiss: 근사 색인이 깨졌거나"):
            Retriever.load(tmp_path / "index", encoder)


def test_index_of_other_vectors_is_an_error(indexed, encoder, tmp_path):
    indexed.save(tmp_path / "index")
    shorter = Retriever(indexed.corpus[:1_400], encoder)
    shorter.index = indexed.index
    shorter.save(tmp_path / "shorter")
    with pytest.raises(OutputError, match="이 벡터들의 것이 아닙니다"):
        Retriever.load(tmp_path / "shorter", encoder)


@pytest.mark.parametrize("there", ["folder", "empty folder", "file"])
def test_what_is_not_a_retriever_is_never_overwritten(retriever, tmp_path, there):
    path = tmp_path / "thesis"
    if there == "file":
        path.write_text("소중한 글", encoding="utf-8")
    else:
        path.mkdir()
    if there == "folder":
        (path / "chapter1.txt").write_text("소중한 글", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match="검색기가 아닌 것"):
        retriever.save(path)
    assert sorted(tmp_path.rglob("*")) == before


def full(*args, **kwargs):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    "failing", ["corpus", "embeddings", "about", "index", "first rename", "second rename"]
)
def test_failed_save_keeps_the_old_one(indexed, encoder, tmp_path, monkeypatch, failing):
    Retriever(CORPUS, encoder).save(tmp_path / "index")
    rename, renames = Path.rename, []

    def fail_at_rename(path, target):
        renames.append(path)
        if len(renames) == (1 if failing == "first rename" else 2):
            full()
        return rename(path, target)

    with monkeypatch.context() as patch:
        if failing == "corpus":
            patch.setattr(Path, "write_text", full)
        elif failing == "embeddings":
            patch.setattr(np, "save", full)
        elif failing == "about":
            patch.setattr(retriever_module, "write_json", full)
        elif failing == "index":
            patch.setattr(approximate.ApproximateIndex, "save", full)
        else:
            patch.setattr(Path, "rename", fail_at_rename)
        with pytest.raises(OutputError, match="디스크가 가득 찼습니다.*전에 있던 것은 그대로"):
            indexed.save(tmp_path / "index")
    assert Retriever.load(tmp_path / "index", encoder).corpus == CORPUS
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_killed_between_the_two_renames_opens_the_old_one(retriever, encoder, tmp_path):
    retriever.save(tmp_path / "index")
    (tmp_path / "index").rename(tmp_path / ".index.old")  # 옛것을 치운 바로 뒤에 죽은 모양
    assert Retriever.load(tmp_path / "index", encoder).corpus == CORPUS
    (tmp_path / "index").rename(tmp_path / ".index.old")
    Retriever(CORPUS[:10], encoder).save(tmp_path / "index")
    assert len(Retriever.load(tmp_path / "index", encoder)) == 10
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="권한이 있는 사용자는 막히지 않습니다")
def test_no_permission_is_said(retriever, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="권한"):
        retriever.save(tmp_path / "index")


FILES = ["corpus.json", "embeddings.npy", "hubness.npy", "positions.npy", "retriever.json"]


@pytest.fixture()
def saved(encoder, tmp_path):
    Retriever([*CORPUS, CORPUS[3], "끝"], encoder, reference=CORPUS, unique=True).save(tmp_path / "index")
    assert sorted(path.name for path in (tmp_path / "index").iterdir()) == FILES
    return tmp_path / "index"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "half", "empty", "longer", "same size"])
def test_damaged_index_is_an_error(saved, encoder, name, damage):
    path = saved / name
    data = path.read_bytes()
    path.unlink()
    changed = {
        "half": data[: len(data) // 2],
        "empty": b"",
        "longer": data + b"\xff",
        "same size": b"\xff" * len(data),
    }
    if damage != "missing":
        path.write_bytes(changed[damage])
    with pytest.raises(OutputError, match="[가-힣]"):
        Retriever.load(saved, encoder)


@pytest.mark.parametrize(
    "change",
    [
        lambda about: [], lambda about: {}, lambda about: about | {"k": "넷"}, lambda about: about | {"k": 99},
        lambda about: about | {"files": None}, lambda about: about | {"files": {}},
        lambda about: about | {"files": {"없는 것": 3}}, lambda about: about | {"encoder": {"name": "?"}},
        lambda about: about | {"encoder": None},
    ],
)  # fmt: skip
def test_about_that_is_not_ours_is_an_error(saved, encoder, change):
    about = json.loads((saved / "retriever.json").read_text(encoding="utf-8"))
    (saved / "retriever.json").write_text(json.dumps(change(about)), encoding="utf-8")
    with pytest.raises(OutputError, match="[가-힣]"):
        Retriever.load(saved, encoder)


@pytest.mark.parametrize("name", ["embeddings.npy", "hubness.npy", "positions.npy"])
@pytest.mark.parametrize(
    "values", [np.ones((7, 8), np.float32), np.full(31, np.nan), np.array([{}], dtype=object)]
)
def test_arrays_of_another_shape_are_an_error(saved, encoder, name, values):
    np.save(saved / name, values)
    about = json.loads((saved / "retriever.json").read_text(encoding="utf-8"))
    about["files"][name] = (saved / name).stat().st_size
    (saved / "retriever.json").write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(OutputError, match="읽을 수 없습니다"):
        Retriever.load(saved, encoder)


@pytest.mark.parametrize("there", ["nothing", "empty folder", "file"])
def test_no_index_at_all_is_an_error(encoder, tmp_path, there):
    if there == "empty folder":
        (tmp_path / "없음").mkdir()
    elif there == "file":
        (tmp_path / "없음").write_text("글", encoding="utf-8")
    with pytest.raises(OutputError, match="[가-힣]"):
        Retriever.load(tmp_path / "없음", encoder)
