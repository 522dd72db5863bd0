"""Placement, quotas and draws: exact in every count, and with the law that they claim."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from fedenv.partitions import placement
from fedenv.partitions.cells import Cells
from fedenv.partitions.draws import log_dirichlet, multinomial_with_room
from fedenv.partitions.placement import place
from fedenv.partitions.quota import apportion, beta_quota, spread_shares
from fedenv.partitions.theory import share_variance

SEEDS = st.integers(0, 2**32 - 1)


def split(items, sizes):
    return [part.tolist() for part in np.split(items, np.cumsum(sizes)[:-1])]


@st.composite
def placements(draw):
    num_items = draw(st.integers(1, 40))
    sizes = draw(st.lists(st.integers(0, num_items), min_size=1, max_size=12).filter(any))
    return np.array(sizes), num_items


@given(placements(), SEEDS)
@settings(max_examples=100, deadline=None)
def test_every_placement_is_exact(case, seed):
    sizes, num_items = case
    held = split(place(np.random.RandomState(seed), sizes, num_items), sizes)
    for size, items in zip(sizes.tolist(), held, strict=True):
        assert len(set(items)) == len(items) == size
        assert items == sorted(items)
    holders = Counter(item for items in held for item in items)
    base, extra = divmod(int(sizes.sum()), num_items)
    counts = [holders[item] for item in range(num_items)]
    assert Counter(counts) == +Counter({base: num_items - extra, base + 1: extra})


def by_the_book(rng, sizes, num_items):
    """Item after item, client after client in proportion to what capacity is left."""
    base, extra = divmod(sum(sizes), num_items)
    quotas = [base] * num_items
    order = rng.permutation(num_items)
    for item in rng.permutation(num_items)[:extra]:
        quotas[item] += 1
    capacity, held = list(sizes), [[] for _ in sizes]
    for turn in range(num_items):
        chosen = [i for i, left in enumerate(capacity) if left == num_items - turn]
        while len(chosen) < quotas[turn]:
            stubs = [i for i, left in enumerate(capacity) if i not in chosen for _ in range(left)]
            chosen.append(stubs[int(rng.random_sample() * len(stubs))])
        for client in chosen:
            capacity[client] -= 1
            held[client].append(int(order[turn]))
    return tuple(tuple(sorted(items)) for items in held)


@pytest.mark.parametrize(
    ("sizes", "num_items"),
    [((3, 2, 1, 1), 4), ((2, 2, 2, 2), 4), ((3, 3, 2, 1), 5)],
)
@pytest.mark.parametrize("rejections", [placement.MAX_REJECTIONS, 0])
def test_the_law_is_that_of_the_book(sizes, num_items, rejections, monkeypatch):
    monkeypatch.setattr(placement, "MAX_REJECTIONS", rejections)
    runs, rng = 1000, np.random.RandomState(0)
    ours, book = Counter(), Counter()
    for _ in range(runs):
        items = place(rng, np.array(sizes), num_items)
        ours[tuple(map(tuple, split(items, sizes)))] += 1
        book[by_the_book(rng, sizes, num_items)] += 1
    # How much each pair of clients shares tells laws apart better than the many labelled outcomes.
    tables = []
    for outcomes in (ours, book):
        shared = Counter()
        for held, count in outcomes.items():
            sets = [set(items) for items in held]
            shared[tuple(len(a & b) for i, a in enumerate(sets) for b in sets[:i])] += count
        tables.append(shared)
    keys = sorted(set(tables[0]) | set(tables[1]))
    counts = np.array([[table[key] for key in keys] for table in tables])
    rare = counts.sum(axis=0) < 20
    merged = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    merged = merged[:, merged.sum(axis=0) > 0]
    if merged.shape[1] > 1:
        assert chi2_contingency(merged)[1] > 0.001
    # … and every client's items are a uniformly drawn subset.
    for client, size in enumerate(sizes):
        often = Counter(item for held, n in ours.items() for item in held[client] for _ in range(n))
        expected = runs * size / num_items
        limit = 4.5 * (expected * (1 - size / num_items)) ** 0.5
        assert all(abs(often[item] - expected) <= limit for item in range(num_items))


def test_clients_that_hold_almost_everything():
    """Few stubs of others are left in the urn, so they are drawn from the others alone."""
    sizes = np.array([200] * 30 + [199, 198, 197, 3, 2, 1])
    held = split(place(np.random.RandomState(0), sizes, 200), sizes)
    holders = Counter(item for items in held for item in items)
    assert set(holders.values()) == {33}
    assert all(len(set(items)) == len(items) for items in held)


def test_a_client_that_nobody_can_replace_is_chosen():
    held = place(np.random.RandomState(0), np.array([50, 1, 1, 48]), 50)
    assert held[:50].tolist() == list(range(50))


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30),
    st.integers(0, 50),
    st.integers(0, 50),
    SEEDS,
)
@settings(max_examples=60, deadline=None)
def test_apportioning_is_exact(shares, low, width, seed):
    high = low + width
    n = len(shares)
    total = n * low + seed % (n * width + 1)
    targets = low + np.array(shares) * width
    rounded = apportion(targets, total, low, high)
    assert rounded.sum() == total
    assert rounded.min() >= low
    assert rounded.max() <= high


def test_largest_remainders_are_served_first():
    assert apportion(np.array([1.2, 2.7, 3.6, 0.5]), 8, 0, 9).tolist() == [1, 3, 4, 0]
    assert apportion(np.array([1.5, 1.5, 1.5, 1.5]), 6, 0, 9).tolist() == [2, 2, 1, 1]
    assert apportion(np.array([2.0, 2.9, 1.1]), 6, 0, 2).tolist() == [2, 2, 2]


@given(
    st.integers(1, 60),
    st.floats(0.01, 0.99),
    st.sampled_from([1e-6, 1e-3, 0.1, 1.0, 7.0, 256.0, 1e6]),
    SEEDS,
)
@settings(max_examples=60, deadline=None)
def test_shares_have_the_mean_and_stay_inside(num_clients, mean, xi, seed):
    shares = spread_shares(np.random.RandomState(seed), num_clients, mean, xi)
    assert np.isfinite(shares).all()
    assert shares.min() >= 0.0
    assert shares.max() <= 1.0
    assert abs(shares.mean() - mean) < 1e-9


@pytest.mark.parametrize(("mean", "xi"), [(4 / 9, 1.0), (0.2, 0.5), (0.2, 8.0), (0.6, 256.0)])
def test_the_spread_of_the_shares_is_the_closed_form(mean, xi):
    runs, num_clients = 600, 8
    rng = np.random.RandomState(1)
    found = [spread_shares(rng, num_clients, mean, xi).var() for _ in range(runs)]
    error = np.std(found) / runs**0.5
    expected = share_variance(mean, xi, num_clients)
    assert abs(np.mean(found) - expected) < 4 * error + 0.002 * expected
    # The term of order 1/N is more than decoration: without it, small xi would be off.
    if xi <= 1.0:
        assert abs(np.mean(found) - mean * (1 - mean) / (xi + 1)) > 4 * error


def test_the_papers_sweep_keeps_its_spread():
    """Clipping after rescaling gives .464 at xi = 1 (paper's setting); the shift keeps .398."""
    rng = np.random.RandomState(2)
    sizes = [beta_quota(rng, 100, 50_000, 100, 1000, 1.0) for _ in range(300)]
    spread = np.mean([quota.var() for quota in sizes]) / 500**2
    assert spread == pytest.approx(0.398, abs=0.005)


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=8).filter(any),
    st.data(),
    SEEDS,
)
@settings(max_examples=60, deadline=None)
def test_drawing_from_cells_is_exact(sizes, data, seed):
    codes = np.repeat(np.arange(len(sizes)), sizes)
    np.random.RandomState(seed).shuffle(codes)
    cells = Cells.of(codes, len(sizes))
    counts = np.array([data.draw(st.integers(0, size)) for size in sizes])
    drawn = cells.draw(np.random.RandomState(seed), counts)
    assert len(set(drawn.tolist())) == len(drawn)
    assert np.bincount(codes[drawn], minlength=len(sizes)).tolist() == counts.tolist()


@pytest.mark.parametrize("count", [2, 4])  # by rejection and by permutation
def test_drawing_from_cells_is_uniform(count):
    cells = Cells.of(np.array([1, 0, 0, 0, 0, 0, 1]), 2)
    rng = np.random.RandomState(3)
    runs = 6000
    often = Counter(tuple(sorted(cells.draw(rng, np.array([count, 0])))) for _ in range(runs))
    subsets = {2: 10, 4: 5}[count]
    assert len(often) == subsets
    limit = 4.5 * (runs / subsets) ** 0.5
    assert all(abs(n - runs / subsets) < limit for n in often.values())


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any), st.data(), SEEDS)
@settings(max_examples=60, deadline=None)
def test_multinomials_respect_the_room(room, data, seed):
    total = data.draw(st.integers(0, sum(room)))
    logs = np.array([data.draw(st.sampled_from([0.0, -1e9, -3.0, 1e6])) for _ in room])
    counts, moved = multinomial_with_room(np.random.RandomState(seed), total, logs, np.array(room))
    assert counts.sum() == total
    assert (counts <= room).all()
    assert counts.min() >= 0
    assert moved >= 0


def test_what_does_not_fit_is_drawn_again_in_proportion():
    room, rng, runs = np.array([2, 1000, 1000]), np.random.RandomState(4), 400
    logs = np.log(np.array([0.5, 0.375, 0.125]))
    found = [multinomial_with_room(rng, 40, logs, room) for _ in range(runs)]
    mean = np.mean([counts for counts, _ in found], axis=0)
    assert mean[0] == 2.0
    assert mean[1] == pytest.approx(38 * 0.75, abs=0.6)
    assert np.mean([moved for _, moved in found]) == pytest.approx(18, abs=0.6)


@given(st.floats(0, 1, exclude_min=True, exclude_max=True), st.integers(1, 30), SEEDS)
@settings(max_examples=60, deadline=None)
def test_dirichlet_draws_are_never_nan(omega, num_categories, seed):
    mean = np.full(num_categories, 1 / num_categories)
    logs = log_dirichlet(np.random.RandomState(seed), mean, omega)
    assert np.isfinite(logs).all()


def test_dirichlet_limits():
    mean = np.array([0.5, 0.3, 0.2])
    rng = np.random.RandomState(5)
    hot = [np.argmax(log_dirichlet(rng, mean, 1 - 1e-12)) for _ in range(4000)]
    assert np.bincount(hot) / 4000 == pytest.approx(mean, abs=0.03)
    logs = log_dirichlet(rng, mean, 1e-12)
    assert np.exp(logs - logs.max()) / np.exp(logs - logs.max()).sum() == pytest.approx(
        mean, abs=1e-4
    )


def test_dirichlet_moments():
    mean, omega = np.array([0.5, 0.3, 0.2]), 0.4
    rng = np.random.RandomState(6)
    logs = np.array([log_dirichlet(rng, mean, omega) for _ in range(4000)])
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    assert shares.mean(axis=0) == pytest.approx(mean, abs=0.02)
    assert shares.var(axis=0) == pytest.approx(omega * mean * (1 - mean), abs=0.01)
