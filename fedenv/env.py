"""FedTextEnv: what every text environment of the project shares.

Client, task choice, reset options, step limit and the ``info`` contract live here; what an action
does lives in the family's episodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
from gymnasium.error import ResetNeeded

from fedenv.errors import ConfigError, unknown_name
from fedenv.family import Episode
from fedenv.federation import Federation, shared_federation
from fedenv.fingerprint import digest
from fedenv.seeding import index_for
from fedenv.spaces import UnicodeText
from fedenv.tasks import SPLITS
from fedenv.version import __version__

MAX_OBSERVATION_LENGTH = 1_000_000
MAX_ACTION_LENGTH = 10_000
REWARDS = ("score", "success")
RESET_OPTIONS = ("task_id", "task_index")
_MAX_EPISODE_SEED = 2**31


class ClientTasks:
    """One client's tasks in one split, in one kernel: starts episodes.

    Args:
        federation: The federation.
        client_id: 0-based client index.
        split: ``"train"``, ``"val"`` or ``"test"``.
        kernel: ``"client"``, ``"reference"``, or None: the client's own for train, the reference
            for val and test, as the paper evaluates.
        eval_tasks: Take the first so many tasks of val or test.

    Raises:
        ConfigError: An argument is unknown or out of range.
    """

    def __init__(
        self,
        federation: Federation,
        client_id: int = 0,
        split: str = "train",
        kernel: str | None = None,
        eval_tasks: int | None = None,
    ) -> None:
        if split not in SPLITS:
            raise unknown_name("split", split, SPLITS)
        self._arguments = (federation, client_id, split, kernel, eval_tasks)
        self.client_id = federation.client(client_id).client_id
        self.split = split
        self.kernel_kind = kernel or ("client" if split == "train" else "reference")
        self.kernel = federation.kernel(self.client_id, self.kernel_kind)
        self.positions = federation.task_positions(split, self.client_id, eval_tasks)
        self._splits = federation.world.splits

    def __reduce__(self) -> tuple[type[ClientTasks], tuple[Any, ...]]:
        return ClientTasks, self._arguments

    @property
    def task_ids(self) -> tuple[str, ...]:
        """Ids of the tasks, in order."""
        return tuple(self._splits.tasks[i].id for i in self.positions)

    def draw(self, episode_seed: int) -> int:
        """Return the position of the task that an episode seed stands for."""
        return self.positions[index_for(len(self.positions), "task", episode_seed)]

    def choose(self, options: Mapping[str, Any]) -> int:
        """Return the position of the task that reset options ask for.

        Raises:
            ConfigError: Unknown option, or no such task here.
        """
        if len(options) != 1 or next(iter(options)) not in RESET_OPTIONS:
            raise ConfigError(
                "reset options must be {'task_id': str} or {'task_index': int}, "
                f"got {dict(options)!r}"
            )
        if "task_index" in options:
            index: Any = options["task_index"]
            if not hasattr(index, "__index__") or not 0 <= index < len(self.positions):
                raise ConfigError(
                    f"task_index must be an integer in 0..{len(self.positions) - 1}, got {index!r}"
                )
            return self.positions[int(index)]
        try:
            position = self._splits.position(options["task_id"])
        except (KeyError, TypeError):
            position = -1
        if position not in self.positions:
            raise ConfigError(
                f"client {self.client_id} has no task {options['task_id']!r} in split "
                f"{self.split!r}; its ids are in env.unwrapped.task_ids"
            )
        return position

    def begin(self, position: int, episode_seed: int) -> Episode:
        """Start an episode."""
        return self.kernel.begin(position, episode_seed)

    def info(
        self, episode: Episode, position: int, episode_seed: int, step: int, action_valid: bool
    ) -> dict[str, Any]:
        """Return the info of a step; the keys and types are the same at every step."""
        return {
            "client_id": self.client_id,
            "task_id": self._splits.tasks[position].id,
            "split": self.split,
            "episode_seed": episode_seed,
            "step": step,
            "action_valid": action_valid,
            "admissible_actions": episode.admissible_actions,
            "success": episode.success,
            "score": episode.score,
            "reward_terms": episode.reward_terms,
        }


class FedTextEnv(gymnasium.Env[str, str]):
    """A text environment of one client of a federation.

    Args:
        env_id: The registered id.
        client_id: 0-based client index.
        split: ``"train"``, ``"val"`` or ``"test"``.
        kernel: ``"client"``, ``"reference"``, or None for the split's default.
        eval_tasks: Take the first so many tasks of val or test.
        reward: ``"score"``, or ``"success"`` (1.0 where the task is solved, else 0.0).
        render_mode: None or ``"ansi"``.
        **federation: Arguments of :class:`~fedenv.federation.Federation`.

    Raises:
        ConfigError: An argument is unknown or out of range.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012 (Gymnasium's contract)

    def __init__(
        self,
        env_id: str,
        client_id: int = 0,
        split: str = "train",
        kernel: str | None = None,
        eval_tasks: int | None = None,
        reward: str = "score",
        render_mode: str | None = None,
        **federation: Any,
    ) -> None:
        if reward not in REWARDS:
            raise unknown_name("reward", reward, REWARDS)
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise unknown_name("render_mode", render_mode, (None, "ansi"))
        self.federation = shared_federation(env_id, federation)
        self.tasks = ClientTasks(self.federation, client_id, split, kernel, eval_tasks)
        self.render_mode = render_mode
        self.observation_space = UnicodeText(MAX_OBSERVATION_LENGTH)
        self.action_space = UnicodeText(MAX_ACTION_LENGTH)
        self._reward_is_success = reward == "success"
        self._episode: Episode | None = None
        self._position = 0
        self._episode_seed = 0
        self._step = 0

    @property
    def client_id(self) -> int:
        """0-based client index."""
        return self.tasks.client_id

    @property
    def episode(self) -> Episode | None:
        """The running episode, for oracles and tests; an agent must not look."""
        return self._episode

    @property
    def task_ids(self) -> tuple[str, ...]:
        """Ids of the tasks that ``reset`` draws from, in the order of ``task_index``."""
        return self.tasks.task_ids

    def fingerprint(self) -> dict[str, Any]:
        """Return what a result depends on; equal fingerprints mean comparable results."""
        parts = {
            "env_id": self.federation.env_id,
            "data_digest": self.federation.world.data_digest,
            "knobs": dict(self.federation.world.knobs),
            "client_id": self.client_id,
            "split": self.tasks.split,
            "tasks_digest": digest(self.task_ids),
            "kernel": self.tasks.kernel_kind,
            "pipeline": dict(self.tasks.kernel.digests),
        }
        return {**parts, "package_version": __version__, "fingerprint": digest(parts)}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: Seed of the episode; it names the task and every draw. Without one, seeds
                continue the stream of the last seed. ``reset(seed=info["episode_seed"])`` starts
                the same episode again.
            options: ``{"task_id": str}`` or ``{"task_index": int}`` choose the task instead.

        Raises:
            ConfigError: Unknown option, or no such task here.
        """
        chosen = self.tasks.choose(options) if options else None  # refused before anything changes
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(_MAX_EPISODE_SEED))
        self._episode_seed = int(seed)
        self._position = self.tasks.draw(self._episode_seed) if chosen is None else chosen
        self._episode = self.tasks.begin(self._position, self._episode_seed)
        self._step = 0
        return self._episode.observation, self._info(self._episode, True)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Take one action.

        A malformed or inadmissible action, and any action after the end, is a valid step that
        changes nothing.

        Args:
            action: The agent's text.

        Returns:
            Observation, reward (0.0 until the end), terminated, truncated (always False: the step
            limit is Gymnasium's ``TimeLimit``), info.

        Raises:
            ResetNeeded: No episode was started.
        """
        episode = self._episode
        if episode is None:
            raise ResetNeeded("call reset() before step()")
        ended = episode.done
        valid = episode.act(action)
        self._step += 1
        reward = 0.0
        if episode.done and not ended:
            reward = float(episode.success) if self._reward_is_success else episode.score
        return episode.observation, reward, episode.done, False, self._info(episode, valid)

    def render(self) -> str | None:
        """Return the current page as text in render mode ``"ansi"``."""
        if self.render_mode is None or self._episode is None:
            return None
        return self._episode.observation

    def _info(self, episode: Episode, valid: bool) -> dict[str, Any]:
        return self.tasks.info(episode, self._position, self._episode_seed, self._step, valid)
