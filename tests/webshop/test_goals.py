"""Goals: texts, price limits, human instructions."""

from collections import Counter

import pytest

from fedenv.errors import ConfigError
from fedenv.webshop.catalog import load_catalog
from fedenv.webshop.files import find_files
from fedenv.webshop.goals import NO_LIMIT, build_goals
from tests.conftest import product, write_folder

WANTED = {"instruction": "Find me it", "instruction_attributes": ["x"], "attributes": ["x"]}


def goals_of(folder, kind="synthetic"):
    return build_goals(load_catalog(find_files(str(folder))), kind)


def test_synthetic_goals_combine_sorted_option_names(tmp_path):
    options = {"Size": [{"value": "S"}, {"value": "L"}], "Color": [{"value": "Red"}]}
    records = [product("B1", pricing="$985", customization_options=options), product("B2")]
    write_folder(tmp_path, records, {"B1": WANTED})
    goals = goals_of(tmp_path)
    assert [goal.instruction for goal in goals] == [
        "Find me it with color: red, and size: s",
        "Find me it with color: red, and size: l",
    ]
    assert goals[0].options == (("color", "red"), ("size", "s"))
    assert {goal.price_upper for goal in goals} == {NO_LIMIT}  # one ladder price above 985


def test_price_limits_are_the_larger_of_two_of_the_next_four(tmp_path):
    records = [product(f"B{i}", pricing="$25.50") for i in range(400)]
    write_folder(tmp_path, records, {f"B{i}": WANTED for i in range(400)})
    counts = Counter(goal.price_upper for goal in goals_of(tmp_path))
    assert set(counts) == {40.0, 50.0, 60.0}
    # Of the six pairs of 30, 40, 50, 60 one has the maximum 40, two have 50, three have 60.
    assert 40 <= counts[40.0] <= 95
    assert 100 <= counts[50.0] <= 167
    assert 165 <= counts[60.0] <= 235
    goal = goals_of(tmp_path)[0]
    assert goal.instruction == f"Find me it, and price lower than {goal.price_upper:.2f} dollars"


@pytest.mark.parametrize(("price", "limit"), [("$970.00", 990.0), ("$980.00", NO_LIMIT)])
def test_a_price_on_the_ladder_needs_a_higher_limit(tmp_path, price, limit):
    write_folder(tmp_path, [product("B1", pricing=price)], {"B1": WANTED})
    assert [goal.price_upper for goal in goals_of(tmp_path)] == [limit]


def test_goals_of_one_product_share_the_limit_and_repeats_have_ids_of_their_own(tmp_path):
    options = {"Color": [{"value": "Red"}, {"value": "Red"}, {"value": "Blue"}]}
    write_folder(tmp_path, [product("B1", customization_options=options)], {"B1": WANTED})
    goals = goals_of(tmp_path)
    assert len(goals) == len({goal.task_id for goal in goals}) == 3
    assert len({goal.price_upper for goal in goals}) == 1
    assert goals[0].instruction == goals[1].instruction


def test_an_option_without_values_makes_no_goal(tmp_path):
    empty = product("B1", customization_options={"Color": []})
    write_folder(tmp_path, [empty, product("B2")], {"B1": WANTED, "B2": WANTED})
    assert [goal.product for goal in goals_of(tmp_path)] == [1]


def test_task_ids_do_not_depend_on_the_other_products(tmp_path):
    write_folder(tmp_path / "a", [product("B1"), product("B2")], {"B1": WANTED, "B2": WANTED})
    write_folder(tmp_path / "b", [product("B2")], {"B2": WANTED})
    assert goals_of(tmp_path / "a")[1].task_id == goals_of(tmp_path / "b")[0].task_id


def test_human_goals(tmp_path):
    human = {
        "B1": [
            {
                "instruction": "..i want a red one.",
                "instruction_attributes": ["x"],
                "instruction_options": ["red"],
            },
            {"instruction": "no attributes", "instruction_attributes": []},
        ]
    }
    records = [product("B1", pricing="$2,000"), product("B2")]
    write_folder(tmp_path, records, {"B2": WANTED}, items_human_ins=human)
    goals = goals_of(tmp_path, "human")
    assert [goal.instruction for goal in goals] == ["i want a red one"]
    assert (goals[0].options, goals[0].attributes) == (("red",), ("x",))
    assert [goal.product for goal in goals_of(tmp_path)] == [1]
    with pytest.raises(ConfigError, match="'synthetic', 'human'"):
        goals_of(tmp_path, "both")
