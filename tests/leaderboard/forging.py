"""How to forge a submission with care: digests, counts and hash chains fit afterwards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import zstandard

from fedenv.trajectory import EpisodeRecord
from leaderboard.trajectories import write_trajectories

Edit = Callable[[list[EpisodeRecord]], list[EpisodeRecord]]


def path_of(folder: Path, run: str) -> Path:
    return folder / "trajectories" / f"{run}.jsonl.zst"


def read_lines(folder: Path, run: str) -> list[str]:
    raw = zstandard.ZstdDecompressor().decompressobj().decompress(path_of(folder, run).read_bytes())
    return raw.decode("ascii").splitlines()


def read_records(folder: Path, run: str) -> list[EpisodeRecord]:
    return [EpisodeRecord.from_json_line(line, "x") for line in read_lines(folder, run)]


def edit_content(folder: Path, change: Callable[[dict], object]) -> None:
    """Change ``submission.json``."""
    path = folder / "submission.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def row_of(content: dict, run: str) -> dict:
    name, _, seed = run.rpartition("-")
    (row,) = (r for r in content["runs"] if (r["environment"], r["seed"]) == (name, int(seed)))
    return row


def fix_digest(folder: Path, run: str, episodes: int | None = None) -> None:
    """Make ``submission.json`` name a trajectory file as it is now."""
    raw = path_of(folder, run).read_bytes()

    def change(content: dict) -> None:
        told = row_of(content, run)["trajectories"]
        told |= {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
        if episodes is not None:
            told["episodes"] = episodes

    edit_content(folder, change)


def write_lines(folder: Path, run: str, lines: list[str]) -> None:
    write_trajectories(path_of(folder, run), lines)
    fix_digest(folder, run, len(lines))


def edit_lines(folder: Path, run: str, edit: Callable[[list[str]], list[str]]) -> None:
    write_lines(folder, run, edit(read_lines(folder, run)))


def edit_records(folder: Path, run: str, edit: Edit) -> None:
    records = edit(read_records(folder, run))
    write_lines(folder, run, [record.to_json_line() for record in records])


def write_raw(folder: Path, run: str, content: bytes) -> None:
    """Replace a trajectory file by other bytes."""
    path_of(folder, run).write_bytes(content)
    fix_digest(folder, run)
