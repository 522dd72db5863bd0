"""ALFWorld's state machine: one game, text in and text out, equal to ALFWorld 0.4.x on TextWorld.

A `Game` is one episode over a shared, immutable `House`. A step is: the text becomes a command
(`grammar`), the domain and the client's stages decide whether it works (`rules`, `stages`), it
changes the state (`rules`), and the answer is worded (`rendering`).
"""

from __future__ import annotations

from collections.abc import Sequence

from fedenv.alfworld import grammar, rendering, rules
from fedenv.alfworld.grammar import MOVE, Command, Wording
from fedenv.alfworld.house import House, build_house
from fedenv.alfworld.problem import Problem
from fedenv.alfworld.stages import STOCK, Matching, Stages
from fedenv.alfworld.state import State

_TELLING = frozenset((grammar.LOOK, grammar.INVENTORY, grammar.HELP, grammar.INSPECT))


class Game:
    """One game and its current episode.

    Args:
        house: The compiled game; many games may share one, also across threads.
        stages: The client's stages; ALFWorld's own by default.
        wording: Which version of the command language; that of ALFWorld 0.4.x by default.

    Attributes:
        state: The episode's changing facts.
        won: Whether the goal is reached now; it can be lost again.
    """

    __slots__ = ("_admissible", "house", "stages", "state", "won", "wording")

    _admissible: list[str] | None
    state: State
    won: bool

    def __init__(self, house: House, stages: Stages = STOCK, wording: Wording = MOVE) -> None:
        self.house = house
        self.stages = stages
        self.wording = wording
        self.resume(State(self.house))

    @classmethod
    def from_problem(cls, problem_text: str, task_desc: str) -> Game:
        """Return the game of an ALFWorld problem text.

        Args:
            problem_text: ``pddl_problem`` of a ``game.tw-pddl`` file, or ``initial_state.pddl``.
            task_desc: What follows "Your task is to: ", without the full stop.

        Raises:
            DataError: The text is no problem of ALFWorld's domain.
        """
        return cls(build_house(Problem.parse(problem_text, task_desc)))

    def reset(self) -> tuple[str, list[str]]:
        """Start again; return the first observation and the admissible commands, sorted."""
        self.resume(State(self.house))
        return rendering.intro(self.house, self.state), self.admissible()

    def resume(self, state: State) -> None:
        """Go on from a state of this house, which belongs to the game from now on."""
        self.state = state
        self.won = self.house.goal.holds(state)
        self._admissible = None

    def step(self, command: str) -> tuple[str, list[str], bool]:
        """Carry out one line of text.

        Returns:
            Observation, admissible commands (sorted), and whether the goal is reached. What is not
            admissible changes nothing and is answered by "Nothing happens.".
        """
        parsed = grammar.parse(command.strip(), self.house, self.wording)
        if parsed is None or not self.works(parsed):
            return rendering.NOTHING_HAPPENS, self.admissible(), self.won
        house, state = self.house, self.state
        rules.apply(house, state, parsed)
        if parsed.verb not in _TELLING:
            self._admissible = None
            if not house.goal.kinds.isdisjoint(rules.CHANGES[parsed.verb]):
                self.won = house.goal.holds(state)
        observation = rendering.feedback(house, state, parsed, self.wording, self.printed)
        return observation, self.admissible(), self.won

    def works(self, command: Command) -> bool:
        """Tell whether a command would change or tell something now."""
        house, state = self.house, self.state
        allowed = rules.possible(house, state, command, self.noticed)
        return allowed and self.stages.matching.works(house, state, command)

    def admissible(self) -> list[str]:
        """Return the commands that work now, sorted."""
        if self._admissible is None:
            here = rules.nearby(self.house, self.state, self.noticed)
            matching = self.stages.matching
            checked = None if type(matching) is Matching else matching
            self._admissible = self._worded(here, checked)
        return list(self._admissible)

    def suggested(self) -> list[str]:
        """Return the commands that would work now if what is printed were true, sorted.

        Taking and using follow what is printed, whatever lies there; what the client's matching
        refuses is in. In ALFWorld's own house these are the commands that work.
        """
        return self._worded(rules.nearby(self.house, self.state, self.printed, self.printed), None)

    def noticed(self, receptacle: int) -> Sequence[int]:
        """Return the items in a receptacle that the agent can take out of it."""
        return self.stages.encoding.noticed(self.house, self.state, receptacle)

    def printed(self, receptacle: int) -> Sequence[int]:
        """Return the items that are named as the contents of a receptacle."""
        stages = self.stages
        return stages.rendering.printed(self.house, self.state, receptacle, stages.encoding)

    def _worded(self, here: list[Command], matching: Matching | None) -> list[str]:
        """Return texts of commands here, of going, and of what can be said everywhere, sorted.

        Args:
            here: What can be done here.
            matching: Leave out what it refuses, if given.
        """
        house, state, wording = self.house, self.state, self.wording
        elsewhere: Sequence[int] = house.elsewhere[state.location]
        if matching is not None:
            works = matching.works
            elsewhere = [r for r in elsewhere if works(house, state, Command(grammar.GO, other=r))]
            here = [command for command in here if works(house, state, command)]
        texts = [f"go to {house.receptacle_names[receptacle]}" for receptacle in elsewhere]
        texts += [grammar.write(command, house, wording) for command in here]
        texts += wording.always
        texts.sort()
        return texts
