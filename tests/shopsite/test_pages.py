"""The pages with Flask's test client: what they show and refuse, and that text stays text."""

import html
import re

import gymnasium as gym
import pytest

from fedenv.errors import ConfigError
from fedenv.shopsite import Limits, create_app
from fedenv.shopsite.pictures import picture
from fedenv.shopsite.views import search_action
from fedenv.webshop.oracle import plan

from .conftest import RANK, Visitor


@pytest.fixture
def visitor(make_app):
    return Visitor(make_app())


def twin_of(visitor, **kwargs):
    env = gym.make(RANK, client_id=7, **kwargs)
    env.reset(seed=visitor.seed)
    return env


def test_a_purchase_gives_the_score_of_the_environment(visitor):
    env = twin_of(visitor)
    assert env.unwrapped.episode.goal.instruction in html.unescape(visitor.text)
    for action in [*plan(env.unwrapped.episode, 15)]:
        visitor.act(action)
        _, reward, ended, _, info = env.step(action)
    assert ended
    assert float(visitor.find(r'data-score="([^"]+)"')) == reward == info["score"] == 1.0
    assert "Exactly right!" in visitor.text
    for name, value in info["reward_terms"].items():
        row = visitor.find(rf"(?s)<tr><th scope=.row.>{name}.*?<td>(.*?)</td>")
        assert float(row) == pytest.approx(value, abs=0.006)


def test_next_task_and_the_same_again(visitor):
    first = visitor.seed
    visitor.post("/act", query="lamp")
    assert visitor.step == 1
    visitor.post("/task", task="again")
    assert (visitor.seed, visitor.step) == (first, 0)
    visitor.post("/task", task="next")
    assert visitor.seed != first


def test_out_of_steps(visitor):
    for _ in range(15):
        visitor.post("/act", query="lamp")
    assert "Out of steps" in visitor.text
    assert visitor.find(r'data-score="([^"]+)"') == "0.0"
    assert "older page" in visitor.act("search[lamp]").text
    visitor.post("/task", task="next")
    assert visitor.step == 0


def test_post_redirect_get(visitor):
    answer = visitor.post("/act", follow=False, query="lamp")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    visitor.open()
    assert visitor.open().headers["Cache-Control"] == "no-store"
    assert visitor.step == 1


def test_an_old_page_costs_no_step(visitor):
    old = visitor.turn
    visitor.act("search[lamp]")
    assert "older page" in visitor.act("click[next >]", turn=old).text
    assert (visitor.step, visitor.find(r"Page (\d+) of")) == (1, "1")
    assert "older page" in visitor.post("/task", turn=old, task="next").text
    assert visitor.step == 1
    assert "counted as a step" in visitor.act("click[buy now]").text
    assert visitor.step == 2
    assert "Type a word" in visitor.post("/act", query="  ").text
    assert visitor.step == 2


def test_visitors_are_isolated(make_app):
    app = make_app()
    one, two = Visitor(app), Visitor(app)
    seed = two.seed
    one.act("search[lamp]")
    two.open()
    assert (one.step, two.step, two.seed) == (1, 0, seed)
    one.post("/leave")
    assert "Goodbye" in one.text
    assert len(app.extensions["fedenv.sessions"]) == 1


def test_the_cookie(make_app, clock):
    app = make_app(limits=Limits(idle_seconds=60))
    visitor = Visitor(app)
    cookie = visitor.client.get("/").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    visitor.act("search[lamp]")
    clock.now += 61
    assert "Your earlier visit has ended" in visitor.act("click[next >]").text
    assert visitor.step == 0
    visitor.client.set_cookie("fedenv_shop_80", "AAAA.BBBB")
    assert visitor.open().status_code == 200
    visitor.client.set_cookie("fedenv_shop_80", "AAAA.BBBB")
    assert "Your earlier visit has ended" in visitor.post("/task", task="again").text


def test_product_text_stays_text(tiny_folder):
    app = create_app(lambda: gym.make("FedWebShop-v0", data=tiny_folder))
    visitor = Visitor(app)
    visitor.post("/act", query='wide "><script>alert(1)</script>')
    assert "<script" not in visitor.text
    assert "<b>Wide" not in visitor.text
    assert "Steel Spade 12&#34; &lt;b&gt;Wide&lt;/b&gt; &amp; Strong" in visitor.text
    visitor.act("click[b000000001]")
    assert "<blue>" not in visitor.text
    chosen = "men's <blue>"
    value = html.unescape(visitor.find(r'name="action" value="(click\[men[^"]*)"'))
    assert value == f"click[{chosen}]"
    visitor.act(value)
    assert visitor.text.count('aria-pressed="true"') == 1
    # "blue" stands in two groups; a click chooses it in the last one, so only that one offers it.
    assert visitor.text.count('value="click[blue]"') == 1
    assert "Cannot be chosen here" in visitor.text
    visitor.act("click[features]")
    assert "Don&#39;t bend it" in visitor.text
    assert visitor.text.count("<li>") == 2
    visitor.act("click[< prev]")
    visitor.act("click[reviews]")
    assert "Nobody has reviewed" in visitor.text
    visitor.act("click[< prev]")
    visitor.act("click[buy now]")
    assert "men&#39;s &lt;blue&gt;" in visitor.text
    assert "<blue>" not in visitor.text


def test_buttons_are_admissible_actions(visitor):
    env = twin_of(visitor)
    for action in [*plan(env.unwrapped.episode, 15)][:-1]:
        visitor.act(action)
        info = env.step(action)[-1]
        buttons = re.findall(r'name="action" value="([^"]*)"', visitor.text)
        # "Previous" is there, but disabled, on the first result page.
        always = {"click[< prev]", "search[<query>]"}
        assert {html.unescape(b) for b in buttons} - always == (
            set(info["admissible_actions"]) - always
        )


def test_nothing_comes_from_elsewhere(visitor):
    visitor.act("search[lamp]")
    with visitor.client.get("/static/shop.css") as sheet:
        assert sheet.mimetype == "text/css"
        text = visitor.text + sheet.text
    assert "http" not in text
    assert "url(" not in text
    assert "style=" not in text
    headers = visitor.open().headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_error_pages_are_pages(visitor):
    answer = visitor.client.get("/nothing")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "To the shop" in answer.text


def test_lone_surrogates_do_not_break_a_page(visitor):
    from fedenv.shopsite.pages import render

    with visitor.client.application.test_request_context():
        env = {"client_id": 0}
        assert "a?b" in render("message.html", env=env, title="t", text="a\ud800b").get_data(True)


def test_search_words():
    assert search_action(" a [b]\r\nc ") == "search[a  b c]"
    assert search_action("men's 12\"") == "search[men's 12\"]"


def test_pictures_depend_on_the_code_alone():
    assert picture("B01") == picture("B01") != picture("B02")
    assert "<script" not in picture("<script>")
    assert len({picture(str(i)) for i in range(200)}) > 190


def test_only_webshop_has_a_page(monkeypatch):
    class NoShop:
        observation, admissible_actions, reward_terms = "", [], {}
        done, success, score = False, False, 0.0

    monkeypatch.setattr("fedenv.env.ClientTasks.begin", lambda *_: NoShop())
    with pytest.raises(ConfigError, match="FedWebShop"):
        create_app(lambda: gym.make(RANK))
