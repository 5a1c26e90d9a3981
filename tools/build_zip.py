"""나누어 줄 압축 파일: ``python tools/build_zip.py student|instructor``

학생용은 풀이와 출력이 없고, 강사용은 풀이가 펼쳐져 있고 강사 안내서가 들어 있습니다. 풀어서 `make lab`이면 열립니다.
"""

import os
import re
import sys
import zipfile
from pathlib import Path

import nbformat
from forms import BUILD, ROOT, has_tag, read

# 압축 파일에 넣을 파일과 폴더. 강사의 컴퓨터에 함께 있는 다른 파일(점수, 답안, 벡터 …)은 나누어 주지 않습니다.
FOR_STUDENT = {
    ".jupyter", "CITATION.cff", "LICENSE", "LICENSE-CC-BY-4.0", "Makefile", "README.md", "conftest.py", "constraints.txt",
    "docs", "environment.yml", "images", "labse_helpers", "notebooks", "pyproject.toml",
}  # fmt: skip
SHIPPED = {
    "student": FOR_STUDENT,
    "instructor": FOR_STUDENT | {".gitignore", ".pre-commit-config.yaml", "CONTRIBUTING.md", "tools"},
}
IN_NOTEBOOKS = re.compile(r"notebooks/(?:\d\d_\w+\.ipynb|conftest\.py|nbval_sanitize\.cfg)")
FOR_INSTRUCTOR_ONLY = "docs/instructor.md"
NOT_FOR_STUDENTS = (
    "빠르기",
    "강의하는 분께",
    "저장소의 구성",
)  # README의 절. 학생용에 없는 파일과 명령을 말합니다
SOURCES = SHIPPED["instructor"] | {".ci", ".github", "benchmarks", "tests"}
CACHES = {"__pycache__", ".hypothesis", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
FIXED_DATE = (2026, 1, 1, 0, 0, 0)  # 내용이 같으면 압축 파일도 바이트까지 같습니다
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")


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


def source_files(root: Path) -> list[str]:
    """저장소의 원본 파일: ``root``에서 본 이름, 정렬된 순서. git이 없어도 됩니다."""
    found = [name for name in SOURCES if (root / name).is_file()]
    for source in SOURCES:
        for folder, folders, files in os.walk(root / source):
            folders[:] = [name for name in folders if name not in CACHES]
            found += [
                (Path(folder) / name).relative_to(root).as_posix() for name in files if name != ".DS_Store"
            ]
    return sorted(found)


def is_shipped(name: str, audience: str) -> bool:
    """``source_files``의 파일 하나가 ``audience``에게 주는 압축 파일에 들어가는가."""
    top = name.partition("/")[0]
    if top == "notebooks" and not IN_NOTEBOOKS.fullmatch(name):
        return False
    return top in SHIPPED[audience] and (audience == "instructor" or name != FOR_INSTRUCTOR_ONLY)


def without_dead_links(text: str, place: str, names: list[str]) -> str:
    """``place``에 있는 글에서, 압축 파일에 없는 파일로 가는 링크를 글자로 바꿉니다."""

    def keep_or_unlink(match: re.Match) -> str:
        target = os.path.normpath(Path(place).parent / match[2]).replace(os.sep, "/")
        kept = any(name == target or name.startswith(f"{target}/") for name in names)
        return match[0] if kept else match[1]

    return LINK.sub(keep_or_unlink, text)


def without_sections(text: str, titles: tuple[str, ...]) -> str:
    """제목이 ``titles``에 든 절(``##``)을 뺀 글."""
    first, *sections = text.split("\n## ")
    return "\n## ".join([first, *(part for part in sections if part.partition("\n")[0] not in titles)])


def build(audience: str) -> Path:
    transform = {"student": for_student, "instructor": for_instructor}[audience]
    names = [name for name in source_files(ROOT) if is_shipped(name, audience)]
    BUILD.mkdir(exist_ok=True)
    target = BUILD / f"labse-course-{audience}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            path = ROOT / name
            data = path.read_bytes()
            if path.suffix == ".ipynb":
                notebook = transform(read(path))
                for cell in notebook.cells:
                    if cell.cell_type == "markdown":
                        cell.source = without_dead_links(cell.source, name, names)
                data = nbformat.writes(notebook).encode("utf-8")
            elif path.suffix == ".md" and not name.startswith("tools/"):  # tools/의 글은 사이트의 원본입니다
                text = without_dead_links(data.decode("utf-8"), name, names)
                if audience == "student":
                    text = without_sections(text, NOT_FOR_STUDENTS)
                data = text.encode("utf-8")
            archive.writestr(zipfile.ZipInfo(f"labse-course/{name}", FIXED_DATE), data, zipfile.ZIP_DEFLATED)
    print(f"{target} ({target.stat().st_size / 1e6:.1f} MB, 파일 {len(names)}개)")
    return target


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in SHIPPED:
        sys.exit(f"쓰는 법: python tools/build_zip.py {'|'.join(SHIPPED)}")
    build(sys.argv[1])
