from pathlib import Path

import pytest

from phrasemill.serving.tune_record import RecordRefused, TuneRecord, describe_machine, fixed_settings
from tests.serving.tuning import candidate, make_identity, make_profile, measurement


def write(path: Path, *windows: float) -> None:
    with TuneRecord(path, make_identity()) as record:
        for window_s in windows:
            record.add(measurement(window_s=window_s))


class TestGoingOn:
    def test_what_was_added_is_found_again(self, tmp_path: Path) -> None:
        path = tmp_path / "deep" / "tune.jsonl"
        write(path, 10.0)
        with TuneRecord(path, make_identity()) as record:
            assert record.find(candidate(), 10.0) == measurement()
            assert record.find(candidate(), 20.0) is None
            assert record.find(candidate(in_flight=32), 10.0) is None

    def test_each_measurement_is_on_disk_at_once(self, tmp_path: Path) -> None:
        with TuneRecord(tmp_path / "tune.jsonl", make_identity()) as record:
            record.add(measurement())
            assert len((tmp_path / "tune.jsonl").read_text().splitlines()) == 2

    def test_a_failed_measurement_is_tried_again(self, tmp_path: Path) -> None:
        with TuneRecord(tmp_path / "tune.jsonl", make_identity()) as record:
            record.add(measurement(failed="no engine"))
            assert record.find(candidate(), 10.0) is None

    @pytest.mark.parametrize("cut", [1, 40])
    def test_a_line_that_a_crash_cut_short_is_taken_away(self, tmp_path: Path, cut: int) -> None:
        path = tmp_path / "tune.jsonl"
        write(path, 10.0, 20.0)
        path.write_bytes(path.read_bytes()[:-cut])
        with TuneRecord(path, make_identity()) as record:
            assert [one.window_s for one in record.measurements] == [10.0]
            record.add(measurement(window_s=40.0))
        with TuneRecord(path, make_identity()) as record:
            assert [one.window_s for one in record.measurements] == [10.0, 40.0]

    def test_a_header_that_a_crash_cut_short_is_written_anew(self, tmp_path: Path) -> None:
        path = tmp_path / "tune.jsonl"
        path.write_text('{"kind": "tun')
        write(path, 10.0)
        with TuneRecord(path, make_identity()) as record:
            assert len(record.measurements) == 1


class TestRefusal:
    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"machine": "2 cores"}, "machine is '2 cores' here and '1 x H100"),
            ({"model": "other"}, "model is 'other' here and 'tiny' in the record"),
            ({"vllm": "0.32.0"}, "vllm is '0.32.0' here and '0.20.2'"),
            ({"fingerprint": "0" * 16}, "fingerprint is '0000"),
            ({"profile": {"max_model_len": 512, "enforce_eager": False}}, "profile.max_model_len is 512 here and 1024"),
        ],
    )
    def test_a_record_of_something_else_is_refused_with_what_differs(
        self, tmp_path: Path, changes: dict[str, object], named: str
    ) -> None:
        path = tmp_path / "tune.jsonl"
        write(path, 10.0)
        before = path.read_bytes()
        with pytest.raises(RecordRefused) as refusal, TuneRecord(path, make_identity(**changes)):
            pass
        assert named in str(refusal.value)
        assert str(refusal.value).count(" here and ") == 1
        assert path.read_bytes() == before

    def test_a_damaged_line_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "tune.jsonl"
        write(path, 10.0, 20.0)
        lines = path.read_text().splitlines()
        lines[1] = lines[1][:50]
        path.write_text("\n".join(lines) + "\n")
        with pytest.raises(RecordRefused, match=r"tune\.jsonl:2: is damaged"), TuneRecord(path, make_identity()):
            pass

    def test_a_file_that_is_no_record_is_refused_and_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "notes.jsonl"
        path.write_text('{"shopping": "list"}\n')
        with pytest.raises(RecordRefused, match="no tuning record"), TuneRecord(path, make_identity()):
            pass
        assert path.read_text() == '{"shopping": "list"}\n'

    def test_a_record_in_use_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "tune.jsonl"
        with (
            TuneRecord(path, make_identity()),
            pytest.raises(RecordRefused, match="another tuning run"),
            TuneRecord(path, make_identity()),
        ):
            pass


class TestIdentity:
    def test_settings_that_candidates_vary_are_no_part_of_it(self) -> None:
        varied = make_profile(engines_per_gpu=4, list_size=32, in_flight=512, max_num_seqs=256, quantization="fp8")
        assert fixed_settings(varied) == fixed_settings(make_profile())

    def test_settings_that_engines_start_with_are(self) -> None:
        assert fixed_settings(make_profile(max_model_len=333)) != fixed_settings(make_profile())

    def test_a_machine_is_told_by_its_gpus_cores_and_memory(self) -> None:
        words = describe_machine(["NVIDIA H100", "NVIDIA H100", "NVIDIA A10"])
        assert words.startswith("2 x NVIDIA H100, 1 x NVIDIA A10, ")
        assert "cores" in words
        assert describe_machine([]).endswith(" GiB")
