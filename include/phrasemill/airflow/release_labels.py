"""What the pieces of a release's mapped tasks are called in Airflow's UI."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phrasemill.release.place import ReleasePlace


def shards(place: "ReleasePlace", span: int) -> str:
    """The shards of a span."""
    numbers = [shard.shard for shard in place.plan.span(span)]
    return f"shards {numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else f"shard {numbers[0]}"


def part(place: "ReleasePlace", part: int) -> str:
    """A part of the text hashes."""
    return f"part {part + 1} of {place.plan.cuts.exact_parts}"


def bands(place: "ReleasePlace", number: int) -> str:
    """A piece of the search for near-duplicates: bands of a group, in a part of their keys."""
    cuts = place.plan.cuts
    group, part = divmod(number, cuts.near_parts)
    numbers = cuts.near_groups[group]
    named = f"bands {numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else f"band {numbers[0]}"
    return named + (f", part {part + 1} of {cuts.near_parts}" if cuts.near_parts > 1 else "")


def ids(place: "ReleasePlace", number: int) -> str:
    """The phrase ids of a range of links."""
    first, last = place.plan.link_range(number)
    return f"phrases {first}-{last - 1}"
