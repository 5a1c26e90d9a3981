"""메모리보다 큰 파일의 인코딩: 줄마다 벡터 하나를 디스크에 차례로 쌓고, 멈추면 그 자리에서 잇습니다.

출력 폴더의 모습:

    embeddings.npy.part   쌓는 중인 벡터. 머리 128바이트 뒤에 float32 행이 이어집니다
    progress.json         믿어도 되는 곳까지의 행 수, 입력의 바이트 수와 그 SHA-256. 한 덩어리를 디스크에 굳힌 뒤에 고칩니다
    embeddings.npy        다 되면 이름이 바뀝니다. ``np.load(..., mmap_mode="r")``로 엽니다
    manifest.json         다 되었을 때의 명세: 입력, 인코더, 행 수

덩어리의 경계는 늘 같은 줄이므로, 몇 번을 멈추었다 이어도 결과는 바이트까지 같습니다.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from sentence_transformers import SentenceTransformer
from tqdm.auto import tqdm

from ..checks import check_sentence
from ..errors import CorpusError, InputError
from .identity import check_identity, identity

CHUNK_LINES = 20_000  # 한 덩어리의 줄 수. 같은 줄은 덩어리 안에서 한 번만 인코딩합니다
HEADER_BYTES = 128
MAX_REPORTED = 10


@dataclass(frozen=True)
class Progress:
    """디스크에 굳힌 데까지: 행의 수, 거기까지 읽은 입력의 바이트 수와 SHA-256."""

    rows: int
    offset: int
    sha256: str


def encode_file(
    path: str | Path,
    out: str | Path,
    model: SentenceTransformer,
    column: str | int | None = None,
    show_progress_bar: bool = True,
) -> np.memmap:
    """글 파일의 줄마다 벡터 하나를 만들어 ``out`` 폴더에 적습니다. 파일이 얼마나 길어도 메모리는 그대로입니다.

    도중에 멈추면(강제 종료, 정전, 디스크 부족) 같은 명령으로 이어서 하며, 결과는 한 번에 한 것과 바이트까지 같습니다
    (같은 기계, 같은 스레드 수). 읽은 데까지가 그대로라면 뒤를 고치거나 늘린 파일도 이어서 합니다.

    Args:
        path: UTF-8 글 파일(한 줄에 한 문장) 또는 탭으로 나뉜 파일.
        out: 출력 폴더. 없으면 만듭니다.
        model: ``load_model``이 돌려준 인코더.
        column: 탭으로 나뉜 파일에서 읽을 열. 이름이면 첫 줄이 머리줄이고, 번호(0부터)면 첫 줄부터 자료입니다.
        show_progress_bar: 처리한 양, 속도, 남은 시간을 보일지.

    Returns:
        벡터 (N, dim) float32. 디스크의 ``embeddings.npy``를 필요한 만큼씩 읽으며, 고쳐도 파일은 그대로입니다(copy-on-write).

    Raises:
        CorpusError: 파일이 없거나, 비었거나, UTF-8이 아니거나, 빈 줄·모자란 열이 있을 때. 줄 번호를 알려 줍니다.
        InputError: 출력 폴더의 것과 입력이나 인코더가 다르거나, 다른 실행이 쓰는 중이거나, 디스크가 모자랄 때.
    """
    path, out = Path(path), Path(out)
    lines = Lines(path, column)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / ".lock", timeout=0):
            if not _is_finished(lines, out, model):
                _encode(lines, out, model, show_progress_bar)
    except Timeout as error:
        raise InputError(
            f"{out}: 다른 실행이 이 폴더에 쓰고 있습니다. 끝나기를 기다리거나 다른 폴더를 쓰십시오."
        ) from error
    except OSError as error:
        raise InputError(_disk_message(out, error)) from error
    return np.load(out / "embeddings.npy", mmap_mode="c")


class Lines:
    """글 파일을 앞에서부터 한 번씩만 읽는 흐름. 지금까지 읽은 바이트 수와 그 SHA-256을 함께 압니다."""

    def __init__(self, path: Path, column: str | int | None) -> None:
        self.path, self.column = path, column
        try:
            self.size = path.stat().st_size
            with path.open("rb") as file:
                first = file.readline()
        except OSError as error:
            raise CorpusError(
                f"{path}: 파일을 열 수 없습니다({error.strerror}). 경로와 권한을 확인해 주십시오."
            ) from error
        self.skipped = 0  # 머리줄의 수
        self.index = column
        if isinstance(column, str):
            names = self._text(first, 1).split("\t")
            if column not in names:
                raise CorpusError(f"{path}: 머리줄에 {column!r} 열이 없습니다. 있는 열: {', '.join(names)}")
            self.index, self.skipped = names.index(column), 1
        elif column is None and path.suffix.lower() in (".tsv", ".csv"):
            raise CorpusError(f"{path}: 어느 열을 읽을지 column에 열 이름이나 번호(0부터)를 넣어 주십시오.")

    def check(self, show_progress_bar: bool) -> int:
        """모든 줄을 먼저 읽어 보고 문장의 수를 셉니다. 잘못된 줄이 있으면 몇 시간 뒤가 아니라 지금 알립니다."""
        problems, n = [], 0
        with self._open() as file, self._bar("검사", show_progress_bar) as bar:
            for number, raw in enumerate(file, start=1):
                bar.update(len(raw))
                if number <= self.skipped:
                    continue
                n += 1
                try:
                    self._sentence(raw, number)
                except CorpusError as error:
                    problems.append(str(error))
                    if len(problems) == MAX_REPORTED:
                        break
        if problems:
            raise CorpusError(
                "\n".join(problems) + "\n고친 뒤 다시 실행해 주십시오. 앞서 인코딩한 것은 그대로 씁니다."
            )
        if n == 0:
            raise CorpusError(f"{self.path}: 문장이 없습니다.")
        return n

    def chunks(self, done: Progress, show_progress_bar: bool) -> Iterator[tuple[list[str], Progress]]:
        """``done`` 다음부터 문장 20,000개씩과, 그것까지 마쳤을 때의 진행을 냅니다.

        Raises:
            InputError: ``done``까지의 내용이 그때와 다를 때.
        """
        digest = hashlib.sha256()
        with self._open() as file, self._bar("인코딩", show_progress_bar) as bar:
            self._skip(file, done, digest)
            bar.update(done.offset)
            if done.offset == 0:
                for _ in range(self.skipped):
                    digest.update(file.readline())
            rows, number, sentences = done.rows, done.rows + self.skipped, []
            for raw in file:
                number += 1
                digest.update(raw)
                sentences.append(self._sentence(raw, number))
                if len(sentences) == CHUNK_LINES:
                    rows += len(sentences)
                    yield sentences, Progress(rows, file.tell(), digest.hexdigest())
                    sentences = []
                    bar.update(file.tell() - bar.n)
                    bar.set_postfix_str(f"{rows:,}줄")
            if sentences:
                yield sentences, Progress(rows + len(sentences), file.tell(), digest.hexdigest())
                bar.update(file.tell() - bar.n)

    def where(self, row: int) -> str:
        return f"{self.path}: {row + self.skipped + 1}번째 줄"

    def sha256(self) -> str:
        with self._open() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _open(self):
        return self.path.open("rb")

    def _bar(self, name: str, show: bool) -> tqdm:
        return tqdm(total=self.size, desc=name, unit="B", unit_scale=True, disable=not show)

    def _skip(self, file, done: Progress, digest) -> None:
        left, data = done.offset, b""
        while left and (data := file.read(min(left, 1 << 20))):
            digest.update(data)
            left -= len(data)
        # 줄바꿈 없이 끝났던 마지막 줄에 글이 덧붙었어도 달라진 것입니다.
        grown_line = done.offset and done.offset < self.size and not data.endswith(b"\n")
        if left or grown_line or (done.offset and digest.hexdigest() != done.sha256):
            raise InputError(
                f"{self.path}: 지난번에 인코딩한 앞부분({done.rows:,}줄)이 그때와 다릅니다. "
                "원래 파일을 되돌리거나 출력 폴더를 지우고 처음부터 해 주십시오."
            )

    def _sentence(self, raw: bytes, number: int) -> str:
        text = self._text(raw, number)
        if self.index is not None:
            fields = text.split("\t")
            if self.index >= len(fields):
                raise CorpusError(
                    f"{self.path}: {number}번째 줄에 열이 {len(fields)}개뿐이라 {self.column!r} 열이 없습니다."
                )
            text = fields[self.index]
        try:
            return check_sentence(text, f"{self.path}: {number}번째 줄")
        except InputError as error:
            raise CorpusError(str(error)) from error

    def _text(self, raw: bytes, number: int) -> str:
        try:
            return raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise CorpusError(
                f"{self.path}: {number}번째 줄이 UTF-8이 아닙니다. 엑셀에서 만든 CP949 파일이라면 'CSV UTF-8'로 다시 저장해 주십시오."
            ) from error


def _is_finished(lines: Lines, out: Path, model: SentenceTransformer) -> bool:
    """다 된 폴더면 (덜 된 마무리까지 하고) True. 다른 입력이나 다른 인코더로 만든 것이면 오류입니다."""
    manifest = _read_json(out / "manifest.json")
    if manifest is None:
        return False
    check_identity(manifest["encoder"], model, str(out))
    if lines.sha256() != manifest["input"]["sha256"] or lines.column != manifest["input"]["column"]:
        raise InputError(
            f"{out}: {manifest['input']['name']}을(를) 인코딩한 결과가 이미 있는데, 지금 입력과 내용이나 열이 다릅니다. "
            "다른 폴더를 쓰거나 이 폴더를 지우고 다시 해 주십시오."
        )
    embeddings, part = out / "embeddings.npy", out / "embeddings.npy.part"
    if part.exists():  # 명세를 적고 이름을 바꾸기 전에 멈추었습니다
        part.rename(embeddings)
    (out / "progress.json").unlink(missing_ok=True)
    expected = HEADER_BYTES + manifest["rows"] * 4 * manifest["encoder"]["dimension"]
    if not embeddings.exists() or embeddings.stat().st_size != expected:
        raise InputError(f"{embeddings}: 없거나 크기가 명세와 다릅니다. 이 폴더를 지우고 다시 해 주십시오.")
    return True


def _encode(lines: Lines, out: Path, model: SentenceTransformer, show_progress_bar: bool) -> None:
    row_bytes = 4 * model.get_embedding_dimension()
    state = _read_json(out / "progress.json")
    part = out / "embeddings.npy.part"
    if state is None:
        done = Progress(0, 0, "")
    else:
        check_identity(state["encoder"], model, str(out))
        if state["column"] != lines.column:
            raise InputError(
                f"{out}: 지난번에는 {state['column']!r} 열을 인코딩했습니다. 같은 column을 넣어 주십시오."
            )
        done = Progress(**state["done"])
        size = part.stat().st_size if part.exists() else 0
        expected = HEADER_BYTES + done.rows * row_bytes
        if size < expected:
            raise InputError(
                f"{part}: {done.rows:,}줄이 있어야 하는데 파일이 잘려 있습니다. 이 폴더를 지우고 처음부터 해 주십시오."
            )
        if show_progress_bar:
            tail = " 쓰다 만 꼬리는 버리고" if size > expected else ""
            tqdm.write(f"{out}:{tail} {done.rows:,}줄 다음부터 잇습니다.")
    n = lines.check(show_progress_bar)
    _require_space(out, (n - done.rows) * row_bytes)
    encoder = identity(model)
    with part.open("r+b" if state else "wb") as file:
        file.truncate(HEADER_BYTES + done.rows * row_bytes)
        file.seek(0, os.SEEK_END)
        for sentences, after in lines.chunks(done, show_progress_bar):
            file.write(_encode_chunk(sentences, model, lines, done.rows).tobytes())
            done = after
            _harden(file)
            _write_json(
                out / "progress.json", {"encoder": encoder, "column": lines.column, "done": asdict(done)}
            )
        file.seek(0)
        file.write(_header(done.rows, row_bytes // 4))
        _harden(file)
    manifest = {
        "input": {
            "name": lines.path.name,
            "bytes": done.offset,
            "sha256": done.sha256,
            "column": lines.column,
        },
        "encoder": encoder,
        "rows": done.rows,
    }
    _write_json(out / "manifest.json", manifest)
    _is_finished(lines, out, model)  # 이름을 바꾸고 마무리합니다


def _encode_chunk(
    sentences: list[str], model: SentenceTransformer, lines: Lines, first_row: int
) -> np.ndarray:
    try:
        return np.asarray(model.encode(sentences), dtype="<f4")
    except InputError:
        for i, sentence in enumerate(sentences):  # 어느 줄인지 찾습니다
            try:
                model.encode(sentence)
            except InputError as error:
                raise CorpusError(
                    f"{lines.where(first_row + i)}: {error} 고친 뒤 다시 실행하면 {first_row:,}줄 다음부터 잇습니다."
                ) from error
        raise


def _header(rows: int, dim: int) -> bytes:
    """행의 수가 몇이든 길이가 128바이트인 .npy 머리. 그래서 다 쌓은 뒤에 채울 수 있습니다."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}"
    return (
        b"\x93NUMPY\x01\x00"
        + (HEADER_BYTES - 10).to_bytes(2, "little")
        + f"{text:<{HEADER_BYTES - 11}}\n".encode()
    )


def _require_space(out: Path, needed: int) -> None:
    free = shutil.disk_usage(out).free
    if needed > free:
        raise InputError(
            f"{out}: 벡터를 적으려면 {needed / 1e9:.1f} GB가 더 있어야 하는데 디스크에 {free / 1e9:.1f} GB뿐입니다. "
            "공간을 비우거나 다른 디스크의 폴더를 쓰십시오."
        )


def _disk_message(out: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{out}: 디스크가 가득 찼습니다. 지금까지 한 것은 남아 있으니, 공간을 비우고 다시 실행하면 이어서 합니다."
    return f"{out}: 출력 폴더에 쓸 수 없습니다({error.strerror or error}). 경로와 권한을 확인해 주십시오."


def _harden(file) -> None:
    file.flush()
    os.fsync(file.fileno())


def _write_json(path: Path, content: dict) -> None:
    """새 파일에 다 적고 나서 이름을 바꿉니다. 언제 멈추어도 옛것 아니면 새것입니다."""
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False)
        _harden(file)
    new.replace(path)


def _read_json(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError(f"{path}: 깨져 있습니다. 출력 폴더를 지우고 처음부터 해 주십시오.") from error
