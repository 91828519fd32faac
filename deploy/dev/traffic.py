"""What the demonstration's appliances see, and how their agents get it: lines in the service's own format through a file, a SonicWall's
syslog as datagrams, a FortiGate's over TCP. Made up; addresses and names are documentation's. Not a load generator (bench/).
"""
import json
import socket
from datetime import datetime, timedelta, timezone

JST = timezone(timedelta(hours=9))


def line(**fields):
    record = {"type": "detection", "observed_at": datetime.now(JST).isoformat(timespec="milliseconds"), "protocol": "TCP", **fields}
    return json.dumps(record, ensure_ascii=False) + "\n"


def remote_control(lan):
    return line(function="ips", action="blocked", source_ip=f"{lan}.23", source_port=49731, destination_ip="203.0.113.45", destination_port=443,
                lan_mac="00-00-5E-00-53-17", threat_name="JSIG-RAT GHOST-Activity-9", threat_id="90210", vendor_priority=1)


def native(lan, dice):
    """One line of an ordinary minute."""
    host = dice.randint(10, 60)
    mac = f"00-00-5E-00-53-{host:02X}"
    outside = f"198.51.100.{dice.randint(1, 254)}"
    kinds = [
        lambda: line(function="ips", action="blocked", source_ip=outside, source_port=dice.randint(1024, 65535), destination_ip=f"{lan}.{host}",
                     destination_port=80, lan_mac=mac, threat_name="JSIG-WEB SQL-Union-ALL-Select-1", threat_id="70123", vendor_priority=2),
        lambda: line(function="av", action="rewritten", source_ip=outside, source_port=110, destination_ip=f"{lan}.{host}",
                     destination_port=dice.randint(49152, 65535), lan_mac=mac, virus_name="Trojan.MSOffice.SAgent.4", virus_id="8812",
                     file_name="請求書<b>.doc", mail_subject="【重要】ご確認ください", mail_date="Wed, 8 Apr 2026 14:05:31 +0900"),
        lambda: line(function="ips", action="blocked", source_ip=f"{lan}.{host}", source_port=dice.randint(49152, 65535), destination_ip=f"{lan}.1",
                     destination_port=80, lan_mac=mac, threat_name="HTTP Basic Auth Default Password Login attempt (admin)-2", vendor_priority=3),
        lambda: line(function="wg", action="blocked", source_ip=f"{lan}.{host}", source_port=dice.randint(49152, 65535), destination_ip=outside,
                     destination_port=80, lan_mac=mac, destination_host="infopicked.com", url="http://infopicked.com/aS/feedclick"),
        lambda: line(function="uf", action="logged", source_ip=f"{lan}.{host}", destination_ip=outside, destination_port=443, lan_mac=mac,
                     destination_host="auction.example", category="オークション"),
        lambda: line(function="apg", action="logged", source_ip=f"{lan}.{host}", destination_ip=outside, destination_port=443, lan_mac=mac,
                     application="file sharing", category="ファイル共有"),
    ]
    blocked = json.dumps({"type": "block", "kind": "url", "key": f"ads{dice.randint(1, 20)}.example", "category": "広告",
                          "observed_at": datetime.now(JST).isoformat(timespec="milliseconds")}, ensure_ascii=False) + "\n"
    return dice.choices([dice.choice(kinds)(), blocked], weights=[1, 3])[0]


def sonicwall(lan, dice):
    """Enhanced syslog. Of what a SonicWall says most is no detection: closed connections are skipped, advertisements rolled up."""
    host = dice.randint(10, 60)
    device, outside = f"{lan}.{host}:{dice.randint(49152, 65535)}:X0", f"198.51.100.{dice.randint(1, 254)}"
    goes_out = f'src={device} dst={outside}:443:X1 srcMac=00:00:5e:00:53:{host:02x} dstMac=00:00:5e:00:53:fe proto=tcp/https'
    comes_in = f'src={outside}:{dice.randint(1024, 65535)}:X1 dst={lan}.{host}:80:X0 srcMac=00:00:5e:00:53:fe dstMac=00:00:5e:00:53:{host:02x} proto=tcp/http'
    event = dice.choice([
        f'm=609 msg="IPS Prevention Alert: WEB-ATTACKS Apache Struts OGNL Expression, SID: 12345, Priority: Medium" sid=12345 ipscat=WEB-ATTACKS ipspri=2 {comes_in}',
        f'm=809 msg="Gateway Anti-Virus Alert: XPACK.A_7854 (Trojan) blocked." {comes_in}',
        f'm=82 msg="Possible port scan detected" {comes_in} note="TCP scanned port list, 21, 22, 23, 25, 80"',
        f'm=14 msg="Web site access denied" {goes_out} dstname=casino.example arg=/ code=11 Category="Gambling"',
        *[f'm=14 msg="Web site access denied" {goes_out} dstname=ads{dice.randint(1, 20)}.example arg=/ code=27 Category="Advertisement"'] * 3,
        *[f'm=537 msg="Connection Closed" {goes_out} sent=512 rcvd=4096'] * 3])
    return f'<134>id=firewall sn=00401000A0B0 time="{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC" fw=192.0.2.1 pri=1 c=32 {event}'


def fortigate(lan, dice):
    """The default log format. Of what a FortiGate says most is no detection either."""
    host, advertiser = dice.randint(10, 60), f"ads{dice.randint(1, 20)}.example"
    outside = f"203.0.113.{dice.randint(1, 254)}"
    goes_out = f'srcip={lan}.{host} srcport={dice.randint(49152, 65535)} dstip={outside} dstport=443 srcmac="00:00:5e:00:53:{host:02x}" proto=6 service="HTTPS"'
    comes_in = f'srcip={outside} srcport={dice.randint(1024, 65535)} dstip={lan}.{host} dstport=80 dstmac="00:00:5e:00:53:{host:02x}" proto=6 service="HTTP"'
    event = dice.choice([
        f'type="utm" subtype="ips" eventtype="signature" level="alert" severity="high" direction="incoming" action="dropped" {comes_in} attack="Apache.Struts.OGNL.Script.Injection" attackid=43000',
        f'type="utm" subtype="virus" eventtype="infected" level="warning" direction="incoming" action="blocked" {goes_out} virus="JS/Agent.NDL!tr" virusid=2172 filename="請求書.js"',
        f'type="utm" subtype="webfilter" eventtype="ftgd_blk" level="warning" action="blocked" {goes_out} hostname="phish.example" url="https://phish.example/login" cat=61 catdesc="Phishing"',
        f'type="utm" subtype="app-ctrl" eventtype="signature" level="information" action="pass" {goes_out} app="Dropbox" appcat="Storage.Backup" appid=17459',
        *[f'type="utm" subtype="webfilter" eventtype="ftgd_blk" level="warning" action="blocked" {goes_out} hostname="{advertiser}" url="https://{advertiser}/" cat=17 catdesc="Advertising"'] * 3,
        *[f'type="traffic" subtype="forward" level="notice" action="close" {goes_out} sentbyte=512 rcvdbyte=4096'] * 3])
    now = datetime.now(JST)
    return f'<189>date={now:%Y-%m-%d} time={now:%H:%M:%S} devname="FG" devid="FGT00000000001" tz="+0900" {event}'


class Datagrams:
    """Syslog over UDP: sent, whoever listens."""

    def __init__(self, port):
        self.port = port
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, text):
        self.socket.sendto(text.encode(), ("127.0.0.1", self.port))


class Connection:
    """Syslog over TCP, octet-counted (RFC 6587). While nobody listens, lines are lost, as a firewall loses them."""

    def __init__(self, port):
        self.port = port
        self.socket = None

    def send(self, text):
        message = text.encode()
        try:
            if self.socket is None:
                self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=1)
            self.socket.sendall(b"%d %s" % (len(message), message))
        except OSError:
            if self.socket is not None:
                self.socket.close()
            self.socket = None
