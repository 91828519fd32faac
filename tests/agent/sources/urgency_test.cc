#include "appliance-agent/sources/urgency.h"

#include <catch2/catch.hpp>

namespace mimamori::agent::sources {
namespace {

using domain::Direction;
using domain::Function;

TEST_CASE("what overtakes the backlog") {
    struct Row {
        const char* sentence;
        Function function;
        Direction direction;
        int priority;
        bool urgent;
    };
    const Row rows[] = {
        {"an intrusion going out, worst of the vendor's grades", Function::ips, Direction::outbound_malicious, 1, true},
        {"an intrusion going out that nobody graded", Function::ips, Direction::outbound_malicious, 0, true},
        {"an intrusion going out of a lesser grade", Function::ips, Direction::outbound_malicious, 2, false},
        {"an intrusion coming in, however bad", Function::ips, Direction::inbound_attack, 1, false},
        {"an intrusion between devices inside", Function::ips, Direction::internal_weakness, 1, false},
        {"an intrusion with neither end inside", Function::ips, Direction::unknown, 1, false},
        {"a virus sent out", Function::av, Direction::outbound_malicious, 3, true},
        {"a virus received", Function::av, Direction::inbound_attack, 1, false},
        {"a dangerous site visited", Function::wg, Direction::outbound_malicious, 0, true},
        {"a dangerous site, addresses unknown", Function::wg, Direction::unknown, 1, false},
        {"an off-business site", Function::uf, Direction::outbound_malicious, 1, false},
        {"an application", Function::apg, Direction::outbound_malicious, 1, false},
        {"no function", Function::unspecified, Direction::outbound_malicious, 1, false},
    };
    for (const auto& row : rows) {
        INFO(row.sentence);
        CHECK(is_urgent(row.function, row.direction, row.priority) == row.urgent);
    }
}

}  // namespace
}  // namespace mimamori::agent::sources
