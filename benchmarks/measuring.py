"""CPU seconds and memory, of this process and of others."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path


def best_of(times: int, measure: Callable[[], float]) -> float:
    """Return the smallest of several measurements, which others on the machine disturbed least."""
    return min(measure() for _ in range(times))


def cpu_during(action: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Return the CPU seconds of this process while it does something; `clock` may be that of the thread."""
    began = clock()
    action()
    return clock() - began


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of another process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int, *, peak: bool = False) -> int:
    """Return the resident or the peak memory of a process in bytes, or 0 if it has just ended."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0
