# 두 명령이면 됩니다: `make lab`은 강의를 열고, `make test`는 모든 테스트를 실행합니다.
PYTHON ?= $(if $(filter Windows_NT,$(OS)),python,python3)
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
JOBS ?= 2
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt

# 사용자의 셸에서 정한 값이 출력과 그림, 테스트의 결과를 바꾸지 않습니다.
unexport MPLBACKEND FORCE_COLOR NO_COLOR COLUMNS LINES PYTHONWARNINGS PYTHONIOENCODING PYTHONOPTIMIZE PYTHONDEVMODE
unexport TQDM_DISABLE TRANSFORMERS_VERBOSITY HF_HUB_VERBOSITY
# 설치할 때 컴파일하지 않으므로(--no-compile), 처음 부른 프로세스가 컴파일한 것을 적어 두어야 다음 프로세스가 빨리 뜹니다.
unexport PYTHONDONTWRITEBYTECODE

# 나누어 주는 압축 파일에는 tests/가 없습니다. 그때는 노트북이 모두 끝까지 실행되는지 봅니다.
ifeq ($(wildcard tests/conftest.py),)
TEST_ARGS := -o addopts= --nbval-lax --nbval-current-env --nbval-cell-timeout=120 --dist=loadscope notebooks
test: .venv/installed
else
TEST_ARGS :=
test: lint
endif

.DEFAULT_GOAL := lab
.PHONY: lab test notebooks images labse lint clean slides site student instructor e2e FORCE

lab: .venv/installed
	$(BIN)/python -m jupyter lab --config .jupyter/jupyter_lab_config.py $(LAB_ARGS)

# 테스트 프로세스 여럿이 코어를 나누어 쓰므로 프로세스마다 스레드는 하나입니다. 겹치면 오히려 열 배 느려집니다.
test: export OMP_NUM_THREADS := 1
test:
	$(BIN)/python -m pytest -n $(JOBS) $(TEST_ARGS)

notebooks: .venv/installed
	$(BIN)/python tools/execute_notebooks.py

images: .venv/installed
	$(BIN)/python images/draw.py

slides: .venv/installed-site
	$(BIN)/python tools/build_slides.py

site: .venv/installed-site
	$(BIN)/python tools/build_site.py

student instructor: .venv/installed
	$(BIN)/python tools/build_zip.py $@

# 실제 JupyterLab과 크로미움에서 강의, 슬라이드, 사이트를 눌러 봅니다. 찍은 화면은 build/e2e에 남습니다.
e2e: export OMP_NUM_THREADS := 1
e2e: slides site
	$(BIN)/python -m pytest -n $(JOBS) tests/e2e

labse: .venv/installed
	$(BIN)/python -c "from labse_helpers import load_model, print_setup; print_setup(load_model('labse'))"

lint: .venv/installed
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

clean:
	rm -rf .venv

# 설치한 폴더의 경로를 .venv/installed에 적어 둡니다. 옮기거나 복사한 폴더의 가상 환경은 여전히 옛 폴더의 코드를
# 불러오므로, 적힌 경로가 이 폴더가 아니면 가상 환경을 비우고 다시 설치합니다.
ifneq ($(wildcard .venv/installed),)
ifneq ($(shell cat .venv/installed),$(shell pwd -P))
VENV_ARGS := --clear
.venv/installed: FORCE
endif
endif

# 그 밖에는 의존성 목록이나 버전이 바뀌었을 때만 다시 설치합니다.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f'Python 3.11–3.13이 필요한데 {v[0]}.{v[1]}입니다. 예: make $(MAKECMDGOALS) PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV_ARGS) .venv
	$(PIP_INSTALL) --editable ".[test]"
	pwd -P > $@

.venv/installed-site: .venv/installed
	$(PIP_INSTALL) --editable ".[site,e2e]"
	touch $@
