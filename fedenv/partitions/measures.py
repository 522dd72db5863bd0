"""Dispersion measures of an assignment (paper, Section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fedenv.tasks import TaskPool


def measures(pool: TaskPool, clients: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return the measures that need no success labels.

    Args:
        pool: The training tasks.
        clients: Task ids per client; no client may be empty.

    Returns:
        ``delta2_pref``: mean over clients of the squared Euclidean distance between the client's
        category distribution and the mean distribution; ``delta2_cov``: squared coefficient of
        variation of the number of tasks per client.
    """
    categories = sorted(set(pool.categories))
    column = {category: i for i, category in enumerate(categories)}
    of_task = {task.id: column[task.category] for task in pool.tasks}
    counts = np.zeros((len(clients), len(categories)))
    for client, tasks in enumerate(clients):
        counts[client] = np.bincount([of_task[t] for t in tasks], minlength=len(categories))
    sizes = counts.sum(axis=1)
    shares = counts / sizes[:, None]
    spread = ((shares - shares.mean(axis=0)) ** 2).sum(axis=1).mean()
    return {
        "delta2_pref": float(spread),
        "delta2_cov": float(sizes.var() / sizes.mean() ** 2),
    }
