"""Print as many free ports as asked for; all are held until the last is found, so that no two are the same."""

import contextlib
import socket
import sys

with contextlib.ExitStack() as held:
    probes = [held.enter_context(socket.socket()) for _ in range(int(sys.argv[1]))]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    print(*(probe.getsockname()[1] for probe in probes))
