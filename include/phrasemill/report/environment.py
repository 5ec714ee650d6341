"""The templates of reports and of pages in Airflow: everything escaped, nothing undefined, one set of filters."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from phrasemill.planning import format_shards
from phrasemill.range_words import range_in_words, time_in_words
from phrasemill.report import words


def environment_of(package: str) -> Environment:
    """Of the templates/ folder of a package."""
    environment = Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "after_colon": lambda state: state.partition(": ")[2],
        "decimal": words.decimal,
        "duration": words.duration,
        "moment": words.moment,
        "money": words.money,
        "rate": range_in_words,
        "shards": lambda numbers: format_shards(list(numbers)),
        "share": words.share,
        "size": words.size,
        "span": time_in_words,
        "visible": words.visible,
        "whole": lambda value: f"{value:,}",
        "words": lambda name: words.visible(name.replace("_", " ")),
    }
    return environment
