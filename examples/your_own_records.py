"""Make a federation of shops out of your own product records.

    python examples/your_own_records.py

A data set is a folder with two files in the public WebShop format: products, and the instructions
that some of them carry. `fedenv data check FOLDER` tells what is in one.
"""

import argparse
import json
import tempfile
from pathlib import Path

import fedenv

COLOURS, KINDS = ("red", "green", "navy"), ("kettle", "teapot", "mug", "bowl", "plate", "jug")


def product(number):
    """Return one product record; price texts and option groups are as a shop page shows them."""
    kind = KINDS[number % len(KINDS)]
    return {
        "asin": f"MINE{number:06d}",  # the product code, at most ten characters
        "name": f"Stoneware {kind} number {number}",
        "category": "garden",
        "query": f"{kind}s",
        "product_category": f"Home & Kitchen › Tableware › {kind}s",
        "full_description": f"A {kind} made by hand. Keeps what you put into it.",
        "small_description": ["Dishwasher safe", f"Holds {number + 1} decilitres"],
        "pricing": f"${9.5 + number:.2f}",
        "images": ["https://example.com/picture.jpg"],
        "customization_options": {"color": [{"value": colour} for colour in COLOURS]},
    }


def write(folder):
    """Write the two files; the suffix is yours, but must be the same for both."""
    products = [product(number) for number in range(60)]
    instructions = {
        item["asin"]: {
            "attributes": ["dishwasher safe", "hand made"],
            # Products without an instruction are for sale, too; they are nobody's goal.
            "instruction": f"Find me dishwasher safe {item['query']}",
            "instruction_attributes": ["dishwasher safe"],
        }
        for item in products[::2]
    }
    (folder / "items_shuffle_mine.json").write_text(json.dumps(products))
    (folder / "items_ins_v2_mine.json").write_text(json.dumps(instructions))


def main(folder):
    write(folder)
    federation = fedenv.Federation(
        "FedWebShop-CatalogSplit-v0", num_clients=5, data=str(folder), keep_ratio=0.5
    )
    splits = federation.world.splits
    print(f"data {federation.world.data_digest}: {len(splits.tasks)} tasks, ", end="")
    print(f"{len(splits.of('train'))} of them for training")
    for client_id in range(federation.num_clients):
        env = federation.make_env(client_id)
        env.reset(seed=0)
        # No teapot carries an instruction, so each client keeps a half of its own.
        _, _, _, _, info = env.step("search[teapot]")
        sold = [action[6:-1] for action in info["admissible_actions"] if "mine" in action]
        tasks = len(federation.client(client_id).task_ids)
        print(f"client {client_id}: {tasks} tasks; teapots sold: {', '.join(sorted(sold))}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where to write; a temporary one without it")
    chosen = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as temporary:
        main(chosen or Path(temporary))
