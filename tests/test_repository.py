"""저장소: 두 설치 길이 어긋나지 않는가, 그림이 코드와 같은가, README가 약속을 지키는가."""

import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

import labse_helpers
from labse_helpers import check_environment

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirement_name(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement).group().lower().replace("_", "-").replace(".", "-")


def tracked_files() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / name for name in names.split("\0") if name]


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
    assert {requirement_name(requirement) for requirement in wanted} <= constraints
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
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


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
