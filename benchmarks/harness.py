"""여러 구현을 번갈아 돌려 비율을 재고, 표와 JSON으로 남깁니다."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

RUNS = 5
RESULTS = Path(__file__).parent / "results"


def compare(
    title: str,
    peers: dict[str, Callable[[], object]],
    work: int | dict[str, int],
    unit: str,
    runs: int = RUNS,
) -> list[dict]:
    """첫 번째 구현과 나머지를 번갈아 ``runs``번씩 재어 표를 출력하고 돌려줍니다.

    번갈아 재므로 기계가 느려지는 순간을 모두가 나누어 겪습니다. 배수는 같은 회차에 잰 속도끼리 나눈 것의 중앙값입니다.

    Args:
        title: 표의 제목.
        peers: 이름에서 할 일로. 첫 번째가 이 강의의 구현입니다. 먼저 한 번씩 예열합니다.
        work: 한 번에 하는 일의 양(문장 수 …). 구현마다 다르면 이름에서 양으로 가는 사전.
        unit: 그 단위.
        runs: 번갈아 재는 횟수. 차이가 작은 것끼리 비교할 때 늘립니다.
    """
    for run in peers.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(runs):
        for name, run in peers.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    amount = work if isinstance(work, dict) else dict.fromkeys(peers, work)
    rates_of = {name: [amount[name] / t for t in times] for name, times in seconds.items()}
    ours = next(iter(rates_of.values()))
    rows = []
    print(f"\n{title}\n  {unit + '/초 최소–중앙–최대':>30}    배수")
    for name, rates in rates_of.items():
        ratio = statistics.median(mine / rate for rate, mine in zip(rates, ours, strict=True))
        rates = sorted(rates)
        row = {"peer": name, "min": rates[0], "median": statistics.median(rates), "max": rates[-1]}
        rows.append(row | {"unit": f"{unit}/s", "ours_is_times_faster": ratio})
        print(f"  {row['min']:10,.4g} – {row['median']:8,.4g} – {row['max']:8,.4g} {ratio:7.2f}   {name}")
    return rows


def in_new_process(code: str) -> float:
    """새 파이썬 프로세스에서 ``code``를 돌리고, 마지막 줄에 출력한 수를 돌려줍니다."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(result.stdout.split()[-1])


def save(name: str, results: dict) -> None:
    """결과를 잰 기계와 함께 ``results/<name>.json``에 적습니다."""
    machine = {
        "processor": torch.cpu.get_capabilities().get("cpu_name", platform.processor()),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(
        json.dumps({"machine": machine} | results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    print(f"\n{path.relative_to(Path.cwd())}에 적었습니다.")
