"""LaBSE 크기의 Transformer가 얼마나 빠른가: ``python -m benchmarks.labse``

LaBSE의 설정 그대로(12층, 768차원, 어휘 501,153개, 파라미터 4억 7천만) 가중치만 무작위로 채웁니다. 속도는 값에 달려 있지
않습니다. 토크나이저는 벤치마크의 문장으로 학습한 WordPiece라 한 문장이 나뉘는 토큰의 수는 LaBSE와 조금 다릅니다.
라이브러리의 기본값은 float32, 32문장씩입니다. GPU가 있으면 GPU에서 잽니다.
"""

import os
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel, BertTokenizerFast

from .harness import compare, save
from .sentences import mixed_lines

CONFIG = BertConfig(vocab_size=501_153, max_position_embeddings=512)  # 나머지는 BERT-base 그대로입니다
N_ON_CPU, N_ON_GPU = 256, 10_000
TOKEN_BUDGET = 16_384  # GPU에서 한 번에 계산하는 토큰의 수(패딩 포함)


def random_labse(sentences: list[str], device: str) -> SentenceTransformer:
    """모듈 사슬과 크기가 LaBSE와 같고 가중치는 무작위인 인코더."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        pieces = BertWordPieceTokenizer(lowercase=False)
        pieces.train_from_iterator(sentences, vocab_size=30_000, show_progress=False)
        BertTokenizerFast(
            tokenizer_object=pieces._tokenizer, do_lower_case=False, model_max_length=256
        ).save_pretrained(folder)
        BertModel(CONFIG).save_pretrained(folder)
        transformer = Transformer(folder)
    modules = [
        transformer,
        Pooling(768, pooling_mode="cls"),
        Dense(768, 768, activation_function=torch.nn.Tanh()),
        Normalize(),
    ]
    return SentenceTransformer(modules=modules, device=device)


def encode_by_tokens(model: SentenceTransformer, sentences: list[str], dtype: torch.dtype) -> np.ndarray:
    """길이순으로 늘어놓고, 패딩까지 합친 토큰이 예산을 넘지 않게 끊어 ``dtype``으로 인코딩합니다."""
    lengths = np.array([len(ids) for ids in model.tokenizer(sentences)["input_ids"]])
    order = np.argsort(-lengths)
    vectors = torch.empty(len(sentences), model.get_embedding_dimension(), device=model.device)
    start = 0
    with torch.inference_mode(), torch.autocast(model.device.type, dtype):
        while start < len(order):
            rows = order[start : start + max(1, TOKEN_BUDGET // lengths[order[start]])]
            features = model.preprocess([sentences[row] for row in rows])
            features = {
                k: v.to(model.device, non_blocking=True) if torch.is_tensor(v) else v
                for k, v in features.items()
            }
            vectors[torch.as_tensor(rows, device=model.device)] = model(features)[
                "sentence_embedding"
            ].float()
            start += len(rows)
    return vectors.cpu().numpy()


def bf16_peak(device: str) -> float:
    """이 기계에서 잰 bfloat16 행렬 곱의 최고 속도(FLOP/초)."""
    size = 8_192 if device == "cuda" else 2_048
    a, b = (torch.rand(size, size, device=device).bfloat16() for _ in range(2))
    best = 0.0
    for _ in range(20):
        start = time.perf_counter()
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    sentences = mixed_lines(N_ON_GPU, repeated=0)
    model = random_labse(sentences, device)
    some = sentences if device == "cuda" else sentences[:N_ON_CPU]
    tokens = sum(len(ids) for ids in model.tokenizer(some)["input_ids"])
    parameters = sum(p.numel() for p in model.parameters())
    print(f"파라미터 {parameters / 1e6:.0f}백만 개, {len(some):,}문장, 토큰 {tokens:,}개, {device}")

    def autocast(**options) -> np.ndarray:
        with torch.autocast(device, torch.bfloat16):
            return model.encode(some, **options)

    encoders: dict[str, Callable[[], np.ndarray]] = {
        "bfloat16": autocast,
        "라이브러리의 기본값": lambda: model.encode(some),
        "float32, 배치 8": lambda: model.encode(some, batch_size=8),
        "float32, 배치 128": lambda: model.encode(some, batch_size=128),
        "bfloat16, 배치 128": lambda: autocast(batch_size=128),
        "bfloat16, 토큰 예산으로 끊은 배치": lambda: encode_by_tokens(model, some, torch.bfloat16),
    }
    baseline = model.encode(some)
    agreement = {name: float((encode() * baseline).sum(axis=1).min()) for name, encode in encoders.items()}
    rows = compare(f"LaBSE의 크기, {len(some):,}문장", encoders, len(some), "문장")
    for name, cosine in agreement.items():
        print(f"  기본값과 이루는 코사인의 최솟값 {cosine:.5f}   {name}")
    start = time.perf_counter()
    model.preprocess(some)
    tokenizing = time.perf_counter() - start
    in_blocks = parameters - CONFIG.vocab_size * CONFIG.hidden_size
    fastest = max(row["median"] for row in rows)
    achieved = 2 * in_blocks * tokens * fastest / len(some)
    peak = bf16_peak(device)
    print(
        f"가장 빠른 것: 토큰 {tokens * fastest / len(some):,.0f}개/초, 어텐션을 뺀 곱셈 {achieved / 1e9:,.0f} GFLOP/s "
        f"(bfloat16 최고 {peak / 1e9:,.0f}의 {achieved / peak:.0%}), 토큰 나누기만 {len(some) / tokenizing:,.0f}문장/초"
    )
    results = {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "cores": os.cpu_count(),
        "encode": rows,
        "lowest_cosine": agreement,
        "tokens": tokens,
        "flops_per_s": achieved,
        "bf16_peak_flops_per_s": peak,
        "tokenizing_sentences_per_s": len(some) / tokenizing,
    }
    save(f"labse-{device}", results)


if __name__ == "__main__":
    main()
