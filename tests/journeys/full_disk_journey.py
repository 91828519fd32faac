"""The disk below PostgreSQL is full, and then the disk below Kafka, each a real one without a free byte. The service says so, loses
nothing, and goes on by itself when there is room again: no role ends, only the part that died is started anew, as a supervisor does."""
import json
import os
import shutil
import subprocess
import unittest

from journey import KNOWN, ONE, ROLES, ROOT, TWO, Failed, Journey, detection, wait_until
from service import http, read_env
from small_disks import SmallDisk, run_among

STACK = ROOT / "deploy" / "dev" / "stack"
SKIPPED = 77
LINES = 1500  # of each agent, more than the parts find room for in files they have already
NO_SPACE = "No space left on device"


class FullDisk(Journey):
    @classmethod
    def setUpClass(cls):
        """A stack of its own, with the data of both parts on small disks."""
        cls.stack_dir = ROOT / "build" / "journeys" / "full_disk_stack"
        cls.stack("destroy")
        cls.disks = {}
        cls.stack_dir.mkdir(parents=True, exist_ok=True)
        (cls.stack_dir / ".mimamori-stack").touch()
        for part in ("postgres", "kafka"):
            disk = cls.disks[part] = SmallDisk(part)
            data = disk.folder / "data"
            data.mkdir(mode=0o700)
            if part == "postgres" and os.getuid() == 0:
                shutil.chown(data, "postgres", "postgres")
            (cls.stack_dir / part).mkdir(mode=0o755)
            (cls.stack_dir / part / "data").symlink_to(data)
        cls.addClassCleanup(cls.stack, "destroy")
        cls.stack("start", "--random-ports")
        os.environ.update(read_env(cls.stack_dir / "env"))

    @classmethod
    def stack(cls, command, *arguments):
        done = subprocess.run([str(STACK), command, "--dir", str(cls.stack_dir), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"stack {command}: {done.stdout}{done.stderr}")

    def supervise(self):
        """Starts anew what has ended; True when both parts answer."""
        try:
            self.stack("start", "--only", "postgres,kafka")
        except Failed:
            return False
        return True

    def said(self, role, words):
        return any(words in line for line in (self.service.dir / "log" / f"{role}.log").read_text(errors="replace").splitlines())

    def ready(self, role):
        return http(f"http://127.0.0.1:{self.service.ports[role]}/ready")

    def written(self, utm_id, numbers):
        """Lines that can be told apart, each long enough to need room."""
        self.write(utm_id, *[detection(function="uf", action="logged", source_ip=f"192.168.{utm_id[0]}0.30", source_port=n + 1, destination_ip="203.0.113.77",
                                       destination_port=443, destination_host="auction.example", category="オークション",
                                       url=f"http://auction.example/{'x' * 600}/{n}") for n in numbers])

    def not_settled(self, utm_id):
        status = json.loads((self.service.agents[utm_id] / "status.json").read_text())
        return sum(lane["not_settled"] for lane in status["lanes"].values())

    def stored(self):
        try:
            return self.service.number("select coalesce(sum(next_seq - 1), 0) from streams")
        except Failed:  # the server is on its way back
            return 0

    def begin(self):
        for role in ROLES:
            self.service.start_role(role, None, *(["gateway.delivery_timeout_ms=2000"] if role == "gateway" else []))
        for role in ROLES:
            self.service.wait_ready(role)
        for utm_id in self.service.agents:
            self.service.start_agent(utm_id)
        self.write(ONE, *[line for line, _ in KNOWN])
        self.wait_for_entries(len(KNOWN))
        self.running = dict(self.service.processes)
        self.lines_of_each = 0

    def fill(self, part):
        self.disks[part].fill()
        for utm_id in (ONE, TWO):
            self.written(utm_id, range(self.lines_of_each, self.lines_of_each + LINES))
        self.lines_of_each += LINES

    def recover(self, part):
        """Room, and nothing else: every line becomes one row."""
        wait_until(lambda: self.not_settled(ONE) and self.not_settled(TWO), 60, "the agents keep what is not stored")
        self.disks[part].make_room()
        wait_until(self.supervise, 120, "both parts answer again")
        entries = len(KNOWN) + 2 * self.lines_of_each
        wait_until(lambda: self.supervise() and self.stored() >= entries, 120, f"{entries} entries are stored")
        for utm_id in (ONE, TWO):
            rows = self.service.sql("select source_port from detections d join appliances a on a.id = d.appliance_id "
                                    f"where utm_id = '{utm_id}' and url like '%xxxx%' order by 1")
            self.assertEqual(rows, [[str(n + 1)] for n in range(self.lines_of_each)])
        for role in ROLES:
            self.service.wait_ready(role)

    def postgresql_has_died(self):
        """A server that cannot write its log ends every session."""
        try:
            self.service.sql("select pg_switch_wal()")
        except Failed as failure:
            return "server" in str(failure)
        return False

    def test_full_disks(self):
        self.begin()
        self.below_kafka()
        self.below_postgresql()
        self.assertEqual(self.service.number("select sum(quarantined + tombstoned + gone + skipped) from streams"), 0)
        self.close_the_hour()
        mails = {mail["Message-ID"]: mail["Subject"].count("★") for mail in self.mails("owner@mihon.example")}  # one in doubt may be there twice
        self.assertEqual(sorted(mails.values()), [1, 3])
        self.assertEqual([name for name, process in self.running.items() if process.poll() is not None], [])
        self.assert_promise_kept()

    def below_kafka(self):
        self.fill("kafka")
        wait_until(lambda: self.said("gateway", "delivery_failed"), 60, "the gateway says that Kafka takes nothing")
        wait_until(lambda: self.ready("gateway")[0] == 503, 60, "the gateway is not ready")
        self.recover("kafka")

    def below_postgresql(self):
        self.fill("postgres")
        wait_until(lambda: self.said("correlator", NO_SPACE), 60, "the correlator's log names the full disk")
        wait_until(lambda: self.ready("correlator")[0] == 503, 60, "the correlator is not ready")
        self.steer_to_next_hour()  # its mails cannot be stored
        wait_until(lambda: self.said("notifier", NO_SPACE), 60, "the notifier's log names the full disk")
        wait_until(self.postgresql_has_died, 60, "PostgreSQL ends for lack of room")
        wait_until(lambda: self.ready("gateway")[0] == 503, 60, "the gateway is not ready")
        self.recover("postgres")


if __name__ == "__main__":
    run_among({"postgres": "320m", "kafka": "64m"}, SKIPPED)
    unittest.main()
