from __future__ import annotations

import pytest

from upgrade import previous


@pytest.fixture(scope="session")
def previous_release(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables that make a service run from the previous release."""
    if not previous.is_there():
        pytest.skip("this clone is shallow and lacks the previous release; git fetch --unshallow")
    folder = tmp_path_factory.mktemp("previous")
    previous.unpack(folder)
    return previous.environment(folder)
