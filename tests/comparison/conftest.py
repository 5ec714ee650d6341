from pathlib import Path

import pytest

from tests.specs import SPEC_YAML


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The tiny corpus as a file; its model is that of the fixture `engines`."""
    path = tmp_path / "tiny.yaml"
    path.write_text(SPEC_YAML)
    return path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A corpus with the same prompts and other rules."""
    path = tmp_path / "other.yaml"
    path.write_text(SPEC_YAML.replace("name: tiny\n", "name: other\n").replace("max_chars: 160", "max_chars: 150"))
    return path
