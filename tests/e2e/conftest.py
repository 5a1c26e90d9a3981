"""진짜 브라우저로 하는 테스트가 함께 쓰는 것: 크로미움, 저장소의 사본에서 띄운 JupyterLab."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from playwright.sync_api import sync_playwright
from shared import ROOT, SHOTS, TOKEN

sys.path.insert(0, str(ROOT / "tools"))
from build_zip import source_files  # noqa: E402

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def browser():
    path = shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "크로미움이 없습니다. `sudo apt install chromium`으로 설치해 주십시오."
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """`make lab`과 같은 설정으로, 저장소의 사본에서 띄운 JupyterLab의 주소. 자동 저장이 원본을 건드리지 않습니다."""
    copy = tmp_path_factory.mktemp("lab") / "labse-course"
    for name in source_files(ROOT):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyter", "lab", "--no-browser", "--config", ".jupyter/jupyter_lab_config.py",
        f"--ServerApp.port={port}", f"--IdentityProvider.token={TOKEN}", "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    log = (SHOTS.parent / "e2e-lab.log").open("w", encoding="utf-8")
    environment = os.environ | {"LABSE_MODEL": "muse", "JUPYTERLAB_WORKSPACES_DIR": str(copy.parent)}
    server = subprocess.Popen(command, cwd=copy, env=environment, stdout=log, stderr=log)
    address = f"http://localhost:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/api/status?token={TOKEN}", timeout=2).close()
                break
            except OSError:
                assert server.poll() is None, f"JupyterLab이 뜨지 않았습니다. {log.name}을 보십시오."
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=20)
        log.close()


class Watch:
    """열린 쪽의 콘솔 오류와 바깥으로 나간 요청을 모읍니다."""

    def __init__(self, page) -> None:
        self.errors: list[str] = []
        self.outside: list[str] = []
        page.on(
            "console", lambda message: self.errors.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._request)

    def _request(self, request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:", "about:")):
            self.outside.append(request.url)


@pytest.fixture()
def offline_page(browser):
    """네트워크를 끊은 쪽과 그 감시자를 만드는 함수."""
    contexts = []

    def open_page(width: int, height: int, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_offline(True)
        contexts.append(context)
        page = context.new_page()
        return page, Watch(page)

    yield open_page
    for context in contexts:
        context.close()
