"""encode_file: 무엇을 겪어도 끝난 결과는 바이트까지 같은가, 잘못된 것은 어디라고 말하는가.

파일을 어떻게 읽는지는 tests/tables가 봅니다. 여기서는 읽은 문장을 벡터로 쌓고, 멈추고, 잇는 일을 봅니다.
"""

import errno
import gzip
import io
import json
import os
import random
import signal
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from fake_encoder import FakeEncoder

from labse_helpers import CorpusError, InputError, encode_file
from labse_helpers.errors import OutputError
from labse_helpers.storage import atomic
from labse_helpers.storage import encode_file as module

N = 500
CHUNK = 20
RESULTS = ("embeddings.npy", "manifest.json")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="이 운영 체제에는 fork가 없습니다")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(module, "CHUNK_SENTENCES", CHUNK)


@pytest.fixture()
def text(tmp_path):
    path = tmp_path / "sentences.txt"
    path.write_text("".join(f"{i}번째 문장입니다.\n" for i in range(N)), encoding="utf-8")
    return path


@pytest.fixture()
def whole(text, tmp_path):
    """한 번에 한 결과가 든 폴더."""
    run(text, tmp_path / "whole")
    return tmp_path / "whole"


def run(path, out, model=None, **kwargs):
    return encode_file(path, out, model or FakeEncoder(), show_progress_bar=False, **kwargs)


def stop_after(out, n_chunks, path, error=KeyboardInterrupt, **kwargs):
    """청크 n개를 굳힌 뒤, 다음 청크를 인코딩하다가 멈춥니다."""
    model = FakeEncoder()
    encode, calls = model.encode, 0

    def encode_then_stop(inputs, **kwargs):
        nonlocal calls
        if len(inputs) == module.CHUNK_SENTENCES:
            calls += 1
            if calls > n_chunks:
                raise error
        return encode(inputs, **kwargs)

    model.encode = encode_then_stop
    with pytest.raises(error):
        run(path, out, model, **kwargs)


def same_bytes(first: Path, second: Path) -> bool:
    return all((first / name).read_bytes() == (second / name).read_bytes() for name in RESULTS)


def files(out: Path) -> list[str]:
    return sorted(p.name for p in out.iterdir() if p.name != ".lock")


# ---- 제대로 된 입력


def test_rows_are_the_sentences_in_order(text, tmp_path):
    embeddings = run(text, tmp_path / "out")
    assert isinstance(embeddings, np.memmap)
    assert embeddings.dtype == np.float32
    assert np.array_equal(embeddings, FakeEncoder().encode(text.read_text(encoding="utf-8").splitlines()))
    assert files(tmp_path / "out") == sorted(RESULTS)
    assert np.array_equal(np.load(tmp_path / "out" / "embeddings.npy"), embeddings)


def test_writing_into_the_result_does_not_change_the_file(whole):
    before = (whole / "embeddings.npy").read_bytes()
    embeddings = run(whole.parent / "sentences.txt", whole)
    embeddings[:] = 0
    embeddings.flush()
    assert (whole / "embeddings.npy").read_bytes() == before


def test_the_real_encoder_gives_what_encode_gives_and_resumes(model, course, tmp_path):
    """진짜 인코더로도, 두 번 멈추었다 이은 결과가 한 번에 한 것과 바이트까지 같습니다."""
    path = tmp_path / "ko.txt"
    path.write_text("\n".join(course.ko[:90]) + "\n", encoding="utf-8")
    embeddings = encode_file(path, tmp_path / "whole", model, show_progress_bar=False)
    assert embeddings == pytest.approx(model.encode(course.ko[:90]), abs=1e-5)

    class Stops:
        """``model``과 같되 다섯째 청크를 마치지 못하는 인코더."""

        card, get_embedding_dimension = model.card, model.get_embedding_dimension
        product_dtype, max_seq_length = model.product_dtype, model.max_seq_length
        calls = 0

        def encode(self, inputs, **kwargs):
            self.calls += len(inputs) > 3  # 신원을 보는 문장은 셋입니다
            if self.calls > 2:
                raise KeyboardInterrupt
            return model.encode(inputs, **kwargs)

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            encode_file(path, tmp_path / "out", Stops(), show_progress_bar=False)
    assert json.loads((tmp_path / "out" / "progress.json").read_text(encoding="utf-8"))["rows"] == 4 * CHUNK
    encode_file(path, tmp_path / "out", model, show_progress_bar=False)
    assert same_bytes(tmp_path / "whole", tmp_path / "out")


def test_every_kind_of_file_means_what_it_means_elsewhere(tmp_path):
    rows = [("하나", "one, two"), ("둘", 'say "two"'), ("셋", "three")]
    expected = {
        "ko": FakeEncoder().encode([ko for ko, _ in rows]),
        "en": FakeEncoder().encode([en for _, en in rows]),
    }
    (tmp_path / "a.txt").write_text("\n".join(ko for ko, _ in rows), encoding="utf-8")
    (tmp_path / "a.csv").write_text('ko,en\n하나,"one, two"\n둘,"say ""two"""\n셋,three\n', encoding="utf-8")
    (tmp_path / "a.tsv").write_text(
        "ko\ten\n" + "".join(f"{ko}\t{en}\n" for ko, en in rows), encoding="utf-8"
    )
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    assert np.array_equal(run(tmp_path / "a.txt", tmp_path / "text"), expected["ko"])
    for name in ("a.csv", "a.tsv", "a.csv.gz"):
        for column, position in (("ko", 0), ("en", 1)):
            by_name = run(tmp_path / name, tmp_path / f"{name}-{column}", column=column)
            by_number = run(tmp_path / name, tmp_path / f"{name}-{position}", column=position)
            assert np.array_equal(by_name, expected[column])
            assert np.array_equal(by_number, expected[column])


def test_a_forced_encoding(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("하나\n둘\n".encode("johab"))
    assert np.array_equal(run(path, tmp_path / "out", encoding="johab"), FakeEncoder().encode(["하나", "둘"]))


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [((20, 8_000_000), [20, 20, 5]), ((10, 8_000_000), [10] * 4 + [5]), ((100, 60), [7, 7, 7, 7, 7, 7, 3])],
)
def test_chunks_end_at_a_number_of_sentences_or_of_characters(tmp_path, monkeypatch, settings, sizes):
    """긴 문장이 이어져도 한 번에 메모리에 드는 글자의 수가 정해져 있습니다."""
    monkeypatch.setattr(module, "CHUNK_SENTENCES", settings[0])
    monkeypatch.setattr(module, "CHUNK_CHARACTERS", settings[1])
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{i:02}번 문장입니다\n" for i in range(45)), encoding="utf-8")  # 9글자씩
    seen = []

    class Counts(FakeEncoder):
        def encode(self, inputs, **kwargs):
            seen.append(len(inputs))
            return super().encode(inputs, **kwargs)

    run(path, tmp_path / "out", Counts())
    assert seen[1:] == sizes  # 처음 것은 신원입니다


def test_finished_work_is_not_done_again(text, tmp_path):
    run(text, tmp_path / "out")
    before = (tmp_path / "out" / "embeddings.npy").stat().st_mtime_ns
    never = FakeEncoder()
    encode = never.encode
    never.encode = lambda inputs, **kwargs: encode(inputs) if len(inputs) == 3 else pytest.fail("다시 합니다")
    run(text, tmp_path / "out", never)
    assert (tmp_path / "out" / "embeddings.npy").stat().st_mtime_ns == before


# ---- 잘못된 입력: 일을 시작하기 전에


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "문장이 없습니다"),
        ("하나\n\n셋\n".encode(), "2번째 줄|2:"),
        ("하나\n   \t\n둘\n".encode(), "2번째 줄|2:"),
        ("하나\n둘\n\u200b\u3164\n".encode(), "3번째 줄|3:"),
        ("하나\n둘\n".encode() + b"\xff\xff\xff\n", "a.txt"),
    ],
)
def test_bad_lines_are_named_before_any_work(tmp_path, content, message):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=message):
        run(path, tmp_path / "out")
    assert not (tmp_path / "out" / "embeddings.npy.part").exists()


def test_missing_files_and_folders_are_named(tmp_path):
    for path in (tmp_path / "없음.txt", tmp_path):
        with pytest.raises(CorpusError, match=path.name):
            run(path, tmp_path / "out")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="FIFO가 없습니다")
def test_what_can_be_read_only_once_is_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo.txt")
    reading, writing = os.pipe()
    try:
        for path in (tmp_path / "fifo.txt", Path(f"/dev/fd/{reading}"), Path("-"), Path("/dev/zero")):
            with pytest.raises((CorpusError, InputError)):
                run(path, tmp_path / "out")
    finally:
        os.close(reading)
        os.close(writing)


def test_a_sentence_that_only_the_encoder_refuses_is_named_and_the_rest_is_kept(text, tmp_path):
    class Picky(FakeEncoder):
        def encode(self, inputs, **kwargs):
            if any("123번째" in sentence for sentence in ([inputs] if isinstance(inputs, str) else inputs)):
                raise InputError("토큰이 없습니다.")
            return super().encode(inputs, **kwargs)

    with pytest.raises(CorpusError, match="124번째 줄: 토큰이 없습니다.*이어서"):
        run(text, tmp_path / "out", Picky())
    saved = json.loads((tmp_path / "out" / "progress.json").read_text(encoding="utf-8"))
    assert saved["rows"] == 120


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_not_numbers_are_not_written(text, tmp_path, value):
    class Broken(FakeEncoder):
        def encode(self, inputs, **kwargs):
            vectors = super().encode(inputs, **kwargs)
            if len(inputs) == CHUNK:
                vectors[3, 1] = value
            return vectors

    with pytest.raises(InputError, match="4번째 줄의 벡터에 NaN"):
        run(text, tmp_path / "out", Broken())


def test_an_encoder_that_lies_about_its_dimension_is_noticed_at_once(text, tmp_path):
    model = FakeEncoder()
    model.get_embedding_dimension = lambda: 16
    with pytest.raises(InputError, match=r"\(20, 16\).*\(20, 8\)"):
        run(text, tmp_path / "out", model)


def test_on_error_has_two_words(text, tmp_path):
    with pytest.raises(InputError, match="on_error.*raise, skip"):
        run(text, tmp_path / "out", on_error="ignore")


# ---- 건너뛰기


def test_skipped_lines_leave_a_map_from_rows_to_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_SENTENCES", 2)
    path = tmp_path / "a.txt"
    path.write_text("하나\n\n셋\n\u200b\n다섯\n여섯\n", encoding="utf-8")
    embeddings = run(path, tmp_path / "out", on_error="skip")
    lines = np.load(tmp_path / "out" / "lines.npy")
    assert np.array_equal(embeddings, FakeEncoder().encode(["하나", "셋", "다섯", "여섯"]))
    assert lines.dtype == np.int64
    assert lines.tolist() == [1, 3, 5, 6]
    assert files(tmp_path / "out") == sorted([*RESULTS, "lines.npy"])


def test_the_map_follows_the_file_of_the_last_run(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("하나\n둘\n", encoding="utf-8")
    run(path, tmp_path / "out", on_error="skip")
    path.write_text("\n하나\n\n\n둘\n", encoding="utf-8")  # 문장은 그대로이고 빈 줄만 늘었습니다
    run(path, tmp_path / "out", on_error="skip")
    assert np.load(tmp_path / "out" / "lines.npy").tolist() == [2, 5]
    path.write_text("하나\n둘\n", encoding="utf-8")
    run(path, tmp_path / "out")  # 행마다 줄이 있으니 필요 없고, 옛것이 남아 있으면 틀립니다
    assert not (tmp_path / "out" / "lines.npy").exists()


def test_interrupted_skipping_run_resumes_to_the_same_bytes(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{i}번째 문장\n" + "\n" * (i % 3 == 0) for i in range(100)), encoding="utf-8")
    run(path, tmp_path / "whole", on_error="skip")
    stop_after(tmp_path / "out", 3, path, on_error="skip")
    run(path, tmp_path / "out", on_error="skip")
    assert same_bytes(tmp_path / "whole", tmp_path / "out")
    lines = [(tmp_path / name / "lines.npy").read_bytes() for name in ("whole", "out")]
    assert lines[0] == lines[1]


# ---- 멈춤과 이음


@pytest.mark.parametrize("n_chunks", [0, 1, 7, 24])
def test_interrupted_run_resumes_to_the_same_bytes(text, whole, tmp_path, n_chunks):
    stop_after(tmp_path / "out", n_chunks, text)
    assert not (tmp_path / "out" / "embeddings.npy").exists()
    run(text, tmp_path / "out")
    assert same_bytes(whole, tmp_path / "out")


def test_half_written_tail_is_dropped(text, whole, tmp_path):
    for tail in (b"\x7f" * 37, b"\x7f" * 4 * 8 * CHUNK):
        stop_after(tmp_path / f"out{len(tail)}", 3, text)
        with (tmp_path / f"out{len(tail)}" / "embeddings.npy.part").open("ab") as file:
            file.write(tail)
        run(text, tmp_path / f"out{len(tail)}")
        assert same_bytes(whole, tmp_path / f"out{len(tail)}")


@pytest.mark.parametrize("step", ["_header", "write_json", "_finish", "replace", "unlink"])
def test_interrupted_while_finishing(text, whole, tmp_path, monkeypatch, step):
    """벡터를 다 쌓은 뒤의 순간마다: 머리를 적기 전, 명세를 적기 전, 마무리 전, 이름을 바꾸기 전, 진행의 기록을 지우기 전."""

    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if step == "write_json":
            write_json = module.write_json
            patch.setattr(
                module,
                "write_json",
                lambda path, x: stop() if path.name == "manifest.json" else write_json(path, x),
            )
        elif step in ("replace", "unlink"):
            original = getattr(Path, step)
            last = {"replace": "embeddings.npy.part", "unlink": "progress.json"}[step]
            patch.setattr(Path, step, lambda p, *a, **k: stop() if p.name == last else original(p, *a, **k))
        else:
            patch.setattr(module, step, stop)
        with pytest.raises(KeyboardInterrupt):
            run(text, tmp_path / "out")
    run(text, tmp_path / "out")
    assert same_bytes(whole, tmp_path / "out")
    assert files(tmp_path / "out") == sorted(RESULTS)


@needs_fork
def test_killed_at_random_moments_many_times(text, whole, tmp_path):
    """진짜 kill -9를 무작위 순간에 거듭해도, 이어 간 결과는 방해받지 않은 것과 바이트까지 같습니다."""
    rng = random.Random(0)
    kills = 0
    for trial in range(8):
        out = tmp_path / f"out{trial}"
        for attempt in range(1, 100):
            child = os.fork()
            if child == 0:
                try:
                    encode_file(text, out, FakeEncoder(delay=0.003), show_progress_bar=False)
                finally:
                    os._exit(sys.exc_info()[0] is not None)
            time.sleep(rng.uniform(0.005, 0.1 * attempt))  # 느린 기계에서도 언젠가는 끝납니다
            os.kill(child, signal.SIGKILL)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            kills += code == -signal.SIGKILL
            if code != -signal.SIGKILL:
                break
        assert code == 0
        assert same_bytes(whole, out)
    assert kills >= 8


# ---- 달라진 것을 알아봄


def test_changed_input_is_detected(text, tmp_path):
    stop_after(tmp_path / "out", 3, text)
    content = text.read_text(encoding="utf-8")
    text.write_text(content.replace("5번째", "다섯째", 1), encoding="utf-8")
    with pytest.raises(InputError, match="앞부분.*그때와 다릅니다"):
        run(text, tmp_path / "out")
    text.write_text(content, encoding="utf-8")
    run(text, tmp_path / "out")
    for changed in (content + "한 줄 더\n", content.replace("499번째", "마지막")):
        text.write_text(changed, encoding="utf-8")
        with pytest.raises(InputError, match="결과가 이미 있는데"):
            run(text, tmp_path / "out")


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[:1],  # 짧아졌습니다
        lambda lines: [lines[1], lines[0], *lines[2:]],  # 두 줄이 자리를 바꾸었습니다
        lambda lines: [lines[0] + lines[1], *lines[2:]],  # 두 줄이 붙었습니다
        lambda lines: ["끼어든 줄", *lines],
        lambda lines: [lines[0][:-1], lines[0][-1] + lines[1], *lines[2:]],  # 이어 붙이면 같습니다
    ],
)
def test_sentences_that_moved_are_detected(text, tmp_path, change):
    stop_after(tmp_path / "out", 10, text)
    lines = text.read_text(encoding="utf-8").splitlines()
    text.write_text("\n".join(change(lines)) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="그때와 다릅니다"):
        run(text, tmp_path / "out")


def test_the_same_sentences_in_another_dress_are_the_same(text, whole, tmp_path):
    """줄바꿈, BOM, 압축이 달라도 문장이 같으면 이어서 합니다."""
    stop_after(tmp_path / "out", 3, text)
    content = text.read_text(encoding="utf-8")
    text.write_bytes(("\ufeff" + content.replace("\n", "\r\n")).encode())
    run(text, tmp_path / "out")
    assert (tmp_path / "out" / "embeddings.npy").read_bytes() == (whole / "embeddings.npy").read_bytes()


def test_later_lines_may_be_corrected_or_added_without_losing_work(text, tmp_path):
    content = text.read_text(encoding="utf-8")
    text.write_text(content.replace("400번째 문장입니다.", " "), encoding="utf-8")
    with pytest.raises(CorpusError, match="401"):
        run(text, tmp_path / "out")
    text.write_text(content, encoding="utf-8")
    stop_after(tmp_path / "out", 10, text)
    text.write_text(content.replace("400번째", "고친") + "덧붙인 문장\n", encoding="utf-8")
    seen = []
    model = FakeEncoder()
    encode = model.encode
    model.encode = lambda inputs, **kwargs: (seen.extend(inputs), encode(inputs, **kwargs))[1]
    embeddings = run(text, tmp_path / "out", model)
    assert not any("199번째" in sentence for sentence in seen)  # 앞의 청크 열 개는 다시 하지 않습니다
    assert np.array_equal(embeddings[400], FakeEncoder().encode("고친 문장입니다."))
    assert np.array_equal(embeddings[500], FakeEncoder().encode("덧붙인 문장"))


@pytest.mark.parametrize("n", [CHUNK, CHUNK + 5])
def test_a_last_line_that_grew_while_finishing(tmp_path, monkeypatch, n):
    """찬 청크의 끝 줄이 자라면 알아보고, 덜 찬 청크는 다시 하므로 자란 줄의 벡터가 됩니다."""
    path = tmp_path / "a.txt"
    path.write_text("\n".join(f"문장 {i}" for i in range(n)), encoding="utf-8")  # 끝에 줄바꿈이 없습니다
    with monkeypatch.context() as patch:
        patch.setattr(module, "_header", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(path, tmp_path / "out")
    with path.open("a", encoding="utf-8") as file:
        file.write(" 그리고 더\n")
    if n == CHUNK:
        with pytest.raises(InputError, match="그때와 다릅니다"):
            run(path, tmp_path / "out")
    else:
        assert np.array_equal(
            run(path, tmp_path / "out")[-1], FakeEncoder().encode(f"문장 {n - 1} 그리고 더")
        )


class Rounded(FakeEncoder):
    product_dtype = "torch.bfloat16"


class Short(FakeEncoder):
    max_seq_length = 64


class Long(FakeEncoder):
    def encode(self, inputs, **kwargs):
        return 3 * super().encode(inputs, **kwargs)


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    ("other", "message"),
    [
        (FakeEncoder(8, "다른"), "벡터가 서로 다릅니다"),
        (FakeEncoder(16), "차원이 8"),
        (Rounded(), "자료형이 float32.*bfloat16"),
        (Short(), "최대 길이가 None.*64"),
        (Long(), "길이가 다릅니다"),
    ],
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
    path.write_text("ko\ten\n하나\tone\n둘\ttwo\n", encoding="utf-8")
    run(path, tmp_path / "out", column="ko")
    run(path, tmp_path / "out", column=0)  # 같은 열을 달리 불렀습니다
    with pytest.raises(InputError, match="내용이나 열이 다릅니다"):
        run(path, tmp_path / "out", column="en")


@pytest.mark.parametrize("name", ["progress.json", "embeddings.npy.part"])
@pytest.mark.parametrize("damage", ["truncate", "remove"])
def test_damaged_work_in_progress_is_never_used(text, whole, tmp_path, name, damage):
    stop_after(tmp_path / "out", 3, text)
    path = tmp_path / "out" / name
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:100])
    if name == "progress.json" and damage == "remove":  # 진행의 기록이 없으면 처음부터 합니다
        run(text, tmp_path / "out")
        assert same_bytes(whole, tmp_path / "out")
        return
    with pytest.raises(OutputError, match="깨져 있습니다|잘려 있습니다"):
        run(text, tmp_path / "out")


@pytest.mark.parametrize("name", ["progress.json", "manifest.json"])
@pytest.mark.parametrize(
    "change",
    [
        lambda saved: [],
        lambda saved: {},
        lambda saved: {**saved, "rows": "40"},
        lambda saved: {**saved, "rows": -20},
        lambda saved: {**saved, "sha256": None},
        lambda saved: {**saved, "encoder": None},
        lambda saved: {**saved, "encoder": {}},
        lambda saved: {**saved, "encoder": {**saved["encoder"], "probes": "벡터"}},
        lambda saved: {**saved, "encoder": {**saved["encoder"], "probes": [[1.0], [2.0], [3.0]]}},
        lambda saved: {**saved, "encoder": {k: v for k, v in saved["encoder"].items() if k != "dtype"}},
    ],
)
def test_records_that_are_not_ours_are_named(text, tmp_path, name, change):
    if name == "manifest.json":
        run(text, tmp_path / "out")
    else:
        stop_after(tmp_path / "out", 3, text)
    path = tmp_path / "out" / name
    path.write_text(json.dumps(change(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")
    with pytest.raises(OutputError, match="깨졌|깨져 있습니다|잘려"):
        run(text, tmp_path / "out")


@pytest.mark.parametrize(
    "damage", [lambda x: x[:100], lambda x: b"", lambda x: b"\0" * len(x), lambda x: x + b"\0", None]
)
def test_a_damaged_result_is_never_used(text, tmp_path, damage):
    run(text, tmp_path / "out")
    path = tmp_path / "out" / "embeddings.npy"
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(OutputError, match="명세와 다릅니다"):
        run(text, tmp_path / "out")


@pytest.mark.parametrize("name", ["embeddings.npy", "lines.npy", "manifest.json"])
def test_a_users_own_file_of_that_name_is_not_overwritten(text, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text('"내 것"', encoding="utf-8")
    with pytest.raises(OutputError, match="다른 폴더를"):
        run(text, tmp_path / "out")
    assert (tmp_path / "out" / name).read_text(encoding="utf-8") == '"내 것"'


def test_an_input_that_changes_under_the_run_is_noticed(text, tmp_path):
    class Meddler(FakeEncoder):
        def encode(self, inputs, **kwargs):
            if len(inputs) == CHUNK:
                text.write_text("딴것\n" * 600, encoding="utf-8")
            return super().encode(inputs, **kwargs)

    with pytest.raises((InputError, CorpusError)):
        run(text, tmp_path / "out", Meddler(), on_error="skip")


# ---- 출력 폴더와 이름


@pytest.mark.skipif(
    os.name == "nt" or sys.platform == "darwin", reason="이름이 언제나 유니코드인 파일 시스템입니다"
)
def test_names_that_are_not_utf8(text, tmp_path, capfd):
    """입력의 이름은 무엇이든 되고, 출력의 이름은 일을 시작하기 전에 거절합니다."""
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xb0\xa1.txt"))
    strange.write_bytes(text.read_bytes())
    encode_file(strange, tmp_path / "out", FakeEncoder())  # 진행 막대까지
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["input"]["name"] == "\\xb0\\xa1.txt"
    never = FakeEncoder()
    never.encode = lambda *args, **kwargs: pytest.fail("먼저 거절해야 합니다")
    with pytest.raises(OutputError, match=r"\\xb0\\xa1.*UTF-8"):
        run(text, strange.with_suffix(""), never)


@pytest.mark.parametrize("name", ["sentences.txt", "sentences.txt/안", "가" * 100])
def test_outputs_that_cannot_be_are_refused_before_any_work(text, tmp_path, name):
    never = FakeEncoder()
    never.encode = lambda *args, **kwargs: pytest.fail("먼저 거절해야 합니다")
    with pytest.raises(OutputError, match="파일이 있어|이름이 너무 깁니다"):
        run(text, tmp_path / name, never)


def test_a_second_run_on_the_same_output_refuses(text, tmp_path):
    class Meddler(FakeEncoder):
        def encode(self, inputs, **kwargs):
            if len(inputs) == CHUNK:
                with pytest.raises(OutputError, match="다른 실행이"):
                    run(text, tmp_path / "out")
            return super().encode(inputs, **kwargs)

    assert run(text, tmp_path / "out", Meddler()).shape == (N, 8)


def test_of_two_runs_at_once_one_wins_and_the_result_is_whole(text, whole, tmp_path):
    refused = []

    def attempt():
        try:
            run(text, tmp_path / "out", FakeEncoder(delay=0.002))
        except OutputError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=attempt) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("다른 실행이" in message for message in refused)
    assert len(refused) <= 2
    assert same_bytes(whole, tmp_path / "out")


# ---- 디스크


def test_too_small_a_disk_is_said_beforehand(text, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1_000})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OutputError, match="디스크에 0.0 GB뿐"):
        run(text, tmp_path / "out")
    assert not (tmp_path / "out" / "embeddings.npy.part").exists()


def test_a_disk_that_fills_up_midway_loses_nothing(text, whole, tmp_path):
    """파일 크기의 한도로 진짜 쓰기 오류를 냅니다."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
    try:
        with pytest.raises(OutputError, match="디스크가 가득.*140줄 다음부터 이어서"):
            run(text, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    run(text, tmp_path / "out")
    assert same_bytes(whole, tmp_path / "out")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("place", ["vectors", "progress"])
def test_write_errors_are_said_and_resumable(text, whole, tmp_path, monkeypatch, code, place):
    target = module if place == "vectors" else atomic
    harden, calls = target.harden, []

    def fail(file):
        calls.append(file)
        if len(calls) == 5:
            raise OSError(code, os.strerror(code))
        harden(file)

    with monkeypatch.context() as patch:
        patch.setattr(target, "harden", fail)
        with pytest.raises(OutputError, match=r"(디스크가 가득|적지 못했습니다).*80줄 다음부터 이어서"):
            run(text, tmp_path / "out")
    run(text, tmp_path / "out")
    assert same_bytes(whole, tmp_path / "out")


# ---- 화면과 메모리


def test_the_progress_bar_shows_amount_rate_and_time_left(text, tmp_path, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    encode_file(text, tmp_path / "out", FakeEncoder())
    assert "인코딩: 100%" in screen.getvalue()
    assert "500/500" in screen.getvalue()
    assert "문장/s" in screen.getvalue()


def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch):
    """줄이 5배여도 메모리는 그대로입니다. 큰 파일은 benchmarks/files.py에서 잽니다."""
    monkeypatch.setattr(module, "CHUNK_SENTENCES", 500)
    vectors = np.ones((500, 64), dtype=np.float32)

    class Constant(FakeEncoder):
        def encode(self, inputs, **kwargs):
            return vectors[: len(inputs)]

    peaks = []
    for n in (2_000, 4_000, 20_000):  # 첫 번째는 예열입니다
        path = tmp_path / f"{n}.txt"
        path.write_text("".join(f"{i}번째 문장\n" for i in range(n)), encoding="utf-8")
        tracemalloc.start()
        run(path, tmp_path / f"out{n}", Constant(64), on_error="skip")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 0.1 * (20_000 - 4_000) * 64 * 4  # 늘어난 벡터의 10분의 1도 안 됩니다
