#include "bench/load/watcher.h"

#include <libpq-fe.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/text.h"

namespace mimamori::bench {

base::Expected<std::unique_ptr<Watcher>> Watcher::start(const Options& options,
                                                        const std::vector<std::unique_ptr<Driver>>& drivers) {
    store::Login login;
    login.host = options.postgres_host;
    login.port = options.postgres_port;
    login.database = options.postgres_database;
    login.user = "postgres";
    login.application_name = "mimamori load";
    auto connection = store::Connection::open(login);
    if (!connection) {
        return tl::unexpected{connection.error()};
    }
    return std::unique_ptr<Watcher>{new Watcher{options, drivers, std::move(*connection)}};
}

Watcher::Watcher(const Options& options, const std::vector<std::unique_ptr<Driver>>& drivers,
                 store::Connection connection)
    : options_{options}, drivers_{drivers}, connection_{std::move(connection)} {
    for (std::size_t d = 0; d < drivers.size(); ++d) {
        const auto& appliances = drivers[d]->appliances();
        for (std::size_t a = 0; a < appliances.size(); ++a) {
            for (const auto lane : {delivery::Lane::urgent, delivery::Lane::normal, delivery::Lane::rollup}) {
                streams_.emplace("\\x" + base::to_hex(appliances[a]->spool(lane).spool_id()), Stream{d, a, lane});
            }
        }
    }
    thread_ = std::jthread{[this](std::stop_token stop) { run(stop); }};
}

Watcher::~Watcher() {
    thread_.request_stop();
}

void Watcher::run(std::stop_token stop) {
    auto next = std::chrono::steady_clock::now();
    std::vector<std::vector<Seen>> news(drivers_.size());
    while (!stop.stop_requested()) {
        PGresult* rows = PQexec(connection_.raw(),
                                "select spool_id, next_seq from streams where next_seq > 1 and closed_at is null");
        if (PQresultStatus(rows) != PGRES_TUPLES_OK) {
            std::fprintf(stderr, "load: PostgreSQL does not say where the streams are: %s\n",
                         PQerrorMessage(connection_.raw()));
            std::exit(1);
        }
        const auto now = steady_us();
        for (int row = 0; row < PQntuples(rows); ++row) {
            const auto found = streams_.find(std::string_view{PQgetvalue(rows, row, 0)});
            if (found == streams_.end()) {
                continue;
            }
            const std::string_view text{PQgetvalue(rows, row, 1)};
            delivery::Seq before = 1;
            std::from_chars(text.data(), text.data() + text.size(), before);
            auto& stream = found->second;
            if (before > stream.seen) {
                stream.seen = before;
                news[stream.driver].push_back({stream.appliance, stream.lane, before, now});
            }
        }
        PQclear(rows);
        for (std::size_t d = 0; d < drivers_.size(); ++d) {
            if (!news[d].empty()) {
                drivers_[d]->seen(news[d]);
                news[d].clear();
            }
        }
        next = std::max(next + options_.watch_interval, std::chrono::steady_clock::now());
        std::this_thread::sleep_until(next);
    }
}

}  // namespace mimamori::bench
