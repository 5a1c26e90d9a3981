"""encode_file의 속도와 메모리: ``python -m benchmarks.files``

같은 줄을 ``model.encode``로 인코딩할 때와 속도를 비교하고, 10만 줄과 200만 줄을 인코딩하는 프로세스의 최대 메모리를 잽니다.
메모리는 짧은 줄로 잽니다(200만 줄에 10분쯤). 줄 수만 다르고 나머지는 같습니다.
"""

import tempfile
from pathlib import Path

from labse_helpers import encode_file, load_model

from .harness import compare, in_new_process, save
from .sentences import mixed_lines

N_SPEED = 20_000
FEW_LINES, MANY_LINES = 100_000, 2_000_000


def speed(folder: Path) -> list[dict]:
    model = load_model("muse", device="cpu")
    sentences = mixed_lines(N_SPEED)
    path = folder / "lines.txt"
    path.write_text("\n".join(sentences) + "\n", encoding="utf-8")
    runs = iter(range(1_000))
    peers = {
        "encode_file": lambda: encode_file(path, folder / f"{next(runs)}", model, show_progress_bar=False),
        "model.encode": lambda: model.encode(sentences),
    }
    return compare(f"{N_SPEED:,}줄", peers, N_SPEED, "줄")


def peak_memory_mb(folder: Path, n_lines: int) -> float:
    """서로 다른 짧은 줄 n개를 인코딩하는 새 프로세스의 최대 상주 메모리(VmHWM에서 파일 매핑을 뺀 RssAnon의 최대)."""
    path = folder / f"{n_lines}.txt"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{i}번 버스는 {i % 60}분 뒤에 옵니다.\n" for i in range(n_lines))
    return in_new_process(
        "import re, sys, threading, time, pathlib\n"
        "from labse_helpers import encode_file, load_model\n"
        "peak = 0\n"
        "def watch():\n"
        "    global peak\n"
        "    while True:\n"
        "        status = pathlib.Path('/proc/self/status').read_text()\n"
        "        peak = max(peak, int(re.search(r'RssAnon:\\s+(\\d+)', status)[1]))\n"
        "        time.sleep(0.02)\n"
        "threading.Thread(target=watch, daemon=True).start()\n"
        f"encode_file({str(path)!r}, {str(folder / f'out{n_lines}')!r}, load_model('muse', 'cpu'), show_progress_bar=False)\n"
        "print(peak / 1024)\n"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results: dict = {"speed": speed(folder)}
        few, many = (peak_memory_mb(folder, n) for n in (FEW_LINES, MANY_LINES))
        results["peak_memory_mb"] = {f"{FEW_LINES} lines": few, f"{MANY_LINES} lines": many}
        print(
            f"\n최대 메모리: {FEW_LINES:,}줄 {few:.0f} MB, {MANY_LINES:,}줄 {many:.0f} MB ({many / few - 1:+.1%})"
        )
        save("files", results)


if __name__ == "__main__":
    main()
