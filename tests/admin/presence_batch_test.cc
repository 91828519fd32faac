// Folding presence news: the last word of each rental counts, and a session's end only if it is the present one.
#include <catch2/catch.hpp>

#include "fleet/presence_batch.h"

using namespace mimamori;
using uplink::v1::Presence;

namespace {

const std::string session_a(16, 'a');
const std::string session_b(16, 'b');

Presence news(Presence::Kind kind, const std::string& session, std::int64_t at_us, std::int64_t rental = 1) {
    Presence out;
    out.set_rental_id(rental);
    out.set_customer_id(2);
    out.set_appliance_id(3);
    out.set_gateway("gw1");
    out.set_session_id(session);
    out.set_kind(kind);
    out.set_at_us(at_us);
    return out;
}

store::PresenceRow folded(const std::vector<Presence>& all) {
    fleet::PresenceBatch batch;
    for (const auto& one : all) {
        REQUIRE(batch.add(one));
    }
    REQUIRE(batch.size() == 1);
    return batch.rows().front();
}

}  // namespace

TEST_CASE("the last news of a session stands, with what earlier ones told") {
    auto hello = news(Presence::CONNECTED, session_a, 100);
    hello.set_agent_version("1.2");
    auto beat = news(Presence::HEARTBEAT, session_a, 200);
    beat.mutable_heartbeat()->set_spool_bytes(77);
    const auto row = folded({hello, beat, news(Presence::DISCONNECTED, session_a, 300)});
    CHECK_FALSE(row.connected);
    CHECK(row.connected_at_us == 100);
    CHECK(base::to_us(row.heard_at) == 300);
    CHECK(row.agent_version == "1.2");
    CHECK(row.spool_bytes == 77);
    CHECK(row.rejected_lines == 0);
}

TEST_CASE("the end of a session that another has replaced changes nothing") {
    const auto row = folded({news(Presence::CONNECTED, session_a, 100), news(Presence::CONNECTED, session_b, 200),
                             news(Presence::DISCONNECTED, session_a, 300)});
    CHECK(row.connected);
    CHECK(row.session_id == session_b);
    CHECK(base::to_us(row.heard_at) == 200);
}

TEST_CASE("older news than what is known changes nothing") {
    const auto row = folded({news(Presence::HEARTBEAT, session_b, 200), news(Presence::HEARTBEAT, session_a, 100)});
    CHECK(row.session_id == session_b);
}

TEST_CASE("news without rental, session or kind is not usable") {
    fleet::PresenceBatch batch;
    CHECK_FALSE(batch.add(news(Presence::CONNECTED, session_a, 1, 0)));
    CHECK_FALSE(batch.add(news(Presence::CONNECTED, "short", 1)));
    CHECK_FALSE(batch.add(news(Presence::KIND_UNSPECIFIED, session_a, 1)));
    CHECK(batch.size() == 0);
}

TEST_CASE("counts beyond what the table holds are capped, text is cut and made valid") {
    auto beat = news(Presence::HEARTBEAT, session_a, 1);
    beat.mutable_heartbeat()->set_spool_bytes(~0ULL);
    beat.set_appliance_model(std::string(1000, 'x'));
    const auto row = folded({beat});
    CHECK(row.spool_bytes == std::numeric_limits<std::int64_t>::max());
    CHECK(row.appliance_model.size() == 200);
}
