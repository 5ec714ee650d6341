"""The long kill test: `make kill-test N=1000`. Prints a table, writes every try as JSON, fails if anything is wrong."""

import argparse
import json
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.integration.campaign import Campaign, named_steps, random_kills
from tests.integration.night import COUNTS, summary
from tests.integration.yard import BLOCK, BLOCKS_IN_FLIGHT, SHARD, servers

SHARDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="at random times; named steps come on top")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--json", type=Path, default=Path(".phrasemill/kill-test.json"))
    options = parser.parse_args()
    console = Console(width=120)
    console.print(f"seed {options.seed}")
    began = time.monotonic()
    with servers() as (s3, engine):
        campaigns = [named_steps(s3, engine)]
        dice = random.Random(options.seed)
        while (left := options.kills - sum(one.kills for one in campaigns[1:])) > 0:
            campaigns.append(random_kills(s3, engine, kills=left, shards=SHARDS, dice=dice, before=campaigns))
            done = options.kills - left + campaigns[-1].kills
            console.print(f"{time.monotonic() - began:6.0f} s  {done} kills, {len(campaigns[-1].wrong)} wrong")
            if campaigns[-1].wrong and len([one for one in campaigns if one.wrong]) >= 5:
                break
    report = as_report(campaigns, seed=options.seed, seconds=time.monotonic() - began)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report, indent=1, ensure_ascii=False))
    console.print(as_table(report))
    console.print(report["in_words"], highlight=False)
    for sentence in report["wrong"]:
        console.print(f"WRONG: {sentence}", style="red", highlight=False)
    console.print(f"every try: {options.json}")
    sys.exit(bool(report["wrong"]))


def as_report(campaigns: list[Campaign], *, seed: int, seconds: float) -> dict[str, Any]:
    """All that happened, as JSON."""
    tries = [one for campaign in campaigns for one in campaign.tries]
    shards, phrases = (sum(getattr(one.found, name) for one in campaigns) for name in ("shards", "phrases"))
    redone = [one.redone for one in tries if one.struck and one.step == "generate"]
    kills = sum(campaign.kills for campaign in campaigns)
    words = (
        f"{kills} kills in {len(tries)} processes and {seconds:.0f} s; {shards} shards committed, once each; {phrases} "
        f"phrases, {shards * SHARD} planned. A kill of generate cost {sum(redone) / max(1, len(redone)):.0f} phrases "
        f"asked for again, {max(redone, default=0)} at most; the blocks in flight hold {BLOCKS_IN_FLIGHT * BLOCK}."
    )
    return {
        "seed": seed,
        "seconds": round(seconds, 1),
        "in_words": words,
        "wrong": [sentence for campaign in campaigns for sentence in campaign.wrong],
        "table": summary(tries),
        "tries": [asdict(one) | {"campaign": number} for number, each in enumerate(campaigns) for one in each.tries],
    }


def as_table(report: dict[str, Any]) -> Table:
    """A row for every step and what was done to it."""
    table = Table("step", "what was done", *[name.replace("_", " ") for name in COUNTS])
    for row in report["table"]:
        table.add_row(row["step"], row["deed"], *[str(row[name]) for name in COUNTS])
    return table


if __name__ == "__main__":
    main()
