"""The commands of ``fedenv``, one a module; see :mod:`fedenv.cli`."""
