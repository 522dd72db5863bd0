"""One episode of FedALFWorld: what the core asks of a game."""

from __future__ import annotations

from fedenv.alfworld.engine import Game
from fedenv.alfworld.rendering import NOTHING_HAPPENS
from fedenv.alfworld.textworld_engine import TextWorldGame

STEP_LIMIT = 50
"""Steps of an episode, as in the paper; then ``reward_terms`` are told without success, too."""

ADMISSIBLE = ("true", "rendered", "none")


class AlfredEpisode:
    """One running episode.

    Args:
        game: The game, compiled, in its client's house.
        admissible: Which commands are listed: ``"true"``: those that work; ``"rendered"``: those
            that what was printed suggests; ``"none"``: no list.
        original: The same game in ALFWorld itself, whose texts and lists are shown instead.
    """

    __slots__ = (
        *("__weakref__", "_admissible", "_listed", "_steps"),
        *("done", "game", "observation", "original"),
    )

    observation: str
    done: bool

    def __init__(self, game: Game, admissible: str, original: TextWorldGame | None = None) -> None:
        self.game = game
        self.original = original
        self._admissible = admissible
        self._steps = 0
        self.done = False
        self.observation, self._listed = (original or game).reset()

    @property
    def admissible_actions(self) -> list[str]:
        """A new list of the commands offered now."""
        if self._admissible == "none":
            return []
        if self._admissible == "rendered":
            return self.game.suggested()
        return list(self._listed)

    @property
    def score(self) -> float:
        """1.0 once the goal is reached, else 0.0."""
        return float(self.done)

    @property
    def success(self) -> bool:
        """Whether the goal is reached."""
        return self.done

    @property
    def reward_terms(self) -> dict[str, float]:
        """``goal_condition_success_rate`` at the end (or at the step limit); empty before."""
        if not self.done and self._steps < STEP_LIMIT:
            return {}
        reached, asked = self.game.house.goal.progress(self.game.state)
        return {"goal_condition_success_rate": reached / asked}

    def act(self, action: object) -> bool:
        """Carry out one command; return whether it worked. What does not work changes nothing."""
        self._steps += 1
        if self.done:
            return False
        if not isinstance(action, str):
            self.observation = NOTHING_HAPPENS
            return False
        self.observation, self._listed, self.done = self.game.step(action)
        if self.original is not None:
            self.observation, self._listed, self.done = self.original.step(action)
        return self.observation != NOTHING_HAPPENS
