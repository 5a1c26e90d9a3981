"""이 강의를 열 때만 쓰이는 설정입니다(`jupyter lab --config .jupyter/jupyter_lab_config.py`). 다른 작업은 바꾸지 않습니다."""

from pathlib import Path

here = Path(__file__).resolve().parent

c = get_config()  # noqa: F821  (JupyterLab이 넣어 주는 이름)
c.ServerApp.ip = "localhost"
c.ServerApp.allow_root = True  # 컨테이너처럼 root뿐인 곳에서도 열립니다. 이 컴퓨터에서 토큰으로만 닿습니다
c.ServerApp.root_dir = str(here.parent)
c.LabApp.default_url = "/lab/tree/notebooks/00_index.ipynb"
c.LabApp.app_settings_dir = str(here)  # overrides.json: 한국어 화면
