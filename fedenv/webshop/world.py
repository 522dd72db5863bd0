"""WebShop as a family of federated environments: what the core asks of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from fedenv.errors import DataError
from fedenv.family import DerivedFile, Progress
from fedenv.partitions.labels import Labels
from fedenv.tasks import TaskSplits
from fedenv.webshop.catalog import load_catalog
from fedenv.webshop.config import SPLIT_BY, WebShopConfig, legal_knobs
from fedenv.webshop.files import find_files
from fedenv.webshop.goals import GOAL_KINDS, build_goals
from fedenv.webshop.lookalike_report import derive
from fedenv.webshop.lookalike_shop import with_lookalikes
from fedenv.webshop.saved import open_index
from fedenv.webshop.saving import save_index
from fedenv.webshop.shop import Shop, ShopKernel, open_shop
from fedenv.webshop.variants import VARIANTS, ClientPipeline, client_pipeline, pool_label


@dataclass(frozen=True)
class WebShopWorld:
    """One shop with one set of knobs."""

    shop: Shop
    config: WebShopConfig

    @property
    def knobs(self) -> Mapping[str, Any]:
        """Every knob with its value; the tagger with its version."""
        return {**self.config.knobs, "noun_tagger": self.shop.tagger.name}

    @property
    def data_digest(self) -> str:
        """Digest of the data files' contents."""
        return self.shop.catalog.digest

    @property
    def splits(self) -> TaskSplits:
        """The goals and their split."""
        return self.shop.splits(self.config.split_by)

    @property
    def pool_labels(self) -> tuple[str, ...]:
        """A short name of each configuration that clients are assigned from."""
        size = self.config.variant_knobs.get("pool_size", 0)
        return tuple(map(pool_label, self.config.variant.pool[:size]))

    def labels(self) -> Labels | None:
        """Read the labels file beside the data.

        Raises:
            DataError: The file is broken or was made for other data.
        """
        path = self.shop.files.labels
        if path is None:
            return None
        labels = Labels.load(path)
        if labels.provenance.data_digest != self.data_digest:
            raise DataError(
                f"{path}: these labels were made for data {labels.provenance.data_digest}, the "
                f"data here is {self.data_digest}; make new labels or remove the file"
            )
        return labels

    def kernel(self, client_id: int | None, federation_seed: int) -> ShopKernel:
        """Return a client's shop; for None the reference."""
        config = self.config
        client = ClientPipeline(None, config.reference)
        if client_id is not None:
            client = client_pipeline(
                config.variant,
                config.variant_knobs,
                config.unperturbed,
                self.shop.catalog,
                lambda pool: with_lookalikes(self.shop).pools[pool].digest,
                config.goals,
                client_id,
                federation_seed,
            )
        shop = self.shop if client.config.added is None else with_lookalikes(self.shop)
        return ShopKernel(shop, client.config, config.observation_mode, client.pool_index)


class WebShopFamily:
    """Opens WebShop worlds."""

    @property
    def knobs(self) -> Mapping[str, Mapping[str, str]]:
        """Per variant: legal knob names and what they mean."""
        return {variant: legal_knobs(variant) for variant in VARIANTS}

    @property
    def agents(self) -> Mapping[str, str]:
        """The scripted agents of WebShop."""
        return {
            "first": "fedenv.webshop.agents:FirstAgent",
            "keyword": "fedenv.webshop.agents:KeywordAgent",
            "oracle": "fedenv.webshop.oracle:OracleAgent",
        }

    @property
    def category_titles(self) -> Mapping[str, str]:
        """Nothing: results on WebShop are not published by category."""
        return {}

    @property
    def disagreement(self) -> str:
        """Searches, compared by their first results."""
        return "fedenv.webshop.disagreement:DISAGREEMENT"

    def stamp(self, data: str | None) -> Hashable:
        """Return paths, sizes and times of the data files."""
        return find_files(data).stamp()

    def describe_data(self, data: str | None) -> Mapping[str, int | str]:
        """Load a data set in the public format and count what is in it."""
        files = find_files(data)
        catalog = load_catalog(files)
        counts: dict[str, int | str] = {
            **{role: path.name for role, path in files.present.items()},
            "number of products": len(catalog.products),
            "… with an instruction": len(catalog.targets()),
            "… with instructions by people": len(catalog.targets("human")),
            "… held out": len(catalog.holdout),
            "lookalikes": files.lookalikes.name if files.lookalikes else "made when needed",
            "synthetic goals": len(build_goals(catalog, "synthetic")),
            "human goals": len(build_goals(catalog, "human")),
        }
        for kind in (kind for kind in GOAL_KINDS if counts[f"{kind} goals"]):
            shop = open_shop(files, kind, "rules")
            for split_by in SPLIT_BY:
                sizes = {name: len(part) for name, part in shop.splits(split_by).positions.items()}
                counts[f"{kind} goals split by {split_by}"] = str(sizes)[1:-1].replace("'", "")
        return {**counts, "digest": catalog.digest}

    def derive_lookalikes(self, data: str | None) -> DerivedFile:
        """Make the pools of the Lookalike variant for a data set."""
        return derive(find_files(data))

    def index_data(self, data: str, progress: Progress) -> Mapping[str, int | str]:
        """Save the index of a folder in the public format."""
        files = find_files(data)
        folder = save_index(files, progress)
        saved = open_index(files)
        assert saved is not None
        return {
            "index": str(folder),
            "number of products": len(saved.catalog.products),
            **{f"{kind} goals": len(saved.goals(kind)) for kind in GOAL_KINDS},
            "size in MB": round(saved.size / 1e6),
            "digest": saved.catalog.digest,
        }

    def open(self, variant: str, data: str | None, knobs: Mapping[str, Any]) -> WebShopWorld:
        """Open the bundled catalog or a folder in the public format."""
        config = WebShopConfig.resolve(variant, knobs)
        shop = open_shop(find_files(data), config.goals, config.noun_tagger)
        return WebShopWorld(shop, config)


FAMILY = WebShopFamily()
