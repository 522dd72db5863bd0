"""Commands that ``fedenv`` finds through entry points."""
