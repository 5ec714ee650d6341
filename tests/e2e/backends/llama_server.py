"""llama.cpp's own HTTP server on one GGUF file, until it is asked to end.

Run as a file by the Python of .venvs/llama-cpp, which has xllamacpp and no phrasemill.
"""

import argparse
import os
import signal
from pathlib import Path


def main() -> None:
    """Serve GGUF under the name ALIAS; each of SLOTS sequences has a context of CONTEXT tokens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--alias", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--context", type=int, default=1024)
    arguments = parser.parse_args()
    import xllamacpp  # type: ignore[import-not-found]

    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)  # before the server's threads start, which inherit it
    settings = xllamacpp.CommonParams()
    settings.model.path = str(arguments.gguf)
    settings.model_alias = {arguments.alias}
    settings.hostnames = ["127.0.0.1"]
    settings.port = arguments.port
    settings.n_parallel = arguments.slots
    settings.n_ctx = arguments.slots * arguments.context  # the slots share it in equal parts
    # Its threads wait for each other: with one on every core of a busy machine, single tokens were seen to take 2 s.
    threads = max(1, len(os.sched_getaffinity(0)) - 1)
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    # Its own defaults cut the tail off (40, 0.95, 0.05), which no other server does unasked.
    settings.sampling.top_k, settings.sampling.top_p, settings.sampling.min_p = 0, 1.0, 0.0
    server = xllamacpp.Server(settings)
    print(f"listening on {server.listening_address}", flush=True)
    signal.sigwait(ending)
    os._exit(0)  # the server's destructor waits for idle connections


if __name__ == "__main__":
    main()
