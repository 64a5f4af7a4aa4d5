import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from miniagents.ext.eliza import ElizaScriptError, load_script, read_script

LINES = """
greeting = ["hello"]
farewell = ["bye"]
farewell_phrases = ["bye"]
silence = ["mute"]
repeated = ["again"]
fallback = ["hm"]
"""


def rules(*lines: str) -> str:
    return LINES + "\n".join(lines)


def rule(body: str) -> str:
    return rules("[[keyword]]", 'name = "a"', "[[keyword.rule]]", body)


def test_the_script_of_the_package_is_sound_and_rich() -> None:
    """The script that comes along loads, and has more than 40 keywords."""
    script = load_script()
    assert 60 < len(script.keyword)
    assert 400 < sum(len(rule.say) for keyword in script.keyword for rule in keyword.rule)


def test_each_answer_of_the_script_can_be_given() -> None:
    """Every keyword is heard or gone to, and no answer is there twice in one rule."""
    script = load_script()
    gone_to = {rule.goto for keyword in script.keyword for rule in keyword.rule}
    for keyword in script.keyword:
        assert keyword.heard != (keyword.name,) or keyword.name.isalpha() or keyword.name in gone_to
        for rule_ in keyword.rule:
            assert len(set(rule_.say)) == len(rule_.say)


def test_the_script_is_a_data_file_of_the_package() -> None:
    """The rules are data: a TOML file beside the code."""
    tomllib.loads((resources.files("miniagents.ext.eliza") / "script.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("x = [", "the script is not valid TOML"),
        ("", "greeting: Field required"),
        (LINES, "keyword: Field required"),
        (rule('when = "*"'), "keyword 'a', rule 1: give it either 'say' or 'goto'"),
        (rule('when = "*"\nsay = ["x"]\ngoto = "b"'), "keyword 'a', rule 1: give it either 'say' or 'goto'"),
        (rule('when = "*"\nsay = ["{2}"]'), "'{2}' asks for a piece; '*' has only 1"),
        (rule('when = "*"\nsay = ["{0}"]'), "'{0}' asks for a piece"),
        (rule('when = "*"\nsay = ["x"]\nremember = ["{2}"]'), "'{2}' asks for a piece"),
        (rule('when = "*"\nsay = ["{name}"]'), "'{name}' has a brace that is no piece"),
        (rule('when = "* *"\nsay = ["x"]'), "keyword 'a', rule 1: the pattern '* *' has two wildcards"),
        (rule('when = "* @x"\nsay = ["x"]'), "names the word class '@x', which is not in the script"),
        (rule('when = "*"\ngoto = "b"'), "keyword 'a': goto 'b', which the script does not have"),
        (rule('when = "*"\ngoto = "a"'), "keyword 'a': its gotos lead back to itself"),
        (rule('when = "*"\nsay = ["x"]\nsing = 1'), "keyword.0.rule.0.sing: Extra inputs are not permitted"),
        (rule('when = "*"\nsay = ["a\\u001bb"]'), "keyword.0.rule.0.say.0: String should match pattern"),
        (
            rule('when = "*"\nsay = ["x"]\n[[keyword.rule]]\nwhen = "a"\nsay = ["y"]'),
            "keyword 'a', rule 2: is never reached",
        ),
        (
            rule('when = "*"\nsay = ["x"]\n[[keyword]]\nname = "a"\nrule = [{when = "*", say = ["x"]}]'),
            "the keyword 'a' is there twice",
        ),
        (
            rule('when = "*"\nsay = ["x"]\n[[keyword]]\nname = "b"\nwords = ["A"]\nrule = [{when = "x"}]'),
            "the word 'a' belongs to 'a' and to 'b'",
        ),
    ],
)
def test_a_script_that_does_not_hang_together_is_refused(toml: str, said: str) -> None:
    """The error says where in the script, what is wrong, and what to do."""
    with pytest.raises(ElizaScriptError, match=re.escape(said)):
        read_script(toml)


def test_a_ring_of_gotos_over_several_keywords_is_found() -> None:
    """A goes to b, b goes to c, c goes back to a: refused."""
    ring = [
        f'[[keyword]]\nname = "{name}"\nrule = [{{when = "*", goto = "{target}"}}]'
        for name, target in [("a", "b"), ("b", "c"), ("c", "a")]
    ]
    with pytest.raises(ElizaScriptError, match="keyword 'b': its gotos lead back to itself"):
        read_script(rules(*ring))


def test_an_own_script_is_loaded_from_a_file(tmp_path: Path) -> None:
    """A path leads to the user's own script; an error names the file."""
    path = tmp_path / "own.toml"
    path.write_text(rule('when = "*"\nsay = ["x"]'), encoding="utf-8")
    assert ("a",) == load_script(path).keyword[0].heard
    path.write_bytes(b"\xff")
    with pytest.raises(ElizaScriptError, match=r"own\.toml is not UTF-8 text"):
        load_script(path)
    path.write_text("x", encoding="utf-8")
    with pytest.raises(ElizaScriptError, match=r"own\.toml is not valid TOML"):
        load_script(path)
