"""The real server with its waits cut to a tenth, so that a test may lose workers twenty times.

``python -m tests.journeys.fast_server LEASE_S`` stands where ``python -m app.main`` does.
"""

import sys
from functools import partial

from app import main
from app.db import queued
from app.runs import ledger, reaper
from app.settings import read_settings
from workers.catalog.lease import Granted, Limits, Pulse

LIMITS = Limits(start_s=60.0, run_s=60.0, silence_s=2.0)


def quicken(lease_s: float) -> None:
    """Set leases; shorten the waits before a run is claimed again, and the limits of a run."""
    for module, name, value in (
        (ledger, "LEASE_S", lease_s),
        (ledger, "LOST_WAIT_S", 0.5),
        (ledger, "MAX_WORKERS_LOST", 100),
        (ledger, "Granted", partial(Granted, lease_s=lease_s, limits=LIMITS)),
        (ledger, "Pulse", partial(Pulse, lease_s=lease_s)),
        (reaper, "EVERY_S", 0.5),
        (queued, "HINT_AGAIN_S", 1.0),
    ):
        assert hasattr(module, name), f"{module.__name__}.{name} is gone"
        setattr(module, name, value)


if __name__ == "__main__":
    quicken(float(sys.argv[1]))
    main.run(read_settings())
