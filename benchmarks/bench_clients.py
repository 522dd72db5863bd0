"""Memory and CPU time of 100 clients' environments over one, and the import time.

Each measurement runs in a process of its own.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

ENV_IDS = (
    *("FedWebShop-v0", "FedWebShop-CatalogSplit-v0", "FedWebShop-FieldSubset-v0"),
    *("FedWebShop-BM25Reweight-v0", "FedWebShop-Lookalike-v0", "FedWebShop-RankWrapper-v0"),
)
_CLIENTS = """
import gc, sys, time, tracemalloc, gymnasium as gym, fedenv
env_id, measure = sys.argv[1:]
kept = [gym.make(env_id, client_id=0)]
kept[0].reset(seed=0)
kept[0].step("search[women shirt]")
gc.collect()
if measure == "memory":
    tracemalloc.start()
start = time.process_time()
for client_id in range(1, 101):
    env = gym.make(env_id, client_id=client_id % 100)
    kept.append(env)
    env.reset(seed=0)
    if measure == "memory":
        env.step("search[women shirt]")
seconds = time.process_time() - start
print(tracemalloc.get_traced_memory()[0] / 2**20 if measure == "memory" else seconds)
"""
_IMPORT = "import time; t = time.perf_counter(); import fedenv; print(time.perf_counter() - t)"


def run(script: str, *arguments: str) -> float:
    command = [sys.executable, "-c", script, *arguments]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def rows() -> list[tuple[str, str, str]]:
    found = []
    for env_id in ENV_IDS:
        memory, seconds = run(_CLIENTS, env_id, "memory"), run(_CLIENTS, env_id, "time")
        found.append((f"{env_id}: 100 clients over one, memory", f"{memory:.1f} MB", "≤ 20 MB"))
        found.append((f"{env_id}: 100 clients over one, CPU", f"{seconds:.2f} s", "≤ 0.5 s"))
    imported = statistics.median(run(_IMPORT) for _ in range(5))
    found.append(("import fedenv (median of 5)", f"{imported:.2f} s", "< 0.3 s"))
    return found
