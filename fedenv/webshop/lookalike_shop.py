"""The shop of the Lookalike variant: the products of the data, and behind them the lookalikes.

All clients of a process share one :class:`LookalikeShop` with the products of all pools. What a
client's shop holds is a mask over it: the data's products and its own pool. Statistics (N, df,
average length) are those of what it holds, results show nothing else, and the reference shop is
another object that knows no lookalike.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np

from fedenv.webshop.catalog import Catalog
from fedenv.webshop.files import DataFiles
from fedenv.webshop.lookalike_generator import generate
from fedenv.webshop.lookalikes import Lookalike, LookalikePool, make_pool, read
from fedenv.webshop.pipeline import PipelineConfig
from fedenv.webshop.shop import Shop

_logger = logging.getLogger(__name__)


def open_pools(files: DataFiles, catalog: Catalog) -> dict[str, LookalikePool]:
    """Return the pools of a data set: read from its lookalikes file, or made in memory.

    Args:
        files: The data set.
        catalog: Its products.

    Raises:
        DataError: The file is broken or was made for other data.
    """
    pools: Mapping[str, Iterable[Lookalike]]
    if files.lookalikes is not None:
        pools = read(files.lookalikes)
    else:
        _logger.info("%s: no lookalikes file beside it; making them in memory", files.products)
        pools = {pool.name: pool.lookalikes for pool in generate(catalog)}
    opened = {name: make_pool(name, catalog, pool) for name, pool in pools.items()}
    for name, pool in opened.items():
        if not pool.products:
            _logger.warning(
                "%s: the pool %r has no lookalikes; clients that get it have the reference shop",
                files.products,
                name,
            )
    return opened


class LookalikeShop(Shop):
    """A shop with the lookalikes of every pool behind its products; goals and splits stay.

    Attributes:
        pools: The pools by name, in the order in which their products follow the data's.

    Args:
        base: The shop of the data.
    """

    def __init__(self, base: Shop) -> None:
        self._base = base
        self.files, self.goal_kind = base.files, base.goal_kind
        self.goals, self.tagger = base.goals, base.tagger
        self._saved = None  # what is saved knows no lookalike
        self.pools = open_pools(base.files, base.catalog)
        products = (product for pool in self.pools.values() for product in pool.products)
        self.catalog = base.catalog.extend(products)
        self._places: dict[str, slice] = {}
        start = len(base.products)
        for name, pool in self.pools.items():
            self._places[name] = slice(start, start := start + len(pool.products))
        self._open()

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return with_lookalikes, (self._base,)

    def _on_sale(self, config: PipelineConfig) -> np.ndarray | None:
        mask = self.catalog.mask(config.kept or ())
        if config.kept is None:
            mask[: len(self._base.products)] = True
        if config.added is not None:
            mask[self._places[config.added.name]] = True
        return mask


_build_lock = threading.Lock()


def with_lookalikes(shop: Shop) -> LookalikeShop:
    """Return the shop with its lookalikes, built once per process and shop."""
    with _build_lock:
        return _extend(shop)


@lru_cache(maxsize=8)
def _extend(shop: Shop) -> LookalikeShop:
    return LookalikeShop(shop)
