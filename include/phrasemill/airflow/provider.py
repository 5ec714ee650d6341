"""What Airflow is told of this distribution: the connection type `vllm` and its form."""

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """The provider's metadata, by the entry point apache_airflow_provider."""
    return {
        "package-name": "phrasemill",
        "name": "phrasemill",
        "description": "Large corpora of short synthetic phrases, written by vLLM engines.",
        "connection-types": [
            {
                "connection-type": "vllm",
                "hook-name": "vLLM engines",
                "hook-class-name": "phrasemill.airflow.hook.EnginesHook",
                "ui-field-behaviour": {
                    "hidden-fields": ["host", "port", "schema", "login"],
                    "relabeling": {"password": "API key"},
                    "placeholders": {"password": "empty if the engines ask for none"},
                },
                "conn-fields": {
                    "urls": {
                        "label": "Engine URLs",
                        "description": (
                            "Base URLs of the engines, separated by commas. dns+http://NAME:PORT stands for every "
                            "address of a name."
                        ),
                        "schema": {"type": ["string", "null"]},
                    },
                    "model": {
                        "label": "Model",
                        "description": "The model that they serve; corpora of another model are refused.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "limits": {
                        "label": "Limits",
                        "description": (
                            'What a hosted API allows, and what may be spent on it, such as {"requests_per_minute": '
                            '60, "budget_per_night": 5}. They go before those of corpus files. Others: '
                            "tokens_per_minute, tokens_per_second, concurrent, budget_begins."
                        ),
                        "schema": {"type": ["object", "null"]},
                    },
                },
            }
        ],
    }
