"""Launches of fake engines, quick limits, and what the tests ask and see of them."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import psutil

import phrasemill
from phrasemill.serving.engine_process import bears, is_alive, mark_of
from phrasemill.serving.launch import EngineLaunch
from phrasemill.serving.limits import Limits
from tests.servers import free_port

FAKE = (sys.executable, "-m", "phrasemill.engines.fake")
WITHIN_S = 60.0


def quick_limits(**changed: Any) -> Limits:
    quick: dict[str, Any] = {
        "start_s": 60.0, "stagger_s": 0.0, "look_s": 0.05, "answer_s": 5.0, "missed_answers": 2, "hang_s": 30.0,
        "backoff_s": 0.05, "longest_backoff_s": 0.4, "drain_s": 40.0,
    }  # fmt: skip
    return Limits(**quick | changed)


def fake_launch(number: int = 0, *options: str, wrapper: str | None = None, **variables: str) -> EngineLaunch:
    """A fake engine on a free port; `wrapper` is a shell script that runs before it, in the same process."""
    port = free_port()
    argv = (*FAKE, "--port", str(port), "--model", "tiny", "--shutdown-timeout", "8", *options)
    if wrapper is not None:
        argv = ("/bin/sh", "-c", f'{wrapper}\nexec "$@"', "sh", *argv)
    paths = [str(Path(phrasemill.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    # aiohttp reads all CA certificates as it is imported: 50 ms of a start, for nothing.
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "SSL_CERT_FILE": os.devnull, **variables}
    return EngineLaunch(name=f"engine-{number}", host="127.0.0.1", port=port, argv=argv, variables=environment)


def broken_while(flag: Path) -> str:
    """A wrapper whose engine dies at its start as long as the file `flag` exists."""
    return f'if [ -e "{flag}" ]; then echo "RuntimeError: no kernel image"; exit 3; fi'


def growing_with(flag: Path) -> str:
    """A wrapper whose engine has a child that takes 200 MiB once the file `flag` exists."""
    program = f"import os, time\nwhile not os.path.exists({str(flag)!r}): time.sleep(.02)\n"
    program += "kept = b'x' * (200 << 20)\ntime.sleep(1000)"
    return f'"{sys.executable}" -c "{program}" &'


async def set_fault(launch: EngineLaunch, **fault: object) -> None:
    async with aiohttp.ClientSession() as session, session.post(f"{launch.url}/fake/faults", json=fault) as response:
        assert response.status == 200, await response.text()


async def complete(session: aiohttp.ClientSession, url: str, prompts: list[str]) -> list[str]:
    """One list, asked as a plain client does: texts, or an aiohttp error."""
    body = {"model": "tiny", "prompt": prompts, "max_tokens": 64}
    async with session.post(f"{url}/v1/completions", json=body) as response:
        response.raise_for_status()
        choices = (await response.json())["choices"]
    assert {choice["finish_reason"] for choice in choices} <= {"stop", "length"}
    return [choice["text"] for choice in choices]


async def until_running(launch: EngineLaunch, sequences: int) -> None:
    """Wait until the engine has so many sequences running."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(WITHIN_S):
        while True:
            async with session.get(f"{launch.url}/fake/state") as response:
                if (await response.json())["running"] == sequences:
                    return


async def until(true: Callable[[], object], *, within_s: float = WITHIN_S) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"did not happen within {within_s} s"
        await asyncio.sleep(0.01)


def marked(state: Path) -> list[psutil.Process]:
    """The live processes that were started for this state folder."""
    return [process for process in psutil.process_iter() if bears(process, mark_of(state)) and is_alive(process)]
