"""Peak memory of this process alone."""

from __future__ import annotations

import resource
from pathlib import Path


def peak() -> float:
    """Return the largest resident memory of this program so far in bytes.

    On Linux from ``VmHWM``: ``ru_maxrss`` of a new process begins at that of the process it was
    forked from.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
