"""An event loop whose time passes only when everybody sleeps: no test waits."""

from __future__ import annotations

import asyncio
import selectors


class _NoWaiting(selectors.SelectSelector):
    loop = None

    def select(self, timeout=None):
        """Look at what is there; let the loop's time pass instead of waiting."""
        ready = super().select(0)
        if not ready and timeout:
            self.loop.passed += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Begins at 54,000 s, on the grid of every interval used in the tests."""

    def __init__(self):
        self.passed = 54_000.0
        selector = _NoWaiting()
        selector.loop = self
        super().__init__(selector)

    def time(self):
        """Give the time that has passed."""
        return self.passed


def run_virtually(coroutine):
    """Run to the end on a loop of its own, without waiting."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)
