"""What a task has to wait for when its work is done, before its stream ends.

Rule of this room: **none of it is left behind**, however the task ends.
"""

import asyncio
from asyncio import Future


async def settle(owed: "list[Future[object]]") -> None:
    """Wait for all of it, in order; what is added meanwhile too.

    Args:
        owed: what is waited for; empty afterwards.

    Raises:
        BaseException: of the first that fails, when its turn has come; it and the rest stay in ``owed``.

    Example:
        >>> async def main():
        ...     owed = [asyncio.ensure_future(asyncio.sleep(0, "one"))]
        ...     await settle(owed)
        ...     print(owed)
        >>> asyncio.run(main())
        []
    """
    while owed:
        await owed[0]
        del owed[0]


async def release(owed: "list[Future[object]]") -> None:
    """Stop all of it, and wait until it has stopped.

    Args:
        owed: what is cancelled; empty afterwards.

    Example:
        >>> async def main():
        ...     slow = asyncio.ensure_future(asyncio.sleep(9))
        ...     await release([slow])
        ...     print(slow.cancelled())
        >>> asyncio.run(main())
        True
    """
    for each in owed:
        each.cancel()
    await asyncio.gather(*owed, return_exceptions=True)
    owed.clear()
