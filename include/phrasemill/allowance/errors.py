"""What only the allowance refuses."""

from phrasemill.errors import PhrasemillError


class LimitsDiffer(PhrasemillError):
    """Another task keeps other limits for the same account; the message names the fields that differ."""


def refuse_unlike(ours: dict[str, object], theirs: dict[str, object], *, where: str, hint: str) -> None:
    """Compare what two tasks take for the limits of one account.

    Raises:
        LimitsDiffer: they are not the same.
    """
    unlike = [name for name in sorted(ours.keys() | theirs.keys()) if ours.get(name) != theirs.get(name)]
    if unlike:
        named = ", ".join(f"{name} is {theirs.get(name)} there and {ours.get(name)} here" for name in unlike)
        raise LimitsDiffer(f"{where} was written with other limits: {named}; {hint}")
