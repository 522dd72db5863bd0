"""``fedenv data``: look at data before anything runs on it."""

from __future__ import annotations

import click
from rich.table import Table

from fedenv.commands.common import make_console, printable


@click.group()
def data() -> None:
    """Look at data."""


@data.command()
@click.argument("folder", required=False, metavar="[DIR]")
def check(folder: str | None) -> None:
    """Load the WebShop data of DIR (the bundled data without it) and count what is there."""
    from fedenv.webshop.files import find_files
    from fedenv.webshop.goals import build_goals
    from fedenv.webshop.shop import open_shop

    files = find_files(folder)
    shop = open_shop(files, "synthetic", "rules")
    catalog = shop.catalog
    rows = {
        "products": len(catalog.products),
        "... with an instruction": len(catalog.targets()),
        "... with instructions by people": len(catalog.targets("human")),
        "... held out": len(catalog.holdout),
        "goals (synthetic)": len(shop.goals),
        "goals (human)": len(build_goals(catalog, "human")),
    }
    for split_by in ("goal", "product"):
        sizes = {name: len(of) for name, of in shop.splits(split_by).positions.items()}
        for name, size in sizes.items():
            rows[f"split by {split_by}: {name}"] = size
    console = make_console()
    table = Table("what", "number")
    table.columns[1].justify = "right"
    for name, number in rows.items():
        table.add_row(name, str(number))
    console.print(table)
    for role, path in files.present.items():
        console.print(printable(console, f"{role}: {path.name}"))
    console.print(f"digest: {catalog.digest}")
