"""Any history of runs, replacements, kills, damage and wrong clocks: what is called done is the present file."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_kaltura.ingest.manifest import Manifest, ManifestWriter
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.run import run
from airflow_provider_kaltura.transfer.errors import RedirectRefusedError, SinkError
from tests.unit.ingest.fakes import NOON, BytesSource, job, memory_lake, metadata, names, raising

KEY = "a.mp4"
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from([3, 4])),
        st.tuples(st.just("run"), st.sampled_from(["skip", "overwrite"])),
        st.tuples(st.just("fail"), st.integers(-1, 2)),
        st.tuples(st.just("interrupt"), st.none()),
        st.tuples(st.just("kill before the manifest is written"), st.none()),
        st.tuples(st.just("truncate"), st.none()),
        st.tuples(st.just("damage a manifest file"), st.integers(0, 100)),
        st.tuples(st.just("set the clock"), st.integers(-10_000, 10_000)),
    ),
    max_size=25,
)


class History:
    """One flavor whose versions only go forward, and the lake that follows it."""

    def __init__(self, *, with_metadata):
        self.lake = memory_lake(with_metadata=with_metadata)
        self.now = NOON
        self.version = 0
        self.data = b""
        # A file that was adopted has been judged by its length alone; it may be of another version.
        self.is_adopted = False
        self.publish(3)

    def publish(self, size_bytes):
        """Replace the flavor's content."""
        self.version += 1
        self.data = self.version.to_bytes(size_bytes, "big")

    def standing(self):
        """Give what stands under the final name, None for nothing."""
        return None if self.lake.store.stat(KEY) is None else self.lake.store.read(KEY)

    def carry_out(self, if_exists="skip", **breaks):
        """Run once, as a task of its own; give the outcome's name, or the error that ended it."""
        source = BytesSource(
            self.data, version=str(self.version), error=breaks.get("error"), error_at=breaks.get("at", -1)
        )
        writer = ManifestWriter(self.lake, RunOptions(), utcnow=lambda: self.now)
        plan = [job("a", len(self.data), version=str(self.version), attributes=metadata("a", str(self.version)))]
        outcomes = run(plan, self.lake, RunOptions(if_exists=if_exists), open_source=lambda _: source, writer=writer)
        try:
            (outcome,) = outcomes
        except (SinkError, KeyboardInterrupt) as error:
            return type(error).__name__
        return outcome.outcome

    def step(self, event, value):
        """Let one thing happen, and check what must hold after it."""
        before = self.standing()
        if event == "publish":
            self.publish(value)
        elif event == "run":
            self.carry_out_well(value)
        elif event == "fail":
            self.check_undone(before, self.carry_out("overwrite", error=RedirectRefusedError("no"), at=value))
        elif event == "interrupt":
            self.check_undone(before, self.carry_out("overwrite", error=KeyboardInterrupt(), at=1))
        elif event == "truncate" and before:
            self.lake.store.write(KEY, before[:-1])
        elif event == "set the clock":
            self.now = NOON + timedelta(seconds=value)
        else:
            self.damage(event, value)
        assert names(self.lake) in ([], [KEY])
        assert self.lake.sink.store._partials == {}

    def damage(self, event, value):
        """Lose rows, before or after they are written."""
        if event.startswith("kill"):
            write, self.lake.store.write = self.lake.store.write, raising(SinkError("killed"))
            outcome = self.carry_out()
            self.lake.store.write = write
            assert outcome in {"skipped", "SinkError"}
            assert len(self.standing()) == len(self.data)
            assert outcome == "SinkError" or self.is_adopted or self.standing() == self.data
            self.is_adopted = self.standing() != self.data
        elif event.startswith("damage"):
            stats = list(self.lake.store.list("_kaltura/"))
            if stats:
                key = stats[value % len(stats)].key
                self.lake.store.write(key, self.lake.store.read(key)[:-value])

    def carry_out_well(self, if_exists="skip"):
        """A run that ends well leaves the present file, unless it said that it only adopted one."""
        is_damaged = Manifest(self.lake.store).is_damaged
        outcome = self.carry_out(if_exists)
        assert not (is_damaged and outcome == "adopted")
        assert outcome in {"downloaded", "replaced", "skipped", "adopted"}
        if outcome in {"downloaded", "replaced"}:
            self.is_adopted = False
        self.is_adopted = self.is_adopted or outcome == "adopted"
        assert len(self.standing()) == len(self.data)
        assert self.is_adopted or self.standing() == self.data

    def check_undone(self, before, outcome):
        """A run that does not end well changes nothing under the final name."""
        assert outcome in {"failed", "KeyboardInterrupt"}
        assert self.standing() == before


@settings(max_examples=300)
@given(events=EVENTS, with_metadata=st.booleans())
def test_what_is_called_done_is_the_present_file(events, with_metadata):
    """No order of events makes a run keep a stale, short or foreign file without saying so."""
    history = History(with_metadata=with_metadata)
    for event, value in events:
        history.step(event, value)
    history.carry_out_well()
    again = history.carry_out()
    assert again == "skipped"
