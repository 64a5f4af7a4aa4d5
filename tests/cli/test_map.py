"""``miniagents map``, with agents of a module of the user's own."""

import asyncio
import io
import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from miniagents.cli import main
from miniagents.testing import scripted_model
from tests.support.pages import page_of
from tests.support.postgres import postgres_server
from tests.support.sse_server import refused_url

REVIEWS = Path(__file__).parents[2] / "examples" / "reviews.csv"
ROWS = [{"id": at, "text": f"review {at}", "none": None} for at in range(4)]
JUDGES = '''
"""What the command is given in these tests."""

import asyncio

from pydantic import BaseModel

from miniagents import AssistantMessage, Message, Usage, miniagent
from miniagents.errors import LLMStatusError
from miniagents.testing import scripted_model

print("a module may print")
asked = []


class Mood(BaseModel):
    """What is thought."""

    mood: str


@miniagent
async def shout(ctx) -> None:
    """Say it loudly."""
    (message,) = await ctx.messages
    asked.append(str(message))
    if "2" in str(message):
        raise ValueError("two is too many\\x1b[31m")
    ctx.reply(str(message).upper())


@miniagent
async def field(ctx) -> None:
    """Look at the columns of a row."""
    (message,) = await ctx.messages
    ctx.reply(f"{message.id}: {message.text}")


@miniagent
async def needs(ctx, language: str) -> None:
    """Needs a keyword."""
    ctx.reply(language)


@miniagent
async def hangs(ctx) -> None:
    """Never answer one row."""
    if "1" in str(await ctx.messages):
        await asyncio.Event().wait()
    ctx.reply("fine")


@miniagent
async def set(ctx, max_tokens: int = 0, temperature: float = 1.0, top_p: float = 1.0) -> None:
    """Say what it was given."""
    ctx.reply(f"{max_tokens} {temperature} {top_p}")


def halved(messages):
    """Cut every other answer off."""
    asked.append(str(messages[-1]))
    even = int(str(messages[-1])[-1]) % 2 == 0
    text, reason = ("half", "length") if even else ("whole", "stop")
    return AssistantMessage(text, usage=Usage(7, 3), model="m-1", finish_reason=reason)


cut = scripted_model(then=halved, alias="CUT")


def answered(messages):
    """Two tokens for each word."""
    asked.append(str(messages[-1]))
    return AssistantMessage("fine", usage=Usage(800_000, 200_000), model="m-1")


paid = scripted_model(then=answered, alias="PAID")
chain = shout | paid.fork(model="m-1").timeout(total=5)
typed = scripted_model(then='{"mood": "good"}', alias="TYPED")
refuses = scripted_model(then=LLMStatusError("no such key", status=401), alias="REFUSES")
number = 7
'''
count = 0


@pytest.fixture
def judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module in the current folder, beside a file of rows."""
    global count  # noqa: PLW0603 - each test has a module of its own
    count += 1
    name = f"judges_{count}"
    (tmp_path / f"{name}.py").write_text(JUDGES)
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    return name


def read(path: str | Path) -> list[dict[str, object]]:
    """The rows of a file."""
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def asked_of(module: str) -> list[str]:
    """What the agents of the module were asked."""
    return list(sys.modules[module].asked) if module in sys.modules else []


def commands(told: str) -> list[list[str]]:
    """The commands that it tells to give next, one at the end of a line, without its name."""
    return [
        shlex.split(line.partition(": miniagents ")[2])
        for line in told.splitlines()
        if ": miniagents " in line
    ]


def silent(words: Sequence[str]) -> int:
    """What the command does, without what it tells."""
    with redirect_stderr(io.StringIO()):
        return main(words)


def test_offline(judges: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a key or a network each row gets an answer, in order; a second time nothing is asked."""
    words = ["map", "eliza", str(REVIEWS), "-o", "out.jsonl", "--text-column", "text"]
    assert 0 == main(words)
    rows = read("out.jsonl")
    assert [row["product"] for row in rows][:3] == ["Kettle", "Kettle", "Lamp"]
    assert all(row["output"] and row["error"] is None for row in rows)
    out, err = capsys.readouterr()
    assert ("", 1) == (out, err.count("\n"))
    assert f"{len(rows)} rows in out.jsonl: {len(rows)} answered; " in err
    before = Path("out.jsonl").read_bytes()
    assert 0 == main(words)
    assert "8 rows in out.jsonl: the job was already done, and no row was sent." in capsys.readouterr().err
    assert before == Path("out.jsonl").read_bytes()


def test_failed_rows(judges: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A row that fails harms no other one: exit 3, it is in both files, and --retry-failed asks it again."""
    words = [
        "map",
        f"{judges}:shout",
        "rows.jsonl",
        "-o",
        "out.jsonl",
        "--prompt",
        "Say {text}!",
        "--retries",
        "0",
    ]
    assert 3 == main(words)
    rows = read("out.jsonl")
    assert [row["output"] for row in rows] == ["SAY REVIEW 0!", "SAY REVIEW 1!", None, "SAY REVIEW 3!"]
    assert rows[2] == {**ROWS[2], "output": None, "error": rows[2]["error"]}
    assert "two is too many" in str(rows[2]["error"])
    (failed,) = read("out.jsonl.errors.jsonl")
    assert "two is too many" in json.dumps(failed)
    err = capsys.readouterr().err
    assert "4 rows in out.jsonl: 3 answered, 1 failed (out.jsonl.errors.jsonl); " in err
    assert "\x1b" not in err
    (again,) = commands(err)
    assert again == [*words, "--retry-failed"]
    assert 3 == main(words)
    assert len(asked_of(judges)) == 4, "what has failed is not asked again without --retry-failed"
    err = capsys.readouterr().err
    assert "already done, and no row was sent; 1 failed (out.jsonl.errors.jsonl)." in err
    assert commands(err) == [again]
    assert 3 == silent(again)
    assert len(asked_of(judges)) == 5


def test_what_is_sent(judges: str) -> None:
    """An agent is sent the row itself; another prompt, and --refresh, ask anew."""
    assert 0 == silent(["map", f"{judges}:field", "rows.jsonl", "-o", "out.jsonl"])
    assert [row["output"] for row in read("out.jsonl")] == [f"{at}: review {at}" for at in range(4)]
    words = ["map", f"{judges}:paid", "rows.jsonl", "-o", "other.jsonl"]
    assert 0 == silent([*words, "--prompt", "{{{id}}} {text}"])
    assert "{0} review 0" in asked_of(judges)
    assert 0 == silent([*words, "--prompt", "Again: {text}", "--yes"])
    assert len(asked_of(judges)) == 8
    assert 0 == silent([*words, "--prompt", "Again: {text}", "--refresh"])
    assert len(asked_of(judges)) == 12


def test_nothing_to_send(judges: str) -> None:
    """A row without what is to be sent fails, and nothing is asked for it."""
    assert 3 == silent(["map", f"{judges}:paid", "rows.jsonl", "-o", "o.jsonl", "--text-column", "none"])
    assert "The column 'none' of this row is null, so there is nothing to send." in str(read("o.jsonl")[0])
    assert asked_of(judges) == []


def test_typed(judges: str) -> None:
    """Answers of a type are objects, also in Parquet."""
    words = ["map", f"{judges}:typed", "rows.jsonl", "--prompt", "{text}", "--type", f"{judges}:Mood"]
    assert 0 == silent([*words, "-o", "out.jsonl", "--output-column", "judged"])
    assert read("out.jsonl")[0] == {**ROWS[0], "judged": {"mood": "good"}, "judged_error": None}
    parquet = pytest.importorskip("pyarrow.parquet")
    assert 0 == silent([*words, "-o", "out.parquet"])
    table = parquet.read_table("out.parquet")
    assert table.to_pylist()[3]["output"] == {"mood": "good"}
    assert table.schema.names[-2:] == ["output", "error"]
    assert str(table.schema.field("error").type) == "string", "also where no row has failed"


def test_budget(judges: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is spent beyond the budget: exit 4, no file, and a larger one goes on."""
    words = [
        "map",
        f"{judges}:paid",
        "rows.jsonl",
        "-o",
        "out.jsonl",
        "--text-column",
        "text",
        "--concurrency",
        "1",
    ]
    assert 4 == main([*words, "--price", "1,1", "--budget", "2"])
    assert len(asked_of(judges)) == 2
    assert not Path("out.jsonl").exists()
    err = capsys.readouterr().err
    assert "the budget of $2.00 is spent: 2 answered" in err
    assert "Continue with a larger --budget: miniagents map " in err
    (again,) = commands(err)
    assert again == [*words, "--price", "1,1", "--budget", "NEW"]
    assert 0 == main([*again[:-1], "4.5"])
    assert len(asked_of(judges)) == 4
    assert "; $2.00 in this run, $4.00 in all runs on this journal; " in capsys.readouterr().err


def test_budget_without_a_price(judges: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A budget that cannot be kept, since the price of what an agent asks is not known, ends the job."""
    words = ["map", f"{judges}:paid", "rows.jsonl", "-o", "out.jsonl", "--text-column", "text"]
    assert 1 == main([*words, "--budget", "2", "--concurrency", "1"])
    assert len(asked_of(judges)) == 1
    assert "The price of m-1 is not known, so a budget cannot be kept; give --price IN,OUT.\n" in (
        capsys.readouterr().err
    )


def test_budget_after_a_cost_that_is_not_known(judges: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A budget counts earlier runs, so one that cannot know what they have cost is wrong input: exit 2."""
    words = ["map", f"{judges}:paid", "rows.jsonl", "-o", "out.jsonl", "--text-column", "text"]
    assert 0 == main(words)
    capsys.readouterr()
    assert 2 == main([*words, "--refresh", "--budget", "2", "--price", "1,1"])
    assert len(asked_of(judges)) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert "The cost of earlier runs on this journal is not known" in line


def test_too_many_failures(judges: str, capsys: pytest.CaptureFixture[str]) -> None:
    """More failures than may be stop the job: exit 3, and it says how to go on."""
    words = [
        "map",
        f"{judges}:shout",
        "rows.jsonl",
        "-o",
        "out.jsonl",
        "--text-column",
        "text",
        "--retries",
        "0",
    ]
    assert 3 == main([*words, "--max-failures", "0", "--concurrency", "1"])
    err = capsys.readouterr().err
    assert "too many rows have failed: " in err
    assert not Path("out.jsonl").exists()
    larger, again = commands(err)
    assert larger[-4:] == ["--concurrency", "1", "--max-failures", "NEW"], "the old number is not in it"
    assert again[-1] == "--retry-failed"
    assert 3 == silent([*larger[:-1], "1"])
    assert len(read("out.jsonl")) == len(asked_of(judges)) == 4
    assert 3 == silent([*again, "--max-failures=1"])
    assert len(asked_of(judges)) == 5


def test_an_error_of_every_row(judges: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What every row would get ends the job at once, in one line."""
    assert 1 == main(["map", f"{judges}:refuses", "rows.jsonl", "-o", "out.jsonl", "--text-column", "text"])
    err = capsys.readouterr().err
    assert "no such key" in err
    assert "Traceback" not in err


def test_estimate(judges: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Some rows of all parts of the file tell what the whole would cost, and are not paid again."""
    rows = [{"text": f"row {at}"} for at in range(40)]
    Path("many.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    words = [
        "map",
        f"{judges}:paid",
        "many.jsonl",
        "-o",
        "out.jsonl",
        "--text-column",
        "text",
        "--price",
        "1,1",
        "--rpm",
        "60000",
    ]
    assert 0 == main([*words, "--estimate", "4"])
    assert [int(asked.removeprefix("row ")) // 10 for asked in asked_of(judges)] == [0, 1, 2, 3]
    err = capsys.readouterr().err
    assert "tried 4 of 40 rows: 4 answered, 0 failed, in " in err
    assert (
        "all 40 rows: about $40.00 ($40.00 to $40.00), 32,000,000 tokens sent, 8,000,000 tokens answered"
        in err
    )
    assert not Path("out.jsonl").exists()
    assert 0 == main(words)
    assert len(asked_of(judges)) == 40
    assert 0 == main(["map", f"{judges}:paid", "many.jsonl", "--text-column", "text", "--estimate"])
    assert "the price is not known (give --price IN,OUT)" in capsys.readouterr().err


def test_limits_of_an_agent_that_calls_no_model(judges: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Limits that could hold nothing are told in a line; those of a model are not."""
    words = ["rows.jsonl", "-o", "out.jsonl", "--text-column", "text", "--rpm", "60000", "--tpm", "90000000"]
    assert 0 == main(["map", "eliza", *words])
    told = "--rpm and --tpm had no effect, because eliza called no model; "
    assert told in capsys.readouterr().err
    assert 0 == main(["map", f"{judges}:typed", *words])
    assert "had no effect" not in capsys.readouterr().err


def test_no_stdout(judges: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """If standard output is closed, -o - is wrong input."""
    monkeypatch.setattr(sys, "stdout", None)
    assert 2 == main(["map", f"{judges}:judge", "rows.jsonl", "-o", "-"])
    assert "miniagents: -o is -, and standard output is closed; name a file\n" == capsys.readouterr().err


def test_no_rows(judges: str) -> None:
    """A file without rows becomes a file without rows."""
    Path("none.jsonl").write_text("")
    assert 0 == silent(["map", "eliza", "none.jsonl", "-o", "out.jsonl", "--text-column", "text"])
    assert Path("out.jsonl").read_text() == ""


JOB = "eliza rows.jsonl -o o.jsonl --text-column text"
WRONG = [
    ("", "the following arguments are required: AGENT, INPUT"),
    ("eliza none.jsonl -o o.jsonl --text-column text", "none.jsonl cannot be read: No such file"),
    ("eliza rows.xlsx -o o.jsonl --text-column text", "files of .xlsx are not read; give .jsonl, .csv"),
    ("eliza rows.jsonl -o o.csv --text-column text", ".csv files are not written"),
    ("eliza rows.jsonl --text-column text", "map needs -o OUT"),
    ("eliza rows.jsonl -o no/o.jsonl --text-column text", "-o: the folder no does not exist"),
    ("eliza rows.jsonl -o f.jsonl --text-column text", "-o: f.jsonl is a folder"),
    ("eliza rows.jsonl -o rows.jsonl --text-column text", "-o: rows.jsonl is also the file of INPUT"),
    ("eliza broken.jsonl -o o.jsonl --text-column text", "broken.jsonl, line 3: this is not JSON"),
    ("eliza rows.jsonl -o o.jsonl", "eliza needs a text for each row; give --text-column COLUMN, or"),
    ("eliza rows.jsonl -o o.jsonl --text-column txt", "has no column 'txt'; its columns are id, text, none"),
    ("eliza rows.jsonl -o o.jsonl --text-column ''", "--text-column is empty"),
    ("eliza rows.jsonl -o o.jsonl --prompt {txt}", "--prompt: rows.jsonl has no column 'txt'"),
    ("eliza rows.jsonl -o o.jsonl --prompt Hi", "--prompt names no column"),
    ("eliza rows.jsonl -o o.jsonl --prompt {text!r:>9}", "--prompt: {text!r:>9} is not the name of a column"),
    ("eliza rows.jsonl -o o.jsonl --prompt {text.__class__}", "has no column 'text.__class__'"),
    ("eliza rows.jsonl -o o.jsonl --prompt {text", "--prompt: expected '}' before end of string"),
    (f"{JOB} --prompt {{text}}", "not allowed with argument"),
    (f"{JOB} --id key", "--id: rows.jsonl has no column 'key'"),
    (
        f"{JOB} --output-column id",
        "already has a column 'id'; give the column of answers another name with --output-column",
    ),
    (f"{JOB} --journal no/j", "--journal: the folder no does not exist"),
    (f"{JOB} --journal postgresql://127.0.0.1:1/x", "The journal in Postgres (schema miniagents) cannot be"),
    (f"{JOB} --journal mysql://me@h/x", "or has an address that begins with postgresql://, not mysql://."),
    (f"{JOB} --journal rows.jsonl", "--journal: rows.jsonl is also the file of INPUT"),
    (f"{JOB} --errors ./o.jsonl", "--errors: o.jsonl is also the file of -o"),
    (f"{JOB} --errors ''", "--errors: it needs the name of a file"),
    (f"{JOB} --price 3", "'3' is not a price; give dollars per million tokens"),
    (f"{JOB} --budget 0", "'0' is not a sum of money"),
    (f"{JOB} --budget nan", "'nan' is not a sum of money"),
    (f"{JOB} --rpm 0", "'0' is not a limit; give a number greater than 0"),
    (f"{JOB} --tpm inf", "'inf' is not a limit"),
    (f"{JOB} --concurrency 0", "0 is too few; give 1 or more"),
    (f"{JOB} --retries=-1", "'-1' is not a whole number"),
    (f"{JOB} --estimate 0", "0 is too few; give 1 or more"),
    (f"{JOB} --max-failures 120%", "'120%' is not a number of rows"),
    (f"{JOB} --keep all", "invalid choice: 'all'"),
    (f"{JOB} --progress loud", "invalid choice: 'loud'"),
    (f"{JOB} --refresh --retry-failed", "not allowed with argument"),
    (f"{JOB} --fast", "unrecognized arguments: --fast"),
    (f"{JOB} --type JUDGES:Mood", "eliza is not a language model, so it has no typed answers"),
    (f"{JOB} --base-url http://x/v1", "--base-url is for language models, and eliza is none"),
    ("no_such_module:agent rows.jsonl -o o.jsonl", "the module no_such_module cannot be imported"),
    (
        "gpt-5 rows.jsonl -o o.jsonl",
        "gpt-5 names no agent; write MODULE:AGENT, openai:MODEL, anthropic:MODEL",
    ),
    ("JUDGES:nobody rows.jsonl -o o.jsonl", "has no nobody"),
    ("JUDGES:number rows.jsonl -o o.jsonl", "is a int; name an agent"),
    ("JUDGES:needs rows.jsonl -o o.jsonl", "needs a value for language; give --param language=VALUE"),
    (
        "JUDGES:set rows.jsonl -o o.jsonl --param top_p=high",
        "--param top_p: 'high' does not fit: Input should be a valid number",
    ),
    (
        "JUDGES:typed rows.jsonl -o o.jsonl --system Hi",
        "--system is for models, and judges_",
    ),
    ("JUDGES:typed rows.jsonl -o o.jsonl --type JUDGES:number", "is not a subclass of pydantic's BaseModel"),
    ("JUDGES:typed rows.jsonl -o o.jsonl --type Mood", "Mood names no class; write MODULE:CLASS"),
    ("JUDGES:shout rows.jsonl -o o.jsonl --type JUDGES:Mood", "is not a language model, so it has no typed"),
    ("openai: rows.jsonl -o o.jsonl --text-column text", "the name of the model is missing"),
    ("openai:m rows.jsonl -o o.jsonl --text-column text", "OPENAI_API_KEY is not set"),
    (
        "openai:m rows.jsonl -o o.jsonl --text-column text --base-url REFUSED",
        "no server answers at the base URL",
    ),
    ("openai:m rows.jsonl -o o.jsonl --text-column text --base-url x", "the base URL 'x' is not an address"),
    (
        "JUDGES:chain rows.jsonl -o o.jsonl --text-column text --budget 5",
        "The price of m-1 is not known, so a budget cannot be kept; give --price IN,OUT.",
    ),
]
"""The words, and what is said of them."""


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_wrong_input(judges: str, words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong input is told in one line with exit code 2, before anything is asked or written."""
    Path("broken.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n{"text": \n')
    Path("f.jsonl").mkdir()
    before = sorted(path.name for path in Path.cwd().iterdir())
    url = f"{refused_url()}/v1"
    assert 2 == main(["map", *shlex.split(words.replace("JUDGES", judges).replace("REFUSED", url))])
    out, err = capsys.readouterr()
    assert said in err
    assert "Traceback" not in err
    assert len(err.replace("a module may print\n", "").splitlines()) == 1
    assert out == ""
    assert asked_of(judges) == []
    made = sorted(path.name for path in Path.cwd().iterdir() if "journal" not in path.name)
    assert [name for name in made if name != "__pycache__"] == before


def test_a_model_needs_a_text(judges: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A model of a module without --prompt and --text-column is refused before any call."""
    for agent in ("paid", "typed"):
        assert 2 == main(["map", f"{judges}:{agent}", "rows.jsonl", "-o", "out.jsonl"])
        assert f"{judges}:{agent} needs a text for each row; give --text-column" in capsys.readouterr().err
    assert [] == asked_of(judges)


def test_a_finished_job_says_what_it_cost(judges: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A finished job that runs again says what all runs on the journal cost."""
    words = [
        *("map", f"{judges}:paid", "rows.jsonl", "-o", "out.jsonl", "--text-column", "text"),
        *("--price", "1,5"),
    ]
    assert 0 == main(words)
    assert "; $7.20;" in capsys.readouterr().err
    assert 0 == main(words)
    said = "no row was sent; $7.20 in all runs on this journal."
    assert said in capsys.readouterr().err


def test_answers_to_other_questions(judges: str, capsys: pytest.CaptureFixture[str]) -> None:
    """J7: if all rows would be paid again, it says so, with the cost, and goes on only with --yes."""
    words = ["map", f"{judges}:paid", "rows.jsonl", "-o", "out.jsonl", "--price", "1,5"]
    assert 0 == main([*words, "--text-column", "text"])
    before = Path("out.jsonl").read_bytes()
    for changed in (["--prompt", "Judge: {text}"], ["--text-column", "text", "--id", "id"]):
        capsys.readouterr()
        assert 2 == main([*words, *changed])
        err = capsys.readouterr().err
        assert "has 4 answers of PAID, and none of them fits a row of this job" in err
        assert "All 4 rows are sent and paid again, for about 7.20 dollars (4,000,000 tokens)." in err
        assert "Add --yes to send all rows, or give another -o and --journal to keep both files." in err
        assert (4, before) == (len(asked_of(judges)), Path("out.jsonl").read_bytes())
    assert 0 == main([*words, "--prompt", "Judge: {text}", "--yes"])
    assert len(asked_of(judges)) == 8
    capsys.readouterr()
    assert 0 == main([*words, "--text-column", "text", "--refresh"])
    assert "none of them fits" not in capsys.readouterr().err, "--refresh has said it already"


def test_rows_that_cannot_be_sent_are_no_answers(judges: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows without a text fail with each prompt, and do not hide that no answer fits another one."""
    with Path("rows.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": 9, "text": null}\n')
    words = ["map", f"{judges}:paid", "rows.jsonl", "-o", "out.jsonl", "--price", "1,5"]
    assert 3 == main([*words, "--prompt", "Judge: {text}"])
    capsys.readouterr()
    assert 2 == main([*words, "--prompt", "Rate: {text}"])
    assert "has 4 answers of PAID, and none of them fits a row of this job" in capsys.readouterr().err
    assert 4 == len(asked_of(judges))


def test_another_prompt_for_failed_rows(judges: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A prompt in a column sends only failed rows with another prompt; --retry-failed says so."""
    words = ["map", f"{judges}:cut", "-o", "out.jsonl", "--id", "id"]
    assert 3 == main([*words, "rows.jsonl", "--prompt", "Judge: {text}"])
    capsys.readouterr()
    assert 2 == main([*words, "rows.jsonl", "--prompt", "Judge with care: {text}", "--retry-failed"])
    assert "put the prompt into a column: --prompt '{how} {text}'" in capsys.readouterr().err
    failed = {line["id"] for line in read("out.jsonl.errors.jsonl")}
    rows = [{**row, "how": "Judge with care" if str(row["id"]) in failed else "Judge"} for row in ROWS]
    Path("how.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert 3 == main([*words, "how.jsonl", "--prompt", "{how}: {text}"])
    assert {"Judge with care: review 0", "Judge with care: review 2"} == set(asked_of(judges)[4:])
    assert 6 == len(asked_of(judges))
    capsys.readouterr()  # what the last command said is not looked at


def test_few_answers_to_other_questions(judges: str, capsys: pytest.CaptureFixture[str]) -> None:
    """J7: after an estimate with another prompt, or where nothing was paid, it needs no --yes."""
    Path("many.jsonl").write_text("".join(f'{{"text": "row {at}"}}\n' for at in range(40)))
    words = ["map", f"{judges}:paid", "many.jsonl", "-o", "out.jsonl", "--rpm", "60000"]
    assert 0 == main([*words, "--text-column", "text", "--estimate", "3"])
    assert 0 == main([*words, "--prompt", "Judge: {text}"])
    assert len(asked_of(judges)) == 43
    words = ["map", "eliza", "rows.jsonl", "-o", "free.jsonl"]
    assert 0 == main([*words, "--text-column", "text"])
    assert 0 == main([*words, "--prompt", "I feel {text}"])
    capsys.readouterr()  # what the last command said is not looked at


def test_cut_answers(judges: str, capsys: pytest.CaptureFixture[str]) -> None:
    """J2: answers that were cut off are errors of their rows, exit 3; --accept takes them, for nothing."""
    words = ["map", f"{judges}:cut", "rows.jsonl", "-o", "out.jsonl", "--text-column", "text"]
    assert 3 == main([*words, "--with", "finish,usage,cost", "--price", "1,5"])
    rows = read("out.jsonl")
    assert [None, "whole", None, "whole"] == [row["output"] for row in rows]
    assert "LLMTruncatedError: The answer was cut off (length)" in str(rows[0]["error"])
    assert ("length", {"input_tokens": 7, "output_tokens": 3}) == (rows[0]["finish"], rows[0]["usage"])
    assert 0.000022 == rows[0]["cost"]
    assert "half" == read("out.jsonl.errors.jsonl")[0]["partial_text"]
    assert 0 == main([*words, "--accept", "length,empty"])
    assert ["half", "whole", "half", "whole"] == [row["output"] for row in read("out.jsonl")]
    assert len(asked_of(judges)) == 4
    assert 3 == main([*words, "--retry-failed"])
    assert len(asked_of(judges)) == 6
    capsys.readouterr()  # what the last command said is not looked at


def test_parameters_of_models(judges: str, capsys: pytest.CaptureFixture[str]) -> None:
    """J3: keywords of a model or an agent can be given at the command line; others are refused."""
    words = ["map", f"{judges}:needs", "rows.jsonl", "-o", "out.jsonl"]
    assert 0 == main([*words, "--param", "language=English"])
    assert ["English"] * 4 == [row["output"] for row in read("out.jsonl")]
    assert 0 == main([*words, "--param", "language=1.10", "--yes"])
    assert ["1.10"] * 4 == [row["output"] for row in read("out.jsonl")], "a text where a text is wanted"
    assert 2 == main([*words, "--param", "language=English", "--temperature", "0.5"])
    assert "--temperature: " in (err := capsys.readouterr().err)
    assert "needs takes no keyword temperature; leave it out" in err
    words = ["map", f"{judges}:set", "rows.jsonl", "-o", "out.jsonl", "--text-column", "text", "--yes"]
    sent = ["--max-tokens", "5", "--temperature", "0", "--param", "top_p=0.9"]
    assert 0 == main([*words, *sent])
    assert "5 0.0 0.9" == read("out.jsonl")[0]["output"]
    capsys.readouterr()  # what the last command said is not looked at


def test_a_row_that_hangs(judges: str) -> None:
    """J3: with --timeout, a row that hangs fails, and the others are written."""
    words = ["map", f"{judges}:hangs", "rows.jsonl", "-o", "out.jsonl", "--text-column", "text"]
    assert 3 == silent([*words, "--timeout", "0.2", "--retries", "0"])
    rows = read("out.jsonl")
    assert ["fine", None, "fine", "fine"] == [row["output"] for row in rows]
    assert "HANGS did not answer within 0.2 s" in str(rows[1]["error"])


def test_numbers_that_python_does_not_have(judges: str) -> None:
    """J6: columns of a JSONL file are copied as they stand in it, whatever numbers they have."""
    lines = [
        '{"text": "a", "n": NaN, "big": 1e400}',
        '{"text":"b","n":1.10,"exact":12345678901234567890.123}',
    ]
    Path("numbers.jsonl").write_text("\n".join(lines))
    words = ["map", "eliza", "numbers.jsonl", "-o", "out.jsonl", "--text-column", "text"]
    assert 0 == silent(words)
    for line, written in zip(lines, Path("out.jsonl").read_text().splitlines(), strict=True):
        assert written.startswith(f'{line[:-1]}, "output": ')


def test_numbers_of_parquet(
    judges: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """J6: a Parquet file without rows keeps its columns; NaN, which JSON does not have, is told."""
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"text": ["a"], "n": pyarrow.array([float("nan")], pyarrow.float32())})
    parquet.write_table(table, "n.parquet")
    parquet.write_table(table.slice(0, 0), "none.parquet")
    assert 0 == main(["map", "eliza", "none.parquet", "-o", "out.parquet", "--text-column", "text"])
    kinds = {field.name: str(field.type) for field in parquet.read_table("out.parquet").schema}
    assert {"text": "string", "n": "float", "output": "string", "error": "string"} == kinds
    assert 0 == main(["map", "eliza", "n.parquet", "-o", "out.jsonl", "--text-column", "text"])
    assert read("out.jsonl")[0]["n"] is None
    assert "Numbers that are NaN or infinite are written as null" in caplog.text
    capsys.readouterr()  # what the last command said is not looked at


def test_a_column_that_comes_late(judges: str, capsys: pytest.CaptureFixture[str]) -> None:
    """J5: a later row that already has a column of the answers is refused before the first call."""
    Path("late.jsonl").write_text('{"text": "a"}\n{"text": "b", "output": "mine"}\n')
    assert 2 == main(["map", f"{judges}:paid", "late.jsonl", "-o", "out.jsonl", "--text-column", "text"])
    assert "late.jsonl, row 2 already has a column 'output'" in capsys.readouterr().err
    assert asked_of(judges) == []


@pytest.mark.gate("starts Postgres")
async def test_a_database_as_the_journal(
    judges: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The address of a database is a journal for map, serve and journal; no line has its password."""

    async def told(*words: str) -> tuple[int, str]:
        code, (out, err) = await asyncio.to_thread(main, words), capsys.readouterr()
        assert "open-sesame" not in err
        return code, out + err

    with postgres_server() as address:
        place = address.replace("postgresql:///", "postgresql://tests:open-sesame@/")
        rows = ["rows.jsonl", "-o", "out.jsonl", "--journal", place, "--prompt"]
        code, said = await told("map", f"{judges}:shout", *rows, "Is {text} good?")
        assert 3 == code
        assert "--journal 'postgresql://tests:[redacted]@/postgres?" in said
        await told("map", f"{judges}:paid", *rows, "Is {text} good?")
        code, said = await told("map", f"{judges}:paid", *rows, "Is {text} bad?")
        assert 2 == code
        assert "The journal has 4 answers of PAID, and none of them fits a row of this job" in said
        code, said = await told("journal", "show", place)
        assert 0 == code
        assert " calls, 1 of them failed, 0.0 MB" in said
        async with page_of(scripted_model("Hello!"), tmp_path, journal=place) as page:
            run = await page.begin(await page.thread(), text="Hi")
            assert "finished" == (await page.told(run))[-1]["how"]
        code, said = await told("journal", "runs", place)
        assert (0, 1) == (code, said.count(f" {run} "))
