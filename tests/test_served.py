"""Evaluation of a served model: every episode is kept, whatever the endpoint does."""

import _thread
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("openai", reason="needs openai (extra openai)")
pytest.importorskip("aiolimiter", reason="needs aiolimiter (extra openai)")
pytest.importorskip("werkzeug", reason="needs Werkzeug (extra web)")

from fedenv.cli import main
from fedenv.errors import ConfigError, DataError
from fedenv.evaluate import EvaluationConfig, evaluate
from fedenv.evaluation.cells import open_jobs, task_and_seed
from fedenv.evaluation.plans import Part, Plan, evaluate_plan
from fedenv.evaluation.replies import cost, sum_usage
from fedenv.evaluation.served import Endpoint, EndpointError, MissingOpenAI, ServedModel
from fedenv.prompts import Conversation, parse_reply, prompt_hash
from fedenv.recording import read_records
from fedenv.replay import replay_file

from .chat_server import ChatServer, choose

ROOT = Path(__file__).resolve().parents[1]
SHOP, HOUSE = "FedWebShop-RankWrapper-v0", "FedALFWorld-v0"
MODEL = ServedModel("stub")


def config(**changes):
    base = {"envs": (SHOP,), "agent": "openai", "clients": (0, 1, 2, 3), "episodes": 1}
    return EvaluationConfig(**{**base, "num_clients": 4, "model": MODEL, **changes})


def run(server, out, asked=None, **endpoint):
    return evaluate(asked or config(), out, endpoint=Endpoint(server.url, **endpoint))


def results_of(folder):
    lines = sorted((folder / "episodes.jsonl").read_bytes().splitlines(True))
    return lines, [(folder / name).read_bytes() for name in ("results.json", "run.json")]


def replies_of(folder):
    return [json.loads(line) for line in (folder / "replies.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run, one episode after another: folder, results, requests."""
    folder = tmp_path_factory.mktemp("whole")
    with ChatServer() as server:
        results = run(server, folder, concurrency=1)
    return folder, results, server


def play(asked, cell):
    """Play a cell without HTTP: actions, prompts and replies."""
    env = asked.federation(cell.env_id).make_env(cell.client_id, split="val", kernel=cell.kernel)
    task, seed = task_and_seed(0, cell.client_id, cell.episode, env.unwrapped.task_ids)
    observation, info = env.reset(seed=seed, options={"task_id": task})
    conversation = Conversation(observation)
    ended, actions, texts, said = False, [], [], []
    while not ended:
        (message,) = conversation.prompt(observation, info["admissible_actions"]).messages(8192)
        texts.append(message["content"])
        said.append(choose(texts[-1]))
        actions.append(parse_reply(said[-1]).action)
        conversation.note(observation, actions[-1])
        observation, _, terminated, truncated, info = env.step(actions[-1])
        ended = terminated or truncated
    return actions, texts, said, info["score"]


def test_the_model_plays_what_it_says(whole):
    folder, results, server = whole
    records = {record.cell: record for _, record in read_records(folder / "episodes.jsonl")}
    cells = [cell for job in open_jobs(config()) for cell in job.cells]
    assert set(records) == set(cells)
    asked = {body["messages"][0]["content"] for body in server.bodies}
    usage = dict.fromkeys(("prompt_tokens", "completion_tokens", "invalid_replies"), 0)
    for cell in cells:
        actions, texts, said, score = play(config(), cell)
        assert [step.action for step in records[cell].steps] == actions
        assert records[cell].score == score
        assert set(texts) <= asked
        usage["prompt_tokens"] += sum(map(len, texts))
        usage["completion_tokens"] += sum(map(len, said))
        usage["invalid_replies"] += sum(not parse_reply(text).valid for text in said)
    assert usage["invalid_replies"] > 0
    steps = sum(len(record.steps) for record in records.values())
    assert results["usage"] == {**usage, "requests": steps, "cut_replies": 0}
    assert len(server.bodies) == steps
    assert all(result.ok for result in replay_file(folder / "episodes.jsonl"))
    assert results["config"]["model"]["prompt"]["hash"] == prompt_hash()
    lines = replies_of(folder)
    assert {line["chain"] for line in lines} == {record.chain for record in records.values()}
    assert cost(results["usage"], (1e6, 0)) == results["usage"]["prompt_tokens"]
    assert cost(results["usage"], (0, 2e6)) == 2 * results["usage"]["completion_tokens"]


def test_a_house(tmp_path):
    asked = config(envs=(HOUSE,), clients=(2,), kernels=("client",))
    with ChatServer() as server:
        run(server, tmp_path, asked)
    ((_, record),) = read_records(tmp_path / "episodes.jsonl")
    actions, texts, _, score = play(asked, record.cell)
    assert ([step.action for step in record.steps], record.score) == (actions, score)
    assert [body["messages"][0]["content"] for body in server.bodies] == texts


def test_what_is_sent(whole, tmp_path):
    body = whole[2].bodies[0]
    seeds = [sent.pop("seed") for sent in map(dict, whole[2].bodies)]
    assert len(set(seeds)) == len(seeds)
    assert {k: body[k] for k in ("model", "temperature", "top_p", "max_tokens")} == {
        "model": "stub",
        "temperature": 0.4,
        "top_p": 1.0,
        "max_tokens": 512,
    }
    model = ServedModel(
        "other",
        temperature=0,
        max_tokens=9,
        history=0,
        send_seed=False,
        extra_body={"top_k": 5},
    )
    asked = config(clients=(0,), kernels=("client",), model=model)
    with ChatServer() as server:
        run(server, tmp_path / "other", asked, api_key="secret")
    for sent in server.bodies:
        assert (sent["top_k"], sent["temperature"], sent["max_tokens"]) == (5, 0, 9)
        assert "seed" not in sent
        assert "You did:" not in sent["messages"][0]["content"]
    assert server.headers[0]["Authorization"] == "Bearer secret"
    short = config(clients=(0,), model=ServedModel("stub", prompt_tokens=400))
    with ChatServer() as server:
        run(server, tmp_path / "short", short)
    for sent in server.bodies:
        assert len(sent["messages"][0]["content"].encode()) <= 1200
    texts = [body["messages"][0]["content"] for body in whole[2].bodies]
    assert max(map(len, texts)) > 1500
    assert any("You did:" in text for text in texts)


def test_concurrent_episodes_change_nothing(whole, tmp_path):
    together = threading.Barrier(5)

    def before(number):
        if number < 5:
            together.wait(60)  # five requests are in flight, or this breaks

    with ChatServer(before=before) as server:
        run(server, tmp_path, concurrency=5)
    assert results_of(tmp_path) == results_of(whole[0])


def test_faults_are_retried(whole, tmp_path):
    kinds = {3: 429, 10: 500, 11: 503, 25: "drop", 40: 408}
    with ChatServer(fault=lambda number, body: kinds.get(number)) as server:
        run(server, tmp_path, concurrency=3)
    assert server.faults == len(kinds)
    assert results_of(tmp_path) == results_of(whole[0])
    lines = replies_of(tmp_path)
    assert sum(reply["retries"] for line in lines for reply in line["replies"]) == len(kinds)


@pytest.mark.parametrize("fault", ["drop", 500, "garbage", "hollow", 404])
def test_a_dead_endpoint_loses_no_finished_episode(whole, tmp_path, fault):
    dies_at = 60
    with (
        ChatServer(fault=lambda number, body: fault if number >= dies_at else None) as server,
        pytest.raises(EndpointError, match=r"([1-9]\d*) of 8 episodes are finished and kept") as e,
    ):
        run(server, tmp_path, concurrency=3, max_retries=0)
    assert server.url in str(e.value)
    finished = (tmp_path / "episodes.jsonl").read_bytes().splitlines(True)
    assert len(finished) >= 1
    assert set(finished) <= set(results_of(whole[0])[0])
    assert f"{len(finished)} of 8" in str(e.value)
    assert not (tmp_path / "results.json").exists()
    # Nothing was started after the end: at most the episodes that ran then asked once more.
    assert len(server.bodies) <= dies_at + 3
    chains = [record.chain for _, record in read_records(tmp_path / "episodes.jsonl")]
    kept, lost = sum_usage(tmp_path / "replies.jsonl", chains)
    assert kept["requests"] + lost["requests"] == dies_at
    assert lost["requests"] > 0
    with ChatServer() as second:
        run(second, tmp_path)
    assert results_of(tmp_path) == results_of(whole[0])
    assert len(second.bodies) == whole[1]["usage"]["requests"] - kept["requests"]


def test_one_refused_prompt_stops_one_episode(whole, tmp_path):
    victim = whole[2].bodies[20]["messages"][0]["content"]

    def fault(number, body):
        return 400 if body["messages"][0]["content"] == victim else None

    with ChatServer(fault) as server, pytest.raises(EndpointError, match="fault 400") as error:
        run(server, tmp_path, concurrency=1)
    assert not error.value.everywhere
    cut = server.faults
    assert f"{8 - cut} of 8 episodes" in str(error.value)
    with ChatServer(fault=lambda number, body: 400) as server, pytest.raises(EndpointError):
        run(server, tmp_path / "first", concurrency=2)
    assert len(server.bodies) <= 2  # a model that refuses the very first prompts refuses them all


def test_the_rate_limit_counts_retries(tmp_path, monkeypatch):
    made, turns, servers = [], [], []

    class Limiter:
        def __init__(self, rate, period):
            made.append((rate, period))

        async def acquire(self):
            turns.append(len(servers[0].bodies))

    monkeypatch.setattr("aiolimiter.AsyncLimiter", Limiter)
    asked = config(clients=(0,))
    with ChatServer(fault=lambda number, body: 500 if number in (1, 2) else None) as server:
        servers.append(server)
        run(server, tmp_path, asked, requests_per_minute=120, concurrency=1)
    assert made == [(1, 0.5)]
    assert turns == list(range(len(server.bodies)))  # a turn before every request


def test_another_model_is_another_run(whole, tmp_path):
    asked = config(clients=(0,))
    with ChatServer() as server:
        run(server, tmp_path, asked)
        warmer = config(clients=(0,), model=ServedModel("stub", 0.5))
        with pytest.raises(ConfigError, match=r"model.temperature: there 0.4, here 0.5"):
            run(server, tmp_path, warmer)
        evaluate(warmer, tmp_path, overwrite=True, endpoint=Endpoint(server.url))
    assert len((tmp_path / "replies.jsonl").read_text().splitlines()) == 2
    (tmp_path / "replies.jsonl").write_text('{"chain": 1}\n')
    with pytest.raises(DataError, match=r"replies.jsonl, line 1"):
        sum_usage(tmp_path / "replies.jsonl", ())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ServedModel(""), "name of a model"),
        (lambda: ServedModel("m", temperature=-1), "temperature"),
        (lambda: ServedModel("m", top_p=0), "top_p"),
        (lambda: ServedModel("m", max_tokens=0), "max_tokens must be at least 1"),
        (lambda: ServedModel("m", history=-1), "history must be at least 0"),
        (lambda: ServedModel("m", extra_body={"x": {1}}), "extra_body"),
        (lambda: Endpoint("localhost:8000"), "base_url must look like"),
        (lambda: Endpoint("http://x", concurrency=0), "concurrency"),
        (lambda: Endpoint("http://x", max_retries=-1), "max_retries"),
        (lambda: Endpoint("http://x", timeout=0), "timeout"),
        (lambda: Endpoint("http://x", requests_per_minute=0), "requests_per_minute"),
        (lambda: config(model=None), "name both or neither"),
        (lambda: config(agent="random"), "name both or neither"),
        (lambda: evaluate(config(), "unused"), "needs an endpoint"),
        (
            lambda: evaluate(config(), "unused", workers=2, endpoint=Endpoint("http://x")),
            "in one process",
        ),
    ],
)
def test_bad_values(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_key_is_not_shown():
    assert "secret" not in repr(Endpoint("http://x", api_key="secret"))


def test_missing_packages(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingOpenAI, match=r"pip install 'fedenv\[openai\]'"):
        evaluate(config(), tmp_path / "out", endpoint=Endpoint("http://127.0.0.1:9/v1"))
    assert not (tmp_path / "out").exists()


def command(url, out, *more):
    base = ("evaluate", "--agent", "openai", "--model", "stub", "--base-url", url, "--out", out)
    plan = ("--envs", SHOP, "--num-clients", 4, "--episodes", 1)
    return [str(part) for part in (*base, *plan, *more)]


def test_the_command(whole, tmp_path):
    (tmp_path / "key").write_text("secret\n")
    out = tmp_path / "out"
    with ChatServer() as server:
        more = ("--api-key-file", tmp_path / "key", "--prices", "2,3", "--concurrency", 4)
        done = CliRunner().invoke(main, command(server.url, out, *more))
    assert done.exit_code == 0, done.output
    assert results_of(out) == results_of(whole[0])
    assert server.headers[0]["Authorization"] == "Bearer secret"
    usage = whole[1]["usage"]
    price = (2 * usage["prompt_tokens"] + 3 * usage["completion_tokens"]) / 1e6
    assert f"{usage['requests']} requests" in done.output
    assert f"cost {price:.4f}" in done.output
    assert "cut short" not in done.output
    dead = tmp_path / "dead"
    refused = CliRunner().invoke(
        main, command("http://127.0.0.1:9/v1", dead, "--max-retries", 0, "--temperature", 0)
    )
    assert refused.exit_code == 2
    assert "0 of 8 episodes" in refused.output
    assert json.loads((dead / "run.json").read_text())["config"]["model"]["temperature"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--agent", "openai", "--model", "m"), "needs --base-url"),
        (("--agent", "openai", "--base-url", "http://x"), "needs --model"),
        (("--agent", "random", "--model", "m"), "--model: only for --agent openai"),
        (("--agent", "random", "--max-retries", "0"), "--max-retries: only for"),
        (("--agent", "openai", "--prices", "1"), "two numbers"),
        (("--agent", "openai", "--extra-body", "[]"), "JSON object"),
        (("--agent", "openai", "--extra-body", "{"), "JSON object"),
    ],
)
def test_bad_options(arguments, message, tmp_path):
    done = CliRunner().invoke(
        main, ["evaluate", "--envs", SHOP, "--out", str(tmp_path / "out"), *arguments]
    )
    assert done.exit_code == 2
    assert message in done.output
    assert not (tmp_path / "out").exists()


# Ctrl-C may strike while a connection is being opened; Python then closes it with a warning.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupted_and_started_again(whole, tmp_path):
    """Ctrl-C while requests are in flight is Ctrl-C, and costs no finished episode."""

    def before(number):
        if number == 60:
            _thread.interrupt_main()

    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ChatServer(before=before) as server, pytest.raises(KeyboardInterrupt):
            run(server, tmp_path, concurrency=3)
    finally:
        signal.signal(signal.SIGINT, previous)
    records = [record for _, record in read_records(tmp_path / "episodes.jsonl")]
    kept, lost = sum_usage(tmp_path / "replies.jsonl", [record.chain for record in records])
    assert kept["requests"] == sum(len(record.steps) for record in records) > 0
    assert lost["requests"] > 0  # what the unfinished episodes said is written, too
    with ChatServer() as second:
        run(second, tmp_path)
    assert results_of(tmp_path) == results_of(whole[0])


def test_killed_and_started_again(whole, tmp_path):
    """Killed while requests are in flight: the rest is played, nothing twice."""
    stuck = threading.Event()

    def before(number):
        if number >= 60:
            stuck.wait(120)  # from here on nobody gets an answer until the process is dead

    with ChatServer(before=before) as server:
        arguments = command(server.url, tmp_path, "--concurrency", 3)
        process = subprocess.Popen(
            [sys.executable, "-m", "fedenv", *arguments],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while len(server.bodies) < 63:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        stuck.set()
    episodes = tmp_path / "episodes.jsonl"
    finished = episodes.read_bytes().count(b"\n")
    assert 0 < finished < 8
    for name in ("episodes.jsonl", "replies.jsonl"):
        with (tmp_path / name).open("ab") as stream:
            stream.write(b'{"half a line')
    with ChatServer() as second:
        run(second, tmp_path)
    assert results_of(tmp_path) == results_of(whole[0])


def plan_of(*seeds):
    digest = config().federation(SHOP).digest
    given = {"clients": (0, 1), "episodes": 1, "num_clients": 4, "kernels": ("client",)}
    parts = [
        Part("shop", seed, SHOP, digest, {**given, "repetition": f"r/{seed}"}) for seed in seeds
    ]
    return Plan("two", "lock", tuple(parts))


def test_a_plan_is_filled_by_a_served_model(tmp_path):
    with ChatServer() as server:
        given = {"model": ServedModel("of-{environment}-{seed}"), "endpoint": Endpoint(server.url)}
        results = evaluate_plan(plan_of(0, 1), "openai", {}, tmp_path, **given)
        asked = len(server.bodies)
        assert evaluate_plan(plan_of(0, 1), "openai", {}, tmp_path, **given) == results
        assert len(server.bodies) == asked
    assert [row["episodes"] for row in results] == [2, 2]
    seeds = {}
    for body in server.bodies:
        seeds.setdefault(body["model"], set()).add(body["seed"])
    assert set(seeds) == {"of-shop-0", "of-shop-1"}
    assert not seeds["of-shop-0"] & seeds["of-shop-1"]  # other draws for the other training seed


def test_the_command_fills_a_track_and_goes_on_after_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr("fedenv.commands.evaluate.find_plan", lambda name: plan_of(0, 1))
    command = ["evaluate", "--track", "two", "--agent", "openai", "--model", "m-{seed}"]
    command += ["--out", str(tmp_path), "--max-retries", "0", "--prices", "1,2", "--base-url"]
    with ChatServer(lambda number, body: 401 if body["model"] == "m-1" else None) as server:
        broken = CliRunner().invoke(main, [*command, server.url])
    assert broken.exit_code != 0
    assert "finished episodes: " in broken.output
    with ChatServer() as server:
        whole = CliRunner().invoke(main, [*command, server.url])
    assert whole.exit_code == 0, whole.output
    assert {body["model"] for body in server.bodies} == {"m-1"}
    assert "4 episodes" in whole.output
    lines = [replies_of(tmp_path / "shop" / str(seed)) for seed in (0, 1)]
    count = sum(len(line["replies"]) for rows in lines for line in rows)
    assert f"finished episodes: {count} requests" in whole.output
