"""The simulation: a corpus through Airflow on a fleet, event by event. Pure; `simulate(question)` gives an outcome.

`question` says what it depends on, `simulate` runs it, `place` takes its figures from the forecast's book, `changes`
finds by simulating what should be set otherwise, `sweep` asks all of it for fleets of many sizes.
"""

from phrasemill.simulation.outcome import Outcome
from phrasemill.simulation.question import Failures, Question, SimulationError, StepTime
from phrasemill.simulation.run import simulate

__all__ = ["Failures", "Outcome", "Question", "SimulationError", "StepTime", "simulate"]
