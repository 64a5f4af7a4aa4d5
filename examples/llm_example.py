"""Ask a language model, and show its answer token by token as it comes.

`default_model()` is the provider whose key is set. To choose yourself:

    from miniagents.ext.llm.openai import openai_agent
    model = openai_agent.fork(model="gpt-5.4-mini", temperature=0.2)
"""

from miniagents import MiniAgent, MiniAgents, SystemMessage, UserMessage
from miniagents.ext.default_model import default_model
from miniagents.testing import scripted_model


async def main(model: MiniAgent) -> None:
    """Ask one question."""
    question = UserMessage("Why is the sky blue?")
    print(f"{question}\n")

    answers = model.inquire([SystemMessage("You are a poet. Answer in one sentence."), question])
    async for answer in answers:
        async for token in answer:
            print(token, end="", flush=True)
        message = await answer  # nothing is asked again: every reader gets the same tokens
        data = message.model_dump()
        print(f"\n\n({data['model']}, {data['finish_reason']}, {len(str(message))} characters)")


if __name__ == "__main__":
    poet = scripted_model("The blue of sunlight is the part that cannot cross the air without playing.")
    MiniAgents().run(main(default_model(otherwise=poet)))
