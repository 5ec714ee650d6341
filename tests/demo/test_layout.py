import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from phrasemill.demo import layout as layout_module
from phrasemill.demo.errors import DemoOptionError, DiskFull
from phrasemill.demo.keys import load_keys
from phrasemill.demo.layout import Layout


class TestLayout:
    def test_state_folder_and_ports_come_from_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("PHRASEMILL_STATE", str(tmp_path))
        monkeypatch.setenv("PHRASEMILL_S3_PORT", "19000")
        layout = Layout.from_environment()
        assert layout.state == tmp_path
        assert layout.url("s3") == "http://127.0.0.1:19000"

    @pytest.mark.parametrize("value", ["0", "65536", "http", "-1"])
    def test_bad_port_is_refused_by_name(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        monkeypatch.setenv("PHRASEMILL_ENGINE_PORT", value)
        with pytest.raises(DemoOptionError, match=f"PHRASEMILL_ENGINE_PORT is '{value}'; give a port"):
            Layout.from_environment()

    def test_full_disk_is_told_in_megabytes(self, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(layout_module, "NEEDED_MB", 2**40)
        with pytest.raises(DiskFull, match=rf"\d+ MB are free under .* and the demo needs {2**40}"):
            layout.check_disk()


class TestKeys:
    def test_are_random_and_kept_for_their_owner_alone(self, layout: Layout, tmp_path: Path) -> None:
        keys = load_keys(layout)
        other = Layout(root=layout.root, state=tmp_path / "other", models=layout.models, ports=layout.ports)
        assert load_keys(layout) == keys
        assert load_keys(other) != keys
        assert stat.S_IMODE((layout.state / "keys.json").stat().st_mode) == 0o600

    def test_parts_that_start_at_once_get_the_same(self, layout: Layout) -> None:
        with ThreadPoolExecutor(8) as threads:
            assert len(set(threads.map(lambda _: load_keys(layout), range(32)))) == 1
        assert [path.name for path in layout.state.iterdir()] == ["keys.json"]
