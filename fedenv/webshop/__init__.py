"""WebShop as a four-stage pipeline: catalog, index, scoring, rendering."""

from fedenv.webshop.catalog import catalog_split
from fedenv.webshop.engine import SearchEngine

__all__ = ["SearchEngine", "catalog_split"]
