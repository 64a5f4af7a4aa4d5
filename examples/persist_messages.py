"""Every message is handed to you once, as soon as it came to be, and the record of every call and reply too.

A message's `hash_key` is made of its content, the same in every process, so it can be the key of a database:
what is equal is stored once.
"""

from miniagents import InteractionContext, Message, MessagePromise, MiniAgent, MiniAgents, miniagent
from miniagents.ext.default_model import default_model
from miniagents.testing import scripted_model
from miniagents.types import AgentCallNode, AgentReplyNode


@miniagent
async def summary_agent(ctx: InteractionContext, model: MiniAgent) -> None:
    """Summarizes what it is told."""
    ctx.reply(model.inquire(["Summarize in three words:", ctx.messages]))


async def main(model: MiniAgent) -> None:
    """Inquire an agent twice, and show what was stored."""
    store: dict[str, Message] = {}
    context = MiniAgents()

    @context.on_persist_message
    async def put(_promise: MessagePromise[Message], message: Message) -> None:
        # Here a row would go into your database: `message.hash_key` and `message.model_dump_json()`.
        store[message.hash_key] = message

    async with context:
        for _ in range(2):
            await summary_agent.inquire("The library has no books about owls.", model=model)

    for hash_key, message in store.items():
        print(f"{hash_key[:8]}  {type(message).__name__:16}  {_shown(message)}")


def _shown(message: Message) -> str:
    if isinstance(message, AgentCallNode):
        return f"{message.agent_alias} was sent {_keys(message.messages)}"
    if isinstance(message, AgentReplyNode):
        return f"{message.agent_alias} replied {_keys(message.replies)} to call {message.call.hash_key[:8]}"
    return str(message)


def _keys(messages: tuple[Message, ...]) -> str:
    return ", ".join(message.hash_key[:8] for message in messages)


if __name__ == "__main__":
    librarian = scripted_model("No owl books.", "No owl books.")
    MiniAgents().run(main(default_model(otherwise=librarian)))
