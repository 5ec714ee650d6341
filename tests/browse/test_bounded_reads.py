"""What a look-up reads of a release: a few row groups, however large the files are, and what was read is kept."""

import hashlib
from pathlib import Path

import pytest

from phrasemill.browse.blocks import BLOCK_BYTES, Blocks
from phrasemill.browse.files import BucketFiles
from phrasemill.browse.reader import ReleaseReader
from tests.browse.conftest import bucket_store, release_folder
from tests.browse.releases import FolderBucket, browse_spec, phrases_of, write_release

PHRASES = 2_400
GROUP_ROWS = 100


def noise(number: int) -> str:
    """About 1,900 characters that do not compress, one word."""
    return "".join(hashlib.sha512(f"{number} {part}".encode()).hexdigest() for part in range(15))


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> dict[str, Path]:
    """By order, the folder of a bucket with a release of 2 MB in 23 row groups of about 100 kB."""
    rows = phrases_of(browse_spec(), PHRASES, [f"phrase {number} {noise(number)}" for number in range(PHRASES)])
    folders = {order: tmp_path_factory.mktemp(f"large-{order}") for order in ("id", "shuffled")}
    for order, folder in folders.items():
        write_release(release_folder(folder), rows, shuffled=order == "shuffled", group_rows=GROUP_ROWS)
    return folders


@pytest.fixture
def bucket(large, order) -> FolderBucket:
    return FolderBucket(large[order])


@pytest.fixture
def reader(bucket) -> ReleaseReader:
    return ReleaseReader(BucketFiles(bucket_store(bucket), "v1"), threads=2)


@pytest.fixture
def phrase_bytes(bucket) -> int:
    size = sum(path.stat().st_size for path in release_folder(bucket.folder).glob("data/*"))
    assert size > 2_000_000
    return size


class TestALookUp:
    def test_of_a_phrase_reads_its_row_group(self, reader, bucket, phrase_bytes):
        reader.phrase(0)  # and the footers
        before = bucket.bytes_read
        reader.phrase(1_200)
        # In shuffled order a phrase stands near its place, within one row group or the next ones.
        assert bucket.bytes_read - before < phrase_bytes / 4

    def test_at_random_reads_one_row_group(self, reader, bucket, phrase_bytes):
        reader.phrase(0)
        before = bucket.bytes_read
        reader.random_phrase(7)
        assert bucket.bytes_read - before < phrase_bytes / 8

    @pytest.mark.parametrize("order", ["id"])
    def test_of_a_scene_in_id_order_reads_its_row_group(self, reader, bucket, phrase_bytes):
        reader.phrase(0)
        before = bucket.bytes_read
        assert len(reader.scene(240)) >= 4
        assert bucket.bytes_read - before < phrase_bytes / 4

    def test_again_reads_nothing(self, reader, bucket):
        first = reader.phrase(1_200), reader.links_from(1_200), reader.lexeme("trade", "a diver")
        before = len(bucket.ranges)
        assert (reader.phrase(1_200), reader.links_from(1_200), reader.lexeme("trade", "a diver")) == first
        assert len(bucket.ranges) == before

    def test_opening_a_release_reads_its_manifest_alone(self, reader, bucket):
        assert bucket.ranges == []


class TestBlocks:
    CONTENT = bytes(range(256)) * 4096  # 8 blocks

    @pytest.fixture
    def asked(self):
        return []

    @pytest.fixture
    def blocks(self, asked):
        def fetch(path, first, length):
            asked.append((path, first // BLOCK_BYTES, -(-length // BLOCK_BYTES)))
            return self.CONTENT[first : first + length]

        return Blocks(fetch, kept_bytes=3 * BLOCK_BYTES)

    @pytest.mark.parametrize(
        ("first", "last"), [(0, 1), (5, 5), (BLOCK_BYTES - 1, BLOCK_BYTES + 1), (3, 8 * BLOCK_BYTES), (0, 2**20)]
    )
    def test_give_the_bytes_asked_for(self, blocks, first, last):
        for _ in range(2):
            assert blocks.read("a", first, last) == self.CONTENT[first:last]

    def test_ask_once_for_neighbours_and_not_for_what_is_kept(self, blocks, asked):
        blocks.read("a", 0, 3 * BLOCK_BYTES)
        blocks.read("a", BLOCK_BYTES, 2 * BLOCK_BYTES + 5)
        blocks.read("a", 10, 20)
        assert asked == [("a", 0, 3)]

    def test_ask_around_what_is_kept(self, blocks, asked):
        blocks.read("a", BLOCK_BYTES, 2 * BLOCK_BYTES)
        assert blocks.read("a", 0, 4 * BLOCK_BYTES) == self.CONTENT[: 4 * BLOCK_BYTES]
        assert asked == [("a", 1, 1), ("a", 0, 1), ("a", 2, 2)]

    def test_forget_what_was_used_longest_ago(self, blocks, asked):
        for number in (0, 1, 2, 0, 3, 0, 1):
            blocks.read("a", number * BLOCK_BYTES, number * BLOCK_BYTES + 9)
        assert [number for _, number, _ in asked] == [0, 1, 2, 3, 1]

    def test_files_do_not_mix(self, blocks, asked):
        blocks.read("a", 0, 9)
        blocks.read("b", 0, 9)
        assert [path for path, _, _ in asked] == ["a", "b"]
