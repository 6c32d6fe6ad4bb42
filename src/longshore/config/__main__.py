"""Print the table of settings in the README."""

import sys

from longshore.config import settings_table

sys.stdout.write(f"{settings_table()}\n")
