"""Where every random number of the project comes from.

Two kinds of streams exist. *Paper rules* are ``numpy.random.RandomState`` seeded as the FedAgent
paper says (``RandomState(42 + i)`` with the 1-based client index ``i = client_id + 1``).
*Named streams* are derived from a path of names and numbers by SHA-256, so that two different
uses never share a draw. Whatever a digest covers is drawn from frozen streams only: a
``RandomState``, or bits of the hash itself, never a ``Generator`` method whose stream NumPy may
change between versions.

Nothing here reads or writes a global generator.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from math import fsum
from typing import TypeVar

import numpy as np

PathPart = str | int | float | bool | None
_T = TypeVar("_T")


def _hash_path(path: tuple[PathPart, ...]) -> bytes:
    text = json.dumps(path, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).digest()


def bits_for(*path: PathPart, bits: int = 32) -> int:
    """Return ``bits`` (1 to 256) bits of the SHA-256 of the path, as a non-negative int."""
    return int.from_bytes(_hash_path(path), "big") >> (256 - bits)


def uniform_for(*path: PathPart) -> float:
    """Return one frozen draw, uniform on [0, 1), named by the path."""
    return bits_for(*path, bits=53) * 2.0**-53


def index_for(n: int, *path: PathPart) -> int:
    """Return one frozen draw, uniform on ``0 .. n-1``, named by the path.

    The modulo bias is below ``n / 2**128``.
    """
    return bits_for(*path, bits=128) % n


def frozen_rng(*path: PathPart) -> np.random.RandomState:
    """Return a legacy generator (its stream is frozen by NumPy) named by the path."""
    return np.random.RandomState(bits_for(*path, bits=32))


def wide_rng(*path: PathPart) -> np.random.RandomState:
    """Return a legacy generator like :func:`frozen_rng`, from 256 bits.

    For uses with thousands of streams: of 10,000 streams of 32 bits, two are equal with a
    probability of 1 %.
    """
    return np.random.RandomState(_words(path))


def wide_rngs(count: int, *path: PathPart) -> Iterator[np.random.RandomState]:
    """Yield the generators ``wide_rng(*path, 0)`` to ``wide_rng(*path, count - 1)``.

    It is one object, seeded anew (20 times as fast as a new one): each is valid until the next.
    """
    generator = np.random.RandomState(0)
    for number in range(count):
        generator.seed(_words((*path, number)))
        yield generator


def _words(path: tuple[PathPart, ...]) -> np.ndarray:
    return np.frombuffer(_hash_path(path), dtype=">u4").astype(np.uint32)


def rng_for(*path: PathPart) -> np.random.Generator:
    """Return a modern generator named by the path, for draws that no digest covers."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(bits_for(*path, bits=128))))


class Draw:
    """Frozen draws of one named stream, from uniform doubles only.

    Args:
        path: Names the stream, as in :func:`frozen_rng`.
    """

    def __init__(self, *path: PathPart) -> None:
        self._rng = frozen_rng(*path)

    def unit(self) -> float:
        """Return one draw, uniform on [0, 1)."""
        return float(self._rng.random_sample())

    def below(self, n: int) -> int:
        """Return an integer of ``0 .. n-1``."""
        return min(int(self.unit() * n), n - 1)

    def chance(self, p: float) -> bool:
        """Return true with probability ``p``."""
        return self.unit() < p

    def pick(self, items: Sequence[_T]) -> _T:
        """Return one of the items."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[_T]) -> list[_T]:
        """Return the items in random order."""
        pool = list(items)
        for last in range(len(pool) - 1, 0, -1):
            other = self.below(last + 1)
            pool[last], pool[other] = pool[other], pool[last]
        return pool

    def sample(self, items: Sequence[_T], k: int) -> list[_T]:
        """Return ``k`` different items in random order."""
        return self.shuffled(items)[:k]

    def weighted(self, items: Sequence[_T], weights: Sequence[float]) -> _T:
        """Return one item, drawn with the weights."""
        left = self.unit() * fsum(weights)
        for item, weight in zip(items, weights, strict=True):
            left -= weight
            if left < 0:
                return item
        return items[-1]


def pool_index(client_id: int, pool_size: int, federation_seed: int) -> int:
    """Return the entry of a variant pool that a client holds in every round.

    Paper: Algorithm 6, ``RandomState(42 + i).randint(|V|)`` with ``i = client_id + 1``.

    Args:
        client_id: 0-based client index.
        pool_size: Number of configurations in the pool, ``|V|``.
        federation_seed: The paper's seed sigma_0 (42).
    """
    return int(np.random.RandomState(client_seed(client_id, federation_seed)).randint(pool_size))


def client_seed(client_id: int, federation_seed: int) -> int:
    """Return the paper's per-client seed, ``sigma_0 + i`` with ``i = client_id + 1``."""
    return federation_seed + client_id + 1


def shared_uniforms(size: int, federation_seed: int) -> np.ndarray:
    """Return the draws u that all clients share in Catalog Split (paper, Algorithm 5)."""
    return np.random.RandomState(federation_seed).random_sample(size)


def client_uniforms(size: int, client_id: int, federation_seed: int) -> np.ndarray:
    """Return the draws v_i that one client has in Catalog Split (paper, Algorithm 5)."""
    return np.random.RandomState(federation_seed + 1000 * (client_id + 1)).random_sample(size)
