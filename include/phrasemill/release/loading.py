"""How a release is loaded: the lines that its card, the command `phrasemill get` and README.md show.

They stand here once; the tests run them on a release.
"""

from typing import NamedTuple


class Loader(NamedTuple):
    """A way to load a release."""

    name: str
    code: str
    """Python, with {folder} where the release's folder stands."""


LOADERS = (
    Loader(
        "Hugging Face datasets",
        "import datasets\n"
        'phrases = datasets.load_dataset("parquet", data_files="{folder}/data/*.parquet", split="train")',
    ),
    Loader(
        "DuckDB",
        "import duckdb\n"
        "duckdb.sql(\"SELECT template, count(*), avg(chars) FROM '{folder}/data/*.parquet' GROUP BY ALL\").show()",
    ),
    Loader(
        "Polars",
        "import polars\n"
        'texts = polars.scan_parquet("{folder}/data/*.parquet").select("phrase_id", "text").head(1000).collect()',
    ),
)
"""The shortest way for each library."""
MORE_LOADERS = (
    Loader(
        "Hugging Face datasets, by this card: the phrases, or one of lexemes, words, links and dropped, if it has rows",
        "import datasets\n"
        'phrases = datasets.load_dataset("{folder}", split="train")\n'
        'lexemes = datasets.load_dataset("{folder}", "lexemes", split="train")',
    ),
    Loader(
        "Plain text, one phrase a line",
        'import polars\nlines = polars.scan_lines("{folder}/text/*.txt.zst").head(1000).collect()',
    ),
)
PLACEHOLDER = "DIR"
UNSAFE = frozenset("\"'\\{}*?[]$`\n\r")
"""Characters that would not stand as they are in these lines, or that file patterns read otherwise."""


def code(loader: Loader, folder: str) -> str:
    """The lines for a folder; PLACEHOLDER stands for one that cannot be written into them."""
    return loader.code.replace("{folder}", PLACEHOLDER if UNSAFE & set(folder) or not folder.isprintable() else folder)


def readme_block() -> str:
    """The Python that README.md shows: a way for each library, the folder being PLACEHOLDER."""
    return "\n\n".join(code(loader, PLACEHOLDER) for loader in LOADERS) + "\n"
