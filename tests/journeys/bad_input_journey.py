"""Bad input beside good: what the first customer's appliance, its network, the relay or a stranger do wrong is said, and takes nothing
from the second customer or from what was spooled. What needs no whole service is tested nearer to the code; tests/README.md says where."""
import json
import os
import resource
import socket
import unittest
from datetime import datetime, timedelta, timezone

from faults.proxy import Proxy
from journey import KNOWN, ONE, ROLES, TWO, Journey, detection, wait_until
from parts.base import free_ports

RAT = {"function": "ips", "action": "blocked", "source_port": 49731, "destination_ip": "203.0.113.45", "destination_port": 443,
       "threat_name": "JSIG-RAT GHOST-Activity-9", "vendor_priority": 1}
HOSTILE = "http://infopicked.com/aS/<img src=x onerror=alert(1)>\r\nBcc: all@example.com"
BIG = 10 << 20


def plain(n, utm_id=ONE, **fields):
    """A line that can be told apart by its port and is never mailed."""
    return detection(**{"function": "uf", "action": "logged", "source_ip": f"192.168.{utm_id[0]}0.30", "source_port": n, "destination_ip": "203.0.113.77",
                        "destination_port": 443, "destination_host": "auction.example", "category": "オークション", **fields})


class BadInput(Journey):
    def ports_of(self, utm_id):
        return [int(port) for port, in self.service.sql("select source_port from detections d join appliances a on a.id = d.appliance_id "
                                                        f"where utm_id = '{utm_id}' and function = 4 order by 1")]

    def status(self, utm_id):
        return json.loads((self.service.agents[utm_id] / "status.json").read_text())

    def log(self, name):
        return (self.service.dir / "log" / f"{name}.log").read_text(errors="replace")

    def restart_agent(self, while_down):
        """What happens to the first agent's log while it is down."""
        self.service.kill(f"agent-{ONE}")
        while_down()
        self.service.start_agent(ONE)

    def test_lines_and_files(self):
        self.service.start()
        file = self.lines[ONE]
        with open(file, "ab") as out:
            for line in (b"this is no JSON\n", b"\xff\xfe\x00\x80\n", b'{"type":"detection","function":"ips",\n', b'{"type":"nonsense"}\n',
                         b'{"type":"detection","file_name":"' + b"x" * BIG + b'"}\n', b"y" * BIG + b"\n",
                         plain(1).encode().replace("オークション".encode(), b"\xff\xfe auction"),
                         plain(2, observed_at="1970-01-01T00:00:01Z").encode(), plain(3, observed_at="2038-01-19T03:14:08Z").encode(),
                         detection(function="wg", action="blocked", source_ip="192.168.10.31", destination_ip="203.0.113.8", destination_port=80,
                                   lan_mac="00-00-5E-00-53-21", destination_host="infopicked.com", url=HOSTILE, observed_at="1970-01-01T00:00:01Z").encode()):
                out.write(line)
        self.write(TWO, KNOWN[0][0].replace("192.168.10.", "192.168.20."), plain(1, TWO))
        self.wait_for_entries(10 + 2)
        self.assertEqual(self.service.sql("select reason, count(*) from quarantine group by 1 order by 1"),
                         [["broken off: the line or the file ends inside the object", "1"], ["longer than 1048576 bytes", "2"],
                          ["not a JSON object: the line does not begin with a brace", "2"], ["type must be one of: detection, block", "1"]])
        self.write(ONE, plain(10))
        self.wait_for_entries(13)
        self.restart_agent(self.rotate)
        self.wait_for_entries(14)
        self.restart_agent(self.truncate)
        self.wait_for_entries(16)
        self.restart_agent(self.replace)
        self.wait_for_entries(17)
        wait_until(lambda: "is gone" in self.status(ONE)["sources"][0]["last_trouble"], 30, "the agent says that a file it had not left is gone")
        self.assertEqual(self.ports_of(ONE), [1, 2, 3, 10, 11, 12, 13, 14])
        self.assertEqual(self.ports_of(TWO), [1])
        self.assertEqual(self.service.sql("select extract(year from observed_at), count(*) from detections group by 1 order by 1"),
                         [["1970", "2"], ["2026", "8"], ["2038", "1"]])
        self.assertEqual(self.service.sql("select count(*) from alarms where kind = 'clock_skew' and closed_at is null"), [["1"]])
        self.close_the_hour()
        self.check_hostile_mail()
        self.assertEqual([mail["Subject"].count("★") for mail in self.mails("owner@tameshi.example")], [3])
        self.assert_promise_kept()

    def rotate(self):
        self.lines[ONE].rename(f"{self.lines[ONE]}.1")
        self.write(ONE, plain(11))

    def truncate(self):
        os.truncate(self.lines[ONE], 0)
        self.write(ONE, plain(12), plain(13))

    def replace(self):
        self.lines[ONE].unlink()
        self.write(ONE, plain(14))

    def check_hostile_mail(self):
        """Of the URL only the host is quoted, and a clock in 1970 does not date the mail."""
        mail, = self.mails("owner@mihon.example")
        self.assertIsNone(mail["Bcc"])
        text, page = (mail.get_body((kind,)).get_content().replace("\r\n", "\n") for kind in ("plain", "html"))
        self.assertRegex(text, r"\nアラート種別：infopicked\[\.\]com\n")
        self.assertNotIn("all@example", text + page)
        self.assertRegex(text, r"\n検知日時：2026年4月8日（水）10:4\d:\d\d")
        self.assertNotIn("<img", page)
        self.assertNotIn('href="http://infopicked', page)

    # --- connections -----------------------------------------------------------------------------------------------------

    def link(self, name, target):
        port, = free_ports(1)
        return port, self.proxy.add(name, port, target)

    def edit(self, file, old, new):
        text = file.read_text()
        self.assertIn(old, text)
        file.write_text(text.replace(old, new, 1))

    def start_agent_at(self, utm_id, when):
        """With a clock of its own."""
        clock, self.service.clock_file = self.service.clock_file, self.service.dir / f"clock-{utm_id}"
        self.service.steer(int((when - datetime.now(timezone.utc)) / timedelta(microseconds=1)))
        self.service.start_agent(utm_id)
        self.service.clock_file = clock

    def test_connections_clocks_and_relay(self):
        self.proxy = Proxy()
        self.addCleanup(self.proxy.stop)
        config, gateway = self.service.dir / "mimamori.toml", self.service.ports["gateway_rpc"]
        smtp_port, self.relay = self.link("smtp", int(self.service.stack["MIMAMORI_SMTP_PORT"]))
        self.edit(config, f"port = {self.service.stack['MIMAMORI_SMTP_PORT']}", f"port = {smtp_port}\ntotal_timeout_ms = 4000")
        self.edit(config, "[gateway]\n", "[gateway]\nkeepalive_time_ms = 1000\nkeepalive_timeout_ms = 1000\nprobe_interval_ms = 200\nrevocation_interval_ms = 200\n")
        agent_port, self.line = self.link("agent", gateway)
        self.edit(self.service.agents[ONE] / "agent.toml", f"localhost:{gateway}", f"localhost:{agent_port}")
        for role in ROLES:
            self.service.start_role(role)
        for role in ROLES:
            self.service.wait_ready(role)
        self.clocks_of_1970_and_2038()
        self.a_line_that_dies_unnoticed()
        self.no_descriptor_left()
        self.a_relay_that_never_answers()
        self.assert_promise_kept()
        codes = self.service.stop()
        self.assertEqual(set(codes.values()), {0}, codes)

    def clocks_of_1970_and_2038(self):
        """Appliances whose clocks are wrong: their times are kept as they are, and the mail goes by the gateway's clock."""
        epoch, end = datetime(1970, 1, 2, tzinfo=timezone.utc), datetime(2038, 1, 19, 3, 14, 30, tzinfo=timezone.utc)
        self.start_agent_at(ONE, epoch)
        self.start_agent_at(TWO, end)
        self.write(ONE, detection(**RAT, source_ip="192.168.10.23", observed_at="1970-01-02T00:00:00Z"))
        self.write(TWO, detection(**RAT, source_ip="192.168.20.23", observed_at="2038-01-19T03:14:07Z"),
                   detection(**RAT, source_ip="192.168.20.23", observed_at="2038-01-19T03:14:08Z"))
        self.wait_for_entries(3)
        self.assertEqual(self.service.sql("select extract(year from observed_at), abs(extract(epoch from received_at - corrected_at)) < 60, count(*) "
                                          "from detections group by 1, 2 order by 1"), [["1970", "t", "1"], ["2038", "t", "2"]])
        self.assertEqual(self.service.sql("select count(*) from alarms where kind = 'clock_skew' and closed_at is null"), [["2"]])

    def a_line_that_dies_unnoticed(self):
        """Half-open: nothing arrives and nobody is told. The gateway lets go of it, and the neighbour is served all the while."""
        self.line.held = True
        self.write(ONE, plain(20))
        self.write(TWO, plain(20, TWO))
        wait_until(lambda: "session_closed" in self.log("gateway"), 30, "the gateway ends a connection whose other end is silent")
        wait_until(lambda: self.ports_of(TWO) == [20], 30, "the neighbour's line is stored")
        self.assertEqual(self.ports_of(ONE), [])
        self.line.held = False
        wait_until(lambda: self.ports_of(ONE) == [20], 30, "what was spooled meanwhile is stored")

    def no_descriptor_left(self):
        """Strangers take every descriptor of the gateway: who is connected notices nothing, and the others wait until the silent strangers
        have had their time. The gateway is full, not dead."""
        process = self.service.processes["gateway"]
        used = len(os.listdir(f"/proc/{process.pid}/fd"))
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used + 20, used + 20))
        strangers = [socket.create_connection(("127.0.0.1", self.service.ports["gateway_rpc"])) for _ in range(60)]
        wait_until(lambda: "no connection can be taken now: Too many open files" in self.log("gateway"), 30, "the gateway says that it is full")
        self.write(ONE, plain(30))
        wait_until(lambda: self.ports_of(ONE) == [20, 30], 30, "a connected agent is served as ever")
        self.service.kill(f"agent-{TWO}")
        self.write(TWO, plain(30, TWO))
        self.service.start_agent(TWO)
        wait_until(lambda: self.ports_of(TWO) == [20, 30], 120, "an agent that comes back is let in, though nobody has hung up")
        self.assertIsNone(process.poll())
        self.assertNotIn('"listener_dead"', self.log("gateway"))
        for stranger in strangers:
            stranger.close()
        self.service.kill("gateway")
        self.few_descriptors()

    def few_descriptors(self):
        """A gateway that may open few files takes few agents; one that may open too few does not start, and says what to set."""
        spawn = self.service.spawn
        for limit in (200, 300):
            self.service.spawn = lambda name, command: spawn(name, ["prlimit", f"--nofile={limit}:{limit}", *command])
            self.service.start_role("gateway")
            if limit == 200:
                self.assertNotEqual(self.service.processes["gateway"].wait(30), 0)
                self.assertIn("set LimitNOFILE", self.log("gateway"))
        self.service.spawn = spawn
        self.service.wait_ready("gateway")
        self.assertIn('"max_streams":44', self.log("gateway"))

    def a_relay_that_never_answers(self):
        """Mails wait with an alarm, everything else goes on; then the relay is only slow, and each mail arrives once."""
        self.relay.held = True
        self.steer_to_next_hour()
        wait_until(lambda: self.service.number("select count(*) from outbox where attempts = 1 and state = 'pending'") == 3, 60,
                   "each mail was tried once")
        self.service.sql("update outbox set first_attempt_at = now() - interval '16 minutes', next_attempt_at = now()")
        wait_until(lambda: self.service.number("select count(*) from alarms where kind = 'relay_slow' and closed_at is null") == 1, 60,
                   "an alarm says that the relay is slow")
        self.write(TWO, plain(40, TWO))
        wait_until(lambda: self.ports_of(TWO) == [20, 30, 40], 30, "detections are stored all the while")
        self.assertEqual(self.mails("owner@mihon.example") + self.mails("owner@tameshi.example"), [])
        self.relay.bytes_per_s = 30_000
        self.relay.held = False
        self.service.sql("update outbox set next_attempt_at = now() where state = 'pending'")
        self.close_the_hour()
        for address in ("owner@mihon.example", "office@mihon.example", "owner@tameshi.example"):
            mail, = self.mails(address)
            self.assertRegex(mail.get_body(("plain",)).get_content(), r"(2026年4月8日（水）|8 April 2026, )10:[34]\d:\d\d")
        self.assertEqual(self.service.number("select count(*) from alarms where kind = 'relay_slow' and closed_at is null"), 0)


if __name__ == "__main__":
    unittest.main()
