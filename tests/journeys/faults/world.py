"""Every process of the service and all it stands on, in one folder: started, killed, watched and started again, with a proxy before
each. What ended without being killed is written down: nothing may crash, whatever happens around it."""
import collections
import concurrent.futures
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

from service import ROOT, Failed, Service, http, read_env

from .load import APPLIANCES, Ledger, tenants
from .proxy import Proxy

STACK = ROOT / "deploy" / "dev" / "stack"
PROCESSES = {"gateway": "gateway", "gateway-2": "gateway", "correlator": "correlator", "correlator-2": "correlator",
             "notifier": "notifier", "fleet": "fleet"}  # name: role
PARTS = ("postgres", "kafka")
PARTITIONS = 4
WINDOW_MS = 3000
SMALL_SPOOL = "3000000001"  # whose disk is filled
DAMAGED_SPOOL = "2000000001"  # whose disk gives bad bytes
SOON_FREED = ("2000000001", "1000000002")  # of two partitions, with small segments: what is settled is soon freed
SETTINGS = """
[correlator]
lease_ms = 2000
share_interval_ms = 100

[process]
drain_limit_ms = 3000
"""


def ports(count):
    """Free ports that the kernel gives no outgoing connection: a restarted process must find its own again."""
    low = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    free = []
    for port in random.sample(range(10000, low) if low > 12000 else range(61000, 65000), 2000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        free.append(port)
        if len(free) == count:
            return free
    raise Failed("no free ports were found")


class World(Service):
    def __init__(self, folder, bin_dir, agent_dir, seed, faulty=None):
        self.seed, self.faulty = seed, faulty
        self.random = random.Random(seed)
        folder = pathlib.Path(folder).resolve()
        self.stack_dir = folder / "stack"
        self.proxy = Proxy()
        names = ["gateway_rpc", "gateway_rpc-2", *PROCESSES]
        listening = ["to gateway", "to gateway-2", "kafka", "smtp", *[f"{name} to postgres" for name in PROCESSES]]
        chosen = ports(len(names) + len(listening))
        self.link_ports = dict(zip(listening, chosen[len(names):]))
        folder.mkdir(parents=True, exist_ok=True)
        self.told = open(folder / "told.log", "a", buffering=1)
        self.began = time.monotonic()
        self.stack_command("start", "--random-ports")
        stack = read_env(self.stack_dir / "env")
        stack["MIMAMORI_POSTGRES_HOST"] = "127.0.0.1"
        super().__init__(folder, stack, bin_dir, agent_dir=agent_dir, database="faults", topic_prefix="faults", window_ms=WINDOW_MS,
                         partitions=PARTITIONS, ports=dict(zip(names, chosen)))
        targets = {"to gateway": self.ports["gateway_rpc"], "to gateway-2": self.ports["gateway_rpc-2"],
                   "kafka": int(stack["MIMAMORI_KAFKA_BOOTSTRAP"].rsplit(":", 1)[1]), "smtp": int(stack["MIMAMORI_SMTP_PORT"])}
        for name, port in self.link_ports.items():
            self.proxy.add(name, port, targets.get(name, int(stack["MIMAMORI_POSTGRES_PORT"])))
        self.lock = threading.RLock()  # of who is up
        self.up = set()  # what shall run; others are down on purpose
        self.crashes = []
        self.kills = {}
        self.pool = concurrent.futures.ThreadPoolExecutor(8, thread_name_prefix="restart")
        self.restarts = []
        self.ledgers = {}

    def tell(self, text):
        print(f"{time.monotonic() - self.began:7.1f}  {text}", file=self.told)

    def stack_command(self, command, *arguments):
        env = dict(os.environ, MIMAMORI_KAFKA_ADVERTISED_PORT=str(self.link_ports["kafka"]))
        done = subprocess.run([str(STACK), command, "--dir", str(self.stack_dir), *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, env=env)
        if done.returncode != 0:
            raise Failed(f"stack {command} {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")

    # --- making it -----------------------------------------------------------------------------------------------------

    def write_config(self, steered_clock):
        super().write_config(steered_clock)
        file = self.dir / "mimamori.toml"
        text = file.read_text()
        text = re.sub(r'(\[kafka\]\nbootstrap = ).*', rf'\1"127.0.0.1:{self.link_ports["kafka"]}"', text)
        text = re.sub(r'(\[smtp\]\nhost = .*\nport = ).*', rf'\g<1>{self.link_ports["smtp"]}\ntotal_timeout_ms = 3000\nconnect_timeout_ms = 1000', text)
        text = text.replace("[gateway]\n", "[gateway]\ndelivery_timeout_ms = 5000\nkeepalive_time_ms = 1000\nkeepalive_timeout_ms = 2000\n")
        file.write_text(text + SETTINGS)

    def make(self):
        self.prepare(tenants())
        for utm_id in APPLIANCES:
            log = self.dir / f"{utm_id}.ndjson"
            log.touch()
            home = self.add_agent(utm_id, [("native", log)])
            config = home / "agent.toml"
            text = config.read_text()
            text = re.sub(r"addresses = .*", 'addresses = ["localhost:%d", "localhost:%d"]\nanswer_limit_ms = 3000\nreconnect_refused_ms = 1000'
                          % (self.link_ports["to gateway"], self.link_ports["to gateway-2"]), text)
            text = text.replace("reconnect_longest_ms = 2000", "reconnect_longest_ms = 500")
            text = text.replace("\n[gateway]", "status_interval_ms = 200\n\n[gateway]")
            if utm_id == SMALL_SPOOL:
                text += "\n[spool]\nmax_mib = 4\n"
            if utm_id in SOON_FREED:
                text += "\n[spool]\nsegment_kib = 64\n"
            config.write_text(text)
            self.ledgers[utm_id] = Ledger(utm_id, log)

    # --- processes -----------------------------------------------------------------------------------------------------

    def spawn(self, name, command):
        if self.faulty:
            program = self.bin.parent / "tests" / "journeys" / (pathlib.Path(command[0]).name + "-faulty")
            command = [str(program), *command[1:]]
        return super().spawn(name, command)

    def clean_environment(self):
        env = Service.clean_environment()
        if self.faulty:
            env["MIMAMORI_SEEDED_FAULT"] = self.faulty
        return env

    def start_one(self, name):
        if name.startswith("agent-"):
            self.start_agent(name.removeprefix("agent-"))
        else:
            sets = [f"postgres.port={self.link_ports[f'{name} to postgres']}"]
            if PROCESSES[name] == "gateway":
                sets += [f"gateway.listen=127.0.0.1:{self.ports[name.replace('gateway', 'gateway_rpc')]}", f"gateway.name={name}"]
            self.start_role(PROCESSES[name], name, *sets)
        with self.lock:
            self.up.add(name)

    def start_all(self):
        self.up.update(PARTS)
        for name in [*PROCESSES, *[f"agent-{utm_id}" for utm_id in self.agents]]:
            self.start_one(name)
        for name in PROCESSES:
            self.wait_ready(name)

    def part_pid(self, part):
        return int((self.stack_dir / f"{part}.pid").read_text())

    def kill_one(self, name):
        """SIGKILL, now; it stays down until somebody starts it."""
        with self.lock:
            self.up.discard(name)
        self.kills[name] = self.kills.get(name, 0) + 1
        self.tell(f"kill {name}")
        if name in PARTS:
            os.kill(self.part_pid(name), signal.SIGKILL)
        else:
            self.kill(name)

    def start_part(self, part):
        self.stack_command("start", "--only", part)
        with self.lock:
            self.up.add(part)

    def start_later(self, name, after_s):
        """Starts it again after a while, beside what else goes on."""
        def work():
            time.sleep(after_s)  # how long it is dead is part of the fault
            self.start_part(name) if name in PARTS else self.start_one(name)
            self.tell(f"{name} is back")
        self.restarts.append(self.pool.submit(work))

    def wait_for_restarts(self):
        for restart in self.restarts:
            restart.result(120)
        self.restarts = []

    def watch(self):
        """What ended by itself is started again, as the system's own supervisor would; a signal or an unknown status is a crash."""
        with self.lock:
            for name, process in list(self.processes.items()):
                if name not in self.up or process.poll() is None:
                    continue
                self.tell(f"{name} ended by itself with {process.returncode}")
                if process.returncode < 0 or process.returncode > 2:
                    self.crashes.append(f"{name} ended with status {process.returncode}; the end of its log:\n{self.log_tail(name, 5)}")
                del self.processes[name]
                self.start_one(name)

    def mail_counts(self):
        """How often each mail is in the mailbox, by Message-ID."""
        listed = json.loads(http(self.stack["MIMAMORI_MAILBOX_URL"] + "/email", timeout=60)[1] or b"[]")
        return collections.Counter(mail["messageId"].strip("<>") for mail in listed)

    def sql_when_there(self, query, seconds=60):
        """As sql(), while the database may be on its way back."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.sql(query)
            except Failed:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def end(self, keep):
        for name in list(self.processes):
            if self.processes[name].poll() is None:
                self.processes[name].send_signal(signal.SIGCONT)
        try:
            codes = self.stop()
        finally:
            self.pool.shutdown(wait=True, cancel_futures=True)
            try:
                self.stack_command("stop" if keep else "destroy")
            finally:
                self.proxy.stop()
                self.told.close()
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)
        return codes

