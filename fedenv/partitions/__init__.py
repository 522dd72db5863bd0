"""Partitions: who is asked to do what. Pure functions of (pool, number of clients, knobs, seed)."""

from fedenv.partitions.assignment import Assignment
from fedenv.partitions.composite import composite
from fedenv.partitions.coverage import coverage
from fedenv.partitions.hardness import hardness
from fedenv.partitions.labels import Labels, Provenance
from fedenv.partitions.preference import preference
from fedenv.partitions.registry import PARTITIONS, assign
from fedenv.partitions.uniform import uniform

__all__ = [
    "PARTITIONS",
    "Assignment",
    "Labels",
    "Provenance",
    "assign",
    "composite",
    "coverage",
    "hardness",
    "preference",
    "uniform",
]
