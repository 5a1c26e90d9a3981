"""모든 테스트가 함께 쓰는 것: 실행 순서와 픽스처. 환경 변수는 저장소 맨 위의 conftest.py가 정합니다."""

import pytest
from tiny_labse import build_tiny_labse
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from labse_helpers import load_corpus, load_model

SLOWEST = ("07_fine_tuning", "02_in_batch_negatives", "04_similarity", "03_embedding")  # 오래 걸리는 장부터


def scope_of(nodeid: str) -> str:
    """한 프로세스에서 순서대로 실행할 단위: 파일 하나. LaBSE 재실행과 JupyterLab에서 여는 것은 장 하나가 한 단위입니다."""
    file, _, test = nodeid.partition("::")
    if file.endswith("test_lab.py"):
        return file + test[test.find("[") :]
    return nodeid if test.startswith("test_student_form_runs_through") else file


def start_order(item: pytest.Item) -> int:
    """오래 걸리는 노트북이 맨 앞입니다. 그래야 마지막에 한 프로세스만 남아 일하지 않습니다."""
    places = (i for i, chapter in enumerate(SLOWEST) if chapter in scope_of(item.nodeid))
    return next(places, len(SLOWEST))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=start_order)  # 안정 정렬이므로 한 노트북의 셀은 순서 그대로입니다


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    # 단위는 --dist=loadgroup의 표시로 정하지 않습니다. pytest 9.2에서는 pytest-xdist 3.8이 그것을 알아보지 못합니다.
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = scope_of
    return scheduler


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
