"""Shows that the faults journey finds what it is for: runs it with each defect of faults/defects.py built in, and fails when one is not
found. Usage: seeded_faults.py [NAME...]"""
import os
import pathlib
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "deploy" / "dev")]
from faults.defects import DEFECTS  # noqa: E402

TRIES = 2  # chance decides whether a kill falls into a defect's window


def found(name):
    for attempt in range(TRIES):
        began = time.monotonic()
        done = subprocess.run([sys.executable, str(HERE / "faults_journey.py"), "--defect", name, "--destroy"], capture_output=True, text=True,
                              env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
        lines = [line.removeprefix("faults: ") for line in done.stdout.splitlines() if line.startswith("faults: ")]
        differences = [line.removeprefix("difference: ") for line in lines if line.startswith("difference: ")]
        if done.returncode == 3 and differences:
            print(f"{name}: found in {time.monotonic() - began:.0f} s ({DEFECTS[name].what})", *differences, sep="\n    ", flush=True)
            return True
        print(f"{name}: not found in {time.monotonic() - began:.0f} s, try {attempt + 1} of {TRIES}, status {done.returncode}", *lines[-5:], done.stderr[-2000:], sep="\n    ", flush=True)
    return False


def main():
    names = sys.argv[1:] or list(DEFECTS)
    missed = [name for name in names if not found(name)]
    if missed:
        print(f"the journey did not find: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
