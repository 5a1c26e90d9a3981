"""load_model: 무엇을 고르는가, LaBSE를 진짜 적재 코드로 여는가, 안 될 때 무엇이라 말하는가."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_labse import DIM, REPO_FOLDER, to_older_form, use_cache

from labse_helpers import InputError, ModelUnavailableError, labse_is_cached, load_model, print_setup
from labse_helpers.encoders.load import REGISTRY


@pytest.fixture()
def labse(tiny_labse_cache, monkeypatch):
    use_cache(monkeypatch, tiny_labse_cache)
    return load_model("labse", device="cpu")


@pytest.fixture()
def cache_copy(tiny_labse_cache, tmp_path, monkeypatch):
    """고쳐도 되는 캐시. 지금부터 이 캐시를 씁니다."""
    cache = tmp_path / "hub"
    shutil.copytree(tiny_labse_cache, cache, symlinks=True)
    use_cache(monkeypatch, cache)
    return cache


def snapshot_of(cache: Path) -> Path:
    return next((cache / REPO_FOLDER / "snapshots").iterdir())


def test_package_import_does_not_load_torch():
    code = (
        "import sys, labse_helpers; "
        "assert not {'torch', 'matplotlib', 'numpy'} & set(sys.modules); assert dir(labse_helpers)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_labse_loads_by_name_offline(labse):
    assert labse_is_cached()
    assert [type(module).__name__ for module in labse] == ["Transformer", "Pooling", "Dense", "Normalize"]
    assert str(labse.card) == f"LaBSE ({DIM}차원, 최대 256토큰, 109개 언어, 라이선스 Apache-2.0)"
    tensor = labse.encode(["안녕하세요", "Hello"], convert_to_tensor=True, normalize_embeddings=True)
    assert tensor.shape == (2, DIM)
    torch.testing.assert_close(tensor.norm(dim=1), torch.ones(2))


@pytest.mark.parametrize("name", ["labse", "LaBSE", "sentence-transformers/LaBSE"])
def test_labse_has_three_names(tiny_labse_cache, monkeypatch, name):
    use_cache(monkeypatch, tiny_labse_cache)
    assert load_model(name).card.name == "LaBSE"


def test_labse_vector_is_cls_dense_tanh_normalized(labse):
    """허브의 사본에서 연 LaBSE가 정말로 [CLS] → Dense(tanh) → L2 정규화를 하는지 손으로 확인합니다."""
    features = labse.preprocess(["문장 하나"])
    with torch.inference_mode():
        inputs = {key: value for key, value in features.items() if torch.is_tensor(value)}
        cls = labse[0].auto_model(**inputs).last_hidden_state[:, 0]
        by_hand = torch.nn.functional.normalize(torch.tanh(labse[2].linear(cls)), dim=1)[0]
    torch.testing.assert_close(by_hand, labse.encode("문장 하나", convert_to_tensor=True), atol=1e-6, rtol=0)


def test_older_form_of_the_hub_copy_loads_too(labse, cache_copy):
    to_older_form(snapshot_of(cache_copy))
    assert labse_is_cached()
    np.testing.assert_array_equal(load_model("labse").encode("같은 문장"), labse.encode("같은 문장"))


def test_auto_prefers_cached_labse(tiny_labse_cache, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("LABSE_MODEL")
    use_cache(monkeypatch, tiny_labse_cache)
    assert load_model().card.name == "LaBSE"
    use_cache(monkeypatch, tmp_path / "empty")
    capsys.readouterr()
    assert load_model().card.name == "mUSE v3"
    assert (
        capsys.readouterr().out == "mUSE v3 인코더를 골랐습니다. LaBSE는 load_model('labse')로 불러옵니다.\n"
    )
    use_cache(monkeypatch, tiny_labse_cache)
    for forced, expected in (("muse", "mUSE v3"), ("", "LaBSE")):  # 빈 값은 정하지 않은 것과 같습니다
        monkeypatch.setenv("LABSE_MODEL", forced)
        assert load_model().card.name == expected


@pytest.mark.parametrize(
    "missing", ["model.safetensors", "modules.json", "1_Pooling/config.json", "tokenizer.json"]
)
def test_half_a_download_is_not_a_model(cache_copy, monkeypatch, missing):
    """받다 만 캐시: 허브 클라이언트는 다 받은 파일만 snapshot에 둡니다."""
    monkeypatch.delenv("LABSE_MODEL")
    (snapshot_of(cache_copy) / missing).unlink()
    blobs = cache_copy / REPO_FOLDER / "blobs"
    blobs.mkdir()
    (blobs / "abc.incomplete").write_bytes(b"half")
    assert not labse_is_cached()
    assert load_model().card.name == "mUSE v3"
    with pytest.raises(ModelUnavailableError, match=r"LaBSE\(1.9 GB\)"):
        load_model("labse")


@pytest.mark.parametrize("offline", [True, False])
def test_not_cached_and_no_network_is_a_short_quick_error(tmp_path, monkeypatch, offline):
    use_cache(monkeypatch, tmp_path / "empty", None if offline else "http://127.0.0.1:9")
    start = time.perf_counter()
    with pytest.raises(ModelUnavailableError) as caught:
        load_model("labse")
    assert time.perf_counter() - start < 10
    for phrase in ("1.9 GB", "make labse", "load_model('muse')"):
        assert phrase in str(caught.value)


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("1_Pooling/config.json", '"cls"', '"mean"'),
        ("1_Pooling/config.json", '"cls"', '"max"'),
        ("2_Dense/config.json", "Tanh", "ReLU"),
    ],
)
def test_wrong_pooling_or_activation_is_refused(cache_copy, file, right, wrong):
    """모양이 같아 눈치채기 어려운 잘못: 평균 풀링, tanh 없는 Dense."""
    path = snapshot_of(cache_copy) / file
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    with pytest.raises(ModelUnavailableError, match="LaBSE의 모듈은.*" + wrong.strip('"')):
        load_model("labse")


def test_weights_with_a_pickled_command_are_refused(cache_copy, tmp_path):
    """악의 있는 pickle이 든 .bin은 실행되지 않고 거절됩니다."""
    snapshot = snapshot_of(cache_copy)
    to_older_form(snapshot)
    witness = tmp_path / "executed"

    class Command:
        def __reduce__(self):
            return (os.system, (f"touch {witness}",))

    torch.save({"linear.weight": Command()}, snapshot / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(ModelUnavailableError):
        load_model("labse")
    assert not witness.exists()


def test_remote_code_is_not_run(cache_copy, tmp_path):
    snapshot = snapshot_of(cache_copy)
    modules = (snapshot / "modules.json").read_text(encoding="utf-8")
    assert "sentence_transformers.base.modules.dense.Dense" in modules
    modules = modules.replace("sentence_transformers.base.modules.dense.Dense", "evil.Dense")
    (snapshot / "modules.json").write_text(modules, encoding="utf-8")
    witness = tmp_path / "executed"
    (snapshot / "evil.py").write_text(f"open({str(witness)!r}, 'w').close()\n", encoding="utf-8")
    for name in ("labse", snapshot):
        with pytest.raises(ModelUnavailableError):
            load_model(name)
    assert not witness.exists()


UNKNOWN = ["없는이름", "./nowhere", "/no/such/folder", "", " ", "muse ", "MUSE", "a/b/c", "\0", "가" * 5_000, "a" * 5_000 + "/b",
           Path("nowhere"), Path("no/where"), Path("/no/such/folder"), "~/no-such-folder", "C:\\없는\\폴더"]  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN, ids=lambda name: repr(name)[:20])
def test_unknown_name_is_an_error_at_once(name):
    start = time.perf_counter()
    with pytest.raises(ModelUnavailableError, match="모릅니다.*'muse-plus', 'labse'") as caught:
        load_model(name)
    assert time.perf_counter() - start < 2 and len(str(caught.value)) < 600


@pytest.mark.parametrize("name", [None, 3, b"muse", ["muse"], {"muse"}, np.zeros(2)])
def test_a_name_of_another_type_is_an_error(name):
    with pytest.raises(InputError, match="name은"):
        load_model(name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float16"}, "bfloat16"),
        ({"dtype": None}, "bfloat16"),
        ({"dtype": torch.bfloat16}, "bfloat16"),
        ({"device": "없는장치"}, "device"),
        ({"device": "cuda:99"}, "device"),
        ({"device": object()}, "device"),
    ],
)
def test_bad_options_are_errors_before_anything_is_loaded(monkeypatch, options, message):
    monkeypatch.setattr(
        "labse_helpers.encoders.load.REGISTRY", {}
    )  # 닿으면 KeyError가 아니라 모르는 이름이 됩니다
    with pytest.raises(InputError, match=message):
        load_model("muse", **options)


def test_folder_that_is_no_model_is_an_error(tmp_path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    for name in (str(tmp_path), tmp_path, tmp_path / "config.json"):
        with pytest.raises(ModelUnavailableError, match="온전한 폴더"):
            load_model(name)


def test_a_bare_transformer_is_not_pooled_by_guess(labse, tmp_path):
    """modules.json이 없는 폴더를 라이브러리는 평균 풀링으로 엽니다. LaBSE라면 그럴듯하지만 틀린 벡터입니다."""
    labse[0].save(str(tmp_path))
    with pytest.raises(ModelUnavailableError, match=r"modules\.json"):
        load_model(tmp_path)


@pytest.mark.parametrize("convert", [str, Path, lambda path: f"{path}{os.sep}"])
def test_a_saved_folder_opens_by_any_kind_of_path(labse, tmp_path, convert):
    labse.save(tmp_path / "내 인코더")
    again = load_model(convert(tmp_path / "내 인코더"))
    np.testing.assert_array_equal(again.encode("문장"), labse.encode("문장"))
    assert again.card == labse.card


def test_a_home_relative_path_is_opened(labse, tmp_path, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    labse.save(tmp_path / "mine")
    assert load_model("~/mine").card == labse.card


def test_print_setup_states_encoder_and_versions(model, capsys):
    print_setup(model)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "인코더: mUSE v3 (512차원, 16개 언어: ar de en es fr it ja ko nl pl pt ru th tr zh zh-TW, 라이선스 Apache-2.0)"
    )
    assert f"torch {torch.__version__}" in lines[1]
    assert f"numpy {np.__version__}" in lines[1]


def test_every_registered_name_is_in_the_docstring():
    assert set(re.findall(r'- ``"([\w-]+)"``', load_model.__doc__)) == {"auto", *REGISTRY}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="GPU가 있는 기계에서만")
def test_cuda_gives_the_same_vectors(model):
    sentences = [
        "그래픽 처리 장치에서도 같은 벡터가 나옵니다.",
        "The same vectors on a GPU.",
        "긴 문장 " * 3_000,
    ]
    cuda = load_model("muse", device="cuda").encode(sentences)
    assert np.abs(cuda - model.encode(sentences)).max() < 1e-3
