"""The same function over many jobs, in one process or in several."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from fedenv.errors import ConfigError, FedEnvError

_J = TypeVar("_J")
_R = TypeVar("_R")


def check_workers(workers: int) -> None:
    """Check a number of processes.

    Raises:
        ConfigError: It is below 1.
    """
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, got {workers!r}")


def run_parallel(
    function: Callable[[_J], _R], jobs: Sequence[_J], workers: int = 1
) -> Iterator[_R]:
    """Yield a function's result for each job: in order in one process, as they finish in several.

    Args:
        function: What to call; with more than one process it must be picklable.
        jobs: Its arguments.
        workers: Number of processes.

    Raises:
        FedEnvError: A worker process was killed.
    """
    if workers == 1 or len(jobs) < 2:
        yield from map(function, jobs)
        return
    executor = ProcessPoolExecutor(
        min(workers, len(jobs)), multiprocessing.get_context("spawn"), _leave_with_parent
    )
    try:
        # No list of futures is kept: what was yielded can be freed.
        for future in as_completed([executor.submit(function, job) for job in jobs]):
            yield future.result()
    except BrokenProcessPool as error:
        raise FedEnvError(
            "a worker process was killed (out of memory?); start again to run what is missing"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


def _leave_with_parent() -> None:
    """End this worker when the parent is gone; a killed parent would leave it waiting for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch(sentinel: int) -> None:
        multiprocessing.connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()
