"""README.md: the data card of a release, with the header that Hugging Face reads."""

import pyarrow as pa

from phrasemill.release.card_facts import CardFacts
from phrasemill.release.card_header import header
from phrasemill.release.contents import TABLES
from phrasemill.release.loading import LOADERS, MORE_LOADERS, PLACEHOLDER, code
from phrasemill.release.markdown import environment
from phrasemill.release.samples import SAMPLED

CARD = "README.md"
MARKDOWN = "text/markdown; charset=utf-8"
LANGUAGES = {"en": "English", "ru": "Russian"}


def render_card(facts: CardFacts) -> bytes:
    """The card; its code blocks in Python run as they are where DIR is the release's folder.

    Raises:
        ReleaseError: a column of the phrases is of a type that the library datasets cannot load.
    """
    manifest, footers = facts.manifest, facts.footers
    tables = [kind for kind in TABLES if kind.name in footers]
    body = (
        environment()
        .get_template("card.md.j2")
        .render(
            facts=facts,
            manifest=manifest,
            spec=facts.spec,
            settings=facts.settings,
            work=facts.facts,
            language=LANGUAGES.get(manifest.language, manifest.language),
            samples=min(SAMPLED, manifest.phrases),
            tables=tables,
            types={kind.name: _types(footers[kind.name].schema) for kind in tables},
            loaders=[(loader.name, code(loader, PLACEHOLDER)) for loader in (*LOADERS, *MORE_LOADERS)],
        )
    )
    return f"{header(manifest, footers, licence=facts.settings.licence)}\n{body}".encode()


def _types(schema: pa.Schema) -> dict[str, str]:
    return {field.name: _type(field.type) for field in schema}


def _type(kind: pa.DataType) -> str:
    """A column's type as people say it."""
    if pa.types.is_dictionary(kind):
        return _type(kind.value_type)
    if pa.types.is_struct(kind):
        if len({field.type for field in kind}) == 1 < kind.num_fields:  # slots: a corpus may have hundreds of lexicons
            return f"struct of {kind.num_fields} fields, each a {_type(kind.field(0).type)}"
        return "struct of " + ", ".join(f"{field.name}: {_type(field.type)}" for field in kind)
    return f"list of {_type(kind.value_type)}" if pa.types.is_list(kind) else str(kind)
