"""From runs to a submission: evaluation folders and training runs in, a folder to send out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fedenv.data import parse_json, read_bytes
from fedenv.errors import ConfigError, DataError
from fedenv.evaluation.plans import FORMAT as PLAN_FORMAT
from fedenv.evaluation.plans import PLAN, Part, evaluate_parts
from fedenv.evaluation.rundir import EPISODES, RUN, write_json
from fedenv.recording import read_records
from fedenv.trajectory import Cell, EpisodeRecord
from fedenv.version import __version__
from leaderboard.errors import SubmissionError
from leaderboard.grid import Grid
from leaderboard.limits import LIMITS
from leaderboard.submission import (
    FORMAT,
    SUBMISSION,
    TRAJECTORIES,
    read_submission,
    trajectory_name,
)
from leaderboard.track import FOLDER, Track, open_track, read_content
from leaderboard.trajectories import write_trajectories

TRAINING_FORMAT = "fedenv-training/1"
TABLES = ("entry", "method", "compute")
TEMPLATE = """\
# What only you can say about a submission; see docs/leaderboard.md.
[entry]
slug = "my-method"            # names the entry in addresses: a-z, 0-9, hyphens
name = "My method"
authors = [{ name = "Ada Lovelace", affiliation = "Analytical Engines" }]
description = "What it does, in a few sentences."
code = "https://example.org/code"

[method]
kind = "federated"            # federated, centralized, local, prompted or scripted
algorithm = "GRPO, FedAvg"
upper_bound = false           # true: it sees what no agent may see; shown, never ranked

[compute]
hardware = "1 CPU core"
"""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def _silent(what: str, done: int, total: int) -> None:
    """Report nothing."""


def read_about(path: Path) -> dict[str, Any]:
    """Read what only the submitter can say: a TOML file with the tables of :data:`TEMPLATE`.

    Raises:
        DataError: The file cannot be read, or a table is missing or unknown.
    """
    content = read_content(path)
    if set(content) != set(TABLES):
        raise DataError(
            f"{path}: expected the tables {', '.join(TABLES)}, got {', '.join(content) or 'none'}; "
            "`fedenv submit template` prints an example"
        )
    return content


def prepare(
    evaluation: Path,
    about: Mapping[str, Any],
    out: Path,
    *,
    tracks: Path = FOLDER,
    progress: Progress = _silent,
) -> Path:
    """Make a submission of what ``fedenv evaluate --track`` left.

    Args:
        evaluation: That folder.
        about: What :func:`read_about` gave.
        out: Folder of the submission; must not be there yet.
        tracks: Folder of the tracks.
        progress: Told what is done.

    Returns:
        The folder of the submission.

    Raises:
        ConfigError: The folder is of another track, or ``out`` is there already.
        DataError: A file cannot be read or written.
        SubmissionError: What was put together does not fit the schema (``about`` is wrong).
    """
    plan = _json(evaluation / PLAN)
    if plan.get("format") != PLAN_FORMAT:
        raise DataError(f"{evaluation / PLAN}: expected format {PLAN_FORMAT!r}")
    track = open_track(plan["name"], tracks)
    if plan["lock"] != track.lock:
        raise ConfigError(
            f"{evaluation}: was evaluated with lock {plan['lock']} of track {track.name}, which is "
            f"locked as {track.lock}; evaluate again"
        )
    if out.exists():
        raise ConfigError(f"{out}: is there already; name a new folder")
    draft = out.with_name(f".{out.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        (draft / TRAJECTORIES).mkdir(parents=True)
    except OSError as error:
        raise DataError(f"{draft}: cannot be made ({error.strerror or error})") from error
    runs = []
    method = about["method"]
    for done, (environment, seed) in enumerate(track.runs):
        progress("runs", done, len(track.runs))
        folder = evaluation / environment / str(seed)
        if (folder / EPISODES).exists():
            runs.append(_run(track, environment, seed, folder, method, draft))
            method = {**_served(folder), **method}
    progress("runs", len(track.runs), len(track.runs))
    content = {
        "format": FORMAT,
        "track": {"name": track.name, "lock": track.lock},
        "fedenv_version": __version__,
        **{name: about[name] for name in TABLES},
        "method": method,
        "runs": runs,
    }
    write_json(draft / SUBMISSION, content)
    try:
        read_submission(draft, LIMITS)
    except SubmissionError as error:
        shutil.rmtree(draft)
        raise SubmissionError(error.check, f"nothing was written: {error.message}") from error
    draft.rename(out)
    return out


def evaluate_runs(
    track: Track,
    runs: Sequence[Path],
    agent: str,
    options: Mapping[str, Any],
    out: Path,
    *,
    workers: int = 1,
    progress: Progress = _silent,
) -> None:
    """Play the grid with trained models, each in the federation and with the seed of its run.

    Args:
        track: The track.
        runs: Folders of training runs (``fedenv train``).
        agent: Name of an agent that takes the option ``run``, a folder of a training run.
        options: Its other options.
        out: Folder of the evaluation.
        workers: Number of processes.
        progress: Told what is done.

    Raises:
        ConfigError: A run is of no federation or seed of the track, or two are of the same.
        DataError: A file of a run cannot be read.
    """
    parts: dict[tuple[str, int], tuple[Part, Path]] = {}
    for run in runs:
        key = place_of(track, run)
        if key in parts:
            raise ConfigError(f"{run}: {parts[key][1]} is of the same federation and seed")
        parts[key] = (track.part(*key), run)
    configs = [
        (part, part.config(agent, {**options, "run": str(run.resolve())}))
        for part, run in (parts[key] for key in track.runs if key in parts)
    ]
    evaluate_parts(track.plan(), configs, out, workers=workers, progress=progress)


def place_of(track: Track, run: Path) -> tuple[str, int]:
    """Return environment and training seed of a track that a training run is of.

    Raises:
        ConfigError: There is none.
        DataError: The folder holds no training run.
    """
    content = _json(run / RUN)
    if content.get("format") != TRAINING_FORMAT:
        raise DataError(f"{run}: expected a folder of `fedenv train`")
    federation, seed = content["federation_digest"], content["config"]["run"]["seed"]
    for environment in track.environments:
        if environment.federation == federation and seed in track.training_seeds:
            return environment.name, seed
    legal = ", ".join(f"{row.name}: {row.federation}" for row in track.environments)
    raise ConfigError(
        f"{run}: trained in federation {federation} with seed {seed}; track {track.name} has the "
        f"federations {legal}, and the seeds {', '.join(map(str, track.training_seeds))}"
    )


def _run(
    track: Track, environment: str, seed: int, folder: Path, method: Mapping[str, Any], out: Path
) -> dict[str, Any]:
    """Write the trajectories of one model; return its row of ``submission.json``."""
    grid = Grid(track, environment, seed)
    records = [record for _, record in read_records(folder / EPISODES)]
    place = grid.place
    known = [record for record in records if record.cell in place]
    if len(known) != len(records) or not _is_asked(grid, known):
        raise DataError(f"{folder / EPISODES}: holds episodes that track {track.name} does not ask")
    known.sort(key=lambda record: place[_cell(record)])
    name = trajectory_name(environment, seed)
    sha256, size = write_trajectories(out / name, (record.to_json_line() for record in known))
    found = _json(folder / RUN).get("agent", {})
    if found.get("kind", method["kind"]) != method["kind"]:
        raise ConfigError(
            f"{folder}: was trained {found['kind']}, the submission says kind {method['kind']!r}"
        )
    told = {k: v for k, v in found.items() if k in ("training", "model_sha256", "adapter_sha256")}
    return {
        "environment": environment,
        "seed": seed,
        "federation": grid.federation.digest,
        "kernels_digest": grid.kernels_digest,
        **told,
        "trajectories": {"sha256": sha256, "bytes": size, "episodes": len(known)},
        "counts": _counts(known),
    }


def _served(folder: Path) -> dict[str, Any]:
    """Return what is known of a served model (the agent ``openai``) for the table ``method``."""
    model = _json(folder / RUN)["config"].get("model")
    if model is None:
        return {}
    return {
        "base_model": model["model"],
        "decoding": {
            "temperature": model["temperature"],
            "top_p": model["top_p"],
            "max_new_tokens": model["max_tokens"],
        },
        "prompt_hash": model["prompt"]["hash"],
    }


def _is_asked(grid: Grid, records: Sequence[EpisodeRecord]) -> bool:
    return all(
        (record.task_id, record.episode_seed) == grid.asked(_cell(record)) for record in records
    )


def _counts(records: Sequence[EpisodeRecord]) -> list[list[str | int]]:
    """Return [kernel, client, episodes, successes, steps, invalid actions] of each client."""
    rows: dict[tuple[str, int], list[int]] = {}
    for record in records:
        cell = _cell(record)
        row = rows.setdefault((cell.kernel, cell.client_id), [0, 0, 0, 0])
        row[0] += 1
        row[1] += record.success
        row[2] += len(record.steps)
        row[3] += sum(not step.action_valid for step in record.steps)
    return [[*key, *row] for key, row in rows.items()]


def _cell(record: EpisodeRecord) -> Cell:
    assert record.cell is not None
    return record.cell


def _json(path: Path) -> dict[str, Any]:
    content = parse_json(read_bytes(path), path)
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected an object, got {json.dumps(content)[:60]}")
    return content
