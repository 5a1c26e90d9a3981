"""test_fine_tune.py가 새 프로세스로 부르는 것: 학습하는 프로세스를 무작위 순간에 ``kill -9``하고 잇기를 거듭합니다.

torch를 한 번만 불러온 뒤 fork합니다. fork한 프로세스는 저마다 한 번 학습하다가 죽거나, 끝나면 가중치를 적습니다.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from labse_helpers import fine_tune, load_corpus, load_model

torch.set_num_threads(1)
COURSE = load_corpus("course")
PAIRS = COURSE.select([i for i, pair in enumerate(COURSE) if len(pair.en) <= 30][:48])


def train(folder: Path) -> None:
    model = load_model("labse")
    fine_tune(
        model,
        PAIRS.en,
        PAIRS.ko,
        epochs=6,
        batch_size=8,
        learning_rate=2e-3,
        checkpoint=folder,
        save_every=2,
        show_progress_bar=False,
    )
    torch.save(dict(model.named_parameters()), folder / "weights.pt")


def start(folder: Path) -> int:
    child = os.fork()
    if child == 0:
        train(folder)
        os._exit(0)
    return child


def wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(work: Path) -> None:
    begun = time.monotonic()
    assert wait(start(work / "whole")) == 0
    seconds = time.monotonic() - begun
    rng, kills = random.Random(0), 0
    while True:
        child = start(work / "killed")
        while not (work / "killed" / "checkpoint.pt").exists():  # 첫 번째는 체크포인트가 생긴 뒤에 죽입니다
            time.sleep(0.001)
        time.sleep(seconds * rng.uniform(0, 0.2 + 0.3 * kills))  # 느린 기계에서도 언젠가는 끝납니다
        os.kill(child, signal.SIGKILL)
        code = wait(child)
        if code == 0:
            break
        assert code == -signal.SIGKILL, code
        kills += 1
    assert kills >= 1, "한 번도 죽이지 못했습니다"
    whole, killed = (torch.load(work / name / "weights.pt") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
