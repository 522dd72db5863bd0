"""Real vLLM behind the seam of the policy ``hf`` (make test-vllm).

Usage: python tests/reference/vllm_reference.py --vllm ENV/bin/python [--out FILE]

Starts ``fedenv serve policy`` twice on a tiny model: for full fine-tuning (weights are reloaded)
and for LoRA (the adapter is loaded in place). With each: replies are token-exact, parameters that
move arrive, ones that do not arrive stop the run, and one federated GRPO round runs through the
server. The same with vLLM in the process, if this is vLLM's own environment. Prints what was
measured; exit status 1 where something differs.
"""

import argparse
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import torch

from baselines.config import config_from
from baselines.errors import RefreshError
from baselines.policies.generation import Request
from baselines.policies.hf import make
from baselines.policies.hf_options import TinyOptions
from baselines.policies.protocol import Turn
from baselines.policies.served import VllmServer
from baselines.rounds import train
from baselines.tiny_model import make_model, tiny_tokenizer, write_folder

ROOT = Path(__file__).resolve().parents[2]
ENV_ID = "FedWebShop-v0"  # episodes of 15 steps
START_SECONDS = 1500  # on a busy machine; a minute on a quiet one
MEMORY = "0.3"  # of the machine's, on a CPU; vLLM's default wants nearly all of it to be free
SMALL = {"max_prompt": 500, "max_reply": 12, "device": "cpu"}


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """``fedenv serve policy`` in a process of its own."""

    def __init__(self, python, model, lora_rank, log):
        self.port, began = free_port(), time.monotonic()
        rank = ["--lora-rank", str(lora_rank)] if lora_rank else []
        command = [sys.executable, "-m", "fedenv", "serve", "policy", str(model), "--dev"]
        command += ["--port", str(self.port), "--python", python, "--dtype", "float32"]
        command += [*rank, "--max-length", "1024", "--", "--enforce-eager"]
        command += ["--gpu-memory-utilization", MEMORY]
        self.log = open(log, "w")  # noqa: SIM115 (closed by close)
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True
        )
        self.url = f"http://127.0.0.1:{self.port}"
        while True:
            try:
                urlopen(f"{self.url}/health", timeout=2)
                break
            except (URLError, OSError):
                assert self.process.poll() is None, f"the server ended; see {log}"
                assert time.monotonic() - began < START_SECONDS, f"no answer; see {log}"
                time.sleep(0.5)
        self.seconds = time.monotonic() - began

    def close(self):
        import os

        os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.log.close()


def turns(count):
    page = "You see a bed {0}.\n\nYour task is to: look at bed {0}."
    return [Turn(i, page.format(i), ("look", "go to bed 1"), 1000 + i) for i in range(count)]


def jolt(policy, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in policy.trainable().values():
            tensor.add_(0.05 * torch.randn(tensor.shape, generator=generator))


def exactness(policy):
    """Return the mean difference per token after each of three refreshes, and their seconds."""
    gaps, seconds = [], []
    for turn in range(3):
        if turn:
            jolt(policy, turn)
        policy.begin(range(8))
        began = time.monotonic()
        choices = policy.act(turns(8))
        seconds.append(round(time.monotonic() - began, 2))
        gaps.append(policy.gap([choice.memo for choice in choices]))
        policy.end(range(8))
    return gaps, seconds


def speed(policy, parallel):
    """Return tokens per second of the generator."""
    generator = policy._generator_of_mine()
    prompt = policy.tokens_of([{"role": "user", "content": "go " * 40}])
    requests = [Request(prompt, seed) for seed in range(parallel)]
    began = time.monotonic()
    written = generator.write(requests, 1.0, 64)
    return round(sum(len(reply.ids) for reply in written) / (time.monotonic() - began), 1)


def run_config(options):
    return config_from(
        {
            "environment": {"id": ENV_ID, "num_clients": 10},
            "policy": {"name": "hf", "options": options},
            "federation": {"rounds": 1, "clients_per_round": 2, "local_epochs": 1},
            "rollout": {"tasks_per_epoch": 1, "group_size": 2},
            "algorithm": {"name": "grpo"},
            "optimizer": {"actor_lr": 1e-3},
            "evaluation": {"tasks": 1, "clients": False},
        }
    )


def a_round(options, out):
    began = time.monotonic()
    train(run_config(options), out)
    row = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
    epochs = [client["epochs"][-1] for client in row["clients"]]
    return {
        "seconds": round(time.monotonic() - began, 1),
        "clients": row["answered"],
        "sampling_gap": max(epoch["sampling_gap"] for epoch in epochs),
        "steps": sum(epoch["steps"] for epoch in epochs),
    }


def with_server(python, model, sync, work):
    lora = {"r": 4} if sync == "lora" else None
    server = Server(python, model, 4 if lora else None, work / f"server-{sync}.log")
    print(f"{sync}: server up in {server.seconds:.1f} s", flush=True)
    try:
        settings = {"url": server.url, "folder": str(work / f"sync-{sync}"), "sync": sync}
        options = {**SMALL, "model": str(model), "backend": "server", "server": settings}
        options |= {"lora": lora} if lora else {}
        policy = make(seed=0, critic=False, options=options)
        gaps, seconds = exactness(policy)
        found = {
            "server_up_s": round(server.seconds, 1),
            "gap_after_refresh": gaps,
            "refresh_and_8_replies_s": seconds,
            "tokens_per_s_1": speed(policy, 1),
            "tokens_per_s_16": speed(policy, 16),
            "stale_parameters_stop_the_run": stale(policy),
            "federated_round": a_round(options, work / f"run-{sync}"),
        }
    finally:
        server.close()
    found["ok"] = (
        max(gaps) < 1e-4
        and found["stale_parameters_stop_the_run"]
        and found["federated_round"]["sampling_gap"] < 1e-4
    )
    print(json.dumps({sync: found}, indent=1), flush=True)
    return found


def stale(policy):
    """Tell whether parameters that never arrive are noticed."""
    keep, VllmServer.refresh = VllmServer.refresh, lambda self, model: None
    try:
        jolt(policy, 9)
        policy.begin([0])
        policy.act(turns(1))
    except RefreshError:
        return True
    finally:
        VllmServer.refresh = keep
        policy.end([0])
    return False


def colocated(model):
    """The same with vLLM in this process."""
    found = {}
    for name, lora in (("full", None), ("lora", {"r": 4})):
        more = {"enforce_eager": True, "gpu_memory_utilization": float(MEMORY)}
        options = {**SMALL, "model": str(model), "backend": "vllm", "vllm": more}
        options |= {"lora": lora} if lora else {}
        policy = make(seed=0, critic=False, options=options)
        gaps, seconds = exactness(policy)
        found[name] = {"gap_after_refresh": gaps, "seconds": seconds, "ok": max(gaps) < 1e-4}
        print(json.dumps({f"colocated {name}": found[name]}, indent=1), flush=True)
        del policy
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vllm", required=True, help="Interpreter that has vLLM.")
    parser.add_argument("--out", type=Path, help="Also write what was measured here.")
    parser.add_argument("--ways", nargs="+", default=["reload", "lora"], help="Refresh by these.")
    parser.add_argument("--colocated", action="store_true", help="Only vLLM in this process.")
    given = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        model, options = work / "model", TinyOptions(ENV_ID)
        tokenizer = tiny_tokenizer(options)
        write_folder(model, make_model(options, tokenizer, 0), tokenizer)
        if given.colocated:
            results = colocated(model)
        else:
            for sync in given.ways:
                results[sync] = with_server(given.vllm, model, sync, work)
    if given.out is not None:
        given.out.write_text(json.dumps(results, indent=1))
    return 0 if all(found["ok"] for found in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
