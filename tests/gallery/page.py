"""The page and its pictures, from the runs."""

import inspect
from pathlib import Path
from typing import Final

from miniagents import MiniAgents
from miniagents.ext.timeline import Timeline
from miniagents.testing import virtual_time
from tests.gallery.diagrams import DIAGRAMS
from tests.gallery.examples import examples_page
from tests.gallery.runs import RUNS

__all__ = ["DOCS", "files"]

DOCS: Final = Path(__file__).parents[2] / "docs"
_HEAD: Final = """\
# Pictures of runs

An observer draws what runs:

```python
from miniagents import MiniAgents
from miniagents.ext.timeline import Timeline

timeline = Timeline()
MiniAgents(observers=[timeline]).run(main())
timeline.save("run.html")  # or "run.svg"
print(timeline)
```

Each run of an agent, a model or a tool is a lane. It stands below the run that started it.

| sign | what it is |
|---|---|
| a dot | a part that the run wrote; a gap between dots is waiting |
| <code>&#124;</code> | the end |
| `X` | an error |
| a hollow end | the run was cancelled, or its readers left |
| a triangle | a model was asked again |

Time in which nothing runs is cut out of the axis.

Open the page (`run.html`) with a double click; it needs no network. Point at a lane to see when it began and
ended, its parts and its tokens. Texts are neither kept nor shown, unless you say `Timeline(content=True)`.
Then the pointer also shows what was said at that moment. `miniagents chat --timeline run.html` draws a
conversation.

The code below each picture made it, with `python -m tests.gallery`.
"""


def files() -> dict[str, str]:
    """What must stand in `docs`: the name of each file, and its text."""
    found: dict[str, str] = {}
    page = [_HEAD]
    for name, run in RUNS.items():
        timeline = Timeline()
        with virtual_time():
            MiniAgents(observers=[timeline]).run(run())
        title = run.__name__.replace("_", " ").capitalize()
        found[f"gallery/{name}.svg"] = timeline.to_svg()
        page += [
            f"## {title}\n",
            f"{inspect.getdoc(run)}\n",
            f"![{title}](gallery/{name}.svg)\n",
            f"```python\n{inspect.getsource(run)}```\n",
        ]
        if name == "race":
            page.append(f"The same, printed:\n\n```text\n{timeline}\n```\n")
    diagrams = {name: draw() for name, draw in DIAGRAMS.items()}
    return {"gallery.md": "\n".join(page), "examples.md": examples_page(), **found, **diagrams}
