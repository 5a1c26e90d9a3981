"""노트북의 다른 모습을 만들 때 함께 쓰는 것: 읽기, 정지 그림만 남기기, 대체 글, 연습의 시작 셀과 풀이 셀 가려내기."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from fontTools.ttLib import TTFont
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WIDGET = "application/vnd.jupyter.widget-view+json"
TITLE = re.compile(r"(?:title=|set_title\()f?\"((?:[^\"\\]|\\.)*)\"")
HEADING = re.compile(r"^#{1,3} (.+)$", re.MULTILINE)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def has_tag(cell: NotebookNode, tag: str) -> bool:
    return tag in cell.metadata.get("tags", [])


def with_headings(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, str]]:
    """셀마다 그것이 속한 제목을 함께 냅니다."""
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (found := HEADING.findall(cell.source)):
            heading = found[-1]
        yield cell, heading


def alt_text(cell: NotebookNode, heading: str) -> str:
    """그림의 대체 글: 코드에 적힌 그림의 제목, 없으면 그 절의 제목."""
    titles = [title.replace("\\n", " ") for title in TITLE.findall(cell.source) if "{" not in title]
    return f"그림: {' · '.join(dict.fromkeys(titles)) or heading}"


def only_stills(notebook: NotebookNode) -> NotebookNode:
    """커널이 있어야 움직이는 위젯을 빼고 그 자리의 정지 그림만 남깁니다."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        kept = []
        for output in cell.outputs:
            data = output.get("data", {})
            if WIDGET in data:
                del data[WIDGET]
                if not data.keys() & {"image/png", "text/html"}:  # 진행 막대
                    continue
                data.pop("text/plain", None)
            kept.append(output)
        cell.outputs = kept
    return notebook


def write_web_fonts(folder: Path) -> None:
    """나눔고딕 보통과 굵은 글꼴을 브라우저가 읽는 꼴(WOFF)로 적습니다.

    원본에는 길이가 0인 편집용 표(TSI…)가 있어 브라우저가 글꼴을 통째로 거절하므로 그 표를 뺍니다.
    """
    folder.mkdir(parents=True)
    fonts = Path(importlib.util.find_spec("koreanize_matplotlib").origin).parent / "fonts"
    for name in ("NanumGothic", "NanumGothicBold"):
        font = TTFont(fonts / f"{name}.ttf")
        for table in [tag for tag in font.keys() if tag.startswith("TSI")]:  # noqa: SIM118 - TTFont은 사전이 아닙니다
            del font[table]
        font.flavor = "woff"
        font.save(folder / f"{name}.woff")
