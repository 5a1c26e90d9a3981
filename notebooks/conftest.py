"""노트북의 비교(nbval): e5의 가중치가 없는 컴퓨터에서는 그것이 필요한 셀만 건너뜁니다."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    from labse_helpers.encoders.e5 import e5_is_available

    for item in items:
        metadata = getattr(getattr(item, "cell", None), "metadata", {})
        if "needs-e5" in metadata.get("tags", []) and not e5_is_available():
            item.add_marker(pytest.mark.skip(reason="e5의 가중치가 없습니다"))
