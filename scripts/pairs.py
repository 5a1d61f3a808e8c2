#!/usr/bin/env python3
"""Two builds on the same job, in turn: what the second takes of the CPU time of the first.

    scripts/pairs.py CONFIG FIRST SECOND [ROUNDS, 9 by default]

FIRST and SECOND are trawl programs. Each run begins with nothing, in a directory of its own, on one core. Prints the least
and the median CPU time of each, and the median of the ratios of neighbours: a machine that others share changes its speed
from one minute to the next, and two runs in a row feel it alike. Fails on no ratio.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

CONFIG, FIRST, SECOND = (str(pathlib.Path(name).resolve()) for name in sys.argv[1:4])
ROUNDS = int(sys.argv[4]) if len(sys.argv) > 4 else 9


def run(program):
    """Seconds of CPU that a whole run takes, and its largest resident set in MB."""
    with tempfile.TemporaryDirectory() as directory:
        places = [f"job.state_dir={directory}/store", f"job.output_dir={directory}/out"]
        command = [program, "run", "-q", CONFIG, *(word for place in places for word in ("--set", place))]
        child = subprocess.Popen(
            command,
            cwd=pathlib.Path(CONFIG).parent,
            stdout=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
        )
        _, status, used = os.wait4(child.pid, 0)
        if status != 0:
            sys.exit(f"{program} ended with wait status {status}")
        return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


runs = {FIRST: [], SECOND: []}
for number in range(ROUNDS):
    for program in (FIRST, SECOND) if number % 2 == 0 else (SECOND, FIRST):
        runs[program].append(run(program))
for program, used in runs.items():
    cpu = [seconds for seconds, _ in used]
    peak = max(megabytes for _, megabytes in used)
    print(f"{program}: least {min(cpu):.2f} s, median {statistics.median(cpu):.2f} s, peak {peak:.0f} MB")
ratios = [second / first for (first, _), (second, _) in zip(runs[FIRST], runs[SECOND])]
print(f"second against first, median of {ROUNDS} pairs: {statistics.median(ratios):.3f}")
