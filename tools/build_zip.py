"""나누어 줄 묶음: ``python tools/build_zip.py student|instructor``

학생용은 풀이와 출력이 없고, 강사용은 풀이가 펼쳐져 있고 강사 안내서가 들어 있습니다. 풀어서 `make lab`이면 열립니다.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
from forms import BUILD, ROOT, has_tag, read

LEFT_OUT = {
    "student": (
        "tests/",
        "benchmarks/",
        "tools/",
        "docs/instructor.md",
        ".ci/",
        ".github/",
        "CONTRIBUTING.md",
    ),
    "instructor": ("tests/", "benchmarks/", ".ci/", ".github/"),
}
FIXED_DATE = (2026, 1, 1, 0, 0, 0)  # 내용이 같으면 묶음도 바이트까지 같습니다


def for_student(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    notebook.cells = [cell for cell in notebook.cells if not has_tag(cell, "solution")]
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def for_instructor(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    for cell in notebook.cells:
        if has_tag(cell, "solution"):
            cell.metadata["jupyter"]["source_hidden"] = False
    return notebook


def build(audience: str) -> Path:
    transform = {"student": for_student, "instructor": for_instructor}[audience]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    names = [name for name in listed.stdout.split("\0") if name and not name.startswith(LEFT_OUT[audience])]
    BUILD.mkdir(exist_ok=True)
    target = BUILD / f"labse-course-{audience}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(names):
            path = ROOT / name
            data = path.read_bytes()
            if path.suffix == ".ipynb":
                data = nbformat.writes(transform(read(path))).encode("utf-8")
            archive.writestr(zipfile.ZipInfo(f"labse-course/{name}", FIXED_DATE), data, zipfile.ZIP_DEFLATED)
    print(f"{target} ({target.stat().st_size / 1e6:.1f} MB, 파일 {len(names)}개)")
    return target


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in LEFT_OUT:
        sys.exit(f"쓰는 법: python tools/build_zip.py {'|'.join(LEFT_OUT)}")
    build(sys.argv[1])
