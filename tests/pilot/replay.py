"""The pilot through the whole service, hour by hour: 53 agents read what their detectors wrote, and each hour closes before the next
begins, so that nothing of the outcome depends on how fast it goes or on what is killed meanwhile.

    for each hour in which something happens:
        steer the clock into the hour; write its lines
        until every line is stored
        steer the clock over the hour's end
        until the notifier has closed it, and every mail of it is in the mailbox
"""
import collections
import concurrent.futures
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

import lines
import published
from published import ROOT

sys.path.insert(0, str(ROOT / "deploy" / "dev"))
from service import ROLES, Failed, Service, http, wait_until  # noqa: E402

MINUTE_OF_LINES = 41  # of the hour, when its lines are written; all are observed before
PATIENCE_SECONDS = 120  # for anything to settle, with something dead meanwhile
KILLABLE = ["gateway", "correlator", "notifier", "fleet", "kafka", "postgres"]  # and the agents
PREFECTURES = {"Shiga": "滋賀県", "Nara": "奈良県", "Wakayama": "和歌山県"}
DESK = """\
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


def tenants(companies):
    return DESK + "".join(f"""\
      - name: {c.name}
        recipients: [{{address: "owner{c.number}@mihon.example", name: 社長, language: ja}}]
        attributes: [{{effective_from: 2020-09-01, employees: {c.size}, industry: {c.industry[0]}, prefecture: {PREFECTURES[c.prefecture]}}}]
        sites: [{{name: 本社, lan_ranges: [192.168.{c.number}.0/24], appliances: [{{utm_id: "{c.utm_id}"}}]}}]
""" for c in companies)


def pack_of_the_pilot(policy):
    """The shipped rules as the pilot had them: no rule of several signs, because R2 had no three stars; one of the two mail policies."""
    text = (ROOT / "packs" / "mimamori-2020.yaml").read_text()
    for old, new in ((r"(?m)^  version: .*$", f"  version: pilot-{policy}"), (r"(?m)^  mail_policy: .*$", f"  mail_policy: {policy}"),
                     (r"(?m)^(several_signs:\n)  enabled: true$", r"\1  enabled: false")):
        text, count = re.subn(old, new, text)
        if count != 1:
            raise Failed(f"the shipped rule pack has {count} places like {old}; the replay changes one")
    return text


def by_hour(detections):
    out = collections.defaultdict(list)
    for d in detections:
        out[d.at.replace(minute=0, second=0, microsecond=0)].append(d)
    return sorted(out.items())


def by_day(detections):
    out = collections.defaultdict(list)
    for d in detections:
        out[d.at.replace(hour=0, minute=0, second=0, microsecond=0)].append(d)
    return sorted(out.items())


class Replay(Service):
    def __init__(self, folder, stack_dir, stack, companies, policy, bin_dir, agent_dir, kills=0, seed=1, name="pilot"):
        stack = {key: value for key, value in stack.items() if key.startswith("MIMAMORI_")}
        stack["MIMAMORI_POSTGRES_HOST"] = "127.0.0.1"  # services log in over TCP with their passwords
        super().__init__(folder, stack, bin_dir, agent_dir=agent_dir, database=name, topic_prefix=name)
        self.stack_dir, self.companies, self.policy = stack_dir, companies, policy
        self.kills, self.chance = kills, random.Random(f"kills {seed}")
        self.killed = collections.Counter()
        self.written = 0
        self.step_seconds = []

    # --- making it -----------------------------------------------------------------------------------------------------

    def make(self, begin):
        self.dir.mkdir(parents=True, exist_ok=True)
        self.steer_to(begin)
        pack = self.dir / "pack.yaml"
        pack.write_text(pack_of_the_pilot(self.policy))
        self.prepare(tenants(self.companies), packs=(pack,), steered_clock=True)
        self.admin("partitions", "ensure")
        with concurrent.futures.ThreadPoolExecutor(2) as two:
            list(two.map(self.add_one, self.companies))

    def write_config(self, steered_clock):
        """A mail whose sender was killed is due again after its lease, twice the relay's time limit: here 10 seconds, not 2 minutes."""
        super().write_config(steered_clock)
        file = self.dir / "mimamori.toml"
        file.write_text(file.read_text().replace("\n[smtp]\n", "\n[smtp]\ntotal_timeout_ms = 5000\n"))

    def add_one(self, company):
        log = self.dir / f"{company.utm_id}.log"
        log.touch()
        config = self.add_agent(company.utm_id, [(company.format, log)]) / "agent.toml"
        config.write_text(config.read_text().replace("\n[gateway]", "\n[gateway]\nbatch_delay_ms = 50"))

    def steer_to(self, at):
        self.steer(int((at - datetime.now(timezone.utc)) / timedelta(microseconds=1)))

    # --- running it ----------------------------------------------------------------------------------------------------

    def play(self, detections, tell=lambda text: None):
        hours = by_hour(detections)
        kills = self.planned_kills(hours)
        for n, (hour, of_hour) in enumerate(hours):
            began = time.monotonic()
            self.steer_to(hour + timedelta(minutes=MINUTE_OF_LINES))
            if n == 0:
                self.start()
            self.write(of_hour, kills[n, "written"])
            self.settle(f"the {len(of_hour)} lines of {hour:%Y-%m-%d %H} h are stored",
                        f"select coalesce(sum(next_seq - 1), 0) = {self.written} from streams")
            if self.now() >= hour + timedelta(hours=1):
                raise Failed(f"the hour {hour:%Y-%m-%d %H} ended before its lines were stored: this machine is too slow or something hangs")
            self.steer_to(hour + timedelta(hours=1, seconds=1))
            for victim in kills[n, "closing"]:
                self.strike(victim)
            self.settle(f"the hour {hour:%Y-%m-%d %H} is closed and mailed",
                        f"select (select max(closed_until) >= '{(hour + timedelta(hours=1)).isoformat()}' from notifier_state) "
                        "and not exists (select from mail_items where digest_id is null) and not exists (select from outbox where state <> 'sent')")
            self.step_seconds.append(time.monotonic() - began)
            if n % 20 == 19 or n == len(hours) - 1:
                tell(f"{n + 1} of {len(hours)} hours, {self.written} of {len(detections)} lines, up to {hour:%Y-%m-%d %H} h")

    def load(self, detections, tell):
        """All of it as history: each day's lines at that day's end. No notifier runs, so no hour closes and nobody is mailed."""
        days = by_day(detections)
        for n, (day, of_day) in enumerate(days):
            self.steer_to(day + timedelta(days=1, minutes=-10))
            if n == 0:
                self.start(["gateway", "correlator"])
            self.write(of_day, [])
            self.settle(f"the {len(of_day)} lines of {day:%Y-%m-%d} are stored", f"select coalesce(sum(next_seq - 1), 0) = {self.written} from streams")
            if n % 20 == 19 or n == len(days) - 1:
                tell(f"{n + 1} of {len(days)} days, {self.written} of {len(detections)} lines, up to {day:%Y-%m-%d}")

    def now(self):
        offset = int.from_bytes(self.clock_file.read_bytes(), sys.byteorder, signed=True)
        return datetime.now(timezone.utc) + timedelta(microseconds=offset)

    def write(self, detections, victims):
        """Each detector's lines of the hour. Victims are struck when a part of the lines is written."""
        texts = collections.defaultdict(list)
        for d in detections:
            texts[d.company.utm_id].append(lines.line(d))
        strike_after = len(texts) // 2
        for n, (utm_id, listed) in enumerate(texts.items()):
            with open(self.dir / f"{utm_id}.log", "a") as log:
                log.write("".join(listed))
            if n == strike_after:
                for victim in victims:
                    self.strike(f"agent-{utm_id}" if victim == "agent" else victim)
        self.written += len(detections)

    def settle(self, what, query):
        def done():
            self.restart_ended()
            try:
                return self.sql(query) == [["t"]]
            except Failed:
                if not self.kills:
                    raise
                return False  # the database is on its way back
        wait_until(done, PATIENCE_SECONDS, what)

    # --- killing it ----------------------------------------------------------------------------------------------------

    def planned_kills(self, hours):
        """{(number of the hour, moment): victims}"""
        planned = collections.defaultdict(list)
        for _ in range(self.kills):
            moment = self.chance.choice(["written", "closing"])
            victim = self.chance.choice(KILLABLE + ["agent"] * 2)
            if victim == "agent" and moment == "closing":
                victim = f"agent-{self.chance.choice(self.companies).utm_id}"
            planned[self.chance.randrange(1, len(hours)) if len(hours) > 1 else 0, moment].append(victim)
        return planned

    def strike(self, victim):
        self.killed[victim.partition("-")[0]] += 1
        if victim in ("kafka", "postgres"):
            os.kill(int((self.stack_dir / f"{victim}.pid").read_text()), signal.SIGKILL)
            self.stack_command("start", "--only", victim)
            return
        if victim in self.processes:  # else it ended by itself just now, and comes back by itself
            self.kill(victim)
            self.start_again(victim)

    def start_again(self, name):
        self.start_agent(name.removeprefix("agent-")) if name.startswith("agent-") else self.start_role(name)

    def stack_command(self, *arguments):
        done = subprocess.run([str(ROOT / "deploy" / "dev" / "stack"), *arguments, "--dir", str(self.stack_dir)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"stack {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")

    def restart_ended(self):
        """What ends by itself because something it needs was killed comes back, as under the system's supervisor. A crash is a failure."""
        for name, process in list(self.processes.items()):
            if process.poll() is None:
                continue
            if not self.kills or process.returncode < 0 or process.returncode > 2:
                raise Failed(f"{name} ended with {process.returncode}; the end of its log:\n{self.log_tail(name)}")
            del self.processes[name]
            self.start_again(name)

    # --- what came of it -----------------------------------------------------------------------------------------------

    def mails_in_mailbox(self):
        """How often each mail is there, by Message-ID."""
        listed = json.loads(http(self.stack["MIMAMORI_MAILBOX_URL"] + "/email", timeout=60)[1] or b"[]")
        ours = {row[0] for row in self.sql("select message_id from outbox")}
        return collections.Counter(m["messageId"].strip("<>") for m in listed if m["messageId"].strip("<>") in ours)

    def promises_broken(self):
        """Sentences; none when nothing is lost, double, unknown to the rules, unmailed or mailed without need."""
        wrong = []
        for what, query in {
                "streams whose counters do not sum to their cursor": "select id from streams where detections + blocks + skipped + rejected + "
                                                                     "quarantined + tombstoned + gone <> next_seq - 1",
                "entries that are no detections": "select id from streams where detections <> next_seq - 1",
                "losses": "select id from losses", "names that no rule knows": "select name from unknown_signatures",
                "mails that were not sent": "select id from outbox where state <> 'sent'"}.items():
            if rows := self.sql(query):
                wrong.append(f"{what}: {rows[:5]}")
        sent = {row[0]: int(row[1]) for row in self.sql("select message_id, in_doubt from outbox")}
        there = self.mails_in_mailbox()
        for message_id, in_doubt in sent.items():
            if not 1 <= there[message_id] <= 1 + in_doubt:
                wrong.append(f"mail {message_id} is {there[message_id]} times in the mailbox, {in_doubt} attempts were in doubt")
        try:
            self.admin("verify")
        except Failed as failure:
            wrong.append(str(failure))
        return wrong
