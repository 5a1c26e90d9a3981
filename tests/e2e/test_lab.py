"""진짜 JupyterLab에서: 장마다 Run All, 연습에 틀리게 또 맞게 답하기, 퀴즈, 슬라이더, 글 상자, 검색창."""

import re
import time

import pytest
from shared import ROOT, SHOTS, TOKEN

NAMES = [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
CHAPTERS = [name for name in NAMES if name != "00_index"]
RUN_ALL_SECONDS = 120
KERNEL = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
MODEL = "window.jupyterapp.shell.currentWidget.content.model.sharedModel"


@pytest.fixture(scope="module", params=NAMES)
def chapter(request, browser, lab):
    """Run All을 마친 노트북 하나."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{lab}/lab/workspaces/{request.param}/tree/notebooks/{request.param}.ipynb?token={TOKEN}")
    page.wait_for_function(f"{KERNEL}?.status === 'idle'", timeout=60_000)
    page.get_by_role("menuitem", name="실행", exact=True).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^모든 셀 실행$")).first.click()
    start = time.monotonic()
    while True:
        page.wait_for_timeout(1_500)
        idle = page.evaluate(f"{KERNEL}.status") == "idle"
        if idle and all(cell["execution_count"] for cell in code_cells(page)):
            break
        assert time.monotonic() - start < RUN_ALL_SECONDS, "Run All이 끝나지 않습니다"
    page.name = request.param
    yield page
    page.close()


def cells(page) -> list[dict]:
    return page.evaluate(f"{MODEL}.toJSON().cells")


def code_cells(page) -> list[dict]:
    return [cell for cell in cells(page) if cell["cell_type"] == "code"]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def find(page, needle: str, tag: str | None = None) -> int:
    """그 글이 든 첫 셀의 번호."""
    return next(
        i
        for i, cell in enumerate(cells(page))
        if needle in source(cell) and (tag is None or tag in cell["metadata"].get("tags", []))
    )


def show(page, index: int) -> None:
    """그 셀을 고르고 화면에 보이게 합니다."""
    page.evaluate(
        """async (index) => {
          const notebook = window.jupyterapp.shell.currentWidget.content;
          notebook.activeCellIndex = index;
          notebook.deselectAll();
          await notebook.scrollToItem(index, 'start');
          notebook.activate();
        }""",
        index,
    )
    page.wait_for_timeout(400)


def answer(page, index: int, code: str) -> str:
    """셀의 글을 지우고 새로 적은 뒤 Shift+Enter로 실행해, 출력된 글을 돌려줍니다."""
    show(page, index)
    page.keyboard.press("Enter")
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(code)
    before = cells(page)[index]["execution_count"]
    page.keyboard.press("Shift+Enter")
    for _ in range(100):
        page.wait_for_timeout(200)
        cell = cells(page)[index]
        if cell["execution_count"] not in (None, before) and cell["outputs"]:
            break
    return "".join("".join(out.get("text", "")) for out in cell["outputs"])


def active_output(page):
    return page.locator(".jp-Notebook-cell.jp-mod-active .jp-Cell-outputWrapper")


def test_runs_without_error_output_or_missing_glyph(chapter):
    for cell in code_cells(chapter):
        for output in cell["outputs"]:
            assert output["output_type"] != "error", output
            assert output.get("name") != "stderr", output
            assert "Glyph" not in str(output.get("text", ""))
    show(chapter, 0)
    chapter.screenshot(path=SHOTS / f"lab-{chapter.name}.png")


def test_exercise_answered_wrongly_and_rightly(chapter):
    if chapter.name not in CHAPTERS:
        pytest.skip("첫 쪽에는 연습이 없습니다")
    number = f"{int(chapter.name[:2])}.1"
    starter = find(chapter, f'check("{number}"', "exercise")
    solution = source(cells(chapter)[find(chapter, f'check("{number}"', "solution")])
    wrong = answer(chapter, starter, f'from labse_helpers import check\n\ncheck("{number}", -1)')
    assert wrong.startswith(f"✗ 연습 {number}: "), wrong
    right = answer(chapter, starter, solution)
    assert f"✓ 연습 {number}: 맞았습니다." in right, right
    show(chapter, starter)
    chapter.screenshot(path=SHOTS / f"lab-{chapter.name}-exercise.png")


def test_solutions_are_hidden(chapter):
    if chapter.name not in CHAPTERS:
        pytest.skip("첫 쪽에는 연습이 없습니다")
    show(chapter, find(chapter, "check(", "solution"))
    hidden = chapter.locator(
        ".jp-Notebook-cell.jp-mod-active .jp-InputPlaceholder, .jp-Notebook-cell.jp-mod-active .jp-Placeholder"
    )
    assert hidden.first.is_visible()


def test_quiz_explains_each_click(chapter):
    if chapter.name not in CHAPTERS:
        pytest.skip("첫 쪽에는 퀴즈가 없습니다")
    show(chapter, find(chapter, "show_quiz("))
    quiz = active_output(chapter)
    quiz.locator("label.MCButton").first.wait_for(timeout=10_000)
    for correct, style in (("false", "incorrect"), ("true", "correct")):
        choice = quiz.locator(f"label.MCButton[data-correct='{correct}']").first
        choice.click()
        feedback = quiz.locator(f".Feedback.{style}").first
        assert feedback.inner_text().strip() == choice.get_attribute("data-feedback").strip()
    chapter.wait_for_timeout(1_000)  # 단추의 색이 다 바뀔 때까지
    chapter.screenshot(path=SHOTS / f"lab-{chapter.name}-quiz.png")


def picture(page) -> str:
    return active_output(page).locator("img").first.get_attribute("src")


def wait_for_change(page, read, before) -> float:
    """``read(page)``가 바뀔 때까지 걸린 밀리초."""
    start = time.perf_counter()
    while read(page) == before:
        assert time.perf_counter() - start < 10, "10초가 지나도 바뀌지 않습니다"
        page.wait_for_timeout(10)
    return (time.perf_counter() - start) * 1_000


def test_sliders_move_the_picture(chapter):
    if chapter.name != "02_in_batch_negatives":
        pytest.skip("2장의 슬라이더")
    show(chapter, find(chapter, "loss_explorer("))
    handles = active_output(chapter).locator(".noUi-handle")
    handles.first.wait_for(timeout=10_000)
    assert handles.count() == 3
    for i in range(3):
        before = picture(chapter)
        handles.nth(i).focus()
        chapter.keyboard.press("ArrowRight")
        wait_for_change(chapter, picture, before)
    chapter.screenshot(path=SHOTS / "lab-loss-explorer.png")


def test_typed_sentences_redraw_the_heatmap(chapter, record_property):
    if chapter.name != "04_similarity":
        pytest.skip("4장의 문장 실험실")
    show(chapter, find(chapter, "sentence_lab("))
    box = active_output(chapter).locator("textarea").first
    box.wait_for(timeout=10_000)

    def heatmap(page) -> str:
        return active_output(page).locator("table.heatmap").inner_text()

    times = []
    for words in (" 지금", " 고양이", " 어제", " 세 번", " 영화"):
        before = heatmap(chapter)
        box.press("Control+End")
        chapter.keyboard.insert_text(words)
        times.append(wait_for_change(chapter, heatmap, before))
    record_property("heatmap_ms", sorted(times)[2])
    print(f"여덟 문장의 히트맵이 따라온 시간(다섯 번의 중앙값) {sorted(times)[2]:.0f} ms")
    before = active_output(chapter).inner_text()
    box.fill("한 문장")
    wait_for_change(chapter, lambda page: active_output(page).inner_text(), before)
    assert "2개에서 12개까지" in active_output(chapter).inner_text()
    same = "철수가 영희를 어제 학교에서 만났다."
    lines = [same, same, same.replace("만났다", "때렸다"), "$5_$ to $9", "<b>굵게</b> \U0001f642"]
    before = heatmap(chapter)
    box.fill("\n".join(lines))
    wait_for_change(chapter, heatmap, before)
    rows = active_output(chapter).locator("table.heatmap th.row_heading").all_inner_texts()
    assert rows == [f"{i}. {line}" for i, line in enumerate(lines, start=1)]
    before = heatmap(chapter)
    box.fill("고양이가 잔다.\nThe cat is asleep.\nEl tren llega tarde.")  # 얼어붙지 않았습니다
    wait_for_change(chapter, heatmap, before)
    chapter.wait_for_timeout(800)
    chapter.screenshot(path=SHOTS / "lab-sentence-lab.png")


def test_search_box_answers_what_is_typed(chapter):
    if chapter.name != "05_retrieval":
        pytest.skip("5장의 검색창")
    show(chapter, find(chapter, "search_box("))
    output = active_output(chapter)
    box = output.locator("input[type=text]").first
    box.wait_for(timeout=10_000)

    def hits(page) -> list[str]:
        return output.locator("tbody tr").all_inner_texts()

    before = hits(chapter)
    box.fill("기차는 몇 시에 떠납니까?")
    box.press("Enter")
    wait_for_change(chapter, hits, before)
    assert any("train" in hit.lower() for hit in hits(chapter)), hits(chapter)
    before = hits(chapter)
    output.get_by_role("button", name="마진").click()
    wait_for_change(chapter, hits, before)
    chapter.screenshot(path=SHOTS / "lab-search-box.png")
