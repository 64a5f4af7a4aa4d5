"""`miniagents.ext.chat_history_sqlite` as documented."""

from pathlib import Path

from miniagents import MiniAgents
from miniagents.ext.chat_history_sqlite import ChatHistorySQLite
from miniagents.messages import AssistantMessage, UserMessage


async def test_the_agents_of_two_threads(tmp_path: Path) -> None:
    """Each thread has an agent of its own that keeps what it is sent; another object finds it all."""
    path = tmp_path / "CHAT.db"
    alice = ChatHistorySQLite(path, "alice")
    bob = alice.in_thread("bob")
    async with MiniAgents():
        await alice.agent.inquire([UserMessage("Hi!"), AssistantMessage("Hello, Alice.")])
        assert "How much?" == str(await bob.agent.inquire(UserMessage("How much?")))
        again = await ChatHistorySQLite(path, "alice").agent.inquire(UserMessage("And now?"))
    assert [("user", "Hi!"), ("assistant", "Hello, Alice."), ("user", "And now?")] == [
        (message.role, message.text) for message in again
    ]
