"""FedALFWorld: household tasks in text, identical to ALFWorld's, with one house per client."""

from fedenv.alfworld.engine import Game
from fedenv.alfworld.house import House, build_house
from fedenv.alfworld.problem import Item, Problem, Receptacle

__all__ = ["Game", "House", "Item", "Problem", "Receptacle", "build_house"]
