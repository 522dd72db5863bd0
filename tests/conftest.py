"""Fixtures that several test modules share."""

import json
from pathlib import Path

import pytest

from fedenv.registration import ENVIRONMENTS

WEBSHOP_IDS, ALFWORLD_IDS = (
    [env_id for env_id, row in ENVIRONMENTS.items() if row.family_name == family]
    for family in ("webshop", "alfworld")
)
SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared_path(*parts: str) -> Path:
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs {'/'.join(('../shared', *parts))}, which is not here")
    return path


@pytest.fixture(scope="session")
def real_folder() -> str:
    """394 real WebShop products in the public file format."""
    return str(shared_path("data", "webshop_real"))


@pytest.fixture(scope="session")
def real_ids() -> tuple[dict, list[str]]:
    """Attributes and instructions of 1,000 real products, and the 30 held-out codes."""
    folder = shared_path("data", "webshop_ids")
    instructions = json.loads((folder / "items_ins_v2_1000.json").read_text())
    return instructions, json.loads((folder / "holdout_asins.json").read_text())["asins"]


def product(asin: str, **fields) -> dict:
    """Return a record in the public format."""
    return {
        "asin": asin,
        "name": f"Product {asin}",
        "category": "garden",
        "query": "Garden Tools",
        "product_category": "Garden › Tools › Spades",
        "full_description": "A plain description.",
        "small_description": ["First bullet", "Second bullet"],
        "pricing": "$19.99",
        "images": ["https://example.com/1.jpg"],
        "customization_options": {},
        **fields,
    }


def write_folder(folder: Path, products: list, instructions: dict, suffix: str = "", **more) -> str:
    """Write a data set in the public format and return the folder as text."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        f"items_shuffle{suffix}.json": products,
        f"items_ins_v2{suffix}.json": instructions,
        **{f"{name}.json": value for name, value in more.items()},
    }
    for name, value in contents.items():
        (folder / name).write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return str(folder)


def colors(*values: str) -> dict:
    return {"Color": [{"value": value, "is_selected": False} for value in values]}


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> str:
    """A handful of products with strings that break careless page machines."""
    products = [
        product(
            "B000000001",
            name='Steel Spade 12" <b>Wide</b> & Strong',
            pricing="$1,049.99$2,000.5$7",
            full_description=" ",
            small_description=["Made of steel", "", " ", "\n", "Don't bend it"],
            customization_options={
                "Color": [{"value": " Red/White "}, {"value": "Men's <Blue>"}, {"value": "Blue"}],
                "Size": [{"value": "Blue"}, {"value": '12"'}, {"value": "Description"}],
                "Style": None,
            },
        ),
        product("B000000002", name="Wooden Spade", pricing="", full_description=""),
        product("B00000000A", name="Spade Café Edition", pricing="$44.99$33.98"),
        product("B00000000B", name="Spade [Pro]", customization_options=colors("[big]", "gre]en")),
        *(product(f"B0000001{i:02d}", name=f"Spade number {i} of many") for i in range(25)),
        product("nan"),
        product("B00000000TOOLONG"),
        product("B000000002", name="A duplicate"),
    ]
    instructions = {
        "B000000001": {
            "attributes": ["heavy duty", "easy clean"],
            "instruction": "Find me heavy duty garden tools",
            "instruction_attributes": ["heavy duty"],
        },
        "B000000002": {"attributes": []},
        "B00000000A": {
            "attributes": ["gift set"],
            "instruction": "Find me a gift set",
            "instruction_attributes": ["gift set"],
        },
    }
    return write_folder(tmp_path_factory.mktemp("tiny"), products, instructions)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory) -> str:
    """Twenty spades in four colours: 80 goals, 40 of them for training."""
    products, instructions = [], {}
    for i in range(20):
        asin = f"B0000001{i:02d}"
        options = colors("red", "blue", "green", "white")
        products.append(
            product(
                asin,
                name=f"Steel spade number {i}",
                category=("garden", "beauty")[i % 2],
                customization_options=options,
            )
        )
        instructions[asin] = {
            "attributes": ["heavy duty"],
            "instruction": f"Find me heavy duty spades number {i}",
            "instruction_attributes": ["heavy duty"],
        }
    return write_folder(tmp_path_factory.mktemp("shelf"), products, instructions)
