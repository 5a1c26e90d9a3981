"""휠: 저장소 밖에 설치해도 퀴즈, 채점, 말뭉치가 안에 있어 그대로 동작하는가."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "LICENSE-CC-BY-4.0")
USE_INSIDE = """
import labse_helpers
from labse_helpers import load_challenge, load_corpus, load_mining_task
from labse_helpers.teaching.exercises.grading import numbers
import labse_helpers.teaching.exercises
from labse_helpers.teaching.quiz import quiz_names
print(labse_helpers.__file__)
assert len(load_corpus("course").ko) > 1000 and len(load_corpus("multilingual").ko) == 64
assert len(load_challenge()) == 150 and load_mining_task().gold
assert len(quiz_names()) == 7, quiz_names()
assert len(numbers()) >= 20, numbers()
"""


def test_wheel_works_outside_the_repository(tmp_path):
    # 저장소에 build/를 남기지 않도록 사본에서 만듭니다.
    copy, installed, elsewhere = (tmp_path / name for name in ("source", "installed", "elsewhere"))
    shutil.copytree(
        ROOT / "labse_helpers", copy / "labse_helpers", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in SOURCES:
        shutil.copy(ROOT / name, copy)
    build = (
        "from setuptools.build_meta import build_wheel; import sys; print(build_wheel(sys.argv[1]), end='')"
    )
    subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=copy, check=True, capture_output=True, text=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
        names = set(archive.namelist())
    in_repository = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "labse_helpers").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert in_repository <= names, f"휠에 없는 파일: {sorted(in_repository - names)}"
    assert any(name.endswith("entry_points.txt") for name in names)

    elsewhere.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-c", USE_INSIDE],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == str(installed / "labse_helpers" / "__init__.py")
