"""Shops to visit with Flask's test client."""

import re

import gymnasium as gym
import pytest

pytest.importorskip("flask", reason="needs Flask (extra web)")
pytest.importorskip("waitress", reason="needs waitress (extra web)")

from fedenv.shopsite import Limits, create_app

RANK = "FedWebShop-RankWrapper-v0"


class Clock:
    """A clock that tests move."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Visitor:
    """A browser without a screen: keeps its cookie, follows redirects, posts the page's number."""

    def __init__(self, app):
        self.client = app.test_client()
        self.open()

    def open(self):
        return self._keep(self.client.get("/"))

    def post(self, path, follow=True, **form):
        form.setdefault("turn", self.turn)
        return self._keep(self.client.post(path, data=form, follow_redirects=follow))

    def act(self, action, **form):
        return self.post("/act", action=action, **form)

    def find(self, pattern):
        found = re.search(pattern, self.text)
        return found and found[1]

    @property
    def turn(self):
        return self.find(r'name="turn" value="(\d+)"') or ""

    @property
    def seed(self):
        return int(self.find(r'id="seed">(\d+)<'))

    @property
    def step(self):
        return int(self.find(r"step (\d+) of"))

    def _keep(self, response):
        self.text = response.text
        return response


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make_app(clock):
    def make(env_id=RANK, limits=None, **kwargs):
        kwargs.setdefault("client_id", 7)
        return create_app(lambda: gym.make(env_id, **kwargs), limits or Limits(), clock)

    return make
