"""Notices: what the setting asks for, what the texts look like, and that they arrive.

Mail goes to a real SMTP server and Slack's to a small HTTP server, through Airflow's own notifiers.
"""

import asyncio
import datetime as dt
import json
import logging
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from phrasemill.airflow.notice_sending import send, send_async
from phrasemill.airflow.notice_targets import Target, read_targets
from phrasemill.airflow.notice_texts import About, Failure, Notice, red_night
from tests.hostile import HOSTILE
from tests.mailbox import SENDER, Mailbox, mail_server, text_of


class Slack:
    """What stands for Slack: it says ok, and keeps what it was asked."""

    def __init__(self) -> None:
        asked: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked.append({"path": self.path, "key": self.headers["Authorization"], "body": body})
                webhook = self.path.startswith("/services/")
                answer = b"ok" if webhook else b'{"ok": true}'
                self.send_response(200)
                self.send_header("Content-Type", "text/plain" if webhook else "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                pass

        self.asked = asked
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slack]:
    server = Slack()
    api = {"conn_type": "slack", "password": "xoxb-secret", "extra": {"base_url": f"{server.url}/api/"}}
    webhook = {"conn_type": "slackwebhook", "host": f"{server.url}/services", "password": "T0/B0/secret"}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_API_DEFAULT", json.dumps(api))
    monkeypatch.setenv("AIRFLOW_CONN_TEAM", json.dumps(api | {"password": "xoxb-team"}))
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(webhook))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.stop()


class TestTheSetting:
    def test_names_kinds_connections_and_whom_to_tell(self) -> None:
        told = " smtp:ops@example.org,slack+team:#corpora , slack:C024BE91L, slack-webhook, slack-webhook+night"
        targets, mistakes = read_targets(told)
        assert mistakes == []
        assert targets == [
            Target("smtp", "ops@example.org"),
            Target("slack", "#corpora", "team"),
            Target("slack", "C024BE91L"),
            Target("slack-webhook", ""),
            Target("slack-webhook", "", "night"),
        ]
        assert read_targets(", ".join(map(str, targets))) == (targets, [])

    def test_off_without_it(self) -> None:
        assert read_targets("") == read_targets("  ") == ([], [])

    @pytest.mark.parametrize(
        ("entry", "said"),
        [
            ("slak:#corpora", "is none of smtp, slack, slack-webhook; write one such as smtp:ops@example.org"),
            ("ops@example.org", "is none of smtp, slack, slack-webhook; write one such as smtp:ops@example.org"),
            ("", "is none of smtp, slack, slack-webhook; write one such as smtp:ops@example.org"),
            ("smtp", "smtp: write an address behind it, such as smtp:ops@example.org"),
            ("smtp:ops", "smtp: write an address behind it, such as smtp:ops@example.org"),
            ("smtp:Ops <ops@example.org>", "smtp: write an address behind it, such as smtp:ops@example.org"),
            ("slack:", "slack: write a channel behind it, such as slack:#corpora"),
            ("slack-webhook:https://hooks.example.org/T0/B0/hunter2", "slack-webhook: write nothing behind it"),
        ],
    )
    def test_a_mistake_is_one_line_without_what_was_written_and_takes_nothing_from_the_others(
        self, entry: str, said: str
    ) -> None:
        targets, (mistake,) = read_targets(f"smtp:ops@example.org,{entry}")
        assert targets == [Target("smtp", "ops@example.org")]
        assert mistake.startswith(f"PHRASEMILL_NOTICES, entry 2 of 2: {said}")
        assert "\n" not in mistake
        assert "hunter2" not in mistake

    def test_a_package_that_is_not_there_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "airflow.providers.slack", None)
        targets, (mistake,) = read_targets("slack:#corpora,smtp:ops@example.org")
        assert targets == [Target("smtp", "ops@example.org")]
        assert "slack: needs the package apache-airflow-providers-slack; install it where" in mistake


class TestTexts:
    about = About("tiny", "Tiny harbour", "night 2026-11-01", "https://airflow.example.org/dags/corpus_tiny/runs/x")

    @pytest.mark.parametrize("hostile", HOSTILE)
    def test_generated_text_in_a_reason_is_shown_and_does_nothing(self, hostile: str) -> None:
        about = About("tiny", hostile, f"run {hostile}", self.about.page)
        notice = red_night(about, failures=[Failure(hostile, hostile)], missing=hostile)
        for line in (notice.subject, *notice.lines):
            assert line.isprintable()
        html = notice.as_html()
        assert html.count("<") == 2 * (html.count("<p>") + 2)
        slack = notice.for_slack()
        assert "<" not in slack
        assert ">" not in slack
        assert len(notice.plain()) < 6000

    def test_many_failures_are_counted_and_the_first_is_explained(self) -> None:
        failures = [Failure("preflight", "no engine answers"), *(Failure(f"task {number}") for number in range(9))]
        notice = red_night(self.about, failures=failures, missing=None)
        assert "Failed: preflight, task 0, task 1, task 2, task 3, task 4 and 4 more." in notice.lines
        assert "The first of them, preflight: no engine answers" in notice.lines

    def test_a_run_without_failures_is_explained_and_not_told_of_one_that_nothing_is_known_of(self) -> None:
        known = red_night(self.about, failures=[], missing=None).lines
        unknown = red_night(self.about, failures=None, missing=None).lines
        assert any(line.startswith("No task has failed: ") for line in known)
        assert any(line.startswith("Airflow did not tell which tasks failed: ") for line in unknown)
        assert not any(line.startswith("No task has failed: ") for line in unknown)


NOTICE = Notice(
    "phrasemill: tiny is red", ("Reason: {{ 7 * 7 }} <b>&", "do this"), "https://airflow.example.org/run?a&b"
)


class TestMail:
    def test_it_arrives_escaped_and_is_no_template(self, mailbox: Mailbox) -> None:
        assert send(NOTICE, [Target("smtp", "ops@example.org")]) == 1
        (mail,) = mailbox.mails()
        assert (mail["Subject"], mail["To"], mail["From"]) == (NOTICE.subject, "ops@example.org", SENDER)
        assert "<p>Reason: {{ 7 * 7 }} &lt;b&gt;&amp;</p>" in text_of(mail)
        assert '<a href="https://airflow.example.org/run?a&amp;b">' in text_of(mail)

    def test_the_triggerers_way_sends_the_same(self, mailbox: Mailbox) -> None:
        targets = [Target("smtp", "ops@example.org")]
        send(NOTICE, targets)
        assert asyncio.run(send_async(NOTICE, targets)) == 1
        one, other = (text_of(mail) for mail in mailbox.mails())
        assert one == other

    def test_one_that_cannot_be_sent_is_logged_and_the_others_are(
        self, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        silent = mailbox.connection() | {"port": 1}  # nobody listens there
        monkeypatch.setenv("AIRFLOW_CONN_SILENT", json.dumps(silent))
        mailbox.refused.add("gone@example.org")
        unreached = ["smtp+silent:ops@example.org", "smtp+no_such:ops@example.org", "smtp:gone@example.org"]
        targets, _ = read_targets(",".join([*unreached, "smtp:ops@example.org"]))
        for tell in (send, lambda notice, targets: asyncio.run(send_async(notice, targets))):
            caplog.clear()
            assert tell(NOTICE, targets) == 1
            said = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
            told = [line for line in said if "could not be told" in line]
            assert [line.split(" could")[0] for line in told] == unreached
            assert all("\n" not in line and "check its connection" in line for line in told)
        assert mailbox.recipients() == ["ops@example.org"] * 2

    def test_the_connection_that_is_named_is_taken(self, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
        other = mailbox.connection()
        other["extra"] = other["extra"] | {"from_email": "night@example.org"}
        monkeypatch.setenv("AIRFLOW_CONN_NIGHT", json.dumps(other))
        assert send(NOTICE, [Target("smtp", "ops@example.org", "night")]) == 1
        assert mailbox.mails()[0]["From"] == "night@example.org"

    def test_a_server_that_says_nothing_takes_the_turn_of_no_other(
        self, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            connection = mailbox.connection() | {"port": silent.getsockname()[1]}
            monkeypatch.setenv("AIRFLOW_CONN_SILENT", json.dumps(connection))
            targets, _ = read_targets("smtp+silent:ops@example.org,smtp:ops@example.org")
            told: list[int] = []
            sending = threading.Thread(target=lambda: told.append(send(NOTICE, targets, patience_s=300)))
            sending.start()
            assert mailbox.came.wait(100)
            assert told == []
        sending.join()
        assert told == [1]

    def test_nobody_is_waited_for_longer_than_the_callback_may_take(
        self, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            connection = mailbox.connection() | {"port": silent.getsockname()[1]}
            monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
            assert send(NOTICE, [Target("smtp", "ops@example.org")], patience_s=0.01) == 0
        (said,) = [record.getMessage() for record in caplog.records if "could not be told" in record.getMessage()]
        assert said.startswith("smtp:ops@example.org could not be told (no answer within 0.01 s); check its connection")

    def test_a_server_that_wants_starttls_is_reached_both_ways(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with mail_server(tls=tls_of_its_own(tmp_path / "server.pem")) as box:
            connection = box.connection()
            connection["extra"] |= {"disable_tls": False, "ssl_context": "none"}  # nobody vouches for its certificate
            monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
            targets = [Target("smtp", "ops@example.org")]
            assert (send(NOTICE, targets), asyncio.run(send_async(NOTICE, targets))) == (1, 1)
            assert box.recipients() == ["ops@example.org"] * 2


def tls_of_its_own(file: Path) -> ssl.SSLContext:
    """A mail server's TLS, with a key made now."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.example.org")])
    asked = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    lasting = asked.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
    certificate = lasting.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    file.write_bytes(certificate + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


class TestSlack:
    @pytest.mark.parametrize("way", ["sync", "async"])
    def test_it_is_posted_escaped_by_token_and_by_webhook(self, slack: Slack, way: str) -> None:
        targets, _ = read_targets("slack:#corpora,slack+team:C024BE91L,slack-webhook")
        reached = send(NOTICE, targets) if way == "sync" else asyncio.run(send_async(NOTICE, targets))
        assert reached == 3
        # they are told side by side, in any order
        first, second, webhook = sorted(slack.asked, key=lambda asked: (asked["path"], str(asked["key"])))
        assert (first["path"], first["key"]) == ("/api/chat.postMessage", "Bearer xoxb-secret")
        assert first["body"]["channel"] == "#corpora"
        assert (second["key"], second["body"]["channel"]) == ("Bearer xoxb-team", "C024BE91L")
        assert webhook["path"] == "/services/T0/B0/secret"
        for asked in slack.asked:
            assert (asked["body"]["unfurl_links"], asked["body"]["unfurl_media"]) == (False, False)
            assert asked["body"]["text"] == (
                "*phrasemill: tiny is red*\nReason: {{ 7 * 7 }} &lt;b&gt;&amp;\ndo this\n"
                "https://airflow.example.org/run?a&amp;b"
            )
