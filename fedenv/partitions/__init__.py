"""Partitions: who is asked to do what. Pure functions of (pool, number of clients, knobs, seed)."""

from fedenv.partitions.assignment import Assignment
from fedenv.partitions.registry import PARTITIONS, assign
from fedenv.partitions.uniform import uniform

__all__ = ["PARTITIONS", "Assignment", "assign", "uniform"]
