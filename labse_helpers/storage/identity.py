"""인코더의 신원: 저장해 둔 벡터를 다른 인코더의 것과 섞지 않게 합니다."""

import numpy as np
from sentence_transformers import SentenceTransformer

from ..errors import InputError

PROBES = ["도서관은 월요일에 쉽니다.", "The library is closed on Mondays.", "42번 버스는 몇 시에 옵니까?"]
SAME = 0.9999  # 같은 가중치면 기계가 달라도 코사인이 이보다 큽니다


def identity(model: SentenceTransformer) -> dict:
    """인코더의 이름과 차원, 정해진 문장들의 벡터. JSON으로 적을 수 있습니다.

    가중치의 이름이나 파일이 아니라 내놓는 벡터로 알아보므로, 같은 이름으로 미세 조정한 인코더도 구별합니다.
    """
    card = getattr(model, "card", None)
    product_dtype = getattr(model, "product_dtype", None)
    return {
        "name": card.name if card else type(model).__name__,
        "dimension": model.get_embedding_dimension(),
        "precision": str(product_dtype or "float32").removeprefix("torch."),
        "probes": [[float(f"{x:.6g}") for x in row] for row in model.encode(PROBES).tolist()],
    }


def check_identity(saved: dict, model: SentenceTransformer, where: str) -> None:
    """``saved``를 만든 인코더와 ``model``이 다르면 :class:`InputError`를 냅니다."""
    mine = identity(model)
    if saved["dimension"] != mine["dimension"]:
        difference = f"차원이 {saved['dimension']}인데 지금 인코더는 {mine['dimension']}입니다"
    elif saved["precision"] != mine["precision"]:
        difference = f"정밀도가 {saved['precision']}인데 지금 인코더는 {mine['precision']}입니다"
    elif (cosine := _lowest_cosine(saved["probes"], mine["probes"])) < SAME:
        difference = f"같은 문장의 벡터가 서로 다릅니다(코사인 {cosine:.4f})"
    else:
        return
    raise InputError(
        f"{where}: 저장된 벡터는 {saved['name']}의 것이고 지금 인코더는 {mine['name']}입니다. {difference}. "
        "저장할 때 쓴 인코더를 건네거나 다시 인코딩해 주십시오."
    )


def _lowest_cosine(first: list, second: list) -> float:
    a, b = np.array(first), np.array(second)
    return float(((a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())
