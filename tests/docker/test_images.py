"""The images' Dockerfiles, as far as they can be judged without building them, and what they are built from."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path

import pytest
import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from phrasemill.cli.program import app
from tests.docker.compose_files import BIN, DOCKER, ROOT, tagged

DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
ENGINES = [file for file in DOCKERFILES if file.name.startswith("engines")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = ROOT / "requirements"

each_dockerfile = pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)


def instructions(file: Path) -> list[tuple[str, str]]:
    """Name and arguments of each instruction, continued lines joined."""
    lines = [line for line in file.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    return [(name, words) for name, _, words in (line.partition(" ") for line in joined)]


def last_stage(file: Path) -> list[tuple[str, str]]:
    found = instructions(file)
    return found[max(number for number, (name, _) in enumerate(found) if name == "FROM") :]


def copied(file: Path) -> list[str]:
    """What is copied from the checkout."""
    sources: list[str] = []
    for name, words in instructions(file):
        split = [word for word in words.split() if not word.startswith("--")]
        if name in {"COPY", "ADD"} and "--from=" not in words:
            sources += split[:-1]
    return sources


def ignored(path: str, patterns: list[str]) -> bool:
    """Whether a .dockerignore of these lines keeps a path out: the last that matches it or a folder above decides."""
    parts = path.split("/")
    tree = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
    out = False
    for line in patterns:
        pattern = line.removeprefix("!")
        if pattern.startswith("**/"):
            hit = any(fnmatch(part, pattern[3:]) for part in parts)
        else:
            depth = pattern.count("/")
            hit = len(parts) > depth and fnmatch(tree[depth], pattern)
        if hit:
            out = not line.startswith("!")
    return out


def ignore_lines(file: Path) -> list[str]:
    lines = file.with_name(f"{file.name}.dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def locked(lock: str) -> dict[str, str]:
    """Name -> version of the packages of a lock."""
    pairs = re.findall(r"^([A-Za-z0-9_.-]+)(?:\[.*?\])?==([^ ;\\]+)", (LOCKS / f"{lock}.txt").read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pairs}


class TestDockerfiles:
    def test_there_are_three(self) -> None:
        assert [file.name for file in DOCKERFILES] == [
            "airflow.Dockerfile",
            "engines-cpu.Dockerfile",
            "engines.Dockerfile",
        ]

    @each_dockerfile
    def test_hadolint_finds_nothing(self, file: Path) -> None:
        answer = subprocess.run([BIN / "hadolint", file], capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stdout

    @each_dockerfile
    def test_hadolint_would_find_something(self, file: Path, tmp_path: Path) -> None:
        worse = tmp_path / "Dockerfile"
        worse.write_text(file.read_text() + "\nRUN pip install requests\n")
        assert subprocess.run([BIN / "hadolint", worse], capture_output=True, check=False).returncode != 0

    @each_dockerfile
    def test_base_images_have_a_version(self, file: Path) -> None:
        stages: set[str] = set()
        for name, words in instructions(file):
            if name == "FROM":
                image, *as_name = words.split()
                assert image in stages or re.search(r"\d", tagged(image)[1]), words
                stages |= set(as_name[1:])

    @each_dockerfile
    def test_runs_as_a_numbered_user_without_rights(self, file: Path) -> None:
        users = [words for name, words in last_stage(file) if name == "USER"]
        assert re.fullmatch(r"[1-9]\d{3,}:0", users[-1])

    @each_dockerfile
    def test_what_it_runs_is_tried_as_that_user(self, file: Path) -> None:
        """Root reads everything: what is tried as root may still not start."""
        names = [name for name, _ in last_stage(file)]
        tried = [words for name, words in last_stage(file)[names.index("USER") :] if name == "RUN"]
        assert tried
        if file in ENGINES:
            assert "phrasemill serve --help" in tried[0]
            assert names.index("RUN", names.index("USER")) < names.index("VOLUME")  # what comes later is thrown away

    def test_the_demos_model_may_be_read_by_all(self) -> None:
        """Its weights are saved with mode 0600, by root."""
        runs = [words for name, words in instructions(DOCKER / "engines-cpu.Dockerfile") if name == "RUN"]
        (made,) = [words for words in runs if "convert_model.py" in words]
        assert made.endswith("&& chmod -R a+rX /models")

    @each_dockerfile
    def test_copies_what_is_there_and_not_ignored(self, file: Path) -> None:
        sources = copied(file)
        assert sources
        for source in sources:
            assert (ROOT / source).exists(), source
            assert not ignored(source, ignore_lines(file)), source

    @each_dockerfile
    def test_secrets_and_litter_stay_out_of_the_build(self, file: Path) -> None:
        for path in ("docker/.env", ".git/config", ".venvs/dev/bin/python", ".phrasemill/keys.json", "tests/specs.py"):
            assert ignored(path, ignore_lines(file)), path
        assert ignored("include/phrasemill/__pycache__/spec.cpython-311.pyc", ignore_lines(file))
        assert not ignored("include/phrasemill/spec.py", ignore_lines(file))

    @each_dockerfile
    def test_nothing_copied_is_left_in_the_ignore_file_in_vain(self, file: Path) -> None:
        let_in = {line.removeprefix("!") for line in ignore_lines(file) if line.startswith("!")}
        assert let_in == {
            wanted
            for source in copied(file)
            for wanted in let_in
            if source == wanted or source.startswith(f"{wanted}/")
        }

    @each_dockerfile
    def test_installs_from_hashes_and_wheels_alone(self, file: Path) -> None:
        installs = [
            words
            for name, run in instructions(file)
            if name == "RUN"
            for words in run.split("&&")
            if re.search(r"pip (install|download)", words) and "--python-preference" not in words
        ]
        assert installs
        for words in installs:
            if "/wheels" in words.split("install")[-1]:  # our own wheel, built in a stage before
                continue
            assert "--only-binary :all:" in words, words
            assert "--no-deps" in words, words
            assert "--require-hashes" in words or "torch-cpu.txt" in words, words

    @each_dockerfile
    def test_labels_say_what_it_is(self, file: Path) -> None:
        labels = dict(
            word.split("=", 1)
            for name, words in last_stage(file)
            if name == "LABEL"
            for word in shlex.split(words)
        )  # fmt: skip
        prefix = "org.opencontainers.image."
        assert labels[f"{prefix}version"] == PROJECT["version"]
        assert labels[f"{prefix}licenses"] == PROJECT["license"]
        base = next(words for name, words in last_stage(file) if name == "FROM")
        assert labels[f"{prefix}base.name"].endswith(f"/{base}")

    @pytest.mark.parametrize("file", ENGINES, ids=lambda file: file.name)
    def test_engines_start_without_a_shell_in_between(self, file: Path) -> None:
        stage = dict(last_stage(file))
        entry, arguments = stage["ENTRYPOINT"], stage["CMD"]
        assert entry == '["/opt/phrasemill/bin/phrasemill", "serve"]'
        words = re.findall(r'"(.*?)"', arguments)
        if words != ["--help"]:
            serve = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]
            assert serve.make_context("serve", words).params["profile"] == "cpu-0.1b"
        home, cache = (re.search(rf"\b{name}=(\S+)", stage["ENV"]) for name in ("HOME", "XDG_CACHE_HOME"))
        assert home
        assert cache
        assert stage["VOLUME"] == f'["{home[1]}", "{cache[1]}"]'


class TestVersions:
    def test_images_are_those_of_the_locks(self) -> None:
        airflow = locked("fleet")["apache-airflow"]
        assert f"FROM apache/airflow:slim-{airflow}-python3.11\n" in (DOCKER / "airflow.Dockerfile").read_text()
        vllm = locked("engines")["vllm"]
        assert f"FROM vllm/vllm-openai:v{vllm}\n" in (DOCKER / "engines.Dockerfile").read_text()

    def test_our_images_have_the_packages_version(self) -> None:
        for file in [*DOCKER.glob("compose*.yaml"), *DOCKERFILES]:
            tags = re.findall(r"phrasemill-(?:airflow|engines(?:-cpu)?):(\d[\w.]*)", file.read_text())
            assert set(tags) <= {PROJECT["version"]}, file.name
        assert re.search(r"phrasemill-airflow:\d", (DOCKER / "compose.yaml").read_text())


class TestLocks:
    def test_the_engines_image_has_what_the_package_asks_for(self) -> None:
        asked = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
        lines = (LOCKS / "engines-image.in").read_text().splitlines()
        assert {line for line in lines if not line.startswith("#")} == asked
        versions = locked("engines-image")
        for line in PROJECT["dependencies"]:
            wanted = Requirement(line)
            assert wanted.specifier.contains(versions[canonicalize_name(wanted.name)]), line

    def test_and_what_those_ask_for(self) -> None:
        versions = locked("engines-image")
        waiting, seen = [canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]], set()
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                assert name in versions, name
                if metadata.version(name) != versions[name]:  # another version may ask for other packages
                    continue
                needs = [Requirement(line) for line in metadata.requires(name) or []]
                waiting += [
                    canonicalize_name(need.name)
                    for need in needs
                    if not need.marker or need.marker.evaluate({"extra": ""})
                ]
        assert len(seen) > len(PROJECT["dependencies"])

    def test_it_has_no_other_versions_than_vllms_lock(self) -> None:
        ours, theirs = locked("engines-image"), locked("engines")
        both = ours.keys() & theirs.keys()
        assert len(both) > 10
        assert {name: ours[name] for name in both} == {name: theirs[name] for name in both}

    def test_no_build_tool_is_left_in_the_airflow_image(self) -> None:
        """What only hatchling asks for in the lock is what the Dockerfile takes out again."""
        asked_by: dict[str, set[str]] = {}
        name = ""
        for line in (LOCKS / "fleet.txt").read_text().splitlines():
            if found := re.match(r"([A-Za-z0-9_.-]+)(\[.*\])?==", line):
                name = found[1]
                asked_by[name] = set()
            elif (found := re.match(r"    # (?:via|  )\s*([A-Za-z0-9_.-].*)$", line)) and not found[1].startswith("-"):
                asked_by[name].add(re.sub(r"\[.*\]", "", found[1]).strip())
        only = {"hatchling"}
        while more := {name for name, by in asked_by.items() if by and by <= only} - only:
            only |= more
        uninstalled = re.search(r"pip uninstall --yes (.*)", (DOCKER / "airflow.Dockerfile").read_text())
        assert uninstalled
        assert set(uninstalled[1].split()) == only

    @pytest.mark.parametrize("lock", ["build", "engines-image", "fleet"])
    def test_lock_sh_makes_it(self, lock: str) -> None:
        assert re.search(rf"^compile {lock} ", (LOCKS / "lock.sh").read_text(), re.MULTILINE)


class TestTheWheel:
    """Built from exactly what the first stage copies, by what its lock installs."""

    @pytest.fixture(scope="class")
    def names(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[str]]:
        folder = tmp_path_factory.mktemp("src")
        for source in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy2(ROOT / source, folder)
        shutil.copytree(ROOT / "include", folder / "include", ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "out")],
            cwd=folder,
            check=True,
            capture_output=True,
        )
        (wheel,) = (folder / "out").glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            yield set(archive.namelist())

    def test_every_dockerfile_builds_it_from_the_same(self) -> None:
        for file in DOCKERFILES:
            for source in ("requirements/build.txt", "pyproject.toml", "README.md", "LICENSE", "include"):
                assert source in copied(file), f"{file.name}: {source}"

    def test_it_holds_the_whole_package(self, names: set[str]) -> None:
        package = ROOT / "include" / "phrasemill"
        wanted = {
            f"phrasemill/{file.relative_to(package)}"
            for file in package.rglob("*")
            if file.suffix in {".py", ".yaml", ".html", ".css", ".js"} and "__pycache__" not in file.parts
        }
        assert len(wanted) > 100
        assert wanted <= names
        assert "phrasemill/corpora/demo.yaml" in names
        assert any(name.endswith(".dist-info/entry_points.txt") for name in names)
