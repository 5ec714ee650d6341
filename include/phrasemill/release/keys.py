"""Keys of a release: where everything lies under s3://bucket/prefix/<corpus>/releases/<version>/."""

import re
from dataclasses import dataclass

from phrasemill.release.errors import ReleaseError

VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
LATEST = "latest"
"""Stands for the newest published version where one is asked for."""
MANIFEST, QUARANTINE, SHORT, PLAN = "manifest.json", "quarantine.json", "short.json", "plan.json"


@dataclass(frozen=True, slots=True)
class ReleaseKeys:
    """The keys of one version."""

    root: str
    """With a slash at its end."""

    @classmethod
    def of(cls, corpus_root: str, version: str) -> "ReleaseKeys":
        """The keys of a version of the corpus under `corpus_root`.

        Raises:
            ReleaseError: the version cannot be part of a key.
        """
        if not VERSION.fullmatch(version) or ".." in version:
            raise ReleaseError(
                f"version {version!r} cannot be used; write up to 40 letters, digits, dots, - and _, such as v1"
            )
        return cls(f"{corpus_root}/releases/{version}/")

    def file(self, path: str) -> str:
        """A file of the finished release, such as data/train-00000-of-00008.parquet."""
        return f"{self.root}{path}"

    @property
    def manifest(self) -> str:
        """The release manifest: its existence is the publication."""
        return self.file(MANIFEST)

    @property
    def quarantine(self) -> str:
        """The verdict of a failed corpus gate: its existence means that this version is never published."""
        return self.file(QUARANTINE)

    @property
    def short(self) -> str:
        """What was missing when this version was tried last."""
        return self.file(SHORT)

    @property
    def plan(self) -> str:
        """The plan that all steps of this version follow."""
        return self.file(PLAN)

    @property
    def all_work(self) -> str:
        """Prefix of what steps leave for later steps, of every plan."""
        return self.file("work/")

    def work(self, digest: str, name: str) -> str:
        """What a step leaves for later steps, under the digest of the plan."""
        return f"{self.all_work}{digest}/{name}"


def numbered(folder: str, number: int, of: int, *, suffix: str) -> str:
    """A file's path as data sets name their parts, such as data/train-00000-of-00008.parquet."""
    return f"{folder}/train-{number:05d}-of-{of:05d}{suffix}"


def links_file(number: int, of: int) -> str:
    """links.parquet, or a part of it where there are several: links*.parquet are all."""
    return "links.parquet" if of == 1 else f"links-{number:05d}-of-{of:05d}.parquet"
