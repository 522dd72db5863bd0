"""The parts of an evaluation: configuration, cells, the folder of a run, and the arithmetic."""

from fedenv.evaluation.config import EvaluationConfig
from fedenv.evaluation.results import wilson_interval

__all__ = ["EvaluationConfig", "wilson_interval"]
