"""What a request asks of a release: which page, and of what. Nothing in it has been checked but its length."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from fastapi import Depends, Query

PageName = Literal["phrase", "scene", "lexeme", "word", "walk", "random"]
PAGE_NAMES: tuple[str, ...] = get_args(PageName)

Words = Annotated[str, Query(max_length=200)]
"""Numbers too: a page says of what is none that it is none."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The query of a request, in words."""

    id: str = ""
    """Of a phrase."""
    scene: str = ""
    slot: str = ""
    lexeme: str = ""
    q: str = ""
    """Words to look for."""
    n: str = ""
    """The page of a list; the first one where it is empty."""
    seed: str = ""
    """Of what is drawn at random."""
    version: str = ""
    """Of the release; the newest one where it is empty."""


def asked_by(
    *,
    id: Words = "",
    scene: Words = "",
    slot: Words = "",
    lexeme: Annotated[str, Query(max_length=1000)] = "",
    q: Words = "",
    n: Words = "",
    seed: Words = "",
    version: Annotated[str, Query(max_length=40)] = "",
) -> Asked:
    """From the query of a request."""
    return Asked(id=id, scene=scene, slot=slot, lexeme=lexeme, q=q, n=n, seed=seed, version=version)


AskedByQuery = Annotated[Asked, Depends(asked_by)]
"""The type of a route's parameter, with its dependency."""
