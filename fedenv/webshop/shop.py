"""One data set, loaded once per process and shared read-only by every client.

:class:`Shop` holds what no client changes: catalog, goals, token postings, nouns, page fragments.
A :class:`ShopKernel` is one client's shop: the shared assets behind its own pipeline.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache

import numpy as np

from fedenv import seeding
from fedenv.data import Stamp
from fedenv.errors import ConfigError
from fedenv.tasks import Task, TaskSplits
from fedenv.webshop.actions import click
from fedenv.webshop.catalog import Catalog, Product, load_catalog
from fedenv.webshop.engine import Scorer, open_scorer
from fedenv.webshop.files import DataFiles
from fedenv.webshop.goals import Goal, build_goals
from fedenv.webshop.index import FieldIndex, join_fields
from fedenv.webshop.nouns import get_tagger
from fedenv.webshop.pages import Pages, make_pages
from fedenv.webshop.pipeline import (
    Pipeline,
    PipelineConfig,
    index_document,
    indexed_together,
)
from fedenv.webshop.reward import Reward, purchase_reward
from fedenv.webshop.saved import SavedIndex, open_index
from fedenv.webshop.session import ItemMenu, Session

NUM_VALIDATION = 500
TEST_SHARE = 0.2

_logger = logging.getLogger(__name__)


class Shop:
    """The assets of one data set with one kind of goals and one noun tagger."""

    def __init__(
        self, files: DataFiles, goals: str, noun_tagger: str, saved: SavedIndex | None = None
    ) -> None:
        self._arguments = (files, goals, noun_tagger)
        self.files = files
        self._saved = saved
        self.catalog: Catalog = saved.catalog if saved else load_catalog(files)
        self.goal_kind = goals
        self.goals: Sequence[Goal] = (
            saved.goals(goals) if saved else build_goals(self.catalog, goals)
        )
        if not self.goals:
            source = "items_human_ins.json" if goals == "human" else "items_ins_v2"
            raise ConfigError(
                f"{files.products}: the data set has no {goals} goals; "
                f"does {source} hold an instruction for any product?"
            )
        self.tagger = get_tagger(noun_tagger)
        self._open()

    def _open(self) -> None:
        """Start with empty caches for the products of the catalog."""
        self._nouns: dict[int, tuple[str, ...]] = {}
        self._menus: dict[int, ItemMenu] = {}
        self._links: dict[int, str] = {}
        self._find = (
            self._saved.find
            if self._saved
            else {asin.lower(): i for i, asin in enumerate(self.catalog.asins)}.get
        )
        self._pages: dict[str, Pages] = {}
        self._scorers: dict[tuple[object, ...], Scorer] = {}
        self._indices: dict[tuple[str, tuple[str, ...]], FieldIndex] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        # A copy in another process is that process's own shop of the same data.
        return open_shop, self._arguments

    @property
    def products(self) -> Sequence[Product]:
        """All products of the catalog."""
        return self.catalog.products

    def splits(self, split_by: str) -> TaskSplits:
        """Return the tasks and their split; cached.

        The order of the goals is drawn from a stream that depends on the data alone. With
        ``split_by="product"`` the goals of a fixed fifth of the products that carry an instruction
        form ``test``; ``val`` is the first 500 of the others (half of them on small data), and
        ``train`` the rest.
        """
        return self._splits_by_product if split_by == "product" else self._splits_by_goal

    @cached_property
    def _splits_by_goal(self) -> TaskSplits:
        return self._split(frozenset())

    @cached_property
    def _splits_by_product(self) -> TaskSplits:
        products = np.unique(self._goal_products)
        rng = seeding.frozen_rng("webshop", "test-products", self.catalog.digest, self.goal_kind)
        chosen = rng.permutation(products)[: round(TEST_SHARE * len(products))]
        return self._split(frozenset(chosen.tolist()))

    def _split(self, test_products: frozenset[int]) -> TaskSplits:
        rng = seeding.frozen_rng("webshop", "goal-order", self.catalog.digest, self.goal_kind)
        order = rng.permutation(len(self.goals)).tolist()
        product_of = self._goal_products.tolist()
        rest = [i for i in order if product_of[i] not in test_products]
        cut = min(NUM_VALIDATION, len(rest) // 2)
        positions = {"train": tuple(rest[cut:]), "val": tuple(rest[:cut])}
        if test_products:
            positions["test"] = tuple(i for i in order if product_of[i] in test_products)
        return TaskSplits(self._tasks, positions)

    @cached_property
    def _goal_products(self) -> np.ndarray:
        if self._saved:
            return self._saved.goal_products(self.goal_kind)
        return np.array([goal.product for goal in self.goals])

    @cached_property
    def _tasks(self) -> tuple[Task, ...]:
        if self._saved:
            return tuple(self._saved.tasks(self.goal_kind))
        return tuple(Task(goal.task_id, goal.category) for goal in self.goals)

    def pages(self, mode: str) -> Pages:
        """Return the page texts in an observation mode, with their shared fragments."""
        pages = self._pages.get(mode)
        if pages is None:
            pages = self._pages[mode] = make_pages(self.catalog, mode)
        return pages

    def find(self, label: str) -> int | None:
        """Return the index of the product whose lower-cased code is ``label``."""
        return self._find(label)

    def link(self, product: int) -> str:
        """Return the action that opens a product from a result page."""
        link = self._links.get(product)
        if link is None:
            link = self._links[product] = click(self.products[product].asin.lower())
        return link

    def menu(self, product: int) -> ItemMenu:
        """Return what can be clicked on a product's page."""
        menu = self._menus.get(product)
        if menu is None:
            menu = self._menus[product] = ItemMenu(self.products[product])
        return menu

    def nouns(self, product: int) -> tuple[str, ...]:
        """Return the nouns of a product's title, tagged once."""
        nouns = self._nouns.get(product)
        if nouns is None:
            nouns = self._nouns[product] = self.tagger.nouns(self.products[product].name)
        return nouns

    def reward(self, product: int, goal: Goal, chosen: Mapping[str, str]) -> Reward:
        """Return the reward of buying a product with the chosen options."""
        bought = self.products[product]
        return purchase_reward(bought, goal, chosen, self.nouns(product), self.nouns(goal.product))

    def pipeline(self, config: PipelineConfig) -> Pipeline:
        """Return a pipeline; scoring views are shared by equal configurations."""
        key = (
            config.kept,
            config.added,
            config.fields,
            config.tokenizer,
            config.engine,
            config.k1,
            config.b,
        )
        with self._lock:
            scorer = self._scorers.get(key)
            if scorer is None:
                scorer = self._scorers[key] = self._scorer(config)
        return Pipeline(config, scorer, len(self.products))

    def _scorer(self, config: PipelineConfig) -> Scorer:
        mask = self._on_sale(config)
        if config.engine == "pyserini":
            texts = join_fields(map(index_document, self.products), config.fields)
            return open_scorer(config.engine, texts, config.k1, config.b, mask)
        postings = self._index(config).postings(config.fields)
        return open_scorer(config.engine, postings, config.k1, config.b, mask)

    def _index(self, config: PipelineConfig) -> FieldIndex:
        names = indexed_together(config.fields)
        key = (config.tokenizer, names)
        index = self._indices.get(key)
        if index is None:
            index = self._indices[key] = self._open_fields(config.tokenizer, names)
        return index

    def _open_fields(self, tokenizer: str, names: tuple[str, ...]) -> FieldIndex:
        if self._saved:
            if self._saved.holds(tokenizer):
                return self._saved.field_index(tokenizer)
            _logger.warning(
                "%s: the saved index holds nothing for tokenizer %r; all products are analysed "
                "and indexed in memory",
                self.files.products,
                tokenizer,
            )
        documents = map(index_document, self.products)
        chosen = [{name: document[name] for name in names} for document in documents]
        return FieldIndex.build(chosen, tokenizer)

    def _on_sale(self, config: PipelineConfig) -> np.ndarray | None:
        """Return which products a pipeline's shop holds, boolean; None for all."""
        return None if config.kept is None else self.catalog.mask(config.kept)


class ShopKernel:
    """One client's shop (or the reference): shared assets behind one pipeline.

    What a session calls at every step is bound once here.
    """

    def __init__(
        self, shop: Shop, config: PipelineConfig, observation_mode: str, pool_index: int | None
    ) -> None:
        self._arguments = (shop, config, observation_mode, pool_index)
        self.config = config
        self.pool_index = pool_index
        self.pages = shop.pages(observation_mode)
        self.search = shop.pipeline(config).search
        self.products = shop.products
        self.goals = shop.goals
        self.find = shop.find
        self.link = shop.link
        self.menu = shop.menu
        self.reward = shop.reward

    def __reduce__(self) -> tuple[type[ShopKernel], tuple[object, ...]]:
        return ShopKernel, self._arguments

    @property
    def digests(self) -> Mapping[str, str]:
        """Digest of each pipeline stage."""
        return self.config.digests

    @property
    def digest(self) -> str:
        """Name of the whole pipeline."""
        return self.config.digest

    def begin(self, task: int, episode_seed: int) -> Session:
        """Start an episode on the goal at a position."""
        return Session(self, self.goals[task], episode_seed)


_build_lock = threading.Lock()


def open_shop(files: DataFiles, goals: str, noun_tagger: str) -> Shop:
    """Return the shop of a data set, built once per process and state of its files."""
    with _build_lock:
        return _build_shop(files, files.stamp(), goals, noun_tagger)


@lru_cache(maxsize=8)
def _build_shop(files: DataFiles, stamp: Stamp, goals: str, noun_tagger: str) -> Shop:
    return Shop(files, goals, noun_tagger, open_index(files))
