"""The log of one engine: what it prints goes through a pipe into a file that is rotated by size.

A thread of its own empties the pipe, so an engine never waits for the supervisor's event loop; lines that
cannot be written (a full disk) are dropped, not waited for. When the supervisor is killed the pipe closes: from then
on an engine's prints fail (EPIPE). Python's logging swallows that, so engines mostly live on without a log until
the next supervisor on the same state folder ends them.
"""

import contextlib
import logging
import os
import re
import threading
from collections import deque
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path

log = logging.getLogger(__name__)

KEPT_LINES = 400
LONGEST_LINE = 1 << 16
QUOTED_CHARS = 300
ERROR = re.compile(r"\b(?:[A-Za-z_][\w.]*(?:Error|Exception|Interrupt)|error|fatal): \S.*")
# Of what its engine process has said in detail vLLM's API server says only the first; the second is advice.
NOT_THE_CAUSE = ("Engine core initialization failed", "Consider increasing with ulimit -n")


class EngineLog:
    """Takes the output of an engine's processes, one run after the other, and remembers the last run's end.

    `secrets` are replaced wherever they appear in a line.
    """

    def __init__(self, path: Path, *, max_bytes: int, files: int, secrets: tuple[str, ...] = ()) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._secrets = [secret for secret in secrets if secret]
        self._handler = _Rotating(path, maxBytes=max_bytes, backupCount=files, encoding="utf-8", errors="replace")
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._reader: threading.Thread | None = None

    @contextlib.contextmanager
    def begin_run(self, title: str) -> Iterator[int]:
        """Begin a run: inside, start its process with its output to the file descriptor that this yields."""
        readable, writable = os.pipe()
        self._lines = deque(maxlen=KEPT_LINES)
        self._write(f"--- {title} ---")
        self._reader = threading.Thread(
            target=self._copy, args=(readable, self._lines), name=f"log of {self.path.stem}", daemon=True
        )
        self._reader.start()
        try:
            yield writable
        finally:
            os.close(writable)  # the pipe ends when the last process of the run does

    def end_run(self, *, within_s: float = 2.0) -> None:
        """Wait until all that the run's processes printed is in the file."""
        if self._reader is not None:
            self._reader.join(within_s)

    def close(self) -> None:
        """Close the file; nothing is written to it any more."""
        self.end_run()
        self._handler.close()

    def last_words(self) -> str:
        """The last error that this run printed, else its last line, shortened; empty if it printed nothing."""
        return self.last_error() or "".join(self._said()[-1:])[:QUOTED_CHARS]

    def last_error(self) -> str:
        """The last error that this run printed, shortened; empty if it printed none."""
        said = [line for line in self._said() if not any(words in line for words in NOT_THE_CAUSE)]
        errors = [found[0] for line in said if (found := ERROR.search(line))]
        return errors[-1][:QUOTED_CHARS] if errors else ""

    def _said(self) -> list[str]:
        return [line.strip() for line in self._lines.copy() if line.strip()]

    def _copy(self, readable: int, lines: deque[str]) -> None:
        with os.fdopen(readable, "rb") as pipe:
            while raw := pipe.readline(LONGEST_LINE):
                line = self._redacted(raw.decode("utf-8", "replace").rstrip("\r\n"))
                lines.append(line)
                self._write(line)

    def _redacted(self, line: str) -> str:
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return line

    def _write(self, line: str) -> None:
        self._handler.handle(logging.LogRecord("engine", logging.INFO, "", 0, line, None, None))


class _Rotating(RotatingFileHandler):
    """A rotating file that says once when it cannot be written, and goes on with what comes later."""

    _failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - logging's signature
        if not self._failed:
            self._failed = True
            log.exception("%s cannot be written; lines of this engine are lost", self.baseFilename)
