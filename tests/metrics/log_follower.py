"""A reader of a growing log, to be killed. Run as ``python -m tests.metrics.log_follower LAKE LOG [CALL]``.

``CALL`` is where it kills itself, as in :mod:`tests.metrics.lake_writer`; it counts commits from the first append.
"""

import sys

from metrics.ingest.cmcd import ingest_cmcd
from metrics.ingest.source import open_source
from metrics.lake import Lake
from tests.metrics.lake_writer import die_at

if __name__ == "__main__":
    if len(sys.argv) > 3:
        die_at(sys.argv[3])
    lake = Lake.create(sys.argv[1])
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    ingest_cmcd(lake, open_source(sys.argv[2]))
