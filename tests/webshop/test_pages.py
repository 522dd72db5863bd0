"""Page texts, clickables and transitions: WebShop's behaviour to the letter."""

import gymnasium as gym
import pytest

import fedenv  # noqa: F401 (registers the ids)
from fedenv.webshop.actions import parse_action
from fedenv.webshop.pages import options_json, visible

SEP = " [SEP] "
ORIGINAL = {
    "engine": "okapi",
    "k1": 1.2,
    "b": 0.75,
    "fields": ["name", "BulletPoints"],
    "search_return_n": 50,
}


def shop(folder, mode="text", **kwargs):
    return gym.make(
        "FedWebShop-v0", data=folder, observation_mode=mode, **(ORIGINAL | kwargs)
    ).unwrapped


def start(env, product_index=0):
    """Start on a goal of the product at a catalog position; return its instruction."""
    goals = env.federation.world.shop.goals
    wanted = {goal.task_id for goal in goals if goal.product == product_index}
    task = next(t for t in (*env.task_ids,) if t in wanted)
    env.reset(seed=1, options={"task_id": task})
    return env.episode.goal.instruction


@pytest.fixture
def env(tiny_folder):
    return shop(tiny_folder)


def walk(env, *actions):
    for action in actions:
        page, _, _, _, info = env.step(action)
        assert info["action_valid"], action
    return page, info


def test_index_page(env):
    instruction = start(env)
    page, info = env.reset(seed=1, options={"task_id": env.episode.goal.task_id})
    assert page == SEP.join(["WebShop", "Instruction:", instruction, "Search"])
    assert info["admissible_actions"] == ["search[<query>]"]


def test_results_pages_go_on_past_the_end(env):
    instruction = start(env)
    page, info = walk(env, "search[Spade]")
    head = ["Instruction:", instruction, "Back to Search", "Page 1 (Total results: 29)", "Next >"]
    assert page.split(SEP)[:5] == head
    assert len(page.split(SEP)) == 5 + 3 * 10
    links = info["admissible_actions"][2:]
    assert info["admissible_actions"][:2] == ["click[back to search]", "click[next >]"]
    assert [link[6:-1].upper() for link in links] == page.split(SEP)[5::3]
    page, info = walk(env, "click[next >]")
    assert page.split(SEP)[3:6] == ["Page 2 (Total results: 29)", "< Prev", "Next >"]
    buttons = ["click[back to search]", "click[< prev]", "click[next >]"]
    assert info["admissible_actions"][:3] == buttons
    page, info = walk(env, "click[next >]", "click[next >]", "click[next >]")
    assert page.split(SEP)[3:] == ["Page 5 (Total results: 29)", "< Prev", "Next >"]
    assert info["admissible_actions"] == buttons
    page, _ = walk(env, "click[< prev]", "click[< prev]")
    assert page.split(SEP)[3] == "Page 3 (Total results: 29)"
    assert len(page.split(SEP)) == 6 + 3 * 9


def test_result_fragments(env):
    start(env)
    page, _ = walk(env, "search[wide strong]")
    title = 'Steel Spade 12" <b>Wide</b> & Strong'
    assert page.split(SEP)[5:] == ["B000000001", title, "$1049.99 to $2000.5"]
    page, _ = walk(env, "search[café]")
    assert page.split(SEP)[5:] == ["B00000000A", "Spade Café Edition", "$44.99 to $33.98"]
    page, _ = walk(env, "search[wooden]")
    assert page.split(SEP)[5:] == ["B000000002", "Wooden Spade", "$100.0"]


def test_item_page(env):
    instruction = start(env)
    page, info = walk(env, "search[wide]", "click[b000000001]")
    assert page.split(SEP) == [
        *("Instruction:", instruction, "Back to Search", "< Prev"),
        *("color", "red | white", "men's <blue>", "blue"),
        *("size", "blue", '12"', "description"),
        *('Steel Spade 12" <b>Wide</b> & Strong', "Price: $1049.99 to $2000.5", "Rating: N.A."),
        *("Description", "Features", "Reviews", "Buy Now"),
    ]
    assert info["admissible_actions"] == [
        *("click[back to search]", "click[< prev]", "click[description]", "click[features]"),
        *("click[reviews]", "click[buy now]", "click[red | white]", "click[men's <blue>]"),
        *("click[blue]", 'click[12"]'),
    ]


def test_a_value_of_two_groups_sets_the_last_one_and_a_button_name_stays_a_button(env):
    start(env)
    walk(env, "search[wide]", "click[b000000001]", "click[blue]")
    assert env.episode.chosen == {"size": "blue"}
    page, _ = walk(env, "click[description]")
    assert page.split(SEP)[3:] == ["< Prev", ""]  # the sub page; its description is one blank
    assert env.episode.chosen == {"size": "blue"}


def test_options_replace_each_other_and_are_not_shown(env):
    start(env)
    before, _ = walk(env, "search[wide]", "click[b000000001]")
    after, _ = walk(env, "click[red | white]", "click[Men's <BLUE>]")
    assert after == before
    assert env.episode.chosen == {"color": "men's <blue>"}
    walk(env, "click[< prev]")
    assert env.episode.chosen == {}


def test_sub_pages_keep_the_options(env):
    instruction = start(env)
    walk(env, "search[wide]", "click[b000000001]", "click[red | white]")
    head = ["Instruction:", instruction, "Back to Search", "< Prev"]
    page, info = walk(env, "click[features]")
    assert page.split(SEP) == [*head, "Made of steel", "", "", "Don't bend it"]
    assert info["admissible_actions"] == ["click[back to search]", "click[< prev]"]
    walk(env, "click[< prev]")
    page, _ = walk(env, "click[reviews]")
    assert page.split(SEP) == head
    walk(env, "click[< prev]")
    assert env.episode.chosen == {"color": "red | white"}


def test_an_empty_description_is_absent(env):
    start(env)
    page, _ = walk(env, "search[wooden]", "click[b000000002]", "click[description]")
    assert page.split(SEP)[2:] == ["Back to Search", "< Prev"]


def test_done_page(env):
    start(env)
    walk(env, "search[wide]", "click[b000000001]", "click[men's <blue>]")
    page, reward, terminated, truncated, info = env.step("click[Buy Now]")
    assert terminated
    assert not truncated
    assert info["admissible_actions"] == []
    assert page.split(SEP) == [
        *("Thank you for shopping with us!", "Your code:", "None"),
        *("(Paste it in your MTurk interface.)", "Purchased", "asin", "B000000001", "options"),
        '{"color": "men\\u0027s \\u003cblue\\u003e"}',
        *("attrs", "None", "category", "None", "query", "None", "product category", "None"),
        *("Target", "asin", "options", "attrs", "price upper", "instuction text", "category"),
        *("product category", "query", "Goal", "None", "Reward", "Your score (min 0.0, max 1.0)"),
        *(str(reward), "Reward Details", "None"),
    ]
    assert info["score"] == reward == pytest.approx(sum(info["reward_terms"].values()))
    assert env.step("search[spade]")[0] == page


def test_search_is_accepted_on_every_page_until_the_end(env):
    start(env)
    for path in ([], ["search[wide]"], ["search[wide]", "click[b000000001]"]):
        walk(env, *path, "search[Wooden]")
        assert env.episode.query == "wooden"
        assert env.episode.number == 1
    walk(env, "click[b000000002]", "click[reviews]", "search[ ]")
    assert env.episode.observation.split(SEP)[3] == "Page 1 (Total results: 0)"


def test_back_to_search_forgets_all_but_the_goal(env):
    instruction = start(env)
    walk(env, "search[wide]", "click[b000000001]", "click[blue]")
    page, _ = walk(env, "click[back to search]")
    assert page == SEP.join(["WebShop", "Instruction:", instruction, "Search"])
    episode = env.episode
    assert (episode.query, episode.results, episode.chosen, episode.visited) == ("", [], {}, set())


def test_inadmissible_clicks_change_nothing(env):
    start(env)
    before, _ = walk(env, "search[spade]")
    inadmissible = ["click[search]", "click[< prev]", "click[buy now]", "click[b00000000z]"]
    for action in [*inadmissible, "click[b000000124]", "Click[next >]", "next >", "search[]", ""]:
        page, reward, terminated, truncated, info = env.step(action)
        assert (page, reward, terminated, truncated) == (before, 0.0, False, False)
        assert not info["action_valid"], action


def test_values_that_the_grammar_cannot_express_are_not_offered(env):
    start(env)
    page, info = walk(env, "search[pro]", "click[b00000000b]")
    assert page.split(SEP)[4:7] == ["color", "[big]", "gre]en"]
    assert info["admissible_actions"][6:] == ["click[gre]en]"]
    walk(env, "click[gre]en]")
    assert env.episode.chosen == {"color": "gre]en"}


def test_rich_pages(tiny_folder):
    env = shop(tiny_folder, "text_rich")
    instruction = start(env)
    page = env.episode.observation
    lines = ["WebShop", "Instruction: ", instruction, "[button] Search [button_]"]
    assert page == "\n".join(lines) + "\n"
    page, _ = walk(env, "search[wide]")
    head = ["Instruction:", instruction, "[button] Back to Search [button_]"]
    title = 'Steel Spade 12" <b>Wide</b> & Strong'
    results = [*head, "Page 1 (Total results: 1)", "[button] Next > [button_]"]
    product = [title, "$1049.99 to $2000.5"]
    link = ["", "[button] B000000001 [button_]"]
    assert page == "\n".join([*results, *link, *product]) + "\n"
    page, _ = walk(env, "click[b000000001]", "click[red | white]", 'click[12"]')
    assert page.split("\n") == [
        "You have clicked red | white.",
        *(*head, "[button] < Prev [button_]"),
        *("color", "  [clicked button] red | white [clicked button_]"),
        *("  [button] men's <blue> [button_]", "  [button] blue [button_]"),
        *("size", "  [button] blue [button_]", '  [button] 12" [button_]'),
        *("  [button] description [button_]", title, "Price: $1049.99 to $2000.5"),
        *("Rating: N.A.", "[button] Description [button_]", "[button] Features [button_]"),
        *("[button] Reviews [button_]", "[button] Buy Now [button_]", ""),
    ]
    page, _ = walk(env, "click[blue]")
    assert page.startswith("You have clicked blue.\nYou have clicked blue.\nYou have clicked red")
    page, _ = walk(env, "click[< prev]")
    assert "\n[clicked button] B000000001 [clicked button_]\n" in page
    page, _ = walk(env, "click[b000000001]", "click[features]")
    assert page == "\n".join(
        [*head, "[button] < Prev [button_]", " Made of steel", " ", " ", " Don't bend it", ""]
    )
    walk(env, "click[< prev]")
    page, _ = walk(env, "click[buy now]")
    assert "Your code: \nNone\n (Paste it in your MTurk interface.)\n" in page
    assert "\nGoal \nNone\n" in page
    assert page.endswith("\nReward Details \nNone\n")


def test_rich_pages_mark_a_quoted_word_of_the_query(tiny_folder):
    env = shop(tiny_folder, "text_rich")
    start(env)
    page, _ = walk(env, 'search["blue" wide]', "click[b000000001]")
    assert page.count("[clicked button] blue [clicked button_]") == 2


@pytest.mark.parametrize(
    ("action", "parsed"),
    [
        ("search[red shoes]", ("search", "red shoes")),
        ("search[]", None),
        ("search[ ]", ("search", " ")),
        ("click[a] tail", ("click", "a")),
        ("search[a [b] c]", ("search[a ", "b] c")),
        ("click[x]]", ("click", "x]")),
        ("click[[x]", ("click[", "x")),
        ("[x]", None),
        ("click[a\n]", None),
        ("\nclick[a]", None),
        ("click[a]\nmore]", ("click", "a")),
        ("CLICK[ABC]", ("CLICK", "abc")),
        ("", None),
        (None, None),
        (b"click[a]", None),
    ],
)
def test_grammar(action, parsed):
    assert parse_action(action) == parsed


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("", ()),
        ("a", ("a",)),
        ("  ", (" ",)),
        (" \n ", ()),
        ("\t\r\f", (" ",)),
        ("\xa0", ("\xa0",)),
    ],
)
def test_visible(text, nodes):
    assert visible(text) == nodes


def test_options_json_is_sorted_and_ascii():
    assert (
        options_json({"size": "é", "color": "a&b"}) == '{"color": "a\\u0026b", "size": "\\u00e9"}'
    )
