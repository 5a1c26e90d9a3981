"""미세 조정: 번역쌍의 배치 내 네거티브로 인코더를 더 학습시키고, 원래 가중치와 섞습니다.

강제 종료되어도 체크포인트에서 이으면 한 번에 한 것과 같은 가중치가 됩니다(같은 기계의 CPU, 같은 스레드 수). 배치의 순서와 드롭아웃의
난수가 시드와 스텝의 번호만으로 정해지기 때문입니다.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer, util
from sentence_transformers.base.sampler import NoDuplicatesBatchSampler
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm.auto import tqdm
from transformers import get_linear_schedule_with_warmup

from ..checks import check_real, check_same_length, check_sentences, check_whole
from ..encoders.encoder import Encoder
from ..errors import InputError, OutputError
from ..storage.atomic import atomic_file, check_output, failure, only_writer, printable
from ..storage.identity import PROBES, check_identity, identity
from .losses import in_batch_negatives_loss

LARGEST_RATE = 1e30  # 이보다 크면 AdamW가 학습률을 고쳐 쓸 때 float32를 넘습니다
WARMUP = 0.1  # 학습률을 0에서부터 올리는 스텝의 비율
WARMED_UP_FROM = (
    10  # 이보다 짧으면 올리지 않습니다. 올리면 첫 스텝의 학습률이 0이라 그 배치를 학습하지 못합니다
)
CHECKPOINT = "checkpoint.pt"


def fine_tune(
    model: SentenceTransformer,
    source: Iterable[str],
    target: Iterable[str],
    epochs: int = 5,
    batch_size: int = 128,
    learning_rate: float = 5e-4,
    scale: float = 20.0,
    margin: float = 0.3,
    alpha: float = 0.5,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    save_every: int = 50,
    show_progress_bar: bool = True,
) -> list[float]:
    r"""번역쌍으로 ``model``을 그 자리에서 미세 조정합니다. ``requires_grad``인 가중치만 바뀝니다.

    손실은 :func:`in_batch_negatives_loss`, 최적화는 AdamW입니다. 학습률은 처음 10 % 동안 올렸다가 0까지 곧게 내립니다
    (10스텝보다 짧으면 올리지 않고 바로 내립니다). 같은 문장이 한 배치에 두 번 들지 않게 나눕니다. 끝나면 원래 가중치
    :math:`\theta_0`과 섞고, ``model.card``의 ``tuned_on``에 무엇으로 학습했는지 적습니다.

    .. math:: \theta = (1 - \alpha)\,\theta_0 + \alpha\,\theta_{\text{tuned}}

    출처: Wortsman et al. (2022), *Robust fine-tuning of zero-shot models*, CVPR (arXiv:2109.01903).

    Args:
        model: ``load_model``이 돌려준 인코더.
        source: 원문 N개. 문자열을 순서대로 내는 것이면 무엇이든 됩니다.
        target: 번역 N개. i번째가 ``source[i]``의 번역입니다.
        epochs: 데이터 전체를 반복하는 횟수. 1 이상의 정수.
        batch_size: 배치의 번역쌍 수. 2 이상의 정수.
        learning_rate: 가장 높을 때의 학습률. 기본값은 mUSE에 알맞습니다. LaBSE나 e5 같은 Transformer에는 2e-5쯤을 쓰십시오.
        scale, margin: 손실의 스케일(온도의 역수)과 마진.
        alpha: 섞는 비율. 1이면 섞지 않고, 0이면 원래 그대로입니다.
        seed: 배치의 순서와 드롭아웃의 시드. 부르는 쪽의 난수 상태는 바뀌지 않습니다.
        checkpoint: 체크포인트를 둘 폴더. 멈추었다면 같은 인자로 다시 불러 잇습니다. 끝까지 간 체크포인트도 남겨 둡니다.
        save_every: 몇 스텝마다 체크포인트를 남길지.
        show_progress_bar: 스텝, 손실, 남은 시간을 보일지.

    Returns:
        스텝마다의 손실. 길이는 스텝의 수.

    도중에 오류가 나거나 멈추면 ``model``의 가중치를 원래대로 돌려놓습니다. ``model.training``은 어떻게 끝나든 부르기 전과 같습니다.

    Raises:
        InputError: 길이가 다르거나, 빈 문장이 있거나, 값이 범위 밖이거나, 서로 다른 쌍이 둘보다 적거나, 학습이 발산하거나(마지막
            스텝이라도), 체크포인트가 다른 인코더·데이터·설정의 것일 때.
        OutputError: 체크포인트를 적을 수 없거나, 깨졌거나, 다른 실행이 그 폴더를 쓰는 중일 때.
    """
    source, target = check_sentences(source, "source"), check_sentences(target, "target")
    check_same_length(source, target, ("source", "target"))
    epochs, batch_size = check_whole(epochs, "epochs", 1), check_whole(batch_size, "batch_size", 2)
    learning_rate = check_real(learning_rate, "learning_rate", 0, LARGEST_RATE, above_low=True)
    scale, margin = check_real(scale, "scale", 0, above_low=True), check_real(margin, "margin", 0)
    alpha, seed = check_real(alpha, "alpha", 0, 1), check_whole(seed, "seed", 0, 2**32 - 1)
    save_every = check_whole(save_every, "save_every", 1)
    folder = None if checkpoint is None else check_output(checkpoint)
    batches = [
        batch for epoch in range(epochs) for batch in batches_of(source, target, batch_size, seed, epoch)
    ]
    if not batches:
        raise InputError("서로 다른 문장쌍이 둘보다 적어 학습할 것이 없습니다.")
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not trained:
        raise InputError("requires_grad인 가중치가 없어 학습할 것이 없습니다.")
    if isinstance(model, Encoder):
        model.warn_if_cut(source, "source")
        model.warn_if_cut(target, "target")
    optimizer = torch.optim.AdamW(trained.values(), lr=learning_rate, weight_decay=0.0)
    warmup = math.ceil(WARMUP * len(batches)) if len(batches) >= WARMED_UP_FROM else 0
    schedule = get_linear_schedule_with_warmup(optimizer, warmup, len(batches))

    settings = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "scale": scale,
        "margin": margin,
        "seed": seed,
        "sentences": hashlib.sha256(json.dumps([source, target]).encode()).hexdigest(),
    }

    with (
        only_writer(folder) if folder else nullcontext(),
        _restored(model, trained) as original,
        tqdm(total=len(batches), desc="학습", unit="스텝", disable=not show_progress_bar) as bar,
    ):
        saved = _Checkpoint(folder, model, trained, optimizer, schedule, settings) if folder else None
        losses = saved.resume() if saved else []
        bar.n = bar.initial = len(losses)
        model.train()
        for step in range(len(losses), len(batches)):
            torch.manual_seed(seed * 1_000_003 + step)  # 드롭아웃이 스텝의 번호만 따릅니다
            x = embed(model, [source[i] for i in batches[step]])  # (N, dim)
            y = embed(model, [target[i] for i in batches[step]])  # (N, dim)
            loss = in_batch_negatives_loss(x, y, scale, margin)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            bar.set_postfix_str(f"손실 {losses[-1]:.3f}", refresh=False)
            bar.update()
            if saved and ((step + 1) % save_every == 0 or step + 1 == len(batches)):
                saved.save(losses)
        _require_finite(losses, model, trained)
        _blend(original, trained, alpha)
    _note_in_card(model, len(source), alpha)
    return losses


def batches_of(
    source: list[str], target: list[str], batch_size: int, seed: int = 0, epoch: int = 0
) -> Iterator[list[int]]:
    """한 배치에 같은 문장이 두 번 들지 않게 섞어 나눈 번호들. 쌍이 하나뿐인 배치는 학습할 것이 없어 버립니다."""
    pairs = Dataset.from_dict({"source": source, "target": target})
    sampler = NoDuplicatesBatchSampler(
        pairs, batch_size, drop_last=False, generator=torch.Generator(), seed=seed
    )
    sampler.set_epoch(epoch)
    return (batch for batch in sampler if len(batch) > 1)


def embed(model: SentenceTransformer, sentences: list[str]) -> Tensor:
    """기울기가 흐르는 문장 벡터 (N, dim) float32. ``encode``와 같은 길이되 학습 때 씁니다."""
    prompt = model.prompts.get(model.default_prompt_name)
    features = util.batch_to_device(model.preprocess(sentences, prompt=prompt), model.device)
    return model(features)["sentence_embedding"]


@contextmanager
def _restored(model: SentenceTransformer, trained: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """블록이 끝나면 학습 상태(``training``)와 난수를, 오류로 끝나면 가중치까지 되돌려 놓습니다. 원래 가중치를 건넵니다."""
    original = {name: p.detach().clone() for name, p in trained.items()}
    training = {module: module.training for module in model.modules()}
    try:
        with torch.random.fork_rng(devices=range(torch.accelerator.device_count())):
            yield original
    except BaseException:
        _blend(original, trained, alpha=0.0)
        raise
    finally:
        for module, was_training in training.items():
            module.training = was_training
        for p in trained.values():
            p.grad = None


def _blend(original: dict[str, Tensor], trained: dict[str, Tensor], alpha: float) -> None:
    """``trained``를 ``(1 - alpha) * original + alpha * trained``로 바꿉니다."""
    with torch.no_grad():
        for name, p in trained.items():
            p.copy_(original[name].lerp(p, alpha) if alpha else original[name])


def _require_finite(losses: list[float], model: SentenceTransformer, trained: dict[str, Tensor]) -> None:
    """손실, 가중치, 그 가중치로 구한 벡터 가운데 NaN·무한대가 있으면 :class:`InputError`를 냅니다."""
    vectors = torch.as_tensor(model.encode(PROBES, show_progress_bar=False))
    model.train()  # encode가 평가 상태로 바꿉니다
    finite = (bool(torch.isfinite(x).all()) for x in (torch.tensor(losses), vectors, *trained.values()))
    if not all(finite):
        raise InputError(
            f"학습이 발산했습니다(스텝 {len(losses)}개). 가중치는 원래대로 돌려놓았습니다. learning_rate를 줄여 다시 해 주십시오."
        )


def _note_in_card(model: SentenceTransformer, n_pairs: int, alpha: float) -> None:
    """모델 카드에 무엇으로 학습했는지 적습니다. 우리 카드가 없는 모델이면 그대로 둡니다."""
    card = getattr(model, "card", None)
    if card is not None and alpha > 0:
        tuned_on = ", ".join(filter(None, [card.tuned_on, f"번역쌍 {n_pairs:,}개"]))
        model.card = dataclasses.replace(card, tuned_on=tuned_on)


class _Checkpoint:
    """폴더에 남기는 학습의 상태."""

    def __init__(
        self,
        folder: Path,
        model: SentenceTransformer,
        trained: dict[str, Tensor],
        optimizer: Optimizer,
        schedule: LRScheduler,
        settings: dict[str, Any],
    ) -> None:
        self.path = folder / CHECKPOINT
        self.model, self.trained, self.settings = model, trained, settings
        self.optimizer, self.schedule = optimizer, schedule
        self.encoder = identity(model)  # 원래 인코더의 신원

    def save(self, losses: list[float]) -> None:
        """지금까지의 상태를 적습니다. 발산한 상태는 적지 않고 :class:`InputError`를 냅니다."""
        _require_finite(losses, self.model, self.trained)
        state = {
            "settings": self.settings,
            "encoder": self.encoder,
            "losses": losses,
            "weights": {name: p.detach() for name, p in self.trained.items()},
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }
        try:
            with atomic_file(self.path, "wb") as file:
                torch.save(state, file)
        except (OSError, RuntimeError) as error:
            cause = (
                error.__context__ if isinstance(error, RuntimeError) else error
            )  # torch가 감싼 디스크 오류
            if not isinstance(cause, OSError):
                raise
            message = str(cause) if isinstance(cause, OutputError) else failure(self.path, cause)
            raise OutputError(f"{message} 앞서 적은 체크포인트가 있으면 거기서 이어서 합니다.") from error

    def resume(self) -> list[float]:
        """체크포인트가 있으면 그 상태로 돌리고 그때까지의 손실을, 없으면 빈 목록을 돌려줍니다."""
        if not self.path.exists():
            return []
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            encoder, weights, losses = state["encoder"], state["weights"], list(state["losses"])
            settings = {name: state["settings"][name] for name in self.settings}
        except Exception as error:  # torch.load는 깨진 파일에 온갖 오류를 냅니다
            raise self._unreadable() from error
        check_identity(encoder, self.model, printable(self.path))
        for name, value in self.settings.items():
            if settings[name] != value:
                what = (
                    "문장들이" if name == "sentences" else f"{name}이(가) {settings[name]}에서 {value}(으)로"
                )
                raise InputError(
                    f"{printable(self.path)}: 멈춘 학습과 {what} 달라졌습니다. "
                    "그때의 것으로 잇거나, 체크포인트를 지우고 처음부터 하십시오."
                )
        if weights.keys() != self.trained.keys():
            raise InputError(
                f"{printable(self.path)}: 멈춘 학습과 학습하는 가중치(requires_grad)가 달라졌습니다. "
                "그때와 같게 하거나, 체크포인트를 지우고 처음부터 하십시오."
            )
        if any(getattr(weights[name], "shape", None) != p.shape for name, p in self.trained.items()):
            raise self._unreadable()
        try:
            with torch.no_grad():
                for name, p in self.trained.items():
                    p.copy_(weights[name])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
        except Exception as error:
            raise self._unreadable() from error
        return losses

    def _unreadable(self) -> OutputError:
        return OutputError(
            f"{printable(self.path)}: 체크포인트가 아니거나 깨져 있어 읽을 수 없습니다. 지우고 처음부터 다시 하십시오."
        )
