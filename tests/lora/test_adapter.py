"""A LoRA adapter from training to the report: the corpus that asks for it has the style, its base model's has not."""

import json
from collections.abc import Mapping

import pytest

from phrasemill.committed_rows import shard_rows
from phrasemill.report import CorpusSummary
from phrasemill.serving.adapters import find_adapter
from phrasemill.serving.models import find_model
from tests.lora.conftest import ADAPTER, BASE, MERGED, SHARD, SHARDS, Desk, Trained
from tests.lora.style import EXCLAIMS, NAMES_A_COLOUR, RULES, share

pytestmark = pytest.mark.lora
CORPORA = {"harbour_base": BASE, "harbour_adapter": ADAPTER, "harbour_merged": MERGED}


@pytest.fixture(scope="module")
def reports(desk: Desk) -> dict[str, CorpusSummary]:
    """Of the same prompts asked of all three, shard by shard in turns, so that a busy machine slows all alike."""
    for name, asked in CORPORA.items():
        desk.corpus(name, asked)
    for shard in range(SHARDS):
        for name in CORPORA:
            desk.commit(name, shard)
    return {name: desk.report(name) for name in CORPORA}


def sampled(report: CorpusSummary) -> list[str]:
    return [phrase.text for phrase in report.sample]


class TestAdapter:
    def test_is_one_that_serve_accepts_before_it_starts_an_engine(self, trained: Trained) -> None:
        adapter = find_adapter(ADAPTER, str(trained.adapter), model=find_model(str(trained.model)))
        assert (adapter.rank, adapter.served_rank) == (8, 8)


class TestStyle:
    def test_is_what_the_report_shows_of_the_adapter_and_not_of_its_base(
        self, reports: dict[str, CorpusSummary]
    ) -> None:
        assert share(sampled(reports["harbour_adapter"]), pattern=EXCLAIMS) > 0.8
        assert share(sampled(reports["harbour_adapter"]), pattern=NAMES_A_COLOUR) > 0.4
        assert share(sampled(reports["harbour_base"]), pattern=EXCLAIMS) < 0.2

    def test_is_in_every_committed_phrase_that_was_counted(self, desk: Desk, reports: dict[str, CorpusSummary]) -> None:
        shares = {}
        for name in reports:
            store = desk.store(name)
            texts = [row for number in store.committed() for row in texts_of(desk, name, number)]
            assert len(texts) == SHARD * SHARDS
            shares[name] = share(texts, pattern=EXCLAIMS)
        assert shares["harbour_base"] < 0.2
        assert shares["harbour_adapter"] > 0.8

    def test_outlives_the_merge(self, reports: dict[str, CorpusSummary]) -> None:
        assert share(sampled(reports["harbour_merged"]), pattern=EXCLAIMS) > 0.8

    def test_came_from_the_model_that_the_report_names(self, reports: dict[str, CorpusSummary]) -> None:
        assert {name: report.model for name, report in reports.items()} == CORPORA
        assert all(report.complete for report in reports.values())


class TestCorpusThatAcceptsNothingElse:
    def test_is_written_by_the_adapter_and_the_report_counts_what_missed_the_style(self, desk: Desk) -> None:
        desk.corpus("harbour_strict", ADAPTER, rules={"patterns": RULES})
        desk.commit("harbour_strict", 0)
        texts = texts_of(desk, "harbour_strict", 0)
        assert share(texts, pattern=EXCLAIMS) == share(texts, pattern=NAMES_A_COLOUR) == 1
        report = desk.report("harbour_strict")
        missed = {line.reason: line.count for line in report.rejects}.get("no_exclamation", 0)
        assert missed < 0.2 * (report.work.accepted + missed)

    def test_is_refused_to_the_base_model_with_the_rule_that_it_misses(self, desk: Desk) -> None:
        desk.corpus("harbour_strict_base", BASE, rules={"patterns": RULES})
        done = desk.run("harbour_strict_base", 0)
        assert done.returncode == 1
        assert "no_exclamation" in done.stdout + done.stderr
        assert desk.store("harbour_strict_base").committed() == []


class TestSpeed:
    def test_of_adapter_and_merged_model_is_known_from_the_same_prompts(
        self, desk: Desk, reports: dict[str, CorpusSummary], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert {report.phrases for report in reports.values()} == {SHARD * SHARDS}
        rows = [
            (report.model, report.work.phrases_per_second, report.work.tokens_per_second) for report in reports.values()
        ]
        figures = {
            model: {"phrases_per_second": phrases, "tokens_per_second": tokens} for model, phrases, tokens in rows
        }
        assert all(figure and figure > 0 for line in figures.values() for figure in line.values())
        (desk.folder / "speed.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
        with capsys.disabled():
            print(f"\n{table(reports)}")


def texts_of(desk: Desk, name: str, shard: int) -> list[str]:
    store = desk.store(name)
    manifest = store.manifest(shard)
    assert manifest is not None
    texts: list[str] = shard_rows(store, manifest).column("text").to_pylist()
    return texts


def table(reports: Mapping[str, CorpusSummary]) -> str:
    """The table of docs/lora.md."""
    lines = ["| asked | phrases/s | tokens/s | tokens a phrase | outputs rejected | end with ! | name a colour |"]
    lines.append("|---|---|---|---|---|---|---|")
    for report in reports.values():
        work, texts = report.work, sampled(report)
        lines.append(
            f"| {report.model} | {work.phrases_per_second:.1f} | {work.tokens_per_second:.0f} "
            f"| {work.tokens_per_phrase:.0f} | {work.reject_share:.0%} | {share(texts, pattern=EXCLAIMS):.0%} "
            f"| {share(texts, pattern=NAMES_A_COLOUR):.0%} |"
        )
    return "\n".join(lines)
