"""muse-plus가 학습한 것(e5의 편향의 변화량, 평균 벡터 둘)을 다시 구합니다: ``python tools/fit_muse_plus.py``

화면 문구("jupyterlab")의 학습용 부분만 씁니다. 강의 말뭉치는 학습하지 않은 도메인의 평가용으로 남겨 둡니다. 2코어에서 10분쯤 걸립니다.
"""

import torch
from safetensors.torch import save

from labse_helpers import fine_tune, load_corpus, load_model
from labse_helpers.corpora import DATA
from labse_helpers.encoders.muse_plus import LEARNED
from labse_helpers.storage.atomic import atomic_file, check_output

OUT = DATA / LEARNED
LONGEST = 160  # 글자. 이보다 긴 몇 쌍은 빼서 배치의 패딩을 줄입니다


def main() -> None:
    check_output(OUT)
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
    with atomic_file(OUT, "wb") as file:
        file.write(save(learned))
    n_learned = sum(x.numel() for x in learned.values())
    print(f"{OUT.name}: 번역쌍 {len(pairs):,}개로 학습한 파라미터 {n_learned:,}개")


if __name__ == "__main__":
    main()
