"""
A Kaltura-compatible server for development and tests; imports neither the client nor ``api/``.

By hand: ``python -m airflow_provider_kaltura.sandbox --port 8080``, with ``--fixture FILE`` for a recorded state, or
``--entries N`` for a library of any size by rule.

In a test, in the same process::

    library = small.library(ready_after_seconds=5)  # or fixture.load(path), or Library() and control.add_entry(...)
    with server.serve(library) as running:
        running.base_url  # http://127.0.0.1:PORT
        running.control.faults.on("cut", after_bytes=1000, times=1)  # names: fault_rules.RULES
        running.control.replace_flavor_file("0_flavor", size_bytes=1 << 30)
        running.control.file("0_flavor").read(start, stop)  # the bytes that are served
        running.log.requests, running.log.actions

Many entries that change while they are read::

    library = rules.library(entries=200_000, seed=1)
    with server.serve(library, kept_requests=1000) as running:
        running.control.set_clock(1_800_000_000, runs=False, per_request_seconds=0.4)
        running.control.move(1000, every_seconds=60)  # or every_requests=…; what happened: control.movement.log
        running.control.set_index_lag(30)  # None: until control.release_index()
        running.control.limit_rate(100)  # actions in 10 seconds; see control.rates
        running.control.change("replaced", library.entry_id(0))
        truth.rows(library)  # what a copy is compared with

From another process: the control endpoint ``/_sandbox/…`` (see ``control_http``).
The modules: ``api`` and ``services`` answer API v3, ``media`` the media URLs, from a ``library``; ``faults`` and
``wire`` spoil the answers; nothing is stored but in memory.
"""
