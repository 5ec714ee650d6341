"""Campaigns: whole corpora worked off under kills, each verified at its end."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from phrasemill.engines.fake.process import FakeEngineProcess
from tests.integration.night import NamedStriker, Night, RandomStriker, Try
from tests.integration.protocol import AFTER_COMMIT, CHAIN
from tests.integration.whole import Found
from tests.integration.yard import yard, yard_spec
from tests.servers import S3Server


@dataclass(frozen=True)
class Campaign:
    """A corpus worked off, and what an independent reader found of it."""

    tries: list[Try]
    wrong: list[str]
    found: Found

    @property
    def kills(self) -> int:
        return sum(one.struck for one in self.tries)


def named_steps(s3: S3Server, engine: FakeEngineProcess) -> Campaign:
    """Every named step of the protocol once: those of a shard's life on one shard, the others on one each."""
    points = {0: list(CHAIN)} | {number: [point] for number, point in enumerate(AFTER_COMMIT, 1)}
    with yard(yard_spec(len(points)), s3=s3, engine=engine) as made:
        night = Night(made, NamedStriker(points))
        night.run(range(len(points)))
        night.wrong += [f"{one.step} was not {one.deed}: it never came to it" for one in night.tries if _missed(one)]
        night.wrong += [f"{point.name} of {point.step} was left out" for left in points.values() for point in left]
        return Campaign(night.tries, night.wrong, night.verify())


def random_kills(
    s3: S3Server,
    engine: FakeEngineProcess,
    *,
    kills: int,
    shards: int,
    dice: random.Random,
    before: Sequence[Campaign] = (),
) -> Campaign:
    """Up to `kills` kills at random times over some shards; how long steps take is learnt from earlier campaigns."""
    with yard(yard_spec(shards), s3=s3, engine=engine) as made:
        striker = RandomStriker(dice, budget=kills)
        for campaign in before:
            striker.learn(campaign.tries)
        night = Night(made, striker)
        night.run(range(shards))
        return Campaign(night.tries, night.wrong, night.verify())


def _missed(one: Try) -> bool:
    return bool(one.deed) and not one.struck
