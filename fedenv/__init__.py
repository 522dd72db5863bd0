"""fedenv: the benchmark suite for federated reinforcement learning of LLM agents.

Importing the package registers its environments with Gymnasium::

    import fedenv, gymnasium as gym
    env = gym.make("FedWebShop-RankWrapper-v0", client_id=7)
"""

from fedenv.errors import ConfigError, DataError, FedEnvError, ReplayError
from fedenv.federation import Client, Federation
from fedenv.registration import ENVIRONMENTS, register_environments
from fedenv.spaces import UnicodeText
from fedenv.version import __version__

__all__ = [
    "ENVIRONMENTS",
    "Client",
    "ConfigError",
    "DataError",
    "FedEnvError",
    "Federation",
    "ReplayError",
    "UnicodeText",
    "__version__",
]

register_environments()
