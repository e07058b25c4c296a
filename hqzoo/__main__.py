"""``python -m hqzoo`` is the command ``hqzoo``."""

import sys

from hqzoo.cli import main

if __name__ == "__main__":
    sys.exit(main())
