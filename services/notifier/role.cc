#include "notifier/role.h"

#include <fmt/format.h>

#include <condition_variable>
#include <mutex>

#include "notifier/bounces.h"
#include "notifier/closer.h"
#include "notifier/events.h"
#include "notifier/operator_mail.h"
#include "notifier/sender.h"
#include "notifier/settings.h"

namespace mimamori::notifier {
namespace {

constexpr std::chrono::milliseconds reconnect_pause{1000};

void pause(std::stop_token stop, std::chrono::milliseconds time) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock{mutex};
    wake.wait_for(lock, stop, time, [] { return false; });
}

// Runs `work` with an open session until stopped; a failure closes the session and opens a new one after a pause.
template <class Work>
base::Expected<void> with_session(std::stop_token stop, const Settings& settings, platform::Events& events,
                                  platform::Health::Check health, const Work& work) {
    while (!stop.stop_requested()) {
        auto connection = store::Connection::open(settings.login);
        auto ended =
            connection ? (health.ok(), work(*connection)) : base::Expected<void>{tl::unexpected{connection.error()}};
        if (!ended && ended.error().kind != base::FailureKind::stopping) {
            health.bad(ended.error().what);
            events.emit(notifier_database_away,
                        {{"failure", platform::kind_name(ended.error().kind)}, {"detail", ended.error().what}});
            pause(stop, reconnect_pause);
        }
    }
    return {};
}

base::Expected<void> close_hours(std::stop_token stop, store::Connection& connection, const Settings& settings,
                                 platform::Process& process) {
    Closer closer{connection, settings, process.events()};
    bool leading = false;
    bool said = false;
    while (!stop.stop_requested()) {
        if (!leading) {
            auto lead = store::NotifierStore{connection}.lead();
            if (!lead) {
                return tl::unexpected{lead.error()};
            }
            leading = *lead;
            if (!leading && !said) {
                process.events().emit(notifier_not_leading);
                said = true;
            }
        }
        if (leading) {
            auto closed = closer.close_due(process.clock().now());
            if (!closed) {
                return tl::unexpected{closed.error()};
            }
            auto mailed = mail_open_alarms(connection, settings, process.clock().now());
            if (!mailed) {
                return tl::unexpected{mailed.error()};
            }
        }
        pause(stop, settings.poll);
    }
    return {};
}

base::Expected<void> send_mails(std::stop_token stop, store::Connection& connection, const Settings& settings,
                                platform::Process& process) {
    Sender sender{connection, settings, process.events()};
    while (!stop.stop_requested()) {
        auto sent = sender.send_one();
        if (!sent) {
            return tl::unexpected{sent.error()};
        }
        if (!*sent) {
            pause(stop, settings.poll);
        }
    }
    return {};
}

base::Expected<void> read_bounces(std::stop_token stop, store::Connection& connection, const Settings& settings,
                                  platform::Process& process) {
    BounceReader reader{connection, settings, process.events()};
    while (!stop.stop_requested()) {
        auto moved = reader.read_round();
        if (!moved) {
            return tl::unexpected{moved.error()};
        }
        if (*moved == 0) {
            pause(stop, settings.poll);
        }
    }
    return {};
}

}  // namespace

base::Expected<void> check(const platform::Config& config) {
    return read_settings(config).map([](const Settings&) {});
}

base::Expected<void> run(platform::Process& process, const platform::Config& config) {
    const auto settings = read_settings(config);
    if (!settings) {
        return tl::unexpected{settings.error()};
    }
    auto closer_health = process.health().check("closer");
    process.loops("closer", [&](std::stop_token stop) {
        return with_session(stop, *settings, process.events(), closer_health, [&](store::Connection& connection) {
            return close_hours(stop, connection, *settings, process);
        });
    });
    for (int i = 0; i < settings->senders; ++i) {
        auto health = process.health().check(fmt::format("sender {}", i + 1));
        process.loops(fmt::format("sender {}", i + 1), [&, health](std::stop_token stop) {
            return with_session(stop, *settings, process.events(), health, [&](store::Connection& connection) {
                return send_mails(stop, connection, *settings, process);
            });
        });
    }
    if (!settings->bounce_maildir.empty()) {
        auto health = process.health().check("bounces");
        process.loops("bounces", [&, health](std::stop_token stop) {
            return with_session(stop, *settings, process.events(), health, [&](store::Connection& connection) {
                return read_bounces(stop, connection, *settings, process);
            });
        });
    }
    return process.run();
}

}  // namespace mimamori::notifier
