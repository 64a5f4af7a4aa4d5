"""Each example that asks a model, with a scripted one: what it prints, and what the model was asked."""

import ast
import json
from pathlib import Path

import pytest

from examples import (
    chain,
    durable_graph,
    errors,
    extraction,
    job,
    llm_example,
    parallel,
    persist_messages,
    pipeline,
    research_team,
    tools,
)
from examples.self_dev import improve_function, write_readme
from miniagents import AssistantMessage, MiniAgents, ToolCall, Usage
from miniagents.testing import ScriptedModel

Capture = pytest.CaptureFixture[str]


def asked(scripted: ScriptedModel) -> list[str]:
    """Return the conversations a model was given."""
    return [str(request.messages) for request in scripted.requests]


@pytest.mark.parametrize(
    "path", sorted(Path(chain.__file__).parent.rglob("*.py")), ids=lambda path: path.stem
)
def test_nothing_at_import(path: Path) -> None:
    """An example that is imported only defines: what it does stands under `if __name__ == "__main__":`."""
    defining = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Assign)
    *body, last = ast.parse(path.read_text(encoding="utf-8")).body
    docstring, *rest = body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(docstring.value, ast.Constant)
    assert all(isinstance(each, defining) for each in rest)
    assert ast.unparse(last).startswith("if __name__ == '__main__':")


def test_llm_example(capsys: Capture) -> None:
    """The answer is shown, and what is known about it."""
    scripted = ScriptedModel(["Light ", "scatters."])
    MiniAgents().run(llm_example.main(scripted.agent.bind(model="m")))
    assert capsys.readouterr().out == "Why is the sky blue?\n\nLight scatters.\n\n(m, stop, 15 characters)\n"
    assert asked(scripted) == ["You are a poet. Answer in one sentence.\n\nWhy is the sky blue?"]


def test_tools(capsys: Capture) -> None:
    """The clerk is told what the tools say, and why a call did not happen."""
    calls = [ToolCall("1", "stock", '{"product": "lamp"}'), ToolCall("2", "order", '{"product": "desk"}')]
    scripted = ScriptedModel(AssistantMessage(parts=calls), "Three lamps.")
    MiniAgents().run(tools.main(scripted.agent.bind()))
    assert capsys.readouterr().out.endswith("The answer: Three lamps.\n")
    assert asked(scripted)[1].split("\n\n")[-2:] == ["3", "Only the manager may order."]


def test_extraction(capsys: Capture) -> None:
    """What does not fit is repaired, and the tasks are those of the answer that does."""
    task = {"who": "Ada", "what": "rest", "due": "in March"}
    answers = [
        json.dumps({"summary": "Done.", "tasks": [{**task, "due": due}]}) for due in ("soon", "2026-03-01")
    ]
    scripted = ScriptedModel(*answers)
    MiniAgents().run(extraction.main(scripted.agent.bind()))
    assert capsys.readouterr().out.splitlines() == [
        "Done.",
        "- Ada: rest, by 01 March",
        "First of all, Ada will rest.",
    ]
    assert "tasks[0].due: Input should be a valid date" in asked(scripted)[1]


def test_parallel(capsys: Capture) -> None:
    """All are asked before the first answers, and the order is that of the languages."""
    scripted = ScriptedModel("eins", "zwei", "drei")
    MiniAgents().run(parallel.main(scripted.agent.bind()))
    assert capsys.readouterr().out.splitlines() == [
        *(f"[{language} is asked for]" for language in parallel.LANGUAGES),
        *("eins", "zwei", "drei"),
    ]
    assert [text.splitlines()[0] for text in asked(scripted)] == [
        f"Translate into {language}." for language in parallel.LANGUAGES
    ]


def test_chain(capsys: Capture) -> None:
    """Without a critic who is content, it ends after five rounds."""
    scripted = ScriptedModel(then=lambda messages: f"{len(messages)}")
    MiniAgents().run(chain.main(scripted.agent.bind()))
    out = capsys.readouterr().out
    assert (out.count("writer:"), out.count("critic:")) == (5, 5)
    assert "Improve it. 2" in asked(scripted)[2]


def test_errors(capsys: Capture) -> None:
    """A model that does not fail gets its report through, all three times."""
    MiniAgents().run(errors.main(ScriptedModel(then="Sunny.").agent.bind()))
    assert capsys.readouterr().out.count("Sunny.") == 2  # the second one is not shown


def test_persist_messages(capsys: Capture) -> None:
    """What is equal is stored once, what is not is stored too."""
    MiniAgents().run(persist_messages.main(ScriptedModel("one", "two").agent.bind()))
    out = capsys.readouterr().out
    assert [out.count(text) for text in ("The library", "  one\n", "  two\n", "SUMMARY_AGENT replied")] == [
        1,
        1,
        1,
        2,
    ]


def test_pipeline(capsys: Capture, tmp_path: Path) -> None:
    """Rows keep their order, each is an inquiry of its own, and what says nothing is not asked about."""
    file = tmp_path / "reviews.csv"
    file.write_text('product,stars,text\nBed,5,"Very soft"\nBed,1,"no"\nBed,2,"Too soft"\n', encoding="utf-8")
    scripted = ScriptedModel("Positive.", "negative")
    MiniAgents().run(pipeline.main(scripted.agent.bind(), file))
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["Bed", "*****", "positive", "Very", "soft"],
        ["Bed", "**", "negative", "Too", "soft"],
        [],
        ["Bed", "negative", "1"],
        ["Bed", "positive", "1"],
    ]
    assert [text.splitlines()[-1] for text in asked(scripted)] == ["Very soft", "Too soft"]


def test_job(capsys: Capture, tmp_path: Path) -> None:
    """No row is asked twice, what does not fit is asked again, and the files stand in the folder."""
    good = '{"mood": "positive", "because": "of it"}'
    used = Usage(300, 100)
    scripted = ScriptedModel(
        AssistantMessage("I do not know.", model="gpt-4o", usage=used),
        then=AssistantMessage(good, model="gpt-4o", usage=used),
    )
    MiniAgents().run(job.main(scripted.agent.bind(), tmp_path))
    out = capsys.readouterr().out
    assert "The budget of 0.005 dollars is spent" in out
    assert "7 answered, 1 failed" in out
    assert len(scripted.requests) == 7 + 1  # the first row was asked again
    assert out.count("there is nothing to judge") == 2
    assert {"moods.journal", "moods.errors.jsonl"} <= {path.name for path in tmp_path.iterdir()}


def test_durable_graph(capsys: Capture, tmp_path: Path) -> None:
    """What was answered before the graph failed is not asked again; both chains have run at once."""
    before = ScriptedModel(
        '{"sections": ["A", "B"]}', "Long A.", "Long B.", "A.", "B.", ConnectionError("gone")
    )
    with pytest.raises(ConnectionError, match="gone"):
        MiniAgents().run(durable_graph.main(before.agent.bind(), tmp_path, dies=False))
    assert [text.rpartition("\n")[2] for text in asked(before)[1:3]] == ["A", "B"]
    after = ScriptedModel("A and B.")
    MiniAgents().run(durable_graph.main(after.agent.bind(), tmp_path, dies=False))
    assert capsys.readouterr().out.endswith("\nA and B.\n(1 calls made, 5 played from the journal)\n")
    assert [text.partition("\n\n")[2] for text in asked(after)] == ["A.\n\nB."]


def test_research_team(capsys: Capture) -> None:
    """The researchers are asked at once, their notes reach the writer, and no source is made up."""
    plan, no, yes = (
        '{"questions": ["Food?", "Nests?"]}',
        '{"accepted": false, "wish": "Shorter."}',
        '{"accepted": true}',
    )
    found = ("They eat [trees-2019].", "They nest [nests-2020].")
    looks = AssistantMessage(parts=[ToolCall("1", "read", '{"source": "trees-2019"}')])
    reports = ["No source.", "Bad [x].", "Long [trees-2019].", no, "Short [trees-2019].", yes]
    scripted = ScriptedModel(plan, looks, found[1], found[0], *reports)
    MiniAgents().run(research_team.main(scripted.agent.bind()))
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith("CRITIC")] == [
        "CRITIC: Name your sources.",
        "CRITIC: There is no source x.",
        "CRITIC: Shorter.",
        "CRITIC: accepted",
    ]
    assert out.endswith("\nShort [trees-2019].\n")
    assert [text.rpartition("\n")[2] for text in asked(scripted)[1:3]] == ["Food?", "Nests?"]
    assert "One old lime tree" in asked(scripted)[3]
    assert all(note in asked(scripted)[4] for note in found)
    assert scripted.answers_left == 0


def test_research_team_ends(capsys: Capture) -> None:
    """With a critic who is never content, the last report is the answer."""
    written = [f"Draft {number} [x]." for number in range(research_team.ROUNDS)]
    scripted = ScriptedModel('{"questions": ["Food?"]}', "Notes.", *written)
    MiniAgents().run(research_team.main(scripted.agent.bind()))
    assert capsys.readouterr().out.endswith(f"\n{written[-1]}\n")


def test_write_readme(capsys: Capture, tmp_path: Path) -> None:
    """The model is given every file, then all summaries; the README has them in order."""
    folder = tmp_path / "shop"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.py").write_text(f"{name} = 1\n", encoding="utf-8")
    scripted = ScriptedModel(
        then=lambda messages: "Sells." if len(messages) > 2 else f"Sets {messages[-1]}".strip()
    )
    MiniAgents().run(write_readme.main(scripted.agent.bind(), folder))
    out = capsys.readouterr().out
    assert out == "# shop\n\nSells.\n\n## Files\n\n* `a.py`: Sets a = 1\n* `b.py`: Sets b = 1\n"


def test_improve_function(capsys: Capture) -> None:
    """What is no function goes back to the model with the reason; after three attempts it gives up."""
    scripted = ScriptedModel("I cannot.", "```python\nx = 1\n```", "```python\ndef f(:\n```")
    MiniAgents().run(improve_function.main(scripted.agent.bind(), before="def f(a: int) -> int: ..."))
    out = capsys.readouterr().out
    assert out.count("[not accepted: this is not one function") == 3
    assert "this is not one function" in asked(scripted)[1]
