"""A trigger that measures the triggerer it runs in: how late its event loop wakes it, and what the process holds."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

from airflow.triggers.base import BaseTrigger, TriggerEvent

NAP_SECONDS = 0.02
_SAMPLES_A_LINE = 50


class ProbeTrigger(BaseTrigger):
    """
    Append a line of JSON to a file, again and again: time, drifts in seconds, resident bytes, tasks of the loop.

    :param path: The file.
    """

    def __init__(self, path):
        super().__init__()
        self.path = path

    def serialize(self):
        """Give the class and its arguments."""
        return ("triggerer_probe.ProbeTrigger", {"path": self.path})

    async def run(self):
        """Measure until it is cancelled."""
        loop = asyncio.get_running_loop()
        with Path(self.path).open("a", buffering=1) as file:  # noqa: ASYNC230 - a line a second
            while True:
                drifts = []
                for _ in range(_SAMPLES_A_LINE):
                    begun = loop.time()
                    await asyncio.sleep(NAP_SECONDS)
                    drifts.append(round(loop.time() - begun - NAP_SECONDS, 6))
                line = {"at": time.time(), "drifts": drifts, "bytes": _resident(), "tasks": len(asyncio.all_tasks())}
                file.write(json.dumps(line) + "\n")
        yield TriggerEvent(None)


def _resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
