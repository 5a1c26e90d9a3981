"""최대 길이에서 잘린 문장을 알아보기: Transformer는 넘치는 토큰을 말없이 버립니다."""

from sentence_transformers.sentence_transformer.modules import Transformer
from torch import Tensor


class TruncationWarning(UserWarning):
    """인코더의 최대 길이를 넘어 뒤가 잘린 문장이 있습니다."""


def cut_texts(transformer: Transformer, texts: list[str], attention_mask: Tensor | None) -> list[bool]:
    """``transformer``가 자르는 글이면 True인 목록 N개.

    자르지 않고 다시 나누어 보아 판단합니다. 최대 길이를 다 채운 글만 다시 나누므로 거의 시간이 들지 않습니다.

    Args:
        transformer: 글을 읽는 모듈.
        texts: 프롬프트를 붙인 글 N개.
        attention_mask: ``preprocess``의 결과 (N, L). None이면 모든 글을 다시 나누어 봅니다.
    """
    limit = transformer.max_seq_length
    if limit is None:
        return [False] * len(texts)
    full = [True] * len(texts) if attention_mask is None else (attention_mask.sum(dim=1) >= limit).tolist()
    maybe = [i for i, is_full in enumerate(full) if is_full]
    cut = [False] * len(texts)
    if maybe:
        ids = transformer.tokenizer([texts[i] for i in maybe], truncation=False, verbose=False)["input_ids"]
        for i, of_one in zip(maybe, ids, strict=True):
            cut[i] = len(of_one) > limit
    return cut
