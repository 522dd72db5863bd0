"""WebShop for one client of a federation, as a Gymnasium environment."""

from __future__ import annotations

from fedenv.env import FedTextEnv


class WebShopEnv(FedTextEnv):
    """Buy the product that an instruction describes, in one client's web shop."""
