"""Options of commands that ask a served model, and what its use cost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from fedenv.data import read_bytes
from fedenv.errors import ConfigError
from fedenv.evaluation.replies import cost, sum_usage
from fedenv.evaluation.rundir import EPISODES, REPLIES
from fedenv.evaluation.served import AGENT, Endpoint, ServedModel
from fedenv.recording import read_records

_Command = TypeVar("_Command", bound=Callable[..., Any])
_MODEL = ("model", "temperature", "top_p", "max_tokens", "prompt_tokens", "history", "extra_body")
_ENDPOINT = ("base_url", "concurrency", "requests_per_minute", "max_retries", "timeout")


def _parse_json(ctx: click.Context, param: click.Parameter, text: str | None) -> Any:
    try:
        value = None if text is None else json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"expected a JSON object: {error}") from error
    if value is not None and not isinstance(value, dict):
        raise click.BadParameter(f"expected a JSON object, got {text!r}")
    return value


def _parse_prices(
    ctx: click.Context, param: click.Parameter, text: str | None
) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        prompt, completion = (float(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"expected two numbers such as 0.15,0.6, got {text!r}") from error
    return prompt, completion


def served_options(command: _Command) -> _Command:
    """Add the options of the agent ``openai``; see :func:`served_agent`."""
    options = (
        click.option(
            "--base-url", help="OpenAI-compatible endpoint, e.g. http://127.0.0.1:8000/v1."
        ),
        click.option("--model", help="Name of the model there."),
        click.option(
            "--api-key-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="File with the key, if one is needed.",
        ),
        click.option("--temperature", type=click.FloatRange(0), help="0.4 without it."),
        click.option("--top-p", type=click.FloatRange(0, 1, min_open=True), help="1 without it."),
        click.option(
            "--max-tokens", type=click.IntRange(1), help="Tokens of a reply; 512 without it."
        ),
        click.option(
            "--prompt-tokens", type=click.IntRange(1), help="Tokens of a prompt; 8192 without it."
        ),
        click.option(
            "--history", type=click.IntRange(0), help="Past steps in a prompt; 2 without it."
        ),
        click.option("--no-seed", is_flag=True, help="Send no seeds."),
        click.option(
            "--extra-body", callback=_parse_json, metavar="JSON", help="More fields of a request."
        ),
        click.option(
            "--concurrency", type=click.IntRange(1), help="Episodes at a time; 16 without it."
        ),
        click.option(
            "--requests-per-minute",
            type=click.FloatRange(0, min_open=True),
            help="At most, retries included.",
        ),
        click.option("--max-retries", type=click.IntRange(0), help="Of a request; 8 without it."),
        click.option(
            "--timeout",
            type=click.FloatRange(0, min_open=True),
            help="Seconds to wait for a reply; 300 without it.",
        ),
        click.option(
            "--prices",
            callback=_parse_prices,
            metavar="IN,OUT",
            help="Price of a million prompt tokens, and of a million completion tokens.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def served_agent(
    agent: str, options: Mapping[str, Any]
) -> tuple[ServedModel | None, Endpoint | None]:
    """Return the model and the endpoint that the options stand for; two None for other agents.

    Args:
        agent: Name of the agent.
        options: What :func:`served_options` adds.

    Raises:
        ConfigError: An option is missing or makes no sense with this agent.
    """
    given = {k: v for k, v in options.items() if v is not None and v is not False}
    if agent != AGENT:
        if given:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise ConfigError(f"{names}: only for --agent {AGENT}, got --agent {agent}")
        return None, None
    for name in ("base_url", "model"):
        if name not in given:
            raise ConfigError(f"--agent {AGENT} needs --{name.replace('_', '-')}")
    model = ServedModel(
        **{name: given[name] for name in _MODEL if name in given},
        send_seed=not options["no_seed"],
    )
    key = given.get("api_key_file")
    endpoint = Endpoint(
        **{name: given[name] for name in _ENDPOINT if name in given},
        api_key=None if key is None else read_bytes(key).decode("utf-8", "replace").strip(),
    )
    return model, endpoint


def show_usage(folders: Sequence[Path], prices: tuple[float, float] | None) -> None:
    """Print what a served model's episodes cost, finished ones and others.

    Args:
        folders: Folders of the evaluations.
        prices: See :func:`fedenv.evaluation.replies.cost`; None prints tokens alone.
    """
    kept: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for folder in folders:
        episodes = folder / EPISODES
        records = read_records(episodes) if episodes.exists() else ()
        used, wasted = sum_usage(folder / REPLIES, [record.chain for _, record in records])
        kept.update(used)
        lost.update(wasted)
    for usage, what in ((kept, "finished episodes"), (lost, "episodes cut short")):
        if usage["requests"]:
            price = "" if prices is None else f", cost {cost(usage, prices):.4f}"
            click.echo(
                f"{what}: {usage['requests']} requests, {usage['prompt_tokens']} prompt and "
                f"{usage['completion_tokens']} completion tokens, {usage['invalid_replies']} "
                f"replies of another form, {usage['cut_replies']} cut by --max-tokens{price}"
            )
