"""`python -m miniagents`: the command line."""

import sys

from miniagents.cli import main

if __name__ == "__main__":
    sys.exit(main())
