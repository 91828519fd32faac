"""One part of the stack as a process: its files, its ports, how it is started, recognised, ended. Knows no particular part."""
import fcntl
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent.parent  # deploy/dev
BUILD = HERE.parent.parent / "build"
PORT_SECONDS = 10  # for the kernel to take the sockets of a killed process back
LOG_LIMIT_BYTES = 10 * 1024 * 1024


class Failed(Exception):
    """What went wrong and what to do, for the person at the terminal."""


def say(text):
    print(f"stack: {text}", flush=True)


def run(command, what, **options):
    """Runs a program to its end and returns what it printed; its whole complaint is in the failure."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", **options)
    except FileNotFoundError as missing:
        raise Failed(f"{what}: {missing.filename} is not installed; run deploy/dev/install") from missing
    if done.returncode != 0:
        raise Failed(f"{what} failed:\n{(done.stdout + done.stderr).strip()[-2000:]}")
    return done.stdout


def tail(path):
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-15:]) or "(empty)"
    except OSError:
        return "(no log)"


def port_taken(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def free_ports(count):
    """Free ports outside the range from which the kernel takes those of outgoing connections: a client that calls a dead
    part again and again could otherwise get the part's own port and connect to itself, or keep it from its owner."""
    low = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = range(10000, low) if low >= 12000 else range(61000, 65536)
    free = []
    for port in random.sample(candidates, min(2000, len(candidates))):
        if not port_taken(port):
            free.append(port)
        if len(free) == count:
            return free
    raise Failed("no free ports were found")


def locked(path):
    """Holds an exclusive lock on a file until the returned object is closed. Started processes do not inherit it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = open(path, "a")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def command_of(pid):
    """The command line of a living process, None when there is none (a zombie counts as none)."""
    try:
        status = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        if status in "ZX":
            return None
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return None


class Part:
    """name: the part's name. ports: {port name: environment variable}. stop_signal: what ends it well."""
    name = ""
    ports = {}
    stop_signal = signal.SIGTERM
    start_seconds = 60

    def __init__(self, folder, ports):
        self.stack = folder
        self.folder = folder / self.name
        self.port = ports
        self.pid_file = folder / f"{self.name}.pid"
        self.log = folder / "log" / f"{self.name}.log"

    # What a part says of itself.
    def prepare(self):
        """Makes what the start needs, at the first start and whenever it is missing. Returns (command, spawn options)."""
        raise NotImplementedError

    def complaint(self):
        """None when the part does its work, otherwise what it does not do."""
        raise NotImplementedError

    def marker(self):
        """A path that only this part's process has in its command line."""
        return str(self.folder)

    def leftovers(self):
        """Processes that may outlive the main one."""
        return []

    def clear_stale(self):
        """Removes what a killed process would have removed; called when surely none is left."""

    def environment(self):
        return {}

    # What all parts do alike.
    def pid(self):
        """The part's process if it is alive and really ours; a number left over from another time is not."""
        try:
            pid = int(self.pid_file.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None
        command = command_of(pid)
        return pid if command is not None and self.marker() in command else None

    def state(self):
        """None when up, otherwise why not."""
        pid = self.pid()
        if pid is None:
            return "no process"
        complaint = self.complaint()
        return complaint and f"process {pid} is there, but {complaint}"

    def check_ports(self):
        """The first thread of a killed process may be gone before its last one lets go of the port, so a port gets a while."""
        deadline = time.monotonic() + PORT_SECONDS
        for name, variable in self.ports.items():
            while port_taken(self.port[name]):
                if time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                raise Failed(f"{self.name}: port {self.port[name]} is taken by another program. End it, or choose another port with "
                             f"{variable} (a stack that has started before keeps its ports in {self.stack / 'ports'}).")

    def spawn(self):
        command, options = self.prepare()
        self.end(signal.SIGKILL, 10)  # what a killed one left behind
        self.clear_stale()
        self.check_ports()
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with open(self.log, "ab") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd="/",
                                       **options)
        self.pid_file.write_text(f"{process.pid}\n")
        return process

    def wait(self, process):
        """Waits until the part answers; fails at once when its process has ended, with the end of its log."""
        deadline = time.monotonic() + self.start_seconds
        while (complaint := self.complaint()) is not None:
            if process.poll() is not None:
                raise Failed(f"{self.name} ended while starting (status {process.returncode}); the end of {self.log}:\n{tail(self.log)}")
            if time.monotonic() > deadline:
                raise Failed(f"{self.name} does not answer after {self.start_seconds} s: {complaint}; the end of {self.log}:\n"
                             f"{tail(self.log)}")
            time.sleep(0.1)

    def end(self, how, seconds):
        """Ends the process and what belongs to it within twice `seconds`."""
        pid = self.pid()
        for signal_number in (how, signal.SIGKILL):
            main = self.pid()
            for living in [main] if main else self.leftovers():
                self.signal(living, signal_number)
            deadline = time.monotonic() + seconds
            while self.pid() or self.leftovers():
                if time.monotonic() > deadline:
                    break
                if signal_number == signal.SIGKILL:
                    for living in self.leftovers():
                        self.signal(living, signal.SIGKILL)
                self.reap(pid)
                time.sleep(0.05)
            else:
                self.pid_file.unlink(missing_ok=True)
                return
            if signal_number != signal.SIGKILL:
                say(f"{self.name} did not stop within {seconds} s and is killed")
        raise Failed(f"{self.name}: process {pid} cannot be ended, not even by SIGKILL")

    @staticmethod
    def signal(pid, number):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass

    @staticmethod
    def reap(pid):
        try:
            if pid:
                os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass
