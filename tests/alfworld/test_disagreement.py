"""Disagreement of houses: the same command in the same state, and what it is answered."""

import json

import pytest
from click.testing import CliRunner

from fedenv import Federation, cli
from fedenv.alfworld.disagreement import (
    DISAGREEMENT,
    Answer,
    CommandProbe,
    admissible_jaccard,
    differs,
)
from fedenv.disagreement import ProbeSource, disagreement_report
from fedenv.errors import ConfigError
from fedenv.recording import read_records
from tests.conftest import ALFWORLD_IDS

DOORS = "FedALFWorld-DoorRule-v0"
HEAT, CLEAN = "pick_heat_then_place_in_recep", "pick_clean_then_place_in_recep"


@pytest.mark.parametrize(
    ("one", "other", "observation", "jaccard"),
    [
        (Answer("a", frozenset("xy")), Answer("a", frozenset("xy")), 0.0, 1.0),
        (Answer("a", frozenset("xy")), Answer("b", frozenset("yz")), 1.0, 1 / 3),
        (Answer("a", frozenset()), Answer("a", frozenset()), 0.0, 1.0),
        (Answer("a", frozenset()), Answer("a", frozenset("x")), 0.0, 0.0),
    ],
)
def test_measures_of_two_answers(one, other, observation, jaccard):
    assert differs(one, other) == differs(other, one) == observation
    assert admissible_jaccard(one, other) == admissible_jaccard(other, one) == jaccard


def test_the_default_probes_are_walks_in_64_validation_games():
    federation = Federation(DOORS)
    probes = DISAGREEMENT.probes(federation.world, ProbeSource())
    assert len({probe.task for probe in probes}) == 64
    assert {probe.task for probe in probes} <= set(federation.world.splits.of("val"))
    walks = {(probe.task, probe.walk) for probe in probes}
    assert len(walks) == 128
    assert sum(len(walk) for _, walk in walks) == len(probes)
    assert probes == DISAGREEMENT.probes(Federation("FedALFWorld-v0").world, ProbeSource())


def oracle_probes(federation, kind):
    splits = federation.world.splits
    probes = DISAGREEMENT.probes(federation.world, ProbeSource())
    found = [probe for probe in probes if splits.tasks[probe.task].category == kind]
    return [probe for probe in found if len(probe.walk) != 20]


@pytest.mark.parametrize(("kind", "verb"), [(HEAT, "heat "), (CLEAN, "clean ")])
def test_a_state_is_the_same_for_all_and_one_command_shows_the_rule(kind, verb):
    """A refused command does not change what later commands are asked of."""
    federation = Federation(DOORS)
    probes = oracle_probes(federation, kind)
    kernels = [federation.kernel(client) for client in (0, 3)]  # doors open, doors closed
    mine, theirs = (DISAGREEMENT.answers(kernel, probes) for kernel in kernels)
    differing = [probe for probe, a, b in zip(probes, mine, theirs, strict=True) if differs(a, b)]
    assert all(probe.walk[probe.step].startswith(verb) for probe in differing)
    if kind == HEAT:
        heats = [probe for probe in probes if probe.walk[probe.step].startswith(verb)]
        assert differing == heats
        answers = dict(zip(probes, mine, strict=True))
        assert {answers[probe].observation for probe in heats} == {"Nothing happens."}


def test_what_one_house_refused_is_done_in_the_state_of_the_next_command():
    federation = Federation(DOORS)
    probe = next(p for p in oracle_probes(federation, HEAT) if "heat " in p.walk[p.step])
    thing = probe.walk[probe.step].removeprefix("heat ").partition(" with ")[0]
    walk = (*probe.walk[: probe.step + 1], f"examine {thing}")
    looking = CommandProbe(probe.task, walk, len(walk) - 1)
    for client in (0, 3):
        (answer,) = DISAGREEMENT.answers(federation.kernel(client), [looking])
        assert answer.observation == f"This is a hot {thing}."


def test_answers_are_those_of_an_episode():
    """In ALFWorld's own house the states are those that the commands lead to."""
    federation = Federation(DOORS)
    kernel = federation.kernel(0, "reference")
    for kind in (HEAT, CLEAN):
        for probe in oracle_probes(federation, kind):
            game = kernel.begin(probe.task, 0).game
            for command in probe.walk[: probe.step + 1]:
                observation, admissible, _ = game.step(command)
            expected = Answer(observation, frozenset(admissible))
            assert DISAGREEMENT.answers(kernel, [probe]) == [expected]


@pytest.mark.parametrize("env_id", ALFWORLD_IDS[1:])
def test_report(env_id):
    content = disagreement_report(Federation(env_id), ProbeSource(150))
    observation, admissible = content["measures"].values()
    assert content["num_probes"] == 150
    assert 0.0 < observation["mean"] < 0.5
    assert (admissible["mean"] < 1.0) is ("Shifted" not in env_id)
    assert len(content["members"]) == (4 if env_id == DOORS else 8)
    assert {"task", "before", "command"} < set(content["probes"][0])


def test_nothing_to_compare():
    with pytest.raises(ConfigError, match="same kernel"):
        disagreement_report(Federation("FedALFWorld-v0"), ProbeSource(5))
    with pytest.raises(ConfigError, match="a command alone says not in which game"):
        disagreement_report(Federation(DOORS), ProbeSource(lines=("look",)))
    with pytest.raises(ConfigError, match="found none"):
        disagreement_report(Federation(DOORS), ProbeSource(records=()))


def test_command(tmp_path):
    def fed(*arguments, status=0):
        result = CliRunner().invoke(cli.main, [str(a) for a in arguments])
        assert result.exit_code == status, result.output
        return result

    episodes = tmp_path / "e.jsonl"
    rollout = ("rollout", DOORS, "--client", 0, "--agent", "keyword", "--record", episodes)
    splits = Federation(DOORS).world.splits
    hot = next(i for i, t in enumerate(splits.of("val")) if splits.tasks[t].category == HEAT)
    fed(*rollout, "--task-index", hot)
    report = ("report", "disagreement", DOORS)
    text = fed(*report, "--trajectories", episodes, "--out", tmp_path / "o").output
    assert "next observation differs" in text
    content = json.loads((tmp_path / "o" / "disagreement.json").read_text())
    (_, record), *_ = read_records(episodes)
    assert [probe["command"] for probe in content["probes"]] == [s.action for s in record.steps]
    assert content["probes"][2]["before"] == [s.action for s in record.steps[:2]]
    assert (tmp_path / "o" / "disagreement.png").exists()
    other = tmp_path / "w.jsonl"
    fed("rollout", "FedWebShop-v0", "--agent", "first", "--record", other)
    result = fed(*report, "--trajectories", other, "--out", tmp_path / "p", status=2)
    assert "expected episodes on the games of" in result.stderr


def test_a_probe_is_described_by_its_command_and_those_before():
    probe = CommandProbe(3, ("look", "help", "inventory"), 1)
    assert DISAGREEMENT.describe(probe) == {"task": 3, "before": ["look"], "command": "help"}
