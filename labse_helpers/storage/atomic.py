"""온전히 적기: 옆에 다 적은 뒤 이름을 바꾸고, 한 번에 한 실행만 쓰게 합니다. 이 패키지의 모든 쓰기가 여기를 지납니다.

언제 멈추어도(강제 종료, 디스크 부족) 그 이름에는 옛것 아니면 새것이 온전히 있습니다.
"""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from ..errors import OutputError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_output(path: str | Path, exists: str = "replace") -> Path:
    """결과를 둘 경로가 쓸 수 있는 것인지, 오래 걸리는 일을 시작하기 전에 봅니다.

    Args:
        path: 적을 파일이나 폴더.
        exists: 이미 있을 때 ``"replace"``면 바꾸거나 이어 써도 되고, ``"refuse"``면 오류입니다.

    Raises:
        OutputError: 이름을 UTF-8로 적을 수 없거나, 부모 폴더가 없거나, 쓸 권한이 없거나, 이미 있을 때.
    """
    path = Path(path)
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise OutputError(
            f"{printable(path)}: 이름에 UTF-8이 아닌 글자가 있습니다. 다른 이름을 주십시오."
        ) from error
    parent = path.resolve().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise OutputError(f"{path}: {parent}은(는) 폴더가 아닙니다. 다른 경로를 주십시오.")
    if exists == "refuse" and os.path.lexists(path):
        raise OutputError(f"{path}이(가) 이미 있습니다. 지우거나 다른 이름을 주십시오.")
    try:
        with tempfile.TemporaryFile(dir=path if path.is_dir() else parent):
            pass
    except OSError as error:
        raise OutputError(failure(path, error)) from error
    return path


@contextmanager
def atomic_file(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """``path``를 새로 적습니다. 블록이 끝나야 이름을 얻고, 도중에 오류가 나면 옛 파일이 그대로입니다.

    Args:
        mode: ``"w"``(UTF-8 글, 줄바꿈은 적은 그대로) 또는 ``"wb"``.

    Raises:
        OutputError: 적을 수 없을 때. 적다 만 것은 지웁니다.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
        descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    except OSError as error:
        raise OutputError(failure(path, error)) from error
    try:
        with os.fdopen(descriptor, mode, **text) as file:
            yield file
            harden(file)
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except OSError as error:
        with suppress(OSError):
            Path(name).unlink()
        raise error if isinstance(error, OutputError) else OutputError(failure(path, error)) from error
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """``path`` 폴더를 통째로 새로 적습니다. 블록에는 빈 임시 폴더를 건네고, 끝나면 그것이 ``path``가 됩니다.

    옛 폴더는 새것이 자리를 얻은 뒤에 지웁니다. 자리를 바꾸지 못하면 옛 폴더를 되돌려 놓습니다.

    Raises:
        OutputError: 적을 수 없을 때. 옛 폴더가 제자리에 있는지도 말합니다.
    """
    path = Path(path)
    recover_folder(path)
    new, old = _beside(path, "new"), _beside(path, "old")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(new, ignore_errors=True)  # 지난번에 적다 만 것
        new.mkdir()
        yield new
        if path.exists():
            path.rename(old)
        new.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        shutil.rmtree(new, ignore_errors=True)
        with suppress(OSError):
            recover_folder(path)
        if isinstance(error, OutputError):
            raise
        raise OutputError(failure(path, error)) from error
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def recover_folder(path: str | Path) -> None:
    """이름을 바꾸는 사이에 멈추어 ``path``가 없고 옛 폴더만 옆에 있으면 되돌려 놓습니다."""
    path = Path(path)
    old = _beside(path, "old")
    if old.is_dir():
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(path)


@contextmanager
def only_writer(folder: str | Path) -> Iterator[None]:
    """``folder``를 만들고, 블록이 끝날 때까지 다른 실행이 그 폴더에 쓰지 못하게 합니다.

    Raises:
        OutputError: 다른 실행이 쓰는 중이거나, 폴더를 만들 수 없거나, 블록 안에서 디스크 오류가 났을 때.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise OutputError(
            f"{folder}: 다른 실행이 이 폴더에 쓰고 있습니다. 끝나기를 기다리거나 다른 폴더를 쓰십시오."
        ) from error
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(failure(folder, error)) from error


def write_json(path: str | Path, content: object) -> None:
    """``content``를 UTF-8 JSON으로 적습니다(:func:`atomic_file`)."""
    with atomic_file(path) as file:
        json.dump(content, file, ensure_ascii=False, indent=1)
        file.write("\n")


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
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: 읽을 수 없거나 깨져 있습니다. 지우고 다시 만들어 주십시오.") from error


def failure(path: str | Path, error: OSError) -> str:
    """디스크 오류를 한국어 한 줄로: 어디에, 왜, 무엇을 할지."""
    if error.errno in FULL:
        return f"{printable(path)}: 디스크가 가득 찼습니다. 공간을 비우고 다시 실행해 주십시오."
    if error.errno == errno.ENAMETOOLONG:
        return f"{printable(path)}: 이름이 너무 깁니다. 짧은 이름을 주십시오."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{printable(path)}: 쓸 권한이 없습니다. 다른 폴더를 쓰거나 권한을 확인해 주십시오."
    return f"{printable(path)}: 적지 못했습니다({error.strerror or error}). 경로와 공간을 확인해 주십시오."


def printable(path: str | Path) -> str:
    """어떤 이름이든 화면에 적을 수 있는 글로. UTF-8이 아닌 바이트는 ``\\xNN``이 됩니다."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


def harden(file: IO[Any]) -> None:
    """적은 것을 디스크에 굳힙니다."""
    file.flush()
    os.fsync(file.fileno())


def _beside(path: Path, role: str) -> Path:
    return path.with_name(f".{path.name}.{role}")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
