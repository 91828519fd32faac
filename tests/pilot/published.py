"""The published figures of the FY2020 pilot, from tests/data/pilot. Values only: what is done with them is for others."""
import pathlib
from collections import defaultdict
from datetime import datetime, timedelta, timezone

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "tests" / "data" / "pilot"
JST, UTC = timezone(timedelta(hours=9)), timezone.utc
FUNCTIONS = ["AV", "IPS", "WG"]
SEVERITIES = ["none", "one_star", "two_stars", "three_stars"]
POLICIES = ["table_3_7", "table_4_21"]


def rows(name):
    """A file's rows as dictionaries; an empty cell is an empty text."""
    lines = [line.split("\t") for line in (DATA / name).read_text().splitlines() if line and not line.startswith("#")]
    return [dict(zip(lines[0], line + [""] * (len(lines[0]) - len(line)))) for line in lines[1:]]


def severity_rows():
    """(function, direction, severity, count, companies of function and direction, {policy: mailed})."""
    return [(r["function"], r["direction"], r["severity"], int(r["count"]), int(r["companies"]),
             {p: r[f"mail_by_{p}"] == "yes" for p in POLICIES}) for r in rows("r2_severity.tsv")]


def counts_by_cell():
    """{(function, direction): detections}."""
    out = defaultdict(int)
    for function, direction, _, count, _, _ in severity_rows():
        out[function, direction] += count
    return {cell: count for cell, count in out.items() if count}


def companies_by_cell():
    return {(function, direction): companies for function, direction, _, count, companies, _ in severity_rows() if count}


# Unions of cells whose companies are published as well: the notes below table 4-22.
UNIONS = [
    ("inbound", {("IPS", "inbound_attack"), ("AV", "inbound_attack")}, 8430, 30),
    ("IPS outbound or internal", {("IPS", "outbound_malicious"), ("IPS", "internal_weakness")}, 2290, 17),
    ("outbound or internal", {("IPS", "outbound_malicious"), ("IPS", "internal_weakness"), ("WG", "outbound_malicious")}, 2366, 23),
    ("IPS any direction", {("IPS", "inbound_attack"), ("IPS", "outbound_malicious"), ("IPS", "internal_weakness")}, 10196, 30),
]


ANY = (10796, 38)  # detections and companies, whatever the function and direction
ALL_BY_SEVERITY = [0, 146, 1201, 9449]  # three, two, one stars, none: the last line of table 4-21


def company_rows(by):
    """{class: {"members": n, "any": n, "AV": n, "IPS": n, "WG": n}}; of prefectures only the members are published."""
    return {r["class"]: {key: int(r[key]) for key in ("members", "any", *FUNCTIONS) if r[key]} for r in rows("r2_companies.tsv") if r["by"] == by}


def top_threats():
    """(function, rank, name, count, percentage as printed, companies or None)."""
    return [(r["function"], int(r["rank"]), r["threat"], int(r["count"]), r["percent_printed"], int(r["companies"]) if r["companies"] else None)
            for r in rows("r2_top_threats.tsv")]


def week_of_month(at):
    """Days 1-7, 8-14, 15-21, 22-28, 29- ; the report does not say, this is ours."""
    return f"{at:%Y-%m}", min((at.day - 1) // 7 + 1, 5)


def peaks():
    """(prefecture, function, [(month, week)], companies) as read from sentences like "2020-11 weeks 2-3" and "2020-10 week 5 and 2020-12 week 2"."""
    out = []
    for r in rows("r2_when.tsv"):
        weeks = []
        for part in r["peak"].split(" and "):
            month, _, numbers = part.split(" ")
            first, _, last = numbers.partition("-")
            weeks += [(month, week) for week in range(int(first), int(last or first) + 1)]
        out.append((r["prefecture"], r["function"], weeks, int(r["companies"])))
    return out


def start_of_week(month, week):
    return datetime.strptime(f"{month}-{(week - 1) * 7 + 1:02}", "%Y-%m-%d").replace(tzinfo=JST)


def printed_percentage(count, total):
    """Half-up with one decimal, in whole numbers."""
    tenths = (2000 * count + total) // (2 * total)
    return f"{tenths // 10}.{tenths % 10}"
