"""With the command line, which also finds the default model: its commands and the providers."""

from pathlib import Path

import miniagents

_PACKAGE = Path(miniagents.__file__).parent

hiddenimports = [
    *(
        ".".join(file.relative_to(_PACKAGE.parent).with_suffix("").parts)
        for file in _PACKAGE.glob("cli/_*.py")
    ),
    *(f"miniagents.ext.llm.{name}" for name in ("openai", "openai_responses", "anthropic")),
    *("miniagents.cli._server", "miniagents.ext.mcp", "genai_prices"),
]
