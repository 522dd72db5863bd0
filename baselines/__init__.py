"""Trains policies on fedenv: federated, centralized and local GRPO and PPO.

``baselines`` imports ``fedenv``, never the reverse; the command ``fedenv`` finds what is here
through entry points. Importing the package itself loads nothing; most modules need PyTorch (extra
``train``), ``server`` and ``client`` need Flower (extra ``federation``).
"""
