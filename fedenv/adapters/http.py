"""An environment that runs in another process, behind the JSON API of ``fedenv serve shop``.

env = RemoteEnv("http://127.0.0.1:8000")
observation, info = env.reset(seed=0)
observation, reward, terminated, truncated, info = env.step("search[work table birch]")
env.close()
"""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import gymnasium

from fedenv.env import MAX_ACTION_LENGTH, MAX_OBSERVATION_LENGTH
from fedenv.errors import ConfigError, FedEnvError
from fedenv.spaces import UnicodeText


class RemoteError(FedEnvError):
    """The server refused or did not answer.

    Attributes:
        status: HTTP status, None without an answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class RemoteEnv(gymnasium.Env[str, str]):
    """A session on a server; steps like the environment itself, one request each.

    A step is never sent twice: where an answer is lost, ``state()`` tells what happened.

    Args:
        base_url: Address of the server, such as ``"http://127.0.0.1:8000"``; proxies are not used.
        timeout: Seconds to wait for an answer, greater than 0.

    Raises:
        ConfigError: The address is not one of HTTP.
    """

    def __init__(self, base_url: str, timeout: float = 60.0) -> None:
        if urlsplit(base_url).scheme not in ("http", "https"):
            raise ConfigError(f"base_url must look like 'http://127.0.0.1:8000', got {base_url!r}")
        self.base_url = base_url.rstrip("/")
        self.observation_space = UnicodeText(MAX_OBSERVATION_LENGTH)
        self.action_space = UnicodeText(MAX_ACTION_LENGTH)
        self._timeout = timeout
        self._session: str | None = None
        self._opener = build_opener(ProxyHandler({}))

    def describe(self) -> dict[str, Any]:
        """Return which environment the server runs, with its fingerprint."""
        return self._call("env")

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Start an episode; the first one opens the session.

        Raises:
            RemoteError: The server refused, or did not answer.
        """
        body = {"seed": seed, "options": options, "session": self._session}
        answer = self._call("reset", body)
        self._session = answer["session"]
        return answer["observation"], answer["info"]

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Take one action.

        Raises:
            RemoteError: No session, it has expired, or the server did not answer.
        """
        return _outcome(self._call("step", {"session": self._need(), "action": action}))

    def state(self) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Return the outcome of the latest step again."""
        return _outcome(self._call(f"state?session={self._need()}"))

    def close(self) -> None:
        """End the session; a second call does nothing."""
        session, self._session = self._session, None
        if session is not None:
            self._call("close", {"session": session})

    def _need(self) -> str:
        if self._session is None:
            raise RemoteError("no session; call reset() first")
        return self._session

    def _call(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode("ascii")
        headers = {"Content-Type": "application/json"}
        request = Request(f"{self.base_url}/api/{path}", data, headers)
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                answer: dict[str, Any] = json.load(response)
        except HTTPError as error:
            raise RemoteError(_message(error), error.code) from error
        except (OSError, HTTPException, ValueError) as error:
            raise RemoteError(f"no answer from {self.base_url}: {error}") from error
        return answer


def _outcome(answer: dict[str, Any]) -> tuple[str, float, bool, bool, dict[str, Any]]:
    names = ("observation", "reward", "terminated", "truncated", "info")
    observation, reward, terminated, truncated, info = (answer[name] for name in names)
    return observation, reward, terminated, truncated, info


def _message(error: HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"{error}; is this a server of `fedenv serve shop`?"
