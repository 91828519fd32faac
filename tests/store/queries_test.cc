// Every statement the services run, against a freshly migrated database.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cctype>
#include <map>

#include "sql/embedded.h"
#include "support/test_database.h"

using namespace mimamori;

namespace {

std::string_view without_comments(std::string_view sql) {
    while (sql.substr(0, 2) == "--") {
        sql.remove_prefix(std::min(sql.size(), sql.find('\n') + 1));
    }
    return sql;
}

}  // namespace

TEST_CASE("every named query can be prepared on a freshly migrated database") {
    test::TestDatabase database;
    REQUIRE(sql::queries().size() > 50);
    auto owner = database.connect("owner");
    auto correlator = database.connect("correlator");
    const std::string_view empty_copy{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0\377\377", 21};
    for (const auto& query : sql::queries()) {
        INFO(query.name);
        const auto begins = [&, sql = without_comments(query.sql)](std::string_view word) { return sql.substr(0, word.size()) == word; };
        base::Expected<void> done;
        if (begins("copy ")) {  // cannot be prepared; copying nothing checks its names as well
            done = correlator.copy_in(query.name, empty_copy).map([](std::int64_t) {});
        } else if (begins("create ") || begins("grant ")) {  // neither can these
            REQUIRE(owner.begin());
            done = owner.run_script(query.sql);
            owner.rollback();
        } else {
            done = owner.run_script("prepare \"" + std::string{query.name} + "\" as " + std::string{query.sql});
        }
        CHECK((done ? "" : done.error().what) == "");
    }
}

TEST_CASE("every service may run its own queries: each is planned with the service's own rights") {
    test::TestDatabase database;
    const std::map<std::string, std::string> roles{{"gateway", "gateway"}, {"correlator", "correlator"}};
    for (const auto& [prefix, role] : roles) {
        auto connection = database.connect(role);
        for (const auto& query : sql::queries()) {
            if (query.name.substr(0, prefix.size() + 1) != prefix + "_" || without_comments(query.sql).substr(0, 5) == "copy ") {
                continue;
            }
            INFO(query.name);
            // Rights are checked when a plan starts: with nulls for all parameters nothing is found or written.
            std::size_t parameters = 0;
            for (std::size_t at = query.sql.find('$'); at != std::string_view::npos; at = query.sql.find('$', at + 1)) {
                std::size_t number = 0;
                for (auto digit = at + 1; digit < query.sql.size() && std::isdigit(static_cast<unsigned char>(query.sql[digit])) != 0; ++digit) {
                    number = number * 10 + static_cast<std::size_t>(query.sql[digit] - '0');
                }
                parameters = std::max(parameters, number);
            }
            store::Params nulls;
            for (std::size_t i = 0; i < parameters; ++i) {
                nulls.null();
            }
            REQUIRE(connection.begin());
            const auto ran = connection.run(query.name, nulls);
            CHECK((ran ? "" : ran.error().what).find("permission denied") == std::string::npos);
            CHECK((ran ? "" : ran.error().what).find("42501") == std::string::npos);
            connection.rollback();
        }
    }
}

TEST_CASE("what every poll changes is in no index, so that a changed row costs one write and not one an index") {
    test::TestDatabase database;
    const auto indexed = database.query(
        "select c.relname, a.attname from pg_index i join pg_class c on c.oid = i.indrelid "
        "join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and "
        "(a.attnum = any (i.indkey) or pg_get_indexdef(i.indexrelid) ~ ('\\m' || a.attname || '\\M')) "
        "where (c.relname, a.attname) in (('streams', 'next_seq'), ('streams', 'h_before'), ('streams', 'last_assigned'), "
        "('streams', 'detections'), ('streams', 'blocks'), ('findings', 'detections'), ('findings', 'first_observed_at'), "
        "('findings', 'last_observed_at'), ('findings', 'last_received_at'), ('mail_items', 'detections'), "
        "('mail_items', 'first_observed_at'), ('mail_items', 'last_observed_at'), ('customer_counters', 'last_finding_no'), "
        "('log_partitions', 'lease_until'), ('log_partitions', 'next_offset'), ('block_tallies', 'count'), "
        "('unknown_signatures', 'count'), ('unknown_signatures', 'last_seen_at'))");
    for (const auto& row : indexed) {
        FAIL_CHECK(row[0] << "." << row[1]);
    }
    CHECK(database.integer("select count(*) from pg_class where relname in ('streams', 'findings', 'mail_items') and "
                           "array_to_string(reloptions, ',') like 'fillfactor=%'") == 3);
}
