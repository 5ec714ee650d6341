"""Sending notices through Airflow's own notifiers. A notice that fails is logged, and fails nothing else."""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

from phrasemill.airflow.notice_targets import Target
from phrasemill.airflow.notice_texts import Notice, one_line

log = logging.getLogger(__name__)

PATIENCE_S = 20.0
"""For all targets of a notice together. Airflow's mail hook waits 30 s for a silent server, six times over, and Airflow
ends a Dag's callback, and the parsing of its file with it, after 50 s."""


def send(notice: Notice, targets: Sequence[Target], *, patience_s: float = PATIENCE_S) -> int:
    """Tell every target, side by side; how many were reached in time. For Dag callbacks, in the Dag processor."""
    errands = [Errand(notice, target) for target in targets]
    for errand in errands:
        errand.start()
    until = time.monotonic() + patience_s
    for errand in errands:
        errand.join(max(0.0, until - time.monotonic()))
    reached = [errand.target for errand in errands if errand.reached]
    for errand in errands:
        if errand.target in reached:
            log.info("told %s: %s", errand.target, notice.subject)
        else:
            log.error(
                "%s could not be told (%s); check its connection and its server, then trigger the Dag notices. "
                "It said: %s",
                errand.target,
                one_line(errand.failure or f"no answer within {patience_s:g} s"),
                notice.subject,
            )
    return len(reached)


async def send_async(notice: Notice, targets: Sequence[Target]) -> int:
    """The same, for the triggerer, whose event loop must not be held up.

    Not by the notifiers' own coroutines: that for mail asks a server for STARTTLS twice, and fails (provider smtp 3.2).
    """
    return await asyncio.to_thread(send, notice, targets)


class Errand(threading.Thread):
    """Tells one target. A daemon: a server that never answers does not keep a process from its end."""

    def __init__(self, notice: Notice, target: Target) -> None:
        super().__init__(name=f"notice to {target}", daemon=True)
        self.target = target
        self.reached = False
        self.failure: str | None = None
        self._notice = notice

    def run(self) -> None:
        """Tell it, and keep how that went."""
        try:
            # Not the notifier itself, which would render the text as a template.
            notifier(self.target, self._notice).notify({})
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
        else:
            self.reached = True


def notifier(target: Target, notice: Notice) -> Any:  # noqa: ANN401 - of packages that need not be there
    """Airflow's notifier for a target, with the notice in it."""
    named = target.connection
    chosen: dict[str, Any] = {}  # where none is named, the notifier has a default of its own
    plain: dict[str, Any] = {"unfurl_links": False, "unfurl_media": False}  # an address in generated text stays text
    match target.kind:
        case "smtp":
            from airflow.providers.smtp.notifications.smtp import SmtpNotifier  # noqa: PLC0415

            return SmtpNotifier(to=target.to, subject=notice.subject, html_content=notice.as_html(), smtp_conn_id=named)
        case "slack":
            from airflow.providers.slack.notifications.slack import SlackNotifier  # noqa: PLC0415

            chosen = {"slack_conn_id": named} if named else {}
            return SlackNotifier(channel=target.to, text=notice.for_slack(), **plain, **chosen)
        case _:
            from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier  # noqa: PLC0415

            chosen = {"slack_webhook_conn_id": named} if named else {}
            return SlackWebhookNotifier(text=notice.for_slack(), **plain, **chosen)
