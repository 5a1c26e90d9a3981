"""카드: 저장한 인코더가 다시 열릴 때 자기가 무엇인지 말하는가, 가중치가 바뀌면 그렇다고 하는가."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from tiny_labse import use_cache

from labse_helpers import ModelUnavailableError, fine_tune, load_model
from labse_helpers.encoders.card import ModelCard, fingerprint
from labse_helpers.errors import OutputError

CHANGED = "기록되지 않은 변경"


@pytest.fixture()
def labse(tiny_labse_cache, monkeypatch):
    use_cache(monkeypatch, tiny_labse_cache)
    return load_model("labse", device="cpu")


def nudge(model) -> None:
    with torch.no_grad():
        list(model.parameters())[-1][0].add_(0.01)


def test_what_a_card_says():
    assert str(ModelCard("이름", 3)) == "이름 (3차원)"
    full = ModelCard("이름", 3, "두 언어", "MIT", 512, "뉴스")
    assert str(full) == "이름 (3차원, 최대 512토큰, 두 언어, 라이선스 MIT, 미세 조정: 뉴스)"


def test_a_saved_muse_says_what_it_is_and_gives_the_same_vectors(model, tmp_path):
    model.save(tmp_path / "saved")
    again = load_model(tmp_path / "saved")
    assert again.card == model.card and again.card.name == "mUSE v3" and again.card.tuned_on is None
    np.testing.assert_array_equal(
        again.encode("다시 연 인코더입니다."), model.encode("다시 연 인코더입니다.")
    )


def test_a_tuned_encoder_says_what_it_was_tuned_on(labse, tmp_path):
    nudge(labse)
    labse.card = dataclasses.replace(labse.card, tuned_on="뉴스 300쌍")
    labse.save(tmp_path / "saved")
    again = load_model(tmp_path / "saved")
    assert again.card.tuned_on == "뉴스 300쌍" and "미세 조정: 뉴스 300쌍" in str(again.card)
    again.save(tmp_path / "again")  # 한 번 더 저장해도 그대로입니다
    assert load_model(tmp_path / "again").card == again.card


def test_fine_tune_writes_it(labse, course, tmp_path):
    fine_tune(labse, course.ko[:8], course.en[:8], epochs=1, batch_size=4, show_progress_bar=False)
    labse.save(tmp_path / "saved")
    tuned_on = load_model(tmp_path / "saved").card.tuned_on
    assert tuned_on and CHANGED not in tuned_on


def test_weights_changed_by_hand_are_not_the_published_ones(labse, tmp_path):
    nudge(labse)
    labse.save(tmp_path / "saved")
    assert load_model(tmp_path / "saved").card.tuned_on == CHANGED


def test_changed_after_tuning_is_said_too(labse, tmp_path):
    labse.card = dataclasses.replace(labse.card, tuned_on="뉴스")
    nudge(labse)
    labse.save(tmp_path / "saved")
    assert load_model(tmp_path / "saved").card.tuned_on == f"뉴스, {CHANGED}"


def test_weights_changed_on_disk_are_said(labse, tmp_path):
    labse.save(tmp_path / "saved")
    path = tmp_path / "saved" / "2_Dense" / "model.safetensors"
    weights = load_file(path)
    weights["linear.bias"][0] += 1
    save_file(weights, path)
    assert load_model(tmp_path / "saved").card.tuned_on == CHANGED


def test_saved_by_the_library_itself_claims_nothing(labse, tmp_path):
    SentenceTransformer.save(labse, str(tmp_path / "plain"))
    card = load_model(tmp_path / "plain").card
    assert (card.name, card.languages, card.license, card.tuned_on) == ("plain", None, None, None)
    assert (card.dimension, card.max_seq_length) == (32, 256)


def test_a_changed_maximum_length_is_saved(labse, tmp_path):
    labse.max_seq_length = 20
    labse.save(tmp_path / "saved")
    again = load_model(tmp_path / "saved")
    assert again.card.max_seq_length == again.max_seq_length == 20


@pytest.mark.parametrize("content", [[], {}, {"name": "x"}, 3, {"name": "x", "dimension": 3, "weights": ""}])
def test_a_card_of_another_shape_is_refused(labse, tmp_path, content):
    labse.save(tmp_path / "saved")
    (tmp_path / "saved" / "card.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelUnavailableError, match="카드가 아닙니다"):
        load_model(tmp_path / "saved")


def test_fingerprint_sees_one_changed_value_and_nothing_else(labse):
    before = fingerprint(labse)
    assert fingerprint(torch.nn.Sequential(labse)) == before  # 이름이 달라져도 같습니다
    nudge(labse)
    assert fingerprint(labse) != before


def test_the_folder_keeps_the_users_other_files(labse, tmp_path):
    """trainer.save_model처럼 있는 폴더에 저장해도 남의 파일은 그대로이고, 옛 인코더의 파일은 새것이 됩니다."""
    out = tmp_path / "out"
    (out / "checkpoint-10").mkdir(parents=True)
    (out / "checkpoint-10" / "state.bin").write_bytes(b"mine")
    labse.save(out)
    before = labse.encode("문장")
    nudge(labse)
    labse.save_pretrained(out)
    assert (out / "checkpoint-10" / "state.bin").read_bytes() == b"mine"
    assert not np.array_equal(load_model(out).encode("문장"), before)
    np.testing.assert_array_equal(load_model(out).encode("문장"), labse.encode("문장"))
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_saving_over_the_folder_it_was_opened_from(model, tmp_path):
    model.save(tmp_path / "saved")
    again = load_model(tmp_path / "saved")
    again.save(tmp_path / "saved")
    shutil.rmtree(tmp_path / "saved")
    again.save(tmp_path / "saved")  # 원본이 사라진 뒤에도 저장할 수 있습니다
    np.testing.assert_array_equal(load_model(tmp_path / "saved").encode("문장"), model.encode("문장"))


@pytest.mark.parametrize("exists", [False, True])
def test_a_failing_save_leaves_the_old_one(labse, tmp_path, monkeypatch, exists):
    out = tmp_path / "out"
    if exists:
        labse.save(out)
        before = labse.encode("문장")
        nudge(labse)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(labse[2]), "save", full)
    with pytest.raises(OutputError, match="디스크가 가득"):
        labse.save(out)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    if exists:
        np.testing.assert_array_equal(load_model(out).encode("문장"), before)
        assert not [path for path in out.iterdir() if path.name.startswith(".")]
    else:
        assert not out.exists()


def test_a_disk_that_fills_up_in_the_weights_is_korean(labse, tmp_path):
    resource = pytest.importorskip("resource", reason="파일의 최대 크기를 정할 수 있는 운영 체제에서만")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(OutputError, match="out"):
            labse.save(tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", [None, 3, "", b"", ["out"]])
def test_a_path_that_is_none_is_an_error(labse, path):
    with pytest.raises(ValueError, match="path는"):
        labse.save(path)


def test_a_path_under_a_file_is_an_error(labse, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for path in (tmp_path / "file" / "out", tmp_path / "file"):
        with pytest.raises(OutputError):
            labse.save(path)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "x"
