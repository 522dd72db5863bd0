"""Averaging: equal to the plain mean, streamed, and nothing that must not be averaged is."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from baselines import aggregation
from baselines.aggregation import Averager, Contribution, measure_drift
from baselines.errors import AggregationError
from baselines.tensorfile import (
    file_digest,
    read_header,
    read_tensors,
    write_atomically,
    write_tensors,
)
from fedenv.errors import DataError


def tensors(seed, dtype=torch.float32, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return {
        "layer.weight": (scale * torch.randn(7, 5, generator=generator)).to(dtype),
        "layer.bias": (scale * torch.randn(3, generator=generator)).to(dtype),
        "scalar": torch.tensor(float(seed)).to(dtype),
    }


def save(folder, states, round_index=4, weights=None):
    weights = weights or [1.0] * len(states)
    contributions = []
    for client_id, (state, weight) in enumerate(zip(states, weights, strict=True)):
        path = folder / f"{client_id}.safetensors"
        write_tensors(path, state, {"round": round_index, "client_id": client_id})
        contributions.append(Contribution(client_id, path, weight))
    return contributions


@pytest.fixture
def averager():
    made = Averager()
    yield made
    made.close()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_it_is_the_mean(tmp_path, averager, dtype, count):
    states = [tensors(seed, dtype) for seed in range(count)]
    averager.average(save(tmp_path, states), 4)
    for name, value in averager.tensors().items():
        wide = torch.stack([state[name].double() for state in states]).mean(0)
        assert value.dtype == dtype
        assert value.shape == states[0][name].shape
        if dtype == torch.bfloat16 and count == 2:  # exact: rounded once
            mean = torch.stack([state[name].float() for state in states]).mean(0)
            assert torch.equal(value, mean.bfloat16())
        else:
            torch.testing.assert_close(
                value.double(), wide, rtol=1e-2 if count > 1 else 0, atol=1e-2
            )
        if dtype != torch.bfloat16:
            torch.testing.assert_close(value.double(), wide, rtol=1e-5, atol=1e-6)


def test_weights(tmp_path, averager):
    states = [tensors(seed) for seed in range(2)]
    averager.average(save(tmp_path, states, weights=[300.0, 100.0]), 4)
    expected = {name: 0.75 * states[0][name] + 0.25 * states[1][name] for name in states[0]}
    for name, value in averager.tensors().items():
        torch.testing.assert_close(value, expected[name])


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 4), chunk=st.sampled_from([8, 16, 64, 1 << 22]), seed=st.integers(0, 9))
def test_neither_order_nor_chunks_change_a_bit(tmp_path_factory, count, chunk, seed):
    folder = tmp_path_factory.mktemp("average")
    states = [tensors(seed + i) for i in range(count)]
    contributions = save(folder, states, weights=[1.0 + i for i in range(count)])
    results = []
    for size, order in ((1 << 22, 1), (chunk, -1)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(aggregation, "CHUNK_BYTES", size)
            averager = Averager()
            averager.average(contributions[::order], 4)
            results.append({name: value.clone() for name, value in averager.tensors().items()})
            averager.close()
    for name in results[0]:
        assert torch.equal(results[0][name], results[1][name])


def test_what_is_written_is_the_average_and_anyone_can_read_it(tmp_path, averager):
    averager.average(save(tmp_path, [tensors(0), tensors(1)]), 4)
    expected = {name: value.clone() for name, value in averager.tensors().items()}
    path = tmp_path / "theta.safetensors"
    digest = averager.write(path, {"round": 5}).result()
    assert digest == file_digest(path)
    found, note = read_tensors(path, digest)
    assert note == {"round": 5}
    assert found.keys() == load_file(path).keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value)
    # The buffer is used again; what was written is not.
    averager.average(save(tmp_path, [tensors(2), tensors(3)]), 4)
    assert torch.equal(read_tensors(path)[0]["layer.bias"], expected["layer.bias"])


def test_the_buffer_is_allocated_once(tmp_path, averager):
    averager.average(save(tmp_path, [tensors(0), tensors(1)]), 4)
    first = averager.tensors()["layer.bias"].data_ptr()
    averager.write(tmp_path / "theta.safetensors", {"round": 5})
    averager.average(save(tmp_path, [tensors(2), tensors(3)]), 4)
    assert averager.tensors()["layer.bias"].data_ptr() == first


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_one_bad_value_stops_it(tmp_path, averager, value, dtype, count):
    states = [tensors(seed, dtype) for seed in range(count)]
    states[-1]["layer.weight"][6, 4] = value
    message = f"client {count - 1}: tensor 'layer.weight' holds a value that is not finite"
    with pytest.raises(AggregationError, match=message):
        averager.average(save(tmp_path, states), 4)


def test_large_finite_values_are_fine(tmp_path, averager):
    state = {"w": torch.full((100,), 3e38)}
    averager.average(save(tmp_path, [state, state]), 4)
    assert torch.equal(averager.tensors()["w"], state["w"])


def test_what_does_not_fit_is_refused(tmp_path, averager):
    good = tensors(0)
    expected = read_header(save(tmp_path, [good])[0].path)
    cases = {
        "tensor 'scalar' should be .* is absent": {k: v for k, v in good.items() if k != "scalar"},
        "tensor 'more' should be absent": {**good, "more": torch.ones(1)},
        r"tensor 'layer.weight' should be torch.float32 of shape \[7, 5\], is .*\[5, 7\]": {
            **good,
            "layer.weight": good["layer.weight"].T,
        },
        "is torch.float64": {k: v.double() for k, v in good.items()},
    }
    for message, state in cases.items():
        with pytest.raises(AggregationError, match=message):
            averager.average(save(tmp_path, [good, state]), 4)
        with pytest.raises(AggregationError, match=message):
            averager.average(save(tmp_path, [state]), 4, expected)


def test_other_rounds_clients_and_weights_are_refused(tmp_path, averager):
    first, second = save(tmp_path, [tensors(0), tensors(1)], round_index=3)
    with pytest.raises(AggregationError, match="in round 4, the file is of client 0 in round 3"):
        averager.average([first, second], 4)
    with pytest.raises(AggregationError, match="parameters of client 7 in round 3"):
        averager.average([first, Contribution(7, second.path)], 3)
    with pytest.raises(AggregationError, match="one contribution from each client"):
        averager.average([first, first], 3)
    with pytest.raises(AggregationError, match="one contribution from each client"):
        averager.average([], 3)
    for weight in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(AggregationError):
            averager.average([first, Contribution(1, second.path, weight)], 3)


def test_whole_numbers_must_agree(tmp_path, averager):
    states = [{"steps": torch.tensor([3]), "w": torch.ones(2)} for _ in range(2)]
    averager.average(save(tmp_path, states), 4)
    assert averager.tensors()["steps"].tolist() == [3]
    states[1]["steps"] = torch.tensor([4])
    with pytest.raises(AggregationError, match="client 1: whole numbers differ"):
        averager.average(save(tmp_path, states), 4)


def test_drift_by_hand(tmp_path, averager):
    before = {"w": torch.zeros(2), "n": torch.tensor([1])}
    write_tensors(tmp_path / "before", before, {"round": 4})
    moved = [{"w": torch.tensor(w), "n": before["n"]} for w in ([3.0, 0.0], [0.0, 4.0])]
    contributions = save(tmp_path, moved)
    averager.average(contributions, 4)
    drifts = measure_drift(contributions, tmp_path / "before", averager.tensors())
    assert (drifts[0].norm, drifts[1].norm) == (3.0, 4.0)
    assert (drifts[0].cosine, drifts[1].cosine) == pytest.approx((0.6, 0.8))
    still = save(tmp_path, [before, before])
    averager.average(still, 4)
    assert measure_drift(still, tmp_path / "before", averager.tensors())[0].cosine is None


def test_damage_is_noticed(tmp_path):
    path = tmp_path / "x.safetensors"
    digest = write_tensors(path, tensors(0), {"round": 0})
    whole = path.read_bytes()
    for place in (3, 20, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DataError, match="was damaged or changed"):
            read_tensors(path, digest)
    for broken in (
        b"",
        whole[:4],
        whole[:-1],
        whole + b"x",
        b"\xff" * 64,
        b"\x02" + b"\0" * 7 + b"[]",
    ):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=r"x\.safetensors"):
            read_header(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_tensors(tmp_path / "none", "0")


def test_equal_content_gives_equal_bytes(tmp_path):
    note = {"round": 3, "client_id": 1}
    names = {write_tensors(tmp_path / f"{i}", tensors(0), note) for i in range(8)}
    assert len(names) == 1


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"before")

    def fail(partial):
        partial.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match=r"x: cannot be written .*No space left"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"before"
