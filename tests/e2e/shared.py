"""브라우저 테스트가 함께 쓰는 자리와 이름."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "build" / "e2e"  # 화면을 찍어 두는 곳
TOKEN = "e2e"
