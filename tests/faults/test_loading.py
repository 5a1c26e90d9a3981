"""load_model과 load_corpus가 겪는 일: 도중에 끊기는 내려받기, 잘린 가중치, 쓸 수 없는 캐시."""

import shutil

import pytest
from hub_server import HubServer
from test_models import FIND, run_python, snapshot_of

from labse_helpers import CorpusError, ModelUnavailableError, load_corpus, load_model

ENCODE = (
    f"{FIND} m = load_model('labse', device='cpu'); print(labse_is_cached(), m.encode('문장')[:4].tolist())"
)


@pytest.fixture()
def hub(tiny_labse_cache):
    server = HubServer(snapshot_of(tiny_labse_cache))
    yield server
    server.close()


def load(hub, cache, code=ENCODE, **environment):
    return run_python(
        code, cache, HF_HUB_OFFLINE="0", HF_ENDPOINT=hub.url, HF_HUB_DISABLE_XET="1", **environment
    )


def test_labse_is_downloaded_through_the_real_client(hub, tmp_path, tiny_labse_cache):
    downloaded = load(hub, tmp_path / "cache")
    assert downloaded.returncode == 0, downloaded.stderr
    assert downloaded.stdout == run_python(ENCODE, tiny_labse_cache).stdout
    hub.requested.clear()
    assert load(hub, tmp_path / "cache").stdout == downloaded.stdout
    assert hub.requested == []  # 두 번째는 캐시에서


@pytest.mark.parametrize("cut", ["model.safetensors", "modules.json"])
def test_download_cut_in_the_middle(hub, tmp_path, tiny_labse_cache, cut):
    """받다가 끊기면 한국어로 알리고, 반쪽을 인코더로 쓰지 않으며, 다음번에 받습니다."""
    cache = tmp_path / "cache"
    hub.cut = cut
    broken = load(hub, cache)
    assert "ModelUnavailableError: LaBSE(1.9 GB)" in broken.stderr
    assert "make labse" in broken.stderr
    code = f"{FIND} print(labse_is_cached(), load_model().card.name)"
    assert run_python(code, cache).stdout.splitlines()[-1] == "False mUSE v3"
    hub.cut = None
    healed = load(hub, cache)
    assert healed.returncode == 0, healed.stderr
    assert healed.stdout == run_python(ENCODE, tiny_labse_cache).stdout


def test_killed_download_is_continued(hub, tmp_path):
    """내려받는 프로세스를 kill -9 해도 반쪽 상태가 남지 않습니다."""
    cache = tmp_path / "cache"
    hub.cut = "model.safetensors"
    code = f"import os, signal, threading; threading.Timer(6, os.kill, (os.getpid(), signal.SIGKILL)).start(); {ENCODE}"
    killed = load(hub, cache, code)
    assert killed.returncode != 0
    hub.cut = None
    healed = load(hub, cache)
    assert healed.returncode == 0, healed.stderr
    assert healed.stdout.startswith("True")


def damaged(data, damage):
    return {"truncated": data[: len(data) // 2], "empty": b"", "garbage": b"\x00\xff" * 500}[damage]


@pytest.mark.parametrize(
    "file", ["model.safetensors", "2_Dense/model.safetensors", "tokenizer.json", "config.json"]
)
@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage"])
def test_damaged_file_in_the_cache_is_refused(tiny_labse_cache, tmp_path, monkeypatch, file, damage):
    cache = tmp_path / "hub"
    shutil.copytree(tiny_labse_cache, cache, symlinks=True)
    path = snapshot_of(cache) / file
    path.write_bytes(damaged(path.read_bytes(), damage))
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(cache))
    with pytest.raises(ModelUnavailableError, match=r"(?s)LaBSE.*load_model\('muse'\)"):
        load_model("labse")


@pytest.mark.parametrize("kind", ["file", "dangling"])
def test_cache_folder_that_cannot_be_used(hub, tmp_path, kind):
    cache = tmp_path / "cache"
    if kind == "file":
        cache.write_text("폴더가 아닙니다", encoding="utf-8")
    else:
        cache = tmp_path / "loop"
        cache.symlink_to(cache)  # 자기 자신을 가리킵니다
    result = load(hub, cache, f"{FIND} print(labse_is_cached(), load_model().card.name); load_model('labse')")
    assert result.stdout.splitlines()[-1] == "False mUSE v3", result.stderr
    assert "ModelUnavailableError: LaBSE(1.9 GB)" in result.stderr


def test_home_that_cannot_be_written(tmp_path):
    """내장 인코더와 말뭉치는 홈 폴더에 아무것도 쓰지 않습니다."""
    code = f"{FIND} from labse_helpers import load_corpus; print(len(load_corpus('course')), load_model('muse').card.name)"
    result = run_python(
        code, "/proc/no-cache", HOME="/proc/no-home", XDG_CACHE_HOME="/proc/no-cache", HF_HOME="/proc/no-hf"
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split(maxsplit=1)[1].strip() == "mUSE v3"


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / "saved"
    model.save(str(folder))
    return folder


@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage", "missing"])
@pytest.mark.parametrize("file", ["model.safetensors", "sp.model", "modules.json"])
def test_damaged_saved_encoder_is_refused(saved, file, damage):
    path = next(saved.rglob(file))
    data = path.read_bytes()
    path.unlink()
    try:
        if damage != "missing":
            path.write_bytes(damaged(data, damage))
        with pytest.raises(ModelUnavailableError, match="온전한 폴더"):
            load_model(str(saved))
    finally:
        path.write_bytes(data)


@pytest.mark.parametrize("name", ["", "없는말뭉치", "course ", "/no/such/file.tsv", "labse_helpers"])
def test_unknown_corpus_is_an_error(name):
    with pytest.raises(CorpusError):
        load_corpus(name)
