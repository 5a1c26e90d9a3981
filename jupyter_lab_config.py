"""이 폴더에서 `jupyter lab`을 켤 때만 쓰이는 설정입니다. 다른 작업의 JupyterLab은 바꾸지 않습니다."""

from pathlib import Path

root = Path(__file__).resolve().parent

c = get_config()  # noqa: F821  (JupyterLab이 넣어 주는 이름)
c.ServerApp.ip = "localhost"
c.ServerApp.root_dir = str(root)
c.LabApp.default_url = "/lab/tree/notebooks/00_index.ipynb"
c.LabApp.app_settings_dir = str(root / ".jupyter")  # overrides.json: 한국어 화면
