"""Tells of money where it is asked for: a dry run in a log, what is spent in an error."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from phrasemill.account import account_root
from phrasemill.allowance import spent
from phrasemill.errors import PhrasemillError
from phrasemill.forecast.words import short
from phrasemill.visible import visible

if TYPE_CHECKING:
    from phrasemill.engines.backend import Backend
    from phrasemill.steps import Workplace

log = logging.getLogger(__name__)


def log_dry_run(place: "Workplace", shards: Sequence[int], backend: "Backend") -> None:
    """Log what some shards take; nothing where nothing is limited and no token is paid. It never fails a night."""
    spec = place.limited_spec
    by_token = spec.price is not None and spec.price.by_token
    if not shards or not (by_token or spec.engines.limits):
        return
    # Here and not at the top: every other task would load the forecast with its book.
    from phrasemill.dry_run.looking import dry_run  # noqa: PLC0415
    from phrasemill.dry_run.words import dry_run_lines  # noqa: PLC0415

    try:
        lines = dry_run_lines(dry_run(place, shards, backend=backend))
    except PhrasemillError as error:
        log.warning("what the night takes cannot be told: %s", error)
        return
    for line in lines:
        log.info("%s", line)


def budget_words(place: "Workplace") -> list[str]:
    """A sentence on the budget of the running period; none without one.

    Raises:
        StoreError: the bucket cannot be read.
    """
    spec = place.limited_spec
    limits = spec.engines.limits
    if limits is None or limits.budget_per_night is None:
        return []
    found = spent(place.store.bucket, root=account_root(spec), limits=limits, zone=spec.schedule.zone)
    currency = visible(spec.price.currency if spec.price else "")
    return [
        f"Of the budget of {short(found.budget)} {currency} until {found.period.ends:%Y-%m-%d %H:%M %Z} "
        f"{short(found.amount)} are spent; a later night goes on with what is missing"
    ]
