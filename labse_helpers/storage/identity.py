"""인코더의 신원: 저장해 둔 벡터를 다른 인코더의 것과 섞지 않게 합니다."""

from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer

from ..errors import InputError, OutputError

PROBES = ["도서관은 월요일에 쉽니다.", "The library is closed on Mondays.", "42번 버스는 몇 시에 옵니까?"]
SAME = 0.9999  # 같은 가중치면 기계가 달라도 코사인이 이보다 큽니다
SAME_LENGTH = 0.01  # 벡터 길이의 비율은 이보다 적게 달라집니다


def identity(model: SentenceTransformer) -> dict[str, Any]:
    """인코더의 이름, 차원, 자료형, 최대 길이와 정해진 문장들의 벡터. JSON으로 적을 수 있습니다.

    가중치의 이름이나 파일이 아니라 내놓는 벡터로 알아보므로, 같은 이름으로 미세 조정한 인코더도 구별합니다.
    """
    card = getattr(model, "card", None)
    dtype = getattr(model, "product_dtype", None) or "float32"
    vectors = np.asarray(model.encode(PROBES), dtype=np.float64)
    return {
        "name": card.name if card else type(model).__name__,
        "dimension": model.get_embedding_dimension(),
        "dtype": str(dtype).removeprefix("torch."),
        "max_seq_length": getattr(model, "max_seq_length", None),
        "probes": [[float(f"{x:.6g}") for x in row] for row in vectors],
    }


def check_identity(saved: Any, model: SentenceTransformer, where: str) -> None:
    """``saved``를 만든 인코더가 ``model``인지 봅니다.

    Args:
        saved: :func:`identity`가 돌려준 것을 적었다가 읽은 값. 믿지 않고 검사합니다.
        where: 오류 메시지의 앞에 쓸, 그것이 적힌 곳.

    Raises:
        InputError: 다른 인코더일 때.
        OutputError: ``saved``가 신원이 아니거나 깨졌을 때.
    """
    name, theirs = _read(saved, where)
    mine = identity(model)
    vectors = np.array(mine["probes"])
    for key, korean in (("dimension", "차원이"), ("dtype", "자료형이"), ("max_seq_length", "최대 길이가")):
        if saved[key] != mine[key]:
            difference = f"{korean} {saved[key]}인데 지금 인코더는 {mine[key]}입니다"
            break
    else:
        if theirs.shape != vectors.shape:
            raise _damaged(where)
        lengths, other = np.linalg.norm(vectors, axis=1), np.linalg.norm(theirs, axis=1)
        with np.errstate(all="ignore"):  # 길이가 0이면 코사인이 NaN이고, NaN은 아래에서 다른 것이 됩니다
            cosine = float(((vectors * theirs).sum(axis=1) / (lengths * other)).min())
        if not cosine >= SAME:
            difference = f"같은 문장의 벡터가 서로 다릅니다(코사인 {cosine:.4f})"
        elif not np.abs(other / lengths - 1).max() <= SAME_LENGTH:
            difference = "같은 문장의 벡터가 방향은 같지만 길이가 다릅니다(정규화 여부)"
        else:
            return
    raise InputError(
        f"{where}: 저장된 벡터는 {name}의 것이고 지금 인코더는 {mine['name']}입니다. {difference}. "
        "저장할 때 쓴 인코더를 건네거나 다시 인코딩해 주십시오."
    )


def _read(saved: Any, where: str) -> tuple[str, np.ndarray]:
    """저장된 신원의 이름과 벡터들 (3, dim) float64."""
    keys = {"name", "dimension", "dtype", "max_seq_length", "probes"}
    if not isinstance(saved, dict) or not keys <= saved.keys():
        raise _damaged(where)
    try:
        return str(saved["name"]), np.array(saved["probes"], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise _damaged(where) from error


def _damaged(where: str) -> OutputError:
    return OutputError(
        f"{where}: 적혀 있는 인코더의 신원이 깨졌거나 예전 형식입니다. 지우고 다시 만들어 주십시오."
    )
