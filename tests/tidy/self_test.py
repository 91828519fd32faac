#!/usr/bin/env python3
"""Proves that tidy.py catches what it says: a good little tree passes, and each seeded fault in it is named."""
import pathlib
import sys
import tempfile
import unittest

from source import Source
from tidy import Tidy

HEADER = "// What it is for.\n#pragma once\n"
GOOD = {
    "README.md": "Nothing.\n",
    "services/base/ids.h": HEADER,
    "services/domain/rule.h": HEADER + '#include <vector>\n#include "base/ids.h"\n// std::chrono::system_clock::now() in a comment is no call\n',
    "services/store/streams.h": HEADER + '#include "domain/rule.h"\n',
    "services/adapters/kafka/consumer.h": HEADER + '#include <librdkafka/rdkafka.h>\n#include "mimamori/uplink/v1/log.pb.h"\n',
    "services/adapters/kafka/consumer.cc": '#include "adapters/kafka/consumer.h"\nauto text = "the update that set the clock; values from where it stands";\n',
    "services/platform/events.h": HEADER + '#include <fmt/format.h>\n#include <sys/stat.h>\n',
    "services/gateway/events.h": HEADER + 'inline constexpr Event stream_forked{\n    "stream_forked", Level::alarm, "A spool came back."};\n',
    "services/gateway/role.h": HEADER,
    "services/gateway/role.cc": '#include "gateway/role.h"\n#include "adapters/kafka/consumer.h"\nvoid f() { emit(stream_forked); }\n',
    "services/correlator/role.h": HEADER,
    "services/main.cc": '#include "gateway/role.h"\n#include <CLI/CLI.hpp>\n',
    "appliance-agent/agent.h": HEADER + '#include "domain/rule.h"\n',
    "appliance-agent/agent.cc": '#include "appliance-agent/agent.h"\nvoid f() { log.write(Level::info, "started"); }\n',
    "deploy/runbook/gateway.md": "# Gateway\n\n## stream_forked\nAn old image was restored; find out who.\n",
    "tests/rule_test.cc": 'TEST_CASE("a rule holds") {}\n',
    "tests/README.md": '| input | tests |\n|---|---|\n| bad | `rule_test.cc` "a rule holds", "TEST_CASE" |\n',
    "deploy/runbook/agent.md": "# Agent\n\n## started\nThe agent runs on the appliance.\n",
}
PATH = "/" + "work" + "/main"
REGISTRY = "registry" + ".npmjs" + ".org"

# What is added to (or put in place of) a file, and what must be said about which file.
FAULTS = {
    "the domain includes the store": ("services/domain/rule.h", '#include "store/streams.h"\n', "domain must not include"),
    "base includes the domain": ("services/base/ids.h", '#include "domain/rule.h"\n', "base must not include"),
    "the store includes a role": ("services/store/streams.h", '#include "gateway/role.h"\n', "store must not include"),
    "the store includes an adapter": ("services/store/streams.h", '#include "adapters/kafka/consumer.h"\n', "store must not include"),
    "an adapter includes the platform": ("services/adapters/kafka/consumer.h", '#include "platform/events.h"\n', "adapters must not include"),
    "one adapter includes another": ("services/adapters/kafka/consumer.h", '#include "adapters/smtp/relay.h"\n', "adapters must not include"),
    "the platform includes the domain": ("services/platform/events.h", '#include "domain/rule.h"\n', "platform must not include"),
    "a role includes another role": ("services/gateway/role.cc", '#include "correlator/role.h"\n', "gateway must not include"),
    "main includes more than roles": ("services/main.cc", '#include "gateway/session.h"\n', "main must not include"),
    "the agent includes the platform": ("appliance-agent/agent.h", '#include "platform/events.h"\n', "appliance-agent must not include"),
    "the agent includes the store": ("appliance-agent/agent.cc", '#include "store/streams.h"\n', "appliance-agent must not include"),
    "a path that begins nowhere": ("services/domain/rule.h", '#include "../base/ids.h"\n', "write the path from"),
    "a third-party header in the domain": ("services/domain/rule.h", "#include <boost/json.hpp>\n", "does not belong into domain"),
    "a system header in the domain": ("services/domain/rule.h", "#include <unistd.h>\n", "does not belong into domain"),
    "a third-party header in a role": ("services/gateway/role.cc", "#include <boost/asio.hpp>\n", "does not belong into gateway"),
    "a header without its purpose": ("services/base/bare.h", "#pragma once\n", "opens with what the file is for"),
    "a header without guard": ("services/base/bare.h", "// For something.\n", "#pragma once is missing"),
    "a clock in the domain": ("services/domain/rule.h", "auto t = std::chrono::system_clock::now();\n", "the domain is pure"),
    "the environment in the domain": ("services/domain/rule.h", 'auto t = std::getenv("HOME");\n', "the domain is pure"),
    "chance in the domain": ("services/domain/rule.h", "auto t = base::random_uuid();\n", "the domain is pure"),
    "a file in the domain": ("services/domain/rule.h", "std::ifstream in;\n", "the domain is pure"),
    "a thread in the domain": ("services/domain/rule.h", "std::thread t;\n", "the domain is pure"),
    "SQL in a role": ("services/gateway/role.cc", 'auto s = "select id from streams";\n', "SQL in a literal"),
    "SQL built in the store": ("services/store/streams.h", 'auto s = fmt::format("update {} set x = 1 where id = {}", t, id);\n', "SQL in a literal"),
    "SQL in pieces": ("services/store/streams.h", 'auto s = "delete "\n    "from streams";\n', "SQL in a literal"),
    "SQL in a raw literal": ("services/store/streams.h", 'auto s = R"(insert into streams values (1))";\n', "SQL in a literal"),
    "SQL in the agent": ("appliance-agent/agent.cc", 'auto s = "drop table streams";\n', "SQL in a literal"),
    "an event without paragraph": ("services/gateway/events.h", 'Event silent{"silent", Level::info, "x"};\nint a = silent + silent;\n', "silent has no paragraph"),
    "an event with two names": ("services/gateway/events.h", 'Event one{"stream_forked", Level::info, "x"};\n', "one name for both"),
    "an event that nobody emits": ("services/gateway/role.cc", None, "stream_forked is never emitted"),
    "a paragraph without event": ("deploy/runbook/gateway.md", "## gone_event\nIt was removed long ago.\n", "gone_event is no event"),
    "an empty paragraph": ("deploy/runbook/gateway.md", "## stream_forked\n\n", "the paragraph says nothing"),
    "an agent's event without paragraph": ("appliance-agent/agent.cc", 'void g() { log.write(Level::info, "lost"); }\n', "lost has no paragraph"),
    "one of two agent's events without paragraph": ("appliance-agent/agent.cc", 'void g() { ports.report(x ? "started" : "lost", y); }\n', "lost has no paragraph"),
    "an alarm that is no event": ("services/store/streams.h", 'auto a = raise_gateway_alarm(connection, "strem_forked", x);\n', "strem_forked is no event"),
    "a table that names no file": ("tests/README.md", '| worse | `lost_test.cc` "a rule holds" |\n', "lost_test.cc is not there"),
    "a table that names no test": ("tests/README.md", '| worse | `rule_test.cc` "a rule holds", "it breaks" |\n', 'has no "it breaks"'),
    "a folder at the top": ("notes/ideas.md", "Nothing.\n", "does not belong to the top level"),
    "a path of the workplace": ("README.md", f"See {PATH}/x.\n", "a path of a workplace"),
    "a registry": ("deploy/dev/lock.json", f'"url": "https://{REGISTRY}/x"\n', "a registry's host"),
    "a mirror": ("deploy/dev/settings.xml", "<url>https://maven-mirror.corp/x</url>\n", "a registry's host"),
    "a lock file with addresses": ("deploy/dev/package-lock.json", '"resolved": "x"\n', "a download address"),
    "unfinished work": ("services/base/ids.h", "// TO" + "DO: more\n", "unfinished work"),
    "a name that says nothing": ("services/base/ids.h", "class StreamManager {};\n", "say what it is"),
    "an insured event's name for a detection": ("services/base/ids.h", "struct Incident {};\n", "say what it is"),
}


def defects_of(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        tidy = Tidy(folder)
        return tidy.run(), tidy.long


class TidyTest(unittest.TestCase):
    def test_a_good_tree_has_no_defects(self):
        self.assertEqual(defects_of(GOOD), ([], []))

    def test_each_seeded_fault_is_caught(self):
        for name, (path, text, said) in FAULTS.items():
            with self.subTest(name):
                files = dict(GOOD)
                files[path] = '#include "gateway/role.h"\n' if text is None else files.get(path, "") + text
                defects, _ = defects_of(files)
                self.assertTrue([d for d in defects if said in d], f"not caught; said: {defects}")

    def test_long_files_are_listed_without_failing(self):
        defects, long = defects_of({**GOOD, "services/base/ids.h": HEADER + "\n" * 400})
        self.assertEqual(defects, [])
        self.assertEqual(len(long), 1)

    def test_comments_literals_and_code_are_told_apart(self):
        source = Source(pathlib.Path("x.cc"), 'int a = 1\'000; // "no" literal\nauto b = "x\\"y" "z"; /* time() */ auto c = \'"\';\nauto d = R"m(a"b)m";\n')
        self.assertEqual(source.literals, [(2, 'x\\"yz'), (3, 'a"b')])
        self.assertNotIn("time", source.code)
        self.assertEqual(source.code.count("\n"), source.text.count("\n"))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
