"""명령의 사슬: 마이닝한 것으로 학습하고, 학습한 인코더로 마이닝한 것에서 찾는다. 그리고 학습한 것은 잃지 않는다."""

import errno
import gzip
import json
import sys

import pandas as pd
import pytest
from safetensors import SafetensorError

from labse_helpers import load_corpus
from labse_helpers.__main__ import main
from labse_helpers.encoders import load
from labse_helpers.training import fine_tune

COURSE = [
    pair
    for pair in load_corpus("course")[:70]
    if pair.ko == pair.ko.encode("cp949", "ignore").decode("cp949")
]
QUICK = ("--epochs", 1, "--batch-size", 16, "--model", "muse")


@pytest.fixture()
def run(tmp_path, monkeypatch, capsys):
    """같은 프로세스에서 돌립니다. (종료 부호, 표준 출력, 오류 출력)."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["labse-helpers", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, *capsys.readouterr()

    return call


@pytest.fixture()
def steps(monkeypatch) -> list[int]:
    """학습한 스텝마다 하나씩 늘어납니다."""
    taken, loss = [], fine_tune.in_batch_negatives_loss

    def counting(*arguments, **options):
        taken.append(len(taken))
        return loss(*arguments, **options)

    monkeypatch.setattr(fine_tune, "in_batch_negatives_loss", counting)
    return taken


@pytest.fixture()
def pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{pair.ko}\t{pair.en}\n" for pair in COURSE), encoding="utf-8")
    return path


def write_text(path, sentences: list[str]) -> None:
    """이름이 말하는 모습으로 적습니다: 글, gzip, 엑셀이 적은 CP949 CSV."""
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress("\n".join(sentences).encode()))
    elif path.suffix == ".csv":
        pd.DataFrame({"번호": range(len(sentences)), "문장": sentences}).to_csv(
            path, index=False, encoding="cp949"
        )
    else:
        path.write_text("\n".join(sentences) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("ko", "en", "mined", "options"),
    [
        ("ko.txt", "en.txt", "mined.tsv", ()),
        ("ko.txt", "en.txt.gz", "mined.csv", ()),
        ("ko.csv", "en.txt", "mined.tsv", ("--columns", "문장,")),
        ("ko.csv", "en.csv", "mined.CSV", ("--columns", "문장,1")),
    ],
)
def test_mine_train_search(tmp_path, run, ko, en, mined, options):
    quoted = ['그는 "괜찮아"라고 말하고, 웃었다.', "NA", '"인용"']
    write_text(tmp_path / ko, [pair.ko for pair in COURSE] + quoted)
    write_text(
        tmp_path / en, [pair.en for pair in COURSE][::-1] + ['He said "I\'m fine," and smiled.', "null"]
    )
    code, output, errors = run("mine", ko, en, "-o", mined, *options, "--model", "muse")
    assert (code, output) == (0, ""), errors

    separator = "," if mined.lower().endswith(".csv") else "\t"
    table = pd.read_csv(tmp_path / mined, sep=separator, keep_default_na=False)
    assert list(table) == ["score", "source", "target", "source_line", "target_line"]
    assert table["score"].is_monotonic_decreasing and table["score"].dtype == float
    found = dict(zip(table["source"], table["target"], strict=True))
    assert found[quoted[0]] == 'He said "I\'m fine," and smiled.'
    assert sum(found.get(pair.ko) == pair.en for pair in COURSE) > 50

    code, output, errors = run("train", mined, "tuned", *QUICK)
    assert (code, output) == (0, ""), errors
    report = json.loads((tmp_path / "tuned" / "model" / "training.json").read_text(encoding="utf-8"))
    assert report["pairs"] == [mined] and report["n_train"] + report["n_evaluated"] == len(table)
    assert len(report["losses"]) == -(-report["n_train"] // 16) and 0 <= report["after"]["en_to_ko"] <= 1

    for side, query, answer in (
        ("target", COURSE[3].ko, COURSE[3].en),
        ("source", COURSE[5].en, COURSE[5].ko),
    ):
        code, output, errors = run(
            "search", mined, query, "--column", side, "--top-k", 1, "--model", "tuned/model"
        )
        assert code == 0, errors
        line = 2 + list(table[side]).index(answer)  # 헤더가 1번째 줄
        assert output.split("\t")[1:] == [str(line), answer + "\n"]


@pytest.mark.parametrize("name", ["out.tsv", "out.csv"])
def test_pandas_reads_what_mine_writes(tmp_path, run, monkeypatch, name):
    """따옴표, 쉼표, 줄의 첫 글자가 특별한 문장도 pandas의 기본값으로 같게 읽힙니다."""
    source = [
        '"',
        '""',
        'a"b',
        '"a" b',
        "가, 나",
        "'가",
        "#가",
        " 앞뒤 공백 ",
        "=1+1",
        "\\n",
        "가\u2028나",
        '😀,"',
        "1e5,",
        "\ufeff나",
    ]
    (tmp_path / "a.txt").write_text("\n".join(source), encoding="utf-8")
    (tmp_path / "b.txt").write_text("\n".join(f"{text}!" for text in reversed(source)), encoding="utf-8")
    code, _, errors = run("mine", "a.txt", "b.txt", "-o", name, "--k", 1, "--direction", "forward")
    assert code == 0, errors
    table = pd.read_csv(tmp_path / name, sep="," if name.endswith("csv") else "\t")
    from labse_helpers.checks import clean

    assert sorted(table["source"]) == sorted(map(clean, source))
    assert [source[line - 1] for line in table["source_line"]] == [
        text for cleaned in table["source"] for text in source if clean(text) == cleaned
    ]


def test_our_reader_keeps_what_pandas_takes_for_missing(tmp_path, run):
    words = ["NA", "null", "nan", "None", "1", "2.50"]
    (tmp_path / "a.txt").write_text("\n".join(words), encoding="utf-8")
    (tmp_path / "b.txt").write_text("\n".join(words), encoding="utf-8")
    assert run("mine", "a.txt", "b.txt", "-o", "out.csv", "--k", 1)[0] == 0
    for word in words:
        code, output, errors = run("search", "out.csv", word, "--column", "source", "--top-k", 1)
        assert code == 0 and output.endswith(f"\t{word}\n"), errors
    kept = pd.read_csv(tmp_path / "out.csv", keep_default_na=False, dtype=str)
    assert set(kept["source"]) == set(words)


def test_two_parallel_files(tmp_path, run):
    (tmp_path / "ko.txt").write_text("\n".join(pair.ko for pair in COURSE), encoding="cp949")
    (tmp_path / "en.txt").write_text("\r\n".join(pair.en for pair in COURSE) + "\r\n", encoding="utf-8")
    code, _, errors = run("train", "ko.txt", "tuned", "--target", "en.txt", *QUICK)
    assert code == 0, errors
    report = json.loads((tmp_path / "tuned" / "model" / "training.json").read_text(encoding="utf-8"))
    assert report["pairs"] == ["ko.txt", "en.txt"] and report["n_train"] + report["n_evaluated"] == len(
        COURSE
    )


def fail_on_call(monkeypatch, number: int, error: BaseException) -> list[str]:
    """``number``번째로 저장할 때 ``error``가 나게 합니다. 부른 폴더들을 돌려줍니다."""
    saved, save = [], load.Encoder.save

    def failing(self, path, *arguments, **options):
        saved.append(path)
        if len(saved) == number:
            raise error
        save(self, path, *arguments, **options)

    monkeypatch.setattr(load.Encoder, "save", failing)
    return saved


FULL = OSError(errno.ENOSPC, "No space left on device")
NO_SPACE = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FULL, "디스크가 가득"),
        (NO_SPACE, "저장하지 못했습니다"),
        (PermissionError(errno.EACCES, "Permission denied"), "권한"),
        (RuntimeError("[enforce fail at inline_container.cc:672]"), "저장하지 못했습니다"),
    ],
)
def test_an_encoder_that_cannot_be_saved_is_not_trained(
    tmp_path, run, pairs, steps, monkeypatch, error, message
):
    fail_on_call(monkeypatch, 1, error)
    code, _, errors = run("train", pairs.name, "tuned", *QUICK)
    assert code == 1 and message in errors and "Traceback" not in errors
    assert steps == [] and list((tmp_path / "tuned").iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code"), [(FULL, 1), (NO_SPACE, 1), (MemoryError(), 1), (KeyboardInterrupt(), 130)]
)
def test_a_failed_save_does_not_lose_the_training(tmp_path, run, pairs, steps, monkeypatch, error, code):
    command = ("train", pairs.name, "tuned", *QUICK)
    with monkeypatch.context() as patch:
        fail_on_call(patch, 2, error)
        assert run(*command)[0] == code
    trained = len(steps)
    assert trained > 0 and not (tmp_path / "tuned" / "model").exists()
    assert (tmp_path / "tuned" / fine_tune.CHECKPOINT).exists()
    code, _, errors = run(*command)
    assert code == 0, errors
    assert len(steps) == trained  # 다시 학습하지 않았습니다
    assert not (tmp_path / "tuned" / fine_tune.CHECKPOINT).exists()
    report = json.loads((tmp_path / "tuned" / "model" / "training.json").read_text(encoding="utf-8"))
    assert len(report["losses"]) == trained
    code, _, errors = run(*command)
    assert code == 1 and "이미 있습니다" in errors


def test_an_interrupted_training_goes_on(tmp_path, run, pairs, steps, monkeypatch):
    command = ("train", pairs.name, "tuned", *QUICK, "--save-every", 1)
    with monkeypatch.context() as patch:
        loss = fine_tune.in_batch_negatives_loss

        def interrupted(*arguments, **options):
            if len(steps) == 2:
                raise KeyboardInterrupt
            return loss(*arguments, **options)

        patch.setattr(fine_tune, "in_batch_negatives_loss", interrupted)
        code, _, errors = run(*command)
    assert code == 130 and "이어서" in errors and len(steps) == 2
    assert run(*command)[0] == 0
    report = json.loads((tmp_path / "tuned" / "model" / "training.json").read_text(encoding="utf-8"))
    assert len(steps) == len(report["losses"]) > 2
