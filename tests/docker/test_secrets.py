"""Secrets of the compose files: made by docker/secrets.sh, in no other file, and refused when they are none."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docker.compose_files import (
    BOX,
    COMBINATIONS,
    DOCKER,
    FLEET,
    NODE,
    TITLES,
    compose,
    make_secrets,
    read_compose,
    read_env,
    secret_names,
    strings,
)


class TestSecrets:
    def test_each_is_fresh_and_long_and_the_file_is_its_owners_alone(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        one, other = make_secrets(tmp_path / "a"), make_secrets(tmp_path / "b")
        assert stat.S_IMODE(one.stat().st_mode) == 0o600
        first, second = read_env(one), read_env(other)
        names = secret_names()
        assert len(names) >= 11
        assert all(len(first[name]) >= 32 and first[name] != second[name] for name in names)
        assert len({first[name] for name in names}) == len(names)
        assert sorted(file.name for file in (tmp_path / "a").iterdir()) == [".env", ".env.example", "secrets.sh"]

    def test_the_fernet_key_is_one(self, env_file: Path) -> None:
        from cryptography.fernet import Fernet

        box = Fernet(read_env(env_file)["FERNET_KEY"].encode())
        assert box.decrypt(box.encrypt(b"word")) == b"word"

    def test_a_file_that_is_there_is_never_overwritten(self, tmp_path: Path) -> None:
        before = make_secrets(tmp_path).read_bytes()
        again = subprocess.run([tmp_path / "secrets.sh"], capture_output=True, text=True, check=False)
        assert again.returncode == 1
        assert "stays as it is" in again.stderr
        assert (tmp_path / ".env").read_bytes() == before

    def test_nor_is_one_that_another_run_makes_meanwhile(self, tmp_path: Path) -> None:
        for name in ("secrets.sh", ".env.example"):
            shutil.copy2(DOCKER / name, tmp_path / name)
        meanwhile = tmp_path / "bin" / "base64"
        meanwhile.parent.mkdir()
        meanwhile.write_text(f"#!/bin/sh\necho mine > .env\nexec {shutil.which('base64')}\n")
        meanwhile.chmod(0o755)
        environment = {"PATH": f"{meanwhile.parent}:{os.environ['PATH']}"}
        answer = subprocess.run([tmp_path / "secrets.sh"], capture_output=True, check=False, env=environment)
        assert answer.returncode != 0
        assert (tmp_path / ".env").read_text() == "mine\n"
        assert not list(tmp_path.glob(".env.partial.*"))

    def test_comments_of_the_example_are_left_as_they_are(self, env_file: Path) -> None:
        commented = [line for line in (DOCKER / ".env.example").read_text().splitlines() if line.startswith("#")]
        assert "# HF_TOKEN=" in commented
        assert [line for line in env_file.read_text().splitlines() if line.startswith("#")] == commented

    def test_no_file_holds_one(self) -> None:
        secret = re.compile(r"password|secret|_key(_id)?$|token|fernet", re.IGNORECASE)
        for file in sorted(DOCKER.glob("compose*.yaml")):
            for path, value in strings(yaml.safe_load(re.sub(r"!override|!reset", "", file.read_text()))).items():
                if secret.search(path[-1]) and "x-required" not in path[0]:
                    assert value.startswith("${"), f"{file.name}: {'.'.join(path)}"
                assert not re.search(r"://[^/$@]*:[^$@]+@", value), f"{file.name}: {'.'.join(path)}"
        for file in [*DOCKER.glob("*.Dockerfile"), *DOCKER.glob("*.sh"), DOCKER / "init.py"]:
            assert not re.search(r"(PASSWORD|SECRET|_KEY|TOKEN)\w*=[\"']?[^\s\"'$)]", file.read_text()), file.name


class TestRefusal:
    @pytest.mark.parametrize("files", COMBINATIONS, ids=TITLES)
    def test_without_secrets_nothing_is_started_and_one_line_says_why(self, files: tuple[str, ...]) -> None:
        answer = compose(files, "/dev/null", "config", "--quiet")
        assert answer.returncode != 0
        lines = answer.stderr.strip().splitlines()
        assert len(lines) == 1
        assert "is missing a value: " in lines[0]
        assert "docker/.env" in lines[0]

    @pytest.mark.parametrize("name", secret_names())
    def test_one_that_is_missing_is_named(self, name: str, env_file: Path, tmp_path: Path) -> None:
        lines = env_file.read_text().splitlines()
        partial = tmp_path / ".env"
        partial.write_text("\n".join(line for line in lines if not line.startswith(f"{name}=")))
        answer = compose(FLEET, partial, "config", "--quiet")
        assert answer.returncode != 0
        assert f"required variable {name} is missing" in answer.stderr
        assert len(answer.stderr.strip().splitlines()) == 1

    def test_a_node_must_say_where_it_is_reached(self, env_file: Path) -> None:
        assert "NODE_ADDRESS" in compose(NODE, env_file, "config", "--quiet").stderr

    @pytest.mark.parametrize("bad", ["", "short", "change-me-change-me-change-me", "<32 random characters>"])
    def test_the_service_check_refuses_placeholders(self, services: dict[str, Any], bad: str) -> None:
        check = services["check"]
        for name in check["command"][2:]:
            answer = self.run_check(check, {name: bad})
            assert answer.returncode == 1
            assert answer.stderr.startswith(f"docker/.env: {name} ")
            assert len(answer.stderr.splitlines()) == 1
            assert not bad or bad not in answer.stderr

    def test_the_service_check_takes_what_the_script_makes(self, services: dict[str, Any]) -> None:
        assert self.run_check(services["check"], {}).returncode == 0

    def test_a_fernet_key_of_another_length_is_refused(self, env_file: Path) -> None:
        check = read_compose(BOX, env_file)["services"]["check"]
        answer = self.run_check(check, {"FERNET_KEY": "0123456789abcdef0123"})
        assert "FERNET_KEY is no Fernet key" in answer.stderr

    def test_all_services_wait_for_it(self, services: dict[str, Any]) -> None:
        for name in services.keys() - {"check"}:
            assert services[name]["depends_on"]["check"]["condition"] == "service_completed_successfully", name

    def test_it_looks_at_every_secret(self, env_file: Path) -> None:
        assert set(read_compose(FLEET, env_file)["services"]["check"]["command"][2:]) == set(secret_names())
        box = read_compose(BOX, env_file)["services"]["check"]["command"][2:]
        assert set(box) == set(secret_names()) - {"REDIS_PASSWORD"}

    @staticmethod
    def run_check(check: dict[str, Any], instead: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        shell, script, *names = check["command"]
        assert (shell, script) == ("sh", check["volumes"][0]["target"])
        environment = {"PATH": os.environ["PATH"]} | check["environment"] | instead
        return subprocess.run(
            ["sh", check["volumes"][0]["source"], *names], capture_output=True, text=True, check=False, env=environment
        )
