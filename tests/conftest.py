"""모든 테스트가 함께 쓰는 것: 환경 변수, 실행 순서, 픽스처."""

import os

# 노트북의 출력은 내장 인코더의 것과 비교합니다. LaBSE가 캐시에 있는 컴퓨터에서도 같아야 합니다.
os.environ["LABSE_MODEL"] = "muse"
# 사용자의 셸에서 정한 값이 테스트의 결과를 바꾸지 않습니다. Makefile의 목록과 같습니다.
for name in (
    "MPLBACKEND",
    "FORCE_COLOR",
    "NO_COLOR",
    "COLUMNS",
    "LINES",
    "PYTHONWARNINGS",
    "PYTHONIOENCODING",
):
    os.environ.pop(name, None)

import pytest  # noqa: E402
from tiny_labse import build_tiny_labse  # noqa: E402

from labse_helpers import load_corpus, load_model  # noqa: E402

SLOWEST = ("07_fine_tuning", "02_in_batch_negatives", "04_similarity", "03_embedding")  # 오래 걸리는 장부터


def group_of(item: pytest.Item) -> str:
    """한 프로세스에서 순서대로 실행할 묶음: 파일 하나. 오래 걸리는 LaBSE 재실행은 장 하나가 한 묶음입니다."""
    if item.path.name == "test_notebooks.py" and "tiny_labse_cache" in getattr(item, "fixturenames", ()):
        return item.name
    return item.path.name


def start_order(item: pytest.Item) -> int:
    """오래 걸리는 노트북이 맨 앞입니다. 그래야 마지막에 한 프로세스만 남아 일하지 않습니다."""
    places = (i for i, chapter in enumerate(SLOWEST) if chapter in group_of(item))
    return next(places, len(SLOWEST))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=start_order)  # 안정 정렬이므로 한 노트북의 셀은 순서 그대로입니다
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item)))


@pytest.fixture(scope="session")
def model():
    return load_model("muse", device="cpu")


@pytest.fixture(scope="session")
def course():
    return load_corpus("course")


@pytest.fixture(scope="session")
def tiny_labse_cache(tmp_path_factory):
    """LaBSE의 이름으로 작은 모델을 놓아 둔 허브 캐시 폴더(``HF_HUB_CACHE``에 넣을 값)."""
    cache = tmp_path_factory.mktemp("hub")
    build_tiny_labse(cache)
    return cache
