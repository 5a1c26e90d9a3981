"""입력 검사: 다듬기 하나, 문장 검사 하나, 행렬 검사 하나."""

import unicodedata

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from labse_helpers.checks import (
    check_choice,
    check_matrix,
    check_real,
    check_sentences,
    check_top_k,
    check_whole,
    clean,
)
from labse_helpers.errors import InputError
from labse_helpers.search.vectors import unit_vectors

SENTENCES = ["비가 옵니다.", "문을 닫아 주세요.", "표가 매진되었습니다."]


@given(st.text(max_size=40))
def test_clean_is_idempotent_and_normal(text):
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert cleaned == unicodedata.normalize("NFC", cleaned).strip()


@pytest.mark.parametrize(
    "invisible",
    ["\u200b", "\u3164", "\xad", "\ufeff", "\u2060", "\x00", "\x1b", "\u200d", "\u200c\u200d", "\u202e", "\uffa0",
     "\u115f\u1160", "\u2800", "\xa0\u3000", "\ufe0f", "\U000e0041", "\u180e", "\t\r\n\x0b\x0c\x1c\x85\u2028"],
)  # fmt: skip
def test_what_cannot_be_seen_is_empty_alone_and_gone_inside(invisible):
    assert clean(invisible) == ""
    with pytest.raises(InputError, match=r"sentences\[1\]: 빈 문장"):
        check_sentences(["앞 문장", invisible])
    assert clean(f"{invisible}비가 {invisible}옵니다{invisible}").replace(" ", "") == "비가옵니다"


@pytest.mark.parametrize(
    "kept",
    [
        "가족 👩‍👩‍👧 사진",
        "🏳️‍🌈 깃발",
        "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
        "می‌خواهم بروم",
        "क्‍ष",
        "ශ්‍රී ලංකා",
        "👍🏽 좋아요",
        "C++ & <b> $5",
        "a  b",
    ],
)
def test_what_carries_meaning_is_kept(kept):
    assert clean(kept) == kept


def test_spaces_of_all_kinds_become_one_kind():
    assert clean("가\xa0나\u3000다\u2028라\t마") == "가 나 다 라 마"
    assert clean(unicodedata.normalize("NFD", "한글")) == "한글"


@pytest.mark.parametrize(
    "given_as",
    [list, tuple, iter, lambda s: (x for x in s), np.array, lambda s: np.array(s, dtype=object),
     lambda s: pd.Series(s, index=[2, 0, 1]), lambda s: pd.Series(["x", *s])[1:], lambda s: pd.Series(s, dtype="string"),
     lambda s: pd.Categorical(s), lambda s: Dataset.from_dict({"text": s})["text"], dict.fromkeys, lambda s: dict.fromkeys(s).keys()],
)  # fmt: skip
def test_any_ordered_iterable_of_strings(given_as):
    values = given_as(SENTENCES)
    if isinstance(values, dict) or type(values).__name__ == "dict_keys":
        with pytest.raises(InputError, match="순서가 있는 문장 목록"):
            check_sentences(values)
    else:
        checked = check_sentences(values)
        assert checked == SENTENCES
        assert {type(sentence) for sentence in checked} == {str}


@pytest.mark.parametrize(
    ("values", "said"),
    [("문장", "문자열 하나"), (b"abc", "바이트열 하나"), (3, "문장 목록"), (None, "문장 목록"), ([], "비어 있습니다"), ({"문장"}, "순서가 있는"),
     (pd.DataFrame({"ko": SENTENCES}), "열 하나"), (np.array([SENTENCES]), "열 하나"), (["가", None], r"\[1\]"), (["가", float("nan")], r"\[1\]"),
     (["가", pd.NA], r"\[1\]"), (["가", b"x"], r"\[1\]"), (["가", ["나"]], r"\[1\]"), (["가", "\ud800"], r"\[1\].*깨져")],
)  # fmt: skip
def test_what_is_no_list_of_sentences_is_refused_with_its_place(values, said):
    with pytest.raises(InputError, match=said):
        check_sentences(values)


@pytest.mark.parametrize("top_k", [1, np.int64(3), torch.tensor(2)])
def test_whole_numbers_of_any_kind(top_k):
    assert type(check_top_k(top_k, 3)) is int


@pytest.mark.parametrize(
    "top_k", [0, -1, 1.0, "2", True, np.True_, None, 4, np.float32(1), torch.tensor([1, 2])]
)
def test_what_is_no_count_is_refused(top_k):
    with pytest.raises(InputError, match="top_k"):
        check_top_k(top_k, 3)


def test_choice_names_what_it_knows():
    assert check_choice("ratio", ("cosine", "ratio"), "scoring") == "ratio"
    for wrong in ("Ratio", None, ["ratio"], 1):
        with pytest.raises(InputError, match="cosine, ratio"):
            check_choice(wrong, ("cosine", "ratio"), "scoring")


@pytest.mark.parametrize(
    "given_as",
    [lambda x: x, torch.from_numpy, lambda x: x.tolist(), lambda x: list(x), lambda x: [torch.from_numpy(row) for row in x],
     lambda x: torch.from_numpy(x).bfloat16(), lambda x: x.astype(np.float16), lambda x: x.astype(">f4"), lambda x: x[::-1][::-1],
     lambda x: torch.from_numpy(x).requires_grad_(), lambda x: pd.DataFrame(x).to_numpy()],
)  # fmt: skip
def test_matrix_of_any_kind(given_as):
    x = np.array([[1.0, 0.5, 0], [0.25, 1, 2]], dtype=np.float32)
    matrix = check_matrix(given_as(x), "scores")
    assert matrix.is_floating_point()
    assert matrix.element_size() >= 4
    assert not matrix.requires_grad
    assert np.array_equal(matrix.numpy(), x)


@pytest.mark.parametrize(
    ("values", "said"),
    [(np.zeros(3), "2차원"), (np.zeros((0, 3)), "2차원"), (np.zeros((2, 3, 1)), "2차원"), ([[1, 2], [3]], "배열이나 텐서"), ("글", "배열이나 텐서"),
     (None, "배열이나 텐서"), (np.array([["a", "b"]]), "배열이나 텐서"), (np.ones((2, 2), dtype=bool), "자료형"), (np.ones((2, 2), dtype=complex), "자료형"),
     (np.array([[1, 2], [np.nan, 0]]), r"scores\[1, 0\]"), (np.array([[1, np.inf]]), r"scores\[0, 1\]"), (np.zeros((3, 2)), r"\(3, 2\)인데 \(2, 2\)"),
     ([], "배열이나 텐서"), ([[]], "2차원")],
)  # fmt: skip
def test_matrix_refused_with_its_place(values, said):
    with pytest.raises(InputError, match=said):
        check_matrix(values, "scores", *((2, 2) if "인데" in said else ()))


def test_matrix_finds_the_row_far_inside_a_memory_map(tmp_path):
    path = tmp_path / "x.npy"
    x = np.zeros((70_000, 2), dtype=np.float32)
    x[69_999, 1] = np.nan
    np.save(path, x)
    with pytest.raises(InputError, match=r"\[69999, 1\]"):
        check_matrix(np.load(path, mmap_mode="r"), "embeddings")


def test_unit_vectors_copy_only_what_is_not_yet_of_length_one(tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    unit = unit_vectors(x, "x")
    assert torch.allclose(unit.norm(dim=1), torch.ones(50), atol=1e-6)
    assert unit_vectors(unit, "x").data_ptr() == unit.data_ptr()
    np.save(tmp_path / "u.npy", unit.numpy())
    stored = np.load(tmp_path / "u.npy", mmap_mode="r")
    assert unit_vectors(stored, "x").data_ptr() == stored.ctypes.data  # 디스크의 것을 그대로 봅니다
    assert unit_vectors(np.zeros((2, 3)), "x").abs().sum() == 0  # 영벡터의 코사인은 0입니다


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), torch.tensor(3)])
def test_numbers_in_a_range_of_any_kind(value):
    assert check_whole(value, "epochs", 1, 3) == 3
    assert type(check_whole(value, "epochs", 1)) is int


@pytest.mark.parametrize(
    "value", [0, 4, -1, 2.0, 1.5, True, np.True_, "3", None, float("nan"), [3], np.array([3, 3])]
)
def test_what_is_no_whole_number_is_named(value):
    with pytest.raises(InputError, match="^epochs=.*1 이상 3 이하의 정수"):
        check_whole(value, "epochs", 1, 3)


@pytest.mark.parametrize("value", [0, 0.5, 1, np.float32(0.5), np.float64(1), np.int64(0)])
def test_real_numbers_of_any_kind(value):
    assert check_real(value, "alpha", 0, 1) == value
    assert type(check_real(value, "alpha", 0, 1)) is float


@pytest.mark.parametrize(
    "value",
    [-0.1, 1.5, float("nan"), float("inf"), 10**400, 1j, True, np.True_, "0.5", None, [0.5], np.array([0.5])],
)
def test_what_is_no_real_number_is_named(value):
    with pytest.raises(InputError, match="^alpha=.*0 이상의 1 이하의 유한한 수"):
        check_real(value, "alpha", 0, 1)


def test_the_lower_end_may_be_left_out():
    assert check_real(1e-300, "scale", 0, above_low=True) == 1e-300
    for value in (0, 0.0, -0.0):
        with pytest.raises(InputError, match="^scale=.*0보다 큰 유한한 수"):
            check_real(value, "scale", 0, above_low=True)
