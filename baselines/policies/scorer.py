"""The network of the small policy: one number for each candidate action.

A pointer: the features of an action and of the situation meet in one hidden layer, a second one
follows, and a softmax over the candidates of a decision gives the policy. The critic reads the
situation and, feature by feature, the largest value among the candidates. Decisions have different
numbers of candidates; their rows lie one after another (*ragged*, shape (sum of A, features)).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from baselines.policies.features import Candidates
from baselines.policies.protocol import CRITIC, Evaluation
from fedenv import seeding


@dataclass(frozen=True, slots=True)
class Ragged:
    """Decisions laid out for the network.

    Attributes:
        rows: Candidates of all decisions, float32, shape (N, action features).
        states: Situations, float32, shape (B, state features).
        starts: Row at which each decision begins, int64, shape (B,).
        owner: Decision of each row, int64, shape (N,).
    """

    rows: np.ndarray
    states: np.ndarray
    starts: np.ndarray
    owner: np.ndarray

    @classmethod
    def of(cls, decisions: Sequence[Candidates]) -> Ragged:
        """Lay out some decisions, at least one."""
        sizes = np.array([len(each.rows) for each in decisions], dtype=np.int64)
        return cls(
            np.concatenate([each.rows for each in decisions]),
            np.stack([each.state for each in decisions]),
            np.cumsum(sizes) - sizes,
            np.repeat(np.arange(len(sizes)), sizes),
        )


def make_parameters(
    state_size: int, action_size: int, hidden: int, critic: bool, seed: int
) -> dict[str, torch.Tensor]:
    """Return fresh parameters; each is drawn from a stream of its own, the outputs start small."""
    shapes = {
        "actor.action": (action_size, hidden),
        "actor.state": (state_size, hidden),
        "actor.hidden": (hidden, hidden),
        "actor.score": (hidden, 1),
    }
    if critic:
        shapes[f"{CRITIC}input"] = (state_size + action_size, hidden)
        shapes[f"{CRITIC}hidden"] = (hidden, hidden)
        shapes[f"{CRITIC}value"] = (hidden, 1)
    parameters: dict[str, torch.Tensor] = {}
    for name, (inputs, outputs) in shapes.items():
        width = (3.0 / inputs) ** 0.5 * (0.1 if outputs == 1 else 1.0)
        rng = seeding.frozen_rng("baselines", "small", name, seed)
        drawn = rng.random_sample((inputs, outputs)) * (2 * width) - width
        parameters[name] = torch.tensor(drawn, dtype=torch.float32)
        if name != "actor.state":  # it shares the bias of "actor.action"
            parameters[f"{name}.bias"] = torch.zeros(outputs)
    return {name: tensor.requires_grad_() for name, tensor in parameters.items()}


class Scorer:
    """Scores and values under one set of parameters.

    Args:
        parameters: As of :func:`make_parameters`; read at every call, so changes show at once.
    """

    def __init__(self, parameters: Mapping[str, torch.Tensor]) -> None:
        self._parameters = parameters
        self.has_critic = f"{CRITIC}value" in parameters

    def scores(self, batch: Ragged) -> torch.Tensor:
        """Return the logit of every candidate, shape (N,)."""
        p, owner = self._parameters, torch.from_numpy(batch.owner)
        states, rows = torch.from_numpy(batch.states), torch.from_numpy(batch.rows)
        situation = torch.addmm(p["actor.action.bias"], states, p["actor.state"])
        hidden = torch.addmm(situation[owner], rows, p["actor.action"]).relu()
        hidden = torch.addmm(p["actor.hidden.bias"], hidden, p["actor.hidden"]).relu()
        return torch.addmv(p["actor.score.bias"], hidden, p["actor.score"][:, 0])

    def values(self, batch: Ragged) -> torch.Tensor | None:
        """Return the critic's estimates, shape (B,); None without a critic."""
        if not self.has_critic:
            return None
        p = self._parameters
        largest = np.maximum.reduceat(batch.rows, batch.starts, axis=0)
        inputs = torch.from_numpy(np.concatenate((batch.states, largest), axis=1))
        hidden = torch.addmm(p[f"{CRITIC}input.bias"], inputs, p[f"{CRITIC}input"]).relu()
        hidden = torch.addmm(p[f"{CRITIC}hidden.bias"], hidden, p[f"{CRITIC}hidden"]).relu()
        return torch.addmv(p[f"{CRITIC}value.bias"], hidden, p[f"{CRITIC}value"][:, 0])

    def evaluate(self, batch: Ragged, chosen: np.ndarray) -> Evaluation:
        """Evaluate decisions, with gradients.

        Args:
            batch: The decisions.
            chosen: Candidate that was taken in each, shape (B,), 0-based within the decision.
        """
        logits, owner, count = self.scores(batch), torch.from_numpy(batch.owner), len(batch.states)
        top = torch.full((count,), -torch.inf).scatter_reduce(0, owner, logits.detach(), "amax")
        shifted = logits - top[owner]
        total = torch.zeros(count).index_add(0, owner, shifted.exp())
        log_probs = shifted - total.log()[owner]
        entropies = torch.zeros(count).index_add(0, owner, -log_probs.exp() * log_probs)
        picked = log_probs[torch.from_numpy(batch.starts + chosen)]
        return Evaluation(picked, entropies, self.values(batch))
