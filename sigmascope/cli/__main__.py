"""``python -m sigmascope.cli``."""

from sigmascope.cli import main

main()
