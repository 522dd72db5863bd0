"""The JSON API: an environment for agents in another process.

======================  ==============================  =========================================
request                 body or query                   answer
======================  ==============================  =========================================
``GET /api/env``                                        which environment this is
``POST /api/reset``     ``{seed, options, session}``    session, observation, info
``POST /api/step``      ``{session, action}``           observation, reward, terminated,
                                                        truncated, info
``GET /api/state``      ``?session=…``                  the latest answer again; costs no step
``POST /api/close``     ``{session}``                   ``{"closed": true}``
======================  ==============================  =========================================

All fields of ``reset`` may be left out; with ``session`` the same session starts its next episode.
An error is ``{"error": {"status": …, "message": …}}`` with status 400 (the request has another
form), 404 (no such session), 410 (closed or expired), 413 (too large), 415 (not JSON) or 503
(full).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedenv.errors import ConfigError
from fedenv.shopsite.sessions import SessionStore
from fedenv.shopsite.visit import MakeEnv, Visit
from fedenv.version import __version__

if TYPE_CHECKING:
    from flask import Blueprint

MAX_SEED = 2**63 - 1


def describe(visit: Visit) -> dict[str, Any]:
    """Return which environment a visit runs in, for ``GET /api/env``."""
    env = visit.inner
    return {
        "env_id": env.federation.env_id,
        "client_id": env.client_id,
        "num_clients": env.federation.num_clients,
        "split": env.tasks.split,
        "kernel": env.tasks.kernel_kind,
        "num_tasks": len(env.tasks.positions),
        "max_episode_steps": visit.step_limit,
        "fingerprint": env.fingerprint()["fingerprint"],
        "fedenv_version": __version__,
    }


def api_blueprint(store: SessionStore, make_env: MakeEnv, description: dict[str, Any]) -> Blueprint:
    """Return the routes of the API.

    Args:
        store: The sessions.
        make_env: Makes a new environment for each session.
        description: What ``GET /api/env`` answers.
    """
    from flask import Blueprint, request

    api = Blueprint("api", __name__, url_prefix="/api")

    @api.get("/env")
    def env() -> dict[str, Any]:
        return description

    @api.post("/reset")
    def reset() -> dict[str, Any]:
        body = _body(request.get_json(), ("seed", "options", "session"))
        seed, options = _seed(body.get("seed")), _options(body.get("options"))
        session = body.get("session")
        if session is None:
            session = store.open(lambda: Visit(make_env(), seed, options))
            with store.use(session) as visit:
                turn = visit.turn
        else:
            with store.use(_text(body, "session")) as visit:
                turn = visit.reset(seed, options)
        return {"session": session, "observation": turn.observation, "info": turn.info}

    @api.post("/step")
    def step() -> dict[str, Any]:
        body = _body(request.get_json(), ("session", "action"))
        session, action = _text(body, "session"), _text(body, "action")
        with store.use(session) as visit:
            return visit.step(action).as_json()

    @api.get("/state")
    def state() -> dict[str, Any]:
        session = request.args.get("session")
        if session is None:
            raise ConfigError("expected /api/state?session=ID, with an id that reset returned")
        with store.use(session) as visit:
            return visit.turn.as_json()

    @api.post("/close")
    def close() -> dict[str, Any]:
        store.close(_text(_body(request.get_json(), ("session",)), "session"))
        return {"closed": True}

    return api


def _body(body: Any, legal: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ConfigError(f"the body must be a JSON object, got {type(body).__name__}")
    for name in body:
        if name not in legal:
            raise ConfigError(f"unknown field {name!r}; legal: {', '.join(map(repr, legal))}")
    return body


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise ConfigError(f"the field {name!r} must be a text, got {value!r}")
    return value


def _seed(value: Any) -> int | None:
    if value is None or (type(value) is int and 0 <= value <= MAX_SEED):
        return value
    raise ConfigError(
        f"the field 'seed' must be null or an integer in 0..{MAX_SEED}, got {value!r}"
    )


def _options(value: Any) -> dict[str, Any] | None:
    if value is None or isinstance(value, dict):
        return value
    raise ConfigError(
        "the field 'options' must be null, {'task_id': …} or {'task_index': …}, "
        f"got {type(value).__name__}"
    )
