"""Whether sides ask the same prompts, and what to know where they do not."""

from collections.abc import Sequence

from phrasemill.comparison.errors import ComparisonError
from phrasemill.comparison.sides import Side

OF_PROMPTS = ("templates", "scene_phrases")
AROUND = {"system": "its system text", "examples": "its examples"}


def prompt_notes(sides: Sequence[Side], *, may_differ: bool) -> list[str]:
    """What differs between the prompts of the first side and of the others, in words.

    Raises:
        ComparisonError: templates or lexicons do, and nobody has said that this is meant.
    """
    first, *others = sides
    notes = []
    for side in others:
        if fields := _differing(first, side):
            told = f"{side.name} asks other prompts than {first.name}: {', '.join(fields)} differ"
            if not may_differ:
                raise ComparisonError(
                    f"{told}; give both the same, or say with --prompts-differ that the prompts are what you compare"
                )
            notes.append(told)
        mine, theirs = first.spec.prompts, side.spec.prompts
        around = [words for name, words in AROUND.items() if getattr(mine, name) != getattr(theirs, name)]
        if around:
            notes.append(f"{side.name} differs from {first.name} in {' and '.join(around)}")
    return notes


def _differing(one: Side, other: Side) -> list[str]:
    """Dotted names of what makes other prompts, or makes them in another language."""
    mine, theirs = one.spec.prompts, other.spec.prompts
    found = ["language"] if one.spec.language != other.spec.language else []
    found += [f"prompts.{name}" for name in OF_PROMPTS if getattr(mine, name) != getattr(theirs, name)]
    lexicons = mine.lexicons.keys() | theirs.lexicons.keys()
    found += [
        f"prompts.lexicons.{name}" for name in sorted(lexicons) if mine.lexicons.get(name) != theirs.lexicons.get(name)
    ]
    return found
