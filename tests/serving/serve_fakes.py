"""`python -m tests.serving.serve_fakes STATE LAUNCHES.json`: a supervisor of its own, to be signalled and killed."""

import asyncio
import json
import logging
import sys
from pathlib import Path

from phrasemill.serving.launch import EngineLaunch
from phrasemill.serving.supervisor import Supervisor
from tests.serving.fake_launch import quick_limits


async def serve(state: Path, launches: list[EngineLaunch]) -> None:
    async with Supervisor(launches, state=state, limits=quick_limits(), api_key=None) as supervisor:
        stop = supervisor.stop_on_signals()
        if await supervisor.all_healthy(stop):
            print("healthy", flush=True)
            await supervisor.run_until(stop)
    print("ended", flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(serve(Path(sys.argv[1]), [EngineLaunch(**one) for one in json.loads(sys.argv[2])]))
