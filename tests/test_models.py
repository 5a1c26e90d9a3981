"""load_model: 무엇을 고르는가, LaBSE를 진짜 적재 코드로 여는가, 안 될 때 무엇이라 말하는가."""

import os
import shutil
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch
from tiny_labse import DIM, REPO_FOLDER, to_older_form

from labse_helpers import ModelUnavailableError, load_model, print_setup

FIND = "from labse_helpers import load_model, labse_is_cached; "


def run_python(code: str, cache, **environment) -> subprocess.CompletedProcess:
    """허브 캐시와 네트워크 상태를 정한 새 프로세스에서 코드를 실행합니다(허브 설정은 import 때 읽힙니다)."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("HF_", "LABSE_"))},
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_OFFLINE": "1",
        "PYTHONIOENCODING": "utf-8",
        **environment,
    }
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment, capture_output=True, text=True,
        encoding="utf-8", timeout=100,
    )  # fmt: skip


@pytest.fixture()
def cache_copy(tiny_labse_cache, tmp_path):
    shutil.copytree(tiny_labse_cache, tmp_path / "hub", symlinks=True)
    return tmp_path / "hub"


def snapshot_of(cache):
    return next((cache / REPO_FOLDER / "snapshots").iterdir())


def test_labse_loads_by_name_offline(tiny_labse_cache):
    result = run_python(
        f"""
        {FIND}
        import numpy as np
        assert labse_is_cached()
        model = load_model("labse")
        print([type(module).__name__ for module in model], model.card)
        tensor = model.encode(["안녕하세요", "Hello"], convert_to_tensor=True, normalize_embeddings=True)
        print(tuple(tensor.shape), tensor.norm(dim=1).tolist() == [1.0] * 2 or float(tensor.norm(dim=1).sum()))
        """,
        tiny_labse_cache,
    )
    assert result.returncode == 0, result.stderr
    assert "['Transformer', 'Pooling', 'Dense', 'Normalize'] LaBSE" in result.stdout
    assert f"(2, {DIM})" in result.stdout


def test_labse_vector_is_cls_dense_tanh_normalized(tiny_labse_cache):
    """허브의 사본에서 연 LaBSE가 정말로 [CLS] → Dense(tanh) → L2 정규화를 하는지 손으로 확인합니다."""
    result = run_python(
        f"""
        {FIND}
        import torch
        model = load_model("labse", device="cpu")
        features = model.preprocess(["문장 하나"])
        with torch.inference_mode():
            hidden = model[0].auto_model(**{{k: v for k, v in features.items() if torch.is_tensor(v)}})
            cls = hidden.last_hidden_state[:, 0]
            by_hand = torch.nn.functional.normalize(torch.tanh(model[2].linear(cls)), dim=1)[0]
        print(float((by_hand - model.encode("문장 하나", convert_to_tensor=True)).abs().max()) < 1e-6)
        """,
        tiny_labse_cache,
    )
    assert result.stdout.strip() == "True", result.stderr


def test_older_form_of_the_hub_copy_loads_too(cache_copy, tiny_labse_cache):
    to_older_form(snapshot_of(cache_copy))
    code = f"{FIND} print(labse_is_cached(), load_model('labse').encode('같은 문장')[:4].round(4).tolist())"
    older, newer = run_python(code, cache_copy), run_python(code, tiny_labse_cache)
    assert older.returncode == 0, older.stderr
    assert older.stdout == newer.stdout


def test_auto_prefers_cached_labse(tiny_labse_cache, tmp_path):
    code = f"{FIND} print(load_model().card.name)"
    assert run_python(code, tiny_labse_cache).stdout.splitlines()[-1] == "LaBSE"
    assert run_python(code, tmp_path / "empty").stdout.splitlines()[-1] == "mUSE v3"
    forced = run_python(code, tiny_labse_cache, LABSE_MODEL="muse").stdout.splitlines()
    assert forced[-1] == "mUSE v3"
    assert len(forced) == 2  # 안내 한 줄과 우리가 출력한 한 줄
    assert "load_model('labse')" in forced[0]


@pytest.mark.parametrize("missing", ["model.safetensors", "modules.json"])
def test_half_a_download_is_not_a_model(cache_copy, missing):
    """받다 만 캐시: 허브 클라이언트는 다 받은 파일만 snapshot에 둡니다."""
    (snapshot_of(cache_copy) / missing).unlink()
    blobs = cache_copy / REPO_FOLDER / "blobs"
    blobs.mkdir()
    (blobs / "abc.incomplete").write_bytes(b"half")
    result = run_python(f"{FIND} print(labse_is_cached(), load_model().card.name)", cache_copy)
    assert result.stdout.splitlines()[-1] == "False mUSE v3", result.stderr
    result = run_python(f"{FIND} load_model('labse')", cache_copy)
    assert "ModelUnavailableError: LaBSE(1.9 GB)" in result.stderr


def test_not_cached_and_no_network_is_a_short_quick_error(tmp_path):
    code = """
    from labse_helpers import load_model, ModelUnavailableError
    import time
    start = time.time()
    try:
        load_model("labse")
    except ModelUnavailableError as error:
        print(error)
        print(time.time() - start < 15)
    """
    unreachable = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}
    for environment in ({}, unreachable):
        result = run_python(code, tmp_path, **environment)
        assert result.stdout.splitlines()[-1] == "True", result.stdout + result.stderr
        for phrase in ("1.9 GB", "make labse", "load_model('muse')"):
            assert phrase in result.stdout


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [("1_Pooling/config.json", '"cls"', '"mean"'), ("2_Dense/config.json", "Tanh", "ReLU")],
)
def test_wrong_pooling_or_activation_is_refused(cache_copy, file, right, wrong):
    """모양이 같아 눈치채기 어려운 잘못: 평균 풀링, tanh 없는 Dense."""
    path = snapshot_of(cache_copy) / file
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    result = run_python(f"{FIND} load_model('labse')", cache_copy)
    assert "ModelUnavailableError: LaBSE의 모듈은" in result.stderr
    assert wrong.strip('"') in result.stderr


def test_weights_with_a_pickled_command_are_refused(cache_copy, tmp_path):
    """악의 있는 pickle이 든 .bin은 실행되지 않고 거절됩니다."""
    snapshot = snapshot_of(cache_copy)
    to_older_form(snapshot)
    witness = tmp_path / "executed"

    class Command:
        def __reduce__(self):
            return (os.system, (f"touch {witness}",))

    torch.save({"linear.weight": Command()}, snapshot / "2_Dense" / "pytorch_model.bin")
    result = run_python(f"{FIND} load_model('labse')", cache_copy)
    assert "ModelUnavailableError" in result.stderr
    assert not witness.exists()


def test_remote_code_is_not_run(cache_copy, tmp_path):
    snapshot = snapshot_of(cache_copy)
    modules = (snapshot / "modules.json").read_text(encoding="utf-8")
    (snapshot / "modules.json").write_text(
        modules.replace("sentence_transformers.base.modules.dense.Dense", "evil.Dense"), encoding="utf-8"
    )
    assert "evil.Dense" in (snapshot / "modules.json").read_text(encoding="utf-8")
    witness = tmp_path / "executed"
    (snapshot / "evil.py").write_text(f"open({str(witness)!r}, 'w').close()\n", encoding="utf-8")
    result = run_python(f"{FIND} load_model('labse')", cache_copy)
    assert "ModelUnavailableError" in result.stderr
    assert not witness.exists()


@pytest.mark.parametrize("name", ["없는이름", "./nowhere", "/no/such/folder", ""])
def test_unknown_name_is_an_error_at_once(name):
    start = time.perf_counter()
    with pytest.raises(ModelUnavailableError, match="모릅니다|불러오지 못했습니다"):
        load_model(name)
    assert time.perf_counter() - start < 5


def test_folder_that_is_no_model_is_an_error(tmp_path):
    with pytest.raises(ModelUnavailableError, match="온전한 폴더"):
        load_model(str(tmp_path))


def test_print_setup_states_encoder_and_versions(model, capsys):
    print_setup(model)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("인코더: mUSE v3 (512차원, 16개 언어")
    assert "Apache-2.0" in lines[0]
    assert f"torch {torch.__version__}" in lines[1]
    assert f"numpy {np.__version__}" in lines[1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="GPU가 있는 기계에서만")
def test_cuda_gives_the_same_vectors(model):
    sentences = ["그래픽 처리 장치에서도 같은 벡터가 나옵니다.", "The same vectors on a GPU."]
    cuda = load_model("muse", device="cuda").encode(sentences)
    assert np.abs(cuda - model.encode(sentences)).max() < 1e-3
