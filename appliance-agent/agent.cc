#include "appliance-agent/agent.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace mimamori::agent {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t read_budget_bytes = 64U << 10U;  // of one source, in one turn

tl::unexpected<base::Failure> failed(const spool::FileError& error) {
    const bool busy = error.kind == spool::FileError::Kind::busy;
    return base::failure(busy ? base::FailureKind::conflict : base::FailureKind::unknown,
                         busy ? error.what + ": another agent uses this spool; stop it first" : error.what);
}

base::Time monotonic_now() {
    return base::Time{std::chrono::duration_cast<base::Micros>(steady_clock::now().time_since_epoch())};
}

domain::delivery::Lane lane_of(const sources::Produced& entry) {
    using domain::delivery::Lane;
    return entry.kind == sources::EntryKind::block ? Lane::rollup : entry.urgent ? Lane::urgent : Lane::normal;
}

spool::Entry entry_of(sources::Produced&& produced) {
    spool::Entry out;
    out.kind = static_cast<spool::EntryKind>(produced.kind);
    out.class_byte = static_cast<std::uint8_t>(static_cast<unsigned>(produced.function) |
                                               (produced.urgent ? spool::urgent_class : 0U));
    out.observed_at_us = produced.observed_at_us;
    out.position = sources::to_bytes(produced.position);
    out.payload = std::move(produced.payload);
    return out;
}

}  // namespace

Agent::Agent(Config config, const Clock& clock, Log& log, Wakeup& wakeup)
    : config_{std::move(config)}, clock_{clock}, log_{log}, wakeup_{wakeup} {}

base::Expected<std::unique_ptr<Agent>> Agent::open(Config config, const Clock& clock, Log& log, Wakeup& wakeup) {
    std::unique_ptr<Agent> agent{new Agent{std::move(config), clock, log, wakeup}};
    if (auto opened = agent->open_spool(); !opened) {
        return tl::unexpected{opened.error()};
    }
    agent->open_sources();
    agent->open_uplink();
    return agent;
}

base::Expected<void> Agent::open_spool() {
    auto& files = spool::posix_filesystem();
    if (auto made =
            files.make_folder(config_.state_dir).and_then([&] { return files.make_folder(config_.spool.folder); });
        !made) {
        return failed(made.error());
    }
    auto checkpoints = spool::Checkpoints::open(files, config_.spool.folder);
    if (!checkpoints) {
        return failed(checkpoints.error());
    }
    checkpoints_ = std::make_unique<spool::Checkpoints>(std::move(*checkpoints));
    if (checkpoints_->was_unreadable()) {
        log_.write(Level::error, "checkpoints_unreadable", "lines of the logs may be sent a second time");
    }
    for (const auto& source : config_.sources) {
        if (source.listen) {
            continue;  // what was listened to cannot be read again
        }
        const auto index = checkpoints_->index_of(source.id);
        if (!index) {
            return failed(index.error());
        }
        covered_[*index] = sources::checkpoint_from(checkpoints_->sources().at(source.id).checkpoint);
    }
    if (auto stored = checkpoints_->store(); !stored) {  // a source's number must never become another's
        return failed(stored.error());
    }
    std::vector<std::string> notes;
    auto spool = spool::Spool::open(
        files, config_.spool, [this](std::string_view position) { return is_covered(position); }, notes);
    for (const auto& note : notes) {
        log_.write(Level::warning, "spool_recovered", note);
    }
    if (!spool) {
        return failed(spool.error());
    }
    spool_ = std::move(*spool);
    return {};
}

// A position of a source that is no longer configured will not be read again.
bool Agent::is_covered(std::string_view bytes) const {
    const auto position = sources::position_from(bytes);
    const auto source = position ? covered_.find(position->source_index) : covered_.end();
    if (source == covered_.end()) {
        return true;
    }
    const auto& by = source->second;
    return by && (position->file.generation < by->file.generation ||
                  (position->file.generation == by->file.generation && position->offset < by->offset));
}

void Agent::open_sources() {
    std::vector<sources::Position> spooled;
    for (const auto lane :
         {domain::delivery::Lane::urgent, domain::delivery::Lane::normal, domain::delivery::Lane::rollup}) {
        for (const auto& entry : spool_->uncovered(lane)) {
            if (const auto position = sources::position_from(entry.position)) {
                spooled.push_back(*position);
            }
        }
    }
    for (const auto& source : config_.sources) {
        sources::SourceOptions options;
        options.id = source.id;
        options.path = source.path;
        options.assumed_utc_offset = source.assumed_utc_offset;
        options.max_line_bytes = source.max_line_bytes;
        if (source.listen) {
            sources_.push_back(sources::listen_for_syslog(source.format, options, *source.listen));
            continue;
        }
        options.index = checkpoints_->sources().at(source.id).index;
        sources_.push_back(sources::follow_file(source.format, options, covered_.at(options.index), spooled));
    }
    if (const auto known = read_small_file(config_.state_dir + "/lan_ranges")) {
        std::vector<std::string> ranges;
        for (std::string_view rest{*known}; !rest.empty();) {
            const auto end = std::min(rest.find('\n'), rest.size());
            ranges.emplace_back(rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
        use_lan(ranges);
    }
}

void Agent::open_uplink() {
    auto settings = config_.uplink;
    settings.agent_version = MIMAMORI_AGENT_VERSION;
    uplink::UplinkPorts ports;
    ports.now = [this] { return clock_.now(); };
    ports.wake = [this] { wakeup_.wake(); };
    ports.may_send_as = [this](const std::string& name) { return may_send_as(name); };
    ports.firmware_version = [this] { return firmware_version(); };
    ports.rejected_lines = [this] {
        std::uint64_t sum = 0;
        for (const auto& source : sources_) {
            sum += source->stats().rejected;
        }
        return sum;
    };
    ports.on_lan = [this](const std::vector<std::string>& ranges) {
        std::string text;
        for (const auto& range : ranges) {
            text += range + "\n";
        }
        const auto file = config_.state_dir + "/lan_ranges";
        if (const auto known = read_small_file(file); known && *known == text) {
            return;
        }
        if (const auto kept = replace_file(file, text); !kept) {
            log_.write(Level::warning, "lan_ranges_not_kept", kept.error().what);
        }
        use_lan(ranges);
    };
    ports.report = [this](const char* event, const std::string& detail) {
        const std::string_view id{event};
        log_.write(id == "uplink_connected" ? Level::info
                   : id == "uplink_ended"   ? Level::warning
                                            : Level::error,
                   id, detail);
    };
    uplink_ = std::make_unique<uplink::Uplink>(std::move(settings), std::move(ports), *spool_);
}

void Agent::use_lan(const std::vector<std::string>& ranges) {
    std::vector<domain::AddressRange> lan;
    for (const auto& text : ranges) {
        if (const auto range = domain::parse_range(text)) {
            lan.push_back(*range);
        } else {
            log_.write(Level::warning, "lan_range_malformed", text);
        }
    }
    for (auto& source : sources_) {
        source->set_lan(lan.empty() ? domain::private_ranges() : lan);
    }
}

// A rental's data is never sent under another: the spool keeps the name it was filled under.
base::Expected<void> Agent::may_send_as(const std::string& common_name) {
    const auto file = config_.spool.folder + "/owner";
    const auto owner = read_small_file(file);
    if (!owner) {
        return replace_file(file, common_name);
    }
    if (*owner != common_name) {
        return base::failure(base::FailureKind::refused,
                             fmt::format("the spool in {} belongs to {}, the certificate to {}: data of one rental is "
                                         "not sent under another; move the folder away",
                                         config_.spool.folder, *owner, common_name));
    }
    return {};
}

std::string Agent::firmware_version() const {
    if (config_.firmware_version_file.empty()) {
        return config_.firmware_version;
    }
    const auto text = read_small_file(config_.firmware_version_file).value_or(std::string{});
    return base::to_valid_utf8(base::trim(std::string_view{text}.substr(0, text.find('\n'))), 100);
}

bool Agent::read_sources() {
    if (!read_.empty()) {
        return false;  // the spool has no room for what was read before
    }
    bool more = false;
    for (auto& source : sources_) {
        const auto state = source->read_some(read_budget_bytes, monotonic_now(), read_);
        if (!state) {
            log_.write(Level::warning, "source_trouble", fmt::format("{}: {}", source->id(), state.error().what));
        }
        more = more || (state && *state == sources::ReadState::more);
    }
    return more;
}

base::Expected<void> Agent::spool_read() {
    const auto commit = [&]() -> base::Expected<bool> {
        const auto done = spool_->commit(base::to_us(clock_.now()));
        if (!done) {
            return failed(done.error());
        }
        return *done == spool::Spool::Commit::done;
    };
    for (; spooled_of_read_ < read_.size(); ++spooled_of_read_) {
        auto& produced = read_[spooled_of_read_];
        const auto lane = lane_of(produced);
        if (!spool_->has_room(lane)) {
            if (auto done = commit(); !done) {
                return tl::unexpected{done.error()};
            }
            if (!spool_->has_room(lane)) {
                break;
            }
        }
        sources::stamp(produced, base::to_us(clock_.now()), uplink_->state().clock_offset_us);
        spool_->add(lane, entry_of(std::move(produced)));
    }
    bool all = spooled_of_read_ == read_.size();
    if (spool_->has_pending()) {
        auto done = commit();
        if (!done) {
            return tl::unexpected{done.error()};
        }
        all = all && *done;
    }
    if (!all) {
        if (!std::exchange(waiting_for_room_, true)) {
            log_.write(Level::error, "spool_full",
                       "nothing is left to give up: the logs are not read on until something is settled");
        }
        return {};
    }
    waiting_for_room_ = false;
    read_.clear();
    spooled_of_read_ = 0;
    return store_checkpoints();
}

// Everything handed out so far is in the spool and synced.
base::Expected<void> Agent::store_checkpoints() {
    bool any = false;
    for (const auto& source : sources_) {
        const auto at = source->checkpoint();
        if (at && at != covered_.at(checkpoints_->sources().at(source->id()).index)) {
            checkpoints_->set(source->id(), sources::to_bytes(*at));
            any = true;
        }
    }
    if (!any) {
        return {};
    }
    if (auto stored = checkpoints_->store(); !stored) {
        return failed(stored.error());
    }
    for (const auto& source : sources_) {
        if (const auto at = source->checkpoint()) {
            covered_.at(checkpoints_->sources().at(source->id()).index) = at;
        }
    }
    spool_->cover([this](std::string_view position) { return is_covered(position); });
    return {};
}

base::Expected<void> Agent::run(const std::atomic<bool>& stop, HangGuard& guard) {
    auto next_status = steady_clock::now();
    while (!stop) {
        guard.alive();
        const bool more = read_sources();
        if (auto done = spool_read(); !done) {
            return done;
        }
        if (auto done = uplink_->step(steady_clock::now()); !done) {
            return failed(done.error());
        }
        const auto now = steady_clock::now();
        if (now >= next_status) {
            write_status();
            next_status = now + config_.status_interval;
        }
        if (!more) {
            std::vector<int> readable;
            for (const auto& source : sources_) {
                readable.push_back(read_.empty() ? source->descriptor() : -1);  // without room nothing will be read
            }
            wakeup_.wait_until(std::min({now + config_.poll, next_status, uplink_->next_step(now)}), readable);
        }
    }
    return drain(guard);
}

base::Expected<void> Agent::drain(HangGuard& guard) {
    const auto limit = steady_clock::now() + config_.drain_limit;
    if (read_.empty()) {
        for (auto& source : sources_) {
            source->release_held(read_);
        }
    }
    auto done = spool_read();
    uplink_->hurry();
    while (done && !uplink_->all_settled() && uplink_->state().connected && steady_clock::now() < limit) {
        guard.alive();
        if (auto stepped = uplink_->step(steady_clock::now()); !stepped) {
            done = failed(stepped.error());
            break;
        }
        const auto now = steady_clock::now();
        wakeup_.wait_until(std::min({limit, now + config_.poll, uplink_->next_step(now)}));
    }
    write_status();
    log_.write(Level::info, "stopped",
               uplink_->all_settled() ? "everything is settled" : "the spool keeps what is not settled");
    return done;
}

Status Agent::status() const {
    Status out;
    out.version = MIMAMORI_AGENT_VERSION;
    out.at_us = base::to_us(clock_.now());
    out.waiting_for_room = waiting_for_room_;
    out.spool_bytes = spool_->bytes();
    out.max_spool_bytes = config_.spool.max_bytes;
    out.given_up_entries = spool_->given_up_entries();
    for (const auto lane :
         {domain::delivery::Lane::urgent, domain::delivery::Lane::normal, domain::delivery::Lane::rollup}) {
        const auto& files = spool_->lane(lane);
        out.lanes[index_of(lane)] = {files.first(), files.last_durable(), uplink_->not_settled(lane)};
    }
    out.uplink = uplink_->state();
    for (const auto& source : sources_) {
        out.sources.emplace_back(source->id(), source->stats());
    }
    return out;
}

void Agent::write_status() {
    if (const auto written = replace_file(config_.state_dir + "/status.json", json_of(status())); !written) {
        log_.write(Level::warning, "status_not_written", written.error().what);
    }
}

}  // namespace mimamori::agent
