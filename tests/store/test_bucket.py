"""One bucket over a real connection: objects, conditional puts, and every error in words that say what to do."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from phrasemill.errors import ObjectDamaged, StoreError, StoreUnavailable
from phrasemill.store.bucket import Bucket, client_config, client_from_environment
from tests.servers import S3Server, free_port
from tests.store.conftest import Proxied
from tests.store.s3_endpoints import Endpoint, Traits

XML = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{}</Code><Message>It says\nno.</Message></Error>'

ACTIONS: dict[str, Callable[[Bucket], object]] = {
    "get": lambda bucket: bucket.get("a/key"),
    "put": lambda bucket: bucket.put("a/key", b"content"),
    "put_if_absent": lambda bucket: bucket.put_if_absent("a/key", b"content"),
    "entries": lambda bucket: list(bucket.entries("a/")),
    "delete": lambda bucket: bucket.delete(["a/key"]),
    "ignores_condition": lambda bucket: bucket.ignores_condition("a/key"),
    "ignores_checksum": lambda bucket: bucket.ignores_checksum("a/key"),
    "server_time": lambda bucket: bucket.server_time(),
    "folders": lambda bucket: bucket.folders("a/"),
    "uploads": lambda bucket: list(bucket.uploads("a/")),
}


def trying_once(proxied: Proxied) -> Bucket:
    """The bucket seen by a client that tries once: five tries of a throttled server take 10 s."""
    once = client_config().merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
    return Bucket(proxied.server.client(proxied.proxy.url, config=once), proxied.bucket.name)


def skip_where_the_condition_is_all_that_is_told(action: str, traits: Traits) -> None:
    if action == "ignores_condition" and not traits.conditional_puts:
        pytest.skip("a server without conditional puts says so before it looks at anything else")


class TestObjects:
    def test_what_was_put_is_got(self, bucket: Bucket) -> None:
        content = bytes(range(256)) * 300
        bucket.put("a/b c/ü.bin", content)
        assert bucket.get("a/b c/ü.bin") == content

    def test_what_is_not_there_is_none(self, bucket: Bucket) -> None:
        assert bucket.get("nothing") is None

    def test_a_later_put_replaces(self, bucket: Bucket) -> None:
        bucket.put("a", b"1")
        bucket.put("a", b"2")
        assert bucket.get("a") == b"2"

    def test_entries_of_a_prefix_come_in_key_order_over_all_pages(self, s3_server: Endpoint, bucket: Bucket) -> None:
        for number in (*range(17), 99):
            bucket.put(f"{'other' if number == 99 else 'many'}/{number:04d}", b"xy")
        client, pages = s3_server.client(), []

        def seven_a_page(params: dict[str, Any], **_: object) -> None:
            pages.append(params.get("ContinuationToken"))
            params["MaxKeys"] = 7

        client.meta.events.register("provide-client-params.s3.ListObjectsV2", seven_a_page)
        entries = list(Bucket(client, bucket.name).entries("many/"))
        assert len(pages) == 3
        assert [entry.key for entry in entries] == [f"many/{number:04d}" for number in range(17)]
        assert {entry.size for entry in entries} == {2}
        assert abs(entries[-1].modified - time.time()) < 60

    def test_deleting_passes_over_what_is_not_there(self, bucket: Bucket) -> None:
        bucket.put("a", b"1")
        bucket.delete(["nothing", "a"])
        assert bucket.get("a") is None

    def test_bytes_that_differ_from_what_was_written_are_refused(self, proxied: Proxied) -> None:
        proxied.bucket.put("a", b"content")
        proxied.proxy.on("GET", "/a", "spoil", count=3)
        with pytest.raises(ObjectDamaged, match=rf"s3://{proxied.bucket.name}/a: its 7 bytes are not those"):
            proxied.bucket.get("a")
        assert proxied.bucket.get("a") == b"content"

    def test_bytes_that_the_way_spoils_are_read_again(self, proxied: Proxied) -> None:
        proxied.bucket.put("a", b"content")
        proxied.proxy.on("GET", "/a", "spoil", count=2)
        assert proxied.bucket.get("a") == b"content"
        assert proxied.proxy.statuses("GET") == [200, 200, 200]

    def test_folders_are_listed_without_what_they_hold(self, bucket: Bucket) -> None:
        for key in ("r/2026-11-22/a", "r/2026-11-22/deep/b", "r/2026-11-23/a", "r/alone", "s/x/y"):
            bucket.put(key, b"1")
        assert bucket.folders("r/") == ["r/2026-11-22/", "r/2026-11-23/"]
        assert bucket.folders("nothing/") == []

    def test_one_entry_is_looked_up_without_reading_it(self, bucket: Bucket) -> None:
        bucket.put("a", b"four")
        entry = bucket.entry("a")
        assert entry is not None
        assert (entry.key, entry.size) == ("a", 4)
        assert abs(entry.modified - time.time()) < 60
        assert bucket.entry("nothing") is None

    def test_an_etag_changes_with_the_content_and_is_the_same_wherever_it_is_told(self, bucket: Bucket) -> None:
        def etag() -> str:
            [listed], looked_up = bucket.entries("a"), bucket.entry("a")
            assert looked_up is not None
            assert listed.etag == looked_up.etag
            return listed.etag

        bucket.put("a", b"one")
        first = etag()
        bucket.put("a", b"two")
        assert first
        assert etag() != first
        bucket.put("a", b"one")
        assert etag() == first

    def test_the_servers_clock_is_told(self, bucket: Bucket) -> None:
        told = bucket.server_time()
        assert told is not None
        assert abs(told.timestamp() - time.time()) < 60

    def test_an_object_of_another_tool_has_nothing_to_compare_with(self, bucket: Bucket, client: Any) -> None:
        client.put_object(Bucket=bucket.name, Key="a", Body=b"by hand")
        assert bucket.get("a") == b"by hand"


class TestParts:
    """Parts are of 5 MiB here, the least that S3 takes, and objects go up in parts from one byte more on."""

    CONTENT = bytes(range(256)) * 4096 * 5 + b"the last part"

    @pytest.fixture(autouse=True)
    def _small_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("phrasemill.store.multipart.PART_BYTES", 5 * 2**20)

    def in_parts(self, proxied: Proxied) -> Bucket:
        return Bucket(proxied.server.client(proxied.proxy.url), proxied.bucket.name, parts_above=5 * 2**20)

    def test_a_large_object_goes_up_in_parts_and_comes_back_whole(self, proxied: Proxied, bucket: Bucket) -> None:
        self.in_parts(proxied).put("a/large", self.CONTENT)
        assert proxied.proxy.statuses("PUT", "/a/large") == [200, 200]
        assert bucket.get("a/large") == self.CONTENT
        assert list(bucket.uploads("")) == []

    def test_a_small_one_is_one_put(self, proxied: Proxied) -> None:
        self.in_parts(proxied).put("a", self.CONTENT[: 5 * 2**20])
        assert proxied.proxy.statuses("PUT") == [200]
        assert proxied.proxy.statuses("POST") == []

    def test_a_conditional_put_is_one_put_whatever_its_size(self, proxied: Proxied) -> None:
        assert self.in_parts(proxied).put_if_absent("a", self.CONTENT)
        assert proxied.proxy.statuses("POST") == []

    @pytest.mark.parametrize("method", ["PUT", "POST"])
    def test_a_failed_upload_is_aborted(self, proxied: Proxied, bucket: Bucket, method: str) -> None:
        proxied.proxy.on(
            method, "uploadId=", "forge", status=403, body=XML.format("AccessDenied").encode(), skip=method == "PUT"
        )
        with pytest.raises(StoreError, match=r"cannot put .*AccessDenied.*grant s3:PutObject"):
            self.in_parts(proxied).put("a", self.CONTENT)
        assert len(proxied.proxy.statuses("DELETE", "/a")) == 1
        assert list(bucket.uploads("")) == []
        assert bucket.get("a") is None

    def test_a_completion_whose_answer_was_lost_is_recognised(self, proxied: Proxied, bucket: Bucket) -> None:
        proxied.proxy.on("POST", "uploadId=", "lose")
        self.in_parts(proxied).put("a", self.CONTENT)
        assert bucket.get("a") == self.CONTENT

    def test_an_unfinished_upload_is_listed_and_can_be_removed(self, bucket: Bucket, client: Any) -> None:
        for key in ("ours/a", "theirs/b"):
            client.create_multipart_upload(Bucket=bucket.name, Key=key)
        [found] = bucket.uploads("ours/")
        assert found.key == "ours/a"
        bucket.abort(found)
        bucket.abort(found)  # by now it is gone
        assert list(bucket.uploads("ours/")) == []
        assert [upload.key for upload in bucket.uploads("")] == ["theirs/b"]

    def test_the_limit_is_a_setting(self, monkeypatch: pytest.MonkeyPatch, proxied: Proxied) -> None:
        with monkeypatch.context() as environment:
            environment.setenv("PHRASEMILL_MULTIPART_ABOVE", str(5 * 2**20))
            Bucket(proxied.server.client(proxied.proxy.url), proxied.bucket.name).put("a", self.CONTENT)
        assert len(proxied.proxy.statuses("PUT")) == 2

    @pytest.mark.parametrize("wrong", ["5 MB", "-1", "0", str(6 * 2**30)])
    def test_a_limit_that_is_none_is_refused(self, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
        monkeypatch.setenv("PHRASEMILL_MULTIPART_ABOVE", wrong)
        with pytest.raises(StoreError, match=r"is no limit: write bytes, up to 5 GiB"):
            Bucket(None, "corpora")


class TestConditionalPut:
    def test_the_first_wins_and_its_repetition_too(self, bucket: Bucket) -> None:
        assert bucket.put_if_absent("a", b"ours")
        assert not bucket.put_if_absent("a", b"theirs")
        assert bucket.put_if_absent("a", b"ours")
        assert bucket.get("a") == b"ours"

    @pytest.mark.usefixtures("conditional_puts")
    def test_of_two_at_once_one_wins_and_both_are_told_right(self, bucket: Bucket) -> None:
        barrier = threading.Barrier(2)

        def put(who: bytes, key: str) -> bool:
            barrier.wait(60)
            return bucket.put_if_absent(key, who)

        with ThreadPoolExecutor(2) as pool:
            for turn in range(25):
                key = f"race/{turn}"
                ours, theirs = pool.submit(put, b"ours", key), pool.submit(put, b"theirs", key)
                assert ours.result() is not theirs.result()
                assert bucket.get(key) == (b"ours" if ours.result() else b"theirs")

    def test_of_two_with_the_same_bytes_both_win(self, bucket: Bucket) -> None:
        with ThreadPoolExecutor(2) as pool:
            assert all(pool.map(lambda _: bucket.put_if_absent("a", b"same"), range(8)))

    @pytest.mark.usefixtures("conditional_puts")
    def test_a_put_between_our_look_and_our_put_wins(self, proxied: Proxied, bucket: Bucket) -> None:
        proxied.proxy.on("PUT", "/a", "pass", before=lambda: bucket.put("a", b"theirs"))
        assert not proxied.bucket.put_if_absent("a", b"ours")
        assert proxied.proxy.statuses("PUT") == [412]
        assert bucket.get("a") == b"theirs"

    @pytest.mark.usefixtures("conditional_puts")
    def test_a_412_after_our_own_lost_success_is_a_success(self, proxied: Proxied) -> None:
        proxied.proxy.on("PUT", "/a", "lose")
        assert proxied.bucket.put_if_absent("a", b"ours")
        assert proxied.proxy.statuses("PUT") == [0, 412]  # boto3 tried again by itself

    @pytest.mark.usefixtures("conditional_puts")
    def test_a_conflict_is_tried_again(self, proxied: Proxied) -> None:
        forged = XML.format("ConditionalRequestConflict").encode()
        proxied.proxy.on("PUT", "/a", "forge", status=409, body=forged)
        assert proxied.bucket.put_if_absent("a", b"ours")
        assert proxied.proxy.statuses("PUT") == [409, 200]

    @pytest.mark.usefixtures("changed_requests")
    def test_a_server_that_ignores_the_condition_is_found_out_and_compared(self, proxied: Proxied) -> None:
        proxied.proxy.on("PUT", "/", "strip", count=None)
        assert proxied.bucket.put_if_absent("a", b"ours")
        assert not proxied.bucket.put_if_absent("a", b"theirs")
        assert proxied.bucket.ignores_condition("a")

    @pytest.mark.parametrize(("status", "code"), [(501, "NotImplemented"), (400, "InvalidArgument"), (501, "")])
    def test_a_server_that_refuses_the_condition_is_written_to_without(
        self, proxied: Proxied, status: int, code: str
    ) -> None:
        body = XML.format(code).encode() if code else b""
        proxied.proxy.on("PUT", "/a", "forge", status=status, body=body)
        assert proxied.bucket.put_if_absent("a", b"ours")
        assert not proxied.bucket.put_if_absent("a", b"theirs")
        proxied.proxy.on("PUT", "/a", "forge", status=status, body=body)
        assert proxied.bucket.ignores_condition("a")

    @pytest.mark.usefixtures("conditional_puts")
    def test_a_server_that_honours_it_says_so(self, bucket: Bucket) -> None:
        bucket.put("a", b"1")
        assert not bucket.ignores_condition("a")
        assert bucket.get("a") == b"1"


class TestErrors:
    @pytest.mark.parametrize("action", ACTIONS)
    def test_a_dead_server_is_unavailable_in_one_clear_line(self, action: str) -> None:
        endpoint = f"http://127.0.0.1:{free_port()}"
        with pytest.raises(StoreUnavailable) as error:
            ACTIONS[action](Bucket(S3Server.client(endpoint), "corpora"))
        message = str(error.value)
        assert "\n" not in message
        assert f'Could not connect to the endpoint URL: "{endpoint}' in message
        assert message.endswith("; check that the S3 server runs and is reached, then retry")
        assert error.value.retryable

    @pytest.mark.parametrize("action", sorted(set(ACTIONS) - {"delete", "uploads"}))
    def test_a_missing_bucket_says_to_create_it(self, client: Any, action: str, traits: Traits) -> None:
        skip_where_the_condition_is_all_that_is_told(action, traits)
        with pytest.raises(StoreError, match=r"create the bucket, or correct storage\.bucket") as error:
            ACTIONS[action](Bucket(client, "no-such-bucket"))
        assert not error.value.retryable

    @pytest.mark.parametrize("action", ACTIONS)
    def test_wrong_keys_are_told(self, s3_server: Endpoint, bucket: Bucket, action: str, traits: Traits) -> None:
        skip_where_the_condition_is_all_that_is_told(action, traits)
        strange = s3_server.client(aws_access_key_id="nobody", aws_secret_access_key="nothing")
        try:
            strange.list_objects_v2(Bucket=bucket.name)
        except ClientError:
            pass
        else:
            pytest.skip("the server lets everybody in")
        with pytest.raises(StoreError, match=r"; correct the (access|secret) key") as error:
            ACTIONS[action](Bucket(strange, bucket.name))
        assert not error.value.retryable

    @pytest.mark.parametrize(
        ("status", "code", "words", "retryable"),
        [
            (403, "SignatureDoesNotMatch", "correct the secret key", False),
            (403, "AccessDenied", "grant s3:GetObject", False),
            (403, "RequestTimeTooSkewed", "set this machine's clock", False),
            (400, "ExpiredToken", "renew the credentials", False),
            (405, "MethodNotAllowed", "check the S3 connection and the bucket policy", False),
            (400, "RequestTimeout", "retry", True),
            (429, "TooManyRequests", "retry", True),
            (500, "InternalError", "retry", True),
            (503, "SlowDown", "retry", True),
            (503, "ServiceUnavailable", "retry", True),
            (507, "InsufficientStorage", "free space or raise its quota, then retry", True),
            (403, "QuotaExceeded", "free space or raise its quota, then retry", True),
            (400, "AuthorizationHeaderMalformed", "set region_name", False),
            (301, "PermanentRedirect", "set region_name", False),
        ],
    )
    @pytest.mark.parametrize("action", ["get", "put_if_absent"])
    def test_error_bodies_are_told_with_what_to_do(  # noqa: PLR0917 - a table
        self, proxied: Proxied, action: str, status: int, code: str, words: str, retryable: bool
    ) -> None:
        for method in ("GET", "PUT"):
            proxied.proxy.on(method, "/a/key", "forge", status=status, body=XML.format(code).encode(), count=None)
        with pytest.raises(StoreError, match=words) as error:
            ACTIONS[action](trying_once(proxied))
        assert error.value.retryable is retryable
        assert str(error.value).startswith(f"cannot get s3://{proxied.bucket.name}/a/key: ")
        assert code in str(error.value)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    @pytest.mark.parametrize("body", [b"", b"<html><body>Bad gateway</body></html>", b"upstream gone"])
    def test_a_proxys_error_page_passes_too(self, proxied: Proxied, status: int, body: bytes) -> None:
        proxied.proxy.on("PUT", "/a/key", "forge", status=status, body=body, count=None)
        with pytest.raises(StoreUnavailable, match=f"cannot put .*{status}"):
            trying_once(proxied).put("a/key", b"content")

    def test_errors_that_pass_are_not_even_seen(self, proxied: Proxied) -> None:
        proxied.proxy.on("PUT", "/a/key", "forge", status=503, count=2)
        proxied.bucket.put("a/key", b"content")
        assert proxied.proxy.statuses("PUT") == [503, 503, 200]

    def test_a_body_that_breaks_off_is_read_again(self, proxied: Proxied) -> None:
        proxied.bucket.put("a/key", b"content" * 1000)
        proxied.proxy.on("GET", "/a/key", "truncate", count=2)
        assert proxied.bucket.get("a/key") == b"content" * 1000

    def test_a_body_that_always_breaks_off_is_unavailable(self, proxied: Proxied) -> None:
        proxied.bucket.put("a/key", b"content" * 1000)
        proxied.proxy.on("GET", "/a/key", "truncate", count=None)
        with pytest.raises(StoreUnavailable):
            proxied.bucket.get("a/key")

    def test_a_listing_that_is_no_xml_is_unavailable(self, proxied: Proxied) -> None:
        proxied.proxy.on("GET", "list-type=2", "forge", status=200, body=b"<html>hello", count=None)
        with pytest.raises(StoreUnavailable, match="cannot list"):
            list(proxied.bucket.entries("a/"))

    def test_no_keys_at_all_says_to_give_some(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        with pytest.raises(StoreError, match="give the S3 connection a key and a secret") as error:
            Bucket(client_from_environment(), "corpora").get("a")
        assert not error.value.retryable


class TestEnvironment:
    def test_a_client_comes_from_the_standard_variables(
        self, s3_server: Endpoint, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
        for name in ("aws_access_key_id", "aws_secret_access_key"):
            monkeypatch.setenv(name.upper(), s3_server.keys[name])
        Bucket(client_from_environment(), bucket.name).put("a", b"1")
        assert bucket.get("a") == b"1"

    @pytest.mark.parametrize(
        ("variable", "value"),
        [("AWS_ENDPOINT_URL", "not a url"), ("AWS_PROFILE", "nobody"), ("AWS_REQUEST_CHECKSUM_CALCULATION", "x")],
    )
    def test_variables_that_make_no_sense_are_refused(
        self, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
    ) -> None:
        monkeypatch.setenv(variable, value)
        with pytest.raises(StoreError, match=r"S3 cannot be set up \(.*; set AWS_ENDPOINT_URL"):
            client_from_environment()
