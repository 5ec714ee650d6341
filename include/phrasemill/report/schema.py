"""The JSON schema of summary.json: `python -m phrasemill.report.schema > docs/summary.schema.json`."""

import json
import sys

from pydantic import TypeAdapter

from phrasemill.report.summary import CorpusSummary, NightSummary


def summary_schema() -> str:
    """The schema of both kinds of summary, as they are written."""
    schema = TypeAdapter(NightSummary | CorpusSummary).json_schema(mode="serialization")
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "phrasemill summary.json", **schema}
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(summary_schema())
