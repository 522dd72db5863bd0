"""The four stages together: one client's transition kernel as a value, and its search.

A :class:`PipelineConfig` says what each stage does; equal configurations have equal digests on
every machine. A :class:`Pipeline` runs one over shared postings.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from fedenv.errors import ConfigError, unknown_name
from fedenv.fingerprint import digest, digest_lines
from fedenv.webshop.catalog import Product
from fedenv.webshop.engine import ENGINES, Scorer, check_engine, query_tokens
from fedenv.webshop.index import TOKENIZERS
from fedenv.webshop.rendering import RankRule

FIELDS = ("name", "Title", "description", "features", "BulletPoints")
"""The fields that Okapi indexes, and that Field Subset chooses from."""
SHOP_FIELDS = ("Title", "description", "FirstBullet", "options")
"""The fields that Lucene indexes: the document of the original shop."""
INDEX_FIELDS = (*FIELDS, "FirstBullet", "options")
"""Legal names of fields."""
DEFAULT_RANK = RankRule()
STAGES = ("catalog", "index", "scoring", "rendering")


@dataclass(frozen=True)
class Stock:
    """Products that a shop holds besides those of the data.

    Attributes:
        name: What they are called in the shop's assets.
        digest: Name of their content.
    """

    name: str
    digest: str


@dataclass(frozen=True)
class PipelineConfig:
    """What the four stages of one client do.

    Attributes:
        kept: Codes of the products that the shop holds, in catalog order; None for all.
        added: Products that the shop holds besides; None for none.
        fields: Indexed fields in order, from ``INDEX_FIELDS``.
        tokenizer: ``"word"``, ``"whitespace"`` or ``"english"``.
        engine: ``"okapi"``, ``"lucene"`` or ``"pyserini"``.
        k1: BM25 term saturation, at least 0.
        b: BM25 length normalisation in [0, 1].
        search_return_n: How many results a search returns at most.
        rank: Order in which results are shown.
        client_seed: Seed of the rank rule's draws (42 + i).

    Raises:
        ConfigError: A value is unknown or out of range.
    """

    kept: tuple[str, ...] | None = None
    added: Stock | None = None
    fields: tuple[str, ...] = FIELDS
    tokenizer: str = "word"
    engine: str = "okapi"
    k1: float = 1.2
    b: float = 0.75
    search_return_n: int = 200
    rank: RankRule = DEFAULT_RANK
    client_seed: int = 0

    @classmethod
    def of_engine(cls, engine: str, **given: Any) -> PipelineConfig:
        """Return the unperturbed pipeline of an engine.

        Args:
            engine: ``"okapi"``, ``"lucene"`` or ``"pyserini"``.
            **given: What differs from the fields, tokenizer, k1 and b that the engine has by
                itself, and the other attributes.

        Raises:
            ConfigError: A value is unknown or out of range.
        """
        if engine not in ENGINES:
            raise unknown_name("engine", engine, ENGINES)
        fields = FIELDS if engine == "okapi" else SHOP_FIELDS
        own = {"fields": fields, **asdict(ENGINES[engine])}
        return cls(engine=engine, **{**own, **given})

    def __post_init__(self) -> None:
        if not self.fields:
            raise ConfigError(f"fields must name at least one of {', '.join(INDEX_FIELDS)}")
        for name in self.fields:
            if name not in INDEX_FIELDS:
                raise unknown_name("field", name, INDEX_FIELDS)
        if self.tokenizer not in TOKENIZERS:
            raise unknown_name("tokenizer", self.tokenizer, TOKENIZERS)
        check_engine(self.engine, self.tokenizer)
        if not self.k1 >= 0:
            raise ConfigError(f"k1 must be at least 0, got {self.k1!r}")
        if not 0 <= self.b <= 1:
            raise ConfigError(f"b must lie in [0, 1], got {self.b!r}")
        if self.search_return_n < 1:
            raise ConfigError(f"search_return_n must be at least 1, got {self.search_return_n!r}")

    @cached_property
    def digests(self) -> dict[str, str]:
        """Digest of each stage by name."""
        rank: dict[str, object] = {"kind": self.rank.kind}
        if self.rank.kind != "default":
            rank |= {**asdict(self.rank), "client_seed": self.client_seed}
        catalog: object = None if self.kept is None else digest_lines(self.kept)
        if self.added is not None:
            catalog = {"kept": catalog, "added": self.added.digest}
        stages = {
            "catalog": catalog,
            "index": {"fields": self.fields, "tokenizer": self.tokenizer},
            "scoring": {
                "engine": self.engine,
                "k1": float(self.k1),
                "b": float(self.b),
                "search_return_n": self.search_return_n,
            },
            "rendering": rank,
        }
        return {stage: digest([stage, stages[stage]]) for stage in STAGES}

    @cached_property
    def digest(self) -> str:
        """Name of the whole pipeline."""
        return digest(self.digests)


@dataclass(frozen=True)
class Pipeline:
    """One client's search over shared assets."""

    config: PipelineConfig
    scorer: Scorer
    num_products: int

    def search(self, query: str, episode_seed: int = 0, search_number: int = 0) -> list[int]:
        """Return product indices in the order in which this client's shop shows them.

        Args:
            query: What the agent typed.
            episode_seed: Seed of the episode; only rank rules that draw depend on it.
            search_number: 0 for the first search of the episode.
        """
        config = self.config
        tokens = query_tokens(config.engine, config.tokenizer, query)
        ranked, _ = self.scorer.top(tokens, config.search_return_n)
        order = config.rank.apply(
            ranked, self.num_products, config.client_seed, episode_seed, search_number
        )
        shown: list[int] = order.tolist()
        return shown


def index_document(product: Product) -> dict[str, tuple[str, ...]]:
    """Return the lower-cased texts of a product by the fields in ``INDEX_FIELDS`` (stage 2).

    The options read as in the original shop's index: "color: red, blue, and size: large".
    """
    options = ", and ".join(f"{name}: {', '.join(vs)}" for name, vs in product.options.items())
    texts = {
        "name": (product.name,),
        "Title": (product.name,),
        "description": (product.description,),
        "features": product.features,
        "BulletPoints": product.bullets,
        "FirstBullet": product.bullets[:1],
        "options": (options,),
    }
    return {field: tuple(map(str.lower, values)) for field, values in texts.items()}


def indexed_together(fields: tuple[str, ...]) -> tuple[str, ...]:
    """Return the fields that are tokenised with the given ones, so that clients share an index."""
    for group in (FIELDS, ("name", *SHOP_FIELDS)):
        if set(fields) <= set(group):
            return group
    return INDEX_FIELDS
