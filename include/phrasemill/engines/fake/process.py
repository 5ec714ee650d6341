"""A fake engine in a process of its own, for tests: start it, break it, kill it, start it again."""

import http.client
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import phrasemill
from phrasemill.engines.fake.settings import API_KEY_VARIABLE, FakeEngineError, FakeEngineSettings

READY = "fake engine listening on "
STARTS_WITHIN_S = 20.0
STOPS_WITHIN_S = 5.0
CONTROL_TIMEOUT_S = 10.0


class FakeEngineProcess:
    """A fake engine as a subprocess, with the settings of FakeEngineSettings by keyword.

        with FakeEngineProcess(latency_ms=20, max_num_seqs=64) as engine:
            engine.faults(mode="status", status=503, count=3)
            ... ask engine.url ...
            assert engine.state()["phrases"] == 240

    It dies with the process that started it. Raises FakeEngineError if it does not come up.
    """

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - FakeEngineSettings checks them
        self._settings = FakeEngineSettings(**settings, until_stdin_closes=True)
        self._port = self._settings.port
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """`http://HOST:PORT`, the same after a restart."""
        return f"http://{self._settings.host}:{self._port}"

    @property
    def model(self) -> str:
        """The name it serves."""
        return self._settings.model

    @property
    def pid(self) -> int:
        """Process id of the engine that runs now."""
        return self._running().pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it answers."""
        if self.alive:
            raise FakeEngineError(f"the fake engine on {self.url} runs already; kill or stop it first")
        self._end(signal.SIGKILL)  # closes what is left of one that died by itself
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed when the process ends
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            self._command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=self._environment(),
        )
        self._port = self._await_port(self._process)

    def kill(self) -> None:
        """SIGKILL: connections break, nothing is answered any more."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM if it still runs, and wait."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Start again on the same port, killing it first if it runs; counters begin anew."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing moves."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after a pause."""
        self._running().send_signal(signal.SIGCONT)

    def wait_dead(self, *, timeout_s: float = STOPS_WITHIN_S) -> int:
        """Wait until it has ended by itself, as a `die` fault has it; its exit code."""
        return self._running().wait(timeout_s)

    def faults(self, **fault: object) -> None:
        """Put one fault in force behind those that are: `faults(mode="hang", count=1)`.

        Raises FakeEngineError if there is no such fault.
        """
        self._control("POST", "/fake/faults", body=fault)

    def clear_faults(self) -> None:
        """Take all faults out of force."""
        self._control("DELETE", "/fake/faults")

    def reset(self) -> None:
        """Clear faults and counters; serial numbers go on, so sentences stay new."""
        self._control("POST", "/fake/reset")

    def reset_quota(self) -> None:
        """A new day for `daily_tokens`."""
        self._control("POST", "/fake/reset-quota")

    def state(self) -> dict[str, Any]:
        """Its counters: lists, prompts, phrases, in flight now and at most, connections, faults struck."""
        state: dict[str, Any] = self._control("GET", "/fake/state")
        return state

    def requests(self, *, last: int | None = None) -> list[dict[str, Any]]:
        """Path and body of the latest requests for text, oldest first (up to 256)."""
        query = "" if last is None else f"?last={last}"
        requests: list[dict[str, Any]] = self._control("GET", f"/fake/requests{query}")
        return requests

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise FakeEngineError("the fake engine has not been started; call start() or use it in a with")
        return self._process

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "phrasemill.engines.fake", *self._options()]

    def _options(self) -> list[str]:
        options = []
        for field in fields(FakeEngineSettings):
            value = getattr(self._settings, field.name)
            name = "--" + {"bad_modes": "bad_mode"}.get(field.name, field.name).replace("_", "-")
            if field.name == "port":
                value = self._port
            if field.name == "api_key" or value is None or value is False:
                continue
            if value is True:
                options.append(name)
            else:
                for one in value if isinstance(value, tuple) else (value,):
                    options += [name, str(one)]
        return options

    def _environment(self) -> dict[str, str]:
        # The package may be importable here only through sys.path, which a child does not inherit.
        package_root = str(Path(phrasemill.__file__).parents[1])
        paths = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        # aiohttp reads all CA certificates as it is imported: 50 ms of the 250 that a start takes, for nothing.
        environment |= {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}
        environment.pop(API_KEY_VARIABLE, None)
        if self._settings.api_key:
            environment[API_KEY_VARIABLE] = self._settings.api_key
        return environment

    def _await_port(self, process: subprocess.Popen[str]) -> int:
        if process.stdout is None:
            raise FakeEngineError("the fake engine was started without a pipe to read its port from")
        readable, _, _ = select.select([process.stdout], [], [], STARTS_WITHIN_S)
        line = process.stdout.readline() if readable else ""
        if not line.startswith(READY):
            process.kill()
            process.wait()
            raise FakeEngineError(
                f"the fake engine did not come up within {STARTS_WITHIN_S:g} s; it said: {line}{self._said()}"
            )
        return int(line.rsplit(":", 1)[1])

    def _said(self) -> str:
        if self._log is None:
            return ""
        self._log.seek(0)
        return self._log.read().strip() or "nothing"

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)  # a paused process hears SIGTERM only when it goes on
            try:
                process.wait(STOPS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pipe in (process.stdin, process.stdout, self._log):
            if pipe is not None:
                pipe.close()
        self._process = self._log = None

    def _control(self, method: str, path: str, *, body: object = None) -> Any:  # noqa: ANN401 - JSON
        connection = http.client.HTTPConnection(self._settings.host, self._port, timeout=CONTROL_TIMEOUT_S)
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body))
            response = connection.getresponse()
            answer = response.read().decode()
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise FakeEngineError(f"the fake engine refused {method} {path}: {response.status} {answer}")
        return json.loads(answer)
