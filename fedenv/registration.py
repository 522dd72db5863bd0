"""The one table of environment ids, and their registration with Gymnasium."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

import gymnasium

from fedenv.errors import unknown_name
from fedenv.family import Family

VECTOR_ENTRY_POINT = "fedenv.vector:FedVectorEnv"


@dataclass(frozen=True)
class EnvRow:
    """One registered id.

    Attributes:
        id: Gymnasium id.
        entry_point: Environment class, ``module:name``.
        family: The family's object, ``module:name``.
        variant: The family's variant.
        max_episode_steps: Step limit of an episode.
        summary: What differs between clients, in one line.
    """

    id: str
    entry_point: str
    family: str
    variant: str
    max_episode_steps: int
    summary: str

    @property
    def family_name(self) -> str:
        """Short name of the family: ``"webshop"``, ``"alfworld"``."""
        return self.family.split(".")[1]

    def load_family(self) -> Family:
        """Import the family."""
        module, name = self.family.split(":")
        family: Family = getattr(import_module(module), name)
        return family


def _webshop(suffix: str, variant: str, summary: str) -> EnvRow:
    return EnvRow(
        id=f"FedWebShop{suffix}-v0",
        entry_point="fedenv.webshop.env:WebShopEnv",
        family="fedenv.webshop.world:FAMILY",
        variant=variant,
        max_episode_steps=15,
        summary=summary,
    )


def _alfworld(suffix: str, variant: str, summary: str) -> EnvRow:
    return EnvRow(
        id=f"FedALFWorld{suffix}-v0",
        entry_point="fedenv.alfworld.env:ALFWorldEnv",
        family="fedenv.alfworld.world:FAMILY",
        variant=variant,
        max_episode_steps=50,
        summary=summary,
    )


ENVIRONMENTS: Mapping[str, EnvRow] = {
    row.id: row
    for row in (
        _webshop("", "none", "nothing: every client shops in the reference shop"),
        _webshop("-CatalogSplit", "catalog-split", "which products the shop holds"),
        _webshop("-FieldSubset", "field-subset", "which product fields are indexed"),
        _webshop("-BM25Reweight", "bm25-reweight", "BM25's k1 and b"),
        _webshop("-Lookalike", "lookalike", "which lookalikes of the targets are on sale"),
        _webshop("-RankWrapper", "rank-wrapper", "the order in which results are shown"),
        _alfworld("", "none", "nothing: every client has ALFWorld's own house"),
        _alfworld("-InventorySplit", "inventory-split", "which classes of things exist"),
        _alfworld("-VisibilityMask", "visibility-mask", "which classes are seen without examining"),
        _alfworld("-DoorRule", "door-rule", "with which door an appliance heats or cools"),
        _alfworld(
            "-ShiftedContents", "shifted-contents", "whose contents a receptacle is shown with"
        ),
    )
}


def find_environment(env_id: str) -> EnvRow:
    """Return the row of an id.

    Raises:
        ConfigError: Unknown id; the message lists the known ones.
    """
    if env_id not in ENVIRONMENTS:
        raise unknown_name("environment id", env_id, ENVIRONMENTS)
    return ENVIRONMENTS[env_id]


def register_environments() -> None:
    """Register every id with Gymnasium; ids that are registered already are left alone."""
    for row in ENVIRONMENTS.values():
        if row.id in gymnasium.registry:
            continue
        gymnasium.register(
            id=row.id,
            entry_point=row.entry_point,
            vector_entry_point=VECTOR_ENTRY_POINT,
            max_episode_steps=row.max_episode_steps,
            kwargs={"env_id": row.id},
        )
