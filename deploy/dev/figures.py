"""Measured figures: printed as they come, written as JSON to build/reports/NAME.json, each with its unit, its conditions and the commit.
The benchmarks and the journeys use it. Not a part of the product."""
import datetime
import json
import os
import pathlib
import platform
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
REPORTS = ROOT / "build" / "reports"


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def commit():
    def git(*words):
        return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True).stdout.strip()
    return git("rev-parse", "--short=12", "HEAD") + ("-changed" if git("status", "--porcelain", "--untracked-files=no") else "")


class Figures:
    """What one run found. `say` prints a line."""

    def __init__(self, name, say):
        self.name, self.say, self.rows = name, say, []
        self.around = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "commit": commit(), "cpu": cpu_model(),
                       "cores": os.cpu_count(), "load_average_before": os.getloadavg()[0]}

    def add(self, name, value, unit, conditions, bounds=""):
        self.rows.append({"name": name, "value": value, "unit": unit, "conditions": conditions, "commit": self.around["commit"]})
        text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        self.say(f"  {name}: {text} {unit}  ({conditions}{'; ' + bounds if bounds else ''})")

    def write(self):
        """In place of the last run's, never half."""
        REPORTS.mkdir(parents=True, exist_ok=True)
        whole = REPORTS / f"{self.name}.json"
        part = whole.with_suffix(".json.part")
        part.write_text(json.dumps({**self.around, "figures": self.rows}, indent=1, ensure_ascii=False) + "\n")
        part.replace(whole)
