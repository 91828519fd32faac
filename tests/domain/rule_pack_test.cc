#include "domain/rule_pack.h"

#include <catch2/catch.hpp>
#include <vector>

#include "domain/small_pack.h"

namespace mimamori::tests {
namespace {

TEST_CASE("cells name every function in every direction once") {
    CHECK(domain::cells({}, {}).count() == 20);  // five functions, four directions
    CHECK_FALSE(domain::cells({}, {})[domain::cell_of(Function::unspecified, Direction::unknown)]);
    const std::vector functions{Function::ips, Function::apg};
    const std::vector directions{Direction::inbound_attack};
    const auto some = domain::cells(functions, directions);
    CHECK(some.count() == 2);
    for (std::size_t cell = 0; cell < domain::cell_count; ++cell) {
        CHECK(domain::cell_of(domain::function_of_cell(cell), domain::direction_of_cell(cell)) == cell);
        CHECK(some[cell] ==
              (domain::direction_of_cell(cell) == Direction::inbound_attack &&
               (domain::function_of_cell(cell) == Function::ips || domain::function_of_cell(cell) == Function::apg)));
    }
    CHECK(domain::cell_name(domain::cell_of(Function::wg, Direction::unknown)) == "wg unknown");
}

TEST_CASE("receive time picks the version in force") {
    const auto day = [](int d) { return base::from_civil_utc({2026, 4, d, 0, 0, 0, 0}); };
    const std::vector<domain::PackVersion> versions{{3, day(10)}, {1, day(1)}, {2, day(5)}, {4, day(5)}};
    const auto id_at = [&](base::Time t) {
        const auto found = domain::version_in_force(versions, t);
        return found ? versions[*found].id : 0;
    };
    struct Row {
        const char* sentence;
        base::Time at;
        std::int64_t id;
    };
    const Row rows[] = {
        {"before the first effective date there is no version", day(1) - base::Micros{1}, 0},
        {"a version holds from its very instant", day(1), 1},
        {"it holds until the next one comes", day(5) - base::Micros{1}, 1},
        {"of two with the same date the one loaded later holds", day(5), 4},
        {"a version for the future does not hold yet", day(10) - base::Micros{1}, 4},
        {"then it does, and nothing ends it", day(28), 3},
    };
    for (const auto& row : rows) {
        INFO(row.sentence);
        CHECK(id_at(row.at) == row.id);
    }
    CHECK_FALSE(domain::version_in_force({}, day(1)));
}

TEST_CASE("ids that name nothing are told apart from ids that do") {
    auto pack = small_pack();
    CHECK(pack.rules[rat_rule].class_index == control_class);
    CHECK(pack.mail_policy == 0);
    pack.rules[rat_rule].class_id = "nowhere";
    pack.several_signs.class_id = "nowhere";
    pack.mail_policy_id = "nowhere";
    domain::resolve(pack);
    CHECK(pack.rules[rat_rule].class_index == domain::no_class);
    CHECK(pack.several_signs.class_index == domain::no_class);
    CHECK(pack.mail_policy == SIZE_MAX);
    CHECK(pack.class_named("nowhere") == nullptr);
    CHECK(pack.class_named("low") == &pack.classes[low_class]);
}

}  // namespace
}  // namespace mimamori::tests
