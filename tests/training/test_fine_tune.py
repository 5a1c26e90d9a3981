"""미세 조정: 라이브러리의 것과 같은가, 죽었다 이어도 같은가, 잘못된 것을 알아보는가, 남의 것을 건드리지 않는가."""

import copy
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from labse_helpers import InputError, fine_tune, load_corpus, load_model
from labse_helpers.encoders.truncation import TruncationWarning
from labse_helpers.errors import OutputError
from labse_helpers.storage.atomic import only_writer
from labse_helpers.training import fine_tune as module
from labse_helpers.training.fine_tune import CHECKPOINT, batches_of

TRAIN = load_corpus("jupyterlab").train
PAIRS = TRAIN.select([i for i, pair in enumerate(TRAIN) if len(pair.en) <= 25][:96])  # 짧은 것만: 빠릅니다
FEW = PAIRS[:16]
SETTINGS = {"epochs": 2, "batch_size": 16, "show_progress_bar": False}
SHORT = {"epochs": 2, "batch_size": 8, "show_progress_bar": False, "learning_rate": 2e-3}


@pytest.fixture()
def labse(tiny_labse_cache, monkeypatch):
    """LaBSE와 모듈 사슬이 같은(드롭아웃도 있는) 작은 인코더를 부르는 함수."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tiny_labse_cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tiny_labse_cache))
    return lambda: load_model("labse")


def weights(model) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def same(first, second) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def stop_at_step(monkeypatch, step: int, error: BaseException | None = None) -> None:
    """``step``번째(0부터) 스텝에서 멈추게 합니다. 한 스텝에 ``embed``를 두 번 부릅니다."""
    embed, calls = module.embed, []

    def stopping(model, sentences):
        if len(calls) == 2 * step:
            raise error or KeyboardInterrupt
        calls.append(None)
        return embed(model, sentences)

    monkeypatch.setattr(module, "embed", stopping)


# ---- 학습


def test_same_losses_as_the_trainer_of_the_library(tmp_path):
    pairs = TRAIN[:96]
    ours = fine_tune(
        load_model("muse"), pairs.en, pairs.ko, **SETTINGS, learning_rate=3e-4, margin=0, alpha=1
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
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict({"en": pairs.en, "ko": pairs.ko}),
        loss=loss,
    )
    trainer.train()
    theirs = [2 * float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    assert ours == pytest.approx(theirs, abs=1e-3)  # 라이브러리는 두 방향을 더하지 않고 평균합니다


def test_learns_and_alpha_blends(labse):
    options = SETTINGS | {"learning_rate": 1e-2, "epochs": 4}
    model = labse()
    before = weights(model)
    losses = fine_tune(model, PAIRS.en, PAIRS.ko, **options, alpha=1)
    tuned = weights(model)
    assert sum(losses[-3:]) < 0.98 * sum(losses[:3])
    for alpha in (0.0, 0.25, 0.5):
        model = labse()
        assert fine_tune(model, PAIRS.en, PAIRS.ko, **options, alpha=alpha) == losses
        for name, value in weights(model).items():
            assert torch.allclose(value, (1 - alpha) * before[name] + alpha * tuned[name], atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 9])
def test_even_the_first_step_of_a_short_run_teaches(model, steps):
    """같은 배치를 거듭 보므로, 첫 스텝이 가중치를 바꾸었으면 둘째 손실이 다릅니다(mUSE에는 드롭아웃이 없습니다)."""
    tuned = copy.deepcopy(model)
    losses = fine_tune(tuned, FEW.en[:4], FEW.ko[:4], epochs=steps, batch_size=4, show_progress_bar=False)
    assert len(losses) == steps
    assert len(set(losses)) == steps
    before, after = weights(model), weights(tuned)
    assert not any(torch.equal(before[name], after[name]) for name in before if "dense3" in name)


def test_only_weights_that_require_gradients_change(labse):
    model = labse()
    for name, p in model.named_parameters():
        p.requires_grad_(name.startswith("2."))
    before = weights(model)
    fine_tune(model, FEW.en, FEW.ko, **SHORT)
    changed = {name for name, value in weights(model).items() if not torch.equal(value, before[name])}
    assert changed == {"2.linear.weight", "2.linear.bias"}
    model.requires_grad_(False)
    with pytest.raises(InputError, match="requires_grad"):
        fine_tune(model, FEW.en, FEW.ko, **SHORT)


def test_batches_have_no_repeated_sentence_and_miss_none():
    pairs = TRAIN
    batches = list(batches_of(pairs.en, pairs.ko, 128))
    assert sorted(i for batch in batches for i in batch) == list(range(len(pairs)))
    for batch in batches:
        assert len({pairs.ko[i] for i in batch}) == len({pairs.en[i] for i in batch}) == len(batch) <= 128
    assert batches == list(batches_of(pairs.en, pairs.ko, 128))
    assert batches != list(batches_of(pairs.en, pairs.ko, 128, epoch=1))


@pytest.mark.parametrize(
    "kind",
    [
        tuple,
        iter,
        np.array,
        lambda x: pd.Series(x, index=range(len(x), 0, -1)),
        lambda x: Dataset.from_dict({"a": x})["a"],
    ],
    ids=["tuple", "generator", "numpy", "Series", "datasets"],
)
def test_any_iterable_of_sentences(labse, kind):
    expected = fine_tune(labse(), FEW.en, FEW.ko, **SHORT)
    assert fine_tune(labse(), kind(FEW.en), kind(FEW.ko), **SHORT) == expected


# ---- 남의 것은 그대로


def test_random_states_of_the_caller_are_untouched_and_do_not_matter(labse):
    models = [labse() for _ in range(3)]  # 불러오는 일은 난수를 씁니다
    torch.manual_seed(1)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    first = fine_tune(models[0], FEW.en, FEW.ko, **SHORT)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert random.getstate() == states[2]
    torch.manual_seed(2)
    assert fine_tune(models[1], FEW.en, FEW.ko, **SHORT) == first
    assert fine_tune(models[2], FEW.en, FEW.ko, **SHORT, seed=1) != first


@pytest.mark.parametrize(
    "way", ["success", "diverges", "interrupted", "bad_argument", "foreign_checkpoint", "memory"]
)
@pytest.mark.parametrize("training", [True, False])
def test_the_training_flags_are_put_back_however_it_ends(labse, tmp_path, monkeypatch, way, training):
    model = labse()
    model.train(training)
    model[1].train(not training)  # 모듈마다 달리 해 두었습니다
    flags = [part.training for part in model.modules()]
    before, options, error = weights(model), dict(SHORT), None
    if way == "diverges":
        options, error = options | {"learning_rate": 1e30}, InputError
    elif way == "interrupted":
        error = KeyboardInterrupt
        stop_at_step(monkeypatch, 2)
    elif way == "memory":
        error = torch.OutOfMemoryError
        stop_at_step(monkeypatch, 2, torch.OutOfMemoryError("CUDA out of memory"))
    elif way == "bad_argument":
        options, error = options | {"margin": -1}, InputError
    elif way == "foreign_checkpoint":
        (tmp_path / CHECKPOINT).write_bytes(b"?")
        options, error = options | {"checkpoint": tmp_path}, OutputError
    if error is None:
        fine_tune(model, FEW.en, FEW.ko, **options)
        assert not same(before, weights(model))
    else:
        with pytest.raises(error):
            fine_tune(model, FEW.en, FEW.ko, **options)
        assert same(before, weights(model))
    assert [part.training for part in model.modules()] == flags
    assert all(p.grad is None for p in model.parameters())


def test_the_card_says_what_it_was_tuned_on(labse, tmp_path):
    model = labse()
    assert model.card.tuned_on is None
    fine_tune(model, FEW.en, FEW.ko, **SHORT, alpha=0)
    assert model.card.tuned_on is None  # 아무것도 바뀌지 않았습니다
    with pytest.raises(InputError):
        fine_tune(model, FEW.en, FEW.ko, **SHORT | {"learning_rate": 1e30})
    assert model.card.tuned_on is None
    fine_tune(model, FEW.en, FEW.ko, **SHORT)
    assert model.card.tuned_on == "번역쌍 16개"
    model.save(str(tmp_path / "model"))
    again = load_model(str(tmp_path / "model"))
    assert again.card.tuned_on == "번역쌍 16개"
    fine_tune(again, FEW.en[:8], FEW.ko[:8], **SHORT)
    assert again.card.tuned_on == "번역쌍 16개, 번역쌍 8개"


def test_a_plain_model_of_the_library_learns_too(labse):
    model = SentenceTransformer(modules=list(labse().children()), device="cpu")
    before = weights(model)
    fine_tune(model, FEW.en, FEW.ko, **SHORT)
    assert not same(before, weights(model))
    assert not hasattr(model, "card")


def test_sentences_that_are_cut_are_warned_of_before_the_training(labse, monkeypatch):
    stop_at_step(monkeypatch, 0)
    long = "끝까지 읽히지 않는 긴 문장입니다. " * 100
    with (
        pytest.warns(TruncationWarning, match=r"문장 1개가 최대 .*target\[2\]"),
        pytest.raises(KeyboardInterrupt),
    ):
        fine_tune(labse(), ["a", "b", "c"], ["가", "나", long], **SHORT)


# ---- 잘못된 입력과 발산


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        (["가", "나"], ["a"], {}, "번째끼리 짝"),
        (["가", " "], ["a", "b"], {}, r"source\[1\]"),
        (["가", "나"], ["a", "\u200b"], {}, r"target\[1\]"),
        ([], [], {}, "비어"),
        ("가나", ["a", "b"], {}, "source"),
        (["가", "가"], ["a", "b"], {}, "둘보다 적어"),
    ],
)
def test_bad_sentences(model, source, target, options, message):
    with pytest.raises(InputError, match=message):
        fine_tune(model, source, target, show_progress_bar=False, **options)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("epochs", [0, -1, 1.5, 2.0, True, "3", None, float("nan")]),
        ("batch_size", [1, 0, True, 16.0, "16", None]),
        ("learning_rate", [0, 1e31, -1e-4, float("nan"), float("inf"), "x", None, True, [1e-3]]),
        ("scale", [0, -20, float("nan"), float("inf"), "20", None]),
        ("margin", [-0.1, float("nan"), float("inf"), "0.3", None]),
        ("alpha", [-0.1, 1.5, float("nan"), "0.5", None]),
        ("seed", ["a", 1.0, -1, 2**32, None, True]),
        ("save_every", [0, 1.5, "50", None]),
    ],
)
def test_bad_arguments_are_named_before_any_work(labse, monkeypatch, name, values):
    model = labse()
    monkeypatch.setattr(module, "batches_of", lambda *args: pytest.fail("먼저 거절해야 합니다"))
    for value in values:
        with pytest.raises(InputError, match=f"{name}.*여야 합니다") as caught:
            fine_tune(model, FEW.en, FEW.ko, show_progress_bar=False, **{name: value})
        assert repr(value) in str(caught.value)


def test_numbers_of_numpy_are_numbers(labse):
    expected = fine_tune(labse(), FEW.en, FEW.ko, **SHORT)
    numbers = {
        "epochs": np.int64(2),
        "batch_size": np.int32(8),
        "learning_rate": np.float64(2e-3),
        "seed": np.uint8(0),
    }
    assert fine_tune(labse(), FEW.en, FEW.ko, **SHORT | numbers) == expected


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("epochs", [1, 4])
@pytest.mark.parametrize("cause", ["learning_rate", "nan_gradient", "inf_loss", "nan_loss"])
def test_divergence_is_never_returned_not_even_on_the_last_step(
    labse, tmp_path, monkeypatch, epochs, cause, kept
):
    model = labse()
    before = weights(model)
    options = {
        "epochs": epochs,
        "batch_size": 16,
        "show_progress_bar": False,
        "checkpoint": tmp_path if kept else None,
    }
    loss_of, calls = module.in_batch_negatives_loss, []
    last = next(p for name, p in model.named_parameters() if name == "2.linear.bias")

    def bad_at_the_end(*arguments):
        calls.append(None)
        loss = loss_of(*arguments)
        if len(calls) < epochs:
            return loss
        return {
            "nan_gradient": loss + 0 * (0 * last.sum()).sqrt(),  # 값은 멀쩡하고 기울기가 NaN입니다
            "inf_loss": loss * torch.inf,
            "nan_loss": loss * torch.nan,
        }[cause]

    if cause == "learning_rate":
        options["learning_rate"] = 1e30
    else:
        monkeypatch.setattr(module, "in_batch_negatives_loss", bad_at_the_end)
    with pytest.raises(InputError, match="학습률|learning_rate"):
        fine_tune(model, FEW.en, FEW.ko, **options)
    assert same(before, weights(model))
    assert not (tmp_path / CHECKPOINT).exists()  # 발산한 상태에서 이으면 다시 발산합니다


# ---- 체크포인트


def test_interrupted_training_with_dropout_resumes_to_the_same_weights(labse, tmp_path, monkeypatch):
    options = SETTINGS | {"learning_rate": 2e-3, "save_every": 3}
    whole = labse()
    losses = fine_tune(whole, PAIRS.en, PAIRS.ko, **options)
    for step, kept in ((1, None), (7, 6), (11, 9)):
        stopped = labse()
        before = weights(stopped)
        with monkeypatch.context() as patch:
            resumed_from = kept_steps(tmp_path)
            stop_at_step(patch, step - resumed_from)
            with pytest.raises(KeyboardInterrupt):
                fine_tune(stopped, PAIRS.en, PAIRS.ko, **options, checkpoint=tmp_path)
        assert same(before, weights(stopped))
        assert kept_steps(tmp_path) == (kept or 0)
    resumed = labse()
    assert fine_tune(resumed, PAIRS.en, PAIRS.ko, **options, checkpoint=tmp_path) == losses
    assert same(weights(whole), weights(resumed))
    again = labse()  # 끝까지 간 체크포인트는 그대로 결과가 됩니다
    monkeypatch.setattr(module, "embed", lambda *args: pytest.fail("다시 학습합니다"))
    assert fine_tune(again, PAIRS.en, PAIRS.ko, **options, checkpoint=tmp_path) == losses
    assert same(weights(whole), weights(again))
    assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", CHECKPOINT]


def kept_steps(folder: Path) -> int:
    path = folder / CHECKPOINT
    return len(torch.load(path, weights_only=True)["losses"]) if path.exists() else 0


@pytest.fixture()
def finished(labse, tmp_path):
    """끝까지 간 체크포인트가 든 폴더."""
    fine_tune(labse(), FEW.en, FEW.ko, **SHORT, checkpoint=tmp_path)
    return tmp_path


def test_a_checkpoint_of_something_else_is_refused(labse, finished, model):
    options = SHORT | {"checkpoint": finished}
    with pytest.raises(InputError, match="지금 인코더는"):
        fine_tune(model, FEW.en, FEW.ko, **options)
    for name, value in (("margin", 0.1), ("epochs", 3), ("seed", 7), ("learning_rate", 1e-3)):
        with pytest.raises(InputError, match=rf"{name}이\(가\) .*에서 {value}"):
            fine_tune(labse(), FEW.en, FEW.ko, **options | {name: value})
    with pytest.raises(InputError, match="문장들이 달라졌습니다"):
        fine_tune(labse(), FEW.en[1:], FEW.ko[1:], **options)
    frozen = labse()
    frozen[0].requires_grad_(False)
    before = weights(frozen)
    with pytest.raises(InputError, match="requires_grad"):
        fine_tune(frozen, FEW.en, FEW.ko, **options)
    assert same(before, weights(frozen))


def without(key):
    return lambda state: {name: value for name, value in state.items() if name != key}


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:5000],
        lambda raw: b"",
        lambda raw: b"junk" * 1000,
        lambda raw: raw[: len(raw) // 2] + b"\0" * (len(raw) - len(raw) // 2),
    ],
)
def test_a_broken_checkpoint_is_said_and_changes_nothing(labse, finished, damage):
    path = finished / CHECKPOINT
    path.write_bytes(damage(path.read_bytes()))
    model = labse()
    before = weights(model)
    with pytest.raises(OutputError, match="읽을 수 없습니다. 지우고"):
        fine_tune(model, FEW.en, FEW.ko, **SHORT, checkpoint=finished)
    assert same(before, weights(model))


@pytest.mark.parametrize(
    "change",
    [
        lambda state: [1, 2, 3],
        lambda state: state["weights"],  # 다른 도구가 적은 가중치
        without("encoder"),
        without("optimizer"),
        lambda state: {**state, "losses": None},
        lambda state: {**state, "settings": {}},
        lambda state: {**state, "encoder": {"name": "?"}},
        lambda state: {**state, "optimizer": {}},
        lambda state: {**state, "weights": {name: x[..., :1] for name, x in state["weights"].items()}},
        lambda state: {**state, "weights": {name: None for name in state["weights"]}},
    ],
)
def test_a_file_of_torch_that_is_not_our_checkpoint(labse, finished, change):
    path = finished / CHECKPOINT
    torch.save(change(torch.load(path, weights_only=True)), path)
    model = labse()
    before = weights(model)
    with pytest.raises(OutputError, match="깨져|깨졌"):
        fine_tune(model, FEW.en, FEW.ko, **SHORT, checkpoint=finished)
    assert same(before, weights(model))


def test_a_checkpoint_is_never_run_as_code(labse, tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "실행됨"),))

    torch.save({"losses": Evil()}, tmp_path / CHECKPOINT)
    with pytest.raises(OutputError):
        fine_tune(labse(), FEW.en, FEW.ko, **SHORT, checkpoint=tmp_path)
    assert not (tmp_path / "실행됨").exists()


def test_a_disk_that_fills_up_while_checkpointing(labse, tmp_path, monkeypatch):
    """파일 크기의 한도로 진짜 쓰기 오류를 냅니다. 앞의 체크포인트는 남고, 가중치는 돌아옵니다."""
    resource = pytest.importorskip("resource")
    options = SHORT | {"checkpoint": tmp_path, "save_every": 2}
    losses = fine_tune(labse(), FEW.en, FEW.ko, **SHORT)
    with monkeypatch.context() as patch:
        stop_at_step(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            fine_tune(labse(), FEW.en, FEW.ko, **options)
    model = labse()
    before = weights(model)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OutputError, match="디스크가 가득.*공간을 비우고.*이어서"):
            fine_tune(model, FEW.en, FEW.ko, **options)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert same(before, weights(model))
    assert kept_steps(tmp_path) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", CHECKPOINT]
    assert fine_tune(model, FEW.en, FEW.ko, **options) == losses


def test_folders_that_cannot_be_are_refused_before_any_work(labse, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "batches_of", lambda *args: pytest.fail("먼저 거절해야 합니다"))
    (tmp_path / "파일").touch()
    for name in ("파일/안", "가" * 100, "이름\udcff"):
        with pytest.raises(OutputError):
            fine_tune(labse(), FEW.en, FEW.ko, **SHORT, checkpoint=tmp_path / name)


def test_a_second_run_in_the_same_folder_is_refused(labse, tmp_path):
    with only_writer(tmp_path), pytest.raises(OutputError, match="다른 실행이"):
        fine_tune(labse(), FEW.en, FEW.ko, **SHORT, checkpoint=tmp_path)
    fine_tune(labse(), FEW.en, FEW.ko, **SHORT, checkpoint=tmp_path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="이 운영 체제에는 fork가 없습니다")
def test_killed_and_resumed_training_ends_in_the_same_weights(tiny_labse_cache, tmp_path):
    """``kill -9``를 무작위 순간에 거듭 맞은 학습도 한 번에 한 것과 똑같은 가중치를 남깁니다."""
    script = Path(__file__).with_name("killed_training.py")
    environment = os.environ | {
        "HF_HUB_CACHE": str(tiny_labse_cache),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(script.parents[2]),
        "PYTHONUTF8": "1",
    }
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
