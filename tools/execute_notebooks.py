"""노트북을 처음부터 끝까지 다시 실행해 그 자리에 저장합니다: ``python tools/execute_notebooks.py [파일 …]``

실행 시각이나 위젯 상태처럼 실행할 때마다 달라지는 것은 저장하지 않으므로, 결과가 같으면 파일도 같습니다.
"""

import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
CELL_TIMEOUT = 120  # 초


def execute(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        store_widget_state=False,
    )
    client.execute()
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    nbformat.write(notebook, path)


if __name__ == "__main__":
    os.environ["LABSE_MODEL"] = "muse"  # 커밋하는 결과는 언제나 내장 인코더의 것입니다
    for path in [Path(arg) for arg in sys.argv[1:]] or sorted(NOTEBOOKS.glob("*.ipynb")):
        start = time.perf_counter()
        execute(path)
        print(f"{path.name}: {time.perf_counter() - start:.1f}초", flush=True)
