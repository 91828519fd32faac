"""Staged failures, as whoever is on call meets them: each shows in `admin status`, in the alarms or in a process's /ready, the runbook
has the paragraph that they name, and after the cure everything is stored and the alarm closes, by itself or by the operator's hand.
It runs on a stack of its own, whose parts it stops.
"""
import json
import os
import re
import shutil
import subprocess
import time
import unittest
from datetime import datetime, timedelta, timezone

from journey import JST, ONE, ROLES, ROOT, TWO, Journey, detection, wait_until
from service import Failed, http, read_env

STACK = ROOT / "build" / "stack-operator"
RUNBOOK = {heading.strip(): paragraph for file in (ROOT / "deploy" / "runbook").glob("*.md")
           for heading, _, paragraph in (section.partition("\n") for section in re.split(r"^## ", file.read_text(), flags=re.M)[1:])}
AHEAD = datetime(2026, 4, 8, 15, 40, tzinfo=JST)  # five hours ahead of the service
# Shorter than in production, so that nobody waits for what only takes time.
SETTINGS = {"gateway": ["gateway.heartbeat_ms=1500"], "correlator": ["correlator.lease_ms=4000"], "fleet": ["fleet.silent_after_ms=9000"]}


def stack(*arguments):
    done = subprocess.run([ROOT / "deploy" / "dev" / "stack", *arguments, "--dir", STACK], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(done.stderr + done.stdout)


class OperatorJourney(Journey):
    @classmethod
    def setUpClass(cls):
        stack("destroy")
        cls.addClassCleanup(stack, "destroy")
        stack("start", "--random-ports")
        os.environ.update(read_env(STACK / "env"))

    # --- what the operator sees --------------------------------------------------------------------------------------------

    def open_alarms(self, kind=None):
        alarms = [json.loads(line) for line in self.service.admin("alarms", "list", "--json").splitlines()]
        return [alarm for alarm in alarms if kind in (None, alarm["kind"])]

    def wait_for_alarm(self, kind, seconds=90):
        """The alarm is open, `status` names it, and the runbook says what to do about it; the alarm and what `status` printed."""
        found = wait_until(lambda: self.open_alarms(kind), seconds, f"the alarm {kind} is open")
        self.figures.add(f"alarm_after.{kind}", time.monotonic() - self.began, "s", "from the failure until the alarm is open")
        status = self.service.admin("status")
        self.assertRegex(status, rf"(?m)^alarm       {kind} \(\d+\), the oldest for ")
        self.read_runbook(kind)
        return found[0], status

    def read_runbook(self, event):
        self.assertIn(event, RUNBOOK)
        self.assertGreater(len(RUNBOOK[event].split()), 15, f"{event}: cause and steps")

    def wait_for_closing(self, kind, seconds=90):
        wait_until(lambda: not self.open_alarms(kind), seconds, f"the alarm {kind} closes by itself")

    def close_by_hand(self, kind=None):
        for alarm in self.open_alarms(kind):
            self.read_runbook(alarm["kind"])
            self.service.admin("alarms", "close", alarm["id"])
        self.assertEqual(self.open_alarms(kind), [])

    def reason(self, role):
        """Why it is not ready; empty when it is."""
        status, body = http(f"http://127.0.0.1:{self.service.ports[role]}/ready")
        checks = json.loads(body)["checks"] if body else {}
        return "" if status == 200 else "; ".join(f"{name}: {check['reason']}" for name, check in checks.items() if not check["ok"]) or "no answer"

    def wait_for_readiness(self, roles, ready):
        """Living and counting events they are all the while."""
        for role in roles:
            wait_until(lambda: (self.reason(role) == "") == ready, 90, f"{role} is {'' if ready else 'not '}ready: {self.reason(role)}")
            self.assertEqual(http(f"http://127.0.0.1:{self.service.ports[role]}/live")[0], 200)
            self.assertIn(b"mimamori_events_total", http(f"http://127.0.0.1:{self.service.ports[role]}/metrics")[1])

    def wait_for_log(self, name, event):
        log = self.service.dir / "log" / f"{name}.log"
        wait_until(lambda: f'"event":"{event}"' in log.read_text(errors="replace"), 90, f"{name} logs {event}")
        self.read_runbook(event)

    # --- what the stages share ---------------------------------------------------------------------------------------------

    def something_more(self, utm_id=ONE, name="Cross Site Script attack"):
        """One more detection, which must be stored in the end."""
        self.written += 1
        self.write(utm_id, detection(function="ips", action="blocked", source_ip=f"192.168.{utm_id[0]}0.7", source_port=self.written,
                                     destination_ip="203.0.113.1", destination_port=80, lan_mac="00-00-5E-00-53-07", threat_name=name))

    def everything_is_stored(self):
        self.wait_for_entries(self.written, 120)

    def start_role(self, role):
        self.service.start_role(role, None, *SETTINGS.get(role, []))

    def end(self, name):
        process = self.service.processes.pop(name)
        process.terminate()
        self.assertEqual(process.wait(60), 0, self.service.log_tail(name))

    def renew_certificate(self, utm_id, authority):
        home = self.service.dir / "agents" / utm_id
        for file in ("agent.pem", "agent.key", "ca.pem"):
            (home / file).unlink()
        self.service.admin("certificate", "issue", "--ca", authority, "--utm-id", utm_id, "--out", home)

    # --- the failures ------------------------------------------------------------------------------------------------------

    def kafka_is_down(self):
        stack("stop", "--only", "kafka")
        self.something_more()
        _, status = self.wait_for_alarm("kafka_away")
        self.assertRegex(status, r"kafka +Kafka at .* does not answer")
        self.wait_for_readiness(["gateway", "correlator", "fleet"], False)
        self.assertEqual(self.reason("notifier"), "")  # it does without
        stack("start", "--only", "kafka")
        self.wait_for_readiness(ROLES, True)
        self.wait_for_closing("kafka_away")

    def postgresql_is_down(self):
        stack("stop", "--only", "postgres")
        self.wait_for_readiness(ROLES, False)
        with self.assertRaisesRegex(Failed, self.service.stack["MIMAMORI_POSTGRES_PORT"]):
            self.service.admin("status")  # alarms live there: what tells is the command itself, /ready and the logs
        self.wait_for_log("notifier", "notifier_database_away")
        self.something_more()
        stack("start", "--only", "postgres")
        self.wait_for_readiness(ROLES, True)

    def no_correlator_runs_and_an_agent_is_silent(self):
        """Two troubles at once; neither hides the other."""
        self.service.kill("correlator")
        self.service.kill(f"agent-{TWO}")
        self.something_more()
        silent, status = self.wait_for_alarm("agent_silent")
        self.assertIn(f"appliance {TWO} was last heard of at ", silent["detail"])
        self.assertRegex(status, rf"agent +{TWO} of 有限会社ためし商店: .*heard of \d+ s ago")
        self.wait_for_alarm("partitions_unread")
        wait_until(lambda: any(p["behind"] > 0 and not p["leased"] for p in json.loads(self.service.admin("status", "--json"))["partitions"]),
                   60, "status says how far a partition is behind")
        self.assertEqual([alarm["subject"] for alarm in self.open_alarms("agent_silent")], [silent["subject"]])  # the other is heard
        self.service.start_agent(TWO)
        self.start_role("correlator")
        self.wait_for_closing("agent_silent")
        self.wait_for_closing("partitions_unread")

    def a_certificate_is_revoked(self):
        self.service.admin("certificate", "revoke", "--utm-id", TWO)
        self.wait_for_log(f"agent-{TWO}", "uplink_refused")
        self.wait_for_log("gateway", "connection_refused")
        self.end(f"agent-{TWO}")
        self.something_more(TWO)
        self.renew_certificate(TWO, self.service.dir / "ca")
        self.service.start_agent(TWO)

    def a_certificate_is_of_another_authority(self):
        self.end(f"agent-{TWO}")
        other = self.service.dir / "other-ca"
        self.service.admin("ca", "create", "--out", other)
        self.renew_certificate(TWO, other)
        shutil.copy(self.service.dir / "ca" / "ca.pem", self.service.dir / "agents" / TWO / "ca.pem")
        self.service.start_agent(TWO)
        self.something_more(TWO)
        self.wait_for_log("gateway", "uplink_error")
        self.wait_for_log(f"agent-{TWO}", "uplink_ended")
        self.end(f"agent-{TWO}")
        self.renew_certificate(TWO, self.service.dir / "ca")
        self.service.start_agent(TWO)

    def a_certificate_is_not_known(self):
        """As after the restore of a backup that is older than the certificate."""
        self.end(f"agent-{TWO}")
        self.service.sql("delete from certificates where revoked_at is null and rental_id in "
                         f"(select r.id from rentals r join appliances a on a.id = r.appliance_id where a.utm_id = '{TWO}')")
        self.service.start_agent(TWO)
        self.something_more(TWO)
        self.wait_for_alarm("certificate_refused")
        self.end(f"agent-{TWO}")
        self.renew_certificate(TWO, self.service.dir / "ca")
        self.service.start_agent(TWO)
        self.everything_is_stored()
        self.close_by_hand("certificate_refused")

    def an_old_image_of_a_spool_is_restored(self):
        self.end(f"agent-{ONE}")
        spool, image = self.service.dir / "agents" / ONE / "spool", self.service.dir / "image"
        shutil.copytree(spool, image)
        self.service.start_agent(ONE)
        self.something_more()
        self.everything_is_stored()
        self.end(f"agent-{ONE}")
        shutil.rmtree(spool)
        shutil.copytree(image, spool)
        self.service.start_agent(ONE)
        self.wait_for_alarm("stream_forked")
        before = self.service.number("select count(*) from detections")
        self.write(ONE, detection(function="ips", action="blocked", source_ip="192.168.10.8", source_port=9, destination_ip="203.0.113.1",
                                  destination_port=80, lan_mac="00-00-5E-00-53-08", threat_name="Cross Site Script attack"))
        wait_until(lambda: self.service.number("select count(*) from detections where source_ip = '192.168.10.8'") == 1, 90,
                   f"the agent goes on under a new spool: {before} detections before")
        self.written = self.service.number("select sum(next_seq - 1) from streams")
        self.close_by_hand("stream_forked")

    def no_rule_pack_is_in_force(self):
        self.end("correlator")
        self.service.sql("update rule_packs set effective_from = '2030-01-01'")
        self.start_role("correlator")
        self.something_more()
        self.wait_for_alarm("rule_pack_missing")
        self.assertIn("no rule pack is in force", self.reason("correlator"))
        pack = (ROOT / "packs" / "mimamori-2020.yaml").read_text().replace("version: mimamori-2020.1", "version: mimamori-2020.2", 1)
        (self.service.dir / "pack.yaml").write_text(pack)
        self.service.admin("pack", "load", self.service.dir / "pack.yaml")
        self.wait_for_closing("rule_pack_missing")

    def the_clock_of_an_appliance_is_wrong(self):
        self.end(f"agent-{TWO}")
        right, wrong = self.service.clock_file, self.service.dir / "wrong-clock"
        self.service.clock_file = wrong
        self.service.steer(int((AHEAD - datetime.now(timezone.utc)) / timedelta(microseconds=1)))
        self.service.start_agent(TWO)
        self.service.clock_file = right
        self.something_more(TWO)
        self.wait_for_alarm("clock_skew")
        self.everything_is_stored()
        self.end(f"agent-{TWO}")
        self.service.start_agent(TWO)
        self.close_by_hand("clock_skew")

    def an_entry_cannot_be_stored(self):
        self.service.sql("alter table detections add constraint poison check (name <> 'poison')")
        self.something_more(name="poison")
        alarm, _ = self.wait_for_alarm("entry_quarantined")
        stream, seq = alarm["subject"].removeprefix("stream "), re.search(r"the first is (\d+)", alarm["detail"]).group(1)
        self.assertIn("violates check constraint", self.service.admin("trace", f"{stream}/{seq}"))
        self.service.sql("alter table detections drop constraint poison")
        self.close_by_hand("entry_quarantined")

    def the_relay_is_away_and_refuses_a_recipient(self):
        stack("stop", "--only", "mailbox")
        self.service.sql("insert into recipients (customer_id, address) select id, 'unknown@mihon.example' from customers where name = '株式会社みほん製作所'")
        self.write(ONE, detection(function="ips", action="blocked", source_ip="192.168.10.23", source_port=1, destination_ip="203.0.113.45",
                                  destination_port=443, lan_mac="00-00-5E-00-53-17", threat_name="JSIG-RAT GHOST-Activity-9"))
        self.written += 1
        self.everything_is_stored()
        offset = datetime(2026, 4, 8, 11, 0, 1, tzinfo=JST) - datetime.now(timezone.utc)
        self.service.steer(int(offset / timedelta(microseconds=1)))
        wait_until(lambda: self.service.number("select count(*) from outbox where attempts > 0 and state = 'pending' and digest_id is not null") >= 3,
                   90, "every mail was tried")
        self.wait_for_log("notifier", "mail_retry")
        self.assertRegex(self.service.admin("status"), r"outbox +\d+ pending")
        # Sixteen minutes later, as far as the outbox knows.
        self.service.sql("update outbox set first_attempt_at = now() - interval '16 minutes', next_attempt_at = now() where state = 'pending'")
        self.wait_for_alarm("relay_slow")
        stack("start", "--only", "mailbox")
        self.service.sql("update outbox set next_attempt_at = now() where state = 'pending'")
        self.wait_for_closing("relay_slow")
        self.a_final_refusal_is_told()

    def a_final_refusal_is_told(self):
        """The relay says 550 to one recipient of three: that is an alarm, and the neighbours have their mail."""
        alarm, _ = self.wait_for_alarm("mail_given_up")
        self.assertIn("550", alarm["detail"])
        self.assertIn("unknown@mihon.example", alarm["detail"])
        wait_until(lambda: self.service.number("select count(*) from outbox where state in ('pending', 'sending')") == 0, 90, "every mail has its end")
        self.assertEqual(self.service.sql("select distinct address from outbox where state <> 'sent'"), [["unknown@mihon.example"]])
        for address, wanted in (("owner@mihon.example", 1), ("office@mihon.example", 1), ("unknown@mihon.example", 0)):
            self.assertEqual(len([m for m in self.mails(address) if "★★★" in m["Subject"]]), wanted, address)
        followed = self.service.admin("trace", self.service.sql("select alert_id from findings where severity = 3")[0][0])
        self.assertRegex(followed, r"to owner@mihon.example: sent")
        self.assertRegex(followed, r"to unknown@mihon.example: failed")
        self.close_by_hand("mail_given_up")

    def a_spool_overflows(self):
        self.end(f"agent-{TWO}")
        config = self.service.dir / "agents" / TWO / "agent.toml"
        config.write_text(config.read_text() + "\n[spool]\nmax_mib = 4\nsegment_kib = 64\n")
        self.end("gateway")
        line = detection(function="uf", action="logged", source_ip="192.168.20.30", destination_ip="203.0.113.77", destination_port=443,
                         lan_mac="00-00-5E-00-53-30", destination_host="auction.example", category="オークション", url="http://auction.example/" + "x" * 400)
        count = 8000
        status = self.service.dir / "agents" / TWO / "status.json"
        wanted = sum(lane["last"] for lane in json.loads(status.read_text())["lanes"].values()) + count
        self.service.start_agent(TWO)
        self.write(TWO, *[line] * count)
        wait_until(lambda: sum(lane["last"] for lane in json.loads(status.read_text())["lanes"].values()) >= wanted, 90, "the agent has numbered it all")
        self.start_role("gateway")
        self.service.wait_ready("gateway")
        self.written += count
        self.wait_for_alarm("spool_overflowed")
        self.everything_is_stored()
        lost = self.service.number("select sum(tombstoned) from streams")
        self.assertGreater(lost, 0)
        self.assertEqual(self.service.number("select sum(entries) from losses where kind = 'tombstone'"), lost)
        self.close_by_hand("spool_overflowed")

    STAGES = (kafka_is_down, postgresql_is_down, no_correlator_runs_and_an_agent_is_silent, a_certificate_is_revoked,
              a_certificate_is_of_another_authority, a_certificate_is_not_known, an_old_image_of_a_spool_is_restored, no_rule_pack_is_in_force,
              the_clock_of_an_appliance_is_wrong, an_entry_cannot_be_stored, the_relay_is_away_and_refuses_a_recipient, a_spool_overflows)

    def test_an_operator_finds_and_cures_each(self):
        first = time.monotonic()
        self.written = 0
        for role in ROLES:
            self.start_role(role)
        for role in ROLES:
            self.service.wait_ready(role)
        for utm_id in (ONE, TWO):
            self.service.start_agent(utm_id)
            self.something_more(utm_id)
        self.everything_is_stored()
        for stage in self.STAGES:
            self.began = time.monotonic()
            stage(self)
            self.everything_is_stored()
            self.figures.add(f"cured_after.{stage.__name__}", time.monotonic() - self.began, "s", "from the failure until all is as before")
        self.wait_for_readiness(ROLES, True)
        self.close_by_hand()
        self.assertIn("alarms      none is open", self.service.admin("status"))
        self.assert_promise_kept()
        self.figures.add("whole", time.monotonic() - first, "s", f"{len(self.STAGES)} failures")
        self.figures.write()


if __name__ == "__main__":
    unittest.main()
