"""`python -m tests.faults.skewed FILE MODULE` runs a program on a machine whose clock is off by the seconds (a double) in FILE."""

import mmap
import runpy
import struct
import sys
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import kernel.clock

FILE, MODULE = sys.argv[1:]
with Path(FILE).open("rb") as file:
    SECONDS = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)


class Skewed(datetime):
    """The machine's clock, as whoever can set it set it."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Skewed":
        return super().now(tz) + timedelta(seconds=struct.unpack("d", SECONDS[:8])[0])


vars(kernel.clock)["datetime"] = Skewed  # a machine's clock can't be set for one program alone
sys.argv = [MODULE]
runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
