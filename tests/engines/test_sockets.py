"""The limit of open files, raised in a process of its own: it cannot be lowered again for those beside it."""

import subprocess
import sys

import pytest

PROGRAM = """
import logging, resource, sys
from phrasemill.engines.sockets import allow_sockets
logging.basicConfig(format="%(message)s")
soft, hard, count = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
allow_sockets(count)
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "count", "then", "warned"),
    [(512, 4096, 1024, 1280, False), (512, 4096, 100, 512, False), (512, 1100, 1024, 1100, True)],
    ids=["raised as far as needed", "left alone when it is enough", "as far as it may be, with a warning"],
)
def test_the_limit_of_open_files_fits_the_lists_in_flight(
    soft: int, hard: int, count: int, then: int, warned: bool
) -> None:
    given = [sys.executable, "-c", PROGRAM, str(soft), str(hard), str(count)]
    ended = subprocess.run(given, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == [str(then), str(hard)]
    assert ("this process may have 1100 files open" in ended.stderr) == warned
