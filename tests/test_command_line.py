"""명령줄: 무엇이 잘못되면 인코더를 부르기 전에 한국어로 멈추고, 어떤 콘솔에서도 결과를 잃지 않는가."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labse_helpers import load_mining_task
from labse_helpers.__main__ import DIRECTIONS, SCORINGS, main
from labse_helpers.search import margin, mining

KO = ["기차가 늦었다.", "고양이가 잔다.", "비가 온다."]
EN = ["It is raining.", "The cat is asleep.", "The train was late.", "I like tea."]
INVISIBLE = "\u200b\u3164\u00ad"


@pytest.fixture()
def run(tmp_path, monkeypatch, capsys, model):
    """같은 프로세스에서, 이미 불러온 인코더로 돌립니다. (종료 부호, 표준 출력, 오류 출력)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("labse_helpers.encoders.load.load_model", lambda *name: model)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["labse-helpers", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, *capsys.readouterr()

    return call


@pytest.fixture()
def refused(run, monkeypatch):
    """인코더를 부르기 전에 멈추어야 하는 명령을 돌려, 오류 출력을 돌려줍니다."""

    def never(*name):
        raise AssertionError("인코더를 불렀습니다")

    monkeypatch.setattr("labse_helpers.encoders.load.load_model", never)

    def call(*arguments: object, code: int = 1) -> str:
        before = snapshot()
        stopped, output, errors = run(*arguments)
        assert (stopped, output) == (code, ""), errors
        assert snapshot() == before
        assert "Traceback" not in errors
        return errors

    return call


def snapshot() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def write(path, lines: list[str], encoding: str = "utf-8") -> None:
    path.write_bytes(("\r\n".join(lines) + "\r\n\r\n").encode(encoding))


@pytest.fixture()
def files(tmp_path):
    """좋은 입력과 나쁜 입력."""
    write(tmp_path / "ko.txt", KO)
    write(tmp_path / "en.txt", EN)
    write(tmp_path / "pairs.tsv", [f"{ko}\t{en}" for ko, en in zip(KO, EN[2::-1], strict=True)])
    write(tmp_path / "table.csv", ["ko,en,note", *(f"{ko},{en},x" for ko, en in zip(KO, EN, strict=False))])
    (tmp_path / "blank.txt").write_text(" \n\n", encoding="utf-8")
    write(tmp_path / "invisible.txt", [KO[0], INVISIBLE, KO[1]])
    (tmp_path / "big5.txt").write_bytes("我們明天去圖書館看書。\n".encode("big5") * 5)
    (tmp_path / "tuned" / "model").mkdir(parents=True)
    return tmp_path


def other_names(path) -> None:
    """``path``를 가리키는 두 이름: ``link-…``와 ``hard-…``. 윈도우에서는 권한이 있어야 링크를 만들 수 있습니다."""
    os.link(path, path.with_name(f"hard-{path.name}"))
    try:
        path.with_name(f"link-{path.name}").symlink_to(path.name)
    except OSError:
        pytest.skip("링크를 만들 권한이 없습니다")


# 결과


def test_mine_writes_pairs_with_line_numbers(tmp_path, run):
    write(tmp_path / "ko.txt", ["", *KO], "cp949")  # 엑셀에서 온 파일, 빈 줄 섞임
    write(tmp_path / "en.txt", EN, "utf-16")
    code, output, errors = run("mine", "ko.txt", "en.txt", "-o", "pairs.tsv", "--k", 1)
    assert (code, output) == (0, ""), errors
    assert "ko.txt: 문장 3개" in errors and "찾은 쌍 3개" in errors
    header, *rows = (tmp_path / "pairs.tsv").read_text(encoding="utf-8").splitlines()
    assert header == "score\tsource\ttarget\tsource_line\ttarget_line"
    found = {tuple(row.split("\t")[1:]) for row in rows}
    assert found == {
        ("기차가 늦었다.", "The train was late.", "2", "3"),
        ("고양이가 잔다.", "The cat is asleep.", "3", "2"),
        ("비가 온다.", "It is raining.", "4", "1"),
    }


def test_mine_keeps_what_passes_the_threshold(tmp_path, run):
    task = load_mining_task("dev")
    write(tmp_path / "ko.txt", task.source)
    write(tmp_path / "en.txt", task.target)
    options = ("--threshold", 1.3, "--direction", "intersect")
    code, _, errors = run("mine", "ko.txt", "en.txt", "-o", "pairs.tsv", *options)
    assert code == 0 and "1.3 이상" in errors
    rows = [row.split("\t") for row in (tmp_path / "pairs.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    assert min(float(row[0]) for row in rows) >= 1.3
    right = sum((int(row[3]) - 1, int(row[4]) - 1) in task.gold for row in rows)
    assert right / len(rows) > 0.8 and right > 0.6 * len(task.gold)


def test_mine_two_columns_of_one_table(files, run):
    assert run("mine", "table.csv", "table.csv", "--columns", "ko,en", "-o", "out.csv", "--k", 1)[0] == 0
    text = (files / "out.csv").read_text(encoding="utf-8")
    assert (
        text.startswith("score,source,target,source_line,target_line\n")
        and "비가 온다.,It is raining.,4,2" in text
    )


def test_mine_a_table_against_a_text(files, run):
    code, _, errors = run("mine", "table.csv", "en.txt", "--columns", "ko,", "-o", "out.tsv", "--k", 1)
    assert code == 0, errors
    assert "비가 온다.\tIt is raining.\t4\t1" in (files / "out.tsv").read_text(encoding="utf-8")


def test_search_shows_a_repeated_sentence_once_when_asked(tmp_path, run):
    write(tmp_path / "en.txt", [EN[0], *EN, EN[0]])
    lines = {
        option: run("search", "en.txt", "비가 온다.", "--top-k", 3, *option)[1]
        for option in ((), ("--unique",))
    }
    assert [line.split("\t")[1] for line in lines[()].splitlines()] == ["1", "2", "6"]
    assert [line.split("\t")[1] for line in lines[("--unique",)].splitlines()][0] == "1"
    assert lines[("--unique",)].count("It is raining.") == 1


def test_approximate_needs_enough_sentences_before_encoding(files, run, monkeypatch, model):
    monkeypatch.setattr(type(model), "encode", lambda *a, **k: pytest.fail("인코딩을 시작했습니다"))
    code, _, errors = run("mine", "ko.txt", "en.txt", "-o", "out.tsv", "--k", 1, "--approximate")
    assert code == 1 and "50,000개 이상" in errors


def test_the_names_are_those_of_the_search_room():
    assert set(SCORINGS) == set(margin.SCORINGS) and set(DIRECTIONS) == set(mining.DIRECTIONS)


@pytest.mark.parametrize("scoring", SCORINGS)
def test_mine_knows_every_scoring(files, run, scoring):
    code, _, errors = run("mine", "ko.txt", "en.txt", "-o", "out.tsv", "--k", 1, "--scoring", scoring)
    assert code == 0, errors


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_mine_knows_every_direction(files, run, direction):
    code, _, errors = run("mine", "ko.txt", "en.txt", "-o", "out.tsv", "--k", 1, "--direction", direction)
    assert code == 0, errors


def test_search_and_encode(files, run):
    code, output, _ = run("search", "en.txt", "고양이가 자고 있어요")
    assert code == 0 and len(output.splitlines()) == 4  # 파일의 문장이 다섯보다 적습니다
    assert output.splitlines()[0].split("\t")[1:] == ["2", "The cat is asleep."]
    code, output, errors = run("encode", "en.txt", "vectors")
    assert code == 0 and output == "" and "벡터 4개" in errors
    assert np.load("vectors/embeddings.npy").shape == (4, 512)


@pytest.mark.parametrize("column", ["en", "1"])
def test_columns_by_name_and_by_number(files, run, column):
    code, output, errors = run("search", "table.csv", "비가 내려요", "--column", column, "--top-k", 1)
    assert code == 0, errors
    assert output.split("\t")[1:] == ["2", "It is raining.\n"]
    assert run("encode", "table.csv", "vectors", "--column", column)[0] == 0
    assert np.load("vectors/embeddings.npy").shape == (3, 512)


@pytest.mark.parametrize("encoding", ["cp949", "johab", "utf-16-le"])
def test_encoding_can_be_forced(tmp_path, run, encoding):
    write(tmp_path / "ko.txt", KO, encoding)
    code, output, errors = run("search", "ko.txt", "It rains.", "--encoding", encoding, "--top-k", 1)
    assert code == 0, errors
    assert output.endswith("\t3\t비가 온다.\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("search", "invisible.txt", "비"),
        ("mine", "invisible.txt", "en.txt", "-o", "out.tsv", "--k", 1),
        ("encode", "invisible.txt", "vectors"),
    ],
)
def test_bad_lines_are_skipped_when_asked(files, run, arguments):
    code, _, errors = run(*arguments)
    assert code == 1 and "invisible.txt" in errors and "2번째 줄" in errors
    code, _, errors = run(*arguments, "--skip-bad")
    assert code == 0, errors
    assert any("2" in path.read_text(encoding="utf-8") for path in files.rglob("*skipped*"))


# 거절: 인코더를 부르기 전에, 아무것도 적지 않고


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mine", "ko.txt", "missing.txt", "-o", "out.tsv"), "missing.txt"),
        (("mine", "ko.txt", "blank.txt", "-o", "out.tsv"), "blank.txt: 문장이 없습니다"),
        (("mine", "ko.txt", "invisible.txt", "-o", "out.tsv"), "2번째 줄"),
        (("mine", "ko.txt", ".", "-o", "out.tsv"), "폴더"),
        (("mine", "ko.txt", "en.txt", "-o", "out.tsv", "--k", 99), "후보는 3개뿐"),
        (("mine", "ko.txt", "en.txt", "-o", "out.tsv", "--scoring", "margin"), "ratio"),
        (("mine", "ko.txt", "en.txt", "-o", "out.tsv", "--direction", "both"), "intersect"),
        (("mine", "ko.txt", "en.txt", "-o", "out.tsv", "--encoding", "utf-99"), "utf-99"),
        (("mine", "table.csv", "table.csv", "-o", "out.tsv", "--columns", "ko,nothing"), "nothing"),
        (("mine", "table.csv", "table.csv", "-o", "out.tsv", "--columns", "ko"), "--columns"),
        (("mine", "table.csv", "en.txt", "-o", "out.tsv", "--columns", "a,b,c"), "--columns"),
        (("mine", "table.csv", "en.txt", "-o", "out.tsv", "--columns", ","), "--columns"),
        (("mine", "table.csv", "en.txt", "-o", "out.tsv", "--columns", ""), "--columns"),
        (("search", "missing.txt", "기차"), "missing.txt"),
        (("search", "blank.txt", "기차"), "문장이 없습니다"),
        (("search", "big5.txt", "기차"), "big5.txt"),
        (("search", "table.csv", "기차", "--column", 9), "table.csv"),
        (("search", "ko.txt", "기차", "--top-k", 9), "후보는 3개뿐"),
        (("search", "ko.txt", ""), "빈 문장"),
        (("search", "ko.txt", " \t"), "빈 문장"),
        (("search", "ko.txt", INVISIBLE), "빈 문장"),
        (("search", "ko.txt", "\udcc7\udcd1"), "질의"),
        (("encode", "missing.txt", "vectors"), "missing.txt"),
        (("encode", "table.csv", "vectors"), "table.csv"),
        (("encode", "table.csv", "vectors", "--column", "nothing"), "nothing"),
        (("encode", "invisible.txt", "vectors"), "2번째 줄"),
        (("train", "missing.tsv", "new"), "missing.tsv"),
        (("train", "nothing", "new"), "nothing"),
        (("train", "pairs.tsv", "new"), "나눌 수 없습니다"),
        (("train", "ko.txt", "new", "--target", "missing.txt"), "missing.txt"),
        (("train", "ko.txt", "new", "--target", "en.txt"), "en.txt"),  # 줄의 수가 다릅니다
        (("train", "table.csv", "new", "--columns", "ko"), "--columns"),
        (("train", "table.csv", "new", "--columns", "ko,"), "--columns"),
        (("train", "table.csv", "new", "--columns", "ko,nothing"), "nothing"),
    ],
)
def test_bad_input_is_refused_before_the_encoder(files, refused, arguments, message):
    assert message in refused(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mine", "ko.txt", "en.txt", "-o", "nowhere/out.tsv"), "nowhere 폴더가 없습니다"),
        (("mine", "ko.txt", "en.txt", "-o", "pairs.tsv"), "이미 있습니다"),
        (("mine", "ko.txt", "en.txt", "-o", "ko.txt/out.tsv"), "ko.txt"),
        (("mine", "ko.txt", "en.txt", "-o", "out.tsv.gz"), ".tsv나 .csv"),
        (("mine", "ko.txt", "en.txt", "-o", "out"), ".tsv나 .csv"),
        (("mine", "ko.txt", "en.txt", "-o", "\udcff.tsv"), "UTF-8"),
        (("mine", "ko.txt", "en.txt", "-o", f"{'가' * 300}.tsv"), "너무 깁니다"),
        (("encode", "ko.txt", "en.txt"), "en.txt"),
        (("encode", "ko.txt", "en.txt/vectors"), "en.txt"),
        (("encode", "ko.txt", "\udcff"), "UTF-8"),
        (("encode", "ko.txt", f"{'가' * 300}"), "너무 깁니다"),
        (("train", "course", "tuned"), "이미 있습니다"),
        (("train", "course", "ko.txt"), "ko.txt"),
        (("train", "course", "ko.txt/new"), "ko.txt"),
        (("train", "course", "\udcff"), "UTF-8"),
    ],
)
def test_bad_output_is_refused_before_the_encoder(files, refused, arguments, message):
    assert message in refused(*arguments)


def test_a_folder_without_permission_is_refused(files, refused, monkeypatch):
    def denied(*arguments, **options):  # 관리자로 돌려도 거절되게 합니다
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("labse_helpers.storage.atomic.tempfile.TemporaryFile", denied)
    for command in (
        ("mine", "ko.txt", "en.txt", "-o", "out.tsv"),
        ("encode", "ko.txt", "vectors"),
        ("encode", "ko.txt", "new/vectors"),
        ("train", "course", "new"),
    ):
        assert "권한" in refused(*command)


@pytest.mark.parametrize("again", ["ko.txt", "./ko.txt", "link-ko.txt", "hard-ko.txt"])
def test_one_file_given_twice_is_refused(files, refused, again):
    other_names(files / "ko.txt")
    assert "같은 파일" in refused("mine", "ko.txt", again, "-o", "out.tsv")
    assert "같습니다" in refused("train", "ko.txt", "new", "--target", again)


@pytest.mark.parametrize("again", ["t.tsv", "./t.tsv", "link-t.tsv", "hard-t.tsv"])
def test_an_output_that_is_an_input_is_refused_without_advice_to_delete_it(files, refused, again):
    write(files / "t.tsv", ["ko", *KO])
    other_names(files / "t.tsv")
    for inputs in (("t.tsv", "en.txt"), ("en.txt", "t.tsv")):
        errors = refused("mine", *inputs, "-o", again)
        assert "입력과 같은 파일" in errors and "지우" not in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mine", "ko.txt", "en.txt", "-o", "o.tsv", "--threshold", "nan"), "--threshold"),
        (("mine", "ko.txt", "en.txt", "-o", "o.tsv", "--threshold", "-inf"), "--threshold"),
        (("mine", "ko.txt", "en.txt", "-o", "o.tsv", "--threshold", "높음"), "--threshold"),
        (("mine", "ko.txt", "en.txt", "-o", "o.tsv", "--k", 0), "1 이상의 정수"),
        (("mine", "ko.txt", "en.txt"), "--output"),
        (("mine", "ko.txt"), "target이(가) 빠졌습니다"),
        (("search", "ko.txt", "비", "--top-k", 1.5), "1 이상의 정수"),
        (("search", "ko.txt", "비", "--top-k"), "값이 없거나"),
        (("search", "ko.txt", "비", "--topk", 1), "--top-k"),
        (("train", "course", "new", "--epochs", 1.5), "--epochs"),
        (("train", "course", "new", "--alpha", 1.1), "0 이상의 1 이하"),
        (("train", "course", "new", "--alpha", "nan"), "0 이상의 1 이하"),
        (("train", "course", "new", "--learning-rate", 0), "0보다 큰"),
        (("train", "course", "new", "--scale", "inf"), "--scale"),
        (("train", "course", "new", "--batch-size", 1), "2 이상"),
        (("train", "course", "new", "--seed", 10**400), "--seed"),
        (("serch", "ko.txt", "비"), "serch"),
    ],
)
def test_a_wrong_command_says_how_to_write_it(files, refused, arguments, message):
    errors = refused(*arguments, code=2)
    assert message in errors and "쓰는 법: labse-helpers" in errors


def test_refusals_do_not_wait_for_torch(files):
    commands = [
        ["mine", "ko.txt", "missing.txt", "-o", "out.tsv"],
        ["mine", "ko.txt", "en.txt", "-o", "pairs.tsv"],
        ["mine", "ko.txt", "en.txt", "-o", "out.tsv", "--k", "99"],
        ["mine", "ko.txt", "en.txt", "-o", "out.tsv", "--scoring", "x"],
        ["search", "ko.txt", " "],
        ["search", "invisible.txt", "비"],
        ["encode", "invisible.txt", "vectors"],
        ["train", "pairs.tsv", "new"],
        ["train", "course", "tuned"],
        ["--help"],
    ]
    script = (
        "import sys\nfrom labse_helpers.__main__ import main\n"
        f"for arguments in {commands}:\n"
        "    sys.argv = ['labse-helpers', *arguments]\n"
        "    try: main()\n"
        "    except SystemExit as stopped: assert stopped.code == (arguments != ['--help'])\n"
        "    assert 'torch' not in sys.modules, arguments\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=files,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


# 콘솔


@pytest.mark.parametrize("encoding", ["cp949", "ascii", "latin-1", "utf-8"])
def test_results_survive_any_console(tmp_path, run, monkeypatch, encoding):
    write(tmp_path / "mixed.txt", ["Café ✗ 😀", "비가 온다.", "雨が降る。"])
    console = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    errors = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", console)
    monkeypatch.setattr(sys, "stderr", errors)
    assert run("search", "mixed.txt", "비", "--top-k", 3)[0] == 0
    lines = console.buffer.getvalue().decode(encoding).splitlines()
    assert len(lines) == 3
    expected = "Café ✗ 😀".encode(encoding, "backslashreplace").decode(encoding)
    assert any(line.endswith(f"\t1\t{expected}") for line in lines)
    assert run("search", "mixed.txt", "비", "--top-k", 9)[0] == 1
    errors.flush()
    assert b"--top-k=9" in errors.buffer.getvalue()


@pytest.mark.parametrize("arguments", [["--help"], ["mine", "--help"], ["search", "없음.txt", "✗"], ["mine"]])
@pytest.mark.parametrize("encoding", ["cp949", "ascii"])
def test_messages_survive_any_console(tmp_path, arguments, encoding):
    done = subprocess.run(
        [sys.executable, "-m", "labse_helpers", *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "30"},
        capture_output=True,
        timeout=60,
    )
    text = (done.stdout + done.stderr).decode(
        "utf-8" if encoding == "ascii" else encoding
    )  # typer가 바꿉니다
    assert (
        done.returncode == {"--help": 0, "search": 1, "mine": 2 - 2 * ("--help" in arguments)}[arguments[0]]
    )
    assert "Traceback" not in text and text.strip()
    if arguments[-1] == "--help":
        assert "python -m labse_helpers" in text


def test_only_results_reach_the_standard_output(tmp_path, run, monkeypatch, model):
    write(tmp_path / "ko.txt", KO, "cp949")

    def chatty(*name):
        print("인코더를 골랐습니다.")
        return model

    monkeypatch.setattr("labse_helpers.encoders.load.load_model", chatty)
    code, output, errors = run("search", "ko.txt", "비", "--top-k", 2)
    assert code == 0 and [line.count("\t") for line in output.splitlines()] == [2, 2]
    assert "인코더를 골랐습니다." in errors and "cp949" in errors.lower()


def test_a_reader_that_left_is_not_an_error(files, run, monkeypatch):
    read, write_end = os.pipe()
    os.close(read)
    with os.fdopen(write_end, "w", encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        code, _, errors = run("search", "en.txt", "비")
    assert (code, errors) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full이 없습니다")
def test_a_full_disk_behind_the_standard_output_is_an_error(files, run, monkeypatch):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        code, _, errors = run("search", "en.txt", "비")
    assert code == 1 and "디스크가 가득 찼습니다" in errors


def test_closed_standard_streams(files, run, refused, monkeypatch, model):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        assert "표준 출력이 닫혀" in refused("search", "en.txt", "비")
    monkeypatch.setattr("labse_helpers.encoders.load.load_model", lambda *name: model)
    for stream in ("stdout", "stderr"):
        with monkeypatch.context() as patch:
            patch.setattr(sys, stream, None)
            assert run("mine", "ko.txt", "en.txt", "-o", f"{stream}.tsv", "--k", 1)[0] == 0
        assert (files / f"{stream}.tsv").stat().st_size > 100


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "이어서"),
        (OSError(errno.EIO, "Input/output error", "/weights"), 1, "/weights"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "디스크가 가득"),
        (PermissionError(errno.EACCES, "Permission denied", "/cache"), 1, "/cache"),
        (MemoryError(), 1, "메모리"),
    ],
)
def test_nothing_ends_in_a_raw_traceback(files, run, monkeypatch, error, code, message):
    def fails(*name):
        raise error

    monkeypatch.setattr("labse_helpers.encoders.load.load_model", fails)
    stopped, output, errors = run("search", "en.txt", "비")
    assert (stopped, output) == (code, "")
    assert message in errors and "Traceback" not in errors


def test_fetch_e5_says_where(run, monkeypatch):
    monkeypatch.setattr("labse_helpers.encoders.e5.fetch_e5_weights", lambda: Path("/cache/e5.bin"))
    code, output, errors = run("fetch-e5")
    assert (code, output) == (0, "") and "/cache/e5.bin" in errors
