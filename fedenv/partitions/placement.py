"""Placement: which client gets which item, when clients and items both have quotas.

The law: items take turns in a drawn order; each goes to its number of different clients, drawn one
after the other with probability in proportion to the capacity they have left. A client whose
capacity equals the number of items left must be chosen. So every item has floor(r) or ceil(r)
holders, no client holds an item twice, and by symmetry each client's items are a uniformly drawn
subset of its size.

Drawing a client in proportion to its capacity is drawing a *stub* from an urn with one stub per
unit of capacity. A shuffled list of all stubs, cut into blocks of one item each, therefore already
follows the law, except where a block names a client twice. Such a stub changes places with one
drawn from all later stubs, as in a shuffle that goes on, until the block is in order. Only as many
items as the largest client holds are at the end where somebody can be forced; they are drawn stub
by stub.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping

import numpy as np

MAX_REJECTIONS = 64
"""After so many stubs of clients that hold the item already, one is drawn from the others alone."""


def place(rng: np.random.RandomState, sizes: np.ndarray, num_items: int) -> np.ndarray:
    """Give every client as many different items as its size says, and every item its share.

    Args:
        rng: A frozen stream.
        sizes: Items per client, each at most ``num_items``: int64 of shape (N,).
        num_items: Number of items n.

    Returns:
        Items of all clients, client after client, ascending: int64 of shape (sum(sizes),).
    """
    total = int(sizes.sum())
    order = rng.permutation(num_items)
    quotas = np.full(num_items, total // num_items, dtype=np.int64)
    quotas[rng.permutation(num_items)[: total % num_items]] += 1
    starts = np.concatenate([[0], np.cumsum(quotas)])
    stubs = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    rng.shuffle(stubs)
    uniforms = _uniforms(rng)
    unforced = num_items - int(sizes.max())
    _settle(stubs, starts, unforced, len(sizes), uniforms)
    urn = stubs[starts[unforced] :].tolist()
    stubs[starts[unforced] :] = _draw_rest(urn, quotas[unforced:].tolist(), uniforms)
    items = np.repeat(order, quotas)
    keys = np.sort(stubs.astype(np.int64) * num_items + items)
    placed: np.ndarray = keys % num_items
    return placed


def _uniforms(rng: np.random.RandomState) -> Iterator[float]:
    while True:
        yield from rng.random_sample(4096).tolist()


def _settle(
    stubs: np.ndarray, starts: np.ndarray, stop: int, num_clients: int, uniforms: Iterator[float]
) -> None:
    """Bring the first ``stop`` blocks in order, in place."""
    widths = np.diff(starts[: stop + 1])
    block_of = np.repeat(np.arange(stop), widths)
    keys = np.sort(block_of * num_clients + stubs[: starts[stop]])
    repeated = keys[1:][keys[1:] == keys[:-1]] // num_clients
    waiting = np.unique(repeated).tolist()  # ascending, so a heap
    holders, edges, blocks = stubs.data, starts.data, block_of.data
    total = len(stubs)
    while waiting:
        block = heapq.heappop(waiting)
        seen: set[int] = set()
        for here in range(edges[block], edges[block + 1]):
            while holders[here] in seen:
                there = here + 1 + int(next(uniforms) * (total - here - 1))
                holders[here], holders[there] = holders[there], holders[here]
                if there < len(blocks) and blocks[there] > block:
                    heapq.heappush(waiting, blocks[there])
            seen.add(holders[here])


def _draw_rest(urn: list[int], quotas: list[int], uniforms: Iterator[float]) -> list[int]:
    """Draw the clients of the last items one by one, and those who are forced first."""
    num_items = len(quotas)
    capacity: dict[int, int] = defaultdict(int)
    for client in urn:
        capacity[client] += 1
    # A client is forced from the item on at which its capacity equals the number of items left.
    due: dict[int, list[int]] = defaultdict(list)
    for client, left in capacity.items():
        due[num_items - left].append(client)
    owed: dict[int, int] = defaultdict(int)  # stubs in the urn of clients drawn without one
    forced: dict[int, None] = {}
    drawn: list[int] = []
    for item, quota in enumerate(quotas):
        for client in due.pop(item, ()):
            if num_items - capacity[client] == item:
                forced[client] = None
        chosen = dict(forced)
        rejections = 0
        while len(chosen) < quota:
            if rejections > MAX_REJECTIONS:
                client = _weighted(capacity, chosen, next(uniforms))
                owed[client] += 1
            else:
                place = int(next(uniforms) * len(urn))
                client = urn[place]
                if client in chosen and client not in forced:
                    rejections += 1
                    continue
                urn[place] = urn[-1]
                urn.pop()
                if client in forced:  # its stubs count no more
                    continue
                spent = owed[client]
                if spent and next(uniforms) * (capacity[client] + spent) < spent:
                    owed[client] -= 1
                    continue
            chosen[client] = None
            capacity[client] -= 1
            due[num_items - capacity[client]].append(client)
        drawn.extend(chosen)
    return drawn


def _weighted(capacity: Mapping[int, int], chosen: Container[int], uniform: float) -> int:
    """Return a client that is not chosen, drawn in proportion to its capacity."""
    able = [client for client, left in capacity.items() if left and client not in chosen]
    steps = list(itertools.accumulate(capacity[client] for client in able))
    return able[bisect.bisect_right(steps, int(uniform * steps[-1]))]
