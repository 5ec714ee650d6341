import pytest

from phrasemill.serving.profiles import dump_profile, load_profile
from phrasemill.serving.tune_table import markdown_table, measured_line, notes_on, tuned_profile
from tests.serving.tuning import candidate, make_profile, measurement


class TestNotes:
    def test_a_client_that_set_the_pace_is_told_as_no_measure_of_the_engines(self) -> None:
        best = measurement(client_cpu=0.99)
        assert "no measure of the engines" in notes_on(best, [best], corpus_n=1)[0]
        assert "the client set the pace" in measured_line(best, 40.0)

    def test_more_samples_that_give_more_are_told(self) -> None:
        best, more = measurement(), measurement(candidate(n=4), engine_tokens_per_s=1500.0)
        assert "sampling.n 4 gives 60.0 phrases/s, 50% more than n 1" in notes_on(best, [best, more], corpus_n=1)[0]

    def test_an_n_that_is_not_the_corpus_s_is_told(self) -> None:
        best = measurement(candidate(n=4))
        assert "the corpus file says 1" in notes_on(best, [best], corpus_n=1)[0]

    def test_a_best_at_the_edge_asks_for_more(self) -> None:
        few, best = measurement(candidate(engines_per_gpu=1)), measurement(engine_tokens_per_s=1100.0)
        assert notes_on(best, [few, best], corpus_n=1) == [
            "the best has the greatest engines_per_gpu that was tried (2); more may be better yet"
        ]

    def test_faults_and_a_machine_that_was_not_steady_are_told(self) -> None:
        best = measurement(faults=2)
        notes = notes_on(best, [best, measurement(engine_tokens_per_s=100.0)], corpus_n=1)
        assert "4.0 and 36.0 phrases/s" in notes[0]
        assert "failed on 2 lists" in notes[1]

    def test_an_untroubled_result_has_no_notes(self) -> None:
        best = measurement()
        assert notes_on(best, [best], corpus_n=1) == []


class TestTable:
    def test_the_longest_windows_come_first_and_failures_last(self) -> None:
        best = measurement(window_s=20.0, gpu_percent=97.3)
        failed = measurement(candidate(in_flight=128), failed="no engine answers")
        page = markdown_table([measurement(), failed, best], best=best, title="tiny", notes=["mind the gap"])
        rows = [line for line in page.splitlines() if line.startswith("|")]
        assert rows[2].startswith(
            "| **40.0** | none | 1 | 2 (2) | 64 | 8 | 64 | 20 | 36.0 | 1000 | 900 | 20% | 20% | 97 % |"
        )
        assert rows[3].startswith("| 40.0 | none")
        assert len(rows) == 4
        assert len({row.count("|") for row in rows}) == 1
        assert "- mind the gap" in page
        assert "128 in flight: no engine answers" in page


class TestProfile:
    def test_only_settings_that_were_varied_or_are_new_get_a_new_source(self, tmp_path) -> None:
        base = make_profile(engines_per_gpu=4, max_num_seqs=64)
        best, other = measurement(), measurement(candidate(in_flight=32), engine_tokens_per_s=900.0)
        tuned = tuned_profile(base, best, [other, best], machine="1 x H100")
        source = "measured 2026-11-23 on 1 x H100 by phrasemill tune: 40.0 phrases/s"
        assert {name for name, words in tuned.sources.items() if words == source} == {"engines_per_gpu", "in_flight"}
        assert (tuned.name, tuned.engines_per_gpu, tuned.in_flight) == ("bench_tuned", 2, 64)
        (tmp_path / "tuned.yaml").write_text(dump_profile(tuned))
        assert load_profile(tmp_path / "tuned.yaml") == tuned

    def test_a_quantisation_that_lost_is_gone_with_its_source(self) -> None:
        base = make_profile(quantization="fp8")
        best = measurement()
        tuned = tuned_profile(base, best, [best], machine="m")
        assert tuned.quantization is None
        assert "quantization" not in tuned.sources

    def test_tuning_again_does_not_pile_up_names(self) -> None:
        best = measurement()
        once = tuned_profile(make_profile(), best, [best], machine="m")
        again = tuned_profile(once, best, [best], machine="m")
        assert (again.name, again.title) == (once.name, once.title) == ("bench_tuned", "A bench, tuned")

    @pytest.mark.parametrize(("client_cpu", "told"), [(1.0, "(the client set the pace)"), (0.5, ": 40.0 phrases/s")])
    def test_doubts_are_kept_with_the_figures(self, client_cpu: float, told: str) -> None:
        best = measurement(client_cpu=client_cpu)
        tuned = tuned_profile(make_profile(in_flight=8), best, [best], machine="m")
        assert tuned.sources["in_flight"].endswith(told)
