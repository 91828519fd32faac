"""Firewalls send syslog over real sockets, and each of their lines becomes exactly its row, its roll-up or nothing."""
import json
import socket
import unittest

from journey import ONE, Journey, detection, wait_until
from parts.base import free_ports

SONICWALL = '<129>id=firewall sn=00401000A0B0 time="2026-04-08 10:39:40" fw=203.0.113.1 pri=1 c=32 '
FORTIGATE = '<185>date=2026-04-08 time=10:39:40 devname="FG" eventtime=1775612380000000000 tz="+0900" '
SEEN = "2026-04-08 01:39:40+00"

# A line and its row: name, function, action, direction, severity, mailable, ends, MAC; numbers as in domain/detection.h. None: no row.
OVER_UDP = [
    (SONICWALL + 'm=609 msg="IPS Prevention Alert: JSIG-RAT GHOST-Activity-9" sid=90210 ipspri=1 src=192.168.10.23:49731:X0 '
     'dst=203.0.113.45:443:X1 srcMac=00:00:5e:00:53:17 dstMac=00:00:5e:00:53:fe proto=tcp/https fw_action="drop"',
     ["JSIG-RAT GHOST-Activity-9", "1", "1", "2", "3", "t", "192.168.10.23", "49731", "203.0.113.45", "443", "00-00-5E-00-53-17"]),
    (SONICWALL + 'm=1201 msg="Suspected Botnet responder blocked" src=192.168.10.24:50000:X0 dst=203.0.113.46:80:X1 srcMac=00-00-5e-00-53-24',
     ["Suspected Botnet responder blocked", "3", "1", "2", "2", "t", "192.168.10.24", "50000", "203.0.113.46", "80", "00-00-5E-00-53-24"]),
    (SONICWALL + 'm=14 msg="Web site access denied" src=192.168.10.25:50001:X0 dst=203.0.113.47:443:X1 dstname=bet.example arg=/ Category="Gambling"',
     ["Gambling", "4", "1", "2", "0", "f", "192.168.10.25", "50001", "203.0.113.47", "443", ""]),
    (SONICWALL + 'm=14 msg="Web site access denied" src=192.168.10.25:50001:X0 dst=203.0.113.47:80:X1 dstname=ads.example arg=/ Category="Advertisement"', None),
    (SONICWALL + 'm=537 msg="Connection Closed" src=192.168.10.25:50001:X0 dst=203.0.113.47:443:X1', None),
    ("nobody's line", None),
]
OVER_TCP = [
    (FORTIGATE + 'type="utm" subtype="virus" action="blocked" service="HTTP" srcip=192.168.10.31 srcport=60446 dstip=203.0.113.7 dstport=80 '
     'srcmac="00:00:5e:00:53:21" proto=6 direction="incoming" filename="invoice.exe" virus="EICAR_TEST_FILE" virusid=2172',
     ["EICAR_TEST_FILE", "2", "1", "1", "1", "t", "203.0.113.7", "80", "192.168.10.31", "60446", "00-00-5E-00-53-21"]),
    (FORTIGATE + 'type="utm" subtype="webfilter" eventtype="ftgd_blk" action="blocked" service="HTTPS" srcip=192.168.10.32 srcport=52011 dstip=203.0.113.8 '
     'dstport=443 proto=6 hostname="bad.example" url="https://bad.example/a" cat=26 catdesc="Malicious Websites"',
     ["https://bad.example/a", "3", "1", "2", "2", "t", "192.168.10.32", "52011", "203.0.113.8", "443", ""]),
    (FORTIGATE + 'type="traffic" subtype="forward" action="accept" srcip=192.168.10.32 dstip=203.0.113.8', None),
]


class SyslogJourney(Journey):
    def test_two_firewalls(self):
        udp, tcp = free_ports(2)
        self.service.add_agent(ONE, [("native", self.lines[ONE]), ("sonicwall", f"udp://127.0.0.1:{udp}"), ("fortigate", f"tcp://127.0.0.1:{tcp}")])
        with open(self.service.agents[ONE] / "agent.toml", "a") as config:
            config.write('allow = ["127.0.0.1"]\n')
        self.service.start()
        self.write(ONE, detection(function="apg", action="logged", source_ip="192.168.10.31", destination_ip="203.0.113.80", application="Dropbox"))
        self.wait_for_entries(1)  # the agent runs, and has opened its sources
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            for line, _ in OVER_UDP:
                datagrams.sendto(line.encode(), ("127.0.0.1", udp))
        with socket.create_connection(("127.0.0.1", tcp)) as counted:
            counted.sendall("".join(f"{len(line.encode())} {line}" for line, _ in OVER_TCP).encode())
        self.wait_for_entries(1 + 3 + 1 + 1 + 2)

        rows = self.service.sql("select name, function, action, direction, severity, mailable, source_ip, source_port, destination_ip, destination_port, "
                                "lan_mac from detections where source_format <> 'native'")
        self.assertEqual(sorted(rows), sorted(row for _, row in OVER_UDP + OVER_TCP if row))
        self.assertEqual(self.service.sql("select distinct to_char(observed_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || '+00' from detections"), [[SEEN]])
        self.assertEqual(self.service.sql("select kind, key, category, count from block_tallies"), [["url", "ads.example", "Advertisement", "1"]])
        self.assertEqual(self.service.sql("select origin, reason from quarantine"),
                         [["rejected", "not a line of SonicWall's enhanced syslog: m= is missing"]])
        self.check_status()
        self.assert_promise_kept()

    def check_status(self):
        file = self.service.agents[ONE] / "status.json"

        def sources():
            return {source["id"]: source for source in json.loads(file.read_text())["sources"]}
        wait_until(lambda: sources()["source-2"]["lines"] == len(OVER_TCP), 30, "the status file tells of every line")
        self.assertEqual(sources()["source-1"]["skipped_kinds"], {"m=537": 1})
        self.assertEqual(sources()["source-1"]["datagrams_lost"], 0)
        self.assertEqual(sources()["source-2"]["skipped_kinds"], {"traffic/forward": 1})


if __name__ == "__main__":
    unittest.main()
