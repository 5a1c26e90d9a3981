"""화면 문구로 mUSE를 미세 조정하는 설정(레시피)들을 비교합니다: ``python -m benchmarks.fine_tuning``

학습용 1,761쌍을 다시 나누어, 학습하는 1,339쌍과 고르는 데 쓰는(dev) 422쌍으로 씁니다. 한국어가 겹치는 것은 질의에서 뺍니다. 평가용 454쌍은 고른 설정에
한 번만 씁니다. 학습한 도메인의 P@1은 dev의 질의로 화면 문구 2,215개 전체에서 찾은 것이고, 학습하지 않은 도메인의 P@1은 강의 말뭉치의 학습용 808쌍에서
잰 것입니다.
"""

import copy
import time
import zlib
from collections import Counter
from collections.abc import Callable

import torch
from tqdm import tqdm

from labse_helpers import fine_tune, in_batch_negatives_loss, load_corpus, load_model, precision_at_1, ranks
from labse_helpers.corpora import Corpus
from labse_helpers.training.fine_tune import batches_of, embed

from .harness import save

HARD = 1  # 하드 네거티브로 배치에 더하는, 문장마다 가장 가까운 틀린 문장의 수
TOO_CLOSE = 0.95  # 정답의 코사인의 이 비율보다 가까우면 번역일 수 있어 더하지 않습니다


def split(corpus: Corpus) -> tuple[Corpus, list[int]]:
    """학습하는 부분과, 고르는 데 쓰는 쌍의 (전체에서의) 번호."""
    kind = [zlib.crc32(f"{pair.ko}\t{pair.en}".encode()) % 5 for pair in corpus]
    times = Counter(corpus.ko)
    dev = [i for i, pair in enumerate(corpus) if kind[i] == 1 and times[pair.ko] == 1]
    return corpus.select([i for i, k in enumerate(kind) if k > 1]), dev


def only(*names: str) -> Callable:
    """이름에 ``names`` 가운데 하나가 든 가중치만 학습합니다."""

    def freeze(model) -> None:
        for name, p in model.named_parameters():
            p.requires_grad_(any(wanted in name for wanted in names))

    return freeze


def linear_map(model, corpus: Corpus, epochs: int = 20) -> None:
    """인코더는 두고, 벡터를 한 번 더 곱하는 512 × 512 행렬만 학습합니다(처음은 단위행렬)."""
    sides = [model.encode(side, convert_to_tensor=True) for side in (corpus.en, corpus.ko)]
    matrix = torch.nn.Linear(sides[0].shape[1], sides[0].shape[1], bias=False)
    torch.nn.init.eye_(matrix.weight)
    optimizer = torch.optim.AdamW(matrix.parameters(), lr=5e-4, weight_decay=0.0)
    for epoch in range(epochs):
        for batch in batches_of(corpus.en, corpus.ko, 128, epoch=epoch):
            loss = in_batch_negatives_loss(*(matrix(side[batch]) for side in sides), margin=0.3)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.append(matrix_module(matrix))


def matrix_module(matrix: torch.nn.Linear) -> torch.nn.Module:
    class Map(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.matrix = matrix

        def forward(self, features: dict, **kwargs) -> dict:
            mapped = self.matrix(features["sentence_embedding"])
            features["sentence_embedding"] = torch.nn.functional.normalize(mapped, dim=1)
            return features

    return Map()


def with_hard_negatives(model, corpus: Corpus, epochs: int = 5, batch_size: int = 128) -> None:
    """배치의 문장마다 가장 가까운 틀린 문장을 (제 번역과 함께) 배치에 더합니다. 이웃은 에폭마다 다시 찾습니다."""
    original = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.0)
    steps = epochs * -(-len(corpus) // batch_size)
    step = 0
    for epoch in range(epochs):
        scores = torch.as_tensor(model.encode(corpus.en) @ model.encode(corpus.ko).T)
        scores[scores > TOO_CLOSE * scores.diagonal()[:, None]] = -1
        near = scores.topk(HARD, dim=1).indices.tolist()
        model.train()
        for batch in batches_of(corpus.en, corpus.ko, batch_size, epoch=epoch):
            more = dict.fromkeys([*batch, *(j for i in batch for j in near[i])])
            learning_rate = 5e-4 * min((step + 1) / (0.1 * steps), max(0.0, 1 - step / steps))
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            loss = in_batch_negatives_loss(
                *(embed(model, [side[i] for i in more]) for side in (corpus.en, corpus.ko)), margin=0.3
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    model.eval()
    tuned = model.state_dict()
    model.load_state_dict(
        {name: x if x.dtype == torch.uint8 else x.lerp(tuned[name], 0.5) for name, x in original.items()}
    )


def recipe(**options) -> Callable:
    freeze = options.pop("train", None)

    def apply(model, corpus: Corpus) -> None:
        if freeze:
            freeze(model)
        fine_tune(model, corpus.en, corpus.ko, show_progress_bar=False, **options)

    return apply


RECIPES = {
    "학습 전": lambda model, corpus: None,
    "벡터에 곱하는 행렬만": linear_map,
    "문장 벡터를 다듬는 층만(head)": recipe(train=only("dense", "skip")),
    "합성곱 브랜치만": recipe(train=only("branches")),
    "마진 없이": recipe(margin=0.0),
    "섞지 않고(α = 1)": recipe(alpha=1.0),
    "α = 0.7": recipe(alpha=0.7),
    "학습률 네 배, 섞지 않고": recipe(learning_rate=2e-3, alpha=1.0),
    "배치 8": recipe(batch_size=8),
    "배치 32": recipe(batch_size=32),
    "배치 512": recipe(batch_size=512),
    "열 에폭": recipe(epochs=10),
    "하드 네거티브": with_hard_negatives,
    "고른 것: 임베딩 표를 뺀 모두, 마진 0.3, 배치 128, 다섯 에폭, α = 0.5": recipe(),
}


def both(first: torch.Tensor, second: torch.Tensor, rows: list[int]) -> list[float]:
    """``rows``의 질의로 상대쪽 전체에서 찾은 P@1, 두 방향."""
    return [float((ranks(scores[rows], rows) == 1).mean()) for scores in (first @ second.T, second @ first.T)]


def main() -> None:
    interface, course = load_corpus("jupyterlab"), load_corpus("course").train
    corpus, dev = split(interface)
    results = []
    for name, apply in tqdm(RECIPES.items(), desc="설정"):
        model = load_model("muse")
        start = time.perf_counter()
        apply(model, corpus)
        seconds = time.perf_counter() - start
        en, ko = (torch.as_tensor(model.encode(side)) for side in (interface.en, interface.ko))
        elsewhere = precision_at_1(model.encode(course.en) @ model.encode(course.ko).T)
        results.append(
            {
                "recipe": name,
                "learned": both(en, ko, dev),
                "learned_among_dev": both(en[dev], ko[dev], list(range(len(dev)))),
                "elsewhere": [elsewhere.forward.value, elsewhere.backward.value],
                "seconds": seconds,
            }
        )
    print("학습한 도메인 영한 / 한영   그 가운데서만   학습하지 않은 도메인   초")
    for row in results:
        values = [
            "/".join(f"{100 * x:.1f}" for x in row[key])
            for key in ("learned", "learned_among_dev", "elsewhere")
        ]
        print(f"{values[0]:>14} {values[1]:>14} {values[2]:>14} {row['seconds']:6.1f}   {row['recipe']}")
    save("fine_tuning", {"fitted": len(corpus), "dev": len(dev), "recipes": results})


if __name__ == "__main__":
    main()
