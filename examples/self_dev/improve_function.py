"""An agent that improves a function, and shows the difference. Nothing that a model wrote is run: you decide.

The answer of a model is text. `split_messages` cuts it at blank lines and keeps each fenced block in one
piece, so the code is the message that begins with a fence. Code that is no such function goes back.
"""

import ast
import difflib
import inspect

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    MiniAgent,
    MiniAgents,
    SystemMessage,
    UserMessage,
    miniagent,
    split_messages,
)
from miniagents.ext.default_model import default_model
from miniagents.testing import scripted_model

TASK = SystemMessage(
    "Improve the Python function you are given: faster, easier to read; same signature, same behaviour. "
    "Explain in one sentence, then reply the whole function in one ```python block."
)


class Improvement(Message):
    """A better function; its text is why."""

    code: str


def common_words(first: str, second: str) -> list[str]:
    """Return the words that stand in both texts, once each, in the order of the first."""
    found: list[str] = []
    for word in first.split():
        for other in second.split():
            if word == other and word not in found:
                found.append(word)
    return found


@miniagent
async def improver_agent(
    ctx: InteractionContext[Message, Improvement], model: MiniAgent, attempts: int = 3
) -> None:
    """Improves the function it is told."""
    before = str(await ctx.messages)
    conversation: list[Message] = [TASK, UserMessage(before)]
    for _ in range(attempts):
        answer = AssistantMessage(str(await model.inquire(conversation)))
        parts = [str(part) for part in await split_messages(answer)]
        code = (
            next((part for part in parts if part.startswith("```")), "").strip("`").removeprefix("python\n")
        )
        wrong = _difference(before, code)
        if not wrong:
            ctx.reply(Improvement(parts[0], code=code))
            return
        conversation += [answer, UserMessage(f"No: {wrong}. Try again.")]
        print(f"[not accepted: {wrong}]")


def _difference(before: str, after: str) -> str:
    """Tell in what the code is another function, as far as that is seen without running it."""
    try:
        old, new = _signature(before), _signature(after)
    except (SyntaxError, ValueError) as error:
        return f"this is not one function ({error})"
    return "" if old == new else f"the signature was {old}, and is {new}"


def _signature(code: str) -> str:
    (function,) = (each for each in ast.parse(code).body if isinstance(each, ast.FunctionDef))
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    return f"{function.name}({ast.unparse(function.args)}){returns}"


async def main(model: MiniAgent, before: str = inspect.getsource(common_words)) -> None:
    """Show why, and the difference."""
    for better in await improver_agent.inquire(before, model=model):
        print(f"{better}\n")
        lines = before.splitlines(), better.code.splitlines()
        print("\n".join(difflib.unified_diff(*lines, "before", "after", lineterm="")))


FIRST_TRY = """Sets know at once what is in them.

```python
def common_words(texts):
    return sorted(set.intersection(*(set(text.split()) for text in texts)))
```"""

SECOND_TRY = '''A set knows at once what is in it, and a dict keeps each word once, in order.

```python
def common_words(first: str, second: str) -> list[str]:
    """Return the words that stand in both texts, once each, in the order of the first."""
    others = set(second.split())
    return [word for word in dict.fromkeys(first.split()) if word in others]
```'''

if __name__ == "__main__":
    MiniAgents().run(main(default_model(otherwise=scripted_model(FIRST_TRY, SECOND_TRY))))
