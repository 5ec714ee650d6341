from pathlib import Path
from typing import Any

import pytest

from tests.docker.compose_files import COMBINATIONS, EVERY_PROFILE, TITLES, make_secrets, read_compose


@pytest.fixture(scope="session")
def env_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_secrets(tmp_path_factory.mktemp("secrets"))


@pytest.fixture(scope="session", params=COMBINATIONS, ids=TITLES)
def whole(request: pytest.FixtureRequest, env_file: Path) -> dict[str, Any]:
    return read_compose(request.param, env_file, *EVERY_PROFILE)


@pytest.fixture(scope="session")
def services(whole: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = whole["services"]
    return found
