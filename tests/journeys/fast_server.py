"""The real server with its waits cut to a tenth, so that a test may lose workers twenty times.

``python -m tests.journeys.fast_server`` stands where ``python -m app.main`` does.
"""

from functools import partial

from app import ledger, main, reaper
from app.db import queries
from app.settings import read_settings
from workers.catalog.lease import Granted, Limits, Pulse

LEASE_S = 3.0
LIMITS = Limits(start_s=60.0, run_s=60.0, silence_s=2.0)


def quicken() -> None:
    """Shorten leases, the waits before a run is claimed again, and the limits of a run."""
    for module, name, value in (
        (ledger, "LEASE_S", LEASE_S),
        (ledger, "LOST_WAIT_S", 0.5),
        (ledger, "MAX_WORKERS_LOST", 100),
        (ledger, "Granted", partial(Granted, lease_s=LEASE_S, limits=LIMITS)),
        (ledger, "Pulse", partial(Pulse, lease_s=LEASE_S)),
        (reaper, "EVERY_S", 0.5),
        (queries, "HINT_AGAIN_S", 1.0),
    ):
        assert hasattr(module, name), f"{module.__name__}.{name} is gone"
        setattr(module, name, value)


if __name__ == "__main__":
    quicken()
    main.run(read_settings())
