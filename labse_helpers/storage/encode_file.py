"""메모리보다 큰 파일의 인코딩: 문장마다 벡터 하나를 디스크에 순서대로 쌓고, 멈추면 그 자리에서 잇습니다.

출력 폴더의 모습:

    embeddings.npy.part   쌓는 중인 벡터. 헤더 128바이트 뒤에 float32 행이 이어집니다
    progress.json         믿어도 되는 곳까지의 행 수와 그 문장들의 SHA-256. 청크 하나를 디스크에 굳힌 뒤에 고칩니다
    manifest.json         다 되었을 때의 명세: 입력, 인코더, 행 수, 모든 문장의 SHA-256
    embeddings.npy        명세를 적은 뒤에 얻는 이름. ``np.load(..., mmap_mode="r")``로 엽니다
    lines.npy             ``on_error="skip"``일 때, 행마다 입력의 줄 번호 (N,) int64

이을 때는 입력을 처음부터 다시 읽어(인코딩보다 훨씬 빠릅니다) 그 행까지의 문장이 그때와 같은지 봅니다. 청크의 경계는 늘 같은
문장이므로, 몇 번을 멈추었다 이어도 결과는 바이트까지 같습니다.
"""

import hashlib
import os
import shutil
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer
from tqdm.auto import tqdm

from ..checks import check_choice
from ..errors import CorpusError, InputError, OutputError
from ..tables import OnError, SentenceSource, open_sentences
from .atomic import (
    atomic_file,
    check_output,
    failure,
    harden,
    only_writer,
    printable,
    read_json,
    write_json,
)
from .identity import check_identity, identity

# 청크 하나의 문장 수와 글자 수. 어느 쪽이든 차면 청크가 끝납니다. 같은 문장은 청크 안에서 한 번만 인코딩합니다.
CHUNK_SENTENCES = 20_000
CHUNK_CHARACTERS = 8_000_000
HEADER_BYTES = 128
EMBEDDINGS, PART, PROGRESS, MANIFEST, LINES = (
    "embeddings.npy",
    "embeddings.npy.part",
    "progress.json",
    "manifest.json",
    "lines.npy",
)


@dataclass(frozen=True)
class Done:
    """인코딩을 마친 데까지: 행의 수, 그 문장들의 SHA-256, 인코더의 신원."""

    rows: int
    sha256: str
    encoder: dict[str, Any]


def encode_file(
    path: str | Path,
    out: str | Path,
    model: SentenceTransformer,
    column: str | int | None = None,
    encoding: str | None = None,
    on_error: OnError = "raise",
    show_progress_bar: bool = True,
) -> np.memmap:
    """파일의 문장마다 벡터 하나를 만들어 ``out`` 폴더에 적습니다. 파일이 얼마나 길어도 메모리는 그대로입니다.

    도중에 멈추면(강제 종료, 정전, 디스크 부족) 같은 명령으로 이어서 하며, 결과는 한 번에 한 것과 바이트까지 같습니다
    (같은 기계, 같은 스레드 수). 인코딩한 데까지의 문장이 그대로라면 뒤를 고치거나 늘린 파일도 이어서 합니다.

    Args:
        path: 글 파일(한 줄에 한 문장), CSV, TSV, JSON Lines … . 읽는 법은 :mod:`labse_helpers.tables`에 있습니다.
        out: 출력 폴더. 없으면 만듭니다.
        model: ``load_model``이 돌려준 인코더.
        column: 표에서 읽을 열의 이름이나 번호(0부터).
        encoding: 파일의 인코딩. None이면 알아냅니다.
        on_error: 빈 줄이나 읽을 수 없는 줄이 있을 때 ``"raise"``면 일을 시작하기 전에 오류이고, ``"skip"``이면 건너뛰며
            행마다의 줄 번호를 ``lines.npy`` (N,) int64에 적습니다.
        show_progress_bar: 처리한 양, 속도, 남은 시간을 보일지.

    Returns:
        벡터 (N, dim) float32. 디스크의 ``embeddings.npy``를 필요한 만큼씩 읽으며, 고쳐도 파일은 그대로입니다(copy-on-write).

    Raises:
        CorpusError: 파일을 읽을 수 없거나, 문장이 없거나, 잘못된 줄이 있을 때. 줄 번호를 알려 줍니다.
        InputError: 출력 폴더의 것과 입력이나 인코더가 다를 때.
        OutputError: 출력 폴더에 쓸 수 없거나, 공간이 모자라거나, 거기 있는 것이 깨졌거나, 다른 실행이 쓰는 중일 때.
    """
    check_choice(on_error, ("raise", "skip"), "on_error")
    out = check_output(out)
    source = open_sentences(path, column, encoding=encoding, on_error=on_error, blank="error")
    with only_writer(out):
        done = _read_done(out / MANIFEST)
        if done is None:
            done = _encode(source, out, model, show_progress_bar)
        else:
            _require_same(done, source, out, model)
        _finish(done, source, out, on_error)
    return np.load(out / EMBEDDINGS, mmap_mode="c")


class _Reader:
    """문장을 앞에서부터 청크로 읽는 흐름. 지금까지 읽은 문장의 수와 SHA-256을 함께 압니다."""

    def __init__(self, source: SentenceSource) -> None:
        self.rows = 0
        self.full = False  # 마지막 청크가 찼는가. 덜 찬 청크는 파일의 끝입니다
        self._numbered, self._digest = iter(source), hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def skip(self, rows: int | None) -> None:
        """문장 ``rows``개를 읽고 버립니다. None이면 끝까지."""
        for _, sentence in islice(self._numbered, rows):
            self._count(sentence)

    def chunk(self) -> list[tuple[int, str]]:
        """다음 청크의 (줄 번호, 문장)들. 다 읽었으면 빈 목록입니다."""
        chunk: list[tuple[int, str]] = []
        characters, self.full = 0, False
        for line, sentence in self._numbered:
            self._count(sentence)
            chunk.append((line, sentence))
            characters += len(sentence)
            if len(chunk) == CHUNK_SENTENCES or characters >= CHUNK_CHARACTERS:
                self.full = True
                break
        return chunk

    def has_read(self, done: Done) -> bool:
        return (self.rows, self.sha256) == (done.rows, done.sha256)

    def _count(self, sentence: str) -> None:
        self.rows += 1
        self._digest.update(sentence.encode() + b"\n")  # 다듬은 문장에는 줄바꿈이 없습니다


def _encode(source: SentenceSource, out: Path, model: SentenceTransformer, show_progress_bar: bool) -> Done:
    """문장을 모두 인코딩해 ``embeddings.npy.part``에 쌓고 명세를 적습니다."""
    done = _last_progress(out, model)
    if done.rows and show_progress_bar:
        tqdm.write(f"{out}: {done.rows:,}줄 다음부터 잇습니다.")
    n = source.check(show_progress_bar)
    _require_space(out, 4 * done.encoder["dimension"] * (n - done.rows))
    reader = _Reader(source)
    reader.skip(done.rows)
    if not reader.has_read(done):
        raise InputError(
            f"{printable(source.path)}: 지난번에 인코딩한 앞부분({done.rows:,}줄)이 그때와 다릅니다. "
            "원래 파일을 되돌리거나 출력 폴더를 지우고 처음부터 해 주십시오."
        )
    hardened = done.rows
    try:
        with (
            (out / PART).open("r+b" if done.rows else "wb") as file,
            tqdm(
                total=n, initial=done.rows, desc="인코딩", unit="문장", disable=not show_progress_bar
            ) as bar,
        ):
            file.truncate(_size(done))  # 적다 만 꼬리를 버립니다
            file.seek(0, os.SEEK_END)
            while chunk := reader.chunk():
                file.write(_vectors(chunk, model, source, done.encoder["dimension"]).tobytes())
                harden(file)
                done = Done(reader.rows, reader.sha256, done.encoder)
                if reader.full:  # 덜 찬 청크는 파일이 늘어나면 경계가 달라지므로 적지 않습니다
                    write_json(out / PROGRESS, asdict(done))
                    hardened = done.rows
                bar.update(len(chunk))
            file.seek(0)
            file.write(_header("<f4", (done.rows, done.encoder["dimension"])))
            harden(file)
        name, column, encoding = printable(source.path.name), source.column, source.encoding
        write_json(
            out / MANIFEST, {"input": {"name": name, "column": column, "encoding": encoding}, **asdict(done)}
        )
    except OSError as error:
        message = str(error) if isinstance(error, OutputError) else failure(out, error)
        raise OutputError(f"{message} 다시 실행하면 {hardened:,}줄 다음부터 이어서 합니다.") from error
    return done


def _last_progress(out: Path, model: SentenceTransformer) -> Done:
    """이어서 할 곳. 처음이면 0행입니다."""
    for name in (EMBEDDINGS, LINES):
        if (out / name).exists():
            raise OutputError(
                f"{out / name}이(가) 이미 있는데 명세({MANIFEST})가 없습니다. 다른 폴더를 쓰거나 그 파일을 옮겨 주십시오."
            )
    done = _read_done(out / PROGRESS)
    if done is None:
        return Done(0, hashlib.sha256().hexdigest(), identity(model))
    check_identity(done.encoder, model, str(out))
    part = out / PART
    if not part.exists() or part.stat().st_size < _size(done):
        raise OutputError(
            f"{part}: {done.rows:,}줄이 있어야 하는데 파일이 잘려 있습니다. 이 폴더를 지우고 처음부터 해 주십시오."
        )
    return done


def _vectors(
    chunk: list[tuple[int, str]], model: SentenceTransformer, source: SentenceSource, dim: int
) -> np.ndarray:
    """청크의 벡터 (N, dim) float32. 인코더가 받지 않는 문장이 있으면 그 줄을 알려 줍니다."""
    try:
        vectors = np.asarray(model.encode([sentence for _, sentence in chunk]), dtype="<f4")
    except InputError:
        for line, sentence in chunk:
            try:
                model.encode(sentence)
            except InputError as error:
                raise CorpusError(
                    f"{printable(source.path)}: {line}번째 줄: {error} 고친 뒤 다시 실행하면 이어서 합니다."
                ) from error
        raise
    if vectors.shape != (len(chunk), dim):
        raise InputError(
            f"인코더가 {(len(chunk), dim)} 모양의 벡터를 내야 하는데 {vectors.shape}을(를) 냈습니다."
        )
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        line = chunk[int(finite.argmin())][0]
        raise InputError(
            f"{printable(source.path)}: {line}번째 줄의 벡터에 NaN이나 무한대가 있습니다. 인코더를 확인해 주십시오."
        )
    return vectors


def _require_same(done: Done, source: SentenceSource, out: Path, model: SentenceTransformer) -> None:
    """다 된 폴더가 지금의 입력과 인코더로 만든 것인지 봅니다."""
    check_identity(done.encoder, model, str(out))
    reader = _Reader(source)
    reader.skip(None)
    if not reader.has_read(done):
        raise InputError(
            f"{out}: 인코딩한 결과가 이미 있는데, 지금 입력과 내용이나 열이 다릅니다. "
            "다른 폴더를 쓰거나 이 폴더를 지우고 다시 해 주십시오."
        )


def _finish(done: Done, source: SentenceSource, out: Path, on_error: OnError) -> None:
    """명세를 적은 뒤의 마무리. 도중에 멈추어도 다시 하면 됩니다."""
    embeddings = out / EMBEDDINGS
    if (out / PART).exists():
        (out / PART).replace(embeddings)
    header = b""
    if embeddings.exists() and embeddings.stat().st_size == _size(done):
        with embeddings.open("rb") as file:
            header = file.read(HEADER_BYTES)
    if header != _header("<f4", (done.rows, done.encoder["dimension"])):
        raise OutputError(f"{embeddings}: 없거나 명세와 다릅니다. 이 폴더를 지우고 다시 해 주십시오.")
    if on_error == "skip":
        _write_lines(done, source, out)
    else:
        (out / LINES).unlink(missing_ok=True)  # 행마다 줄이 있으므로 필요 없습니다
    (out / PROGRESS).unlink(missing_ok=True)


def _write_lines(done: Done, source: SentenceSource, out: Path) -> None:
    reader = _Reader(source)
    with atomic_file(out / LINES, "wb") as file:
        file.write(_header("<i8", (done.rows,)))
        while chunk := reader.chunk():
            file.write(np.array([line for line, _ in chunk], dtype="<i8").tobytes())
        if not reader.has_read(done):
            raise InputError(f"{printable(source.path)}: 인코딩하는 동안 파일이 바뀌었습니다.")


def _read_done(path: Path) -> Done | None:
    """적어 둔 ``progress.json``이나 ``manifest.json``. 없으면 None입니다."""
    saved = read_json(path)
    if saved is None:
        return None
    try:
        done = Done(saved["rows"], saved["sha256"], saved["encoder"])
        valid = done.rows > 0 and isinstance(done.sha256, str) and done.encoder["dimension"] > 0
    except (TypeError, KeyError):
        valid = False
    if not valid:
        raise OutputError(
            f"{path}: encode_file이 적은 것이 아니거나 깨져 있습니다. 다른 폴더를 쓰거나 이 폴더를 지우고 처음부터 해 주십시오."
        )
    return done


def _size(done: Done) -> int:
    """벡터 파일의 바이트 수."""
    return HEADER_BYTES + done.rows * 4 * done.encoder["dimension"]


def _header(descr: str, shape: tuple[int, ...]) -> bytes:
    """모양이 어떻든 길이가 128바이트인 .npy 헤더. 그래서 다 쌓은 뒤에 채울 수 있습니다."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    return (
        b"\x93NUMPY\x01\x00"
        + (HEADER_BYTES - 10).to_bytes(2, "little")
        + f"{text:<{HEADER_BYTES - 11}}\n".encode()
    )


def _require_space(out: Path, needed: int) -> None:
    free = shutil.disk_usage(out).free
    if needed > free:
        raise OutputError(
            f"{out}: 벡터를 적으려면 {needed / 1e9:.1f} GB가 더 있어야 하는데 디스크에 {free / 1e9:.1f} GB뿐입니다. "
            "공간을 비우거나 다른 디스크의 폴더를 쓰십시오."
        )
