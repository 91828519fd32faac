"""What the agents read while the faults happen: native lines without end, each with a number of its own, written down as they are
written out. The ledger is what everything that is stored is compared with."""
import collections
import json
import random
import threading
import time

TENANTS_HEAD = """\
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
"""
# Appliance: its customer's number. The names of customers say nothing.
APPLIANCES = {"1000000001": 1, "1000000002": 1, "2000000001": 2, "3000000001": 3}
RECIPIENTS = {1: ["owner@mihon.example", "office@mihon.example"], 2: ["owner@tameshi.example"], 3: ["office@reidai.example"]}


def tenants():
    text = TENANTS_HEAD
    for customer, recipients in RECIPIENTS.items():
        units = ", ".join(f'{{utm_id: "{utm_id}"}}' for utm_id, owner in APPLIANCES.items() if owner == customer)
        people = ", ".join(f"{{address: {address}, name: 担当{i}, language: ja}}" for i, address in enumerate(recipients))
        text += f"""\
      - name: 会社{customer}
        recipients: [{people}]
        sites:
          - {{name: 本社, lan_ranges: [192.168.{customer}0.0/24], appliances: [{units}]}}
"""
    return text


class Ledger:
    """What one agent's log holds."""

    def __init__(self, utm_id, file):
        self.utm_id, self.file = utm_id, file
        self.customer = APPLIANCES[utm_id]
        self.lock = threading.Lock()
        self.kinds = []  # by line number: detection, block, rejected
        self.functions = []
        self.blocks = collections.Counter()  # by key
        self.bytes = 0

    def device(self, number):
        """The device's key, if this is a detection to be mailed."""
        return f"00-{self.utm_id[0]}{self.utm_id[-1]}-5E-{number // 20 >> 8 & 255:02X}-{number // 20 & 255:02X}-01" if number % 10 in (3, 4) else None

    def line(self, number, filler=""):
        """One line; what it is depends on its number alone."""
        common = {"type": "detection", "observed_at": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()), "protocol": "TCP",
                  "threat_id": str(number), "source_ip": f"192.168.{self.customer}0.{number % 200 + 2}", "source_port": 1000 + number % 60000,
                  "destination_ip": "203.0.113.45", "destination_port": 443}
        if number % 10 == 0:
            return "rejected", 0, f"no line of ours {self.utm_id} {number}\n"
        if number % 10 in (1, 2):
            line = {"type": "block", "kind": "url", "key": f"ads{number % 37}.{self.utm_id}.example", "category": "広告",
                    "observed_at": common["observed_at"]}
        elif number % 10 == 3:
            line = {**common, "function": "ips", "action": "blocked", "threat_name": "JSIG-RAT GHOST-Activity-9", "vendor_priority": 1,
                    "lan_mac": self.device(number)}
        elif number % 10 == 4:
            line = {**common, "function": "wg", "action": "blocked", "destination_host": "infopicked.example",
                    "url": "http://infopicked.example/aS/" + str(number), "lan_mac": self.device(number)}
        elif number % 10 == 5:
            line = {**common, "function": "apg", "action": "logged", "application": "Dropbox"}
        else:
            line = {**common, "function": "uf", "action": "logged", "destination_host": "auction.example", "category": "オークション"}
        if filler and line["type"] == "detection":
            line["url"] = f"http://long.example/{filler}/{number}"
        kind = line["type"]
        function = {"ips": 1, "av": 2, "wg": 3, "uf": 4, "apg": 5}.get(line.get("function"), 0)
        return kind, function, json.dumps(line, ensure_ascii=False) + "\n"

    def write(self, count, filler=""):
        with self.lock:
            text = ""
            for number in range(len(self.kinds), len(self.kinds) + count):
                kind, function, line = self.line(number, filler)
                self.kinds.append(kind)
                self.functions.append(function)
                if kind == "block":
                    self.blocks[f"ads{number % 37}.{self.utm_id}.example"] += 1
                text += line
            with open(self.file, "a") as out:
                out.write(text)
            self.bytes += len(text.encode())

    def rejected_text(self, number):
        return f"no line of ours {self.utm_id} {number}"

    def count(self):
        with self.lock:
            return len(self.kinds)


class Load:
    """Writes to all ledgers until stopped: mostly a few lines, now and then many at once, now and then none for a while."""

    def __init__(self, ledgers, seed, lines_per_s):
        self.ledgers, self.random, self.lines_per_s = ledgers, random.Random(seed), lines_per_s
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, name="load", daemon=True)

    def run(self):
        while not self.stopping.wait(self.random.uniform(0.02, 0.2)):
            for ledger in self.ledgers:
                ledger.write(self.random.choice((0, 1, 1, 2, 3, 3, 20)) * self.lines_per_s // 40)

    def start(self):
        self.thread.start()

    def stop(self):
        self.stopping.set()
        if self.thread.ident is not None:
            self.thread.join(10)
