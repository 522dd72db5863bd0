"""What the scoring views share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedenv.webshop.rows import best

PRECISIONS = [np.float32, np.float64]
FEW = st.sampled_from([0.0, 1e-40, 0.25, 3.0, 1e30, -np.inf])
ANY = st.floats(0.0, 2.0**99, width=32)


@given(
    scores=st.lists(FEW | ANY, max_size=90),
    n=st.integers(1, 30),
    precision=st.sampled_from(PRECISIONS),
    above=st.sampled_from([0.0, -np.inf]),
)
def test_the_best_are_those_of_a_stable_sort(scores, n, precision, above):
    """One precision is sorted as integers; ties keep their order in both."""
    values = np.array(scores, dtype=precision)
    order = [i for i in np.argsort(-values, kind="stable").tolist() if values[i] > above]
    assert best(values, n, above).tolist() == order[:n]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_best_of_a_long_array(precision):
    values = np.zeros(200_000, dtype=precision)
    values[[7, 65_543, 131_079, 199_999]] = [1.0, 2.0, 4.0, 2.0]
    assert best(values, 3, 0.0).tolist() == [131_079, 65_543, 199_999]
