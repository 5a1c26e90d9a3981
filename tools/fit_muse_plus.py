"""muse-plus가 배운 것(e5의 편향의 변화량, 평균 벡터 둘)을 다시 구합니다: ``python tools/fit_muse_plus.py``

화면 문구("jupyterlab")의 학습용 부분만 씁니다. 강의 말뭉치는 배우지 않은 갈래의 시험으로 남겨 둡니다. 2코어에서 10분쯤 걸립니다.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

from labse_helpers import fine_tune, load_corpus, load_model
from labse_helpers.encoders.muse_plus import LEARNED

OUT = Path(__file__).resolve().parents[1] / "labse_helpers" / "data" / LEARNED
LONGEST = 160  # 글자. 이보다 긴 몇 쌍은 빼서 배치의 빈칸을 줄입니다


def main() -> None:
    pairs = [pair for pair in load_corpus("jupyterlab").train if len(pair.en) <= LONGEST]
    source, target = [pair.en for pair in pairs], [pair.ko for pair in pairs]
    model = load_model("e5")
    for name, p in model.named_parameters():
        p.requires_grad_(name.endswith("bias") or "LayerNorm" in name)
    before = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
    fine_tune(
        model, source, target, epochs=3, batch_size=64, learning_rate=1e-3, scale=50.0, margin=0.1, alpha=1.0
    )
    learned = {
        f"e5.{name}": (p.detach() - before[name]).half()
        for name, p in model.named_parameters()
        if name in before
    }
    sentences = sorted({*source, *target})
    for name, encoder in (("muse", load_model("muse")), ("e5", model)):
        learned[name] = torch.as_tensor(encoder.encode(sentences).mean(axis=0)).half()
    save_file(learned, OUT)
    n_learned = sum(x.numel() for x in learned.values())
    print(f"{OUT.name}: 번역쌍 {len(pairs):,}개에서 배운 수 {n_learned:,}개")


if __name__ == "__main__":
    main()
