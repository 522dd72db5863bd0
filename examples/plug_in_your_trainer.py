"""A federated training loop with a hole where your agent goes.

    python examples/plug_in_your_trainer.py --rounds 30

The "agent" here is ten numbers: how well it pays to open the n-th search result. Clients move them
towards the scores they see, the server averages. Replace `Policy` by your model and keep the rest.
"""

import argparse

import numpy as np

import fedenv

CLIENTS_PER_ROUND, EPISODES = 4, 8


class Policy:
    """What you replace: acts in an episode, learns from its score, has parameters to average."""

    def __init__(self, parameters, rng):
        self.parameters, self.rng = parameters.copy(), rng

    def act(self, observation, actions, explore):  # actions: what the page offers
        if actions[0] == "search[<query>]":  # the start page; put your words for <query>
            self.wanted = observation.split(" [SEP] ")[2]
            return f"search[{self.wanted}]"
        if "click[buy now]" in actions:  # an open product: choose named options, then buy
            buttons = actions.index("click[buy now]") + 1
            for action in actions[buttons:]:
                if action not in self.done and f": {action[6:-1]}" in self.wanted:
                    self.done.add(action)
                    return action
            return "click[buy now]"
        results = actions[2:] or ["click[back to search]"]  # behind "back to search", "next >"
        best = int(np.argmax(self.parameters[: len(results)]))
        self.opened = int(self.rng.integers(len(results))) if explore else best
        return results[self.opened]

    def run(self, env, options, explore):
        """Run one episode; return its score."""
        self.done, self.opened = set(), None
        observation, info = env.reset(seed=int(self.rng.integers(2**31)), options=options)
        ended = False
        while not ended:
            # info["task_id"], info["episode_seed"] and the actions replay the episode.
            action = self.act(observation, info["admissible_actions"], explore)
            observation, reward, terminated, truncated, info = env.step(action)
            ended = terminated or truncated
        if explore and self.opened is not None:  # "learning": move towards the reward at the end
            self.parameters[self.opened] += 0.2 * (reward - self.parameters[self.opened])
        return info["score"]


def main(rounds):
    rng = np.random.default_rng(0)
    federation = fedenv.Federation("FedWebShop-RankWrapper-v0", num_clients=20)
    parameters = np.full(10, 0.5)
    print(f"federation {federation.digest}")  # cite this
    for number in range(rounds):
        updates = []
        for client_id in rng.choice(20, CLIENTS_PER_ROUND, replace=False).tolist():
            env = federation.make_env(client_id)  # the client's own tasks in its own shop
            policy = Policy(parameters, rng)
            for index in rng.integers(len(env.unwrapped.task_ids), size=EPISODES).tolist():
                policy.run(env, {"task_index": index}, explore=True)
            updates.append(policy.parameters)
        parameters = np.mean(updates, axis=0)  # FedAvg
        if number in (0, rounds - 1):
            env = federation.make_env(0, split="val")  # same tasks for all; the reference shop
            policy = Policy(parameters, rng)
            score = np.mean([policy.run(env, {"task_index": i}, False) for i in range(50)])
            print(f"round {number + 1}: validation score {score:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=30)
    main(**vars(parser.parse_args()))
