"""Check the site that was built: ``python -m tests.docs_site site``.

It prints a sentence for each breach of `tests/docs_site/checks.py`, and ends with 1 if there is one.
"""

import sys
from pathlib import Path

from tests.docs_site.checks import breaches_of

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    found = breaches_of(folder)
    pages = len(list(folder.rglob("*.html")))
    sys.stdout.write("".join(f"{each}\n" for each in found))
    sys.stdout.write(f"{pages} pages, {len(found)} breaches\n")
    sys.exit(bool(found) or pages == 0)
