"""Partitions of a million tasks to 10,000 clients, each in a process of its own.

Seconds are CPU time of the partition with its measures, memory is the peak of the whole process
with the pool in it. The placement is compared with the paper's own procedure on a smaller case:
item after item, drawn in proportion to what capacity is left.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

CLIENTS, TASKS = 10_000, 1_000_000
SMALL_CLIENTS, SMALL_TASKS = 100, 6_410
PARTITIONS = {
    "uniform": {},
    "preference": {"omega": 0.99},
    "coverage": {"xi": 1.0},
    "hardness": {"xi": 1.0},
    "composite": {"omega": 0.5, "xi": 1.0, "xi_hard": 1.0},
}


def measure(name: str) -> dict[str, float]:
    """Run one partition and return CPU seconds and peak bytes; called in a fresh process."""
    from memory import peak

    from fedenv.partitions import Labels, Provenance, assign
    from fedenv.tasks import Task, TaskPool

    pool = TaskPool(tuple(Task(f"task-{i:07d}", "abcde"[i % 5]) for i in range(TASKS)))
    made = Provenance("made", "none", "none", "none", 1, 0)
    labels = Labels({task.id: float(i // 5 % 2) for i, task in enumerate(pool.tasks)}, made)
    start = time.process_time()
    assignment = assign({"name": name, **PARTITIONS[name]}, pool, CLIENTS, 42, labels)
    assigned = time.process_time() - start
    start = time.process_time()
    assert len(assignment.digest) == 16
    return {
        "tasks": float(len(assignment.positions)),
        "seconds": assigned,
        "digest": time.process_time() - start,
        "peak": peak(),
    }


def by_the_book(sizes: list[int], num_items: int, seed: int) -> list[set[int]]:
    """Place items one by one: the paper's procedure, in plain Python with NumPy's weighted draw."""
    import numpy as np

    rng = np.random.RandomState(seed)
    base, extra = divmod(sum(sizes), num_items)
    capacity, held = np.array(sizes), [set() for _ in sizes]
    for item in range(num_items):
        left = num_items - item
        chosen = np.flatnonzero(capacity == left).tolist()
        weights = capacity.astype(float)
        weights[chosen] = 0.0
        wanted = base + (item < extra) - len(chosen)
        if wanted:
            chosen += rng.choice(
                len(sizes), wanted, replace=False, p=weights / weights.sum()
            ).tolist()
        for client in chosen:
            capacity[client] -= 1
            held[client].add(item)
    return held


def placement_rows() -> list[tuple[str, str, str]]:
    import numpy as np

    from fedenv.partitions.placement import place
    from fedenv.partitions.quota import beta_quota

    total = SMALL_CLIENTS * 500
    sizes = beta_quota(np.random.RandomState(0), SMALL_CLIENTS, total, 100, 1000, 1.0)
    times = []
    for work in (
        lambda: by_the_book(sizes.tolist(), SMALL_TASKS, 0),
        *[lambda: place(np.random.RandomState(0), sizes, SMALL_TASKS)] * 3,
    ):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    book, ours = times[0], min(times[1:])
    name = f"placement, {SMALL_CLIENTS} clients × {SMALL_TASKS:,} tasks (by the book: {book:.2f} s)"
    return [(name, f"{ours * 1e3:.0f} ms, {book / ours:.0f}×", "")]


def rows() -> list[tuple[str, str, str]]:
    """Return name, measured value and goal of everything measured here."""
    found = []
    for name in PARTITIONS:
        command = [sys.executable, __file__, name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        one = json.loads(done.stdout)
        what = f"{name}: {CLIENTS:,} clients × {TASKS:,} tasks ({one['tasks']:,.0f} assigned)"
        found.append((what, f"{one['seconds']:.1f} s CPU", "≤ 10 s"))
        found.append(("… peak memory of the process", f"{one['peak'] / 1e9:.2f} GB", "≤ 1 GB"))
        found.append(("… its digest", f"{one['digest']:.1f} s CPU", ""))
    return [*found, *placement_rows()]


if __name__ == "__main__":
    json.dump(measure(sys.argv[1]), sys.stdout)
