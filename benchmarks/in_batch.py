"""02장의 작은 듀얼 인코더를 시드 세 개로 학습시켜 배치 크기, 학습률, 스케일, 마진을 비교합니다: ``python -m benchmarks.in_batch``

인코더와 학습 함수는 노트북의 셀을 그대로 실행해 얻으므로 02장과 다를 수 없습니다. 화면 문구 1,761쌍에서 에폭마다 1,536쌍을 뽑아 학습하고
나머지 454쌍으로 평가한 P@1(한국어로 질의)을 시드마다 적습니다. ``masked``는 한국어가 똑같은 쌍(거짓 음성)을 손실에서 가린 학습입니다.
"""

import itertools
from pathlib import Path

import nbformat
import torch
from torch.nn.functional import cross_entropy, normalize

import labse_helpers

from .harness import save

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "02_in_batch_negatives.ipynb"
DEFINITIONS = ("def ngrams", "class TinyEncoder", "train, test =", "def test_scores", "def fit(")
SEEDS = (0, 1, 2)
SIZES = ((4, 5), (16, 5), (64, 5), (256, 5), (64, 20), (256, 20))  # (배치 크기, 에폭)
FASTER = 1e-2  # 노트북의 5e-3 대신 써 보는 학습률
SCALES, MARGINS = (1, 5, 20, 100), (0.0, 0.3)


def chapter() -> dict:
    """02장에서 인코더, 데이터, 학습을 정의하는 셀들을 실행한 이름들."""
    sources = [
        cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"
    ]
    names: dict = {}
    exec("import numpy as np, torch, torch.nn.functional as F\nimport labse_helpers as lh", names)
    for definition in DEFINITIONS:
        (source,) = [source for source in sources if definition in source]
        exec(source, names)
    return names


class Masking:
    """``labse_helpers``와 같되, 한국어 벡터가 똑같은 쌍끼리의 원소를 손실에서 가립니다."""

    @staticmethod
    def in_batch_negatives_loss(
        x: torch.Tensor, y: torch.Tensor, scale: float, margin: float
    ) -> torch.Tensor:
        """가린 두 방향 교차 엔트로피의 합. x와 y는 (N, dim)."""
        own = torch.eye(len(x), dtype=torch.bool)
        same = torch.isclose(x[:, None], x[None], atol=1e-6).all(dim=2)  # (N, N)
        logits = scale * (normalize(x, dim=1) @ normalize(y, dim=1).T - margin * own)
        logits, labels = logits.masked_fill(same & ~own, -torch.inf), torch.arange(len(x))
        return cross_entropy(logits, labels) + cross_entropy(logits.T, labels)


def main() -> None:
    torch.set_num_threads(1)
    names = chapter()

    def p_at_1(batch_size: int, masked: bool = False, **options) -> list[float]:
        values = []
        for seed in SEEDS:
            names["lh"] = Masking if masked else labse_helpers
            encoder, _ = names["fit"](batch_size, seed=seed, **options)
            names["lh"] = labse_helpers
            values.append(float(names["hits"](encoder).mean()))
        print(
            f"배치 {batch_size}, {options}, {masked}: {', '.join(f'{value:.1%}' for value in values)}",
            flush=True,
        )
        return values

    save(
        "in_batch",
        {
            "train": len(names["train"]),
            "per_epoch": names["PER_EPOCH"],
            "test": len(names["test"]),
            "seeds": SEEDS,
            "batch_size": [
                {"batch_size": size, "epochs": epochs, "p_at_1": p_at_1(size, epochs=epochs)}
                for size, epochs in SIZES
            ],
            "learning_rate": [
                {"batch_size": size, "epochs": 5, "lr": FASTER, "p_at_1": p_at_1(size, lr=FASTER)}
                for size in (64, 256)
            ],
            "masked": [
                {"batch_size": size, "epochs": 5, "p_at_1": p_at_1(size, masked=True)} for size in (64, 256)
            ],
            "scale_and_margin": [
                {"scale": scale, "margin": margin, "p_at_1": p_at_1(64, scale=scale, margin=margin)}
                for margin, scale in itertools.product(MARGINS, SCALES)
            ],
        },
    )


if __name__ == "__main__":
    main()
