"""미세 조정: 라이브러리의 것과 같은가, 죽었다 이어도 같은가, 잘못된 입력을 알아보는가, LaBSE도 배우는가."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from labse_helpers import InputError, fine_tune, load_corpus, load_model
from labse_helpers.training.fine_tune import CHECKPOINT, batches_of

PAIRS = load_corpus("jupyterlab").train[:96]
SETTINGS = {"epochs": 2, "batch_size": 16, "show_progress_bar": False}


@pytest.fixture()
def labse(tiny_labse_cache, monkeypatch):
    """LaBSE와 모듈 사슬이 같은 작은 인코더를 부르는 함수."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tiny_labse_cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tiny_labse_cache))
    return lambda: load_model("labse")


def weights(model) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def same(first, second) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_same_losses_as_the_trainer_of_the_library(tmp_path):
    ours = fine_tune(
        load_model("muse"), PAIRS.en, PAIRS.ko, **SETTINGS, learning_rate=3e-4, margin=0, alpha=1
    )
    model = load_model("muse")
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path),
        num_train_epochs=2,
        per_device_train_batch_size=16,
        learning_rate=3e-4,
        warmup_steps=0.1,
        max_grad_norm=0,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        optim="adamw_torch",
        seed=0,
        batch_sampler="no_duplicates",
        use_cpu=True,
    )
    loss = MultipleNegativesRankingLoss(
        model, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
    )
    pairs = Dataset.from_dict({"en": PAIRS.en, "ko": PAIRS.ko})
    trainer = SentenceTransformerTrainer(model=model, args=arguments, train_dataset=pairs, loss=loss)
    trainer.train()
    theirs = [2 * float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    assert ours == pytest.approx(theirs, abs=1e-3)  # 라이브러리는 두 방향을 더하지 않고 평균합니다


def test_learns_and_alpha_blends():
    model = load_model("muse")
    before = weights(model)
    losses = fine_tune(model, PAIRS.en, PAIRS.ko, **SETTINGS, alpha=1)
    tuned = weights(model)
    assert sum(losses[-3:]) < 0.7 * sum(losses[:3])
    assert not same(before, tuned)
    for alpha in (0.25,):
        model = load_model("muse")
        assert fine_tune(model, PAIRS.en, PAIRS.ko, **SETTINGS, alpha=alpha) == losses
        for name, value in weights(model).items():
            assert torch.allclose(value, (1 - alpha) * before[name] + alpha * tuned[name], atol=1e-6)


def test_only_weights_that_require_gradients_change():
    model = load_model("muse")
    for name, p in model.named_parameters():
        p.requires_grad_(".dense3." in name)
    before = weights(model)
    fine_tune(model, PAIRS.en, PAIRS.ko, **SETTINGS)
    changed = {name for name, value in weights(model).items() if not torch.equal(value, before[name])}
    assert changed == {"0.dense3.weight"}
    model.requires_grad_(False)
    with pytest.raises(InputError, match="requires_grad"):
        fine_tune(model, PAIRS.en, PAIRS.ko, **SETTINGS)


def test_batches_have_no_repeated_sentence_and_miss_none():
    pairs = load_corpus("jupyterlab").train
    batches = list(batches_of(pairs.en, pairs.ko, 128))
    assert sorted(i for batch in batches for i in batch) == list(range(len(pairs)))
    for batch in batches:
        assert len({pairs.ko[i] for i in batch}) == len({pairs.en[i] for i in batch}) == len(batch) <= 128
    assert batches == list(batches_of(pairs.en, pairs.ko, 128))
    assert batches != list(batches_of(pairs.en, pairs.ko, 128, epoch=1))


def test_labse_learns_saves_and_resumes_with_dropout(labse, tmp_path, monkeypatch):
    """드롭아웃이 있는 Transformer도, 도중에 멈추었다 이으면 한 번에 한 것과 같습니다."""
    options = SETTINGS | {"learning_rate": 2e-3, "save_every": 3}
    whole = labse()
    losses = fine_tune(whole, PAIRS.en, PAIRS.ko, **options)
    assert losses[-1] < losses[0]

    stopped = labse()
    before = weights(stopped)
    from labse_helpers.training import fine_tune as training

    step = training._Run.step

    def interrupted(run, source, target, number):
        if number == 7:
            raise KeyboardInterrupt
        return step(run, source, target, number)

    monkeypatch.setattr(training._Run, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(stopped, PAIRS.en, PAIRS.ko, **options, checkpoint=tmp_path)
    assert same(before, weights(stopped)) and not stopped.training
    monkeypatch.setattr(training._Run, "step", step)
    resumed = labse()
    assert fine_tune(resumed, PAIRS.en, PAIRS.ko, **options, checkpoint=tmp_path) == losses
    assert same(weights(whole), weights(resumed))

    resumed.save(str(tmp_path / "model"))
    again = load_model(str(tmp_path / "model"))
    assert torch.equal(torch.as_tensor(again.encode(PAIRS.ko)), torch.as_tensor(resumed.encode(PAIRS.ko)))


def test_a_checkpoint_of_something_else_is_refused(labse, tmp_path):
    options = SETTINGS | {"epochs": 1, "checkpoint": tmp_path}
    model = labse()
    fine_tune(model, PAIRS.en, PAIRS.ko, **options)
    with pytest.raises(InputError, match="지금 인코더는"):
        fine_tune(load_model("muse"), PAIRS.en, PAIRS.ko, **options)
    with pytest.raises(InputError, match="margin이\\(가\\) 0.3에서 0.1"):
        fine_tune(labse(), PAIRS.en, PAIRS.ko, **options, margin=0.1)
    with pytest.raises(InputError, match="문장들이 달라졌습니다"):
        fine_tune(labse(), PAIRS.en[1:], PAIRS.ko[1:], **options)
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="읽을 수 없습니다"):
        fine_tune(labse(), PAIRS.en, PAIRS.ko, **options)


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        (["가", "나"], ["a"], {}, "번째끼리 짝"),
        (["가", " "], ["a", "b"], {}, "source\\[1\\]"),
        ([], [], {}, "비어"),
        (["가", "나"], ["a", "b"], {"epochs": 0}, "epochs=0"),
        (["가", "나"], ["a", "b"], {"batch_size": 1}, "batch_size=1"),
        (["가", "나"], ["a", "b"], {"alpha": 1.5}, "alpha=1.5"),
        (["가", "가"], ["a", "b"], {}, "둘보다 적어"),
        (["가", "나"], ["a", "b"], {"scale": 0}, "scale"),
    ],
)
def test_bad_input(model, source, target, options, message):
    before = weights(model)
    with pytest.raises(InputError, match=message):
        fine_tune(model, source, target, show_progress_bar=False, **options)
    assert same(before, weights(model))


def test_a_diverging_run_gives_the_weights_back():
    model = load_model("muse")
    before = weights(model)
    with pytest.raises(InputError, match="학습률"):
        fine_tune(model, PAIRS.en, PAIRS.ko, **SETTINGS, learning_rate=float("1e38"))
    assert same(before, weights(model))


def test_killed_and_resumed_command_ends_in_the_same_weights(tmp_path):
    """``kill -9``를 아무 때나 두 번 맞은 명령도 한 번에 한 것과 바이트까지 같은 가중치를 남깁니다."""
    lines = [f"{pair.ko}\t{pair.en}" for pair in load_corpus("course")[:100]]
    (tmp_path / "pairs.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = ["--epochs", "12", "--batch-size", "8", "--save-every", "2", "--model", "muse"]

    def start(out):
        command = [sys.executable, "-m", "labse_helpers", "train", "pairs.tsv", out, *options]
        return subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"})  # fmt: skip

    whole = start("whole")
    _, errors = whole.communicate(timeout=300)
    assert whole.returncode == 0, errors.decode()
    rng = random.Random(0)
    killed = 0
    for _ in range(2):
        run = start("killed")
        deadline = time.monotonic() + 120
        while not (tmp_path / "killed" / CHECKPOINT).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.5))
        run.send_signal(signal.SIGKILL)
        run.communicate()
        killed += run.returncode == -signal.SIGKILL
    assert killed >= 1
    last = start("killed")
    _, errors = last.communicate(timeout=300)
    assert last.returncode == 0, errors.decode()
    assert "배운 뒤 P@1" in errors.decode()
    files = [tmp_path / name / "model" / "model.safetensors" for name in ("whole", "killed")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert not (tmp_path / "killed" / CHECKPOINT).exists()
    again = start("killed")
    assert "이미 있습니다" in again.communicate(timeout=60)[1].decode() and again.returncode == 1
