from pathlib import Path

import pytest

from phrasemill.demo.layout import PORTS, Layout

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """This checkout with a state folder of the test's own."""
    return Layout(root=ROOT, state=tmp_path / "state", models=tmp_path / "models", ports=dict(PORTS))
