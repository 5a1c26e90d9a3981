"""미세 조정: 번역쌍의 배치 내 네거티브로 인코더를 더 가르치고, 원래 가중치와 섞습니다.

강제 종료되어도 체크포인트에서 이으면 한 번에 한 것과 같은 가중치가 됩니다(같은 기계의 CPU, 같은 스레드 수). 배치의 차례와 드롭아웃의
난수가 시드와 걸음의 번호만으로 정해지기 때문입니다.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path

import torch
from datasets import Dataset
from filelock import FileLock, Timeout
from sentence_transformers import SentenceTransformer, util
from sentence_transformers.base.sampler import NoDuplicatesBatchSampler
from torch import Tensor
from tqdm.auto import tqdm
from transformers import get_linear_schedule_with_warmup

from ..checks import check_same_length, check_sentences
from ..errors import InputError
from ..storage.identity import check_identity, identity
from .losses import in_batch_negatives_loss

WARMUP = 0.1  # 학습률을 0에서부터 올리는 걸음의 비율
CHECKPOINT = "checkpoint.pt"


def fine_tune(
    model: SentenceTransformer,
    source: list[str],
    target: list[str],
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

    손실은 :func:`in_batch_negatives_loss`, 최적화는 AdamW입니다. 학습률은 처음 10 % 동안 올렸다가 0까지 곧게 내립니다. 같은
    문장이 한 배치에 두 번 들지 않게 나눕니다. 끝나면 원래 가중치 :math:`\theta_0`과 섞습니다.

    .. math:: \theta = (1 - \alpha)\,\theta_0 + \alpha\,\theta_{\text{tuned}}

    출처: Wortsman et al. (2022), *Robust fine-tuning of zero-shot models*, CVPR (arXiv:2109.01903).

    Args:
        model: ``load_model``이 돌려준 인코더.
        source: 원문 N개.
        target: 번역 N개. i번째가 ``source[i]``의 번역입니다.
        epochs: 자료 전체를 되풀이하는 횟수. 1 이상.
        batch_size: 배치의 번역쌍 수. 2 이상.
        learning_rate: 가장 높을 때의 학습률. 기본값은 mUSE에 알맞습니다. LaBSE나 e5 같은 Transformer에는 2e-5쯤을 쓰십시오.
        scale, margin: 손실의 온도의 역수와 마진.
        alpha: 섞는 비율. 1이면 섞지 않고, 0이면 원래 그대로입니다.
        seed: 배치의 차례와 드롭아웃의 시드.
        checkpoint: 체크포인트를 둘 폴더. 멈추었다면 같은 인자로 다시 불러 잇습니다. 끝까지 간 체크포인트도 남겨 둡니다.
        save_every: 몇 걸음마다 체크포인트를 남길지.
        show_progress_bar: 걸음, 손실, 남은 시간을 보일지.

    Returns:
        걸음마다의 손실. 길이는 걸음의 수.

    도중에 오류가 나거나 멈추면 ``model``의 가중치를 원래대로 돌려놓습니다.

    Raises:
        InputError: 길이가 다르거나, 빈 문장이 있거나, 값이 범위 밖이거나, 서로 다른 쌍이 둘보다 적거나, 가중치가 발산하거나,
            체크포인트가 다른 인코더·자료·설정의 것이거나, 다른 실행이 그 폴더를 쓰는 중일 때.
    """
    source, target = check_sentences(source, "source"), check_sentences(target, "target")
    check_same_length(source, target, ("source", "target"))
    if not (epochs >= 1 and batch_size >= 2 and learning_rate > 0 and 0 <= alpha <= 1 and save_every >= 1):
        raise InputError(
            "epochs와 save_every는 1 이상, batch_size는 2 이상, learning_rate는 0보다 크고 alpha는 0에서 1 사이여야 하는데 "
            f"epochs={epochs}, batch_size={batch_size}, learning_rate={learning_rate}, alpha={alpha}, "
            f"save_every={save_every}입니다."
        )
    settings = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "scale": scale,
        "margin": margin,
        "seed": seed,
        "sentences": hashlib.sha256(json.dumps([source, target]).encode()).hexdigest(),
    }
    batches = [
        batch for epoch in range(epochs) for batch in batches_of(source, target, batch_size, seed, epoch)
    ]
    if not batches:
        raise InputError("서로 다른 문장쌍이 둘보다 적어 배울 것이 없습니다.")
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not trained:
        raise InputError("requires_grad인 가중치가 없어 배울 것이 없습니다.")
    original = {name: p.detach().clone() for name, p in trained.items()}
    optimizer = torch.optim.AdamW(trained.values(), lr=learning_rate, weight_decay=0.0)
    schedule = get_linear_schedule_with_warmup(optimizer, math.ceil(WARMUP * len(batches)), len(batches))
    run = _Run(model, trained, optimizer, schedule, settings)
    saved = None if checkpoint is None else _Checkpoint(Path(checkpoint), run)

    def steps() -> list[float]:
        losses = saved.resume() if saved else []
        model.train()  # 이으면서 신원을 볼 때 encode가 평가 상태로 바꿉니다
        with tqdm(
            total=len(batches), initial=len(losses), desc="학습", unit="걸음", disable=not show_progress_bar
        ) as bar:
            for step in range(len(losses), len(batches)):
                pairs = [[side[i] for i in batches[step]] for side in (source, target)]
                losses.append(run.step(*pairs, step))
                bar.set_postfix_str(f"손실 {losses[-1]:.3f}", refresh=False)
                bar.update()
                if saved and ((step + 1) % save_every == 0 or step + 1 == len(batches)):
                    saved.save(losses)
        return losses

    was_training = model.training
    finished = False
    try:
        losses = saved.alone(steps) if saved else steps()
        finished = True
    finally:
        model.train(was_training)
        with torch.no_grad():
            for name, p in trained.items():
                p.copy_(original[name].lerp(p, alpha) if finished else original[name])
    return losses


def batches_of(
    source: list[str], target: list[str], batch_size: int, seed: int = 0, epoch: int = 0
) -> Iterator[list[int]]:
    """한 배치에 같은 문장이 두 번 들지 않게 섞어 나눈 번호들. 짝이 하나뿐인 배치는 배울 것이 없어 버립니다."""
    pairs = Dataset.from_dict({"source": source, "target": target})
    sampler = NoDuplicatesBatchSampler(
        pairs, batch_size, drop_last=False, generator=torch.Generator(), seed=seed
    )
    sampler.set_epoch(epoch)
    return (batch for batch in sampler if len(batch) > 1)


def embed(model: SentenceTransformer, sentences: list[str]) -> Tensor:
    """기울기가 흐르는 문장 벡터 (N, dim). ``encode``와 같은 길이되 학습 때 씁니다."""
    prompt = model.prompts.get(model.default_prompt_name)
    features = util.batch_to_device(model.preprocess(sentences, prompt=prompt), model.device)
    return model(features)["sentence_embedding"]


class _Run:
    """학습의 상태와 한 걸음."""

    def __init__(self, model, trained: dict[str, Tensor], optimizer, schedule, settings: dict) -> None:
        self.model, self.trained, self.settings = model, trained, settings
        self.optimizer, self.schedule = optimizer, schedule

    def step(self, source: list[str], target: list[str], number: int) -> float:
        with torch.random.fork_rng():
            torch.manual_seed(self.settings["seed"] * 1_000_003 + number)  # 드롭아웃이 걸음의 번호만 따릅니다
            loss = in_batch_negatives_loss(
                embed(self.model, source),
                embed(self.model, target),
                self.settings["scale"],
                self.settings["margin"],
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return loss.item()


class _Checkpoint:
    """폴더에 남기는 학습의 상태. 옆에 다 적은 뒤 이름을 바꾸므로 적다 만 것은 읽히지 않습니다."""

    def __init__(self, folder: Path, run: _Run) -> None:
        self.folder, self.run = folder, run
        self.path = folder / CHECKPOINT
        self.encoder = identity(run.model)  # 원래 인코더의 신원

    def alone(self, steps) -> list[float]:
        """다른 실행이 같은 폴더에 쓰지 못하게 하고 ``steps``를 부릅니다."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".lock", timeout=0):
                return steps()
        except Timeout as error:
            raise InputError(f"{self.folder}: 다른 실행이 이 폴더에 체크포인트를 쓰고 있습니다.") from error
        except OSError as error:
            raise InputError(
                f"{self.folder}에 체크포인트를 적지 못했습니다({error.strerror}). 자리와 권한을 확인해 주십시오."
            ) from error

    def save(self, losses: list[float]) -> None:
        state = {
            "settings": self.run.settings,
            "encoder": self.encoder,
            "losses": losses,
            "weights": {name: p.detach() for name, p in self.run.trained.items()},
            "optimizer": self.run.optimizer.state_dict(),
            "schedule": self.run.schedule.state_dict(),
        }
        unfinished = self.path.with_suffix(".part")
        torch.save(state, unfinished)
        unfinished.replace(self.path)

    def resume(self) -> list[float]:
        """체크포인트가 있으면 그 상태로 돌리고 그때까지의 손실을, 없으면 빈 목록을 돌려줍니다."""
        if not self.path.exists():
            return []
        try:
            state = torch.load(self.path, weights_only=True)
        except Exception as error:
            raise InputError(
                f"{self.path}: 체크포인트를 읽을 수 없습니다. 지우고 처음부터 다시 하십시오."
            ) from error
        check_identity(state["encoder"], self.run.model, str(self.path))
        for name, value in self.run.settings.items():
            if state["settings"][name] != value:
                what = (
                    "문장들이"
                    if name == "sentences"
                    else f"{name}이(가) {state['settings'][name]}에서 {value}(으)로"
                )
                raise InputError(
                    f"{self.path}: 멈춘 학습과 {what} 달라졌습니다. 그때의 것으로 잇거나, 체크포인트를 지우고 처음부터 하십시오."
                )
        with torch.no_grad():
            for name, p in self.run.trained.items():
                p.copy_(state["weights"][name])
        self.run.optimizer.load_state_dict(state["optimizer"])
        self.run.schedule.load_state_dict(state["schedule"])
        return state["losses"]
