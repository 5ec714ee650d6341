"""One task of a night in a process of its own: asks as fast as it may, and notes what it sent, one line a request.

python -m tests.allowance.worker ENDPOINT BUCKET LIMITS_JSON LINES_FILE SEED
"""

import asyncio
import json
import random
import sys
import time
from pathlib import Path

from phrasemill.allowance import open_allowance
from phrasemill.errors import QuotaSpent
from phrasemill.limit_settings import ApiLimits
from phrasemill.store.bucket import Bucket
from tests.allowance.nights import PRICE, ROOT, ZONE
from tests.servers import S3Server


async def work(bucket: Bucket, limits: ApiLimits, lines: Path, chance: random.Random) -> None:
    async with open_allowance(bucket, root=ROOT, limits=limits, price=PRICE, zone=ZONE) as throttle:

        async def ask() -> None:
            while True:
                turn = await throttle.turn(prompt_bytes=400, completion_tokens=64)
                prompt, completion = chance.randint(90, 110), chance.randint(20, 64)
                with lines.open("a") as file:  # before it is sent, so that a kill leaves no request without its line
                    file.write(f"{time.time():.6f} {(prompt * 150 + completion * 600) / 1e6:.9f}\n")
                await asyncio.sleep(0.005)
                if chance.random() < 0.1:
                    turn.unanswered(billed=True)
                else:
                    turn.answered(prompt_tokens=prompt, completion_tokens=completion)

        workers = [asyncio.create_task(ask()) for _ in range(4)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)


def main(endpoint: str, bucket: str, limits: str, lines: str, seed: str) -> None:
    store = Bucket(S3Server.client(endpoint), bucket)
    try:
        asyncio.run(work(store, ApiLimits(**json.loads(limits)), Path(lines), random.Random(int(seed))))
    except QuotaSpent as stopped:
        print(stopped)


if __name__ == "__main__":
    main(*sys.argv[1:])
