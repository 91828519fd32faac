#!/usr/bin/env python3
"""What reviewers would have to say again and again, as a test that fails the build.

  tidy.py ROOT      prints each defect with file, line and what to do; exit code 1 if there are any

arrows      who may include what (services/README.md)
headers     third-party and system headers only where they belong; a header says what it is for
pure        no clock, environment, thread, file or network in services/domain
sql         SQL stands in sql/ alone: no statement in a C++ literal
events      every operational event has its paragraph in deploy/runbook, is used, and has one name
top         the top level holds what is listed and nothing else
words       no registry hosts, workplace paths, unfinished work, or names that say nothing
Files of more than 400 lines are listed, without failing.
"""
import pathlib
import re
import subprocess
import sys

from source import Source

TOP = {"CMakeLists.txt", "CMakePresets.json", "Makefile", "README.md", ".ci", ".clang-format", ".gitignore", "proto", "sql",
       "appliance-agent", "services", "deploy", "packs", "tests", "bench"}
ROLES = ["gateway", "correlator", "notifier", "fleet", "portal", "admin"]
LONGEST = 400

# Folder of services/ (or the agent) to what its quoted includes may begin with. A folder may always include itself.
ARROWS = {
    "base": [],
    "domain": ["base"],
    "platform": ["base"],
    "store": ["base", "domain", "sql"],
    "adapters": ["base", "domain", "mimamori"],
    "appliance-agent": ["base", "domain", "mimamori"],
    **{role: ["base", "domain", "store", "adapters", "platform", "mimamori"] for role in ROLES},
}
# Angle includes with a slash or ".h" are third-party or the system's. Folders not named may include any of them.
PLAIN = r"tl/expected\.hpp|fmt/.*"
POSIX = r"(sys|arpa|netinet)/\w+\.h|\w+\.h"
HEADERS = {
    "base": r"tl/expected\.hpp|sys/random\.h|cpuid\.h|immintrin\.h",
    "domain": PLAIN + r"|xxhash\.h",
    "store": PLAIN + r"|libpq-fe\.h|poll\.h",
    "platform": "|".join([PLAIN, r"prometheus/.*|toml\+\+/.*|boost/.*", POSIX]),
    **{role: "|".join([PLAIN, POSIX]) for role in ROLES},
    "admin": "|".join([PLAIN, r"CLI/CLI\.hpp", POSIX]),
}
IMPURE = (r"\b(system_clock|steady_clock|high_resolution_clock)\s*::\s*now\b|\bstd::(time|clock|getenv|rand|srand|random_device|"
          r"this_thread|thread|jthread|cout|cerr|cin|ifstream|ofstream|fstream|fopen|fread|printf|fprintf|filesystem)\b|"
          r"(?<![\w.:>])(getenv|time|fopen|gettimeofday|clock_gettime|getrandom|usleep|nanosleep)\s*\(|"
          r"\b(fill_random|random_bytes16|random_u64|random_uuid)\b")
SQL = re.compile(
    r"\b(select\s[^\"]*\sfrom\s|insert\s+into\s+\w|update\s+[\w{}]+(\s+as\s+\w+)?\s+set\s+\w+\s*=|delete\s+from\s+\w|truncate\s+(table\s+)?\w+|"
    r"(create|alter|drop)\s+(table|database|role|user|index|view|schema|function|policy)\s|copy\s+\w+\s*(\([^)]*\)\s*)?(from|to)\s+st|"
    r"set\s+(local|session|role)\s+\w|where\s+\w+\s*(=|<|>|is\s|in\s*\()|order\s+by\s+\w|values\s*\()", re.I)
EVENT = re.compile(r"\bEvent\s+(\w+)\s*\{\s*\"([^\"]*)\"")
AGENT_EVENTS = re.compile(r"\bwrite\(\s*(?:agent::)?Level::\w+\s*,\s*\"([a-z_]+)\"|\breport\(([^,;]*),|"
                          r"\\\"event\\\":\\\"([a-z_]+)\\\"")
RAISED = re.compile(r"\braise_\w*alarm\(\s*\w+\s*,\s*\"(\w+)\"")
HOLLOW = re.compile(r"\b(?:class|struct)\s+(\w*(?:Manager|Helper|Utils?|Impl)|Alert\w*|Incident\w*)\b")
SLASH = "/"
WORDS = [
    (re.compile(r"(?<![\w.\-])" + SLASH + r"(work|tmp" + SLASH + r"[bw])(?=[" + SLASH + r"\s\"'`]|$)"), "a path of a workplace"),
    (re.compile(r"\b(registry|repo1?|packages|pypi|deb|crates|proxy|files)\.(npmjs|maven|golang|debian|pypi|pythonhosted|org|io)\b", re.I),
     "a registry's host"),
    (re.compile(r"\bhttps?://[^\s/\"'<>]*(registry|mirror|artifact|nexus|proxy|npm|pypi)[^\s/\"'<>]*", re.I), "a registry's host"),
    (re.compile(r"\"resolved\"\s*:"), "a download address in a lock file"),
    (re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK|TEMPO" r"RARY)\b"), "unfinished work"),
]
TEXT_FILES = {".cc", ".h", ".py", ".sql", ".proto", ".md", ".txt", ".yaml", ".yml", ".toml", ".json", ".xml", ".sh", ".cmake", ".js",
              ".mjs", ".ts", ".tsx", ".css", ".html", ".service", ".cfg", ".conf", "", ".in"}


class Tidy:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.defects, self.long = [], []
        self.files = sorted(self.tracked())
        self.sources = {}

    def tracked(self):
        """Files that are or would be committed; without git, everything but build folders."""
        done = subprocess.run(["git", "-C", str(self.root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                              capture_output=True)
        if done.returncode == 0 and (self.root / ".git").exists():
            names = [pathlib.PurePath(n) for n in done.stdout.decode().split("\0") if n]
            return [n for n in names if (self.root / n).is_file()]
        names = [p.relative_to(self.root) for p in self.root.rglob("*") if p.is_file()]
        return [n for n in names if n.parts[0] not in (".git", "build") and "node_modules" not in n.parts]

    def say(self, path, line, what):
        self.defects.append(f"{path}:{line}: {what}" if line else f"{path}: {what}")

    def run(self):
        for path in self.files:
            self.words(path)
            if path.suffix in (".cc", ".h") and path.parts[0] in ("services", "appliance-agent"):
                source = Source(path, self.read(path))
                self.sources[path] = source
                self.arrows(source)
                self.headers(source)
                self.pure(source)
                self.sql(source)
        self.events()
        self.tables_of_tests()
        self.top()
        return self.defects

    def read(self, path):
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    @staticmethod
    def folder(path):
        """What ARROWS and HEADERS know: "store", "gateway", "appliance-agent"; "main" for services/main.cc."""
        if path.parts[0] == "appliance-agent":
            return "appliance-agent"
        return path.parts[1] if len(path.parts) > 2 else "main"

    def arrows(self, source):
        folder = self.folder(source.path)
        own = "/".join(source.path.parts[1:3]) if folder == "adapters" else folder
        for line, quoted, name in source.includes():
            if not quoted:
                continue
            first = name.split("/")[0]
            if folder == "main":
                good = first == "platform" or (first in ROLES and name.split("/")[-1] in ("role.h", "command_line.h"))
            elif ".." in name.split("/") or "/" not in name:
                self.say(source.path, line, f'"{name}": write the path from services/ or from the repository')
                continue
            else:
                good = name.startswith(own + "/") or (first != folder and first in ARROWS.get(folder, []))
            if not good:
                allowed = ", ".join(ARROWS.get(folder, ["platform", "each role's role.h"])) or "nothing else"
                self.say(source.path, line, f'{folder} must not include "{name}": beside itself it sees {allowed}')

    def headers(self, source):
        folder = self.folder(source.path)
        allowed = HEADERS.get(folder)
        for line, quoted, name in source.includes():
            if quoted or allowed is None or not ("/" in name or name.endswith(".h")):
                continue
            if not re.fullmatch(allowed, name):
                self.say(source.path, line, f"<{name}> does not belong into {folder}: put what needs it into an adapter")
        if source.path.suffix == ".h":
            if not source.text.startswith("// "):
                self.say(source.path, 1, "a header opens with what the file is for and what it is not")
            if "#pragma once" not in source.text:
                self.say(source.path, 1, "#pragma once is missing")

    def pure(self, source):
        if self.folder(source.path) == "domain":
            for line, what in source.lines_of(IMPURE):
                self.say(source.path, line, f"{what.strip()}: the domain is pure; have it passed in")

    def sql(self, source):
        for line, literal in source.literals:
            if found := SQL.search(literal.replace("\\n", " ")):
                self.say(source.path, line, f"SQL in a literal ({found.group(0).strip()[:40]}): name the statement in sql/queries")

    def events(self):
        defined, agent = {}, {}
        for path, source in self.sources.items():
            if path.parts[0] == "appliance-agent":
                for match in AGENT_EVENTS.finditer(source.text):
                    named = match.group(1) or match.group(3)
                    for name in [named] if named else re.findall(r"\"([a-z_]+)\"", match.group(2)):
                        agent.setdefault(name, path)
                continue
            without_comments = re.sub(r"//[^\n]*", "", source.text)
            for name, event in EVENT.findall(without_comments):
                if name != event:
                    self.say(path, 0, f"event {name} calls itself \"{event}\": one name for both")
                if event in defined:
                    self.say(path, 0, f"event {event} is defined in {defined[event]} too")
                defined[event] = path
        for event, home in defined.items():
            uses = sum(len(re.findall(rf"\b{event}\b", s.code)) for p, s in self.sources.items() if p.parts[0] == "services")
            if uses < 2:
                self.say(home, 0, f"event {event} is never emitted")
        for path, source in self.sources.items():
            for event in RAISED.findall(source.text):
                if event not in defined:
                    self.say(path, 0, f"alarm {event} is no event")
        self.runbook(defined, "agent.md", exclude=True)
        self.runbook(agent, "agent.md", exclude=False)

    def runbook(self, events, agent_file, exclude):
        told = {}
        for path in self.files:
            if path.parts[:2] != ("deploy", "runbook") or path.suffix != ".md" or (path.name == agent_file) == exclude:
                continue
            for section in re.split(r"^## ", self.read(path), flags=re.M)[1:]:
                heading, _, paragraph = section.partition("\n")
                heading = heading.strip()
                if heading in told:
                    self.say(path, 0, f"{heading} has a paragraph in {told[heading]} too")
                told[heading] = path
                if len(paragraph.split()) < 4:
                    self.say(path, 0, f"{heading}: the paragraph says nothing")
        for event, home in events.items():
            if event not in told:
                self.say(home, 0, f"event {event} has no paragraph in deploy/runbook")
        for heading, path in told.items():
            if heading not in events:
                self.say(path, 0, f"{heading} is no event: remove its paragraph")

    def tables_of_tests(self):
        """Tables in tests/README.md name tests as `file` "words of its name": both must be there."""
        home = pathlib.Path("tests/README.md")
        if home not in self.files:
            return
        for number, line in enumerate(self.read(home).split("\n"), 1):
            for name, quotes in re.findall(r"`([^`]+)`((?:,? \"[^\"]+\")+)", line) if line.startswith("|") else []:
                path = home.parent / name
                if path not in self.files:
                    self.say(home, number, f"{name} is not there")
                    continue
                for words in re.findall(r"\"([^\"]+)\"", quotes):
                    if words not in self.read(path):
                        self.say(home, number, f"{name} has no \"{words}\"")

    def top(self):
        for name in sorted({path.parts[0] for path in self.files} - TOP):
            self.say(name, 0, "does not belong to the top level")

    def words(self, path):
        if path.suffix not in TEXT_FILES or path.parts[:2] in (("tests", "tidy"), ("tests", "data")):
            return
        text = self.read(path)
        if "\0" in text:
            return
        if path.suffix in (".cc", ".h", ".py") and (lines := text.count("\n")) > LONGEST:
            self.long.append(f"{path}: {lines} lines")
        for number, line in enumerate(text.split("\n"), 1):
            for pattern, what in WORDS:
                if found := pattern.search(line):
                    self.say(path, number, f"{what}: {found.group(0)}")
        if path.suffix in (".cc", ".h"):
            for match in HOLLOW.finditer(text):
                self.say(path, text.count("\n", 0, match.start()) + 1, f"{match.group(1)}: say what it is")


def main():
    tidy = Tidy(sys.argv[1])
    defects = tidy.run()
    for line in tidy.long:
        print(f"long: {line}")
    for line in defects:
        print(line)
    if not tidy.sources:
        sys.exit(f"{sys.argv[1]}: no sources found")
    print(f"{len(tidy.sources)} sources, {len(tidy.files)} files, {len(defects)} defects")
    sys.exit(1 if defects else 0)


if __name__ == "__main__":
    main()
