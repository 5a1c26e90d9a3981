"""모든 시험이 함께 쓰는 준비물."""

import os

# 노트북의 출력은 내장 인코더의 것과 비교합니다. LaBSE가 캐시에 있는 기계에서도 같아야 합니다.
os.environ["LABSE_MODEL"] = "muse"

import pytest  # noqa: E402
from tiny_labse import build_tiny_labse  # noqa: E402

from labse_helpers import load_corpus, load_model  # noqa: E402


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
