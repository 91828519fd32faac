"""A private PostgreSQL 15 cluster. Over TCP every role needs its password; over the private socket the cluster trusts, since
only the cluster's user and root can reach it. PostgreSQL refuses to run as root, so root runs it as user postgres."""
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile

from .base import Failed, Part, run, say

BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
SOCKET_PATH_LIMIT = 107  # of sockaddr_un, in bytes


class Postgres(Part):
    name = "postgres"
    ports = {"postgres": "MIMAMORI_POSTGRES_PORT"}
    stop_signal = signal.SIGINT  # "fast": open transactions are rolled back

    def data(self):
        return (self.folder / "data").resolve()

    def socket(self):
        return (self.folder / "socket").resolve()

    def password_file(self):
        return self.folder / "superuser.password"

    def marker(self):
        return f"\0{self.data()}\0"

    def leftovers(self):
        """Server processes leave the main one's session, but each works in the data folder."""
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(process / "cwd") == str(self.data()) and (process / "exe").resolve().name == "postgres":
                    found.append(int(process.name))
            except OSError:  # gone, or another user's
                continue
        return found

    def prepare(self):
        if not (BIN / "postgres").exists():
            raise Failed(f"postgres: {BIN} is not installed; run deploy/dev/install")
        self.folder.mkdir(mode=0o755, exist_ok=True)
        reachable = True
        if os.getuid() == 0:
            reachable = subprocess.run(["test", "-x", str(self.folder)], **self.as_server()).returncode == 0
        self.make_folder("data", reachable)
        longest = len(os.fsencode(self.folder / "socket" / ".s.PGSQL.65535.lock"))
        self.make_folder("socket", reachable and longest < SOCKET_PATH_LIMIT and not set(str(self.folder)) & set(",\"'"))
        self.make_cluster()
        settings = {"listen_addresses": "127.0.0.1", "port": self.port["postgres"], "unix_socket_directories": self.socket(),
                    "unix_socket_permissions": "0700", "max_connections": 200, "shared_buffers": "256MB", "fsync": "on",
                    "synchronous_commit": "on", "timezone": "UTC", "log_timezone": "UTC", "max_wal_size": "2GB"}
        command = [str(BIN / "postgres"), "-D", str(self.data())]
        for key, value in settings.items():
            command += ["-c", f"{key}={value}"]
        return command, self.as_server()

    @staticmethod
    def as_server():
        """Options of subprocess that make a child run as the server's user."""
        if os.getuid() != 0:
            return {}
        return {"user": "postgres", "group": "postgres", "extra_groups": os.getgrouplist("postgres", pwd.getpwnam("postgres").pw_gid)}

    def make_folder(self, name, reachable):
        """DIR/postgres/<name>, or a link from there to a private folder that the server's user can reach."""
        wanted = self.folder / name
        if wanted.is_dir():
            return
        wanted.unlink(missing_ok=True)  # a link to what somebody removed
        if reachable:
            wanted.mkdir(mode=0o700)
        else:
            wanted.symlink_to(tempfile.mkdtemp(prefix=f"mimamori-{name}-", dir="/var/tmp"))
        if os.getuid() == 0:
            shutil.chown(wanted.resolve(), "postgres", "postgres")

    def make_cluster(self):
        if not self.password_file().exists():
            self.password_file().touch(mode=0o600)
        password = self.password_file().read_text().strip() or secrets.token_hex(24)
        self.password_file().write_text(password + "\n")
        unfinished = self.folder / "initdb.unfinished"
        if (self.data() / "PG_VERSION").exists() and not unfinished.exists():
            return
        say("postgres: making a cluster")
        unfinished.touch()
        for entry in self.data().iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        with tempfile.TemporaryDirectory(prefix="mimamori-initdb-") as folder:
            handed = pathlib.Path(folder) / "password"
            handed.touch(mode=0o600)
            handed.write_text(password)
            if os.getuid() == 0:
                for path in (handed, folder):
                    shutil.chown(path, "postgres", "postgres")
            run([str(BIN / "initdb"), "-D", str(self.data()), "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
                 "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={handed}"], "initdb", cwd="/", **self.as_server())
        unfinished.unlink()

    def complaint(self):
        """A login over TCP with the password, and a query."""
        env = {"PATH": os.environ["PATH"], "PGPASSWORD": self.password_file().read_text().strip(), "PGPASSFILE": "/dev/null",
               "PGCONNECT_TIMEOUT": "3"}
        done = subprocess.run([str(BIN / "psql"), "-X", "-h", "127.0.0.1", "-p", str(self.port["postgres"]), "-U", "postgres",
                               "-d", "postgres", "-Atqc", "select 1"], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return None if done.stdout == "1\n" else f"a query fails: {done.stderr.strip()}"

    def clear_stale(self):
        """A lock names a process number; another program may have that number by now, and the server would not start."""
        for lock in (self.data() / "postmaster.pid", self.socket() / f".s.PGSQL.{self.port['postgres']}.lock"):
            lock.unlink(missing_ok=True)

    def remove_private_folders(self):
        for name in ("data", "socket"):
            link = self.folder / name
            if link.is_symlink() and link.resolve().name.startswith(f"mimamori-{name}-"):
                shutil.rmtree(link.resolve(), ignore_errors=True)

    def environment(self):
        return {"MIMAMORI_POSTGRES_HOST": "127.0.0.1", "MIMAMORI_POSTGRES_PORT": self.port["postgres"],
                "MIMAMORI_POSTGRES_SOCKET": self.socket(),
                "MIMAMORI_POSTGRES_SUPERUSER_PASSWORD_FILE": self.password_file()}
