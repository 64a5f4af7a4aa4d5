"""With `miniagents`: the files beside its code (the page of `serve`, the script of Eliza, and others)."""

from pathlib import Path

import miniagents

_PACKAGE = Path(miniagents.__file__).parent
_CODE = {".py", ".pyc", ".typed"}

# Each is a file, and the folder of the program into which it goes.
datas = [
    (str(file), str(file.parent.relative_to(_PACKAGE.parent)))
    for file in sorted(_PACKAGE.rglob("*"))
    if file.is_file() and file.suffix not in _CODE
]
