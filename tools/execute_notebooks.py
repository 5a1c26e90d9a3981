"""노트북을 처음부터 끝까지 다시 실행해 그 자리에 저장합니다: ``python tools/execute_notebooks.py [파일 …]``

진행 막대의 이름표와 속도처럼 실행할 때마다 달라지는 것은 다듬으므로, 결과가 같으면 파일도 거의 같습니다.
"""

import json
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from forms import has_tag
from nbclient import NotebookClient

from labse_helpers.encoders.e5 import e5_is_available

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
CELL_TIMEOUT = 120  # 초


def execute(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    if not e5_is_available() and any(has_tag(cell, "needs-e5") for cell in notebook.cells):
        sys.exit(f"{path.name}: e5의 가중치가 있어야 저장할 결과가 나옵니다. 다시 실행하지 않았습니다.")
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        coalesce_streams=True,  # 커널이 나누어 보낸 출력을 한 덩이로 보입니다
    )
    client.execute()
    metadata = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    if "widgets" in notebook.metadata:  # 저장된 상태가 있어야 실행 전에도 진행 막대가 보입니다
        metadata["widgets"] = notebook.metadata["widgets"]
    notebook.metadata = nbformat.from_dict(metadata)
    text = tidy_widgets(nbformat.writes(notebook))
    nbformat.write(nbformat.reads(text, as_version=4), path)


def tidy_widgets(text: str) -> str:
    """위젯의 무작위 이름을 화면에 나온 순서로 바꾸고, 진행 막대의 시간과 속도를 지웁니다."""
    notebook = json.loads(text)
    state = notebook["metadata"].get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {})
    models = state.get("state", {})
    order: list[str] = []

    def visit(model: str) -> None:
        if model not in order:
            order.append(model)
            for child in re.findall(r"IPY_MODEL_(\w+)", json.dumps(models[model])):
                visit(child)

    for model in re.findall(r'"model_id": "(\w+)"', json.dumps(notebook["cells"])):
        visit(model)
    for i, model in enumerate(order):
        text = text.replace(model, f"{i:032x}")
    return re.sub(r"\[\d\d:\d\d(?:<|&lt;)\d\d:\d\d,\s+[\d.]+(?:it/s|s/it)\]", "", text)


if __name__ == "__main__":
    os.environ["LABSE_MODEL"] = "muse"  # 커밋하는 결과는 언제나 내장 인코더의 것입니다
    for path in [Path(arg) for arg in sys.argv[1:]] or sorted(NOTEBOOKS.glob("*.ipynb")):
        start = time.perf_counter()
        execute(path)
        print(f"{path.name}: {time.perf_counter() - start:.1f}초", flush=True)
