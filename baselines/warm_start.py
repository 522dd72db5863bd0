"""Behaviour cloning: parameters to begin with, from the steps of a scripted agent.

An agent plays training tasks; every step becomes a prompt as the policy would have seen it and the
reply it should have written, and the likelihood of those replies is raised. What comes out is a
file of parameters that ``policy.options.start`` names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from baselines.arena import Arena
from baselines.policies.causal_lm import Tokens
from baselines.policies.hf import HfPolicy
from baselines.streams import Stream
from fedenv.agents import EpsilonAgent, agent_factory
from fedenv.prompts import Conversation, fit, format_reply
from fedenv.registration import find_environment
from fedenv.seeding import rng_for, wide_rng


def demonstrations(
    policy: HfPolicy,
    arena: Arena,
    agent: str,
    tasks: Sequence[tuple[int, int]],
    epsilon: float = 0.0,
) -> list[Tokens]:
    """Return the steps of an agent as prompts and replies.

    Args:
        policy: Whose prompts and tokens.
        arena: The environments.
        agent: Name of the agent, e.g. ``"oracle"`` (``fedenv.agents``).
        tasks: Client and index of each training task that it plays; one may come several times.
        epsilon: Probability in [0, 1] that a step is a random admissible action.

    Raises:
        ConfigError: There is no such agent.
    """
    family = find_environment(arena.federation.env_id).load_family()
    factory = agent_factory(agent, family.agents)
    rows = []
    for number, (client_id, task) in enumerate(tasks):
        env = arena.take(client_id, split="train")
        draws = ("demonstrations", client_id, task, number)
        scripted = factory(env, rng_for(*draws))
        actor = EpsilonAgent(scripted, epsilon, wide_rng(*draws, "random steps"))
        observation, info = env.reset(seed=task, options={"task_index": task})
        actor.reset(observation, info)
        talk = Conversation(observation, policy.options.history)
        over = False
        while not over:
            action = actor.act(observation, info)
            prompt = talk.prompt(observation, info["admissible_actions"])
            told = fit(prompt, policy.options.max_prompt, lambda m: len(policy.tokens_of(m)))
            reply = policy.lm.tokenizer(format_reply("", action))["input_ids"]
            end = policy.lm.end_ids[:1]
            rows.append(Tokens(policy.tokens_of(told.messages), (*reply, *end)))
            talk.note(observation, action)
            observation, _, terminated, truncated, info = env.step(action)
            over = terminated or truncated
        arena.give_back(env, client_id, split="train")
    return rows


def clone(
    policy: HfPolicy,
    rows: Sequence[Tokens],
    *,
    steps: int,
    learning_rate: float,
    batch: int = 16,
    stream: Stream | None = None,
) -> list[float]:
    """Raise the likelihood of replies; the policy changes in place.

    Args:
        policy: What is trained (its critic is not).
        rows: Prompts and replies.
        steps: Optimiser steps (AdamW).
        learning_rate: Falls to 0 along half a cosine.
        batch: Rows of a step.
        stream: The order of the rows.

    Returns:
        Mean negative log-likelihood per token at each step, in nats.
    """
    order, draws = [], stream or Stream(("warm start",))
    for turn in range(-(-steps * batch // len(rows))):
        order += draws.order(len(rows), turn).tolist()
    parameters = [p for n, p in policy.trainable().items() if n not in policy.lm.head]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.0)
    losses = []
    policy.lm.train(True)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * 0.5 * (1.0 + math.cos(math.pi * step / steps))
        chosen = [rows[i] for i in order[step * batch : (step + 1) * batch]]
        scores = policy.lm.scores(chosen, gradients=True)
        loss = -scores.log_probs.sum() / scores.mask.sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    policy.lm.train(False)
    for parameter in parameters:
        parameter.grad = None
    return losses
