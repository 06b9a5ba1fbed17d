"""What is in the recorded library, and small ways to ask for it."""

from __future__ import annotations

import json
from pathlib import Path

PATH = Path(__file__).parents[3] / "conformance" / "fixture.json"
STATE = json.loads(PATH.read_text())
PARTNER = 102
SECRETS = STATE["partners"][str(PARTNER)]
TOKENS = {token["id"]: token for token in STATE["appTokens"]}
READY_ENTRY, MIXED, SECURE, KMC = "0_yag0spw9", "0_1r8kric3", "0_80cuvwfr", "0_tmztxxn3"
ENTRIES = {entry["id"]: entry for entry in STATE["entries"][str(PARTNER)]}
VISIBLE = [entry_id for entry_id, entry in ENTRIES.items() if entry["status"] != 3]


def counted(sandbox, work):
    """Do some work and return its result with the number of requests that it took."""
    sandbox.log.clear()
    return work(), sandbox.log.requests


def a_ready_asset(api, entry_id):
    """Return an entry with one of its ready assets."""
    snapshot = api.snapshot([entry_id])[entry_id]
    return snapshot.entry, next(asset for asset in snapshot.assets if asset.status == 2)
