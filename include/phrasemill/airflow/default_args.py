"""What all tasks of our Dags have in common."""

import datetime as dt
from typing import Any

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "phrasemill",
    "retries": 3,
    "retry_delay": dt.timedelta(seconds=30),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": dt.timedelta(minutes=15),
}
