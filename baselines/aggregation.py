"""FedAvg over files: the parameters of a round's clients become those of the next round.

``theta_{t+1} = sum_i w_i theta_{i,t,E}``, with ``w_i = 1/M`` or in proportion to the clients'
numbers of tasks (McMahan et al. 2017). Tensors are never loaded as a whole: every file is mapped, a
chunk at a time is combined into one buffer that is allocated once, and a thread writes the buffer
to disk while the next thing happens. Clients are combined in ascending order, so the result does
not depend on who answered first. Two equal weights are one ``lerp`` in the tensors' own precision;
otherwise chunks are summed in float32 (float64 for float64).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from baselines.errors import AggregationError
from baselines.tensorfile import Header, TensorInfo, map_data, read_header, write_atomically

CHUNK_BYTES = 1 << 22


@dataclass(frozen=True)
class Contribution:
    """What one client sent.

    Attributes:
        client_id: 0-based client index.
        path: Its parameters, as a file whose note names ``round`` and ``client_id``.
        weight: Its share before all shares are scaled to sum to 1; above 0.
    """

    client_id: int
    path: Path
    weight: float = 1.0


class Averager:
    """Averages files into one buffer that is used again, and writes it in a thread."""

    def __init__(self) -> None:
        self._buffer = torch.empty(0, dtype=torch.uint8)
        self._header: Header | None = None
        self._writer = ThreadPoolExecutor(1)
        self._writing: Future[str] | None = None

    def average(
        self,
        contributions: Sequence[Contribution],
        round_index: int,
        expected: Header | None = None,
    ) -> None:
        """Average parameters into the buffer.

        Args:
            contributions: One per client.
            round_index: The round they must be of.
            expected: Names, shapes and types that they must have; None takes the first one's.

        Raises:
            AggregationError: A file is of another round or client, its tensors differ, or a value
                is not finite. The message names client and tensor.
            DataError: A file cannot be read.
        """
        ordered = sorted(contributions, key=lambda item: item.client_id)
        headers = _checked_headers(ordered, round_index, expected)
        total = math.fsum(item.weight for item in ordered)
        weights = [item.weight / total for item in ordered]
        if self._writing is not None:
            self._writing.result()
        self._header = headers[0]
        if self._buffer.numel() < headers[0].data_size:
            self._buffer = torch.empty(headers[0].data_size, dtype=torch.uint8)
        data = [map_data(item.path, head) for item, head in zip(ordered, headers, strict=True)]
        for dtype, begin, end in _chunks(headers[0]):
            parts = [source[begin:end].view(dtype) for source in data]
            out = self._buffer[begin:end].view(dtype)
            if not dtype.is_floating_point:
                _same(parts, out, ordered)
                continue
            _combine(parts, weights, out)
            if not _is_finite(out):
                raise _not_finite(parts, ordered, headers[0], begin)

    def tensors(self) -> dict[str, Tensor]:
        """Return views of the average, by name; valid until the next call of ``average``."""
        assert self._header is not None, "call average() first"
        return {
            name: self._buffer[info.begin : info.end].view(info.dtype).view(info.shape)
            for name, info in self._header.tensors.items()
        }

    def write(self, path: Path, note: Mapping[str, Any]) -> Future[str]:
        """Begin to write the average, whole or absent at every moment.

        Returns:
            Its digest, when it is written.
        """
        assert self._header is not None, "call average() first"
        head, data = self._header.encode(note), self._buffer[: self._header.data_size]

        def fill(partial: Path) -> None:
            with open(partial, "wb") as stream:
                stream.write(head)
                data.numpy().tofile(stream)

        self._writing = self._writer.submit(write_atomically, path, fill)
        return self._writing

    def close(self) -> None:
        """Wait for what is being written."""
        self._writer.shutdown()


@dataclass(frozen=True)
class Drift:
    """How a client moved in a round.

    Attributes:
        norm: Euclidean length of its update ``theta_{i,t,E} - theta_t``.
        cosine: Cosine of the angle to the averaged update; None where one of them is 0.
    """

    norm: float
    cosine: float | None


def measure_drift(
    contributions: Sequence[Contribution], before: Path, after: Mapping[str, Tensor]
) -> dict[int, Drift]:
    """Measure each client's update against the averaged one, over all floating-point tensors.

    Args:
        contributions: What was averaged.
        before: The round's parameters, a file with the same tensors.
        after: The average.
    """
    header = read_header(before)
    start = map_data(before, header)
    drifts = {}
    for item in contributions:
        client = map_data(item.path, read_header(item.path))
        squares = mean_squares = products = 0.0
        for name, info in header.tensors.items():
            if not info.dtype.is_floating_point:
                continue
            end = after[name].reshape(-1)
            for low in range(0, end.numel(), CHUNK_BYTES):
                high = min(low + CHUNK_BYTES, end.numel())
                base = start[info.begin : info.end].view(info.dtype)[low:high].double()
                moved = client[info.begin : info.end].view(info.dtype)[low:high].double() - base
                mean = end[low:high].double() - base
                squares += float(moved.dot(moved))
                mean_squares += float(mean.dot(mean))
                products += float(moved.dot(mean))
        lengths = math.sqrt(squares) * math.sqrt(mean_squares)
        drifts[item.client_id] = Drift(math.sqrt(squares), products / lengths if lengths else None)
    return drifts


def _checked_headers(
    ordered: Sequence[Contribution], round_index: int, expected: Header | None
) -> list[Header]:
    ids = [item.client_id for item in ordered]
    if not ordered or len(set(ids)) != len(ids):
        raise AggregationError(f"expected one contribution from each client, got clients {ids}")
    headers = [read_header(item.path) for item in ordered]
    like = expected or headers[0]
    for item, header in zip(ordered, headers, strict=True):
        found = (header.note.get("round"), header.note.get("client_id"))
        if found != (round_index, item.client_id):
            raise AggregationError(
                f"{item.path}: expected the parameters of client {item.client_id} in round "
                f"{round_index}, the file is of client {found[1]} in round {found[0]}"
            )
        if not (math.isfinite(item.weight) and item.weight > 0):
            raise AggregationError(
                f"client {item.client_id} has the weight {item.weight!r}; it must be above 0"
            )
        for name in dict.fromkeys((*like.tensors, *header.tensors)):
            wanted, got = _text(like.tensors.get(name)), _text(header.tensors.get(name))
            if wanted != got:
                raise AggregationError(
                    f"client {item.client_id}: tensor {name!r} should be {wanted}, is {got}; "
                    "nothing was averaged"
                )
        if header.tensors != like.tensors:
            raise AggregationError(
                f"{item.path}: the tensors lie in another order; write it with "
                "baselines.tensorfile.write_tensors"
            )
    return headers


def _text(info: TensorInfo | None) -> str:
    return "absent" if info is None else f"{info.dtype} of shape {list(info.shape)}"


def _chunks(header: Header) -> Iterator[tuple[torch.dtype, int, int]]:
    """Yield runs of one type, cut into chunks: dtype, first byte, byte behind the last."""
    runs: list[tuple[torch.dtype, int, int]] = []
    for info in header.tensors.values():
        if runs and runs[-1][0] == info.dtype:
            runs[-1] = (info.dtype, runs[-1][1], info.end)
        else:
            runs.append((info.dtype, info.begin, info.end))
    for dtype, begin, end in runs:
        for low in range(begin, end, CHUNK_BYTES):
            yield dtype, low, min(low + CHUNK_BYTES, end)


def _combine(parts: Sequence[Tensor], weights: Sequence[float], out: Tensor) -> None:
    if len(parts) == 1:
        out.copy_(parts[0])
    elif len(parts) == 2 and weights[0] == weights[1]:
        torch.lerp(parts[0], parts[1], 0.5, out=out)
    else:
        wide = torch.float64 if out.dtype == torch.float64 else torch.float32
        total = parts[0].to(wide) * weights[0]
        for part, weight in zip(parts[1:], weights[1:], strict=True):
            total.add_(part.to(wide), alpha=weight)
        out.copy_(total)


def _is_finite(chunk: Tensor) -> bool:
    # One pass over what is in the cache anyway; a sum that overflows is looked at again.
    return math.isfinite(float(chunk.sum())) or bool(chunk.isfinite().all())


def _not_finite(
    parts: Sequence[Tensor], ordered: Sequence[Contribution], header: Header, begin: int
) -> AggregationError:
    for part, item in zip(parts, ordered, strict=True):
        bad = (~part.isfinite()).nonzero()
        if len(bad):
            at = begin + int(bad[0]) * part.element_size()
            name = next(n for n, info in header.tensors.items() if info.begin <= at < info.end)
            return AggregationError(
                f"client {item.client_id}: tensor {name!r} holds a value that is not finite; "
                "nothing was averaged"
            )
    return AggregationError("the average leaves the range of the tensors' type")


def _same(parts: Sequence[Tensor], out: Tensor, ordered: Sequence[Contribution]) -> None:
    for part, item in zip(parts, ordered, strict=True):
        if not torch.equal(part, parts[0]):
            raise AggregationError(
                f"client {item.client_id}: whole numbers differ from those of client "
                f"{ordered[0].client_id} and cannot be averaged"
            )
    out.copy_(parts[0])
