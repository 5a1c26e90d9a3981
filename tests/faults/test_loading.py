"""load_model과 load_corpus가 겪는 일: 도중에 끊기거나 죽는 내려받기, 잘린 가중치, 쓸 수 없는 캐시."""

import multiprocessing
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hub_server import HubServer
from tiny_labse import REPO_FOLDER, use_cache

from labse_helpers import CorpusError, ModelUnavailableError, labse_is_cached, load_corpus, load_model


def snapshot_of(cache: Path) -> Path:
    return next((cache / REPO_FOLDER / "snapshots").iterdir())


@pytest.fixture()
def hub(tiny_labse_cache):
    server = HubServer(snapshot_of(tiny_labse_cache))
    yield server
    server.close()


@pytest.fixture()
def cache(hub, tmp_path, monkeypatch):
    """빈 캐시. 지금부터 이 캐시와 우리 허브를 씁니다. 다시 시도하기 전에 쉬지 않습니다."""
    use_cache(monkeypatch, tmp_path / "cache", hub.url)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return tmp_path / "cache"


@pytest.fixture()
def expected(tiny_labse_cache):
    """캐시의 LaBSE가 내야 하는 벡터."""
    with pytest.MonkeyPatch.context() as patch:
        use_cache(patch, tiny_labse_cache)
        return load_model("labse", device="cpu").encode("문장")


def test_labse_is_downloaded_through_the_real_client(hub, cache, expected):
    np.testing.assert_array_equal(load_model("labse", device="cpu").encode("문장"), expected)
    assert "model.safetensors" in dict(hub.requested)
    hub.requested.clear()
    np.testing.assert_array_equal(load_model("labse", device="cpu").encode("문장"), expected)
    assert hub.requested == []  # 두 번째는 캐시에서


@pytest.mark.parametrize("cut", ["model.safetensors", "modules.json", "2_Dense/model.safetensors"])
def test_download_cut_in_the_middle(hub, cache, expected, monkeypatch, cut):
    """받다가 끊기면 한국어로 알리고, 반쪽을 인코더로 쓰지 않으며, 다음번에 받습니다."""
    monkeypatch.delenv("LABSE_MODEL")
    hub.cut = cut
    with pytest.raises(ModelUnavailableError, match=r"(?s)LaBSE\(1.9 GB\).*make labse"):
        load_model("labse")
    assert cut in dict(hub.requested)
    assert not labse_is_cached()
    assert load_model().card.name == "mUSE v3"
    hub.cut = None
    np.testing.assert_array_equal(load_model("labse", device="cpu").encode("문장"), expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="프로세스를 복제할 수 있는 운영 체제에서만")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_killed_download_is_continued(hub, cache, expected, monkeypatch):
    """가중치를 절반 받은 순간에 kill -9 해도 반쪽을 쓰지 않고, 다음번에 받다 만 파일부터 이어서 받습니다."""
    monkeypatch.setattr(
        "huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 65_536
    )  # 받는 대로 디스크에 적습니다
    hub.stall = "model.safetensors"
    process = multiprocessing.get_context("fork").Process(target=load_model, args=("labse", "cpu"))
    process.start()
    assert hub.halfway.wait(30), "가중치를 받기 시작하지 않았습니다"
    size = (hub.folder / "model.safetensors").stat().st_size
    deadline = time.monotonic() + 30
    while not (got := sum(f.stat().st_size for f in cache.rglob("*.incomplete"))):
        assert time.monotonic() < deadline, "받은 것이 디스크에 없습니다"
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert 0 < got < size and not labse_is_cached()
    hub.stall = None
    hub.requested.clear()
    np.testing.assert_array_equal(load_model("labse", device="cpu").encode("문장"), expected)
    again = [name for name, _ in hub.requested]
    assert "model.safetensors" in again
    assert not {"modules.json", "config.json"} & set(again)  # 다 받은 것은 다시 받지 않습니다


def damaged(data, damage):
    return {"truncated": data[: len(data) // 2], "empty": b"", "garbage": b"\x00\xff" * 500}[damage]


@pytest.mark.parametrize(
    "file",
    ["model.safetensors", "2_Dense/model.safetensors", "tokenizer.json", "config.json", "modules.json"],
)
@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage"])
def test_damaged_file_in_the_cache_is_refused(tiny_labse_cache, tmp_path, monkeypatch, file, damage):
    copy = tmp_path / "hub"
    shutil.copytree(tiny_labse_cache, copy, symlinks=True)
    path = snapshot_of(copy) / file
    path.write_bytes(damaged(path.read_bytes(), damage))
    use_cache(monkeypatch, copy)
    with pytest.raises(ModelUnavailableError, match=r"(?s)LaBSE.*load_model\('muse'\)"):
        load_model("labse")


@pytest.mark.parametrize("kind", ["file", "loop", "read only"])
def test_cache_folder_that_cannot_be_used(hub, cache, monkeypatch, kind):
    monkeypatch.delenv("LABSE_MODEL")
    if kind == "file":
        cache.write_text("폴더가 아닙니다", encoding="utf-8")
    elif kind == "loop":
        cache.symlink_to(cache)  # 자기 자신을 가리킵니다
    else:
        monkeypatch.setenv(
            "SENTENCE_TRANSFORMERS_HOME", "/proc/no-cache" if sys.platform == "linux" else "\0"
        )
    assert not labse_is_cached()
    assert load_model().card.name == "mUSE v3"
    with pytest.raises(ModelUnavailableError, match=r"LaBSE\(1.9 GB\)"):
        load_model("labse")


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / "saved"
    model.save(folder)
    return folder


@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage", "missing"])
@pytest.mark.parametrize("file", ["model.safetensors", "sp.model", "modules.json", "card.json"])
def test_damaged_saved_encoder_is_refused(saved, file, damage):
    path = saved / file
    data = path.read_bytes()
    path.unlink()
    try:
        if damage != "missing":
            path.write_bytes(damaged(data, damage))
        elif file == "card.json":  # 카드만 없으면 아무것도 내세우지 않고 엽니다
            card = load_model(saved).card
            assert (card.name, card.languages, card.tuned_on) == ("saved", None, None)
            return
        with pytest.raises(ModelUnavailableError, match="온전한 폴더"):
            load_model(saved)
    finally:
        path.write_bytes(data)


@pytest.mark.parametrize("name", ["", "없는말뭉치", "course ", "/no/such/file.tsv", "labse_helpers"])
def test_unknown_corpus_is_an_error(name):
    with pytest.raises(CorpusError):
        load_corpus(name)
