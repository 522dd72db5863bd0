"""Averaging two clients' parameters, against a plain copy of as many bytes on this machine."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from baselines.aggregation import Averager, Contribution
from baselines.tensorfile import write_tensors

VALUES = 1 << 27  # of bfloat16 per client: 256 MB
REPEATS = 9


def rows() -> Iterator[tuple[str, str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        contributions = []
        for client_id in range(2):
            path = Path(folder) / f"{client_id}.safetensors"
            generator = torch.Generator().manual_seed(client_id)
            tensor = torch.empty(VALUES, dtype=torch.bfloat16).normal_(generator=generator)
            write_tensors(path, {"weight": tensor}, {"round": 0, "client_id": client_id})
            contributions.append(Contribution(client_id, path))
        source, target = torch.ones_like(tensor), torch.zeros_like(tensor)
        size = tensor.nbytes
        del tensor
        averager = Averager()
        before = anonymous_memory()
        averager.average(contributions, 0)
        used = anonymous_memory() - before
        # Each reads and writes: a copy twice its size, the average of two three times.
        pairs = []
        for _ in range(REPEATS):  # in turns, so that other load meets both
            copy = 2 * size / seconds(lambda: target.copy_(source))
            pairs.append((3 * size / seconds(lambda: averager.average(contributions, 0)), copy))
        averager.close()
    best, copy = max(average for average, _ in pairs), max(copy for _, copy in pairs)
    yield (
        f"averaging two clients, bfloat16, {size >> 20} MB each, without the write "
        f"(copy: {copy / 1e9:.1f} GB/s)",
        f"{best / 1e9:.1f} GB/s, {best / copy:.0%} of a copy",
        "≥ 60 %",
    )
    yield "… memory besides the files, over the result's size", f"{used / size:.2f}", "≤ 1 + chunk"


def seconds(function) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def anonymous_memory() -> int:
    """Return this process's own memory in bytes: mapped files do not count."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"RssAnon:\s+(\d+)", status).group(1))
