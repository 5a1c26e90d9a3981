"""이 컴퓨터 안의 작은 모델 허브: 진짜 허브 클라이언트로 내려받기를 테스트하고, 도중에 끊거나 멈춥니다."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer:
    """``folder``의 파일을 ``sentence-transformers/LaBSE``로 내놓습니다.

    ``cut``이 파일 이름이면 그 파일은 절반만 보내고 연결을 끊습니다. ``stall``이면 절반만 보내고 ``halfway``를 알린 뒤, ``close``할
    때까지 연결을 쥐고 있습니다. ``requested``에 (이름, Range)가 쌓입니다.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cut: str | None = None
        self.stall: str | None = None
        self.halfway, self.released = threading.Event(), threading.Event()
        self.requested: list[tuple[str, str | None]] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):  # noqa: N802
                hub.answer(self, body=False)

            def do_GET(self):  # noqa: N802
                hub.answer(self, body=True)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request: BaseHTTPRequestHandler, body: bool) -> None:
        path = request.path.partition("?")[0]
        prefix = "/sentence-transformers/LaBSE/resolve/"
        if path == "/":
            return self._send(request, 200, b"", body)
        if path.startswith("/api/models/sentence-transformers/LaBSE") and "/tree/" not in path:
            files = [str(f.relative_to(self.folder)) for f in sorted(self.folder.rglob("*")) if f.is_file()]
            about = {
                "id": "sentence-transformers/LaBSE",
                "modelId": "sentence-transformers/LaBSE",
                "sha": COMMIT,
            }
            about |= {"private": False, "tags": [], "siblings": [{"rfilename": name} for name in files]}
            return self._send(request, 200, json.dumps(about).encode(), body)
        name = path.removeprefix(prefix).partition("/")[2] if path.startswith(prefix) else ""
        file = self.folder / name
        if not name or not file.is_file():
            return self._send(
                request, 404, b"", body, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}
            )
        data = file.read_bytes()
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT}
        wanted = request.headers.get("Range")
        if not body:
            return self._send(request, 200, data, body, headers)
        self.requested.append((name, wanted))
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        cut_at = max(0, len(data) // 2 - start) if name in (self.cut, self.stall) else None
        return self._send(request, 206 if wanted else 200, data[start:], body, headers, cut_at)

    def _send(self, request, status, data, body, headers=None, cut_at=None) -> None:
        request.send_response(status)
        for key, value in (headers or {}).items():
            request.send_header(key, value)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        if body:
            request.wfile.write(data[:cut_at])
        if cut_at is not None:
            if self.stall is not None:
                request.wfile.flush()
                self.halfway.set()
                self.released.wait(60)
            request.close_connection = True
