"""노트북의 slideshow 메타데이터로 reveal.js 슬라이드를 만듭니다: ``python tools/build_slides.py``

화면에는 제목, 코드, 결과, 표, 식, 그림만 놓고, 노트북의 문단은 발표자 노트(S 키)가 됩니다. 학생이 읽을 글이 곧 강사가 할
말입니다. ``build/slides``의 파일은 네트워크 없이 디스크에서 열립니다.

셀의 ``slide_type``: slide(새 장면), subslide(아래로 한 장), 없음(지금 장에 이어서), fragment(누르면 나타남),
notes(발표자 노트), skip(빼기). ``slide-output`` 태그가 있는 셀은 코드 없이 결과만 보입니다.
"""

import base64
import html
import importlib.util
import re
import shutil
from pathlib import Path

from forms import (
    BUILD,
    HEADING,
    NOTEBOOKS,
    ROOT,
    alt_text,
    has_tag,
    only_stills,
    read,
    with_headings,
    write_web_fonts,
)
from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

OUT = BUILD / "slides"
STYLE = "a11y-high-contrast-light"  # 코드의 색도 WCAG AA를 지킵니다(accessible-pygments)
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table").use(dollarmath_plugin, double_inline=True)
MARKDOWN.add_render_rule("math_inline", lambda self, tokens, i, *_: rf"\({html.escape(tokens[i].content)}\)")
MARKDOWN.add_render_rule(
    "math_block", lambda self, tokens, i, *_: rf"<p>\[{html.escape(tokens[i].content)}\]</p>"
)


class Slide:
    """장면 하나: 화면에 놓을 HTML과 발표자 노트."""

    def __init__(self, where: str) -> None:
        self.where, self.parts, self.notes = where, [], []

    def is_only_heading(self) -> bool:
        """제목뿐이면 True. 그런 장면은 따로 넘기지 않고 다음 것과 함께 놓습니다."""
        return all(re.match("<h[1-6]", part) for part in self.parts)


def build(path: Path, template) -> None:
    notebook = only_stills(read(path))
    scenes: list[list[Slide]] = []
    where = ""
    for cell, heading in with_headings(notebook):
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "-")
        if kind == "skip" or has_tag(cell, "solution"):
            continue
        if cell.cell_type == "markdown" and HEADING.findall(cell.source):
            where = heading
        if kind == "slide" or not scenes:
            scenes.append([Slide(where)])
        elif kind == "subslide" and not scenes[-1][-1].is_only_heading():
            scenes[-1].append(Slide(where))
        slide = scenes[-1][-1]
        if kind == "notes":
            slide.notes.append(MARKDOWN.render(cell.source))
        elif cell.cell_type == "markdown":
            shown, said = split_prose(cell.source)
            slide.parts += [fragment(part) for part in shown] if kind == "fragment" else shown
            slide.notes += said
        else:
            part = code_and_output(cell, heading)
            slide.parts.append(fragment(part) if kind == "fragment" else part)
    title = HEADING.findall(notebook.cells[0].source)[0]
    page = template.render(
        title=title, scenes=scenes, style=HtmlFormatter(style=STYLE).get_style_defs(".code")
    )
    (OUT / f"{path.stem}.html").write_text(page, encoding="utf-8")
    print(f"{path.stem}: {sum(map(len, scenes))}장")


def split_prose(source: str) -> tuple[list[str], list[str]]:
    """마크다운을 화면에 놓을 덩어리와 발표자 노트로 나눕니다. 문단은 노트이고 나머지는 화면입니다."""
    lines = source.splitlines()
    shown, said = [], []
    is_exercise = source.lstrip().startswith("### 연습")  # 연습의 지문은 모두가 보아야 합니다
    for token in MARKDOWN.parse(source):
        if token.level or token.map is None or token.nesting < 0:
            continue
        text = "\n".join(lines[slice(*token.map)])
        is_picture = token.type == "paragraph_open" and text.lstrip().startswith("![")
        block = MARKDOWN.render(text.replace("../images/", "images/"))
        (shown if token.type != "paragraph_open" or is_picture or is_exercise else said).append(block)
    return shown, said


def code_and_output(cell: NotebookNode, heading: str) -> str:
    shown = highlight(cell.source, PythonLexer(), HtmlFormatter(style=STYLE, nowrap=False))
    code = "" if has_tag(cell, "slide-output") else f'<div class="code">{shown}</div>'
    results, has_picture = [], False
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" in data:
            has_picture = True
            png = data["image/png"]
            png = base64.b64encode(png).decode() if isinstance(png, bytes) else png.replace("\n", "")
            results.append(
                f'<img alt="{html.escape(alt_text(cell, heading))}" src="data:image/png;base64,{png}">'
            )
        elif "text/html" in data and "application/javascript" not in str(data):
            results.append(data["text/html"])
        else:
            text = output.get("text") or data.get("text/plain", "")
            results.append(f'<pre class="output">{html.escape(text.rstrip())}</pre>')
    body = "".join(results)
    if code and has_picture:
        return f'<div class="beside">{code}<div>{body}</div></div>'
    return code + body


def fragment(part: str) -> str:
    return f'<div class="fragment">{part}</div>'


def copy_assets() -> None:
    """reveal.js(sphinx-revealjs에 든 것), MathJax, 글꼴, 그림을 옆에 둡니다. 그래서 네트워크가 필요 없습니다."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    shutil.copytree(folder_of("sphinx_revealjs") / "_static" / "revealjs", OUT / "revealjs")
    shutil.copytree(folder_of("sphinx-mathjax-offline") / "static" / "mathjax", OUT / "mathjax")
    write_web_fonts(OUT / "fonts")
    shutil.copytree(ROOT / "images", OUT / "images", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copy(Path(__file__).parent / "slides" / "slides.css", OUT)
    shutil.copy(Path(__file__).parent / "slides" / "fit.js", OUT)


def folder_of(package: str) -> Path:
    return Path(importlib.util.find_spec(package).origin).parent


if __name__ == "__main__":
    copy_assets()
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent / "slides"), autoescape=False)
    for path in NOTEBOOKS:
        build(path, environment.get_template("slides.html.j2"))
    print(f"{OUT.relative_to(ROOT)}의 HTML을 브라우저로 여십시오.")
