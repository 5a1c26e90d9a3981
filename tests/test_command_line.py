"""명령줄: 진짜 프로세스로 캐고, 찾고, 인코딩합니다. 잘못되면 한국어 한 마디와 종료 부호 1."""

import os
import subprocess
import sys

import numpy as np
import pytest

from labse_helpers import load_mining_task
from labse_helpers.__main__ import main

KO = ["기차가 늦었다.", "고양이가 잔다.", "비가 온다."]
EN = ["It is raining.", "The cat is asleep.", "The train was late.", "I like tea."]


def process(*arguments: object, folder) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "labse_helpers", *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )


@pytest.fixture()
def run(tmp_path, monkeypatch, capsys, model):
    """같은 프로세스에서, 이미 불러온 인코더로 돌립니다. (종료 부호, 표준 출력, 오류 출력)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("labse_helpers.encoders.load.load_model", lambda name: model)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["labse_helpers", *map(str, arguments), "--model", "muse"])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, *capsys.readouterr()

    return call


def write(path, lines: list[str], encoding: str = "utf-8") -> None:
    path.write_bytes(("\r\n".join(lines) + "\r\n\r\n").encode(encoding))


def test_mine_writes_pairs_with_line_numbers(tmp_path):
    write(tmp_path / "ko.txt", ["", *KO], "cp949")  # 엑셀에서 온 파일, 빈 줄 섞임
    write(tmp_path / "en.txt", EN, "utf-16")
    done = process(
        "mine", "ko.txt", "en.txt", "-o", "pairs.tsv", "--k", 1, "--model", "muse", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "ko.txt: 문장 3개" in done.stderr and "찾은 쌍 3개" in done.stderr
    header, *rows = (tmp_path / "pairs.tsv").read_text(encoding="utf-8").splitlines()
    assert header == "score\tsource\ttarget\tsource_line\ttarget_line"
    found = {tuple(row.split("\t")[1:]) for row in rows}
    assert found == {
        ("기차가 늦었다.", "The train was late.", "2", "3"),
        ("고양이가 잔다.", "The cat is asleep.", "3", "2"),
        ("비가 온다.", "It is raining.", "4", "1"),
    }
    again = process("mine", "ko.txt", "en.txt", "-o", "pairs.tsv", folder=tmp_path)
    assert again.returncode == 1 and "이미 있습니다" in again.stderr
    assert len((tmp_path / "pairs.tsv").read_text(encoding="utf-8").splitlines()) == 4


def test_mine_keeps_what_passes_the_threshold(tmp_path, run):
    task = load_mining_task("dev")
    write(tmp_path / "ko.txt", task.source)
    write(tmp_path / "en.txt", task.target)
    options = ("--threshold", 1.3, "--direction", "intersection")
    code, _, errors = run("mine", "ko.txt", "en.txt", "-o", "pairs.tsv", *options)
    assert code == 0 and "1.3 이상" in errors
    rows = [row.split("\t") for row in (tmp_path / "pairs.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    assert min(float(row[0]) for row in rows) >= 1.3
    right = sum((int(row[3]) - 1, int(row[4]) - 1) in task.gold for row in rows)
    assert right / len(rows) > 0.8 and right > 0.6 * len(task.gold)


def test_search_and_encode(tmp_path, run):
    (tmp_path / "en.txt").write_text("\n".join(EN) + "\n", encoding="utf-8")
    code, output, _ = run("search", "en.txt", "고양이가 자고 있어요")
    assert code == 0 and len(output.splitlines()) == 4  # 파일의 문장이 다섯보다 적습니다
    assert output.splitlines()[0].split("\t")[1:] == ["2", "The cat is asleep."]
    assert run("encode", "en.txt", "vectors")[0] == 0
    assert np.load(tmp_path / "vectors" / "embeddings.npy").shape == (4, 512)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mine", "ko.txt", "missing.txt", "-o", "out.tsv"), "missing.txt: 파일을 열 수 없습니다"),
        (("mine", "ko.txt", "blank.txt", "-o", "out.tsv"), "blank.txt: 문장이 없습니다"),
        (("mine", "ko.txt", "ko.txt", "-o", "nowhere/out.tsv"), "nowhere 폴더가 없습니다"),
        (("mine", "ko.txt", "ko.txt", "-o", "out.tsv", "--k", 99), "후보는 3개뿐"),
        (("mine", "ko.txt", "ko.txt", "-o", "out.tsv", "--scoring", "cosine", "--k", 1), "ratio"),
        (("search", "ko.txt", "기차", "--top-k", 9), "후보는 3개뿐"),
        (("search", "ko.txt", " "), "빈 문장"),
        (("encode", "table.tsv", "vectors"), "column"),
    ],
)
def test_errors_are_one_korean_sentence(tmp_path, run, arguments, message):
    write(tmp_path / "ko.txt", KO)
    (tmp_path / "blank.txt").write_text(" \n\n", encoding="utf-8")
    (tmp_path / "table.tsv").write_text("가\t나\n", encoding="utf-8")
    code, output, errors = run(*arguments)
    assert code == 1 and output == ""
    assert message in errors
    assert not (tmp_path / "out.tsv").exists()
