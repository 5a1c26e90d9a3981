# 두 명령이면 됩니다: `make lab`은 강의를 열고, `make test`는 모든 시험을 돌립니다.
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2

.PHONY: lab test notebooks images labse lint clean slides site student instructor e2e

lab: .venv/installed
	$(BIN)/jupyter lab --config .jupyter/jupyter_lab_config.py $(LAB_ARGS)

# 작업자 여럿이 코어를 나누어 쓰므로 작업자마다 스레드는 하나입니다. 겹치면 오히려 열 배 느려집니다.
test: export OMP_NUM_THREADS := 1
test: lint
	$(BIN)/python -m pytest -n $(JOBS)

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

# 진짜 JupyterLab과 크로미움에서 강의, 슬라이드, 사이트를 눌러 봅니다. 찍은 화면은 build/e2e에 남습니다.
e2e: slides site
	$(BIN)/python -m pytest tests/e2e

labse: .venv/installed
	$(BIN)/python -c "from labse_helpers import load_model, print_setup; print_setup(load_model('labse'))"

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf .venv

# 의존성 목록이나 버전이 바뀌었을 때만 다시 설치합니다.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f'Python 3.11–3.13이 필요한데 {v[0]}.{v[1]}입니다. 예: make $(MAKECMDGOALS) PYTHON=python3.12')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test]"
	touch $@

.venv/installed-site: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[site,e2e]"
	touch $@
