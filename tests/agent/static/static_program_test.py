#!/usr/bin/env python3
"""The statically linked agent in a root folder that holds nothing but itself and its settings: it starts there, and finds the gateway's
address in /etc/hosts and by asking a name server. Usage: static_program_test.py AGENT

Runs in a network and user namespace of its own, where port 53 is free; ends with 77 where the system gives nobody such namespaces.
"""
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

HANG_GUARD = 60
NAME = "gateway.example"


def answer(query):
    """The DNS answer: 127.0.0.1 for A questions about NAME, nothing for other types, no such name for other names."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    kind = struct.unpack_from("!H", query, at + 1)[0]
    known = ".".join(labels).lower() == NAME
    records = b"\xc0\x0c" + struct.pack("!HHIH4s", 1, 1, 60, 4, socket.inet_aton("127.0.0.1")) if known and kind == 1 else b""
    return query[:2] + struct.pack("!HHHHH", 0x8180 if known else 0x8183, 1, 1 if records else 0, 0, 0) + query[12:at + 5] + records


def serve_names(server, asked):
    while True:
        query, who = server.recvfrom(4096)
        asked.append(query)
        server.sendto(answer(query), who)


def openssl(*arguments, folder):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def make_root(folder, files):
    """An empty root with the program, a self-signed certificate and settings that name the gateway by NAME."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(HANG_GUARD)
    (folder / "agent").write_bytes(pathlib.Path(AGENT).read_bytes())
    (folder / "agent").chmod(0o755)
    (folder / "etc").mkdir()
    (folder / "state").mkdir(mode=0o700)
    for name, text in files.items():
        (folder / "etc" / name).write_text(text)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem", "-out", "certificate.pem",
            "-subj", "/CN=UTM-0001", "-days", "2", folder=folder)
    (folder / "agent.toml").write_text(f"""\
state_dir = "/state"
[gateway]
addresses = ["{NAME}:{listener.getsockname()[1]}"]
certificate_file = "/certificate.pem"
key_file = "/key.pem"
ca_file = "/certificate.pem"
[[source]]
id = "utm"
type = "native"
path = "/lines.ndjson"
""")
    return listener


class EmptyRoot(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def first_bytes(self, files):
        """What the agent sends first to the gateway that it found."""
        listener = make_root(self.root, files)
        self.addCleanup(listener.close)
        with open(self.root / "log", "w") as log:
            agent = subprocess.Popen(["/agent", "--config", "/agent.toml"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={},
                                     preexec_fn=lambda: (os.chroot(self.root), os.chdir("/")))
        try:
            connection, _ = listener.accept()
            connection.settimeout(HANG_GUARD)
            with connection:
                return connection.recv(4096)
        except TimeoutError:
            self.fail("the agent did not come: " + (self.root / "log").read_text())
        finally:
            agent.terminate()
            self.assertEqual(agent.wait(HANG_GUARD), 0, (self.root / "log").read_text())

    def test_needs_no_library(self):
        headers = subprocess.run(["readelf", "--program-headers", "--dynamic", AGENT], check=True, capture_output=True, text=True).stdout
        self.assertNotIn("INTERP", headers)
        self.assertNotIn("(NEEDED)", headers)
        self.assertIn("DYN", headers)  # its addresses are random

    def test_finds_the_gateway_in_the_hosts_file(self):
        self.assertIn(NAME.encode(), self.first_bytes({"hosts": f"127.0.0.1 {NAME}\n"}))  # the name in the TLS greeting

    def test_finds_the_gateway_by_a_name_server(self):
        asked = []
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 53))
        threading.Thread(target=serve_names, args=(server, asked), daemon=True).start()
        self.assertIn(NAME.encode(), self.first_bytes({"resolv.conf": "nameserver 127.0.0.1\n"}))
        self.assertTrue(asked)


if __name__ == "__main__":
    AGENT = os.path.abspath(sys.argv[1])
    if len(sys.argv) == 2:
        if subprocess.run(["unshare", "--map-root-user", "--net", "true"], capture_output=True).returncode != 0:
            print("this system gives nobody a network of his own", file=sys.stderr)
            sys.exit(77)
        os.execvp("unshare", ["unshare", "--map-root-user", "--net", sys.executable, __file__, AGENT, "inside"])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    unittest.main(argv=sys.argv[:1], verbosity=2)
