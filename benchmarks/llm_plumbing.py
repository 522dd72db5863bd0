"""Does everything around a language model work together? A tiny one learns a tiny shop.

    python benchmarks/llm_plumbing.py --out runs/plumbing

A few bundled products with few options are a shop of their own. A tiny model (made here, it knows
no language) is cloned from the steps of an oracle that takes a random action now and then, so that
the clone solves some of its tasks; federated GRPO goes on from there with TRL. This shows that
prompts, replies, masks, advantages, losses and averaging fit together. It says nothing about
language models.
"""

import argparse
import gzip
import json
import sys
import time
from pathlib import Path

import torch

from baselines.arena import Arena
from baselines.config import config_from
from baselines.local_update import make_policy
from baselines.rollout import Plan, play
from baselines.rounds import train
from baselines.streams import Stream, evaluation_stream
from baselines.tensorfile import read_tensors, write_tensors
from baselines.warm_start import clone, demonstrations

REPEATS = 6
"""How often the oracle plays each task for the clone."""
EPISODES = 16
"""Sampled episodes a task before and after training."""
BUNDLED = Path(__file__).resolve().parents[1] / "fedenv" / "webshop" / "data"


def write_shop(folder: Path, count: int) -> list[str]:
    """Write the products with the shortest names that have an instruction and four options."""
    with gzip.open(BUNDLED / "items_shuffle_bundled.json.gz") as stream:
        products = json.load(stream)
    with gzip.open(BUNDLED / "items_ins_v2_bundled.json.gz") as stream:
        instructions = json.load(stream)
    easy = [
        product
        for product in products
        if instructions.get(product["asin"], {}).get("instruction")
        and [len(v) for v in (product["customization_options"] or {}).values() if v] == [4]
    ]
    easy = sorted(easy, key=lambda product: len(product["name"]))[:count]
    folder.mkdir(parents=True, exist_ok=True)
    names = [product["asin"] for product in easy]
    (folder / "items_shuffle_easy.json").write_text(json.dumps(easy))
    chosen = {asin: instructions[asin] for asin in names}
    (folder / "items_ins_v2_easy.json").write_text(json.dumps(chosen))
    return names


def configuration(data: Path, start: str | None, given):
    """Return the run."""
    return config_from(
        {
            "environment": {
                "id": "FedWebShop-v0",
                "num_clients": 4,
                "partition": {"name": "uniform", "min_tasks": 6},
                "data": str(data),
                "knobs": {"engine": "okapi"},
            },
            "policy": {
                "name": "hf",
                "options": {
                    "model": "tiny",
                    "tiny": {"environment": "FedWebShop-v0", "hidden": given.hidden, "heads": 2},
                    "max_prompt": given.max_prompt,
                    "max_reply": given.max_reply,
                    "history": 1,
                    "micro_batch": 64,
                    "device": "cpu",
                    **({"start": start} if start else {}),
                },
            },
            "federation": {"rounds": given.rounds, "clients_per_round": 2, "local_epochs": 1},
            "rollout": {"tasks_per_epoch": 4, "group_size": given.group_size, "reward": "score"},
            "algorithm": {
                "name": "grpo",
                "minibatch_size": given.minibatch,
                "kl_coef": 0.0,
                "entropy_coef": 0.0,
            },
            "optimizer": {"actor_lr": given.lr, "weight_decay": 0.0},
            "evaluation": {
                "every": given.rounds,
                "tasks": 0,
                "temperature": 1.0,
                "clients": False,
                "episodes_per_task": 1,
            },
            "run": {"seed": given.seed},
        }
    )


def measure(config, arena, theta):
    """Return success and score on every client's training tasks, EPISODES sampled ones each."""
    policy, stream = make_policy(config), evaluation_stream(config.run.seed, "train")
    if theta is not None:
        policy.load_state(theta)
    plans = [
        Plan(
            client,
            task,
            stream.episode_seed(client, task, i),
            stream.action_key(client, task, i),
            0,
        )
        for client in range(config.environment.num_clients)
        for task in range(len(arena.federation.task_positions("train", client)))
        for i in range(EPISODES)
    ]
    played = play(policy, arena, plans, config.rollout, split="train")
    count = len(played)
    success, score = sum(e.success for e in played) / count, sum(e.score for e in played) / count
    return {"episodes": count, "success": round(success, 3), "score": round(score, 3)}


def main():
    sys.stdout.reconfigure(line_buffering=True)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--products", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--max-prompt", type=int, default=288)
    parser.add_argument("--max-reply", type=int, default=40)
    parser.add_argument("--clone-steps", type=int, default=900)
    parser.add_argument("--epsilon", type=float, default=0.3)
    parser.add_argument("--clone-lr", type=float, default=3e-3)
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--group-size", type=int, default=8)
    parser.add_argument("--minibatch", type=int, default=256)
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.process_time()
    data = given.out / "shop"
    print("products:", ", ".join(write_shop(data, given.products)))
    config = configuration(data, None, given)
    torch.set_num_threads(1)
    arena = Arena(config.environment)
    tasks = [
        (client, task)
        for client in range(config.environment.num_clients)
        for task in range(len(arena.federation.task_positions("train", client)))
    ]
    policy = make_policy(config)
    rows = demonstrations(policy, arena, "oracle", tasks * REPEATS, given.epsilon)
    sizes = [len(row.prompt) for row in rows]
    print(f"{len(tasks)} tasks, {len(rows)} steps, prompts of {min(sizes)} to {max(sizes)} tokens")
    losses = clone(
        policy, rows, steps=given.clone_steps, learning_rate=given.clone_lr, batch=16,
        stream=Stream(("plumbing", given.seed)),
    )  # fmt: skip
    warm = given.out / "warm-start.safetensors"
    write_tensors(warm, policy.state(), {})
    cloned = time.process_time()
    print(f"cloned in {cloned - began:.0f} s: {losses[0]:.2f} -> {losses[-1]:.2f} nats a token")
    config = configuration(data, str(warm), given)

    def show(event):
        if event["event"] != "round":
            return
        row = event["row"]
        training = [c["epochs"][-1] for c in row["clients"]]
        shown = " ".join(f"{e['success']:.2f}/{e['score']:.2f}" for e in training)
        measured = (row["evaluation"] or {}).get("reference")
        text = f"  val {measured['success']:.3f} / {measured['score']:.3f}" if measured else ""
        print(
            f"round {row['round']:2d} ({time.process_time() - began:.0f} s): training {shown}{text}"
        )

    before = measure(config, arena, None)
    print(f"warm start: {before}")
    theta, _ = read_tensors(train(config, given.out / "run", progress=show))
    after = measure(config, arena, theta)
    seconds = time.process_time() - began
    print(f"after GRPO: {after}")
    result = {"warm_start": before, "grpo": after, "seconds": round(seconds)}
    (given.out / "result.json").write_text(json.dumps(result, indent=1))
    print(f"{seconds:.0f} s")


if __name__ == "__main__":
    main()
