// What the uplink's tests share: an appliance with a spool and an uplink, its loop driven by the test, and a gateway.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/support/fake_gateway.h"
#include "appliance-agent/uplink/connection.h"
#include "appliance-agent/uplink/uplink.h"
#include "appliance-agent/wakeup.h"

namespace mimamori::agent::uplink::testing {

using domain::delivery::Lane;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

inline bool everything(std::string_view) {
    return true;
}

inline spool::Entry entry_of(const std::string& payload) {
    spool::Entry entry;
    entry.class_byte = 1;
    entry.observed_at_us = 5;
    entry.payload = payload;
    return entry;
}

// A spool, an uplink and the thread of an agent's loop, driven by the test.
class Appliance {
  public:
    explicit Appliance(const test::TestAuthority& authority) {
        route_grpc_log([](const std::string&) {});
        const auto pem = authority.issue_appliance("UTM-0001");
        settings.certificates = {folder.write("ca.pem", authority.certificate()),
                                 folder.write("utm.pem", pem.certificate), folder.write("utm.key", pem.private_key)};
        settings.backoff = {milliseconds{20}, milliseconds{100}, milliseconds{100}};
        settings.batch_delay = milliseconds{20};
        settings.agent_version = "test";
        spool_settings.folder = (folder.path() / "spool").string();
        spool_settings.lane.segment_bytes = 2000;
        open_spool();
    }

    void open_spool() {
        spool_.reset();
        std::vector<std::string> notes;
        auto opened = spool::Spool::open(spool::posix_filesystem(), spool_settings, everything, notes);
        REQUIRE(opened);
        spool_ = std::move(*opened);
    }
    void start() {
        UplinkPorts ports;
        ports.now = [] { return std::chrono::time_point_cast<base::Micros>(std::chrono::system_clock::now()); };
        ports.wake = [this] { wakeup.wake(); };
        ports.may_send_as = [](const std::string&) { return base::Expected<void>{}; };
        ports.firmware_version = [] { return std::string{"fw-1"}; };
        ports.rejected_lines = [] { return 3; };
        ports.on_lan = [this](const std::vector<std::string>& ranges) { lan = ranges; };
        ports.report = [this](const char* event, const std::string& detail) { reports.emplace_back(event, detail); };
        uplink_ = std::make_unique<Uplink>(settings, std::move(ports), *spool_);
    }
    void stop() { uplink_.reset(); }

    void commit(Lane lane, const std::vector<std::string>& payloads) {
        for (const auto& payload : payloads) {
            while (!spool_->add(lane, entry_of(payload))) {
                REQUIRE(*spool_->commit(1) == spool::Spool::Commit::done);
            }
        }
        REQUIRE(*spool_->commit(1) == spool::Spool::Commit::done);
        spool_->cover(everything);
    }

    bool step_until(const std::function<bool()>& holds, std::chrono::seconds limit = std::chrono::seconds{20}) {
        const auto end = steady_clock::now() + limit;
        while (!holds()) {
            const auto now = steady_clock::now();
            if (now >= end) {
                for (const auto& [event, detail] : reports) {
                    UNSCOPED_INFO(event << ": " << detail);
                }
                return false;
            }
            const auto done = uplink_->step(now);
            INFO((done ? std::string{} : done.error().what));
            REQUIRE(done);
            wakeup.wait_until(std::min(uplink_->next_step(now), now + milliseconds{50}));
        }
        return true;
    }
    bool all_settled() {
        return step_until([&] { return uplink_->state().connected && uplink_->all_settled(); });
    }
    std::size_t reported(std::string_view event) const {
        return static_cast<std::size_t>(
            std::count_if(reports.begin(), reports.end(), [&](const auto& r) { return r.first == event; }));
    }

    test::TemporaryFolder folder;
    UplinkSettings settings;
    spool::SpoolSettings spool_settings;
    Wakeup wakeup;
    std::unique_ptr<spool::Spool> spool_;
    std::unique_ptr<Uplink> uplink_;
    std::vector<std::string> lan;
    std::vector<std::pair<std::string, std::string>> reports;
};

inline std::vector<std::string> numbered(int first, int last, std::size_t padding = 30) {
    std::vector<std::string> out;
    for (int i = first; i <= last; ++i) {
        out.push_back("entry " + std::to_string(i) + std::string(padding, '.'));
    }
    return out;
}

inline std::multiset<std::string> set_of(const std::vector<std::string>& texts) {
    return {texts.begin(), texts.end()};
}

struct World {
    test::TestAuthority authority;
    test::TemporaryFolder folder;
    test::FakeGateway gateway{authority, folder};
    Appliance appliance{authority};
    World() { appliance.settings.addresses = {gateway.address()}; }
};

}  // namespace mimamori::agent::uplink::testing
