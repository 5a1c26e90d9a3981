"""강의의 인코더: 먼저 검사하고, 잘린 문장을 알리고, 카드와 함께 저장하는 SentenceTransformer."""

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import torch
from safetensors import SafetensorError
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Transformer
from sentence_transformers.util.decorators import deprecated_kwargs
from torch import Tensor

from ..checks import check_choice, check_sentence, check_sentences, check_top_k
from ..errors import InputError, OutputError
from ..storage.atomic import atomic_folder, check_output, failure
from .card import CARD_FILE, ModelCard, card_of, fingerprint, write_card
from .e5 import remember_no_pooler
from .muse import MuseEncoder
from .muse_plus import JointEncoder
from .truncation import TruncationWarning, cut_texts

PRECISIONS = ("float32", "int8", "uint8", "binary", "ubinary")
NO_LIMIT = 2**62
# encode 한 번이 도는 동안 잘린 문장들. 스레드마다 따로 있습니다.
_cut: ContextVar[set[str] | None] = ContextVar("cut", default=None)


@contextmanager
def _cut_sentences() -> Iterator[set[str]]:
    """블록 안에서 잘린 문장들이 모이는 집합을 건넵니다."""
    cut: set[str] = set()
    token = _cut.set(cut)
    try:
        yield cut
    finally:
        _cut.reset(token)


class Encoder(SentenceTransformer):
    """문장을 검사하고 다듬은 뒤, 같은 문장은 한 번만 인코딩하는 SentenceTransformer."""

    # 저장한 폴더를 라이브러리가 열 때, trust_remote_code 없이도 아는 우리 모듈
    _module_classes = {
        f"{module.__module__}.{module.__name__}": module for module in (MuseEncoder, JointEncoder)
    }

    #: 곱셈을 할 자료형. None이면 가중치의 자료형(float32) 그대로입니다.
    product_dtype: torch.dtype | None = None

    _card: ModelCard | None = None
    _card_weights = ""  # 카드를 붙일 때의 fingerprint

    @property
    def card(self) -> ModelCard:
        """인코더의 카드. 붙이는 순간의 가중치를 기억해 두므로, 가중치를 바꾸었다면 바꾼 뒤에 새 카드를 붙입니다."""
        if self._card is None:
            self.card = card_of(self, "이름 모름")
        return cast(ModelCard, self._card)

    @card.setter
    def card(self, card: ModelCard) -> None:
        self._card, self._card_weights = card, fingerprint(self)

    @deprecated_kwargs(sentences="inputs")
    def encode(
        self,
        inputs: Any,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        output_value: Literal["sentence_embedding", "token_embeddings"] | None = "sentence_embedding",
        precision: Literal["float32", "int8", "uint8", "binary", "ubinary"] = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        pool: Any = None,
        chunk_size: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """``SentenceTransformer.encode``와 인자도 결과도 같습니다. 다른 점은 넷입니다.

        - 문장을 :func:`~labse_helpers.checks.clean`으로 다듬고, 같은 문장은 한 번만 인코딩합니다.
        - ``batch_size``의 기본값은 인코더에 알맞은 값(mUSE 1,024, muse-plus 64, 나머지 32)입니다.
        - 최대 길이를 넘어 뒤가 잘린 문장이 있으면 :class:`TruncationWarning` 하나로 알립니다.
        - 가중치나 곱셈이 16비트여도 벡터는 언제나 float32입니다.

        Args:
            inputs: 문장 하나(str), 또는 문자열 N개를 순서대로 내는 것(목록, 튜플, pandas Series, 제너레이터, numpy 배열 …).
                이름으로 건넬 때는 ``sentences=``도 됩니다.

        Returns:
            문장 하나면 (dim,), 여럿이면 (N, dim) float32 배열. ``convert_to_tensor=True``면 텐서. ``output_value``와
            ``precision``을 바꾸면 라이브러리의 설명과 같습니다.

        Raises:
            InputError: 목록이 비었거나, 빈 문장·문자열이 아닌 값이 있거나(위치를 알려 줍니다), 다른 인자가 쓸 수 없는 값일 때.
        """
        is_single = isinstance(inputs, str)
        sentences = [check_sentence(inputs)] if is_single else check_sentences(inputs)
        self._check_options(
            len(sentences), prompt_name, batch_size, output_value, precision, truncate_dim, chunk_size, kwargs
        )
        with _cut_sentences() as cut:
            embeddings = super().encode(
                sentences,
                prompt_name=prompt_name,
                prompt=prompt,
                batch_size=batch_size or getattr(self[0], "batch_size", 32),
                show_progress_bar=show_progress_bar,
                output_value=output_value,
                precision=precision,
                convert_to_numpy=convert_to_numpy,
                convert_to_tensor=convert_to_tensor,
                device=device,
                normalize_embeddings=normalize_embeddings,
                truncate_dim=truncate_dim,
                pool=pool,
                chunk_size=chunk_size,
                **kwargs,
            )
            if pool is not None or isinstance(device, list):  # 자르는 일이 다른 프로세스에서 일어났습니다
                self._note_cut(sentences, self._resolve_prompt(prompt, prompt_name), {})
        if cut:
            self._warn_of_cut(cut, sentences, "sentences")
        return embeddings[0] if is_single else embeddings

    def warn_if_cut(self, sentences: list[str], name: str) -> None:
        """인코딩하지 않고, 최대 길이를 넘어 뒤가 잘릴 문장이 있는지만 봅니다. 학습하기 전에 부릅니다.

        Args:
            sentences: 문장 N개.
            name: 경고에서 그 목록을 부를 이름.
        """
        with _cut_sentences() as cut:
            self._note_cut(sentences, self._resolve_prompt(None, None), {})
        if cut:
            self._warn_of_cut(cut, sentences, name)

    def preprocess(self, inputs: Any, prompt: str | None = None, **kwargs: Any) -> dict[str, Any]:
        """라이브러리의 ``preprocess``와 같습니다. ``encode`` 안에서는 잘린 문장을 적어 둡니다."""
        features = super().preprocess(inputs, prompt=prompt, **kwargs)
        if _cut.get() is not None:
            self._note_cut(inputs, prompt, features)
        return features

    def forward(self, input: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """라이브러리의 ``forward``와 같되, 평가할 때는 ``product_dtype``으로 곱하고 결과는 float32로 냅니다."""
        reduced = self.product_dtype is not None and not self.training
        with torch.autocast(self.device.type, self.product_dtype, enabled=reduced):
            features = super().forward(input, **kwargs)
        was_rounded = False
        for name in ("sentence_embedding", "token_embeddings"):
            value = features.get(name)
            if isinstance(value, Tensor) and value.dtype != torch.float32:
                features[name] = value.float()
                was_rounded = was_rounded or name == "sentence_embedding"
        if was_rounded and isinstance(
            self[-1], Normalize
        ):  # 16비트로 나눈 길이는 소수 셋째 자리까지만 1입니다
            features = self[-1](features)
        return features

    def save(
        self,
        path: str | os.PathLike[str],
        model_name: str | None = None,
        create_model_card: bool = True,
        train_datasets: list[str] | None = None,
        safe_serialization: bool = True,
    ) -> None:
        """인코더를 카드와 함께 ``path`` 폴더에 저장합니다. ``load_model(path)``로 엽니다.

        다 적은 뒤에 제자리에 놓으므로 적다 만 인코더는 남지 않습니다. 이미 있는 폴더면 같은 이름의 파일만 바꿉니다. 카드를
        붙인 뒤에 가중치가 바뀌었으면 저장한 카드가 그렇게 말합니다.

        Raises:
            OutputError: 적을 수 없을 때.
        """
        if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
            raise InputError(f"path는 저장할 폴더의 경로여야 하는데 {path!r}이(가) 왔습니다.")
        folder = check_output(Path(path))
        arguments = (model_name, create_model_card, train_datasets, safe_serialization)
        try:
            if folder.is_dir():
                self._save_into(folder, *arguments)
            else:
                with atomic_folder(folder) as new:
                    self._write(new, *arguments)
        except SafetensorError as error:  # 디스크 오류가 OSError로 오지 않습니다
            raise OutputError(
                f"{folder}: 적지 못했습니다({error}). 공간과 권한을 확인해 주십시오."
            ) from error

    def _save_into(self, folder: Path, *arguments: Any) -> None:
        """있는 폴더에 저장합니다. 옆에 다 적은 뒤 파일마다 자리를 바꾸고, 카드는 맨 나중에 바꿉니다."""
        try:
            with tempfile.TemporaryDirectory(prefix=".saving", dir=folder) as beside:
                self._write(Path(beside), *arguments)
                files = [file for file in Path(beside).rglob("*") if file.is_file()]
                for file in sorted(files, key=lambda file: file.name == CARD_FILE):
                    place = folder / file.relative_to(beside)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    file.replace(place)
        except OSError as error:
            raise error if isinstance(error, OutputError) else OutputError(failure(folder, error)) from error

    def _write(self, folder: Path, *arguments: Any) -> None:
        super().save(str(folder), *arguments)
        if isinstance(self[0], Transformer):
            remember_no_pooler(self[0], folder)
        weights = fingerprint(self)
        card = self.card if weights == self._card_weights else self.card.with_unrecorded_change()
        write_card(folder, replace(card, max_seq_length=self.max_seq_length), weights)

    def _inference(self, inputs: list[str], **options: Any) -> Any:
        """같은 문장은 한 번만 계산하고, 결과를 문장마다의 자리에 놓습니다."""
        position = {sentence: i for i, sentence in enumerate(dict.fromkeys(inputs))}
        found = super()._inference(list(position), **options)
        if len(position) == len(inputs):
            return found
        rows = [position[sentence] for sentence in inputs]
        return found[rows] if isinstance(found, Tensor) else [found[row] for row in rows]

    def _check_options(
        self,
        n_sentences: int,
        prompt_name: Any,
        batch_size: Any,
        output_value: Any,
        precision: Any,
        truncate_dim: Any,
        chunk_size: Any,
        others: dict[str, Any],
    ) -> None:
        if prompt_name is not None:
            check_choice(prompt_name, tuple(self.prompts), "prompt_name")
        for name, value in (
            ("batch_size", batch_size),
            ("truncate_dim", truncate_dim),
            ("chunk_size", chunk_size),
        ):
            if value is not None:
                check_top_k(value, NO_LIMIT, name)
        if output_value is not None:
            check_choice(output_value, ("sentence_embedding", "token_embeddings"), "output_value")
        if output_value == "token_embeddings" and isinstance(self[0], (MuseEncoder, JointEncoder)):
            raise InputError(
                f"{self.card.name}은(는) 토큰마다의 벡터를 내지 않습니다. output_value를 빼거나 e5, LaBSE를 쓰십시오."
            )
        if precision is not None:
            check_choice(precision, PRECISIONS, "precision")
        if precision in ("int8", "uint8") and n_sentences == 1:
            raise InputError(
                f"precision={precision!r}은 차원마다의 최솟값과 최댓값이 필요해 문장 하나로는 구할 수 없습니다. "
                "여러 문장을 함께 넣어 주십시오."
            )
        unknown = set(others) - {*self.get_model_kwargs(), "task", "processing_kwargs"}
        if unknown:
            raise InputError(f"encode에 없는 인자입니다: {', '.join(sorted(unknown))}.")

    def _note_cut(self, sentences: list[str], prompt: str | None, features: dict[str, Any]) -> None:
        texts = [(prompt or "") + sentence for sentence in sentences]
        if isinstance(self[0], JointEncoder):
            is_cut = self[0].cut_texts(texts, features.get("e5.attention_mask"))
        elif isinstance(self[0], Transformer):
            is_cut = cut_texts(self[0], texts, features.get("attention_mask"))
        else:
            return
        noted = _cut.get()
        if noted is not None:
            noted.update(sentence for sentence, cut in zip(sentences, is_cut, strict=True) if cut)

    def _warn_of_cut(self, cut: set[str], sentences: list[str], name: str) -> None:
        places = [i for i, sentence in enumerate(sentences) if sentence in cut]
        message = (
            f"문장 {len(places):,}개가 최대 {self.max_seq_length}토큰을 넘어 뒤가 잘렸습니다. 잘린 곳은 벡터에 들어가지 않습니다. "
            f"처음은 {name}[{places[0]}]({sentences[places[0]][:20]!r} …)입니다. "
            "긴 글은 문장이나 문단으로 나누어 넣으십시오."
        )
        warnings.warn(message, TruncationWarning, stacklevel=4)
