"""From a profile, a model and GPUs to the command lines of engines. Pure, but for reading config files."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from phrasemill.serving.adapters import Adapter, find_adapter
from phrasemill.serving.cores import Machine, bindings, this_machine
from phrasemill.serving.errors import ModelNotFound, NoGpu, ProfileError, TooLittleMemory, VllmUnusable
from phrasemill.serving.gpus import Gpu
from phrasemill.serving.launch import EngineLaunch
from phrasemill.serving.memory import least_kv_bytes, overhead_bytes, split_memory
from phrasemill.serving.models import ModelFacts, find_model, weight_files
from phrasemill.serving.profiles import Profile
from phrasemill.serving.vllm_version import VllmBuild

DRAIN_S = 120.0
"""How long a server that got SIGTERM goes on with its requests in flight. vLLM's default is 0: it drops them."""
GIB = 2**30
DUMMY = "dummy"


def plan_launches(
    profile: Profile,
    *,
    model: str,
    served_name: str,
    gpus: Sequence[Gpu],
    engines_per_gpu: int | None,
    loras: Mapping[str, str],
    host: str,
    first_port: int,
    api_key: str | None,
    build: VllmBuild,
    python: Path,
    caches: Path,
    load_format: str | None = None,
    drain_s: float = DRAIN_S,
    machine: Machine | None = None,
) -> list[EngineLaunch]:
    """One launch an engine: engine-0 on first_port, and so on; engine k runs on gpus[k // engines_per_gpu].

    `loras` maps the names to ask for to folders (or names on the hub). `load_format` is vLLM's own: `dummy`
    serves random weights of the model's shape. A profile for the CPU uses no GPU, and `machine` is this one unless
    given. An engine that gets SIGTERM finishes what it has begun, for at most `drain_s` seconds: the signal must go
    to the leading process alone, since the others of its group drop all at once.

    Raises:
        ModelNotFound: the model or an adapter is missing or does not fit.
        ProfileError: the profile asks what the model or this vLLM cannot do.
        NoGpu: the profile is for a GPU and there is none.
        TooLittleMemory: the engines do not fit.
        VllmUnusable: this vLLM lacks a flag that is needed, or is of the wrong kind for the profile.
    """
    engines = profile.engines_per_gpu if engines_per_gpu is None else engines_per_gpu
    facts = find_model(model)
    _check(profile, facts, build=build, gpus=gpus, engines=engines)
    if facts.folder and load_format != DUMMY and not weight_files(facts.folder):
        raise ModelNotFound(f"{facts.folder} holds no weights (*.safetensors or *.bin); download the model again")
    adapters = [find_adapter(name, place, model=facts) for name, place in loras.items()]
    if served_name in loras:
        raise ModelNotFound(f"LoRA {served_name} has the name of the model; give it another: --lora NAME=PATH")
    place = str(facts.folder.absolute()) if facts.folder else model
    common = _variables(api_key, offline=facts.folder is not None and all(one.is_local for one in adapters))
    arguments = (
        *(str(python), *build.server(place)),
        *("--served-model-name", served_name, "--host", host),
        *_flags(profile, adapters=adapters, build=build, load_format=load_format, drain_s=drain_s),
    )
    if profile.is_cpu:
        places = _on_cpu(profile, facts, engines=engines, machine=machine or this_machine())
    else:
        places = _on_gpus(profile, facts, adapters=adapters, gpus=gpus, engines=engines)
    launches = []
    for number, (gpu, flags, variables) in enumerate(places):
        name = f"engine-{number}"
        # Several engines compiling at once can corrupt a cache that they share.
        cache = {"VLLM_CACHE_ROOT": str(caches / name), "VLLM_CONFIG_ROOT": str(caches / name)}
        port = first_port + number
        argv = (*arguments, "--port", str(port), *flags)
        launches.append(EngineLaunch(name, host, port, argv, variables=common | cache | variables, gpu=gpu))
    return launches


Place = tuple[int | None, tuple[str, ...], dict[str, str]]
"""Where an engine runs: the GPU's index, its flags, its variables."""


def _check(profile: Profile, model: ModelFacts, *, build: VllmBuild, gpus: Sequence[Gpu], engines: int) -> None:
    if engines < 1:
        raise ProfileError(f"{engines} engines cannot be served; ask for 1 or more: --engines N")
    if profile.is_cpu != build.is_cpu:
        has, needs = ("CPU", "a GPU") if build.is_cpu else ("CUDA", "the CPU")
        raise VllmUnusable(
            f"vLLM {build.text} is a build for {has} and the profile {profile.name} is for {needs}; name another "
            "profile (--profile) or another Python (--python)"
        )
    if not profile.is_cpu and not gpus:
        raise NoGpu(f"the profile {profile.name} is for a GPU and there is none; use --profile cpu-0.1b")
    if profile.max_model_len > model.max_model_len:
        raise ProfileError(
            f"the profile {profile.name} asks for {profile.max_model_len} tokens and {model.name} takes at most "
            f"{model.max_model_len}; lower max_model_len in a profile of your own"
        )
    if profile.api_servers > 1 and not build.has_command:
        raise ProfileError(
            f"the profile {profile.name} asks for {profile.api_servers} API servers and this vLLM's `serve` command "
            "does not work; set api_servers to 1"
        )


def _flags(
    profile: Profile, *, adapters: Sequence[Adapter], build: VllmBuild, load_format: str | None, drain_s: float
) -> tuple[str, ...]:
    """The flags that all engines share. Those that vLLM can do without are left out where it lacks them."""
    wanted: dict[str, tuple[str, ...] | None] = {
        "--max-model-len": (str(profile.max_model_len),),
        "--max-num-seqs": (str(profile.max_num_seqs),),
        # The model's own generation_config may set penalties and top-k, which are slow sampler paths.
        "--generation-config": ("vllm",),
        "--max-num-batched-tokens": _one(profile.max_num_batched_tokens),
        "--block-size": _one(profile.block_size),
        "--quantization": _one(profile.quantization),
        "--cudagraph-capture-sizes": tuple(map(str, profile.graph_sizes)) if profile.graph_sizes else None,
        "--enforce-eager": () if profile.enforce_eager else None,
        "--api-server-count": _one(profile.api_servers) if profile.api_servers > 1 else None,
        "--load-format": _one(load_format),
    }
    if adapters:
        wanted |= {
            "--enable-lora": (),
            "--max-loras": (str(len(adapters)),),
            "--max-lora-rank": (str(max(one.served_rank for one in adapters)),),
            "--lora-modules": tuple(f"{one.name}={one.place}" for one in adapters),
        }
    timeout = str(max(math.ceil(drain_s), 1))  # 0 would drop requests, and 0.32.0 then waits for their clients for ever
    optional = {"--shutdown-timeout": (timeout,), "--disable-uvicorn-access-log": ()}
    needed = {flag: values for flag, values in wanted.items() if values is not None}
    if lacking := [flag for flag in needed if not build.knows(flag)]:
        raise VllmUnusable(
            f"vLLM {build.text} does not know {', '.join(lacking)}; use a version from 0.20 to 0.32, or a profile "
            "without it"
        )
    given = needed | {flag: values for flag, values in optional.items() if build.knows(flag)}
    return tuple(part for flag, values in given.items() for part in (flag, *values))


def _on_gpus(
    profile: Profile, model: ModelFacts, *, adapters: Sequence[Adapter], gpus: Sequence[Gpu], engines: int
) -> list[Place]:
    fixed = (
        model.weight_bytes(profile.quantization)
        + overhead_bytes(model, max_num_seqs=profile.max_num_seqs, batched_tokens=profile.max_num_batched_tokens)
        + sum(adapter.memory_bytes(model) for adapter in adapters)
    )
    places: list[Place] = []
    for gpu in gpus:
        share = split_memory(
            where=f"GPU {gpu.index} ({gpu.name})",
            total_bytes=gpu.total_bytes,
            free_bytes=gpu.free_bytes,
            engines=engines,
            fixed_bytes=fixed,
            least_kv=least_kv_bytes(model, max_num_seqs=profile.max_num_seqs, max_model_len=profile.max_model_len),
            # More than every sequence at its full length is never used.
            most_kv=profile.max_num_seqs * profile.max_model_len * model.kv_bytes_a_token,
            kv_bytes=profile.kv_cache_bytes,
        )
        kv, utilization = str(share.kv_bytes), str(share.utilization)
        flags = ("--kv-cache-memory-bytes", kv, "--gpu-memory-utilization", utilization)
        # By number, in NVML's order: vLLM 0.20.2 reads the entries with int() and fails on UUIDs.
        variables = {"CUDA_VISIBLE_DEVICES": str(gpu.index), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        places += [(gpu.index, flags, variables)] * engines
    return places


def _on_cpu(profile: Profile, model: ModelFacts, *, engines: int, machine: Machine) -> list[Place]:
    least = least_kv_bytes(model, max_num_seqs=profile.max_num_seqs, max_model_len=profile.max_model_len)
    kv_gib = -(-(profile.kv_cache_bytes or least) // GIB)  # VLLM_CPU_KVCACHE_SPACE takes whole GiB
    needed = engines * (model.weight_bytes(profile.quantization) + (kv_gib + 1) * GIB)
    if needed > machine.free_bytes:
        raise TooLittleMemory(
            f"{engines} engines need {needed / GIB:.1f} GiB ({kv_gib} GiB of KV cache, 1 GiB for Python and the "
            f"weights, each), and {machine.free_bytes / GIB:.1f} GiB of this machine's memory are free; "
            f"--engines {int(machine.free_bytes * engines // needed)} would fit"
        )
    return [
        (None, (), {"VLLM_CPU_KVCACHE_SPACE": str(kv_gib), "VLLM_CPU_OMP_THREADS_BIND": cores})
        for cores in bindings(machine.cores, engines=engines)
    ]


def _variables(api_key: str | None, *, offline: bool) -> dict[str, str]:
    variables = {
        # 5 s by default: the server closes a connection just as a client sends on it.
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "120",
        "VLLM_NO_USAGE_STATS": "1",
    }
    if offline:
        variables["HF_HUB_OFFLINE"] = "1"
    if api_key is not None:
        variables["VLLM_API_KEY"] = api_key
    return variables


def _one(value: object | None) -> tuple[str, ...] | None:
    return None if value is None else (str(value),)
