"""07장의 기록: 미세 조정의 설정(레시피), 시드, 배치 크기, e5의 편향 학습을 잽니다.

    python -m benchmarks.fine_tuning            # 모두 (한 코어에서 7분쯤)
    python -m benchmarks.fine_tuning recipes    # 4절의 표
    python -m benchmarks.fine_tuning seeds      # 5절: 시드를 바꾼 판정
    python -m benchmarks.fine_tuning batches    # 6절의 표
    python -m benchmarks.fine_tuning e5         # 8절

``recipes``와 ``batches``는 화면 문구의 **학습용만**으로 잽니다. 네 쌍마다 하나를 떼어 dev로 쓰고 나머지로 학습합니다. 학습한 도메인의 P@1은 dev의 쌍(한국어가 화면 문구 전체에서
하나뿐인 것)끼리, 학습하지 않은 도메인의 P@1은 강의 말뭉치의 학습용끼리 찾은 것입니다. 두 말뭉치의 평가용은 쓰지 않습니다.
"""

import copy
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import torch
from tqdm import tqdm

from labse_helpers import (
    fine_tune,
    in_batch_negatives_loss,
    load_corpus,
    load_model,
    paired_difference,
    ranks,
)
from labse_helpers.corpora import Corpus
from labse_helpers.training.fine_tune import batches_of, embed

from .harness import save

CHOSEN = {"learning_rate": 1e-3, "epochs": 2}  # 고른 설정. 나머지는 fine_tune의 기본값(배치 128, 마진 0.3)
ALPHA = 0.5
STEPS = 22  # 고른 설정의 스텝 수
HARD = 1  # 하드 네거티브로 배치에 더하는, 문장마다 가장 가까운 틀린 문장의 수
TOO_CLOSE = 0.95  # 정답의 코사인의 이 비율보다 가까우면 번역일 수 있어 더하지 않습니다


def split(corpus: Corpus) -> tuple[Corpus, Corpus]:
    """학습용을 (학습하는 쌍, 고르는 데 쓰는 쌍)으로 나눕니다."""
    train, times = corpus.train, Counter(corpus.ko)
    fit = [i for i in range(len(train)) if i % 4]
    dev = [i for i in range(0, len(train), 4) if times[train.ko[i]] == 1]
    return train.select(fit), train.select(dev)


def tuned(freeze: Callable | None = None, **options) -> Callable:
    """``fine_tune``으로 학습하는 설정."""

    def train(model, corpus: Corpus) -> int:
        if freeze:
            freeze(model)
        settings = CHOSEN | options | {"alpha": 1.0, "show_progress_bar": False}
        return len(fine_tune(model, corpus.en, corpus.ko, **settings))

    return train


def only(*names: str) -> Callable:
    """이름에 ``names`` 가운데 하나가 든 가중치만 학습합니다."""

    def freeze(model) -> None:
        for name, p in model.named_parameters():
            p.requires_grad_(any(wanted in name for wanted in names))

    return freeze


def linear_map(model, corpus: Corpus, epochs: int = 20) -> int:
    """인코더는 두고, 벡터에 곱하는 512 × 512 행렬만 학습합니다(처음은 단위행렬)."""
    sides = [model.encode(side, convert_to_tensor=True) for side in (corpus.en, corpus.ko)]
    matrix = torch.nn.Linear(sides[0].shape[1], sides[0].shape[1], bias=False)
    torch.nn.init.eye_(matrix.weight)
    optimizer = torch.optim.AdamW(matrix.parameters(), lr=5e-4, weight_decay=0.0)
    steps = 0
    for epoch in range(epochs):
        for batch in batches_of(corpus.en, corpus.ko, 128, epoch=epoch):
            loss = in_batch_negatives_loss(*(matrix(side[batch]) for side in sides), margin=0.3)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    model.append(Map(matrix))
    return steps


class Map(torch.nn.Module):
    """문장 벡터에 행렬을 곱하고 길이를 1로 맞춥니다."""

    def __init__(self, matrix: torch.nn.Linear) -> None:
        super().__init__()
        self.matrix = matrix

    def forward(self, features: dict, **kwargs) -> dict:
        mapped = self.matrix(features["sentence_embedding"])
        features["sentence_embedding"] = torch.nn.functional.normalize(mapped, dim=1)
        return features


def with_hard_negatives(model, corpus: Corpus, batch_size: int = 128) -> int:
    """배치의 문장마다 가장 가까운 틀린 문장을 (제 번역과 함께) 배치에 더합니다. 이웃은 에폭마다 다시 찾습니다."""
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.0)
    steps = CHOSEN["epochs"] * -(-len(corpus) // batch_size)
    step = 0
    for epoch in range(CHOSEN["epochs"]):
        scores = torch.as_tensor(model.encode(corpus.en) @ model.encode(corpus.ko).T)
        scores[scores > TOO_CLOSE * scores.diagonal()[:, None]] = -1
        near = scores.topk(HARD, dim=1).indices.tolist()
        model.train()
        for batch in batches_of(corpus.en, corpus.ko, batch_size, epoch=epoch):
            more = dict.fromkeys([*batch, *(j for i in batch for j in near[i])])
            for group in optimizer.param_groups:
                group["lr"] = CHOSEN["learning_rate"] * min((step + 1) / (0.1 * steps), 1 - step / steps)
            sides = (embed(model, [side[i] for i in more]) for side in (corpus.en, corpus.ko))
            loss = in_batch_negatives_loss(*sides, margin=0.3)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    model.eval()
    return step


# 이름 → (학습하는 함수, 섞는 비율들). 적지 않은 것은 고른 설정과 같습니다.
RECIPES: dict[str, tuple[Callable, tuple[float, ...]]] = {
    "고른 설정": (tuned(), (ALPHA, 0.25, 0.75, 1.0)),
    "시드 1": (tuned(seed=1), (ALPHA,)),
    "시드 2": (tuned(seed=2), (ALPHA,)),
    "마진 없이": (tuned(margin=0.0), (ALPHA,)),
    "학습률 절반": (tuned(learning_rate=5e-4), (ALPHA, 1.0)),
    "학습률 두 배": (tuned(learning_rate=2e-3), (ALPHA, 1.0)),
    "다섯 에폭": (tuned(epochs=5), (ALPHA, 1.0)),
    "하드 네거티브": (with_hard_negatives, (ALPHA,)),
    "문장 벡터를 만드는 층만": (tuned(only("dense", "skip")), (ALPHA,)),
    "벡터에 곱하는 행렬만": (linear_map, (1.0,)),
}

# (배치, 에폭): 본 쌍의 수가 같은 것과 스텝의 수가 같은 것
SAME_PAIRS = {8: 2, 32: 2, 128: 2, 512: 2}
SAME_STEPS = {8: 1, 32: 1, 128: 2, 512: 6}


class Judge:
    """dev와 강의 말뭉치의 학습용에서 잰 P@1과, 학습 전이나 고른 설정과의 짝지은 차이."""

    def __init__(self) -> None:
        self.fit, self.dev = split(load_corpus("jupyterlab"))
        self.course = load_corpus("course").train
        self.before = self.right(load_model("muse"))
        self.chosen: dict[str, list] | None = None

    def right(self, model) -> dict[str, list]:
        """도메인마다, 방향마다(영한, 한영) 맞았는지 (N,)."""
        result = {}
        for name, corpus in (("learned", self.dev), ("elsewhere", self.course)):
            scores = model.encode(corpus.en) @ model.encode(corpus.ko).T
            result[name] = [(ranks(s) == 1).astype(float) for s in (scores, scores.T)]
        return result

    def row(self, name: str, model, **more) -> dict:
        row: dict = {"recipe": name} | more
        right = self.right(model)
        if name == f"고른 설정, α = {ALPHA:g}":
            self.chosen = right
        for domain, directions in right.items():
            row[domain] = [float(x.mean()) for x in directions]
            for what, reference in (("change", self.before), ("against_chosen", self.chosen)):
                if reference:
                    pairs = zip(reference[domain], directions, strict=True)
                    row[f"{domain}_{what}"] = [asdict(paired_difference(*pair)) for pair in pairs]
        print(describe(row), flush=True)
        return row


def describe(row: dict) -> str:
    parts = [f"{row['recipe']:24} {row.get('steps', 0):4}스텝 {row.get('seconds', 0):5.1f}초"]
    for domain in ("learned", "elsewhere"):
        for value, change in zip(row[domain], row[f"{domain}_change"], strict=True):
            low, high = 100 * change["low"], 100 * change["high"]
            parts.append(f"{100 * value:5.1f} ({100 * change['value']:+.1f} [{low:+.1f}, {high:+.1f}])")
    return "  ".join(parts)


def blended(model, original: dict, tuned_state: dict, alpha: float):
    """가중치를 섞은 사본. 더해진 층(행렬)은 그대로 씁니다."""
    mixed = copy.deepcopy(model)
    state = {
        name: original[name].lerp(x, alpha) if name in original and x.is_floating_point() else x
        for name, x in tuned_state.items()
    }
    mixed.load_state_dict(state)
    return mixed


def run(train: Callable, corpus: Corpus) -> tuple:
    model = load_model("muse")
    original = copy.deepcopy(model.state_dict())
    start = time.perf_counter()
    steps = train(model, corpus)
    return model, original, copy.deepcopy(model.state_dict()), steps, time.perf_counter() - start


def recipes() -> None:
    judge = Judge()
    rows = [judge.row("학습 전", load_model("muse"))]
    for name, (train, alphas) in tqdm(RECIPES.items(), desc="설정", disable=None):
        model, original, after, steps, seconds = run(train, judge.fit)
        for alpha in alphas:
            mixed = blended(model, original, after, alpha)
            rows.append(judge.row(f"{name}, α = {alpha:g}", mixed, alpha=alpha, steps=steps, seconds=seconds))
    counts = {"fitted": len(judge.fit), "dev": len(judge.dev), "elsewhere": len(judge.course)}
    save("fine_tuning", counts | {"chosen": CHOSEN | {"alpha": ALPHA}, "recipes": rows})


def batches() -> None:
    judge = Judge()
    rows = []
    for what, sizes in (("same_pairs", SAME_PAIRS), ("same_steps", SAME_STEPS)):
        for size, epochs in sizes.items():
            few = what == "same_steps" and size * STEPS < len(judge.fit)
            step = max(1, len(judge.fit) // (size * STEPS))
            corpus = (
                judge.fit.select(list(range(0, len(judge.fit), step))[: size * STEPS]) if few else judge.fit
            )
            model, original, after, steps, seconds = run(tuned(batch_size=size, epochs=epochs), corpus)
            mixed = blended(model, original, after, ALPHA)
            pairs = epochs * len(corpus)
            rows.append(
                judge.row(f"배치 {size}", mixed, same=what, pairs=pairs, steps=steps, seconds=seconds)
            )
    save("fine_tuning_batches", {"alpha": ALPHA, "batches": rows})


def seeds() -> None:
    """5절처럼 화면 문구의 학습용 전부를 학습하고 두 평가용에서 잰 것: 시드 셋, 그리고 학습률을 두 배로 한 것."""
    interface, course = load_corpus("jupyterlab"), load_corpus("course")
    times = Counter(interface.ko)
    held_out, course_held_out = set(interface.test.ids), set(course.test.ids)
    new = [i for i, pair in enumerate(interface) if pair.id in held_out]
    asked = [i for i in new if times[interface[i].ko] == 1]
    course_asked = [i for i, pair in enumerate(course) if pair.id in course_held_out]

    def right(model) -> dict[str, list]:
        """평가마다, 방향마다(영한, 한영) 맞았는지 (Q,)."""
        sides = {
            corpus.name: (model.encode(corpus.en), model.encode(corpus.ko)) for corpus in (interface, course)
        }
        judged = {
            "new": ("jupyterlab", asked, new),
            "all": ("jupyterlab", asked, list(range(len(interface)))),
            "course": ("course", course_asked, list(range(len(course)))),
        }
        result = {}
        for what, (name, queries, candidates) in judged.items():
            en, ko = sides[name]
            gold = [candidates.index(i) for i in queries]
            result[what] = [
                (ranks(x[queries] @ y[candidates].T, gold) == 1).astype(float)
                for x, y in ((en, ko), (ko, en))
            ]
        return result

    before = right(load_model("muse"))
    rows = []
    runs = {f"시드 {seed}": {"seed": seed} for seed in (0, 1, 2)} | {"학습률 두 배": {"learning_rate": 2e-3}}
    for name, options in runs.items():
        model = load_model("muse")
        settings = CHOSEN | options | {"alpha": ALPHA, "show_progress_bar": False}
        losses = fine_tune(model, interface.train.en, interface.train.ko, **settings)
        halves = [float(np.mean(half)) for half in np.array_split(losses, CHOSEN["epochs"])]
        row: dict = {"recipe": name, "loss_of_epochs": halves}
        for what, directions in right(model).items():
            pairs = zip(before[what], directions, strict=True)
            row[what] = [asdict(paired_difference(*pair)) for pair in pairs]
        rows.append(row)
        print(row, flush=True)
    save("fine_tuning_seeds", {"queries": len(asked), "alpha": ALPHA, "seeds": rows})


def e5() -> None:
    """편향과 LayerNorm만 짧은 화면 문구 192쌍으로 학습한 e5와, 학습하지 않고 평균만 뺀 e5.

    평균은 세 가지입니다. 언어마다의 평가 문장의 평균, 두 언어의 평가 문장 전부의 평균, 언어마다의 다른 문장(강의 말뭉치의 학습용) 150개의 평균.
    """
    corpus = load_corpus("course")
    test, others = (
        corpus.test,
        corpus.train.select(np.random.default_rng(0).choice(len(corpus.train), 150, replace=False).tolist()),
    )
    model = load_model("e5")
    for name, p in model.named_parameters():
        p.requires_grad_(name.endswith("bias") or "LayerNorm" in name)
    rows: list[dict] = []
    first: list = []

    def measure(name: str, *subtracted: str) -> None:
        sides = [torch.as_tensor(model.encode(side)) for side in (test.en, test.ko)]
        common = torch.cat(sides).mean(0)
        means = {
            "": None,
            "언어마다의 평균을 뺌": [x.mean(0) for x in sides],
            "두 언어의 공통 평균을 뺌": [common, common],
            "언어마다 다른 문장 150개의 평균을 뺌": [
                torch.as_tensor(model.encode(side)).mean(0) for side in (others.en, others.ko)
            ],
        }
        for what in ("", *subtracted):
            x, y = sides
            if means[what]:
                x, y = (
                    torch.nn.functional.normalize(s - m, dim=1)
                    for s, m in zip(sides, means[what], strict=True)
                )
            right = [(ranks(s) == 1).astype(float) for s in (x @ y.T, y @ x.T)]
            first.extend(right if not first else [])
            changes = [asdict(paired_difference(b, x)) for b, x in zip(first, right, strict=True)]
            row = {"recipe": ", ".join(filter(None, (name, what))), "change": changes}
            rows.append(
                row | {"course_test": [float(x.mean()) for x in right], "mean_length": float(common.norm())}
            )
            print(rows[-1], flush=True)

    every = ("언어마다의 평균을 뺌", "두 언어의 공통 평균을 뺌", "언어마다 다른 문장 150개의 평균을 뺌")
    measure("학습 전", *every)
    short = [pair for pair in load_corpus("jupyterlab").train if len(pair.en) <= 60][:192]
    source, target = [pair.en for pair in short], [pair.ko for pair in short]
    fine_tune(model, source, target, epochs=1, batch_size=32, learning_rate=1e-3, alpha=1.0)
    measure("편향만 학습", *every[:2])
    save("fine_tuning_e5", {"pairs": len(short), "evaluated": len(test), "recipes": rows})


if __name__ == "__main__":
    parts = {"recipes": recipes, "seeds": seeds, "batches": batches, "e5": e5}
    for part in sys.argv[1:] or parts:
        parts[part]()
