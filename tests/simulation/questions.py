"""Questions of round figures, without any overhead unless it is asked for."""

from typing import Any

from phrasemill.simulation import Failures, Question, StepTime


def plain(**changes: Any) -> Question:
    """Ten shards of 1,000 phrases on one engine of 100 phrases/s; nothing but the engine takes time."""
    usual: dict[str, Any] = {"phrases": 10_000, "shard_phrases": 1000, "engines": 1, "phrases_per_s": 100.0}
    return Question(**(usual | changes))


def lifelike(**changes: Any) -> Question:
    """A small night on four engines with every overhead there is."""
    usual: dict[str, Any] = {
        **{"phrases": 400_000, "shard_phrases": 10_000, "engines": 4, "phrases_per_s": 450.0, "accept_share": 0.85},
        **{"lone_answer_s": 0.2, "task_phrases_per_s": 11_500.0, "starts_per_s": 1.7, "task_start_s": 0.65},
        "generate_s": 0.5,
        **{"validate": StepTime(3.0, 4e-5), "publish": StepTime(0.5, 9e-6), "run_start_s": 5.0, "run_end_s": 10.0},
    }
    return plain(**(usual | changes))


STORM = Failures(crashes_per_gpu_hour=20.0, worker_losses_per_hour=120.0, detection_s=30.0)
"""More failures than anybody has."""
