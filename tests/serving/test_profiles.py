"""Profiles as data: the shipped ones, files of one's own, and the choice for a machine."""

from pathlib import Path

import pytest
import yaml

from phrasemill.serving.errors import ProfileError
from phrasemill.serving.gpus import Gpu
from phrasemill.serving.memory import least_kv_bytes, overhead_bytes, split_memory
from phrasemill.serving.models import MODEL_SIZES, facts_of, find_model
from phrasemill.serving.profiles import FIGURES, Profile, dump_profile, load_profile, pick_profile, shipped_profiles

GIB = 2**30
NAMED = {
    "HuggingFaceTB/SmolLM2-135M-Instruct": (134_515_008, "0.1b"),
    "Qwen/Qwen2.5-0.5B-Instruct": (494_032_768, "0.5b"),
    "Qwen/Qwen2.5-1.5B-Instruct": (1_543_714_304, "1.5b"),
    "Qwen/Qwen1.5-1.8B-Chat": (1_836_828_672, "1.5b"),
    "Qwen/Qwen2.5-7B-Instruct": (7_615_616_512, "7b"),
    "mistralai/Mistral-7B-Instruct-v0.2": (7_241_732_096, "7b"),
    "mistralai/Mistral-7B-Instruct-v0.3": (7_248_023_552, "7b"),
    "Open-Orca/Mistral-7B-OpenOrca": (7_241_748_480, "7b"),
}
"""Parameters as the models' own weights count them."""
CARDS = {
    "NVIDIA L4": ("24gb", 22.5),
    "NVIDIA A10G": ("24gb", 22.3),
    "NVIDIA GeForce RTX 4090": ("24gb", 24.0),
    "NVIDIA L40S": ("48gb", 44.99),
    "NVIDIA A100-SXM4-40GB": ("24gb", 39.4),
    "NVIDIA A100-SXM4-80GB": ("80gb-hopper", 79.3),
    "NVIDIA H100 80GB HBM3": ("80gb-hopper", 79.6),
    "NVIDIA H200": ("80gb-hopper", 140.4),
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": ("96gb-blackwell", 95.6),
    "A card of the future": ("96gb-blackwell", 192.0),
}


def card(name: str, gib: float, *, index: int = 0) -> Gpu:
    total = int(gib * GIB)
    return Gpu(index, f"GPU-{index}", name, total_bytes=total, free_bytes=total - GIB // 2)


def written(profile: Profile, path: Path, **changes: object) -> Path:
    content = yaml.safe_load(dump_profile(profile))
    content.update(changes)
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value != "drop"}), encoding="utf-8")
    return path


class TestShippedProfiles:
    def test_there_is_one_for_each_class_of_gpu_and_of_model(self) -> None:
        classes = {"24gb", "48gb", "80gb-hopper", "96gb-blackwell"}
        wanted = {f"{gpu}-{size}" for gpu in classes for size in ("0.5b", "1.5b", "7b")}
        assert set(shipped_profiles()) == wanted | {"cpu-0.1b", "cpu-0.5b"}

    @pytest.mark.parametrize("name", shipped_profiles())
    def test_its_name_says_what_it_is_for_and_each_figure_where_it_comes_from(self, name: str) -> None:
        profile = load_profile(name)
        assert name == f"{profile.gpu}-{profile.model_size}"
        figures = {field for field in FIGURES if field in profile.model_fields_set}
        assert figures == set(profile.sources)

    def test_only_what_ran_on_an_h100_counts_as_measured(self) -> None:
        measured = {name for name, profile in shipped_profiles().items() if profile.is_measured}
        assert measured == {"80gb-hopper-1.5b", "80gb-hopper-7b"}
        assert shipped_profiles()["80gb-hopper-1.5b"].engines_per_gpu == 4

    @pytest.mark.parametrize(("name", "gib"), CARDS.values())
    def test_every_model_of_its_size_fits_onto_its_card(self, name: str, gib: float) -> None:
        for model, (_, size) in NAMED.items():
            if size == "0.1b":
                continue
            profile, facts = load_profile(f"{name}-{size}"), find_model(model)
            fixed = facts.weight_bytes(None) + overhead_bytes(
                facts, max_num_seqs=profile.max_num_seqs, batched_tokens=profile.max_num_batched_tokens
            )
            least = least_kv_bytes(facts, max_num_seqs=profile.max_num_seqs, max_model_len=profile.max_model_len)
            share = split_memory(
                where=name,
                total_bytes=int(gib * GIB),
                free_bytes=int((gib - 0.5) * GIB),
                engines=profile.engines_per_gpu,
                fixed_bytes=fixed,
                least_kv=least,
                most_kv=100 * GIB,
            )
            assert share.kv_bytes >= least


class TestPickingAProfile:
    @pytest.mark.parametrize(("name", "known"), CARDS.items())
    def test_a_card_gets_the_class_that_names_it_or_that_its_memory_holds(
        self, name: str, known: tuple[str, float]
    ) -> None:
        wanted, gib = known
        assert pick_profile([card(name, gib)], "1.5b").name == f"{wanted}-1.5b"

    def test_of_unequal_gpus_the_smallest_decides(self) -> None:
        gpus = [card("NVIDIA H100 80GB HBM3", 79.6), card("NVIDIA L4", 22.5, index=1)]
        assert pick_profile(gpus, "7b").name == "24gb-7b"

    def test_the_smallest_models_use_the_half_billion_profile_on_a_gpu(self) -> None:
        assert pick_profile([card("NVIDIA L4", 22.5)], "0.1b").name == "24gb-0.5b"

    def test_without_gpus_it_is_a_profile_for_the_cpu(self) -> None:
        assert pick_profile([], "0.1b").name == "cpu-0.1b"

    def test_it_says_so_when_no_profile_fits(self) -> None:
        with pytest.raises(ProfileError, match=r"models of 7b on the CPU.*--profile"):
            pick_profile([], "7b")
        with pytest.raises(ProfileError, match=r"Old \(8 GiB\)"):
            pick_profile([card("Old", 8)], "0.5b")


class TestAFileOfOnesOwn:
    @pytest.mark.parametrize("name", shipped_profiles())
    def test_what_is_written_reads_back_the_same(self, name: str, tmp_path: Path) -> None:
        profile = load_profile(name)
        path = tmp_path / "mine.yaml"
        path.write_text(dump_profile(profile), encoding="utf-8")
        assert load_profile(path) == profile

    def test_a_figure_without_a_source_is_refused(self, tmp_path: Path) -> None:
        path = written(load_profile("24gb-7b"), tmp_path / "p.yaml", quantization="fp8")
        with pytest.raises(ProfileError, match="sources must say where these come from: quantization"):
            load_profile(path)

    def test_a_source_must_say_measured_when_or_derived_how(self, tmp_path: Path) -> None:
        sources = dict(load_profile("24gb-7b").sources) | {"in_flight": "we think so"}
        with pytest.raises(ProfileError, match=r"sources\.in_flight"):
            load_profile(written(load_profile("24gb-7b"), tmp_path / "p.yaml", sources=sources))

    def test_a_step_smaller_than_its_sequences_is_refused(self, tmp_path: Path) -> None:
        sources = dict(load_profile("24gb-7b").sources) | {"max_num_batched_tokens": "derived: a try"}
        path = written(load_profile("24gb-7b"), tmp_path / "p.yaml", sources=sources, max_num_batched_tokens=100)
        with pytest.raises(ProfileError, match="at least max_num_seqs"):
            load_profile(path)

    def test_every_mistake_has_its_line(self, tmp_path: Path) -> None:
        path = written(load_profile("24gb-7b"), tmp_path / "p.yaml", max_num_seqs=0, gpuz=1, list_size="drop")
        with pytest.raises(ProfileError) as caught:
            load_profile(path)
        lines = str(caught.value).splitlines()
        assert [line.split(":")[0] for line in lines[1:]] == ["max_num_seqs", "list_size", "gpuz"]

    def test_a_name_that_is_none_is_told_with_those_there_are(self) -> None:
        with pytest.raises(ProfileError, match=r"no profile a100; .*80gb-hopper-1\.5b"):
            load_profile("a100")

    @pytest.mark.parametrize("text", ["- 1\n", "a: [", ""])
    def test_a_file_of_another_kind_is_refused(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "p.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ProfileError, match=r"p\.yaml"):
            load_profile(path)


class TestModels:
    @pytest.mark.parametrize(("name", "known"), NAMED.items())
    def test_a_named_model_has_the_parameters_of_its_weights(self, name: str, known: tuple[int, str]) -> None:
        facts = find_model(name)
        assert facts.parameters == pytest.approx(known[0], rel=0.001)
        assert facts.size == known[1]

    def test_the_cache_of_a_token_follows_from_layers_and_key_value_heads(self) -> None:
        assert find_model("Qwen/Qwen2.5-1.5B-Instruct").kv_bytes_a_token == 28 * 2 * 128 * 2 * 2
        assert find_model("Qwen/Qwen1.5-1.8B-Chat").kv_bytes_a_token == 24 * 16 * 128 * 2 * 2

    def test_fp8_halves_all_but_the_embeddings(self) -> None:
        facts = find_model("mistralai/Mistral-7B-Instruct-v0.3")
        assert facts.weight_bytes("fp8") / facts.weight_bytes(None) == pytest.approx(0.518, abs=0.002)

    def test_a_model_beyond_all_profiles_is_told(self) -> None:
        large = facts_of(
            "large",
            {
                **{"hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80},
                **{"num_attention_heads": 64, "num_key_value_heads": 8, "vocab_size": 128256},
            },
        )
        assert large.parameters == pytest.approx(70.55e9, rel=0.001)
        with pytest.raises(ProfileError, match=r"70\.6 billion"):
            assert large.size in MODEL_SIZES
