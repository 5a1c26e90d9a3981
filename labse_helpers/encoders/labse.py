"""LaBSE: 모델 허브의 ``sentence-transformers/LaBSE``를 온전할 때만 엽니다. 768차원, 109개 언어, 1.9 GB."""

import os

from huggingface_hub import try_to_load_from_cache
from sentence_transformers import SentenceTransformer

from ..errors import ModelUnavailableError
from .encoder import Encoder
from .hub import reason, require_hub

NAME = "sentence-transformers/LaBSE"
SIZE = "1.9 GB"
CHAIN = ["Transformer", "Pooling(cls)", "Dense(Tanh)"]
# 인코더를 이루는 파일. 한 줄의 이름은 어느 하나만 있으면 됩니다(허브의 LaBSE는 해마다 모습이 조금씩 달랐습니다).
FILES = (
    ("modules.json",),
    ("config.json",),
    ("tokenizer.json", "vocab.txt"),
    ("model.safetensors", "pytorch_model.bin"),
    ("1_Pooling/config.json",),
    ("2_Dense/config.json",),
    ("2_Dense/model.safetensors", "2_Dense/pytorch_model.bin"),
)


def labse_is_cached() -> bool:
    """LaBSE의 모든 파일이 허브 캐시에 온전히 있으면 True. 내려받다 만 상태는 False입니다."""
    return all(
        any(isinstance(try_to_load_from_cache(NAME, file, cache_folder()), str) for file in alternatives)
        for alternatives in FILES
    )


def load_labse(device: str | None) -> Encoder:
    """캐시의 LaBSE를 열거나, 없으면 내려받아 엽니다.

    Raises:
        ModelUnavailableError: 온전한 사본이 없고 내려받을 수도 없거나, 모듈의 사슬이 LaBSE의 것이 아닐 때.
    """
    cached = labse_is_cached()
    try:
        if not cached:
            # 받다 만 캐시를 열면 라이브러리가 평균 풀링으로 때워, 그럴듯하지만 틀린 벡터가 나옵니다.
            require_hub()
        model = Encoder(NAME, device=device, cache_folder=cache_folder(), local_files_only=cached)
    except Exception as error:
        raise ModelUnavailableError(
            f"LaBSE({SIZE})를 불러오지 못했습니다: 캐시에 온전한 사본이 없고 내려받을 수도 없습니다 ({reason(error)}).\n"
            "  · 인터넷이 되는 곳에서 `make labse`를 한 번 실행하면, 받다 만 파일부터 이어서 받아 둡니다.\n"
            "  · 내려받지 않고 배우려면 내장 인코더 load_model('muse')를 쓰십시오."
        ) from error
    chain = module_chain(model)
    if chain[:3] != CHAIN:
        raise ModelUnavailableError(
            f"LaBSE의 모듈은 {' → '.join(CHAIN)}이어야 하는데 {' → '.join(chain)}입니다. "
            "허브 캐시의 LaBSE 폴더를 지우고 `make labse`로 다시 받아 주십시오."
        )
    return model


def module_chain(model: SentenceTransformer) -> list[str]:
    """모듈의 사슬. 풀링의 방식과 Dense의 활성 함수가 틀리면 그럴듯하지만 틀린 벡터가 나오므로 함께 적습니다."""
    chain = []
    for module in model:
        config = module.get_config_dict()
        detail = config.get("pooling_mode") or config.get("activation_function", "").rpartition(".")[2]
        chain.append(type(module).__name__ + (f"({detail})" if detail else ""))
    return chain


def cache_folder() -> str | None:
    """허브에서 받은 것을 두는 폴더. None이면 허브의 기본 폴더입니다."""
    return os.getenv("SENTENCE_TRANSFORMERS_HOME")
