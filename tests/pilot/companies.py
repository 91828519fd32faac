"""53 fictitious companies that the published tables allow: size, industry, prefecture, and what each sees. Exact, not sampled: every way
to fill the rows of one table is found, and one whose totals also fill the other table and agree with the directions is taken.

The companies of a row are told apart only by the set of functions they see. Two tables with the same number of companies for each such
set can always be joined, company by company, so that it is enough to find rows of both with equal totals.
"""
import itertools
import random
from dataclasses import dataclass, field

import published

IN, OUT, INSIDE = "inbound_attack", "outbound_malicious", "internal_weakness"
SETS = [frozenset(c) for n in range(4) for c in itertools.combinations(published.FUNCTIONS, n)]  # of functions a company sees


@dataclass
class Company:
    number: int
    size: str
    industry: str
    sees: frozenset  # of (function, direction)
    prefecture: str = ""
    roles: list = field(default_factory=list)  # the peaks and cases that are this company's
    format: str = "native"

    @property
    def name(self):
        return f"みほん{self.number:02}社"

    @property
    def utm_id(self):
        return f"{2020000000 + self.number}"

    def devices(self):
        return {"1-5": 3, "6-10": 6, "11-20": 12, "21-50": 25, "51-100": 40, "101-200": 60, "201-300": 90}[self.size]


def fillings(row):
    """Every {set of functions: companies} of one row of a table."""
    several = [s for s in SETS if len(s) >= 2]
    for counts in itertools.product(*[range(min(row[f] for f in s) + 1) for s in several]):
        both = dict(zip(several, counts))
        alone = {f: row[f] - sum(n for s, n in both.items() if f in s) for f in published.FUNCTIONS}
        filled = {**both, **{frozenset([f]): n for f, n in alone.items()}}
        if min(alone.values()) >= 0 and sum(filled.values()) == row["any"]:
            yield {**filled, frozenset(): row["members"] - row["any"]}


def tables(by):
    """{totals of each set: {class: filling}}, one way for each totals that can be reached."""
    reached = {tuple([0] * len(SETS)): {}}
    for name, row in published.company_rows(by).items():
        grown = {}
        for totals, chosen in reached.items():
            for filling in fillings(row):
                more = tuple(total + filling[s] for total, s in zip(totals, SETS))
                grown.setdefault(more, {**chosen, name: filling})
        reached = grown
    return reached


def directions(totals):
    """{set: kinds of IPS of its companies}, each "in", "foreign" (outbound or internal) or "both"; None if no split agrees."""
    per_cell, unions = published.companies_by_cell(), {name: companies for name, _, _, companies in published.UNIONS}
    foreign = unions["IPS outbound or internal"]
    av_and_in = per_cell["AV", IN] + per_cell["IPS", IN] - unions["inbound"]
    wg_and_foreign = per_cell["WG", OUT] + foreign - unions["outbound or internal"]
    alone, *others = [s for s in SETS if "IPS" in s]
    of = dict(zip(SETS, totals))
    splits = [[(a, of[s] - a - b, b) for a in range(of[s] + 1) for b in range(of[s] + 1 - a)] for s in others]  # in, foreign, both
    for split in itertools.product(*splits):
        def companies(kind, function="IPS"):
            return sum(part[kind] + part[2] for s, part in zip(others, split) if function in s)
        if companies(0, "AV") != av_and_in or companies(1, "WG") != wg_and_foreign:
            continue
        both = per_cell["IPS", IN] - companies(0) + foreign - companies(1) - of[alone]  # of those that see IPS alone
        first = (per_cell["IPS", IN] - companies(0) - both, foreign - companies(1) - both, both)
        if min(first) >= 0:
            return {s: ["in"] * a + ["foreign"] * b + ["both"] * c for s, (a, b, c) in zip([alone, *others], [first, *split])}
    return None


def cells(functions, kind, foreign):
    seen = {("AV", IN)} if "AV" in functions else set()
    seen |= {("WG", OUT)} if "WG" in functions else set()
    seen |= {("IPS", IN)} if kind in ("in", "both") else set()
    return frozenset(seen | {("IPS", d) for d in (foreign if kind in ("foreign", "both") else ())})


def make(seed):
    """The companies, numbered from 1, with the roles of peaks and cases given away."""
    chance = random.Random(f"companies {seed}")
    by_size, by_industry = tables("size"), tables("industry")
    possible = sorted(by_size.keys() & by_industry.keys())
    chance.shuffle(possible)
    totals = next((t for t in possible if directions(t)), None)
    if totals is None:
        raise AssertionError("no 53 companies agree with tables 5-3 to 5-17 and the notes of table 4-22")
    kinds = directions(totals)
    per_cell = published.companies_by_cell()
    only_inside = published.UNIONS[1][3] - per_cell["IPS", OUT]
    out_and_inside = per_cell["IPS", INSIDE] - only_inside
    foreign = [[INSIDE]] * only_inside + [[OUT, INSIDE]] * out_and_inside + [[OUT]] * (per_cell["IPS", OUT] - out_and_inside)
    chance.shuffle(foreign)
    companies = []
    for functions in SETS:
        sizes = [name for name, row in by_size[totals].items() for _ in range(row[functions])]
        industries = [name for name, row in by_industry[totals].items() for _ in range(row[functions])]
        kind = kinds.get(functions, [""] * len(sizes))
        for listed in (sizes, industries, kind):
            chance.shuffle(listed)
        for size, industry, k in zip(sizes, industries, kind, strict=True):
            sees = cells(functions, k, foreign.pop() if k in ("foreign", "both") else ())
            companies.append(Company(0, size, industry, sees))
    chance.shuffle(companies)
    for number, company in enumerate(companies, 1):
        company.number = number
    give_roles(companies, chance)
    check(companies)
    return companies


# Whose the peaks are, what such a company sees, and where it is (r2_when.tsv); the two cases are anywhere.
ROLES = [("groupware", {("IPS", IN)}, "Wakayama"), ("web_visits", {("IPS", OUT)}, "Shiga"), ("mail_trade", {("AV", IN)}, "Nara"),
         ("adware", {("WG", OUT)}, "Wakayama"), ("remote_case", {("IPS", OUT)}, None), ("visit_case", {("WG", OUT)}, None)]


def give_roles(companies, chance):
    left = {name: row["members"] for name, row in published.company_rows("prefecture").items()}
    for role, sees, prefecture in ROLES:
        company = chance.choice([c for c in companies if sees <= c.sees and not c.roles])
        company.roles.append(role)
        if prefecture:
            company.prefecture = prefecture
            left[prefecture] -= 1
    others = [name for name, count in left.items() for _ in range(count)]
    chance.shuffle(others)
    for company, prefecture in zip([c for c in companies if not c.prefecture], others, strict=True):
        company.prefecture = prefecture


def check(companies):
    """Every published figure about companies, counted anew."""
    def seeing(function, among):
        return sum(1 for c in among if any(f == function for f, _ in c.sees))
    for by in ("size", "industry", "prefecture"):
        for name, row in published.company_rows(by).items():
            among = [c for c in companies if getattr(c, by) == name]
            counted = {"members": len(among), "any": sum(1 for c in among if c.sees), **{f: seeing(f, among) for f in published.FUNCTIONS}}
            assert all(counted[key] == value for key, value in row.items()), (by, name, row, counted)
    for cell, expected in published.companies_by_cell().items():
        assert sum(1 for c in companies if cell in c.sees) == expected, cell
    for name, union, _, expected in published.UNIONS:
        assert sum(1 for c in companies if c.sees & union) == expected, name
