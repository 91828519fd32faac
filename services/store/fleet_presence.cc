#include "store/fleet_presence.h"

#include <fmt/format.h>

namespace mimamori::store {
namespace {

Expected<void> move_cursor(Connection& connection, std::string_view topic, const CursorStep& step) {
    const auto conflict = [&] {
        return base::failure(FailureKind::conflict, fmt::format("another process reads {}, partition {}", topic, step.partition));
    };
    auto locked = connection.run("lock_topic_cursor", Params{}.text(topic).integer(step.partition));
    if (!locked) {
        return tl::unexpected{locked.error()};
    }
    if (!locked->boolean(0, 0)) {
        return conflict();
    }
    auto cursor = connection.run("topic_cursor", Params{}.text(topic).integer(step.partition));
    if (!cursor) {
        return tl::unexpected{cursor.error()};
    }
    if ((cursor->empty() ? -1 : cursor->integer(0, 0)) != step.from) {
        return conflict();
    }
    return connection.run("set_topic_cursor", Params{}.text(topic).integer(step.partition).integer(step.to))
        .map([](const Result&) {});
}

Expected<void> upsert(Connection& connection, std::span<const PresenceRow> rows) {
    if (rows.empty()) {
        return {};
    }
    std::vector<std::int64_t> rentals, customers, appliances, connected, connected_at, heard_at, offsets, spool_bytes, rejected;
    std::vector<std::string> gateways, sessions, agents, firmwares, models;
    for (const auto& row : rows) {
        rentals.push_back(row.rental.value);
        customers.push_back(row.customer.value);
        appliances.push_back(row.appliance.value);
        gateways.push_back(row.gateway);
        sessions.push_back(row.session_id);
        connected.push_back(row.connected ? 1 : 0);
        connected_at.push_back(row.connected_at_us);
        heard_at.push_back(base::to_us(row.heard_at));
        offsets.push_back(row.clock_offset_us);
        agents.push_back(row.agent_version);
        firmwares.push_back(row.firmware_version);
        models.push_back(row.appliance_model);
        spool_bytes.push_back(row.spool_bytes);
        rejected.push_back(row.rejected_lines);
    }
    return connection
        .run("upsert_presence", Params{}
                                    .integers(rentals).integers(customers).integers(appliances).texts(gateways)
                                    .byte_strings(sessions).integers(connected).integers(connected_at).integers(heard_at)
                                    .integers(offsets).texts(agents).texts(firmwares).texts(models).integers(spool_bytes)
                                    .integers(rejected))
        .map([](const Result&) {});
}

}  // namespace

Expected<TopicCursors> topic_cursors(Connection& connection, std::string_view topic) {
    return connection.run("topic_cursors", Params{}.text(topic)).map([](const Result& rows) {
        TopicCursors out;
        for (int i = 0; i < rows.rows(); ++i) {
            out[static_cast<std::int32_t>(rows.integer(i, 0))] = rows.integer(i, 1);
        }
        return out;
    });
}

Expected<void> store_presence(Connection& connection, std::string_view topic, std::span<const CursorStep> steps,
                              std::span<const PresenceRow> rows) {
    auto done = connection.begin();
    for (const auto& step : steps) {
        done = done.and_then([&] { return move_cursor(connection, topic, step); });
    }
    done = done.and_then([&] { return upsert(connection, rows); }).and_then([&] { return connection.commit(); });
    if (!done) {
        connection.rollback();
    }
    return done;
}

Expected<std::vector<SilentAgent>> raise_silent_agents(Connection& connection, std::string_view kind,
                                                       base::Time heard_before) {
    return connection.run("raise_silent_agents", Params{}.text(kind).time(heard_before)).map([](const Result& rows) {
        std::vector<SilentAgent> out;
        for (int i = 0; i < rows.rows(); ++i) {
            out.push_back({std::string{rows.text(i, 0)}, std::string{rows.text(i, 1)}});
        }
        return out;
    });
}

Expected<bool> raise_silence_of_all(Connection& connection, std::string_view kind, std::string_view subject,
                                    std::string_view detail) {
    return connection.run("raise_silence_of_all", Params{}.text(kind).text(subject).text(detail))
        .map([](const Result& rows) { return !rows.empty(); });
}

Expected<void> close_heard_agents(Connection& connection, std::string_view kind, std::string_view but,
                                  base::Time heard_before) {
    return connection.run("close_heard_agents", Params{}.text(kind).text(but).time(heard_before))
        .map([](const Result&) {});
}

}  // namespace mimamori::store
