#include "running_listener.h"

#include <catch2/catch.hpp>

#include <algorithm>

namespace mimamori::test {

RunningListener::RunningListener(const std::function<void(uplink_grpc::ServerSettings&)>& change)
    : identity_{authority_.issue_appliance("appliance")} {
    const auto mine = authority_.issue_server();
    uplink_grpc::ServerSettings settings;
    settings.listen = "127.0.0.1:0";
    settings.certificate_file = folder_.write("server.pem", mine.certificate);
    settings.key_file = folder_.write("server.key", mine.private_key);
    settings.ca_file = folder_.write("ca.pem", authority_.certificate());
    settings.report = [this](const std::string& text) {
        const std::lock_guard lock{mutex_};
        reports_.push_back(text);
        changed_.notify_all();
    };
    if (change) {
        change(settings);
    }
    auto made = uplink_grpc::UplinkServer::make(settings, deny_list_, *this);
    REQUIRE(made);
    server_ = std::move(*made);
    REQUIRE(server_->start());
}

RunningListener::~RunningListener() {
    server_.reset();
}

bool RunningListener::eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    std::unique_lock lock{mutex_};
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= deadline) {
            return false;
        }
        changed_.wait_for(lock, 20ms);  // not everything that conditions ask for is told
    }
    return true;
}

bool RunningListener::reported(std::string_view part) const {
    return std::any_of(reports_.begin(), reports_.end(),
                       [&](const auto& text) { return text.find(part) != std::string::npos; });
}

std::unique_ptr<RawPeer> RunningListener::peer() {
    auto out = std::make_unique<RawPeer>(port());
    REQUIRE(out->shake_hands(identity_));
    const auto before = opened();
    out->call();
    REQUIRE(out->exchange_until([&] { return eventually([&] { return opened() > before; }, 1ms); }));
    return out;
}

void RunningListener::on_opened(const std::shared_ptr<Stream>& stream) {
    stream->read_next();
    const std::lock_guard lock{mutex_};
    streams_.push_back(stream);
    ++opened_;
    changed_.notify_all();
}

void RunningListener::on_frame(Stream& stream, AgentFrame&& frame) {
    if (reads_on) {
        stream.read_next();
    }
    const std::lock_guard lock{mutex_};
    frames_.push_back(std::move(frame));
    changed_.notify_all();
}

void RunningListener::on_closed(Stream&) {
    const std::lock_guard lock{mutex_};
    ++closed_;
    changed_.notify_all();
}

AgentFrame heartbeat(std::int64_t clock_us) {
    AgentFrame frame;
    frame.mutable_heartbeat()->set_agent_clock_us(clock_us);
    return frame;
}

}  // namespace mimamori::test
