"""Rank rules, pipelines and variants."""

import numpy as np
import pytest

from fedenv import Federation
from fedenv.webshop.pipeline import PipelineConfig
from fedenv.webshop.rendering import RankRule
from fedenv.webshop.variants import BM25_CONFIGURATIONS, FIELD_SUBSETS

RANKED = np.arange(1000, 1200)


def apply(kind, episode_seed=0, search_number=0, ranked=RANKED, **windows):
    rule = RankRule(kind, **windows)
    return rule.apply(ranked, 5000, 43, episode_seed, search_number).tolist()


def test_default_keeps_and_invert_reverses_the_window():
    assert apply("default") == RANKED.tolist()
    assert apply("invert") == RANKED[:10][::-1].tolist() + RANKED[10:].tolist()
    assert apply("invert", surface_k=200) == RANKED[::-1].tolist()
    assert apply("invert", ranked=RANKED[:3]) == RANKED[:3][::-1].tolist()


def test_shuffle_permutes_its_window_and_leaves_the_rest():
    for windows, size in (({}, 50), ({"surface_k": 200}, 200), ({"shuffle_k": 5}, 10)):
        shown = apply("shuffle", **windows)
        assert shown[size:] == RANKED[size:].tolist()
        assert sorted(shown[:size]) == RANKED[:size].tolist()
        assert shown[size // 2 : size] != RANKED[size // 2 : size].tolist()


def test_partial_random_puts_products_of_the_whole_catalog_in_front():
    fronted = 0
    for seed in range(400):
        shown = apply("partial-random", seed)
        assert len(shown) == len(set(shown))
        if shown != RANKED.tolist():
            fronted += 1
            front = shown[:10]
            assert all(0 <= product < 5000 for product in front)
            assert shown[10:] == [product for product in RANKED.tolist() if product not in front]
    assert 160 < fronted < 240
    assert apply("partial-random", random_prob=0.0) == RANKED.tolist()
    everything = RankRule("partial-random", random_prob=1.0, surface_k=10)
    assert sorted(everything.apply(np.arange(3), 6, 1, 1, 0).tolist()) == list(range(6))


@pytest.mark.parametrize("kind", ["shuffle", "partial-random"])
def test_a_draw_belongs_to_client_episode_and_search(kind):
    rule = RankRule(kind, random_prob=1.0)
    base = rule.apply(RANKED, 5000, 43, 7, 0).tolist()
    assert rule.apply(RANKED, 5000, 43, 7, 0).tolist() == base
    others = [(44, 7, 0), (43, 8, 0), (43, 7, 1)]
    assert all(rule.apply(RANKED, 5000, *path).tolist() != base for path in others)


def test_turning_a_page_and_going_back_show_the_same_list():
    federation = Federation("FedWebShop-RankWrapper-v0", surface_k=200, random_prob=1.0)
    kinds = {federation.kernel(k).config.rank.kind: k for k in range(20)}
    for kind in ("shuffle", "partial-random"):
        env = federation.make_env(kinds[kind]).unwrapped
        env.reset(seed=0)
        page, *_ = env.step("search[women]")
        second, *_ = env.step("click[next >]")
        assert env.step("click[< prev]")[0] == page
        *_, info = env.step("click[next >]")
        env.step(info["admissible_actions"][3])
        assert env.step("click[< prev]")[0] == second
        assert env.step("search[women]")[0] != page


def test_a_pipeline_digest_names_only_what_the_stage_does():
    base = PipelineConfig()
    assert base.digest == PipelineConfig(client_seed=5).digest
    changed = PipelineConfig(k1=1.0)
    same = [stage for stage in base.digests if base.digests[stage] == changed.digests[stage]]
    assert same == ["catalog", "index", "rendering"]
    shuffled = [PipelineConfig(rank=RankRule("shuffle"), client_seed=seed) for seed in (1, 2)]
    assert shuffled[0].digests["rendering"] != shuffled[1].digests["rendering"]
    assert PipelineConfig(k1=1).digest == PipelineConfig(k1=1.0).digest


@pytest.mark.parametrize("data", ["bundled", "real"])
def test_the_eight_field_corpora_are_distinct(data, request):
    folder = None if data == "bundled" else request.getfixturevalue("real_folder")
    shop = Federation("FedWebShop-v0", data=folder).world.shop
    corpora = set()
    for fields in FIELD_SUBSETS:
        kernel_config = PipelineConfig(fields=fields)
        postings = shop.pipeline(kernel_config).scorer.postings
        corpora.add((postings.doc_lengths.tobytes(), postings.freqs.tobytes()))
    assert len(corpora) == len(FIELD_SUBSETS) == 8


def test_the_pools_are_the_papers_in_their_order():
    assert (
        *((1.2, 0.75), (0.3, 0.75), (5.0, 0.75), (1.2, 0.0)),
        *((0.1, 0.75), (1.2, 1.0), (2.0, 0.5), (0.3, 0.0)),
    ) == BM25_CONFIGURATIONS
    federation = Federation("FedWebShop-BM25Reweight-v0", pool_size=8, k1=9.0)
    for client in range(30):
        kernel = federation.kernel(client)
        assert (kernel.config.k1, kernel.config.b) == BM25_CONFIGURATIONS[kernel.pool_index]
    assert federation.kernel(0, "reference").config.k1 == 9.0


def test_the_field_pool_is_the_papers_in_its_order():
    full = ("name", "Title", "description", "features", "BulletPoints")
    assert (
        *(full, ("name", "Title"), ("description",), ("BulletPoints",), ("features",)),
        *(("name", "BulletPoints"), ("description", "features"), full[1:]),
    ) == FIELD_SUBSETS
    federation = Federation("FedWebShop-FieldSubset-v0", pool_size=8, fields=["name"])
    for client in range(30):
        kernel = federation.kernel(client)
        assert kernel.config.fields == FIELD_SUBSETS[kernel.pool_index]
    assert federation.kernel(0, "reference").config.fields == ("name",)


def test_name_and_title_are_the_same_text_twice():
    shop = Federation("FedWebShop-v0").world.shop
    lengths = [
        shop.pipeline(PipelineConfig(fields=fields)).scorer.postings.doc_lengths
        for fields in (("name",), ("Title",), ("name", "Title"))
    ]
    assert lengths[0].tolist() == lengths[1].tolist()
    assert lengths[2].tolist() == (2 * lengths[0]).tolist()


def test_clients_of_one_pool_entry_share_a_scoring_view():
    federation = Federation("FedWebShop-BM25Reweight-v0")
    shop = federation.world.shop
    views = {id(shop.pipeline(federation.kernel(k).config).scorer) for k in range(100)}
    assert len(views) == 4
