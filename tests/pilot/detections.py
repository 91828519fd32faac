"""10,796 detections of the 53 companies: who saw which name, how often and when. Every published figure that does not need the service's
judgement is counted anew at the end; severity is the rule pack's business and stands nowhere here.
"""
import collections
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

import companies as fictitious
import lines
import published
from published import JST

FIRST_DAY, LAST_DAY = datetime(2020, 9, 24, tzinfo=JST), datetime(2020, 12, 31, tzinfo=JST)
HOURS_OF_A_DAY = 3  # in which something happens at all; each costs the replay a step
LATEST_MINUTE = 40  # of an hour in which something is observed: the rest is for it to arrive in the same hour
TRIES = 200
# When the cases were that are no peaks (remote_case.tsv): until the malware was removed; the day of the other one's mail.
CASES = {"remote_case": (datetime(2020, 10, 1, 9, tzinfo=JST), datetime(2020, 10, 5, 14, tzinfo=JST)),
         "visit_case": (datetime(2020, 11, 26, 9, tzinfo=JST), datetime(2020, 11, 26, 20, tzinfo=JST))}


class Unlucky(Exception):
    """This try of chance does not agree with a published figure; the next one may."""


@dataclass(frozen=True)
class Detection:
    at: datetime
    company: fictitious.Company
    function: str
    direction: str
    name: str
    number: int  # of the detection within its company: addresses and ports follow from it
    device: int


def make(seed):
    """(companies, detections in order of time)."""
    companies = fictitious.make(seed)
    for company in companies:
        company.format = lines.format_of(company)
    for attempt in range(TRIES):
        chance = random.Random(f"detections {seed} {attempt}")
        try:
            detections = place(shares(companies, chance), chance)
            check(companies, detections)
            return companies, detections
        except Unlucky as why:
            reason = why
    raise AssertionError(f"{TRIES} tries did not agree with the published figures, the last because {reason}")


def shares(companies, chance):
    """[(name row, company, how many, whether they are its peak's or case's)]."""
    out, uncovered = [], {cell: {c.number for c in companies if cell in c.sees} for cell in published.counts_by_cell()}
    rows = published.rows("names.tsv")
    for n, row in enumerate(rows):
        cell, count = (row["function"], row["direction"]), int(row["count"])
        may = [c for c in companies if cell in c.sees and row["format"] in ("", c.format)]
        whose = [c for c in may if row["whose"] in c.roles]
        left = count - int(row["whose_count"] or 0)
        if row["companies"]:
            wanted = int(row["companies"]) - len(whose)
            first = []
        else:  # so many that in the end every company of the cell has something
            to_come = sum(1 for r in rows[n:] if (r["function"], r["direction"]) == cell and not r["companies"] and not r["format"])
            first = [c for c in may if c.number in uncovered[cell] and c not in whose]
            chance.shuffle(first)
            first = first[:-(-len(uncovered[cell]) // max(to_come, 1))]
            wanted = max(len(first), min(left, chance.randint(1, 6)))
        others = [c for c in may if c not in whose and c not in first]
        chance.shuffle(others)
        chosen = (first + others)[:min(wanted, left)]
        if not whose and row["whose"] or wanted > 0 and not chosen:
            raise Unlucky(f"nobody can have {row['name']}")
        out += [(row, c, int(row["whose_count"]), True) for c in whose]
        out += [(row, c, n, False) for c, n in zip(chosen, divide(left, len(chosen), chance)) if n]
        uncovered[cell] -= {c.number for c in whose + chosen}
    return out


def divide(count, parts, chance):
    """Whole numbers of at least 1 that sum to count; a few are much larger than the others."""
    if parts == 0:
        return []
    weights = [chance.paretovariate(1.1) for _ in range(parts)]
    out = [1 + int((count - parts) * w / sum(weights)) for w in weights]
    out[0] += count - sum(out)
    return out


def active_hours(chance):
    day, hours = FIRST_DAY, []
    while day <= LAST_DAY:
        at_work = [*range(9, 19)] * (3 if day.weekday() < 5 else 1)
        hours += sorted({day.replace(hour=h) for h in chance.sample(at_work + [*range(24)], HOURS_OF_A_DAY)})
        day += timedelta(days=1)
    return hours


def place(shares_of_names, chance):
    hours = active_hours(chance)
    weeks = {(prefecture, function): set(listed) for prefecture, function, listed, _ in published.peaks()}
    peak_weeks = {role: weeks[prefecture, next(iter(sees))[0]] for role, sees, prefecture in fictitious.ROLES if prefecture}
    online = {}
    placed = []
    for row, company, count, special in shares_of_names:
        since = online.setdefault(company.number, FIRST_DAY + timedelta(days=chance.randint(0, 2) if company.roles else chance.randint(0, 10)))
        if special and row["whose"] in CASES:
            first, last = CASES[row["whose"]]
            may = sorted({h for h in hours if first <= h <= last} | {first, last})
        elif special:
            may = [h for h in hours if published.week_of_month(h) in peak_weeks[row["whose"]]]
        else:
            may = [h for h in hours if h >= since]
        bursts = chance.sample(may, min(len(may), count, 1 + round(count ** 0.55)))
        for hour, n in zip(bursts, divide(count, len(bursts), chance)):
            device = chance.randrange(company.devices())
            placed += [(hour + timedelta(seconds=chance.randrange(LATEST_MINUTE * 60)), company, row, device) for _ in range(n)]
    placed.sort(key=lambda p: (p[0], p[1].number, p[2]["name"], p[3]))
    numbers = collections.Counter()
    out = []
    for at, company, row, device in placed:
        numbers[company.number] += 1
        out.append(Detection(at, company, row["function"], row["direction"], row["name"], numbers[company.number], device))
    return out


def check(companies, detections):
    """What the published tables say and chance could miss is Unlucky; what the data could get wrong is an assertion."""
    cells = collections.Counter((d.function, d.direction) for d in detections)
    assert cells == published.counts_by_cell(), cells
    seen = collections.defaultdict(set)
    for d in detections:
        seen[d.company.number].add((d.function, d.direction))
    for company in companies:
        if seen[company.number] != company.sees:
            raise Unlucky(f"{company.name} does not see all that it should: {company.sees - seen[company.number]}")
    names = collections.defaultdict(list)
    for d in detections:
        names[d.function, d.name].append(d.company.number)
    for function in published.FUNCTIONS:
        top = [t for t in published.top_threats() if t[0] == function]
        total = sum(n for (f, _), n in cells.items() if f == function)
        for _, _, name, count, printed, companies_of in top:
            found = names[function, name]
            assert (len(found), published.printed_percentage(len(found), total)) == (count, printed), name
            if companies_of is not None and len(set(found)) != companies_of:
                raise Unlucky(f"{name} is seen by {len(set(found))} companies instead of {companies_of}")
        rarest, others = top[-1][3], {name for f, name in names if f == function} - {t[2] for t in top}
        assert all(len(names[function, name]) < rarest for name in others), function
    weekly = collections.defaultdict(collections.Counter)
    for d in detections:
        weekly[d.company.prefecture, d.function, published.week_of_month(d.at)][d.company.number] += 1
    for prefecture, function, weeks, companies_of in published.peaks():
        series = {w: c for (p, f, w), c in weekly.items() if (p, f) == (prefecture, function)}
        highest = sorted(series, key=lambda w: -series[w].total())[:len(weeks)]
        if set(highest) != set(weeks) or len(behind_half(series, weeks)) != companies_of:
            raise Unlucky(f"the weeks of {function} in {prefecture} have other peaks: {highest}")


def behind_half(series, weeks):
    """The fewest companies that have more than half of these weeks."""
    together = sum((series[w] for w in weeks), collections.Counter())
    out, sum_of = [], 0
    for company, count in together.most_common():
        if 2 * sum_of > together.total():
            break
        out.append(company)
        sum_of += count
    return out
