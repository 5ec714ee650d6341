"""Which series a PromQL expression asks for: names and the labels that it matches them by."""

import re
from collections.abc import Iterator

WORDS = frozenset({"and", "or", "unless", "offset", "bool"})
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
SELECTOR = re.compile(r"(?<![\w:$.])([a-zA-Z_:][\w:]*+)\s*+(\{[^}]*\})?(?!\()")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


def selectors(expr: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Metric names with the labels that stand in their braces."""
    bare = re.sub(r"\[[^\]]*\]", "", GROUPING.sub("", STRING.sub('""', expr)))
    for match in SELECTOR.finditer(bare):
        if match[1] not in WORDS:
            yield match[1], frozenset(LABEL.findall(match[2] or ""))
