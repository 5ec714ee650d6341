"""Keys: where everything lies under s3://bucket/prefix/<corpus>/."""

import re
from dataclasses import dataclass

from phrasemill.planning import Shard
from phrasemill.spec import CorpusSpec

MANIFEST = re.compile(r"/manifests/shard-(\d{5,})\.json$")
BLOCK = re.compile(r"/staging/\d{5,}/(\d{4,})\.parquet$")
STAGED_BLOCK = re.compile(r"/staging/(\d{5,})/\d{4,}\.parquet$")
QUARANTINED = re.compile(r"/quarantine/shard-(\d{5,})/([^/]+)/verdict\.json$")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one corpus."""

    root: str

    @classmethod
    def of(cls, spec: CorpusSpec) -> "Keys":
        """The keys of the corpus that a spec describes."""
        return cls(f"{spec.storage.prefix}/{spec.name}" if spec.storage.prefix else spec.name)

    def spec(self, fingerprint: str) -> str:
        """The corpus file as it was for a fingerprint."""
        return f"{self.root}/spec/{fingerprint}.yaml"

    def staging(self, shard: Shard) -> str:
        """Prefix of a shard's staged blocks."""
        return f"{self.root}/staging/{shard.number:05d}/"

    def block(self, shard: Shard, number: int) -> str:
        """One staged block."""
        return f"{self.staging(shard)}{number:04d}.parquet"

    def probes(self) -> str:
        """Prefix of the objects with which preflight tries the bucket."""
        return f"{self.root}/staging/probe-"

    def verdict(self, shard: Shard) -> str:
        """The gate's verdict on staged blocks that await their commit."""
        return f"{self.staging(shard)}verdict.json"

    def data(self, shard: Shard, sha256: str) -> str:
        """The committed rows of a shard."""
        return f"{self.root}/shards/{shard.label}-{sha256[:12]}.parquet"

    def manifests(self) -> str:
        """Prefix of all manifests."""
        return f"{self.root}/manifests/"

    def manifest(self, shard_number: int) -> str:
        """The manifest of a shard: its existence is the commit."""
        return f"{self.root}/manifests/shard-{shard_number:05d}.json"

    def index(self) -> str:
        """The lines of all manifests in one object: a cache, see `phrasemill.store.shard_index`."""
        return f"{self.root}/index/shards.json"

    def judged(self, shard: Shard, sha256: str) -> str:
        """The whole verdict on the committed rows of a shard."""
        return f"{self.root}/verdicts/{shard.label}-{sha256[:12]}.json"

    def retracted(self, shard_number: int, at: str) -> str:
        """What became of the manifest of a shard whose data was gone."""
        return f"{self.root}/retracted/shard-{shard_number:05d}-{key_safe(at)}.json"

    def quarantines(self) -> str:
        """Prefix of all quarantined shards."""
        return f"{self.root}/quarantine/"

    def quarantine(self, shard: Shard, run: str, name: str) -> str:
        """A file of one failed gate."""
        return f"{self.root}/quarantine/{shard.label}/{key_safe(run)}/{name}"

    def report(self, date: str, name: str) -> str:
        """A file of a night's report."""
        return f"{self.root}/reports/{key_safe(date)}/{name}"


def key_safe(text: str) -> str:
    """A run id or date with everything but letters, digits, dot, dash and underscore replaced."""
    return re.sub(r"[^\w.-]+", "_", text)
