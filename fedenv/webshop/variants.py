"""The environment-level variants: which stage each client's pipeline replaces, and with what.

Source: paper, Section 3.2 and Appendix I; the pools and their order are the paper's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fedenv import seeding
from fedenv.errors import ConfigError
from fedenv.webshop.catalog import Catalog, catalog_split
from fedenv.webshop.lookalikes import POOLS
from fedenv.webshop.pipeline import FIELDS, PipelineConfig, Stock
from fedenv.webshop.rendering import RANK_RULES, RankRule

FIELD_SUBSETS = (
    FIELDS,
    ("name", "Title"),
    ("description",),
    ("BulletPoints",),
    ("features",),
    ("name", "BulletPoints"),
    ("description", "features"),
    ("Title", "description", "features", "BulletPoints"),
)
BM25_CONFIGURATIONS = (
    *((1.2, 0.75), (0.3, 0.75), (5.0, 0.75), (1.2, 0.0)),
    *((0.1, 0.75), (1.2, 1.0), (2.0, 0.5), (0.3, 0.0)),
)


@dataclass(frozen=True)
class Variant:
    """One family of client-specific environments.

    Attributes:
        name: Key in ``VARIANTS``.
        stage: The pipeline stage that differs between clients; None for the unperturbed shop.
        pool: The configurations V that clients are assigned from, as changes to the unperturbed
            pipeline.
        knobs: Names and defaults of the keyword arguments that only this variant has.
        engine: Retrieval engine of the clients' own kernels: Okapi where a variant perturbs the
            index or what follows it, as in the paper, else that of the reference kernel.
    """

    name: str
    stage: str | None = None
    pool: tuple[Mapping[str, Any], ...] = ()
    knobs: Mapping[str, Any] = field(default_factory=dict)
    engine: str = "okapi"

    def resolve_knobs(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the variant's knobs with defaults filled in.

        Raises:
            ConfigError: The pool size is out of range.
        """
        knobs = {name: given.get(name, default) for name, default in self.knobs.items()}
        size = knobs.get("pool_size")
        if size is not None and not (isinstance(size, int) and 1 <= size <= len(self.pool)):
            raise ConfigError(f"pool_size must lie in 1..{len(self.pool)}, got {size!r}")
        return knobs


VARIANTS: Mapping[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant("none", engine="lucene"),
        Variant(
            "catalog-split",
            "catalog",
            knobs={"env_div": 1.0, "keep_ratio": 0.7},
            engine="lucene",
        ),
        Variant(
            "field-subset",
            "index",
            pool=tuple({"fields": fields} for fields in FIELD_SUBSETS),
            knobs={"pool_size": 4},
        ),
        Variant(
            "bm25-reweight",
            "scoring",
            pool=tuple({"k1": k1, "b": b} for k1, b in BM25_CONFIGURATIONS),
            knobs={"pool_size": 4},
        ),
        Variant(
            "lookalike",
            "catalog",
            pool=tuple({"lookalikes": name} for name in POOLS),
            knobs={"pool_size": 4},
        ),
        Variant(
            "rank-wrapper",
            "rendering",
            pool=tuple({"kind": kind} for kind in RANK_RULES),
            knobs={"pool_size": 4, "surface_k": 10, "shuffle_k": 50, "random_prob": 0.5},
        ),
    )
}


@dataclass(frozen=True)
class ClientPipeline:
    """What one client was assigned: its entry of the pool (None without a pool), its stages."""

    pool_index: int | None
    config: PipelineConfig


def client_pipeline(
    variant: Variant,
    knobs: Mapping[str, Any],
    unperturbed: PipelineConfig,
    catalog: Catalog,
    lookalike_digest: Callable[[str], str],
    goals: str,
    client_id: int,
    federation_seed: int,
) -> ClientPipeline:
    """Return the pipeline that a client has in every round.

    Args:
        variant: The family.
        knobs: The variant's knobs, resolved.
        unperturbed: What the variant changes; stages that it leaves alone come from it.
        catalog: The products.
        lookalike_digest: Returns the name of the content of a pool of lookalikes.
        goals: Kind of goals, which decides the targets of Catalog Split.
        client_id: 0-based client index.
        federation_seed: The paper's seed sigma_0.
    """
    if variant.name == "catalog-split":
        asins = catalog_split(
            catalog.asins,
            catalog.targets(goals),
            catalog.holdout,
            client_id,
            knobs["env_div"],
            knobs["keep_ratio"],
            federation_seed,
        )
        return ClientPipeline(None, replace(unperturbed, kept=tuple(asins)))
    if not variant.pool:
        return ClientPipeline(None, unperturbed)
    index = seeding.pool_index(client_id, knobs["pool_size"], federation_seed)
    change = variant.pool[index]
    if variant.name == "lookalike":
        pool = change["lookalikes"]
        stock = Stock(pool, lookalike_digest(pool))
        return ClientPipeline(index, replace(unperturbed, added=stock))
    if variant.name == "rank-wrapper":
        windows = {name: knobs[name] for name in ("surface_k", "shuffle_k", "random_prob")}
        seed = seeding.client_seed(client_id, federation_seed)
        rule = RankRule(**change, **windows)
        return ClientPipeline(index, replace(unperturbed, rank=rule, client_seed=seed))
    return ClientPipeline(index, replace(unperturbed, **change))


def pool_label(change: Mapping[str, Any]) -> str:
    """Return a short name of one configuration of a pool, for tables and figures."""
    if len(change) > 1:
        return ", ".join(f"{name}={value}" for name, value in change.items())
    (value,) = change.values()
    if isinstance(value, str):
        return value
    more = f" + {len(value) - 2} more" if len(value) > 2 else ""
    return " + ".join(value[:2]) + more
