"""The same, while each process on the way is killed once with SIGKILL: nothing missing, nothing double."""
import time
import unittest

from journey import ONE, ROLES, TWO, Journey, block, detection


class KillJourney(Journey):
    def numbered(self, utm_id, numbers):
        """Lines that can be told apart in the database."""
        return [detection(function="ips", action="blocked", source_ip=f"192.168.{utm_id[0]}0.7", source_port=1000 + n, destination_ip="203.0.113.1",
                          destination_port=80, lan_mac="00-00-5E-00-53-07", threat_name="Cross Site Script attack") if n % 5 else block(f"ads{n}.example")
                for n in numbers]

    def test_each_process_is_killed_once(self):
        self.service.start()
        written = 0
        for name in [*ROLES, f"agent-{ONE}", f"agent-{TWO}"]:
            for utm_id in (ONE, TWO):
                self.write(utm_id, *self.numbered(utm_id, range(written, written + 40)))
            self.wait_for_entries(2 * written + 1)  # something of this round is under way
            self.service.kill(name)
            began = time.monotonic()
            for utm_id in (ONE, TWO):
                self.write(utm_id, *self.numbered(utm_id, range(written + 40, written + 60)))
            written += 60
            if name in ROLES:
                self.service.start_role(name)
            else:
                self.service.start_agent(name.removeprefix("agent-"))
            self.wait_for_entries(2 * written, seconds=120)
            self.figures.add(f"stored_after.{name}", time.monotonic() - began, "s", f"killed among {2 * written} entries, started anew at once")

        for utm_id in (ONE, TWO):
            found = self.service.sql("select source_port, count(*) from detections d join appliances a on a.id = d.appliance_id "
                                     f"where utm_id = '{utm_id}' group by 1 order by 1")
            self.assertEqual(found, [[str(1000 + n), "1"] for n in range(written) if n % 5])
        tallies = self.service.sql("select key, sum(count) from block_tallies group by key")
        self.assertEqual(sorted(tallies), sorted([f"ads{n}.example", "2"] for n in range(0, written, 5)))
        self.close_the_hour()
        doubled = self.service.sql("select digest_id, address from outbox where digest_id is not null group by 1, 2 having count(*) > 1")
        self.assertEqual(doubled, [])
        self.assertEqual(self.service.sql("select * from losses"), [])
        self.assert_promise_kept()
        self.figures.add("kills", len(ROLES) + 2, "kills", f"{2 * written} entries, none lost, none doubled")
        self.figures.write()


if __name__ == "__main__":
    unittest.main()
