"""`python -m longshore` is `longshore`."""

import sys

from longshore.cli import main

if __name__ == "__main__":
    sys.exit(main())
