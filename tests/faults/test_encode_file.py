"""encode_file: 무엇을 겪어도 끝난 결과는 바이트까지 같은가, 잘못된 것은 어디라고 말하는가."""

import errno
import io
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest
from fake_encoder import FakeEncoder

from labse_helpers import CorpusError, InputError, encode_file
from labse_helpers.storage import encode_file as files_module

N = 500


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(files_module, "CHUNK_LINES", 20)


@pytest.fixture()
def text(tmp_path):
    path = tmp_path / "sentences.txt"
    path.write_text("".join(f"{i}번째 문장입니다.\n" for i in range(N)), encoding="utf-8")
    return path


def run(path, out, model=None, **kwargs):
    return encode_file(path, out, model or FakeEncoder(), show_progress_bar=False, **kwargs)


def stop_after(out, n_chunks, path, error=KeyboardInterrupt):
    """덩어리 n개를 굳힌 뒤에 멈춥니다."""
    model = FakeEncoder()
    encode, calls = model.encode, 0

    def encode_then_stop(inputs, **kwargs):
        nonlocal calls
        if len(inputs) == files_module.CHUNK_LINES:
            calls += 1
            if calls > n_chunks:
                raise error
        return encode(inputs, **kwargs)

    model.encode = encode_then_stop
    with pytest.raises(error):
        run(path, out, model)


# ---- 제대로 된 입력


def test_rows_are_the_lines_in_order(text, tmp_path):
    embeddings = run(text, tmp_path / "out")
    lines = text.read_text(encoding="utf-8").splitlines()
    assert isinstance(embeddings, np.memmap)
    assert embeddings.dtype == np.float32
    assert np.array_equal(embeddings, FakeEncoder().encode(lines))
    assert sorted(p.name for p in (tmp_path / "out").iterdir() if p.name != ".lock") == [
        "embeddings.npy",
        "manifest.json",
    ]


def test_the_real_encoder_gives_what_encode_gives(model, course, tmp_path):
    path = tmp_path / "ko.txt"
    path.write_text("\n".join(course.ko[:20]) + "\n", encoding="utf-8")
    assert np.array_equal(encode_file(path, tmp_path / "out", model), model.encode(course.ko[:20]))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("end", [True, False])
def test_line_ends_and_byte_order_marks_do_not_matter(tmp_path, newline, bom, end):
    path = tmp_path / "a.txt"
    path.write_bytes((bom + newline.join(["하나", "둘", "셋"]) + (newline if end else "")).encode())
    assert np.array_equal(run(path, tmp_path / "out"), FakeEncoder().encode(["하나", "둘", "셋"]))


@pytest.mark.parametrize("column", ["ko", 1])
def test_a_column_of_a_tsv(tmp_path, column):
    path = tmp_path / "a.tsv"
    rows = ["1\t하나\tone\n", "2\t둘\ttwo\n"]
    path.write_text("".join((["id\tko\ten\n"] if column == "ko" else []) + rows), encoding="utf-8")
    assert np.array_equal(run(path, tmp_path / "out", column=column), FakeEncoder().encode(["하나", "둘"]))


def test_finished_work_is_not_done_again(text, tmp_path):
    run(text, tmp_path / "out")
    before = (tmp_path / "out" / "embeddings.npy").stat().st_mtime_ns
    run(text, tmp_path / "out")
    assert (tmp_path / "out" / "embeddings.npy").stat().st_mtime_ns == before


# ---- 잘못된 입력: 무엇이 어디서 잘못되었는지


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "문장이 없습니다"),
        ("하나\n\n셋\n".encode(), "2번째 줄.*빈 문장"),
        ("하나\n   \t\n".encode(), "2번째 줄.*빈 문장"),
        ("하나\n둘\n".encode() + "한글".encode("cp949") + b"\n", "3번째 줄이 UTF-8이 아닙니다.*CP949"),
        ("하나\n".encode() + b"\xff\xfe\x00\n", "2번째 줄이 UTF-8이 아닙니다"),
        ("하나\n둘".encode("utf-16"), "1번째 줄이 UTF-8이 아닙니다"),
        ("하나\n".encode() + "둘".encode()[:-1], "2번째 줄이 UTF-8이 아닙니다"),
    ],
)
def test_bad_lines_are_named_before_any_work(tmp_path, content, message):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=message):
        run(path, tmp_path / "out")
    assert not (tmp_path / "out" / "embeddings.npy.part").exists()


def test_every_bad_line_up_to_ten_is_listed(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("문장\n\n" * 20, encoding="utf-8")
    with pytest.raises(CorpusError) as caught:
        run(path, tmp_path / "out")
    assert str(caught.value).count("빈 문장") == 10


@pytest.mark.parametrize(
    ("content", "column", "message"),
    [
        ("id\tko\n1\t하나\n", None, "어느 열"),
        ("id\tko\n1\t하나\n", "en", "'en' 열이 없습니다.*id, ko"),
        ("id\tko\n1\t하나\n2\n", "ko", "3번째 줄에 열이 1개뿐"),
        ("1\t하나\n", 5, "1번째 줄에 열이 2개뿐"),
        ("id\tko\n1\t\n", "ko", "2번째 줄.*빈 문장"),
        ("id\tko\n", "ko", "문장이 없습니다"),
    ],
)
def test_bad_tables_are_named(tmp_path, content, column, message):
    path = tmp_path / "a.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match=message):
        run(path, tmp_path / "out", column=column)


def test_missing_file_and_folder_are_named(tmp_path):
    for path in (tmp_path / "없음.txt", tmp_path):
        with pytest.raises(CorpusError, match="열 수 없습니다"):
            run(path, tmp_path / "out")


def test_line_that_only_the_tokenizer_finds_empty_is_named(model, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("하나\n둘\n\u200b\n넷\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="3번째 줄.*빈 문장.*다시 실행하면"):
        encode_file(path, tmp_path / "out", model, show_progress_bar=False)


# ---- 멈춤과 이음


@pytest.mark.parametrize("n_chunks", [0, 1, 7, 24])
def test_interrupted_run_resumes_to_the_same_bytes(text, tmp_path, n_chunks):
    run(text, tmp_path / "whole")
    stop_after(tmp_path / "out", n_chunks, text)
    assert not (tmp_path / "out" / "embeddings.npy").exists()
    run(text, tmp_path / "out")
    for name in ("embeddings.npy", "manifest.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_half_written_tail_is_dropped(text, tmp_path):
    run(text, tmp_path / "whole")
    stop_after(tmp_path / "out", 3, text)
    with (tmp_path / "out" / "embeddings.npy.part").open("ab") as file:
        file.write(b"\x7f" * 37)
    run(text, tmp_path / "out")
    assert (tmp_path / "out" / "embeddings.npy").read_bytes() == (
        tmp_path / "whole" / "embeddings.npy"
    ).read_bytes()


@pytest.mark.parametrize("step", ["header", "manifest", "rename"])
def test_interrupted_while_finishing(text, tmp_path, monkeypatch, step):
    run(text, tmp_path / "whole")
    targets = {"header": (files_module, "_header"), "manifest": (files_module, "_is_finished")}
    with monkeypatch.context() as patch:
        if step == "rename":
            patch.setattr("pathlib.Path.rename", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
        else:
            module, name = targets[step]
            original, calls = getattr(module, name), []

            def stop(*args):
                calls.append(args)
                if step == "header" or len(calls) == 2:
                    raise KeyboardInterrupt
                return original(*args)

            patch.setattr(module, name, stop)
        with pytest.raises(KeyboardInterrupt):
            run(text, tmp_path / "out")
    run(text, tmp_path / "out")
    for name in ("embeddings.npy", "manifest.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def _encode_slowly(path, out):
    encode_file(path, out, FakeEncoder(delay=0.004), show_progress_bar=False)


def test_killed_at_random_moments_many_times(text, tmp_path):
    """kill -9를 무작위 순간에 거듭해도, 이어 간 결과는 방해받지 않은 것과 바이트까지 같습니다."""
    run(text, tmp_path / "whole")
    rng = random.Random(0)
    fork = multiprocessing.get_context("fork")
    kills = 0
    for trial in range(15):
        out = tmp_path / f"out{trial}"
        for attempt in range(1, 100):
            child = fork.Process(target=_encode_slowly, args=(text, out))
            child.start()
            child.join(rng.uniform(0.01, 0.1 * attempt))  # 느린 기계에서도 언젠가는 끝납니다
            if not child.is_alive():
                break
            os.kill(child.pid, signal.SIGKILL)
            child.join()
            kills += 1
        assert child.exitcode == 0
        run(text, out)
        for name in ("embeddings.npy", "manifest.json"):
            assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert kills >= 15


def test_real_run_killed_and_resumed(model, course, tmp_path):
    """진짜 인코더, 진짜 프로세스, 진짜 kill -9."""
    path = tmp_path / "ko.txt"
    path.write_text("\n".join(course.ko) + "\n", encoding="utf-8")
    code = (
        "import labse_helpers.storage.encode_file as f; f.CHUNK_LINES = 100; from labse_helpers import load_model; "
        f"f.encode_file({str(path)!r}, {str(tmp_path / 'out')!r}, load_model('muse', 'cpu'), show_progress_bar=False)"
    )
    child = subprocess.Popen([sys.executable, "-c", code])
    progress = tmp_path / "out" / "progress.json"
    while child.poll() is None and not progress.exists():
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert progress.exists()
    subprocess.run([sys.executable, "-c", code], check=True)
    subprocess.run(
        [sys.executable, "-c", code.replace("'out'", "'whole'").replace("/out'", "/whole'")], check=True
    )
    assert (tmp_path / "out" / "embeddings.npy").read_bytes() == (
        tmp_path / "whole" / "embeddings.npy"
    ).read_bytes()
    assert np.load(tmp_path / "out" / "embeddings.npy") == pytest.approx(model.encode(course.ko), abs=1e-5)


# ---- 달라진 것을 알아봄


def test_changed_input_is_detected(text, tmp_path):
    stop_after(tmp_path / "out", 3, text)
    content = text.read_text(encoding="utf-8")
    text.write_text(content.replace("5번째", "다섯째", 1), encoding="utf-8")
    with pytest.raises(InputError, match="앞부분.*그때와 다릅니다"):
        run(text, tmp_path / "out")
    text.write_text(content, encoding="utf-8")
    run(text, tmp_path / "out")
    text.write_text(content + "한 줄 더\n", encoding="utf-8")
    with pytest.raises(InputError, match="결과가 이미 있는데"):
        run(text, tmp_path / "out")


def test_shortened_input_is_detected(text, tmp_path):
    stop_after(tmp_path / "out", 10, text)
    text.write_text("하나\n", encoding="utf-8")
    with pytest.raises(InputError, match="그때와 다릅니다"):
        run(text, tmp_path / "out")


def test_later_lines_may_be_corrected_without_losing_work(text, tmp_path):
    content = text.read_bytes()
    text.write_bytes(content.replace("400번째".encode(), b"\xff"))
    stop_before = tmp_path / "out"
    with pytest.raises(CorpusError, match="401번째 줄이 UTF-8이 아닙니다"):
        run(text, stop_before)
    text.write_bytes(content)
    stop_after(stop_before, 10, text)
    text.write_bytes(content.replace("400번째".encode(), "고친".encode()))
    embeddings = run(text, stop_before)
    assert np.array_equal(embeddings[400], FakeEncoder().encode("고친 문장입니다."))


def test_last_line_that_grew_is_detected(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\n".join(f"문장 {i}" for i in range(20)), encoding="utf-8")  # 끝에 줄바꿈이 없습니다
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files_module, "_header", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(path, tmp_path / "out")
    with path.open("a", encoding="utf-8") as file:
        file.write(" 그리고 더\n")
    with pytest.raises(InputError, match="그때와 다릅니다"):
        run(path, tmp_path / "out")


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    ("other", "message"), [(FakeEncoder(8, "다른"), "벡터가 서로 다릅니다"), (FakeEncoder(16), "차원이 8")]
)
def test_another_encoder_is_detected(text, tmp_path, finished, other, message):
    if finished:
        run(text, tmp_path / "out")
    else:
        stop_after(tmp_path / "out", 3, text)
    with pytest.raises(InputError, match=message):
        run(text, tmp_path / "out", other)


def test_another_column_is_detected(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("하나\tone\n둘\ttwo\n", encoding="utf-8")
    run(path, tmp_path / "out", column=0)
    with pytest.raises(InputError, match="내용이나 열이 다릅니다"):
        run(path, tmp_path / "out", column=1)


@pytest.mark.parametrize("name", ["progress.json", "embeddings.npy.part"])
@pytest.mark.parametrize("damage", ["truncate", "remove"])
def test_damaged_work_in_progress_is_never_used(text, tmp_path, name, damage):
    run(text, tmp_path / "whole")
    stop_after(tmp_path / "out", 3, text)
    path = tmp_path / "out" / name
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:100])
    if name == "progress.json" and damage == "remove":  # 진행의 기록이 없으면 처음부터 합니다
        run(text, tmp_path / "out")
        whole = (tmp_path / "whole" / "embeddings.npy").read_bytes()
        assert (tmp_path / "out" / "embeddings.npy").read_bytes() == whole
        return
    with pytest.raises(InputError, match="깨져 있습니다|잘려 있습니다"):
        run(text, tmp_path / "out")


@pytest.mark.parametrize("name", ["manifest.json", "embeddings.npy"])
def test_damaged_result_is_never_used(text, tmp_path, name):
    run(text, tmp_path / "out")
    path = tmp_path / "out" / name
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="깨져 있습니다|크기가 명세와 다릅니다"):
        run(text, tmp_path / "out")


# ---- 기계의 사정


def test_second_run_on_the_same_output_refuses(text, tmp_path):
    class Meddler(FakeEncoder):
        def encode(self, inputs, **kwargs):
            if len(inputs) == files_module.CHUNK_LINES:
                with pytest.raises(InputError, match="다른 실행이"):
                    run(text, tmp_path / "out")
            return super().encode(inputs, **kwargs)

    assert run(text, tmp_path / "out", Meddler()).shape == (N, 8)


def test_full_disk_is_said_beforehand(text, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1_000})
    monkeypatch.setattr(files_module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InputError, match="디스크에 0.0 GB뿐"):
        run(text, tmp_path / "out")


def test_disk_that_fills_up_midway_loses_nothing(text, tmp_path):
    """파일 크기의 한도로 진짜 쓰기 오류를 냅니다."""
    run(text, tmp_path / "whole")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
    try:
        with pytest.raises(InputError, match="디스크가 가득.*이어서"):
            run(text, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "out" / "progress.json").exists()
    run(text, tmp_path / "out")
    assert (tmp_path / "out" / "embeddings.npy").read_bytes() == (
        tmp_path / "whole" / "embeddings.npy"
    ).read_bytes()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_write_errors_are_said_and_resumable(text, tmp_path, monkeypatch, code):
    calls = []

    def fail(file):
        calls.append(file)
        if len(calls) == 5:
            raise OSError(code, os.strerror(code))
        file.flush()

    with monkeypatch.context() as patch:
        patch.setattr(files_module, "_harden", fail)
        with pytest.raises(InputError, match="디스크가 가득|쓸 수 없습니다"):
            run(text, tmp_path / "out")
    assert run(text, tmp_path / "out").shape == (N, 8)


def test_output_that_is_a_file_is_an_error(text, tmp_path):
    (tmp_path / "out").write_text("나는 파일입니다", encoding="utf-8")
    with pytest.raises(InputError, match="쓸 수 없습니다"):
        run(text, tmp_path / "out")


def test_progress_bar_shows_amount_rate_and_time_left(text, tmp_path, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    encode_file(text, tmp_path / "out", FakeEncoder())
    assert "인코딩: 100%" in screen.getvalue()
    assert "B/s" in screen.getvalue()


def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch):
    """줄이 20배여도 (덩어리 하나를 넘는) 메모리는 그대로입니다. 큰 파일은 benchmarks/files.py에서 잽니다."""
    monkeypatch.setattr(files_module, "CHUNK_LINES", 500)
    peaks = []
    for n in (20_000, 20_000, 100_000):  # 첫 번째는 예열입니다
        path = tmp_path / f"{n}.txt"
        path.write_text("".join(f"{i}번째 문장\n" for i in range(n)), encoding="utf-8")
        tracemalloc.start()
        run(path, tmp_path / f"out{n}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 0.1 * (100_000 - 20_000) * 8 * 4  # 늘어난 벡터의 10분의 1도 안 됩니다
