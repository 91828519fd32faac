"""A part of the pilot's replay (tests/pilot) under both mail policies: what was written is what is stored, and what each policy would have
mailed, as computed while the other one was in force, is what it mails when it is in force itself; the second time with a kill."""
import os
import pathlib
import shutil
import sys
import unittest
from datetime import datetime

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "pilot"))
import detections  # noqa: E402
import published  # noqa: E402
import tables  # noqa: E402
from published import JST, ROOT  # noqa: E402
from replay import Replay, by_hour  # noqa: E402

FROM = datetime(2020, 10, 29, tzinfo=JST)  # the peak of viruses


def hours_with_something_new(seen):
    """Of each function and direction, the first hour that has it."""
    known, hours = set(), []
    for hour, of_hour in by_hour(seen):
        cells = {(d.function, d.direction) for d in of_hour}
        if not cells <= known:
            hours.append((hour, of_hour))
            known |= cells
    return hours


class PilotJourney(unittest.TestCase):
    maxDiff = None

    def replay(self, companies, seen, policy, kills):
        name = f"pilot_{policy}_{os.getpid()}"
        folder = ROOT / "build" / "journeys" / f"pilot_{policy}"
        shutil.rmtree(folder, ignore_errors=True)
        replay = Replay(folder, pathlib.Path(os.environ["MIMAMORI_STACK_DIR"]), dict(os.environ), companies, policy, os.environ["MIMAMORI_BIN"],
                        os.environ["MIMAMORI_AGENT_BIN"], kills=kills, name=name)
        self.addCleanup(replay.stop)
        replay.make(FROM)
        replay.play(seen)
        self.assertEqual(replay.promises_broken(), [])
        self.assertEqual(sum(replay.killed.values()), kills)
        self.assertEqual(set(replay.stop().values()), {0})
        return replay

    def stored(self, replay):
        return sorted(tuple(row) for row in replay.sql(
            "select utm_id, case function when 1 then 'IPS' when 2 then 'AV' else 'WG' end, "
            "case direction when 1 then 'inbound_attack' when 2 then 'outbound_malicious' else 'internal_weakness' end, name, "
            "to_char(observed_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'), date_trunc('hour', received_at) = date_trunc('hour', observed_at) "
            "from detections join appliances on appliances.id = appliance_id"))

    def test_both_mail_policies(self):
        companies, seen = detections.make(seed=1)
        companies = [c for c in companies if c.roles]
        hours = hours_with_something_new([d for d in seen if d.company.roles and d.at >= FROM])
        seen = [d for _, of_hour in hours for d in of_hour]
        self.assertEqual({(d.function, d.direction) for d in seen}, published.counts_by_cell().keys())
        written = sorted((d.company.utm_id, d.function, d.direction, d.name, f"{d.at.astimezone(published.UTC):%Y-%m-%d %H:%M:%S}", "t") for d in seen)
        made = {}
        for policy, kills in (("table_4_21", 0), ("table_3_7", 1)):
            replay = self.replay(companies, seen, policy, kills)
            self.assertEqual(self.stored(replay), written)
            made[policy] = {row.pop("policy"): row for row in tables.report(replay, "mails")}
        self.assertNotEqual(made["table_4_21"]["sent"], made["table_3_7"]["sent"])
        for policy in published.POLICIES:
            self.assertEqual(made["table_4_21"][policy], made[policy]["sent"], policy)
            self.assertEqual(made["table_3_7"][policy], made[policy]["sent"], policy)


if __name__ == "__main__":
    unittest.main()
