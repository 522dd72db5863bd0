"""Compare the engine with ALFWorld 0.4.x on TextWorld itself (make test-reference).

Usage: python tests/reference/alfworld_reference.py [--full] [--record] [--folder FOLDER]

Plays the real trial in ../shared/data/alfworld_real where it is, bundled games of the six types
(their oracle plan, then a walk), and small odd games, in TextWorld, and asks our engine for the
same commands: first observation, answers, admissible commands and `won` must be equal throughout.
Some games speak the older wording ("put … in/on …"). What TextWorld said is kept in FOLDER, so that
an interrupted run goes on where it stopped; TextWorld is made faster by remembering
(`textworld_speed.speed_up`), which is checked against TextWorld as it is on a few games first.
Prints how often every verb succeeded and failed. With --record it writes the golden transcripts of
the ordinary tests.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "reference")]

from fedenv.alfworld.bundled import bundled_games  # noqa: E402
from fedenv.alfworld.engine import Game  # noqa: E402
from fedenv.alfworld.goals import TASK_TYPES  # noqa: E402
from fedenv.alfworld.grammar import MOVE, PUT_IN_ON, WORDINGS  # noqa: E402
from fedenv.alfworld.house import build_house  # noqa: E402
from fedenv.alfworld.oracle import solve  # noqa: E402
from fedenv.alfworld.problem import Problem  # noqa: E402
from fedenv.alfworld.textworld_worker import Player  # noqa: E402
from tests.alfworld.problems import random_problem  # noqa: E402
from tests.alfworld.transcripts import Transcript, load, replay, save, walk  # noqa: E402
from tests.alfworld.walks import VERBS, Walker  # noqa: E402

REAL = ROOT.parent / "shared" / "data" / "alfworld_real" / "initial_state.pddl"
GOLDEN = ROOT / "tests" / "alfworld" / "golden" / "transcripts.json.gz"
# How many steps and games: (real, bundled games per type, steps of each, odd games, steps of each).
SMALL, FULL = (100, 1, 60, 18, 40), (800, 12, 220, 90, 100)
AFTER_PLAN = 15


@dataclass(frozen=True)
class Case:
    """One game to play, and for how many steps."""

    name: str
    problem: Problem
    text: str
    steps: int
    wording: str = MOVE.version

    @property
    def seed(self):
        return int(hashlib.sha256(f"{self.name} {self.text}".encode()).hexdigest()[:8], 16)

    @property
    def key(self):
        return f"{self.name}-{self.seed:08x}-{self.steps}"


def cases(size):
    """Return the games of a run."""
    real_steps, per_type, steps, odd, odd_steps = size
    found = []
    if REAL.exists():
        text = REAL.read_text("utf-8")
        problem = Problem.parse(text, "heat some potato and put it in sinkbasin")
        found.append(Case("real", problem, text, real_steps))
    table = bundled_games()
    for task_type in TASK_TYPES:
        positions = [i for i, game in enumerate(table.games) if game.task_type == task_type]
        for number in range(per_type):
            problem = table.problem(positions[number * len(positions) // per_type])
            name = f"{task_type}-{number}"
            found.append(Case(name, problem, problem.to_pddl(), steps))
    for number in range(odd):
        problem = random_problem(number)
        wording = PUT_IN_ON.version if number % 6 == 5 else MOVE.version
        found.append(Case(f"odd-{number}", problem, problem.to_pddl(), odd_steps, wording))
    return found


def play(case):
    """Play one game in TextWorld; return one or two transcripts."""
    desc, player = case.problem.task_desc, Player()
    player.load(case.text, desc, case.wording)
    walker = Walker(case.seed, case.problem.goal)
    odd = case.name.startswith("odd")
    plan = () if odd else solve(Game(build_house(case.problem), wording=WORDINGS[case.wording]))
    walks = {case.name: walk(player, walker, case.steps)}
    if plan:
        walks[f"{case.name}-plan"] = walk(player, walker, AFTER_PLAN, plan)
    return [
        Transcript(name, case.text, desc, case.wording, first, steps)
        for name, (first, steps) in walks.items()
    ]


def recorded(case, folder):
    """Return the transcripts of a game, played now or earlier."""
    path = folder / f"{case.key}.json.gz"
    if not path.exists():
        done = play(case)
        save(path.with_suffix(".part"), done)
        path.with_suffix(".part").rename(path)
    return load(path)


def differences(case, transcripts):
    """Return how our engine's answers differ, as readable lines."""
    house = build_house(Problem.parse(case.text, case.problem.task_desc))
    wording = WORDINGS[case.wording]
    return [line for t in transcripts for line in replay(Game(house, wording=wording), t)]


def plain_cases():
    """Return the games on which the speed-up is checked."""
    chosen = ("real", "look_at_obj_in_light-0", "odd-0", "odd-5")
    return [replace(case, steps=40) for case in cases(SMALL) if case.name in chosen]


def check_speed_up():
    """Compare remembered answers with those of TextWorld as it is, played in another process."""
    with TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "--plain", folder], check=True)
        for case in plain_cases():
            plain, fast = recorded(case, Path(folder)), play(case)
            texts = [json.dumps([t.to_json() for t in answers]) for answers in (plain, fast)]
            assert texts[0] == texts[1], case.name
            print(f"{case.name}: remembered and plain TextWorld agree", flush=True)


def report(counts):
    """Print how often each verb succeeded and failed, and each sentence was said."""
    print(f"{'verb':12}{'succeeded':>10}{'failed':>8}")
    for verb in (*VERBS, "garbage"):
        print(f"{verb:12}{counts[verb, 'succeeded']:10}{counts[verb, 'failed']:8}")
    for (group, form), number in sorted(counts.items()):
        if group in ("sentence", "won"):
            print(f"{number:6}  {group}: {form}")


def record_golden(transcripts):
    """Write few walks in which everything is shown by three of them, or by all that show it."""
    GOLDEN.parent.mkdir(exist_ok=True)
    kept, rest = [], [(transcript, set(transcript.shown())) for transcript in transcripts]
    wanted = {what: min(3, n) for what, n in Counter(w for _, s in rest for w in s).items()}
    while wanted:
        best = max(rest, key=lambda pair: len(wanted.keys() & pair[1]))
        rest.remove(best)
        kept.append(best[0])
        wanted = {what: n - (what in best[1]) for what, n in wanted.items()}
        wanted = {what: n for what, n in wanted.items() if n}
    save(GOLDEN, kept)
    print(f"{GOLDEN.name}: {len(kept)} walks, {GOLDEN.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="over 20,000 steps instead of 1,500")
    parser.add_argument("--record", action="store_true", help="write the golden transcripts")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "alfworld-reference")
    parser.add_argument("--plain", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.plain:
        for case in plain_cases():
            recorded(case, arguments.plain)
        return 0
    arguments.folder.mkdir(parents=True, exist_ok=True)
    from textworld_speed import speed_up

    speed_up()
    size = FULL if arguments.full else SMALL
    check_speed_up()
    if not REAL.exists():
        print(f"left out: the real trial, because {REAL.parent.name} is not beside the project")
    counts, found, played, start = Counter(), [], [], time.perf_counter()
    todo = cases(size)
    for number, case in enumerate(todo, start=1):
        transcripts = recorded(case, arguments.folder)
        lines = differences(case, transcripts)
        found += lines
        played += transcripts
        counts.update(sum((t.shown() for t in transcripts), Counter()))
        steps = sum(len(t.steps) for t in played)
        seconds = time.perf_counter() - start
        print(
            f"{number}/{len(todo)} {case.name}: {steps} steps, {len(found)} differences, "
            f"{seconds:.0f} s",
            flush=True,
        )
        for line in lines[:3]:
            print(line)
    report(counts)
    if arguments.record:
        record_golden(played)
    pairs = [(verb, outcome) for verb in VERBS for outcome in ("succeeded", "failed")]
    few = [pair for pair in pairs if counts[pair] < (50 if arguments.full else 3)]
    print(f"{len(todo)} games, {steps} steps, {len(found)} differences")
    if few:
        print(f"too rare to say anything: {few}")
    return 1 if found or few else 0


if __name__ == "__main__":
    sys.exit(main())
