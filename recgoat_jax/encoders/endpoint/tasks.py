"""Asynchronous work started from programs that are not."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


async def together(worker: Callable[[], Coroutine[Any, Any, None]], *, count: int) -> None:
    """Runs some of one worker at a time, until all have ended.

    Args:
        worker: starts one.
        count: how many.

    Raises:
        Exception: that of the first to fail; the others are cancelled.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(worker())
    except BaseExceptionGroup as errors:
        # The first to fail has cancelled the others; it tells all there is to tell.
        raise errors.exceptions[0] from None


def in_own_loop(work: Coroutine[Any, Any, Result]) -> Result:
    """Runs to the end, also where the caller's thread has an event loop already, as in a notebook.

    Args:
        work: what to run.

    Returns:
        Its result.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = Future()

    async def announced() -> Result:
        started.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        return await work

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(asyncio.run, announced())
        try:
            return running.result()
        except BaseException:
            # An interrupt reaches this thread, not the one that works.
            loop, task = started.result()
            if task is not None and not running.done():
                loop.call_soon_threadsafe(task.cancel)
            raise


__all__ = ["in_own_loop", "together"]
