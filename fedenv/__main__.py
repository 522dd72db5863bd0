"""``python -m fedenv`` is the command ``fedenv``."""

from fedenv.cli import main

if __name__ == "__main__":
    main(prog_name="fedenv")
