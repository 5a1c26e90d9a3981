"""강의의 다른 형태: 학생용에는 풀이와 출력이 없고, 강사용에는 펼쳐져 있으며, 슬라이드의 장면이 갖추어져 있는가."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import build_zip  # noqa: E402
import forms  # noqa: E402

SLIDE_TYPES = {"slide", "subslide", "fragment", "skip", "notes", "-"}


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """만든 두 압축 파일: 이름에서 {파일: 내용}으로."""
    opened = {}
    folder = tmp_path_factory.mktemp("build")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_zip, "BUILD", folder)
        patch.setattr(build_zip, "ROOT", ROOT)
        patch.setattr(build_zip, "print", lambda *a: None, raising=False)
        for audience in ("student", "instructor"):
            target = build_zip.build(audience)
            with zipfile.ZipFile(target) as archive:
                opened[audience] = {name: archive.read(name) for name in archive.namelist()}
    return opened


def test_readme_of_the_students_names_no_command_that_they_do_not_have(archives):
    readme = archives["student"]["labse-course/README.md"].decode()
    for command in (
        "make slides",
        "make student",
        "make instructor",
        "make site",
        "make e2e",
        "benchmarks",
        "tools/",
    ):
        assert command not in readme, command
    for section in build_zip.NOT_FOR_STUDENTS:
        assert f"\n## {section}\n" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make lab" in readme and "\n## 막힐 때\n" in readme
    assert "make slides" in archives["instructor"]["labse-course/README.md"].decode()


def notebooks_in(files):
    return {name: json.loads(data) for name, data in files.items() if name.endswith(".ipynb")}


def test_student_form_has_no_solution_and_no_output(archives):
    files = archives["student"]
    assert {
        "labse-course/Makefile",
        "labse-course/README.md",
        "labse-course/labse_helpers/encoders/muse.py",
        "labse-course/labse_helpers/teaching/quizzes/01_architecture.json",
    } <= files.keys()
    assert not any("instructor" in name or "/tests/" in name for name in files)
    assert {name for name in files if "/notebooks/" in name} == {
        f"labse-course/notebooks/{name}"
        for name in ("conftest.py", "nbval_sanitize.cfg", *(path.name for path in forms.NOTEBOOKS))
    }
    for name, notebook in notebooks_in(files).items():
        for cell in notebook["cells"]:
            assert "solution" not in cell["metadata"].get("tags", []), name
            if cell["cell_type"] == "code":
                assert cell["outputs"] == []
                assert cell["execution_count"] is None


@pytest.mark.parametrize("audience", ["student", "instructor"])
def test_links_in_the_archive_resolve(archives, audience):
    files, checked = archives[audience], 0
    for name, data in files.items():
        if name.startswith("labse-course/tools/"):
            continue
        if name.endswith(".md"):
            texts = [data.decode("utf-8")]
        elif name.endswith(".ipynb"):
            texts = [
                "".join(cell["source"])
                for cell in json.loads(data)["cells"]
                if cell["cell_type"] == "markdown"
            ]
        else:
            continue
        for target in re.findall(r"\[[^\]]*\]\((?!https?:|#)([^)#]+)", "\n".join(texts)):
            path = PurePosixPath(os.path.normpath(PurePosixPath(name).parent / target)).as_posix()
            assert any(other == path or other.startswith(f"{path}/") for other in files), (name, target)
            checked += 1
    assert checked > 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[안내](docs/a.md)와 [없음](docs/no.md)", "[안내](docs/a.md)와 없음"),
        ("[절](docs/no.md#절)", "절"),
        (
            "[폴더](docs) ![그림](x.svg) [밖](https://a.b/c)",
            "[폴더](docs) ![그림](x.svg) [밖](https://a.b/c)",
        ),
    ],
)
def test_only_dead_links_become_text(text, expected):
    assert build_zip.without_dead_links(text, "README.md", ["docs/a.md", "README.md"]) == expected


def test_source_files_need_no_git_and_leave_out_what_was_made(tmp_path):
    made = [
        ".git/config",
        ".venv/x.py",
        "labse_helpers/__pycache__/x.pyc",
        "build/x",
        "p.egg-info/x",
        "tests/.hypothesis/x",
    ]
    source = [".jupyter/config.py", "labse_helpers/search/x.py", "Makefile"]
    for name in (*made, *source, "tuned/model.safetensors", "docs/.DS_Store", "my_pairs.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert build_zip.source_files(tmp_path) == sorted(source)


@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="git 저장소가 아닙니다")
def test_every_committed_file_is_a_source_file():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    committed = {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}
    assert committed - set(build_zip.source_files(ROOT)) == set()


@pytest.mark.parametrize(
    "private",
    [
        "성적.xlsx", ".env", "tuned/model/model.safetensors", "notebooks/답안.ipynb", "notebooks/vectors/embeddings.npy",
        "notebooks/01_architecture-Copy1.ipynb", "README.md.bak", "LICENSE-draft",
    ],
)  # fmt: skip
def test_files_of_the_teacher_are_not_handed_out(private):
    assert not build_zip.is_shipped(private, "student")
    assert not build_zip.is_shipped(private, "instructor")


@pytest.mark.parametrize("audience", ["student", "instructor"])
def test_files_that_pytest_is_told_to_read_are_in_the_archive(archives, audience):
    """README의 Windows와 conda 명령(``python -m pytest``)은 압축 파일에서도 pyproject.toml의 설정으로 실행됩니다."""
    project = tomllib.loads(archives[audience]["labse-course/pyproject.toml"].decode("utf-8"))
    options = " ".join(project["tool"]["pytest"]["ini_options"]["addopts"])
    named = re.findall(r"=(\S+/\S+)", options)
    assert named
    for name in (*named, "conftest.py", "notebooks/conftest.py"):
        assert f"labse-course/{name}" in archives[audience], name


@pytest.mark.skipif(not shutil.which("make"), reason="make가 없습니다")
@pytest.mark.parametrize("audience", ["student", "instructor"])
def test_make_test_in_the_archive_runs_the_notebooks(archives, audience, tmp_path):
    """압축 파일에는 tests/가 없으므로 `make test`는 거기 있는 노트북만 실행합니다."""
    (tmp_path / "Makefile").write_bytes(archives[audience]["labse-course/Makefile"])
    assumed = (f"--assume-old={name}" for name in (".venv/installed", "pyproject.toml", "constraints.txt"))
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    commands = subprocess.run(
        ["make", "--dry-run", "test", *assumed],
        cwd=tmp_path, env=outside, capture_output=True, encoding="utf-8", check=True,
    ).stdout  # fmt: skip
    last = commands.splitlines()[-1]
    assert last.endswith("notebooks") and "--nbval-lax" in last
    assert "ruff" not in commands and "tests/" not in last


def test_instructor_form_shows_solutions(archives):
    files = archives["instructor"]
    assert "labse-course/docs/instructor.md" in files
    solutions = [
        cell
        for notebook in notebooks_in(files).values()
        for cell in notebook["cells"]
        if "solution" in cell["metadata"].get("tags", [])
    ]
    assert len(solutions) >= 20
    assert not any(cell["metadata"]["jupyter"]["source_hidden"] for cell in solutions)
    assert all(cell["outputs"] for cell in solutions)


@pytest.mark.parametrize("path", forms.NOTEBOOKS, ids=lambda path: path.stem)
def test_slideshow_metadata_makes_scenes(path):
    cells = forms.read(path).cells
    kinds = [cell.metadata.get("slideshow", {}).get("slide_type", "-") for cell in cells]
    assert set(kinds) <= SLIDE_TYPES
    assert kinds[0] == "slide"
    for cell, kind in zip(cells, kinds, strict=True):
        if cell.cell_type == "markdown":
            assert not cell.source.startswith("## ") or kind in ("slide", "skip")
            assert "\n## " not in cell.source, "제목은 셀의 맨 앞에 둡니다. 그래야 장면이 나뉩니다"
        elif forms.has_tag(cell, "solution"):
            assert kind == "skip"


def test_every_output_picture_gets_an_alternative_text():
    for path in forms.NOTEBOOKS:
        for cell, heading in forms.with_headings(forms.only_stills(forms.read(path))):
            if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
                assert len(forms.alt_text(cell, heading)) > len("그림: ")
