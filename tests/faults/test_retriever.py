"""Retriever와 exact_top_k의 잘못된 입력, 저장하다 멈춘 검색기."""

import numpy as np
import pytest
from fake_encoder import FakeEncoder

from labse_helpers import InputError, Retriever, exact_top_k

CORPUS = [f"{i}번 문장입니다." for i in range(30)]


class TensorEncoder(FakeEncoder):
    """``device``와 ``convert_to_tensor``까지 아는 빠른 인코더."""

    device = "cpu"

    def encode(self, inputs, convert_to_tensor=False, **kwargs):
        import torch

        embeddings = super().encode(inputs)
        return torch.from_numpy(embeddings) if convert_to_tensor else embeddings


@pytest.fixture()
def encoder():
    return TensorEncoder()


@pytest.fixture()
def retriever(encoder):
    return Retriever(CORPUS, encoder)


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
        ({"embeddings": [[1.0] * 8] * 30}, "배열이나 텐서"),
        ({"embeddings": np.ones((30, 8), np.int64)}, "자료형"),
        ({"embeddings": np.full((30, 8), np.nan, np.float32)}, r"embeddings\[0\]에 NaN"),
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
        ({"scoring": "cos"}, "scoring은.*'cos'"),
        ({"scoring": "margin"}, "견줄 질의가 4개보다 많아야"),
        ({"query": ["하나", "둘", "셋", "넷"], "scoring": "margin"}, "4개입니다"),
    ],
)
def test_bad_search(retriever, arguments, message):
    with pytest.raises(InputError, match=message):
        retriever.search(**{"query": "하나"} | arguments)


@pytest.mark.parametrize(
    ("queries", "corpus", "top_k", "message"),
    [
        (np.ones((2, 3)), np.ones((4, 5)), 1, "3차원.*5차원"),
        (np.ones((0, 3)), np.ones((4, 3)), 1, "query_embeddings의 모양"),
        (np.ones((2, 3)), np.ones((0, 3)), 1, "corpus_embeddings의 모양"),
        (np.ones((2, 3)), np.ones((4, 3)), 5, "top_k=5"),
        (np.full((2, 3), np.nan), np.ones((4, 3)), 1, "NaN"),
        (np.ones((2, 3)), np.full((4, 3), np.inf), 1, "NaN이나 무한대"),
        (np.ones((2, 3)), np.vstack([np.ones((99, 3)), np.full((1, 3), np.nan)]), 1, "NaN이나 무한대"),
        ("하나", np.ones((4, 3)), 1, "배열이나 텐서"),
    ],
)
def test_bad_vectors(queries, corpus, top_k, message):
    with pytest.raises(InputError, match=message):
        exact_top_k(queries, corpus, top_k)


def test_folder_of_something_else_is_never_overwritten(retriever, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("소중한 글", encoding="utf-8")
    with pytest.raises(InputError, match="검색기가 아닌 것"):
        retriever.save(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter1.txt").read_text(encoding="utf-8") == "소중한 글"


@pytest.mark.parametrize("failing", ["embeddings", "corpus.json", "retriever.json"])
def test_interrupted_save_keeps_the_old_one(retriever, encoder, tmp_path, monkeypatch, failing):
    retriever.save(tmp_path / "index")
    newer = Retriever(CORPUS[:10], encoder)
    write = type(tmp_path).write_text

    def fail(path, *args, **kwargs):
        if path.name == failing:
            raise OSError(28, "No space left on device")
        return write(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(type(tmp_path), "write_text", fail)
        if failing == "embeddings":
            patch.setattr(
                np, "save", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device"))
            )
        with pytest.raises(InputError, match="저장하지 못했습니다.*No space"):
            newer.save(tmp_path / "index")
    assert len(Retriever.load(tmp_path / "index", encoder)) == 30
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


@pytest.mark.parametrize("name", ["embeddings.npy", "corpus.json", "retriever.json"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "empty"])
def test_damaged_index_is_an_error(retriever, encoder, tmp_path, name, damage):
    retriever.save(tmp_path / "index")
    path = tmp_path / "index" / name
    data = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(data[: len(data) // 2] if damage == "truncated" else b"")
    with pytest.raises(InputError, match="읽을 수 없습니다"):
        Retriever.load(tmp_path / "index", encoder)


def test_no_index_at_all_is_an_error(encoder, tmp_path):
    with pytest.raises(InputError, match="읽을 수 없습니다"):
        Retriever.load(tmp_path / "없음", encoder)


def test_index_of_another_dimension_is_an_error(retriever, tmp_path):
    retriever.save(tmp_path / "index")
    with pytest.raises(InputError, match="차원이 8인데 지금 인코더는 16"):
        Retriever.load(tmp_path / "index", TensorEncoder(16))


def test_index_of_another_encoder_is_an_error(retriever, tmp_path):
    retriever.save(tmp_path / "index")
    with pytest.raises(InputError, match="벡터가 서로 다릅니다"):
        Retriever.load(tmp_path / "index", TensorEncoder(salt="다른"))
