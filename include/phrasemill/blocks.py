"""Blocks: where they are kept, and the ones being filled."""

import datetime as dt
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from phrasemill.facts import Facts
from phrasemill.planning import Block


class StagedBlock(Protocol):
    """A block that an earlier run saved."""

    @property
    def hashes(self) -> npt.NDArray[np.uint64]:
        """Text hashes of its phrases."""

    @property
    def facts(self) -> Facts:
        """What it took."""


class Staging(Protocol):
    """Where the blocks of one shard are kept until they are committed."""

    def load(self) -> Mapping[int, StagedBlock]:
        """Sound blocks by number; damaged ones are left out, blocks of another fingerprint refused."""

    def save(self, block: Block, rows: pa.Table, facts: Facts) -> None:
        """Keep a full block durably before returning."""


class OpenBlock:
    """A block being filled."""

    __slots__ = ("attempts", "block", "facts", "hashes", "left", "texts")

    def __init__(self, block: Block) -> None:
        self.block = block
        self.texts = [""] * block.rows
        self.hashes = [0] * block.rows
        self.attempts = np.zeros(block.rows, dtype=np.int64)
        self.left = block.rows
        self.facts = Facts(started_at=dt.datetime.now(dt.UTC))
