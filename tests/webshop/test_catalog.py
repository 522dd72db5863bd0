"""Loading: the public format with all its warts, and clear errors for broken files."""

import gzip
import json
import re

import gymnasium as gym
import pytest

from fedenv.errors import ConfigError, DataError
from fedenv.webshop.catalog import load_catalog
from fedenv.webshop.files import find_files
from tests.conftest import product, write_folder


def load(folder):
    return load_catalog(find_files(str(folder)))


def load_one(tmp_path, instructions=None, **fields):
    record = {k: v for k, v in product("B000000001", **fields).items() if v is not ...}
    write_folder(tmp_path, [record], instructions or {})
    return load(tmp_path).products[0]


@pytest.mark.parametrize(
    ("pricing", "tag", "price"),
    [
        ("$19.99", "$19.99", 19.99),
        ("$20", "$20.0", 20.0),
        ("$1,049.99", "$1049.99", 1049.99),
        ("", "$100.0", 100.0),
        (None, "$100.0", 100.0),
        (" ", "$100.0", 100.0),
        (..., "$100.0", 100.0),
        ("$19.99 ($0.50 / Ounce)", "$19.99 to $0.5", None),
        ("$44.99$33.98", "$44.99 to $33.98", None),
        ("$1.00$2.00$3.00", "$1.0 to $2.0", None),
    ],
)
def test_prices(tmp_path, pricing, tag, price):
    loaded = load_one(tmp_path, pricing=pricing)
    assert loaded.price_tag == tag
    if price is not None:
        assert loaded.price == price
    else:
        low, high = sorted(float(amount) for amount in re.findall(r"[\d.]+", tag))
        assert low < loaded.price < high


def test_options_are_normalised_as_in_the_original(tmp_path):
    options = {
        "Color": [{"value": " Red/White "}, {"value": "BLUE"}, {"value": "Blue"}],
        "SIZE": [{"value": "8.5 Wide"}],
        "Style": None,
    }
    loaded = load_one(tmp_path, customization_options=options)
    assert loaded.options == {"color": ("red | white", "blue", "blue"), "size": ("8.5 wide",)}


def test_fields_of_a_product(tmp_path):
    instructions = {"B000000001": {"attributes": ["easy clean"]}}
    loaded = load_one(
        tmp_path, instructions, query="  Women's Dresses ", small_description="one bullet"
    )
    assert (loaded.query, loaded.bullets) == ("women's dresses", ("one bullet",))
    assert loaded.attributes == loaded.features == ("easy clean",)
    assert loaded.instruction is None


def test_a_product_without_attributes(tmp_path):
    loaded = load_one(tmp_path)
    assert (loaded.features, loaded.attributes) == ((), ("DUMMY_ATTR",))
    assert load_one(tmp_path / "b", {"B000000001": {"attributes": []}}).attributes == ()


def test_records_that_are_skipped(tmp_path):
    records = [product("nan"), product("B0000000001"), product("B1", name="a"), product("B1")]
    write_folder(tmp_path, records, {})
    assert [(p.asin, p.name) for p in load(tmp_path).products] == [("B1", "a")]


def test_unknown_fields_and_products_are_ignored(tmp_path):
    write_folder(tmp_path, [product("B1", new_field={"x": 1})], {"B2": {"attributes": ["a"]}})
    assert len(load(tmp_path).products) == 1


def test_gzip_and_plain_files_give_the_same_catalog(tmp_path):
    write_folder(tmp_path / "plain", [product("B1")], {})
    write_folder(tmp_path / "packed", [product("B1")], {})
    path = tmp_path / "packed" / "items_shuffle.json"
    (tmp_path / "packed" / "items_shuffle.json.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    plain, packed = load(tmp_path / "plain"), load(tmp_path / "packed")
    assert plain.products == packed.products
    assert plain.digest == packed.digest


def test_a_folder_with_several_sets_names_them_and_a_path_chooses(tmp_path):
    write_folder(tmp_path, [product("B1")], {}, suffix="")
    write_folder(tmp_path, [product("B1"), product("B2")], {}, suffix="_1000")
    with pytest.raises(DataError, match=r"items_shuffle\.json.*items_shuffle_1000\.json"):
        load(tmp_path)
    assert len(load(tmp_path / "items_shuffle_1000.json").products) == 2


def test_folders_without_a_set(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"same suffix.*none"):
        load(tmp_path)
    (tmp_path / "items_shuffle_a.json").write_text("[]")
    (tmp_path / "items_ins_v2_b.json").write_text("{}")
    with pytest.raises(DataError, match=r"items_ins_v2_b\.json, items_shuffle_a\.json"):
        load(tmp_path)
    with pytest.raises(DataError, match=r"missing: items_ins_v2_a\.json"):
        load(tmp_path / "items_shuffle_a.json")
    with pytest.raises(DataError, match="expected a file named"):
        load(tmp_path / "items_ins_v2_b.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 5}, r"record 1 \(asin 'B2'\), field 'name': expected a text, got int"),
        ({"name": ...}, "field 'name': expected a text, got no such field"),
        ({"asin": ...}, "record 1, field 'asin'"),
        ({"asin": ""}, "record 1.*field 'asin': expected a product code"),
        ({"pricing": ["$1"]}, "field 'pricing': expected a text, got a list"),
        ({"pricing": "$1.2.3"}, "field 'pricing': expected amounts"),
        ({"pricing": "free"}, "field 'pricing': expected amounts"),
        ({"name": None}, "field 'name': expected a text, got null"),
        ({"query": None}, "field 'query'"),
        ({"small_description": [1]}, "field 'small_description': expected a list of texts"),
        ({"small_description": {}}, "field 'small_description'"),
        ({"full_description": 1.5}, "field 'full_description'"),
        ({"customization_options": [1]}, "field 'customization_options': expected an object"),
        ({"customization_options": {"Color": "red"}}, r"'customization_options\.Color'"),
        ({"customization_options": {"Color": ["red"]}}, "group 'Color', entry 0: expected an obj"),
        ({"customization_options": {"Color": [{}]}}, "field 'value'"),
        ({"customization_options": {"Color": [{"value": None}]}}, "field 'value'"),
    ],
)
def test_a_broken_record_is_named(tmp_path, change, message):
    broken = {key: value for key, value in (product("B2") | change).items() if value is not ...}
    write_folder(tmp_path, [product("B1"), broken], {})
    with pytest.raises(DataError, match=message) as error:
        load(tmp_path)
    assert "items_shuffle.json" in str(error.value)


@pytest.mark.parametrize(
    ("instructions", "message"),
    [
        ({"B1": {"attributes": "x", "instruction": "Find", "instruction_attributes": []}}, "least"),
        ({"B1": {"instruction": "Find"}}, "field 'instruction_attributes'.*no such field"),
        ({"B1": {"attributes": [None]}}, "record 'B1', field 'attributes'"),
        ({"B1": ["x"]}, "record 'B1': expected an object, got a list"),
        ([], "keyed by product code"),
    ],
)
def test_a_broken_instruction_is_named(tmp_path, instructions, message):
    write_folder(tmp_path, [product("B1")], instructions)
    with pytest.raises(DataError, match=message) as error:
        load(tmp_path)
    assert "items_ins_v2.json" in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"asin": "B1"', "not valid JSON at line 1"),
        (b"", "not valid JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"a": 1}', "expected a list of objects, got an object"),
        (b"[1]", "record 0: expected an object, got int"),
        (b"[" * 100_000, "nested too deeply|not valid JSON"),
    ],
)
def test_a_broken_file_is_named(tmp_path, content, message):
    write_folder(tmp_path, [], {})
    (tmp_path / "items_shuffle.json").write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        load(tmp_path)
    assert "items_shuffle.json" in str(error.value)


def test_a_truncated_gzip_file_is_named(tmp_path):
    write_folder(tmp_path, [], {})
    (tmp_path / "items_shuffle.json").unlink()
    packed = gzip.compress(json.dumps([product("B1")]).encode())
    (tmp_path / "items_shuffle.json.gz").write_bytes(packed[:-12])
    with pytest.raises(DataError, match=r"items_shuffle\.json\.gz: cannot be read"):
        load(tmp_path)


def test_a_data_set_without_goals_is_refused(tmp_path):
    write_folder(tmp_path, [product("B1")], {})
    with pytest.raises(ConfigError, match="no synthetic goals"):
        gym.make("FedWebShop-v0", data=str(tmp_path))


def test_a_repaired_folder_is_read_again(tmp_path):
    write_folder(tmp_path, [product("B1")], {})
    with pytest.raises(ConfigError, match="no synthetic goals"):
        gym.make("FedWebShop-v0", data=str(tmp_path))
    wanted = {"instruction": "Find me it", "instruction_attributes": ["a"], "attributes": ["a"]}
    write_folder(tmp_path, [product("B1")], {"B1": wanted})
    assert "Find me it" in gym.make("FedWebShop-v0", data=str(tmp_path)).reset(seed=0)[0]


def test_held_out_products(tmp_path):
    records = [product(f"B{i:03d}") for i in range(200)]
    write_folder(tmp_path, records, {})
    chosen = load(tmp_path).holdout
    assert len(chosen) == 30
    write_folder(tmp_path / "few", records[:20], {})
    assert len(load(tmp_path / "few").holdout) == 5
    write_folder(tmp_path, records, {}, holdout_asins={"asins": ["B001", "B007", "B999"]})
    assert load(tmp_path).holdout == ("B001", "B007")


def test_the_bundled_catalog():
    catalog = load_catalog(find_files(None))
    assert len(catalog.products) == 1000
    assert len(catalog.targets()) == 415
    assert len(catalog.holdout) == 30
    assert not set(catalog.holdout) & set(catalog.targets())


def test_the_real_records(real_folder):
    catalog = load(real_folder)
    assert len(catalog.products) == 394
    assert len(catalog.targets()) == 216
