"""Sockets enough: every request list in flight holds one, and a process may often have 1,024 files open and no more."""

import logging
import resource

log = logging.getLogger(__name__)

OTHER_FILES = 256
"""Files besides: the bucket's connections, logs, libraries, Airflow's own."""


def allow_sockets(count: int) -> None:
    """Raise this process's soft limit of open files so that `count` sockets fit; warns when the hard one is lower.

    Beyond the limit a connection fails as if its engine were away, and one engine after the other would be left out.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning(
            "%d requests may be under way at once, but this process may have %d files open; raise its limit (ulimit "
            "-Hn, LimitNOFILE), or ask in longer lists (engines.list_size)",
            count,
            allowed,
        )
