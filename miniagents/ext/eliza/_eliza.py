"""Eliza: a pure function from `(state, text)` to `(state, answer)`, and the agent that calls it.

The function uses no clock, no random numbers and no I/O. `eliza_agent` keeps no state: it finds all that it
needs in the conversation.

Example:
    >>> from miniagents import MiniAgents
    >>> async def main():
    ...     print(await eliza_agent.inquire("My brother is angry with me."))
    >>> MiniAgents().run(main())
    How do you know that your brother is angry with you?
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, reduce

from miniagents.agents import InteractionContext, miniagent
from miniagents.messages import AssistantMessage

from ._script import SLOT, Clause, ElizaScript, Pattern, Pieces, Rule, load_script, read_clauses, reflect

MAX_REMEMBERED = 16
"""How many remarks are kept; beyond that, the oldest are dropped."""

MAX_EASILY_REPEATED = 2
"""Words: a message of at most so many words, such as `yes`, is not a repetition if it comes twice."""


@dataclass(frozen=True, slots=True)
class ElizaState:
    """The state of a conversation.

    Attributes:
        used: how often each set of answers was used; sets that were not used are not in it.
        remembered: remarks for later, the oldest first.
        last_heard: the words of the last message, to notice a repetition.

    Example:
        >>> eliza = Eliza(load_script())
        >>> eliza.replay(["Hello.", "My dog is ill."]).last_heard
        ('my', 'dog', 'is', 'ill')
    """

    used: Mapping[str, int]
    remembered: tuple[str, ...]
    last_heard: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _ReadyRule:
    """A rule with its parsed pattern; `key` is its position in the script, under which uses are counted."""

    key: str
    pattern: Pattern
    rule: Rule


@dataclass(frozen=True, slots=True)
class _ReadyKeyword:
    name: str
    rank: int
    rules: tuple[_ReadyRule, ...]


class Eliza:
    """Answers as Weizenbaum's program of 1966 did, without any understanding.

    The keyword with the highest rank in the message is tried first. Its patterns divide a clause into pieces,
    and its answers, which are used in turn, contain these pieces. Remarks that a rule has remembered are used
    when no pattern fits. The same conversation always gets the same answers, so `replay` can compute the
    state from the messages.

    Args:
        script: the keywords and the answers; see `load_script`.

    Example:
        >>> eliza = Eliza(load_script())
        >>> state, answer = eliza.respond(eliza.start, "My brother is angry with me.")
        >>> "your brother is angry with you" in answer
        True
    """

    def __init__(self, script: ElizaScript) -> None:
        self._script = script
        self._before = {word: tuple(line.split()) for word, line in script.before.items()}
        self._reflections = {
            tuple(phrase.casefold().split()): line for phrase, line in script.reflect.items()
        }
        self._farewells = frozenset(tuple(self._keys(phrase)) for phrase in script.farewell_phrases)
        self._by_word: dict[str, _ReadyKeyword] = {}
        self._by_name: dict[str, _ReadyKeyword] = {}
        for keyword in script.keyword:
            rules = tuple(
                _ReadyRule(f"{keyword.name}/{number}", script.pattern_of(rule), rule)
                for number, rule in enumerate(keyword.rule, start=1)
            )
            ready = _ReadyKeyword(keyword.name, keyword.rank, rules)
            self._by_name[keyword.name] = ready
            self._by_word.update(dict.fromkeys(keyword.heard, ready))
        self.start: ElizaState = ElizaState(used={}, remembered=(), last_heard=())

    @property
    def greeting(self) -> str:
        """The first words of a conversation."""
        return self._script.greeting[0]

    def respond(self, state: ElizaState, text: str) -> tuple[ElizaState, str]:
        """Answer a message: any text, without an error, in linear and bounded time.

        Args:
            state: of the conversation; `start` at first.
            text: the message of the user.

        Returns:
            The new state of the conversation, and one line of printable text.
        """
        clauses = read_clauses(text, self._before)
        heard = tuple(word.key for clause in clauses for word in clause)
        repeated = heard == state.last_heard and len(heard) > MAX_EASILY_REPEATED
        state = replace(state, last_heard=heard)
        if not heard:
            return self._take(state, "silence", self._script.silence)
        if heard in self._farewells:
            return self._take(state, "farewell", self._script.farewell)
        if repeated:
            return self._take(state, "repeated", self._script.repeated)
        for keyword, clause in self._candidates(clauses):
            found = self._find(keyword, clause)
            if found is not None:
                return self._answer(state, *found)
        if state.remembered:
            remark, *rest = state.remembered
            return replace(state, remembered=tuple(rest)), remark
        return self._take(state, "fallback", self._script.fallback)

    def replay(self, texts: Iterable[str]) -> ElizaState:
        """Return the state of a conversation after these messages.

        Args:
            texts: the messages of the user, in order.
        """
        return reduce(lambda state, text: self.respond(state, text)[0], texts, self.start)

    def _keys(self, text: str) -> Iterator[str]:
        return (word.key for clause in read_clauses(text, self._before) for word in clause)

    def _candidates(self, clauses: Sequence[Clause]) -> Sequence[tuple[_ReadyKeyword, Clause]]:
        found = {
            (place, keyword.name): (keyword, clause)
            for place, clause in enumerate(clauses)
            for keyword in (self._by_word.get(word.key) for word in clause)
            if keyword is not None
        }
        return sorted(found.values(), key=lambda candidate: -candidate[0].rank)  # stable: else as said

    def _find(self, keyword: _ReadyKeyword, clause: Clause) -> tuple[_ReadyRule, Pieces] | None:
        for ready in keyword.rules:
            pieces = ready.pattern.match(clause)
            if pieces is None:
                continue
            if ready.rule.goto is None:
                return ready, pieces
            found = self._find(self._by_name[ready.rule.goto], clause)  # it ends: a script has no goto cycles
            if found is not None:
                return found
        return None

    def _answer(self, state: ElizaState, ready: _ReadyRule, pieces: Pieces) -> tuple[ElizaState, str]:
        if ready.rule.remember:
            state, remark = self._take(state, f"{ready.key}/remember", ready.rule.remember, pieces)
            if remark not in state.remembered:
                state = replace(state, remembered=(*state.remembered, remark)[-MAX_REMEMBERED:])
        return self._take(state, ready.key, ready.rule.say, pieces)

    def _take(
        self, state: ElizaState, key: str, lines: Sequence[str], pieces: Pieces = ()
    ) -> tuple[ElizaState, str]:
        turn = state.used.get(key, 0)
        said = SLOT.sub(
            lambda slot: reflect(pieces[int(slot[1]) - 1], self._reflections, self._script.reflect_last),
            lines[turn % len(lines)],
        )
        return replace(state, used={**state.used, key: turn + 1}), said[:1].upper() + said[1:]


_WORD = re.compile(r"\S+\s*")


@miniagent
async def eliza_agent(ctx: InteractionContext, delay: float = 0.0) -> None:
    """Answers the last user message, word by word. No language model, no network, no chance.

    It computes its state from the whole conversation each time. A conversation without a message of the user
    gets the greeting.

    Args:
        ctx: the conversation.
        delay: seconds that it waits before each word after the first.
    """
    said = [str(message) for message in await ctx.messages if message.role == "user"]
    answer = await asyncio.to_thread(_answer, said)  # a long conversation takes a while

    async def words(_metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
        for place, word in enumerate(_WORD.findall(answer)):
            if place and delay > 0:
                await asyncio.sleep(delay)
            yield word

    ctx.reply(AssistantMessage.promise(words, model="eliza", agent_alias=ctx.this_agent.alias))


@cache
def _eliza() -> Eliza:
    """Return Eliza with the script of the package; it has no state, so all calls share one."""
    return Eliza(load_script())


def _answer(said: list[str]) -> str:
    eliza = _eliza()
    if not said:
        return eliza.greeting
    return eliza.respond(eliza.replay(said[:-1]), said[-1])[1]
