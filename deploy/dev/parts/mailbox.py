"""A mail relay that asks for STARTTLS and a password, before a mailbox with a web page. See ../mailbox/mailbox.js."""
import hashlib
import os
import secrets
import shutil
import socket
import urllib.request

from .base import BUILD, HERE, Part, locked, run, say

SOURCES = ("package.json", "package-lock.json", ".npmrc")


class Mailbox(Part):
    name = "mailbox"
    ports = {"smtp": "MIMAMORI_SMTP_PORT", "mailbox": "MIMAMORI_MAILBOX_PORT"}

    def password_file(self):
        return self.folder / "relay.password"

    def certificate_file(self):
        return self.folder / "relay.crt"

    def prepare(self):
        modules = fetch_modules()
        (self.folder / "mails").mkdir(parents=True, exist_ok=True)
        if not self.password_file().exists():
            self.password_file().touch(mode=0o600)
        if not self.password_file().read_text().strip():
            self.password_file().write_text(secrets.token_hex(24) + "\n")
        if not self.certificate_file().exists():
            run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
                 "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                 "-keyout", str(self.folder / "relay.key"), "-out", str(self.certificate_file())], "making the relay's certificate")
        command = ["node", str(HERE / "mailbox" / "mailbox.js"), str(self.folder), str(self.port["smtp"]), str(self.port["mailbox"])]
        return command, {"env": {"PATH": os.environ["PATH"], "NODE_PATH": str(modules / "node_modules"), "HOME": str(self.folder)}}

    def marker(self):
        return f"\0{self.folder}\0"

    def complaint(self):
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(self.url() + "/healthz", timeout=3) as reply:
                if reply.status != 200:
                    return f"the web page answers {reply.status}"
        except OSError as error:
            return f"{self.url()} does not answer: {error}"
        try:
            with socket.create_connection(("127.0.0.1", self.port["smtp"]), timeout=3) as link:
                return None if link.makefile("rb").readline().startswith(b"220") else "the relay does not greet"
        except OSError as error:
            return f"the relay on port {self.port['smtp']} does not answer: {error}"

    def url(self):
        return f"http://127.0.0.1:{self.port['mailbox']}"

    def environment(self):
        return {"MIMAMORI_SMTP_HOST": "127.0.0.1", "MIMAMORI_SMTP_PORT": self.port["smtp"], "MIMAMORI_SMTP_USER": "mimamori",
                "MIMAMORI_SMTP_PASSWORD_FILE": self.password_file(), "MIMAMORI_SMTP_CA_FILE": self.certificate_file(),
                "MIMAMORI_MAILBOX_URL": self.url(), "MIMAMORI_BOUNCE_FOLDER": self.folder / "bounces"}


def fetch_modules():
    """The folder with the npm packages of the lock file; fetched once, shared by all stacks of this checkout."""
    source, modules = HERE / "mailbox", BUILD / "mailbox"
    wanted = hashlib.sha256(b"".join((source / name).read_bytes() for name in SOURCES)).hexdigest()
    with locked(BUILD / "mailbox.lock"):
        done = modules / ".complete"
        if not done.exists() or done.read_text() != wanted:
            say("mailbox: fetching its npm packages")
            shutil.rmtree(modules, ignore_errors=True)
            modules.mkdir()
            for name in SOURCES:
                shutil.copy(source / name, modules / name)
            run(["npm", "ci", "--no-progress", "--ignore-scripts"], "npm ci", cwd=modules)
            done.write_text(wanted)
    return modules
