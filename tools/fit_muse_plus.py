"""muse-plus가 빼는 평균 벡터를 학습용 부분에서 다시 구합니다: ``python tools/fit_muse_plus.py``"""

import json

from labse_helpers import load_corpus, load_model
from labse_helpers.corpora import DATA
from labse_helpers.joint import CENTRE


def main() -> None:
    corpora = [load_corpus("course").train, load_corpus("jupyterlab").train]
    sentences = sorted({sentence for corpus in corpora for sentence in corpus.ko + corpus.en})
    centre = {}
    for name in ("muse", "e5"):
        mean = load_model(name).encode(sentences, show_progress_bar=True).mean(axis=0)
        centre[name] = [float(f"{value:.4g}") for value in mean]
    (DATA / CENTRE).write_text(json.dumps(centre) + "\n", encoding="utf-8")
    print(f"서로 다른 문장 {len(sentences):,}개의 평균을 {CENTRE}에 적었습니다.")


if __name__ == "__main__":
    main()
