"""온전히 적기: 어느 순간에 멈추어도 옛것 아니면 새것이 있는가, 쓸 수 없는 곳은 미리 아는가, 남긴 것은 치우는가."""

import errno
import json
import os
import pickle
import shutil
import signal
import stat
import sys
import tempfile
import time
from pathlib import Path

import pytest

from labse_helpers import InputError
from labse_helpers.errors import LabseError, OutputError
from labse_helpers.storage import atomic
from labse_helpers.storage.atomic import (
    atomic_file,
    atomic_folder,
    check_output,
    failure,
    only_writer,
    printable,
    read_json,
    recover_folder,
    write_json,
)

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX의 파일 시스템에서만 생기는 일입니다")
LONG = "가" * 100  # 300바이트


def refuse(*args, **kwargs):
    raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def write_folder(path: Path, content: str) -> None:
    with atomic_folder(path) as new:
        (new / "안.txt").write_text(content, encoding="utf-8")
        (new / "더").mkdir()
        (new / "더" / "깊이.bin").write_bytes(b"1")


@pytest.fixture()
def file(tmp_path):
    path = tmp_path / "결과.txt"
    path.write_text("옛것", encoding="utf-8")
    return path


@pytest.fixture()
def folder(tmp_path):
    write_folder(tmp_path / "색인", "옛것")
    return tmp_path / "색인"


def content(path: Path) -> str:
    return (path / "안.txt" if path.is_dir() else path).read_text(encoding="utf-8")


# ---- 적기


def test_text_is_utf8_with_the_line_ends_it_was_given(tmp_path):
    with atomic_file(tmp_path / "새 폴더" / "a.txt") as file:
        file.write("가\r\n나\n")
    assert (tmp_path / "새 폴더" / "a.txt").read_bytes() == "가\r\n나\n".encode()
    with atomic_file(tmp_path / "a.bin", "wb") as file:
        file.write(b"\x00\r\n")
    assert (tmp_path / "a.bin").read_bytes() == b"\x00\r\n"


def test_nothing_is_visible_before_the_end_and_nothing_else_remains(file, folder, tmp_path):
    with atomic_file(file) as new:
        new.write("새것")
        new.flush()
        assert content(file) == "옛것"
    with atomic_folder(folder) as new_folder:
        (new_folder / "안.txt").write_text("새것", encoding="utf-8")
        assert content(folder) == "옛것"
    assert content(file) == content(folder) == "새것"
    assert names(tmp_path) == sorted(["결과.txt", "색인"])
    assert names(folder) == ["안.txt"]


@pytest.mark.parametrize(
    "error", [ValueError("값"), KeyboardInterrupt(), SystemExit(1), OSError(errno.EIO, "입출력")]
)
@pytest.mark.parametrize("write", [atomic_file, atomic_folder])
def test_an_error_in_the_block_leaves_the_old_one(file, folder, tmp_path, write, error):
    path = file if write is atomic_file else folder
    with pytest.raises(OutputError if isinstance(error, OSError) else type(error)), write(path) as new:
        if write is atomic_file:
            new.write("새것")
        else:
            (new / "안.txt").write_text("새것", encoding="utf-8")
        raise error
    assert content(path) == "옛것"
    assert names(tmp_path) == sorted(["결과.txt", "색인"])


def test_a_korean_error_from_inside_is_passed_on_as_it_is(tmp_path):
    for error in (OutputError("우리 말"), InputError("우리 말")):
        for block in (atomic_file, atomic_folder, only_writer):
            with pytest.raises(type(error)) as caught, block(tmp_path / block.__name__):
                raise error
            assert caught.value is error
            assert error.__cause__ is None  # 스스로를 원인으로 삼으면 원인을 따라가는 코드가 끝나지 않습니다


# ---- 강제 종료


@posix
@pytest.mark.parametrize("moment", ["write", "before_rename", "between_renames", "after_renames"])
def test_killed_at_any_moment_of_a_folder(folder, moment):
    """fork한 프로세스가 그 순간에 kill -9를 맞습니다. 그 뒤의 쓰기와 읽기가 성한 것을 봅니다."""
    child = os.fork()
    if child == 0:
        die = lambda *args, **kwargs: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
        renames = []
        rename = Path.rename

        def counted(self, target):
            if moment == "before_rename" or (moment == "between_renames" and renames):
                die()
            renames.append(self)
            return rename(self, target)

        Path.rename = counted
        if moment == "after_renames":
            atomic._remove = die
        with atomic_folder(folder) as new:
            (new / "안.txt").write_text("새것", encoding="utf-8")
            if moment == "write":
                die()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert folder.exists() == (moment != "between_renames")
    recover_folder(folder)
    assert content(folder) == ("새것" if moment == "after_renames" else "옛것")
    write_folder(folder, "그다음")
    assert content(folder) == "그다음"
    assert not (folder.parent / ".색인.old").exists()


@posix
def test_killed_in_the_middle_of_a_file(file):
    child = os.fork()
    if child == 0:
        with atomic_file(file) as new:
            new.write("새" * 100_000)
            new.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert content(file) == "옛것"
    assert len(names(file.parent)) == 2


def test_leftovers_of_killed_runs_are_removed_but_not_what_is_being_written(file, folder, tmp_path):
    for path, write in ((file, lambda: write_json(file, 1)), (folder, lambda: write_folder(folder, "새것"))):
        dead, living = (tmp_path / f".{path.name}.{name}.part" for name in ("0000dead", "00living"))
        for leftover in (dead, living):
            if path.is_dir():
                leftover.mkdir()
                (leftover / "큰 파일").write_bytes(b"1")
            else:
                leftover.write_bytes(b"1")
        long_ago = time.time() - 2 * atomic.LEFTOVER_SECONDS
        os.utime(dead, (long_ago, long_ago))
        other = tmp_path / ".다른 것.0000dead.part"
        other.touch()
        os.utime(other, (long_ago, long_ago))
        write()
        assert not dead.exists()
        assert living.exists()
        assert other.exists()


def test_the_only_writer_removes_every_leftover(tmp_path):
    (tmp_path / ".checkpoint.pt.12345678.part").write_bytes(b"1")
    (tmp_path / ".model.12345678.part").mkdir()
    (tmp_path / "embeddings.npy.part").write_bytes(b"1")  # 이것은 이어서 쓸 것입니다
    with only_writer(tmp_path):
        assert names(tmp_path) == [".lock", "embeddings.npy.part"]


# ---- 자리를 바꾸지 못할 때


@pytest.mark.parametrize("failing", [1, 2])
@pytest.mark.parametrize(
    "error", [OSError(errno.EACCES, "막힘"), OSError(errno.EXDEV, "다른 장치"), KeyboardInterrupt()]
)
def test_when_a_rename_fails_the_old_folder_is_put_back(folder, monkeypatch, failing, error):
    rename, calls = Path.rename, []

    def fail(self, target):
        calls.append(self)
        if len(calls) == failing:
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else OutputError
    with pytest.raises(expected) as caught:
        write_folder(folder, "새것")
    if expected is OutputError:
        assert "전에 있던 것은 그대로" in str(caught.value)
    assert content(folder) == "옛것"
    assert names(folder.parent) == ["색인"]


def test_when_nothing_can_be_renamed_back_the_message_says_where_the_old_one_is(folder, monkeypatch):
    rename, calls = Path.rename, []

    def only_once(self, target):
        calls.append(self)
        return rename(self, target) if len(calls) == 1 else refuse()

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", only_once)
        with pytest.raises(OutputError, match=r"\.색인\.old에 있습니다"):
            write_folder(folder, "새것")
    recover_folder(folder)
    assert content(folder) == "옛것"


def test_a_first_folder_that_cannot_be_renamed_says_nothing_of_an_old_one(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError) as caught:
        write_folder(tmp_path / "색인", "새것")
    assert "전에 있던" not in str(caught.value)
    assert names(tmp_path) == []


def test_a_file_that_another_program_holds_open_keeps_its_content(file, monkeypatch):
    """Windows에서는 다른 프로그램이 연 파일로 이름을 바꿀 수 없습니다."""
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match="다른 프로그램이 열어"), atomic_file(file) as new:
        new.write("새것")
    assert content(file) == "옛것"
    assert names(file.parent) == ["결과.txt"]


def test_recovery_that_fails_is_an_output_error(folder, monkeypatch):
    folder.rename(folder.parent / ".색인.old")
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError, match="권한"):
        recover_folder(folder)


def test_a_users_file_that_only_looks_like_ours_is_not_removed(folder):
    (folder.parent / ".색인.old").write_text("내 것", encoding="utf-8")
    recover_folder(folder)
    assert (folder.parent / ".색인.old").is_file()


# ---- 디스크가 가득 찰 때


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_said_and_the_old_one_stays(file, monkeypatch, code):
    def full(new):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(atomic, "harden", full)
    with pytest.raises(OutputError, match="디스크가 가득.*공간을 비우고"):
        write_json(file, {"새것": 1})
    assert content(file) == "옛것"
    assert names(file.parent) == ["결과.txt"]


@pytest.mark.parametrize("write", [atomic_file, atomic_folder])
def test_a_limit_on_file_size_really_hits(file, folder, write):
    resource = pytest.importorskip("resource")
    path = file if write is atomic_file else folder
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OutputError, match="디스크가 가득"), write(path) as new:
            if write is atomic_file:
                new.write("새것" * 10_000)
            else:
                (new / "안.txt").write_bytes(b"1" * 20_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert content(path) == "옛것"


# ---- 심볼릭 링크, 권한


@posix
def test_a_link_stays_and_its_target_is_rewritten(file, folder, tmp_path):
    (tmp_path / "다른 곳").mkdir()
    file_link, folder_link = tmp_path / "다른 곳" / "파일", tmp_path / "다른 곳" / "폴더"
    file_link.symlink_to(file)
    folder_link.symlink_to(folder, target_is_directory=True)
    write_json(file_link, "새것")
    write_folder(folder_link, "새것")
    assert file_link.is_symlink() and folder_link.is_symlink()
    assert read_json(file) == "새것"
    assert content(folder) == "새것"
    assert names(tmp_path / "다른 곳") == sorted(["파일", "폴더"])
    dangling = tmp_path / "빈 링크"
    dangling.symlink_to(tmp_path / "아직 없음.txt")
    write_json(dangling, 1)
    assert read_json(tmp_path / "아직 없음.txt") == 1


@posix
def test_a_link_that_leads_to_itself_is_an_output_error(tmp_path):
    (tmp_path / "고리").symlink_to(tmp_path / "고리")
    for attempt in (
        lambda p: check_output(p / "a"),
        lambda p: write_json(p / "a.json", 1),
        lambda p: write_folder(p / "a", ""),
    ):
        with pytest.raises(OutputError):
            attempt(tmp_path / "고리")


@posix
def test_access_rights_are_kept_or_follow_the_umask(file, folder, tmp_path):
    file.chmod(0o600)
    folder.chmod(0o700)
    mask = os.umask(0o027)
    try:
        write_json(file, 1)
        write_folder(folder, "새것")
        write_json(tmp_path / "새 파일", 1)
        write_folder(tmp_path / "새 폴더", "새것")
    finally:
        os.umask(mask)
    modes = [
        stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("결과.txt", "색인", "새 파일", "새 폴더")
    ]
    assert modes == [0o600, 0o700, 0o640, 0o750]


@posix
def test_read_only_files_inside_a_folder_are_no_hindrance(tmp_path):
    with atomic_folder(tmp_path / "모델") as new:
        (new / "tokenizer.json").write_text("{}", encoding="utf-8")
        (new / "tokenizer.json").chmod(0o444)
    assert (tmp_path / "모델" / "tokenizer.json").exists()


# ---- 미리 보기


def test_a_good_output_is_accepted_and_untouched(file, folder, tmp_path):
    for path in (file, folder, tmp_path / "없음", tmp_path / "없는" / "폴더의" / "파일"):
        assert check_output(path) == path
        assert check_output(str(path)) == path
    assert names(tmp_path) == sorted(["결과.txt", "색인"])


def test_an_existing_output_is_refused_when_asked(file, folder, tmp_path):
    with pytest.raises(OutputError, match="이미 있습니다"):
        check_output(file, exists="refuse")
    with pytest.raises(OutputError, match="이미 있습니다"):
        check_output(folder, exists="refuse")
    if os.name != "nt":
        (tmp_path / "링크").symlink_to(tmp_path / "없는 곳")
        with pytest.raises(OutputError, match="이미 있습니다"):
            check_output(tmp_path / "링크", exists="refuse")
    assert check_output(tmp_path / "새것", exists="refuse") == tmp_path / "새것"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (LONG, "이름이 너무 깁니다"),
        (f"{LONG}/안/a.txt", "이름이 너무 깁니다"),
        ("a" * 250, "이름이 너무 깁니다"),  # 그 이름은 되지만 임시 이름이 안 됩니다
        ("결과.txt/안", "파일이 있어"),
        ("결과.txt/안/더", "파일이 있어"),
        ("이름\udcff.txt", r"이름\\xff.txt.*UTF-8이 아닌"),
        ("\ud800", "UTF-8이 아닌"),
        ("가\0나", "쓸 수 없습니다"),
    ],
)
@posix
def test_names_that_would_fail_at_the_end_are_refused_at_the_start(file, name, message):
    with pytest.raises(OutputError, match=message) as caught:
        check_output(file.parent / name)
    str(caught.value).encode("utf-8")  # 메시지는 언제나 화면에 적을 수 있습니다


@pytest.mark.parametrize("path", ["/", ""])
def test_a_path_without_a_name(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    if path == "/":
        with pytest.raises(OutputError, match="이름으로 쓸 수 없습니다"):
            check_output(path)
    else:
        assert check_output(path) == Path()  # 지금 폴더
        with pytest.raises(OutputError, match="폴더입니다"):
            write_json(path, 1)


@posix
def test_devices_and_pipes_are_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "파이프")
    for path in (tmp_path / "파이프", Path("/dev/null")):
        before = path.stat()
        for attempt in (check_output, lambda p: write_json(p, 1), lambda p: write_folder(p, "")):
            with pytest.raises(OutputError, match="장치나 파이프|폴더가 아닙니다"):
                attempt(path)
        assert path.stat().st_mode == before.st_mode


def test_a_file_is_never_replaced_by_a_folder_nor_a_folder_by_a_file(file, folder):
    with pytest.raises(OutputError, match="폴더가 아닙니다"):
        write_folder(file, "새것")
    with pytest.raises(OutputError, match="폴더입니다"):
        write_json(folder, 1)
    assert content(file) == content(folder) == "옛것"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_place_that_cannot_be_written_is_said_before_the_work(tmp_path, monkeypatch, code):
    def fail(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(atomic.tempfile, "TemporaryFile", fail)
    with pytest.raises(OutputError, match="쓸 권한이 없"):
        check_output(tmp_path / "결과")


@pytest.fixture()
def nobody(tmp_path):
    """root로 돌릴 때도 권한 없는 사용자가 되어 봅니다. root는 어디에나 쓰기 때문입니다."""
    folder = Path(tempfile.mkdtemp())  # tmp_path의 부모는 남이 볼 수 없습니다
    user = os.geteuid()
    if user == 0:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    yield folder
    os.seteuid(user)
    folder.chmod(0o700)
    shutil.rmtree(folder)


@posix
@pytest.mark.parametrize("mode", [0o500, 0o000])
@pytest.mark.parametrize("place", ["결과", "없는 폴더/결과"])
@pytest.mark.parametrize(
    "attempt", [check_output, lambda p: write_json(p, 1), lambda p: write_folder(p, ""), "writer"]
)
def test_a_place_without_permission_is_said(nobody, mode, place, attempt):
    nobody.chmod(mode)
    with pytest.raises(OutputError, match="쓸 권한이 없"):
        if attempt == "writer":
            with only_writer(nobody / place):
                pass
        else:
            attempt(nobody / place)


@posix
def test_an_old_result_in_a_read_only_folder_stays(nobody):
    write_json(nobody / "a.json", "옛것")
    write_folder(nobody / "색인", "옛것")
    nobody.chmod(0o500)
    with pytest.raises(OutputError, match="권한"):
        write_json(nobody / "a.json", "새것")
    with pytest.raises(OutputError, match="전에 있던 것은 그대로"):
        write_folder(nobody / "색인", "새것")
    recover_folder(nobody / "색인")  # 되돌릴 것이 없으면 쓸 권한이 없어도 됩니다
    assert read_json(nobody / "a.json") == content(nobody / "색인") == "옛것"


@posix
def test_names_that_are_not_utf8_can_still_be_written(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xb0\xa1.json"))
    write_json(path, 1)
    assert read_json(path) == 1
    write_folder(path.with_suffix(""), "새것")
    assert content(path.with_suffix("")) == "새것"


# ---- 한 번에 한 실행만


def test_a_second_writer_is_refused_and_a_third_may_follow(tmp_path):
    with only_writer(tmp_path / "결과"):
        with pytest.raises(OutputError, match="다른 실행이"), only_writer(tmp_path / "결과"):
            pass
        with only_writer(tmp_path / "다른 것"):
            pass
    with only_writer(tmp_path / "결과"):
        pass


@posix
def test_a_killed_writer_holds_nothing(tmp_path):
    child = os.fork()
    if child == 0:
        with only_writer(tmp_path):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    with only_writer(tmp_path):
        pass


def test_what_prevents_locking_is_said(file, tmp_path, monkeypatch):
    with pytest.raises(OutputError, match="파일이 있어"), only_writer(file):
        pass
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(OutputError, match="권한"), only_writer(tmp_path / "결과"):
            pass

    def unsupported(self):
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(atomic.FileLock, "acquire", unsupported)
    with pytest.raises(OutputError, match="잠글 수 없는 파일 시스템"), only_writer(tmp_path / "결과"):
        pass


def test_a_disk_error_while_holding_the_lock_names_the_folder_and_frees_it(tmp_path):
    for error in (OSError(errno.ENOSPC, "full"), OSError(errno.EIO, "입출력"), OSError("번호 없음")):
        with pytest.raises(OutputError, match="결과"), only_writer(tmp_path / "결과"):
            raise error
    with pytest.raises(ZeroDivisionError), only_writer(tmp_path / "결과"):
        raise ZeroDivisionError
    with only_writer(tmp_path / "결과"):
        pass


# ---- JSON, 메시지


def test_json_survives_names_that_are_not_utf8(tmp_path):
    value = {"이름": "\udcb0\udca1.txt", "짝 없는 것": "\ud800", "줄": "가\u2028나\n다", "수": [1, 0.1]}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    assert "이름" in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert read_json(tmp_path / "없음.json") is None


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"\xff\xfe{}", b'{"a": 1', b"[" * 100_000, "{'가': 1}".encode("cp949")]
)
def test_damaged_json_is_an_output_error(tmp_path, damage):
    (tmp_path / "a.json").write_bytes(damage)
    with pytest.raises(OutputError, match="깨져 있습니다.*지우고"):
        read_json(tmp_path / "a.json")


def test_json_that_is_a_folder_is_an_output_error(tmp_path):
    with pytest.raises(OutputError):
        read_json(tmp_path)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "가득"),
        (errno.ENAMETOOLONG, "너무 깁니다"),
        (errno.EEXIST, "같은 이름의 파일"),
        (errno.EACCES, "권한"),
        (errno.EIO, "적지 못했습니다"),
    ],
)
def test_every_failure_names_the_place_and_what_to_do(code, message):
    text = failure("결과.txt", OSError(code, os.strerror(code)))
    assert text.startswith("결과.txt: ")
    assert message in text
    assert "십시오" in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("한글 이름.txt", "한글 이름.txt"),
        ("줄\n바꿈\t\x1b[31m", "줄\\n바꿈\\t\\x1b[31m"),
        ("방향\u202e거꾸로", "방향\\u202e거꾸로"),
        ("\ud800", "\\ud800"),
    ],
)
def test_printable_is_one_line_that_any_utf8_screen_takes(name, expected):
    assert printable(name) == expected


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="이름이 언제나 유니코드인 파일 시스템입니다")
def test_printable_shows_the_bytes_of_a_name_that_is_not_utf8():
    assert printable(Path(os.fsdecode(b"\xb0\xa1.txt"))) == "\\xb0\\xa1.txt"


def test_an_output_error_is_ours_and_an_oserror():
    error = OutputError("말")
    assert isinstance(error, LabseError) and isinstance(error, OSError)
    assert str(pickle.loads(pickle.dumps(error))) == "말"
    assert json.dumps(str(error), ensure_ascii=False) == '"말"'
