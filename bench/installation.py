"""A fresh installation for one measurement: tenants, certificates, roles; and what its processes cost. Built on deploy/dev/service.py."""
import hashlib
import os
import pathlib
import struct
import subprocess
import sys
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "deploy" / "dev"))
from service import ROLES, Failed, Service, wait_until  # noqa: E402

RELEASE = ROOT / "build" / "release"
LOAD = RELEASE / "bench" / "load" / "mimamori-load"
STREAMS = uuid.UUID("6f1d0b8a-52c7-4e3b-9a64-2de8117c9540")  # the namespace of domain/detection_id.cc, written down a second time
TICK = os.sysconf("SC_CLK_TCK")
URGENT, NORMAL, ROLLUP = 0, 1, 2
FIRST_UTM = 1_000_000_000


def tenants(appliances, for_each_customer):
    customers = []
    for first in range(0, appliances, for_each_customer):
        ids = ", ".join('{utm_id: "%d"}' % (FIRST_UTM + n) for n in range(first, min(first + for_each_customer, appliances)))
        customers.append(f'      - name: 会社{first}\n        recipients: [{{address: "owner{first}@example.com", name: 社長, language: ja}}]\n'
                         f"        sites:\n          - {{name: 本社, lan_ranges: [192.168.10.0/24], appliances: [{ids}]}}\n")
    return ("operator:\n  name: みほん商工会議所\n  desks:\n    - effective_from: 2020-04-01\n"
            "      service_name: {ja: サイバーお助け隊, en: Cyber Otasuketai}\n      centre_name: {ja: 監視センター, en: Monitoring Centre}\n"
            "      phone: 0120-000-000\n      hours: {ja: 平日9時から18時, en: weekdays 9:00 to 18:00}\n      mail: desk@example.com\n"
            "      mail_hours: {ja: 受付は24時間, en: any time}\n      portal_url: https://portal.example.com\n"
            "resellers:\n  - name: みほん商工会議所\n    customers:\n" + "".join(customers))


def status_kb(pid, field):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise Failed(f"process {pid} has no {field}: it has ended")


def times_of(pid):
    """(parent, own ticks, ticks of ended and awaited children), or None where it has ended."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])


class Installation(Service):
    """A service with `appliances` whose agents the load generator plays."""

    def __init__(self, name, stack_dir, stack, appliances, for_each_customer=2, settings=()):
        self.stack_dir = stack_dir
        self.appliances = appliances
        self.settings = settings
        super().__init__(ROOT / "build" / "bench" / name, stack, RELEASE / "services", database=f"bench_{name}", topic_prefix=f"bench-{name}")
        self.destroy()
        self.prepare(tenants(appliances, for_each_customer))
        self.identities = self.dir / "identities"
        self.make_identities()

    def make_identities(self):
        """The service's own authority signs; one statement tells the database, where the command line would need one process each."""
        rows = subprocess.run([LOAD, "identities", "--ca", self.dir / "ca", "--out", self.identities, "--first", str(FIRST_UTM), "--count",
                               str(self.appliances)], capture_output=True, text=True, env=self.clean_environment(), check=True).stdout
        (self.dir / "identities.tsv").write_text(rows)
        self.psql("create temp table made (utm_id text, print text, serial text, not_before bigint, not_after bigint)",
                  f"\\copy made from '{self.dir}/identities.tsv'",
                  "insert into certificates (fingerprint, rental_id, serial, not_before, not_after) select decode(print, 'hex'), r.id, serial, "
                  "from_us(not_before), from_us(not_after) from made join appliances a using (utm_id) join rentals r on r.appliance_id = a.id")

    def psql(self, *commands, lines=False):
        env = dict(os.environ, PGPASSWORD=pathlib.Path(self.stack["MIMAMORI_POSTGRES_SUPERUSER_PASSWORD_FILE"]).read_text().strip())
        done = subprocess.run(["psql", "-h", self.stack["MIMAMORI_POSTGRES_HOST"], "-p", self.stack["MIMAMORI_POSTGRES_PORT"], "-U", "postgres",
                               "-d", self.database, "-X", "-q", "-v", "ON_ERROR_STOP=1", *[word for c in commands for word in ("-c", c)]],
                              env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"{commands}: {done.stderr}")
        return done.stdout.splitlines()

    def start(self):
        for role in ROLES:
            self.start_role(role, role, *[value for value in self.settings if value.startswith(role + ".")])
        for role in ROLES:
            self.wait_ready(role)

    # --- what it costs -------------------------------------------------------------------------------------------------

    def pids(self):
        found = {name: process.pid for name, process in self.processes.items()}
        for part in ("kafka", "postgres"):
            found[part] = int((self.stack_dir / f"{part}.pid").read_text())
        return found

    def cpu_seconds(self):
        """User and system time of each process so far; PostgreSQL's with all its backends, also ended ones."""
        out = {}
        for name, pid in self.pids().items():
            times = times_of(pid)
            if times is None:
                raise Failed(f"{name} has ended; its log: {self.dir}/log/{name}.log\n{self.log_tail(name) if name in self.processes else ''}")
            ticks = times[1]
            if name == "postgres":
                ticks += times[2]
                for process in pathlib.Path("/proc").glob("[0-9]*"):
                    child = times_of(process.name)
                    ticks += child[1] if child and child[0] == pid else 0
            out[name] = ticks / TICK
        return out

    def resident_kb(self, name):
        return status_kb(self.pids()[name], "VmRSS")

    # --- what must come of it ------------------------------------------------------------------------------------------

    def assert_all_stored(self, report):
        """Exactly what was sent stands in the database: every stream's end and hash, every detection's id, every tally. Returns what
        was compared. `admin verify` looks at the whole database with its own eyes."""
        rentals = {utm: (int(rental), int(customer)) for utm, rental, customer in
                   self.sql("select a.utm_id, r.id, r.customer_id from appliances a join rentals r on r.appliance_id = a.id")}
        streams = {spool: (int(next_seq), h) for spool, next_seq, h in
                   self.sql("select encode(spool_id, 'hex'), next_seq, encode(h_before, 'hex') from streams")}
        expected, tallies = [], {}
        for appliance in report["appliances"]:
            rental, customer = rentals[appliance["utm_id"]]
            for stream in appliance["streams"]:
                if streams[stream["spool_id"]] != (stream["entries"] + 1, stream["h"]):
                    raise Failed(f"{appliance['utm_id']}, lane {stream['lane']}: the database stands at {streams[stream['spool_id']]}, sent was {stream}")
                if stream["lane"] != ROLLUP:
                    expected += ids_of(rental, stream)
            for kind, key, count in appliance["blocks"]:
                tallies[customer, kind, key] = tallies.get((customer, kind, key), 0) + count
        stored = self.psql("copy (select id from detections) to stdout")
        expected.sort()
        stored.sort()
        if expected != stored:
            missing, more = set(expected) - set(stored), set(stored) - set(expected)
            raise Failed(f"{len(expected)} detections were sent, {len(stored)} rows are stored: {len(missing)} are missing, {len(more)} were never sent, "
                         f"{len(stored) - len(set(stored))} are double")
        found = {(int(customer), kind, key): int(count) for customer, kind, key, count in
                 self.sql("select customer_id, kind, key, sum(count) from block_tallies group by 1, 2, 3")}
        if found != tallies:
            wrong = [key for key in found.keys() | tallies.keys() if found.get(key) != tallies.get(key)]
            raise Failed(f"{len(wrong)} tallies are not what was sent, for example {wrong[0]}: {found.get(wrong[0])}, sent {tallies.get(wrong[0])}")
        self.admin("verify")
        return {"detections": len(stored), "tallies": len(found), "blocks": sum(found.values())}


def ids_of(rental, stream):
    """UUIDv5 of each entry, as PostgreSQL writes it: an arithmetic of its own, not the product's."""
    name = struct.pack(">QB", rental, stream["lane"]) + bytes.fromhex(stream["spool_id"])
    space = uuid.UUID(bytes=hashlib.sha1(STREAMS.bytes + name).digest()[:16], version=5)
    begun = hashlib.sha1(space.bytes)
    out = []
    for seq in range(1, stream["entries"] + 1):
        sha = begun.copy()
        sha.update(struct.pack(">Q", seq))
        h = sha.hexdigest()
        out.append(f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{int(h[16], 16) & 3 | 8:x}{h[17:20]}-{h[20:32]}")
    return out


__all__ = ["Failed", "Installation", "LOAD", "RELEASE", "ROOT", "status_kb", "wait_until"]
