"""Kill a run again and again, and compare what is left at the end with an undisturbed run.

    python -m tests.baselines.kill --kills 20

Every attempt is a process of its own, ended by SIGKILL after a random time.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from baselines.config import config_from
from baselines.rounds import train
from tests.baselines import toy

CONFIG = toy.config(
    "ppo",
    environment={"partition": "uniform"},
    federation={"rounds": 30, "optimizer_state": "keep", "critic": "client", "weights": "tasks"},
    algorithm={"kl_coef": 0.01},
    rollout={"tasks_per_epoch": 2},
    evaluation={"every": 5, "tasks": 4},
    storage={"keep_rounds": 3},
)
NOT_COMPARED = {"timing.jsonl", ".lock"}


def start(folder: Path) -> int:
    """Run in a new process; return its id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            toy.register()
            train(config_from(CONFIG), folder)
            status = 0
        finally:
            os._exit(status)
    return child


def finish(folder: Path) -> None:
    """Run to the end."""
    _, status = os.waitpid(start(folder), 0)
    assert status == 0, f"the run in {folder} failed"


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a run by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in NOT_COMPARED and not path.name.endswith(".part")
    }


def main(kills: int, seed: int, longest: float, rounds: int) -> None:
    """Kill so many times, then compare."""
    CONFIG["federation"]["rounds"] = rounds
    draws = random.Random(seed)
    work = Path(tempfile.mkdtemp())
    began = time.monotonic()
    finish(work / "whole")
    whole = time.monotonic() - began
    expected = contents(work / "whole")
    done, folder = 0, 0
    while done < kills:
        place = work / f"killed-{folder}"
        child = start(place)
        time.sleep(draws.uniform(0.0, longest * whole))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            done += 1
        else:  # it was at its end already: the next kills hit another run
            assert os.WEXITSTATUS(status) == 0
            assert contents(place) == expected
            folder += 1
    place = work / f"killed-{folder}"
    commits = len(list((place / "commits").glob("*.json"))) if place.exists() else 0
    finish(place)
    found = contents(place)
    differing = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
    print(
        f"{done} kills, {folder} runs finished before; the last was killed with {commits} commits; "
        f"{len(expected)} files, differing: {differing or 'none'}"
    )
    shutil.rmtree(work)
    sys.exit(bool(differing))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=0.25, help="as a share of a whole run")
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    main(arguments.kills, arguments.seed, arguments.longest, arguments.rounds)
