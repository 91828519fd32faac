"""A detection as the line that a detector would write. One function a format; FORMATS, by the agent's source types, decides which companies
have which. Times are whole seconds, because not every format has more."""
import json
from datetime import timedelta, timezone

from companies import IN, INSIDE

SUBJECTS = ["請求書の送付", "お見積りの件", "配送のお知らせ", "Re: 注文書", "会議資料", "Invoice", "至急ご確認ください"]
FILES = ["請求書.xls", "見積書.doc", "invoice.zip", "order.docm", "資料.pdf.exe", "scan001.js"]
PORTS = [("SSH", 22), ("MSSQL", 1433), ("SNMP", 161), ("Sipvicious", 5060), ("RTSP", 554), ("IMAP", 143)]


def address(company, device):
    return f"192.168.{company.number}.{10 + device}"


def mac(company, device):
    return f"00-00-5E-00-53-{device:02X}"


def stranger(d):
    """Who is at the other end; the groupware's attackers are those the report names."""
    if "groupware" in d.company.roles and d.direction == IN:
        return f"141.98.80.{1 + d.number % 30}"
    return f"{'198.51.100' if d.direction == IN else '203.0.113'}.{1 + (d.company.number * 7 + d.number) % 250}"


def ends(d):
    """(source ip, port, destination ip, port): the initiator's first, for AV the sender of the file."""
    service = next((port for word, port in PORTS if word in d.name), 25 if d.function == "AV" else 80)
    high = 32768 + d.number % 28000
    device = address(d.company, d.device)
    if d.function == "AV":
        return stranger(d), service, device, high
    if d.direction == IN:
        return stranger(d), high, device, service
    return device, high, f"192.168.{d.company.number}.1" if d.direction == INSIDE else stranger(d), service


def transport(port):
    return "UDP" if port in (161, 5060) else "TCP"


def native(d):
    source, source_port, destination, destination_port = ends(d)
    fields = {"type": "detection", "function": d.function.lower(), "observed_at": d.at.isoformat(timespec="milliseconds"),
              "action": "rewritten" if d.function == "AV" else "blocked", "source_ip": source, "source_port": source_port,
              "destination_ip": destination, "destination_port": destination_port, "lan_mac": mac(d.company, d.device),
              "protocol": transport(min(source_port, destination_port))}
    if d.function == "IPS":
        fields.update(threat_name=d.name, threat_id=str(90000 + sum(d.name.encode()) % 9999), vendor_priority=2)
    elif d.function == "AV":
        fields.update(app_protocol="smtp", virus_name=d.name, virus_id=str(1000 + sum(d.name.encode()) % 9000), file_name=FILES[d.number % len(FILES)],
                      mail_subject=SUBJECTS[d.number % len(SUBJECTS)], mail_date=f"{d.at:%a, %d %b %Y %H:%M:%S +0900}")
    else:
        host, _, path = d.name.partition("/")
        fields.update(app_protocol="http", destination_host=host, category="dangerous", **({"url": d.name} if path else {}))
    return json.dumps(fields, ensure_ascii=False)


def eve(d):
    source, source_port, destination, destination_port = ends(d)
    from_inside = source.startswith("192.168.")
    device, other = mac(d.company, d.device).replace("-", ":").lower(), "00:00:5e:00:53:fe"
    port = min(source_port, destination_port)
    application = {80: "http", 25: "smtp", 22: "ssh", 161: "snmp", 5060: "sip", 554: "rtsp", 143: "imap"}.get(port, "failed")
    alert = {"action": "blocked", "gid": 1, "signature_id": 9000000 + sum(d.name.encode()) % 9999, "rev": 2, "signature": d.name,
             "category": "Web Application Attack", "severity": 2}
    event = {"timestamp": f"{d.at.astimezone(timezone(timedelta(hours=9))):%Y-%m-%dT%H:%M:%S.%f}+0900", "flow_id": d.company.number * 10**12 + d.number,
             "event_type": "alert", "src_ip": source, "src_port": source_port, "dest_ip": destination, "dest_port": destination_port,
             "proto": transport(port), "ether": {"src_mac": device if from_inside else other, "dest_mac": other if from_inside else device},
             "app_proto": application, "alert": alert}
    if application == "http":
        event["http"] = {"hostname": "www.example.com", "url": "/", "http_method": "GET"}
    if d.function == "AV":
        alert["category"] = "A Network Trojan was detected"
        event["files"] = [{"filename": FILES[d.number % len(FILES)], "sha256": f"{d.company.number:032x}{d.number:032x}", "state": "CLOSED"}]
        event["email"] = {"status": "PARSE_DONE", "subject": SUBJECTS[d.number % len(SUBJECTS)], "date": f"{d.at:%a, %d %b %Y %H:%M:%S +0900}"}
    elif d.function == "WG":
        alert["category"] = "Possible Social Engineering Attempted"
        host, _, path = d.name.partition("/")
        event["http"] = {"hostname": host, "url": "/" + path, "http_method": "GET"}
    return json.dumps(event, ensure_ascii=False)


def sonicwall(d):
    source, source_port, destination, destination_port = ends(d)
    outside = source.startswith(("198.", "203.", "141."))
    macs = {"srcMac": mac(d.company, d.device).replace("-", ":").lower(), "dstMac": "00:00:5e:00:53:fe"}
    if outside:
        macs = dict(zip(macs, reversed(macs.values())))
    if d.function == "AV":
        what = f'm=809 msg="Gateway Anti-Virus Alert: {d.name} (Trojan) blocked."'
    else:
        what = f'm=609 msg="IPS Prevention Alert: {d.name}" sid={90000 + sum(d.name.encode()) % 9999} ipscat="WEB-ATTACKS" ipspri=2'
    at = d.at.astimezone(timezone.utc)
    return (f'id=firewall sn=0017C5{d.company.number:06} time="{at:%Y-%m-%d %H:%M:%S} UTC" fw=192.0.2.{d.company.number} pri=1 c=32 {what} n={d.number} '
            f"src={source}:{source_port}:{'X1' if outside else 'X0'} dst={destination}:{destination_port}:{'X0' if outside else 'X1'} "
            f"{' '.join(f'{key}={value}' for key, value in macs.items())} proto={transport(min(source_port, destination_port)).lower()}")


def fortigate(d):
    source, source_port, destination, destination_port = ends(d)
    kind = f'subtype="ips" eventtype="signature" attack="{d.name}" attackid={40000 + sum(d.name.encode()) % 9999} severity="high" action="dropped"'
    if d.function == "AV":  # the client is the source; what comes in to it was sent by the destination
        source, source_port, destination, destination_port = destination, destination_port, source, source_port
        kind = (f'subtype="virus" eventtype="infected" direction="incoming" virus="{d.name}" virusid={sum(d.name.encode())} '
                f'filename="{FILES[d.number % len(FILES)]}" action="blocked"')
    device, other = mac(d.company, d.device).replace("-", ":").lower(), "00:00:5e:00:53:fe"
    inside = source.startswith("192.168.")
    return (f'date={d.at:%Y-%m-%d} time={d.at:%H:%M:%S} tz="+0900" logid="0419016384" type="utm" level="alert" {kind} '
            f"srcip={source} srcport={source_port} dstip={destination} dstport={destination_port} srcmac=\"{device if inside else other}\" "
            f"dstmac=\"{other if inside else device}\" proto={17 if transport(min(source_port, destination_port)) == 'UDP' else 6} "
            f"service=\"{'SMTP' if d.function == 'AV' else 'HTTP'}\"")


# By source type: the function that writes a line, and the functions of an appliance that the format can carry as the tables name them.
FORMATS = {"native": (native, {"AV", "IPS", "WG"}), "suricata-eve": (eve, {"AV", "IPS", "WG"}), "sonicwall": (sonicwall, {"AV", "IPS"}),
           "fortigate": (fortigate, {"AV", "IPS"})}


def format_of(company):
    """The formats in turn that can carry what the company sees, the service's own twice as often."""
    functions = {function for function, _ in company.sees}
    turn = ["native", *[name for name, (_, carried) in FORMATS.items() if functions <= carried]]
    return turn[company.number % len(turn)]


def line(d):
    write, _ = FORMATS[d.company.format]
    return write(d) + "\n"
