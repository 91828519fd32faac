"""A whole mimamori on loopback: makes its database, topics, certificates and tenants through the product's own command line,
and starts, kills and stops its processes. The demonstration and the journeys are built on it. Not a part of the product.
"""
import hashlib
import json
import os
import pathlib
import shlex
import shutil
import signal
import struct
import subprocess
import time
import urllib.error
import urllib.request

from parts.base import Failed, free_ports

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ROLES = ["gateway", "correlator", "notifier", "fleet"]
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def wait_until(condition, seconds, what):
    """The value of condition() once it is true; a timeout is a failure that says what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"after {seconds} s still not so: {what}")
        time.sleep(0.05)


def read_env(file):
    """The stack's env file: NAME=value lines, quoted for a shell."""
    return dict(word.split("=", 1) for word in shlex.split(pathlib.Path(file).read_text()))


def http(url, timeout=5):
    """Status and body; status 0 where nobody answers."""
    try:
        with NO_PROXY.open(url, timeout=timeout) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


class Service:
    """One installation in `folder`, on the stack whose environment `stack` is."""

    def __init__(self, folder, stack, bin_dir, agent_dir=None, database="mimamori", topic_prefix="mimamori", window_ms=3_600_000,
                 partitions=4, ports=None):
        self.dir = pathlib.Path(folder).resolve()
        self.stack = stack
        self.bin = pathlib.Path(bin_dir).resolve()
        self.agent_bin = pathlib.Path(agent_dir or self.bin.parent / "appliance-agent").resolve() / "mimamori-agent"
        self.database = database
        self.clock_file = self.dir / "clock"
        names = ["gateway_rpc", *ROLES]
        self.ports = ports or dict(zip(names, free_ports(len(names))))
        self.topics = topic_prefix
        self.window_ms = window_ms
        self.partitions = partitions
        # Services on one stack are told apart by their bounce address; the mailbox keeps a Maildir for each.
        self.bounce_address = f"bounce-{hashlib.sha256(database.encode()).hexdigest()[:8]}@otasuke.example"
        self.bounces = pathlib.Path(stack["MIMAMORI_BOUNCE_FOLDER"]) / self.bounce_address
        self.processes = {}
        self.agents = {}

    # --- making it -----------------------------------------------------------------------------------------------------

    def prepare(self, tenants, packs=(ROOT / "packs" / "mimamori-2020.yaml",), mail_texts=(ROOT / "packs" / "mail-texts-2026.yaml",),
                steered_clock=False):
        """Everything up to the point where processes can start. `tenants` is YAML text for `admin apply`."""
        for name in ("secrets", "log", "agents", "state"):
            (self.dir / name).mkdir(parents=True, exist_ok=True)
        for name in ("tmp", "new", "cur"):
            (self.bounces / name).mkdir(parents=True, exist_ok=True)
        if steered_clock and not self.clock_file.exists():
            self.steer(0)
        self.write_config(steered_clock)
        (self.dir / "tenants.yaml").write_text(tenants)
        self.admin("database", "create", "--superuser-password-file", self.stack["MIMAMORI_POSTGRES_SUPERUSER_PASSWORD_FILE"])
        self.admin("database", "migrate")
        self.admin("topics", "create")
        if not (self.dir / "ca" / "ca.key").exists():
            self.admin("ca", "create", "--out", self.dir / "ca")
        if not (self.dir / "gateway" / "gateway.key").exists():
            self.admin("ca", "issue-gateway", "--ca", self.dir / "ca", "--name", "localhost", "--name", "127.0.0.1", "--out", self.dir / "gateway")
        self.admin("apply", self.dir / "tenants.yaml")
        for pack in packs:
            self.admin("pack", "load", pack)
        for texts in mail_texts:
            self.admin("mail-texts", "load", texts)

    def write_config(self, steered_clock):
        clock = f'\n[clock]\nfile = "{self.clock_file}"\n' if steered_clock else ""
        s = self.stack
        (self.dir / "mimamori.toml").write_text(f"""\
[postgres]
host = "{s['MIMAMORI_POSTGRES_HOST']}"
port = {s['MIMAMORI_POSTGRES_PORT']}
database = "{self.database}"
password_directory = "{self.dir}/secrets"

[kafka]
bootstrap = "{s['MIMAMORI_KAFKA_BOOTSTRAP']}"
batches_topic = "{self.topics}.batches"
progress_topic = "{self.topics}.progress"
presence_topic = "{self.topics}.presence"
partitions = {self.partitions}

[gateway]
listen = "127.0.0.1:{self.ports['gateway_rpc']}"
certificate_file = "{self.dir}/gateway/gateway.pem"
key_file = "{self.dir}/gateway/gateway.key"
ca_file = "{self.dir}/ca/ca.pem"

[notifier]
window_ms = {self.window_ms}
from_address = "soc@otasuke.example"
bounce_address = "{self.bounce_address}"
bounce_maildir = "{self.bounces}"
operator_address = "operator@otasuke.example"
message_id_domain = "otasuke.example"
poll_ms = 100

[smtp]
host = "{s['MIMAMORI_SMTP_HOST']}"
port = {s['MIMAMORI_SMTP_PORT']}
user = "{s['MIMAMORI_SMTP_USER']}"
password_file = "{s['MIMAMORI_SMTP_PASSWORD_FILE']}"
ca_file = "{s['MIMAMORI_SMTP_CA_FILE']}"
{clock}""")

    def admin(self, *arguments):
        command = [str(self.bin / "mimamori"), "admin", "--config", str(self.dir / "mimamori.toml"), *map(str, arguments)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=self.clean_environment())
        if done.returncode != 0:
            raise Failed(f"mimamori admin {' '.join(map(str, arguments))}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def add_agent(self, utm_id, sources):
        """Certificate, configuration and folders of one appliance's agent. `sources` is a list of (type, path), or of
        (type, "udp://address:port")."""
        home = self.dir / "agents" / utm_id
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "agent.key").exists():
            self.admin("certificate", "issue", "--ca", self.dir / "ca", "--utm-id", utm_id, "--out", home)
        blocks = "".join(f'\n[[source]]\nid = "source-{i}"\ntype = "{kind}"\n{"listen" if "://" in str(where) else "path"} = "{where}"\n'
                         for i, (kind, where) in enumerate(sources))
        (home / "agent.toml").write_text(f"""\
state_dir = "{home}"
appliance_model = "demonstration"

[gateway]
addresses = ["localhost:{self.ports['gateway_rpc']}"]
certificate_file = "{home}/agent.pem"
key_file = "{home}/agent.key"
ca_file = "{home}/ca.pem"
reconnect_first_ms = 100
reconnect_longest_ms = 2000
{blocks}""")
        self.agents[utm_id] = home
        return home

    # --- processes -----------------------------------------------------------------------------------------------------

    @staticmethod
    def clean_environment():
        """Without the stack's variables: a program of ours takes MIMAMORI_<SECTION>_<KEY> for settings and refuses unknown ones."""
        return {name: value for name, value in os.environ.items() if not name.startswith("MIMAMORI_")}

    def spawn(self, name, command):
        env = self.clean_environment()
        if self.clock_file.exists():
            env["MIMAMORI_CLOCK_FILE"] = str(self.clock_file)
        with open(self.dir / "log" / f"{name}.log", "ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True)
        self.processes[name] = process
        (self.dir / "state" / f"{name}.pid").write_text(str(process.pid))
        return process

    def start_role(self, role, name=None, *sets):
        name = name or role
        command = [str(self.bin / "mimamori"), role, "--config", str(self.dir / "mimamori.toml"),
                   "--set", f"observability.listen=127.0.0.1:{self.ports[name]}"]
        for value in sets:
            command += ["--set", value]
        self.spawn(name, command)

    def start_agent(self, utm_id):
        self.spawn(f"agent-{utm_id}", [str(self.agent_bin), "--config", str(self.agents[utm_id] / "agent.toml")])

    def wait_ready(self, name, seconds=60):
        def ready():
            if self.processes[name].poll() is not None:
                raise Failed(f"{name} ended with {self.processes[name].returncode}:\n{self.log_tail(name)}")
            return http(f"http://127.0.0.1:{self.ports[name]}/ready")[0] == 200
        try:
            wait_until(ready, seconds, f"{name} is ready")
        except Failed as failure:
            raise Failed(f"{failure}\n{http('http://127.0.0.1:%d/ready' % self.ports[name])[1].decode()}\n{self.log_tail(name)}") from None

    def log_tail(self, name, lines=15):
        return "\n".join((self.dir / "log" / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])

    def start(self, roles=ROLES):
        for role in roles:
            self.start_role(role)
        for role in roles:
            self.wait_ready(role)
        for utm_id in self.agents:
            self.start_agent(utm_id)

    def kill(self, name):
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self, seconds=30):
        """Agents first, so that nothing is under way when the services go."""
        for name in sorted(self.processes, key=lambda n: not n.startswith("agent-")):
            self.processes[name].send_signal(signal.SIGTERM)
        codes = {}
        for name, process in self.processes.items():
            try:
                codes[name] = process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = "killed after the time to drain"
        self.processes = {}
        return codes

    # --- looking and steering ------------------------------------------------------------------------------------------

    def steer(self, offset_us):
        """Sets the service's clock to real time plus the offset, in place: the file is mapped by the processes."""
        with open(self.clock_file, "r+b" if self.clock_file.exists() else "w+b") as file:
            file.write(struct.pack("=q", offset_us))

    def sql(self, query):
        """Rows as lists of text, as the superuser."""
        env = dict(os.environ, PGPASSWORD=pathlib.Path(self.stack["MIMAMORI_POSTGRES_SUPERUSER_PASSWORD_FILE"]).read_text().strip())
        done = subprocess.run(["psql", "-h", self.stack["MIMAMORI_POSTGRES_HOST"], "-p", self.stack["MIMAMORI_POSTGRES_PORT"], "-U", "postgres",
                               "-d", self.database, "-X", "-At", "-F", "\x1f", "-R", "\x1e", "-v", "ON_ERROR_STOP=1", "-c", query],
                              env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"{query}: {done.stderr}")
        rows = done.stdout.rstrip("\n")
        return [row.split("\x1f") for row in rows.split("\x1e")] if rows else []

    def number(self, query):
        return int(self.sql(query)[0][0])

    def mails(self, address=None):
        """What arrived in the mailbox, as the bytes of each mail."""
        listed = json.loads(http(self.stack["MIMAMORI_MAILBOX_URL"] + "/email")[1] or b"[]")
        wanted = [m for m in listed if address is None or any(to["address"] == address for to in m["envelope"]["to"])]
        return [http(f"{self.stack['MIMAMORI_MAILBOX_URL']}/email/{m['id']}/source")[1] for m in wanted]

    def destroy(self):
        shutil.rmtree(self.dir, ignore_errors=True)
