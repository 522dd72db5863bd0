"""Which retrieval engine searches where: the paper's choice, and the matched control."""

import itertools

import pytest

from fedenv import Federation
from fedenv.webshop.pipeline import FIELDS, SHOP_FIELDS
from tests.conftest import WEBSHOP_IDS

LUCENE_CLIENTS = ("FedWebShop-v0", "FedWebShop-CatalogSplit-v0")
OWN = {"okapi": ("word", 1.2, 0.75, FIELDS), "lucene": ("english", 0.9, 0.4, SHOP_FIELDS)}


def settings_of(config):
    return config.engine, config.tokenizer, config.k1, config.b, config.fields


@pytest.mark.parametrize("env_id", WEBSHOP_IDS)
def test_the_reference_is_lucenes_and_so_are_clients_whose_variant_leaves_the_search_alone(env_id):
    federation = Federation(env_id)
    assert settings_of(federation.kernel(0, "reference").config) == ("lucene", *OWN["lucene"])
    engine = "lucene" if env_id in LUCENE_CLIENTS else "okapi"
    # Client 0 has the first entry of every pool: what it changes is the engine's own or not listed.
    assert settings_of(federation.kernel(0).config) == (engine, *OWN[engine])
    assert {federation.kernel(client).config.engine for client in range(20)} == {engine}
    knobs = federation.world.knobs
    assert (knobs["engine"], knobs["k1"], knobs["fields"]) == ("lucene", 0.9, [*SHOP_FIELDS])
    client = {"engine": "okapi", "k1": 1.2, "b": 0.75, "fields": [*FIELDS], "tokenizer": "word"}
    assert knobs.get("client") == (None if engine == "lucene" else client)


@pytest.mark.parametrize(("env_id", "engine"), [*itertools.product(WEBSHOP_IDS, OWN)])
def test_an_engine_that_is_given_is_that_of_both_sides(env_id, engine):
    federation = Federation(env_id, engine=engine)
    for kind in ("client", "reference"):
        assert federation.kernel(3, kind).config.engine == engine
    assert federation.kernel(0, "reference").digest == (
        Federation("FedWebShop-v0", engine=engine).kernel(5).digest
    )
    assert "client" not in federation.world.knobs


def test_a_stage_that_is_given_is_that_of_both_sides():
    federation = Federation("FedWebShop-RankWrapper-v0", k1=2.0, fields=["name"], tokenizer="word")
    for kind, engine, b in (("client", "okapi", 0.75), ("reference", "lucene", 0.4)):
        config = federation.kernel(0, kind).config
        assert settings_of(config) == (engine, "word", 2.0, b, ("name",))
    assert federation.world.knobs["client"] == {"engine": "okapi", "b": 0.75}


def test_the_engine_is_part_of_the_federations_name():
    digests = [
        Federation("FedWebShop-RankWrapper-v0", **knobs).digest
        for knobs in ({}, {"engine": "okapi"}, {"engine": "lucene"})
    ]
    assert len(set(digests)) == 3
    assert Federation("FedWebShop-v0", engine="lucene") == Federation("FedWebShop-v0")
