"""온전히 적기: 옆에 다 적은 뒤 이름을 바꾸고, 한 번에 한 실행만 쓰게 합니다. 이 패키지의 모든 쓰기가 여기를 지납니다.

언제 멈추어도(강제 종료, 디스크 부족) 그 이름에는 옛것 아니면 새것이 온전히 있습니다. 강제로 종료되어 남은 ``.이름.….part``는 다음번에
쓸 때 지웁니다. 경로가 심볼릭 링크면 링크는 그대로 두고 가리키는 곳에 씁니다.
"""

import errno
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal

from filelock import FileLock, Timeout

from ..errors import OutputError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LEFTOVER_SECONDS = 3600  # 이만큼 아무도 손대지 않은 임시 파일은 강제로 종료된 실행이 남긴 것입니다


def check_output(path: str | Path, exists: Literal["replace", "refuse"] = "replace") -> Path:
    """결과를 둘 경로가 쓸 수 있는 것인지, 오래 걸리는 일을 시작하기 전에 봅니다.

    Args:
        path: 적을 파일이나 폴더. 부모 폴더는 없어도 됩니다(쓸 때 만듭니다).
        exists: 이미 있을 때 ``"replace"``면 바꾸거나 이어 써도 되고, ``"refuse"``면 오류입니다.

    Returns:
        ``path``를 그대로.

    Raises:
        OutputError: 이름을 UTF-8로 적을 수 없거나, 너무 길거나, 부모가 폴더가 아니거나, 쓸 권한이 없거나, 이미 있거나,
            파일도 폴더도 아닌 것(장치, 파이프)일 때.
    """
    path = Path(path)
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise OutputError(
            f"{printable(path)}: 이름에 UTF-8이 아닌 글자가 있습니다. 다른 이름을 주십시오."
        ) from error
    if exists == "refuse" and os.path.lexists(path):
        raise OutputError(f"{printable(path)}이(가) 이미 있습니다. 지우거나 다른 이름을 주십시오.")
    target = _real(path)
    with _reported(path):
        with suppress(FileNotFoundError):
            _temporary(target).lstat()  # 임시 이름이 더 길므로, 그것이 되면 결과의 이름도 됩니다
        _refuse_special(target, path)
        folder = target
        while not folder.is_dir() and folder != folder.parent:
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder):
            pass
    return path


@contextmanager
def atomic_file(path: str | Path, mode: Literal["w", "wb"] = "w") -> Iterator[IO[Any]]:
    """``path``를 새로 적습니다. 블록이 끝나야 이름을 얻고, 도중에 오류가 나면 옛 파일이 그대로입니다.

    Args:
        path: 적을 파일. 이미 있으면 접근 권한은 그대로 두고 내용을 바꿉니다. 부모 폴더는 없으면 만듭니다.
        mode: ``"w"``(UTF-8 글, 줄바꿈은 적은 그대로) 또는 ``"wb"``.

    Raises:
        OutputError: 적을 수 없을 때. 적다 만 것은 지웁니다.
    """
    target = _real(path)
    new = _temporary(target)
    try:
        with _reported(path):
            _refuse_special(target, path)
            if target.is_dir():
                raise OutputError(f"{printable(path)}은(는) 폴더입니다. 파일의 이름을 주십시오.")
            target.parent.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(target)
            with new.open("xb") if mode == "wb" else new.open("x", encoding="utf-8", newline="") as file:
                yield file
                harden(file)
            if target.exists():
                shutil.copymode(target, new)
            new.replace(target)
    finally:
        with suppress(OSError):
            new.unlink()  # 이름을 얻었으면 이미 없습니다


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """``path`` 폴더를 통째로 새로 적습니다. 블록에는 빈 임시 폴더를 건네고, 끝나면 그것이 ``path``가 됩니다.

    옛 폴더는 새것이 자리를 얻은 뒤에 지웁니다. 자리를 바꾸지 못하면 옛 폴더를 되돌려 놓습니다. 지워도 되는 폴더인지는 부르는
    쪽에서 먼저 확인해야 합니다.

    Raises:
        OutputError: 적을 수 없을 때. 옛 폴더가 어디에 있는지도 말합니다.
    """
    target = _real(path)
    new, old = _temporary(target), _old(target)
    try:
        recover_folder(target)
        if target.exists() and not target.is_dir():
            raise OutputError(f"{printable(path)}은(는) 폴더가 아닙니다. 지우거나 다른 이름을 주십시오.")
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        new.mkdir()
        yield new
        _harden_folder(new)
        if target.exists():
            shutil.copymode(target, new)
            target.rename(old)
        new.rename(target)
    except BaseException as error:
        with suppress(OSError):
            recover_folder(target)
        _remove(new)
        if isinstance(error, OutputError) or not isinstance(error, OSError):
            raise
        where = f" 전에 있던 것은 {printable(old)}에 있습니다." if os.path.exists(old) else ""  # noqa: PTH110
        if os.path.exists(target):  # noqa: PTH110 -- 볼 권한이 없어도 오류를 내지 않습니다
            where = " 전에 있던 것은 그대로입니다."
        raise OutputError(failure(path, error) + where) from error
    _remove(old)


def recover_folder(path: str | Path) -> None:
    """이름을 바꾸는 사이에 멈추어 ``path``가 없고 옛 폴더만 옆에 있으면 되돌려 놓습니다.

    Raises:
        OutputError: 되돌려 놓지 못했을 때.
    """
    target = _real(path)
    old = _old(target)
    with _reported(path):
        if old.is_dir():
            if target.exists():
                _remove(old)
            else:
                old.rename(target)


@contextmanager
def only_writer(folder: str | Path) -> Iterator[None]:
    """``folder``를 만들고, 블록이 끝날 때까지 다른 실행이 그 폴더에 쓰지 못하게 합니다.

    Raises:
        OutputError: 다른 실행이 쓰는 중이거나, 폴더를 만들 수 없거나, 블록 안에서 디스크 오류가 났을 때.
    """
    folder = Path(folder)
    lock = FileLock(folder / ".lock", timeout=0)
    with _reported(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise OutputError(
                f"{printable(folder)}: 다른 실행이 이 폴더에 쓰고 있습니다. 끝나기를 기다리거나 다른 폴더를 쓰십시오."
            ) from error
        except NotImplementedError as error:
            raise OutputError(
                f"{printable(folder)}: 잠글 수 없는 파일 시스템입니다. 다른 디스크의 폴더를 쓰십시오."
            ) from error
        try:
            for leftover in folder.glob(".*.part"):  # 쓰는 실행은 이것뿐이므로 모두 지난번에 남은 것입니다
                _remove(leftover)
            yield
        finally:
            lock.release()


def write_json(path: str | Path, content: object) -> None:
    """``content``를 UTF-8 JSON으로 적습니다(:func:`atomic_file`). UTF-8이 아닌 파일 이름이 들어 있어도 됩니다."""
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    with atomic_file(path, "wb") as file:
        file.write(text.encode("utf-8", errors="backslashreplace"))  # 서로게이트는 JSON의 \uXXXX가 됩니다


def read_json(path: str | Path) -> Any:
    """적어 둔 JSON을 읽습니다. 없으면 None입니다.

    Raises:
        OutputError: 깨져 있거나 읽을 수 없을 때.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise OutputError(
            f"{printable(path)}: 읽을 수 없거나 깨져 있습니다. 지우고 다시 만들어 주십시오."
        ) from error


def failure(path: str | Path, error: OSError) -> str:
    """디스크 오류를 한국어 한 줄로: 어디에, 왜, 무엇을 할지."""
    where = printable(path)
    if error.errno in FULL:
        return f"{where}: 디스크가 가득 찼습니다. 공간을 비우고 다시 실행해 주십시오."
    if error.errno == errno.ENAMETOOLONG:
        return f"{where}: 이름이 너무 깁니다. 짧은 이름을 주십시오."
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"{where}: 같은 이름의 파일이 있어 폴더를 만들 수 없습니다. 다른 경로를 주십시오."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{where}: 쓸 권한이 없거나 다른 프로그램이 열어 두었습니다. 닫거나 다른 폴더를 쓰십시오."
    return f"{where}: 적지 못했습니다({error.strerror or error}). 경로와 공간을 확인해 주십시오."


def printable(path: str | Path) -> str:
    """어떤 이름이든 화면에 한 줄로 적을 수 있는 글로. UTF-8이 아닌 바이트는 ``\\xNN``, 줄바꿈 같은 제어 문자는 ``\\n``이 됩니다."""
    try:
        text = os.fsencode(path).decode("utf-8", errors="backslashreplace")
    except UnicodeEncodeError:
        text = str(path).encode("utf-8", errors="backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def harden(file: IO[Any]) -> None:
    """적은 것을 디스크에 굳힙니다."""
    file.flush()
    os.fsync(file.fileno())


def _harden_folder(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


@contextmanager
def _reported(path: str | Path) -> Iterator[None]:
    """블록 안의 디스크 오류를 :class:`OutputError`로 바꿉니다."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(failure(path, error)) from error


def _real(path: str | Path) -> Path:
    """심볼릭 링크가 가리키는 경로."""
    if "\0" in str(path) or not (target := Path(os.path.realpath(path))).name:
        raise OutputError(f"{printable(path)!r}: 이름으로 쓸 수 없습니다. 다른 이름을 주십시오.")
    return target


def _refuse_special(target: Path, path: str | Path) -> None:
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise OutputError(f"{printable(path)}은(는) 장치나 파이프입니다. 파일의 이름을 주십시오.")


def _temporary(target: Path) -> Path:
    """``target`` 옆의, 아무도 쓰지 않는 숨은 이름."""
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")


def _old(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


def _remove_leftovers(target: Path) -> None:
    """강제로 종료된 실행이 ``target``을 적다가 남긴 것을 지웁니다. 지금 적고 있는 다른 실행의 것은 둡니다."""
    with os.scandir(target.parent) as entries:
        for entry in entries:
            if entry.name.startswith(f".{target.name}.") and entry.name.endswith(".part"):
                with suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > LEFTOVER_SECONDS:
                        _remove(Path(entry.path))


def _remove(path: Path) -> None:
    """파일이나 폴더를 지웁니다. 없거나 지울 수 없으면 그대로 둡니다."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
