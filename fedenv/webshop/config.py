"""Every keyword argument of the WebShop ids, checked in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedenv.errors import ConfigError, unknown_name
from fedenv.family import COMMON_ARGUMENTS
from fedenv.webshop.goals import GOAL_KINDS
from fedenv.webshop.pages import OBSERVATION_MODES
from fedenv.webshop.pipeline import INDEX_FIELDS, PipelineConfig
from fedenv.webshop.rendering import RankRule
from fedenv.webshop.variants import VARIANTS, Variant

SPLIT_BY = ("goal", "product")
REFERENCE_ENGINE = "lucene"
"""Retrieval engine of the reference kernel: the original shop's, as in the paper."""

KNOBS: Mapping[str, str] = {
    "split_by": '"goal" (val is the first 500 goals) or "product" (adds a test split)',
    "goals": '"synthetic" or "human" (needs items_human_ins.json)',
    "noun_tagger": '"rules", "spacy" or "spacy:<model>": the tagger of the type reward',
    "observation_mode": '"text" or "text_rich"',
    "engine": '"okapi", "lucene", or "pyserini" (Lucene itself, extra lucene), for all kernels',
    "k1": "BM25 term saturation, a number of at least 0",
    "b": "BM25 length normalisation, a number in [0, 1]",
    "fields": f"indexed fields, a list from {', '.join(INDEX_FIELDS)}",
    "tokenizer": '"word", "whitespace" or "english"',
    "search_return_n": "results of a search at most, an integer of at least 1",
}
VARIANT_KNOBS: Mapping[str, str] = {
    "pool_size": "number of configurations that clients are assigned from",
    "env_div": "share of a client's own draws, a number in [0, 1]",
    "keep_ratio": "share of the other products that a client keeps, a number in [0, 1]",
    "surface_k": "window of the rank rules in products (10: page one; 200: reported runs)",
    "shuffle_k": "window of the shuffle in products",
    "random_prob": "probability per search of a random front, a number in [0, 1]",
}
_NUMBERS = ("k1", "b", "env_div", "keep_ratio", "random_prob")
_INTEGERS = ("search_return_n", "surface_k", "shuffle_k", "pool_size")


@dataclass(frozen=True)
class WebShopConfig:
    """The resolved choices of one world.

    Attributes:
        variant: The environment-level variant.
        variant_knobs: Its own knobs, resolved.
        reference: The pipeline of the reference kernel.
        unperturbed: What the variant changes per client; another engine's, unless one was given.
        split_by: ``"goal"`` or ``"product"``.
        goals: ``"synthetic"`` or ``"human"``.
        noun_tagger: Name of the tagger of the type reward.
        observation_mode: ``"text"`` or ``"text_rich"``.
    """

    variant: Variant
    variant_knobs: Mapping[str, Any]
    reference: PipelineConfig
    unperturbed: PipelineConfig
    split_by: str
    goals: str
    noun_tagger: str
    observation_mode: str

    @classmethod
    def resolve(cls, variant: str, given: Mapping[str, Any]) -> WebShopConfig:
        """Check the caller's knobs and fill in defaults; None stands for the default.

        Raises:
            ConfigError: A knob is unknown, has the wrong type, or is out of range; the message
                lists what is legal.
        """
        family = VARIANTS[variant]
        legal = legal_knobs(variant)
        for name, value in given.items():
            if name not in legal:
                raise ConfigError(
                    f"unknown argument {name!r}; legal here: {', '.join(COMMON_ARGUMENTS)}, "
                    f"and\n{_listing(legal)}"
                )
            if value is not None:
                _check_type(name, value, legal[name])
        given = {
            name: float(value) if name in _NUMBERS else value
            for name, value in given.items()
            if value is not None
        }
        stages: dict[str, Any] = {
            name: tuple(given[name]) if name == "fields" else given[name]
            for name in ("fields", "tokenizer", "k1", "b", "search_return_n")
            if name in given
        }
        reference, unperturbed = (
            PipelineConfig.of_engine(given.get("engine", engine), **stages)
            for engine in (REFERENCE_ENGINE, family.engine)
        )
        knobs = family.resolve_knobs(given)
        _check_ranges(knobs)
        return cls(
            variant=family,
            variant_knobs=knobs,
            reference=reference,
            unperturbed=unperturbed,
            split_by=_choice("split_by", given.get("split_by", "goal"), SPLIT_BY),
            goals=_choice("goals", given.get("goals", "synthetic"), GOAL_KINDS),
            noun_tagger=given.get("noun_tagger", "rules"),
            observation_mode=_choice(
                "observation_mode", given.get("observation_mode", "text"), OBSERVATION_MODES
            ),
        )

    @property
    def knobs(self) -> dict[str, Any]:
        """Every knob with its value, JSON only.

        Those of the stages are the reference's; ``"client"`` holds the ones that the clients'
        unperturbed pipeline has otherwise, if there are any.
        """
        reference, client = _stage_knobs(self.reference), _stage_knobs(self.unperturbed)
        differing = {name: value for name, value in client.items() if value != reference[name]}
        return {
            "split_by": self.split_by,
            "goals": self.goals,
            "noun_tagger": self.noun_tagger,
            "observation_mode": self.observation_mode,
            **reference,
            **self.variant_knobs,
            **({"client": differing} if differing else {}),
        }


def legal_knobs(variant: str) -> dict[str, str]:
    """Return the names of the knobs that a variant's ids accept, and what they mean."""
    return {**KNOBS, **{name: VARIANT_KNOBS[name] for name in VARIANTS[variant].knobs}}


def _stage_knobs(config: PipelineConfig) -> dict[str, Any]:
    return {
        "engine": config.engine,
        "k1": config.k1,
        "b": config.b,
        "fields": list(config.fields),
        "tokenizer": config.tokenizer,
        "search_return_n": config.search_return_n,
    }


def _listing(legal: Mapping[str, str]) -> str:
    return "\n".join(f"  {name}: {meaning}" for name, meaning in legal.items())


def _choice(name: str, value: Any, legal: Any) -> str:
    if value not in legal:
        raise unknown_name(name, value, legal)
    return str(value)


def _check_type(name: str, value: Any, meaning: str) -> None:
    if name in _NUMBERS:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
    elif name in _INTEGERS:
        fits = isinstance(value, int) and not isinstance(value, bool)
    elif name == "fields":
        fits = isinstance(value, list | tuple) and all(isinstance(field, str) for field in value)
    else:
        fits = isinstance(value, str)
    if not fits:
        raise ConfigError(f"{name} must be {meaning}; got {value!r}")


def _check_ranges(knobs: Mapping[str, Any]) -> None:
    windows = {k: v for k, v in knobs.items() if k in ("surface_k", "shuffle_k", "random_prob")}
    RankRule(**windows)
    for name in ("env_div", "keep_ratio"):
        if not 0.0 <= knobs.get(name, 0.0) <= 1.0:
            raise ConfigError(f"{name} must lie in [0, 1], got {knobs[name]!r}")
