"""``python -m brickstream``."""

import sys

from brickstream.cli import main

if __name__ == "__main__":
    sys.exit(main())
