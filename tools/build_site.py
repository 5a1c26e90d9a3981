"""실행된 노트북으로 강의 사이트를 만듭니다: ``python tools/build_site.py``

``build/site/index.html``을 디스크에서 바로 열거나 아무 정적 호스트에 올리면 됩니다. 밖으로 나가는 요청이 없습니다.
"""

import shutil
from pathlib import Path

import nbformat
from forms import BUILD, NOTEBOOKS, ROOT, alt_text, has_tag, only_stills, read, with_headings, write_web_fonts
from sphinx.cmd.build import build_main

SOURCE, OUT = BUILD / "site-source", BUILD / "site"
PARTS = Path(__file__).parent / "site"


def prepare() -> None:
    """노트북, 그림, 문서를 저장소와 같은 자리에 모읍니다. 그래서 서로의 링크가 그대로 통합니다."""
    for folder in (SOURCE, OUT):
        shutil.rmtree(folder, ignore_errors=True)
    static = SOURCE / "_static"
    (SOURCE / "notebooks").mkdir(parents=True)
    static.mkdir()
    shutil.copy(PARTS / "conf.py", SOURCE)
    shutil.copy(PARTS / "index.md", SOURCE)
    for name in ("course.css", "course.js"):
        shutil.copy(PARTS / name, static)
    write_web_fonts(static / "fonts")
    shutil.copytree(ROOT / "images", SOURCE / "images", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (SOURCE / "docs").mkdir()
    for name in ("glossary.md", "muse_plus.md"):  # 강사 안내서에는 시험 문제의 답이 있어 싣지 않습니다
        shutil.copy(ROOT / "docs" / name, SOURCE / "docs")
    for path in NOTEBOOKS:
        nbformat.write(for_site(path), SOURCE / "notebooks" / path.name)


def for_site(path: Path) -> nbformat.NotebookNode:
    notebook = only_stills(read(path))
    for cell, heading in with_headings(notebook):
        if cell.cell_type == "code":
            cell.metadata["mystnb"] = {"image": {"alt": alt_text(cell, heading)}}
            if has_tag(cell, "solution"):
                cell.metadata["tags"] = ["hide-cell"]
    return notebook


if __name__ == "__main__":
    prepare()
    status = build_main(["-q", "-W", "--keep-going", "-b", "html", str(SOURCE), str(OUT)])
    print(
        f"{(OUT / 'index.html').relative_to(ROOT)}을 브라우저로 여십시오."
        if status == 0
        else "사이트에 문제가 있습니다."
    )
    raise SystemExit(status)
