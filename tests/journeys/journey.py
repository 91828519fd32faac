"""What the journeys share: one service with two customers, known lines, and what must come of them."""
import email
import email.policy
import json
import os
import pathlib
import re
import shutil
import sys
import time
import unittest
from datetime import datetime, timedelta, timezone

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "deploy" / "dev"))
from figures import Figures  # noqa: E402
from service import ROLES, Failed, Service, wait_until  # noqa: E402,F401

JST = timezone(timedelta(hours=9))
START = datetime(2026, 4, 8, 10, 40, tzinfo=JST)  # where the service's clock begins
ONE, TWO = "1000000001", "2000000001"

TENANTS = """\
operator:
  name: みほん商工会議所
  desks:
    - effective_from: 2020-04-01
      service_name: {ja: サイバーお助け隊, en: Cyber Otasuketai}
      centre_name: {ja: 監視センター, en: Monitoring Centre}
      phone: 0120-000-000
      hours: {ja: 平日9時から18時、土日祝日はお休み, en: "weekdays 9:00 to 18:00, closed on holidays"}
      mail: desk@example.com
      mail_hours: {ja: 受付は24時間, en: any time}
      portal_url: https://portal.example.com
resellers:
  - name: みほん商工会議所
    customers:
      - name: 株式会社みほん製作所
        recipients:
          - {address: owner@mihon.example, name: 社長, language: ja}
          - {address: office@mihon.example, name: Office, language: en}
        device_names:
          - {device: "00-00-5E-00-53-17", name: 経理のパソコン}
        sites:
          - {name: 本社, lan_ranges: [192.168.10.0/24], appliances: [{utm_id: "1000000001"}]}
      - name: 有限会社ためし商店
        recipients: [{address: owner@tameshi.example, name: 店主, language: ja}]
        sites:
          - {name: 本店, lan_ranges: [192.168.20.0/24], appliances: [{utm_id: "2000000001"}]}
"""


def detection(**fields):
    return json.dumps({"type": "detection", "observed_at": "2026-04-08T10:39:40+09:00", "protocol": "TCP", **fields}, ensure_ascii=False) + "\n"


def block(key):
    return json.dumps({"type": "block", "kind": "url", "key": key, "category": "広告", "observed_at": "2026-04-08T10:39:41+09:00"},
                      ensure_ascii=False) + "\n"


# One line of each kind, and its row: (name, function, direction, severity, mailable), numbers as in domain/detection.h.
KNOWN = [
    (detection(function="ips", action="blocked", source_ip="192.168.10.23", source_port=49731, destination_ip="203.0.113.45", destination_port=443,
               lan_mac="00-00-5E-00-53-17", threat_name="JSIG-RAT GHOST-Activity-9", threat_id="90210", vendor_priority=1),
     ("JSIG-RAT GHOST-Activity-9", 1, 2, 3, "t")),
    (detection(function="av", action="rewritten", source_ip="198.51.100.7", source_port=110, destination_ip="192.168.10.31", destination_port=50122,
               lan_mac="00-00-5E-00-53-21", virus_name="Trojan.MSOffice.SAgent.4", file_name="<script>請求書.doc", mail_subject="x\r\nBcc: all@example.com"),
     ("Trojan.MSOffice.SAgent.4", 2, 1, 1, "t")),
    (detection(function="ips", action="blocked", source_ip="192.168.10.58", source_port=51544, destination_ip="192.168.10.1", destination_port=80,
               lan_mac="00-00-5E-00-53-3A", threat_name="HTTP Basic Auth Default Password Login attempt (admin)-2", vendor_priority=3),
     ("HTTP Basic Auth Default Password Login attempt (admin)-2", 1, 3, 1, "t")),
    (detection(function="ips", action="blocked", source_ip="198.51.100.9", source_port=4000, destination_ip="192.168.10.5", destination_port=80,
               lan_mac="00-00-5E-00-53-05", threat_name="JSIG-WEB SQL-Union-ALL-Select-1"),
     ("JSIG-WEB SQL-Union-ALL-Select-1", 1, 1, 0, "f")),
    (detection(function="uf", action="logged", source_ip="192.168.10.30", destination_ip="203.0.113.77", destination_port=443,
               lan_mac="00-00-5E-00-53-30", destination_host="auction.example", category="オークション"),
     ("オークション", 4, 2, 0, "f")),
    (detection(function="apg", action="logged", source_ip="192.168.10.31", destination_ip="203.0.113.80", destination_port=443,
               lan_mac="00-00-5E-00-53-21", application="Dropbox"),
     ("Dropbox", 5, 2, 0, "f")),
]


class Journey(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        """A fresh service with its own database and topics; two agents, each reading one file. A test that has passed writes its figures:
        build/reports/ says by file name which journey they are of."""
        self.figures = Figures(pathlib.Path(sys.modules[type(self).__module__].__file__).stem, lambda line: print(line, flush=True))
        name = f"journey_{type(self).__name__.lower()}_{self._testMethodName}"[:60]
        folder = ROOT / "build" / "journeys" / name
        shutil.rmtree(folder, ignore_errors=True)
        stack = {key: value for key, value in os.environ.items() if key.startswith("MIMAMORI_")}
        if "MIMAMORI_KAFKA_BOOTSTRAP" not in stack:
            self.fail("the stack is not running: use tests/run journeys, or start deploy/dev/stack and export its env file")
        stack["MIMAMORI_POSTGRES_HOST"] = "127.0.0.1"  # services log in over TCP with their passwords
        self.service = Service(folder, stack, os.environ["MIMAMORI_BIN"], agent_dir=os.environ["MIMAMORI_AGENT_BIN"],
                               database=f"{name}_{os.getpid()}", topic_prefix=f"{name}.{os.getpid()}")
        self.addCleanup(self.service.stop)
        folder.mkdir(parents=True)
        self.service.steer(int((START - datetime.now(timezone.utc)) / timedelta(microseconds=1)))
        self.service.prepare(TENANTS, steered_clock=True)
        self.lines = {utm_id: folder / f"{utm_id}.ndjson" for utm_id in (ONE, TWO)}
        for utm_id, file in self.lines.items():
            file.touch()
            self.service.add_agent(utm_id, [("native", file)])

    def write(self, utm_id, *lines):
        with open(self.lines[utm_id], "a") as out:
            out.write("".join(lines))

    def wait_for_entries(self, count, seconds=60):
        """Until so many entries are accounted for, in all streams together."""
        def arrived():
            return self.service.number("select coalesce(sum(next_seq - 1), 0) from streams") >= count
        wait_until(arrived, seconds, f"{count} entries are stored: {self.service.sql('select id, lane, next_seq, status from streams')}")

    def steer_to_next_hour(self):
        offset = datetime(2026, 4, 8, 11, 0, 1, tzinfo=JST) - datetime.now(timezone.utc)
        self.service.steer(int(offset / timedelta(microseconds=1)))

    def close_the_hour(self):
        """Moves the service's clock to the next hour and waits until nothing is open."""
        began = time.monotonic()
        self.steer_to_next_hour()
        wait_until(lambda: self.service.number("select count(*) from mail_items where digest_id is null") == 0, 60, "the hour is closed")
        wait_until(lambda: self.service.number("select count(*) from losses where digest_id is null") == 0, 60, "every loss is in a mail")
        wait_until(lambda: self.service.number("select count(*) from outbox where state not in ('sent', 'bounced')") == 0, 60, "every mail is sent")
        self.figures.add("mails_after_the_hour", time.monotonic() - began, "s", "from the end of the hour until every mail is sent")
        self.figures.add("mails", self.service.number("select count(*) from outbox"), "mails", "of this hour, to customers and the operator")
        self.figures.add("mails_doubled", self.service.number("select count(*) from (select from outbox where digest_id is not null group by "
                                                              "digest_id, address having count(*) > 1) doubled"), "mails", "one digest twice to one address")

    def rows(self):
        return sorted(tuple(row) for row in self.service.sql("select name, function, direction, severity, mailable from detections"))

    def mails(self, address):
        """Parsed by Python's own MIME parser, worst severity first."""
        parsed = [email.message_from_bytes(mail, policy=email.policy.default) for mail in self.service.mails(address)]
        ours = {row[0] for row in self.service.sql("select message_id from outbox")}
        return sorted((m for m in parsed if m["Message-ID"].strip("<>") in ours), key=lambda m: m["Subject"].count("★"), reverse=True)

    def assert_promise_kept(self):
        """The identity of every stream, as the database itself and `admin verify` see it."""
        wrong = self.service.sql("select id from streams where detections + blocks + skipped + rejected + quarantined + tombstoned + gone <> next_seq - 1")
        self.assertEqual(wrong, [])
        self.service.admin("verify")


def without_ids(text):
    return re.sub(r"\b\d{10}-\d{4,}\b", "ID", text)
