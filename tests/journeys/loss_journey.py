"""A spool that was full: what had to be given up is counted exactly, and the customer reads it in one mail."""
import json
import time
import unittest

from journey import ONE, Journey, detection, wait_until

WRITTEN = 30_000  # more than 4 MiB of spool can hold


class LossJourney(Journey):
    def test_a_full_spool(self):
        with open(self.service.agents[ONE] / "agent.toml", "a") as config:
            config.write("\n[spool]\nmax_mib = 4\nsegment_kib = 64\n")
        self.write(ONE, *[detection(function="uf", action="logged", source_ip="192.168.10.30", source_port=n + 1, destination_ip="203.0.113.77",
                                    destination_port=443, lan_mac="00-00-5E-00-53-30", destination_host="auction.example", category="オークション",
                                    observed_at="2026-04-08T10:39:40.500+09:00")
                          for n in range(WRITTEN)])
        for role in ("correlator", "notifier", "fleet"):
            self.service.start_role(role)
            self.service.wait_ready(role)
        self.service.start_agent(ONE)
        self.wait_for_last_line()
        self.service.start_role("gateway")
        self.service.wait_ready("gateway")
        began = time.monotonic()
        self.wait_for_entries(WRITTEN, seconds=180)
        self.figures.add("settled_after", time.monotonic() - began, "s", f"{WRITTEN} entries, lost ones included, once the gateway is ready")

        lost = self.service.number("select sum(tombstoned) from streams")
        self.assertGreater(lost, 0)
        self.assertEqual(self.service.number("select sum(entries) from losses where not at_least"), lost)
        self.figures.add("entries_lost", lost, "entries", f"of {WRITTEN}, by a spool of 4 MiB while the gateway is away")
        self.assertEqual(self.service.number("select count(distinct source_port) from detections"), WRITTEN - lost)
        self.close_the_hour()
        self.check_mail("owner@mihon.example", f"【対応は不要です】検知の記録のうち、{lost:,}件を保存できませんでした。")
        self.check_mail("office@mihon.example", f"[No action needed] {lost:,} records of detections could not be kept.")
        self.assertEqual(self.mails("owner@tameshi.example"), [])
        self.assertEqual(self.service.sql("select count(*), count(distinct digest_id) from losses where digest_id is null"), [["0", "0"]])
        self.assertEqual(self.service.number("select count(*) from alarms where kind = 'losses_told' and closed_at is null"), 1)
        self.assert_promise_kept()
        self.figures.write()

    def check_mail(self, address, first_line):
        mails = self.mails(address)
        self.assertEqual(len(mails), 1, [m["Subject"] for m in mails])
        text = mails[0].get_body(("plain",)).get_content()
        self.assertEqual(text.splitlines()[0], first_line)
        self.assertIn(ONE, text)
        self.assertRegex(text, "2026年4月8日（水）10:39から10:39まで|Wed 8 April 2026, 10:39 to 10:39")

    def wait_for_last_line(self):
        """Until the agent has numbered what stands in its file, which it does without the gateway too."""
        file = self.service.agents[ONE] / "status.json"

        def numbered():
            status = json.loads(file.read_text()) if file.exists() else {"lanes": {}}
            return sum(lane["last"] for lane in status["lanes"].values()) >= WRITTEN
        wait_until(numbered, 120, f"{WRITTEN} lines are numbered")


if __name__ == "__main__":
    unittest.main()
