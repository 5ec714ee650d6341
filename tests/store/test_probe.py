"""Preflight's look at the bucket: all that commits rest on is tried, and each failure says what to change."""

import datetime as dt
import time
from email.utils import format_datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from phrasemill.errors import StoreError, StoreUnavailable
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.probe import BucketFound, probe_bucket
from tests.servers import S3Server, free_port
from tests.store.conftest import Proxied
from tests.store.s3_endpoints import Endpoint, Traits
from tests.store.test_bucket import XML

NO_LISTING = b'<?xml version="1.0"?><ListBucketResult><Name>b</Name><KeyCount>0</KeyCount></ListBucketResult>'


def left(store: CorpusStore) -> list[str]:
    return [entry.key for entry in store.bucket.entries("")]


def with_clock(proxied: Proxied, ahead: dt.timedelta) -> CorpusStore:
    """The store as it looks when the server's clock is ahead of ours."""
    client = proxied.server.client()

    def set_date(response_dict: dict[str, Any], **_: object) -> None:
        response_dict["headers"]["date"] = format_datetime(dt.datetime.now(dt.UTC) + ahead, usegmt=True)

    client.meta.events.register("before-parse.s3.ListObjectsV2", set_date)
    return CorpusStore(Bucket(client, proxied.bucket.name), proxied.store.spec)


class TestSound:
    def test_what_the_server_does_is_found_and_the_bucket_is_left_as_it_was(
        self, store: CorpusStore, traits: Traits
    ) -> None:
        started = time.monotonic()
        found = probe_bucket(store)
        took = time.monotonic() - started
        assert (found.conditional_puts, found.checksums) == (traits.conditional_puts, traits.checksums)
        assert found.skew_s is not None
        assert abs(found.skew_s) < 2 + took  # its Date has whole seconds
        assert left(store) == []

    def test_it_takes_seconds(self, store: CorpusStore) -> None:
        started = time.monotonic()
        probe_bucket(store)
        assert time.monotonic() - started < 30

    def test_nothing_is_warned_of_on_a_sound_server(self) -> None:
        sound = BucketFound("corpora", conditional_puts=True, checksums=True, skew_s=0.2)
        assert sound.warnings == []
        assert str(sound) == "conditional puts are honoured"

    def test_what_is_weaker_is_warned_of(self) -> None:
        weak = BucketFound("corpora", conditional_puts=False, checksums=False, skew_s=None)
        assert [warning.split(":")[0] for warning in weak.warnings] == [
            "bucket corpora ignores conditional puts",
            "bucket corpora does not check Content-MD5",
        ]
        assert str(weak) == "conditional puts are ignored, checksums are ignored"

    @pytest.mark.usefixtures("changed_requests")
    def test_a_server_that_ignores_conditions_is_told(self, proxied: Proxied) -> None:
        proxied.proxy.on("PUT", "/", "strip", count=None)
        assert not probe_bucket(proxied.store).conditional_puts
        assert left(proxied.store) == []


class TestPermissions:
    """What a policy without one of the permissions does, forged by the proxy."""

    @pytest.mark.parametrize(
        ("method", "words", "told"),
        [
            ("GET", "list-type=2", r"cannot list .*; grant s3:ListBucket on the bucket"),
            ("PUT", "/staging/probe-", r"cannot put .*; grant s3:PutObject on the bucket"),
            ("GET", "/staging/probe-", r"cannot get .*; grant s3:GetObject"),
            ("DELETE", "/staging/probe-", r"cannot delete .*; grant s3:DeleteObject on the bucket"),
        ],
    )
    def test_the_missing_one_is_named(self, proxied: Proxied, method: str, words: str, told: str) -> None:
        body = XML.format("AccessDenied").encode()
        proxied.proxy.on(method, words, "forge", status=403, body=body, count=None)
        with pytest.raises(StoreError, match=told) as error:
            probe_bucket(proxied.store)
        assert not error.value.retryable

    def test_put_is_told_whatever_else_fails(self, proxied: Proxied) -> None:
        proxied.proxy.on("PUT", "/", "forge", status=403, count=None)
        proxied.proxy.on("DELETE", "/", "forge", status=403, count=None)
        with pytest.raises(StoreError, match=r"cannot put .*grant s3:PutObject"):
            probe_bucket(proxied.store)

    @pytest.mark.parametrize("looks", [1, 2])
    def test_the_probe_is_removed_whatever_fails(self, proxied: Proxied, looks: int) -> None:
        proxied.proxy.on("PUT", "/staging/probe-", "forge", status=403, skip=looks)
        with pytest.raises(StoreError, match="cannot put"):
            probe_bucket(proxied.store)
        assert left(proxied.store) == []

    def test_a_real_policy_is_obeyed(self, s3_server: Endpoint, store: CorpusStore) -> None:
        stranger = s3_server.client(aws_access_key_id="nobody", aws_secret_access_key="nothing")
        try:
            stranger.list_objects_v2(Bucket=store.bucket.name)
        except ClientError:
            with pytest.raises(StoreError, match=r"correct the (access|secret) key"):
                probe_bucket(CorpusStore(Bucket(stranger, store.bucket.name), store.spec))
        else:
            pytest.skip("the server lets everybody in")


class TestConsistency:
    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("phrasemill.store.probe.LOOK_EVERY_S", 0.05)

    def test_a_store_that_does_not_read_its_own_writes(self, proxied: Proxied) -> None:
        proxied.proxy.on("GET", "/staging/probe-", "forge", status=404, count=None)
        with pytest.raises(StoreError, match=r"does not read back what was just written.*read-after-write"):
            probe_bucket(proxied.store)
        assert left(proxied.store) == []

    def test_a_store_whose_listings_come_late(self, proxied: Proxied) -> None:
        proxied.proxy.on("GET", "prefix=", "forge", status=200, body=NO_LISTING, count=None)
        with pytest.raises(StoreError, match=r"is not listed after it was written.*list-after-write consistency"):
            probe_bucket(proxied.store)

    def test_a_store_that_needs_a_moment_is_given_one(self, proxied: Proxied) -> None:
        proxied.proxy.on("GET", "/staging/probe-", "forge", status=404, count=2)
        proxied.proxy.on("GET", "prefix=", "forge", status=200, body=NO_LISTING, count=2)
        probe_bucket(proxied.store)


class TestClock:
    @pytest.mark.parametrize(("hours", "words"), [(2, "ahead of"), (-2, "behind")])
    def test_a_clock_that_is_wrong_says_whose(self, proxied: Proxied, hours: int, words: str) -> None:
        with pytest.raises(StoreError, match=rf"the server's clock is 7\d\d\d s {words} this machine's; set the wrong"):
            probe_bucket(with_clock(proxied, dt.timedelta(hours=hours)))

    def test_a_minute_is_let_pass_and_told(self, proxied: Proxied) -> None:
        found = probe_bucket(with_clock(proxied, dt.timedelta(minutes=1)))
        assert found.skew_s is not None
        assert 30 < found.skew_s < 90

    def test_a_server_that_refuses_our_clock_says_to_set_it(self, proxied: Proxied) -> None:
        body = XML.format("RequestTimeTooSkewed").encode()
        proxied.proxy.on("GET", "/", "forge", status=403, body=body, count=None)
        with pytest.raises(StoreError, match="set this machine's clock"):
            probe_bucket(proxied.store)


class TestUnreached:
    def test_a_missing_bucket(self, client: Any, spec: CorpusSpec) -> None:
        with pytest.raises(StoreError, match="create the bucket"):
            probe_bucket(CorpusStore(Bucket(client, "no-such-bucket"), spec))

    def test_a_dead_server(self, spec: CorpusSpec) -> None:
        bucket = Bucket(S3Server.client(f"http://127.0.0.1:{free_port()}"), "corpora")
        with pytest.raises(StoreUnavailable, match="check that the S3 server runs"):
            probe_bucket(CorpusStore(bucket, spec))

    def test_something_that_is_no_s3_server(self, proxied: Proxied) -> None:
        proxied.proxy.on("GET", "/", "forge", status=200, body=b"<html>A web page", count=None)
        with pytest.raises(StoreUnavailable, match="endpoint_url is the address of S3 itself"):
            probe_bucket(proxied.store)

    def test_a_bucket_in_another_region(self, proxied: Proxied) -> None:
        body = XML.format("AuthorizationHeaderMalformed").encode()
        proxied.proxy.on("GET", "/", "forge", status=400, body=body, count=None)
        with pytest.raises(StoreError, match="set region_name"):
            probe_bucket(proxied.store)
