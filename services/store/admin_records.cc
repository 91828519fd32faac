#include "store/admin_records.h"

#include <fmt/format.h>

namespace mimamori::store {

Expected<void> add_audit(Connection& connection, std::string_view actor, std::string_view action, std::string_view object,
                         std::string_view detail_json) {
    return connection.run("add_audit", Params{}.text(actor).text(action).text(object).text(detail_json))
        .map([](const Result&) {});
}

namespace {

constexpr std::int64_t streams_verified_at_once = 500;
constexpr std::size_t most_mismatches = 100;

// Stores a versioned text once and for good, by the statement `add`; `like` finds what stands in its way.
Expected<StoredPack> add_versioned(Connection& connection, std::string_view add, std::string_view like_it, std::string_view version,
                                   base::Time effective_from, std::string_view content, std::string_view loaded_by) {
    auto made = connection.run(add,
                               Params{}.text(version).time(effective_from).text(content).text(loaded_by));
    if (!made) {
        return tl::unexpected{made.error()};
    }
    if (!made->empty()) {
        return StoredPack{made->integer(0, 0), true};
    }
    auto like = connection.run(like_it, Params{}.text(version).text(content));
    if (!like) {
        return tl::unexpected{like.error()};
    }
    if (like->empty()) {
        return base::failure(FailureKind::conflict, "the file was neither stored nor found: run the command again");
    }
    if (like->text(0, 1) != version) {
        return base::failure(FailureKind::refused,
                             fmt::format("the same content is stored as version {}", like->text(0, 1)));
    }
    if (!like->boolean(0, 2)) {
        return base::failure(FailureKind::refused, fmt::format("version {} is stored with another content, and what is stored is "
                                                               "immutable: give the changed file a new version",
                                                               version));
    }
    return StoredPack{like->integer(0, 0), false};
}

}  // namespace

Expected<StoredPack> add_rule_pack(Connection& connection, std::string_view version, base::Time effective_from,
                                   std::string_view content, std::string_view loaded_by) {
    return add_versioned(connection, "add_rule_pack", "rule_pack_like", version, effective_from, content, loaded_by);
}

Expected<StoredPack> add_mail_texts(Connection& connection, std::string_view version, base::Time effective_from,
                                    std::string_view content, std::string_view loaded_by) {
    return add_versioned(connection, "add_mail_texts", "mail_texts_like", version, effective_from, content, loaded_by);
}

Expected<bool> make_log_partitions(Connection& connection, std::int32_t partitions) {
    auto count = connection.run("lock_log_partitions").and_then([&](const Result&) {
        return connection.run("count_log_partitions");
    });
    if (!count) {
        return tl::unexpected{count.error()};
    }
    const auto there = count->integer(0, 0);
    if (there == partitions) {
        return false;
    }
    if (there != 0) {
        return base::failure(FailureKind::refused,
                             fmt::format("the database knows {} log partitions, the settings say {}: partition counts are "
                                         "frozen, set kafka.partitions = {}",
                                         there, partitions, there));
    }
    return connection.run("add_log_partitions", Params{}.integer(partitions)).map([](const Result&) { return true; });
}

Expected<void> set_generation(Connection& connection, const std::array<std::uint8_t, 16>& generation) {
    auto set = connection.run("set_generation", Params{}.bytes(std::span{generation}));
    if (set && set->affected() != 1) {
        return base::failure(FailureKind::refused, "database_identity has no row: the migrations are not complete");
    }
    return set.map([](const Result&) {});
}

Expected<void> ensure_partitions(Connection& connection, base::Time since, std::int32_t months) {
    return connection.run("ensure_partitions", Params{}.time(since).integer(months)).map([](const Result&) {});
}

Expected<std::vector<Alarm>> list_alarms(Connection& connection, bool closed_too) {
    return connection.run("list_alarms", Params{}.boolean(closed_too)).map([](const Result& rows) {
        std::vector<Alarm> out;
        for (int i = 0; i < rows.rows(); ++i) {
            out.push_back({rows.integer(i, 0), std::string{rows.text(i, 1)}, std::string{rows.text(i, 2)},
                           std::string{rows.text(i, 3)}, rows.integer(i, 4), rows.time(i, 5), rows.time(i, 6),
                           rows.time_or_null(i, 7)});
        }
        return out;
    });
}

Expected<std::optional<Alarm>> close_alarm_by_id(Connection& connection, std::int64_t id) {
    return connection.run("close_alarm_by_id", Params{}.integer(id)).map([&](const Result& row) {
        std::optional<Alarm> closed;
        if (!row.empty()) {
            closed.emplace();
            closed->id = id;
            closed->kind = row.text(0, 0);
            closed->subject = row.text(0, 1);
        }
        return closed;
    });
}

Expected<Status> read_status(Connection& connection, base::Time heard_since, base::Time quarantined_since) {
    Status out;
    const auto step = [&](std::string_view name, const Params& params, auto&& take) {
        return [&connection, name, params, take](auto&&...) -> Expected<void> {
            return connection.run(name, params).map(take);
        };
    };
    auto read = step("schema_version", {}, [&](const Result& r) { out.schema_version = r.text(0, 0); })();
    read = read.and_then(step("status_streams", {}, [&](const Result& r) {
        std::int64_t* const fields[] = {&out.streams_open, &out.streams_closed, &out.streams_superseded, &out.detections,
                                        &out.blocks, &out.skipped, &out.rejected, &out.quarantined, &out.tombstoned,
                                        &out.gone, &out.entries_behind};
        int column = 0;
        for (auto* field : fields) {
            *field = r.integer(0, column++);
        }
    }));
    read = read.and_then(step("status_partitions", {}, [&](const Result& r) {
        for (int i = 0; i < r.rows(); ++i) {
            out.partitions.push_back({r.integer(i, 0), std::string{r.text(i, 1)}, r.boolean(i, 2), r.integer(i, 3),
                                      r.integer(i, 4), r.integer_or_null(i, 5)});
        }
    }));
    read = read.and_then(step("status_outbox", {}, [&](const Result& r) {
        for (int i = 0; i < r.rows(); ++i) {
            out.outbox.push_back({std::string{r.text(i, 0)}, r.integer(i, 1), r.time(i, 2)});
        }
    }));
    read = read.and_then(step("status_mail_items", {}, [&](const Result& r) {
        out.mail_items_open = r.integer(0, 0);
        out.mail_items_oldest = r.time_or_null(0, 1);
    }));
    read = read.and_then(step("status_presence", Params{}.time(heard_since), [&](const Result& r) {
        out.agents_connected = r.integer(0, 0);
        out.agents_known = r.integer(0, 1);
    }));
    read = read.and_then(step("status_alarms", {}, [&](const Result& r) {
        for (int i = 0; i < r.rows(); ++i) {
            out.alarms.push_back({std::string{r.text(i, 0)}, r.integer(i, 1), r.time(i, 2)});
        }
    }));
    read = read.and_then(step("status_quarantine", Params{}.time(quarantined_since), [&](const Result& r) {
        for (int i = 0; i < r.rows(); ++i) {
            out.quarantine.push_back({std::string{r.text(i, 0)}, r.integer(i, 1), r.time(i, 2)});
        }
    }));
    read = read.and_then(step("status_agents", {}, [&](const Result& r) {
        for (int i = 0; i < r.rows(); ++i) {
            out.agents.push_back({std::string{r.text(i, 0)}, std::string{r.text(i, 1)}, r.boolean(i, 2),
                                  r.time_or_null(i, 3), std::string{r.text(i, 4)}, std::string{r.text(i, 5)},
                                  r.integer(i, 6), r.integer(i, 7)});
        }
    }));
    return read.map([&] { return out; });
}

Expected<std::vector<std::string>> drop_partitions(Connection& connection, std::string_view table, base::Time before) {
    return connection.run("drop_partitions", Params{}.text(table).time(before)).map([](const Result& rows) {
        std::vector<std::string> out;
        for (int i = 0; i < rows.rows(); ++i) {
            out.emplace_back(rows.text(i, 0));
        }
        return out;
    });
}

Expected<std::vector<StreamMismatch>> verify_streams(Connection& connection, base::Time since) {
    std::vector<StreamMismatch> out;
    std::int64_t after = 0;
    while (out.size() < most_mismatches) {
        const auto next = connection.run("verify_streams_until",
                                         Params{}.time(since).integer(after).integer(streams_verified_at_once));
        if (!next) {
            return tl::unexpected{next.error()};
        }
        const auto until = next->integer_or_null(0, 0);
        if (!until) {
            break;
        }
        const auto rows = connection.run("verify_streams", Params{}.time(since).integer(after).integer(*until));
        if (!rows) {
            return tl::unexpected{rows.error()};
        }
        for (int i = 0; i < rows->rows(); ++i) {
            out.push_back({rows->integer(i, 0), rows->integer(i, 1), rows->integer(i, 2), rows->integer(i, 3),
                           rows->integer(i, 4), rows->integer(i, 5), rows->integer(i, 6), rows->integer(i, 7),
                           rows->integer(i, 8)});
        }
        after = *until;
    }
    return out;
}

Expected<std::vector<UntoldNews>> verify_mails(Connection& connection) {
    return connection.run("verify_mails").map([](const Result& rows) {
        std::vector<UntoldNews> out;
        for (int row = 0; row < rows.rows(); ++row) {
            out.push_back(
                {rows.integer(row, 0), std::string{rows.text(row, 1)}, rows.integer(row, 2), rows.boolean(row, 3)});
        }
        return out;
    });
}

Expected<std::vector<std::int64_t>> verify_audit(Connection& connection) {
    return connection.run("verify_audit").map([](const Result& rows) {
        std::vector<std::int64_t> out;
        for (int i = 0; i < rows.rows(); ++i) {
            out.push_back(rows.integer(i, 0));
        }
        return out;
    });
}

}  // namespace mimamori::store
