"""The files under docker/kubernetes and docker/helm, read once for the tests that look at them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
KUBERNETES, HELM = ROOT / "docker" / "kubernetes", ROOT / "docker" / "helm"
MAKE_SECRETS = KUBERNETES / "make_secrets.py"
GUIDE = ROOT / "docs" / "kubernetes.md"
VERSIONS = ("1.30", "1.32", "1.34", "1.37")
NAMESPACE = "phrasemill"
Manifest = dict[str, Any]


def documents(path: Path) -> list[Manifest]:
    """The documents of a YAML file."""
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


KUSTOMIZATION = documents(KUBERNETES / "kustomization.yaml")[0]
MANIFESTS = {
    f"{manifest['kind']}/{manifest['metadata']['name']}": manifest
    for file in KUSTOMIZATION["resources"]
    for manifest in documents(KUBERNETES / file)
}
PODS = {name: manifest["spec"]["template"] for name, manifest in MANIFESTS.items() if name.startswith("Deployment/")}
ENGINES = PODS["Deployment/engines"]["spec"]["containers"][0]
VALUES = {path.stem: documents(path)[0] for path in sorted(HELM.glob("values-*.yaml"))}


def containers(pod: Manifest) -> list[Manifest]:
    """All containers of a pod, those that run first among them."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def serve_options() -> dict[str, str]:
    """What the engines' pod gives to `phrasemill serve`, by option."""
    return dict(argument.removeprefix("--").split("=", 1) for argument in ENGINES["args"])


def everything_in(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every leaf with its path, such as `.env[0].name`."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from everything_in(one, f"{path}.{key}")
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from everything_in(one, f"{path}[{number}]")
    else:
        yield path, value
