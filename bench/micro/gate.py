#!/usr/bin/env python3
"""Holds each kernel's instructions per event against bench/instructions.tsv; more than 1 % above is a failure.

  gate.py BINARY            compares, and prints every kernel
  gate.py BINARY --write    writes what was counted as the new figures; say in the commit why they changed

Instructions, not time: the same binary counts the same within millionths, on a busy machine as on an idle one. They depend on compiler,
libraries and the vector instructions that valgrind shows to libraries, so the file holds for Debian 12 on a machine with AVX2.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

FIGURES = pathlib.Path(__file__).resolve().parent.parent / "instructions.tsv"
MOST = 1.01


def count(binary):
    """{kernel: instructions per event}"""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/out", binary], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"instructions: {binary} failed under valgrind:\n{done.stderr[-2000:]}")
        events = dict(line.split("\t") for line in done.stdout.splitlines())
        counted = {}
        for file in pathlib.Path(folder).iterdir():
            text = file.read_text(errors="replace")
            name = re.search(r"^desc: Trigger: Client Request: (\w+)$", text, re.M)
            total = re.search(r"^(?:summary|totals): (\d+)", text, re.M)
            if name and total:
                counted[name.group(1)] = int(total.group(1)) / int(events[name.group(1)])
    if counted.keys() != events.keys() or not counted:
        sys.exit(f"instructions: counted were {sorted(counted)}, run were {sorted(events)}")
    return counted


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--write"]):
        sys.exit(__doc__)
    counted = count(sys.argv[1])
    if sys.argv[2:]:
        FIGURES.write_text("kernel\tinstructions_per_event\n" + "".join(f"{name}\t{value:.2f}\n" for name, value in sorted(counted.items())))
        return
    held = dict(line.split("\t") for line in FIGURES.read_text().splitlines()[1:])
    if held.keys() != counted.keys():
        sys.exit(f"instructions: {FIGURES.name} holds {sorted(held)}, there are {sorted(counted)}: write it anew with --write")
    worse = 0
    for name, value in sorted(counted.items()):
        ratio = value / float(held[name])
        worse += ratio > MOST
        note = "MORE THAN 1 % ABOVE" if ratio > MOST else "well below: lower the figure with --write" if ratio < 2 - MOST else ""
        print(f"{name:<20} {value:10.2f} instructions per event, held are {held[name]} ({(ratio - 1) * 100:+.2f} %) {note}")
    if worse:
        sys.exit(f"instructions: {worse} kernels need more than the figures in {FIGURES.name} allow. Find out why; if it is worth it, write the "
                 "new figures with --write and say why in the commit")


main()
