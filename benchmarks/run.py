"""All benchmarks in one table: ``make bench``. Nothing here is asserted about time."""

from __future__ import annotations

import platform

import bench_clients
import bench_env
import bench_search
import numpy
from rich.console import Console
from rich.table import Table


def main() -> None:
    """Run every benchmark and print what was measured beside the goal."""
    title = f"Python {platform.python_version()}, NumPy {numpy.__version__}, {platform.machine()}"
    table = Table("measurement", "value", "goal", title=title)
    for module in (bench_env, bench_clients, bench_search):
        for row in module.rows():
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
