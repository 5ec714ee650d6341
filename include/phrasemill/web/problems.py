"""What goes wrong with a page, in one line for people: without keys, without folders of this machine."""

import os
import re

from phrasemill.corpus_file import corpora_folders
from phrasemill.errors import PhrasemillError
from phrasemill.forecast.scenarios import scenario_folders

# Keys stand before an address's host, signatures in its query.
KEY_IN_ADDRESS = re.compile(r"(?<=://)[^/\s@]+@")
QUERY_IN_ADDRESS = re.compile(r"(?<!\s)\?[\w.-]+=[^\s\"']*")


class NoPage(PhrasemillError):
    """What the address names has no page; the app answers with a note of one sentence and 404."""


def one_line(error: Exception) -> str:
    """An error as a page may tell it; of one that is not ours the class alone."""
    if not isinstance(error, PhrasemillError):
        return f"{type(error).__name__}; the API server's log says more"
    first, *more = str(error).splitlines()
    for folder in (*corpora_folders(), *scenario_folders()):
        first = first.replace(f"{folder}{os.sep}", "")
    first = KEY_IN_ADDRESS.sub("", QUERY_IN_ADDRESS.sub("", first))
    return first + (f" (and {len(more)} more)" if more else "")
