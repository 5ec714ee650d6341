"""The page of a comparison: one HTML file that needs nothing from outside and runs nothing, in the report's clothes.

Everything in it may come from a model or a server, so all of it is escaped, and the page's own policy forbids
scripts, frames, forms and every request.
"""

import base64
import hashlib
from collections.abc import Callable
from importlib import resources

from jinja2 import ChoiceLoader, Environment, PackageLoader

from phrasemill.comparison.figures import Comparison
from phrasemill.comparison.table import FIGURES, MEANINGS, asked, markdown
from phrasemill.report.environment import environment_of
from phrasemill.report.words import spell_out

STYLES = (("phrasemill.report", "report.css"), ("phrasemill.comparison", "comparison.css"))


def render_page(comparison: Comparison) -> str:
    """The page as HTML."""
    css = "".join(_style(package, name) for package, name in STYLES)
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return (
        _environment()
        .get_template("comparison.html.j2")
        .render(
            c=comparison,
            figures=FIGURES,
            meanings=MEANINGS,
            asked=asked(comparison),
            css=css,
            policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        )
    )


def _style(package: str, name: str) -> str:
    return resources.files(package).joinpath("templates", name).read_text(encoding="utf-8")


def _environment() -> Environment:
    environment = environment_of("phrasemill.comparison")
    environment.loader = ChoiceLoader([PackageLoader("phrasemill.comparison"), PackageLoader("phrasemill.report")])
    return environment


def _json(comparison: Comparison) -> str:
    return spell_out(comparison.model_dump_json(indent=1)) + "\n"


FILES: dict[str, Callable[[Comparison], str]] = {
    "comparison.html": render_page,
    "comparison.json": _json,
    "comparison.md": markdown,
}
"""What is written to a folder, by name."""
