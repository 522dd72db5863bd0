"""Trees of game files in the public format, written for tests."""

import json

from fedenv.alfworld.bundled import bundled_games

GRAMMAR = """grammar :: \"\"\"
    {{
        "intro": [{{"rhs": "#look.feedback#\\n\\n#task#"}}],
        "task": [
            {{
                "rhs": {task}
            }}
        ]
    }}
\"\"\";

action GotoLocation {{
    template :: "go to [{{r.name | receptacleatlocation(r:receptacle, lend:location)}}]";
}}

action PutObject {{
    template :: "{put}";
    feedback :: "#PutObject.feedback#";
}}

action PutObjectInReceptacleObject {{
    template :: "put {{o}} into {{outero}}";
}}
"""
MOVE, PUT = "move {o} to {r}", "put {o} in/on {r}"


def game_text(problem, put=MOVE, task=None, **changes):
    """Return the text of a ``game.tw-pddl`` file."""
    sentence = f"Your task is to: {problem.task_desc if task is None else task}."
    game = {
        "pddl_domain": "(define (domain alfred))",
        "grammar": GRAMMAR.format(task=json.dumps(sentence), put=put),
        "pddl_problem": problem.to_pddl(),
        "solvable": True,
        "walkthrough": ["look"],
        **changes,
    }
    return json.dumps(game)


def trial_path(game, record, number):
    place = record.place
    parts = (game.task_type, record.item, "None", place, str(record.scene))
    return f"{game.split}/{'-'.join(parts)}/trial_T2019_{number:06d}"


def write_trial(tree, path, content):
    folder = tree / path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "traj_data.json").write_text("{}", encoding="utf-8")
    if content is not None:
        data = content if isinstance(content, bytes) else content.encode("utf-8")
        (folder / "game.tw-pddl").write_bytes(data)
    return folder


def sample(records, step):
    """Return (position, game, record) of every so-manyth bundled game."""
    games = bundled_games().games
    return [(i, games[i], records[i]) for i in range(0, len(games), step)]
