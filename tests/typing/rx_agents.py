"""Corpus: our own operators and agents, and those of reactivex, in the same pipes."""

from typing import assert_type

import reactivex as rx
from reactivex import GroupedObservable, Observable, operators as ops

from miniagents import InteractionContext, Message, MessagePromise, UserMessage, miniagent
from miniagents.operators import (
    as_messages,
    join,
    map_messages,
    map_tokens,
    resolve,
    split,
    to_async_iter,
    tokens,
)


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    ctx.reply(ctx.messages)


@miniagent
async def marking_agent(ctx: InteractionContext, mark: str = "!") -> None:
    ctx.reply(f"{await ctx.messages}{mark}")


def shout(message: Message) -> Message:
    return Message(str(message).upper())


def is_marked(message: Message) -> bool:
    return str(message).endswith("!")


def our_operators(words: Observable[str], promises: Observable[MessagePromise[Message]]) -> None:
    assert_type(words.pipe(as_messages()), Observable[MessagePromise[Message]])
    assert_type(words.pipe(as_messages(), resolve()), Observable[Message])
    assert_type(words.pipe(as_messages(), tokens()), Observable[str])
    assert_type(promises.pipe(resolve()), Observable[Message])
    assert_type(promises.pipe(map_tokens(str.upper)), Observable[MessagePromise[Message]])
    assert_type(promises.pipe(map_messages(shout), resolve()), Observable[Message])
    assert_type(promises.pipe(join(), tokens()), Observable[str])
    assert_type(promises.pipe(split(), resolve()), Observable[Message])
    assert_type(promises.pipe(tokens(), ops.map(len)), Observable[int])
    assert_type(promises.pipe(tokens(), ops.map(lambda token: token.upper())), Observable[str])
    assert_type(promises.pipe(tokens(), ops.filter(lambda piece: piece != " ")), Observable[str])
    assert_type(promises.pipe(tokens(), ops.buffer_with_count(5)), Observable[list[str]])
    assert_type(promises.pipe(ops.take(1), resolve()), Observable[Message])
    assert_type(promises.pipe(resolve(), ops.filter(is_marked), ops.map(str)), Observable[str])
    assert_type(promises.pipe(resolve(), ops.first_or_default()), Observable[Message | None])
    assert_type(promises.pipe(tokens()).map(lambda token: len(token.strip())), Observable[int])
    assert_type(promises.pipe(resolve()).map(lambda m: m.text), Observable[str | None])
    assert_type(
        promises.pipe(resolve()).group_by(lambda m: m.role), Observable[GroupedObservable[str, Message]]
    )


def agents(words: Observable[str], users: Observable[UserMessage]) -> None:
    assert_type(words.pipe(echo_agent), Observable[MessagePromise[Message]])
    assert_type(users.pipe(echo_agent), Observable[MessagePromise[Message]])
    assert_type(words.pipe(echo_agent, resolve()), Observable[Message])
    assert_type(words.pipe(echo_agent, tokens()), Observable[str])
    assert_type(words.pipe(marking_agent), Observable[MessagePromise[Message]])
    assert_type(words.pipe(marking_agent.fork(mark="?"), echo_agent), Observable[MessagePromise[Message]])
    assert_type(words.pipe(marking_agent.bind(mark="?"), tokens()), Observable[str])
    assert_type(words.pipe(ops.map(str.strip), echo_agent, resolve(), ops.map(str)), Observable[str])
    assert_type(words.pipe(ops.filter(lambda w: w != ""), echo_agent, resolve()), Observable[Message])
    assert_type(words.pipe(ops.take(3), echo_agent, tokens(), ops.to_list()), Observable[list[str]])
    assert_type(words.pipe(echo_agent | marking_agent), Observable[MessagePromise[Message]])
    assert_type((echo_agent | resolve())(words), Observable[Message])
    assert_type(rx.of("a", "b").pipe(echo_agent).take(1).pipe(resolve()), Observable[Message])
    assert_type(words.pipe(echo_agent, resolve()).zip(words), Observable[tuple[Message, str]])
    assert_type(words.pipe(echo_agent, resolve(), ops.zip(words)), Observable[tuple[Message, str]])
    assert_type(
        words.pipe(
            ops.skip(1),
            ops.take(9),
            ops.distinct(),
            ops.map(str.strip),
            as_messages(),
            echo_agent,
            marking_agent,
            map_tokens(str.upper),
            resolve(),
            ops.map(str),
            ops.to_list(),
        ),
        Observable[list[str]],
    )


async def out(words: Observable[str]) -> None:
    assert_type([each async for each in to_async_iter(words.pipe(echo_agent, resolve()))], list[Message])
    assert_type(await words.pipe(echo_agent, tokens(), ops.to_list()), list[str])
