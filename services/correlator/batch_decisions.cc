#include "correlator/batch_decisions.h"

#include <algorithm>

#include <fmt/format.h>

#include "correlator/events.h"
#include "domain/event_time.h"

namespace mimamori::correlator {

using adapters::wire::Body;
using delivery::Application;

namespace {

std::string subject_of(const store::StoredStream& stream) {
    return fmt::format("stream {}", stream.id.value);
}

void lose(Poll& poll, const PollStream& stream, const OpenedRecord& record, const Application& application) {
    store::Loss loss;
    loss.customer = stream.stored.customer;
    loss.rental = stream.stored.key.rental;
    loss.stream = stream.stored.id;
    loss.first = application.from;
    loss.last = record.view.last;
    loss.kind = record.view.body == Body::gone ? "gone" : record.digests.empty() ? "damaged" : "tombstone";
    if (record.view.body == Body::tombstone) {
        const auto& tombstone = record.view.tombstone;
        if (tombstone.oldest_observed_us != 0 || tombstone.newest_observed_us != 0) {
            const auto received = base::time_from_us(record.view.received_at_us);
            const auto corrected = [&](std::int64_t us) {
                return domain::event_times({us, 0, 0, record.view.clock_offset_us}, received).corrected.value_or(received);
            };
            loss.oldest = corrected(tombstone.oldest_observed_us);
            loss.newest = corrected(tombstone.newest_observed_us);
        }
        if (!tombstone.classes.empty() && !record.digests.empty()) {
            for (const char entry : tombstone.classes.substr(application.from - record.view.first)) {
                const auto function = static_cast<unsigned char>(entry) & 0x0FU;
                ++loss.by_function[function < loss.by_function.size() ? function : 0];
                loss.urgent += (static_cast<unsigned char>(entry) & 0x10U) != 0 ? 1 : 0;
            }
        }
    }
    const auto range = fmt::format("entries {} to {}", loss.first, loss.last);
    switch (application.note) {
        case Application::Note::none:  // a plain tombstone
            poll.alarm(spool_overflowed, subject_of(stream.stored), range, &record);
            break;
        case Application::Note::gone:
            poll.alarm(entries_gone, subject_of(stream.stored), range, &record);
            break;
        case Application::Note::damaged:
            poll.alarm(spool_damaged, subject_of(stream.stored), range, &record);
            break;
        case Application::Note::unverified_past:
            poll.alarm(spool_damaged, subject_of(stream.stored), range + "; what came before could not be verified",
                        &record);
            break;
    }
    poll.losses.push_back(std::move(loss));
}

void take(Poll& poll, std::uint32_t record, std::uint32_t stream, const Application& application) {
    const auto& opened = poll.records[record];
    auto& target = poll.streams[stream];
    const auto last = opened.view.last;
    target.last_named = std::max(target.last_named, last);
    target.now = application.after;
    if (opened.view.body == Body::entries) {
        for (auto seq = application.from; seq <= last; ++seq) {
            poll.taken.push_back({record, static_cast<std::uint32_t>(seq - opened.view.first), stream, seq});
        }
        return;
    }
    target.added.add(opened.view.body == Body::gone ? delivery::Outcome::gone : delivery::Outcome::tombstoned,
                     last - application.from + 1);
    lose(poll, target, opened, application);
}

// What the agent still has comes again under a new spool; what it has lost meanwhile nobody can say, so "at least".
void close(Poll& poll, PollStream& stream, const OpenedRecord& record) {
    const auto& view = record.view;
    stream.now.status = delivery::StreamStatus::closed;
    stream.last_named = std::max(stream.last_named, view.last);
    store::Loss loss;
    loss.customer = stream.stored.customer;
    loss.rental = stream.stored.key.rental;
    loss.stream = stream.stored.id;
    loss.kind = "fork";
    loss.first = stream.now.next_seq;
    loss.last = std::max(stream.stored.last_assigned, stream.last_named);
    loss.at_least = true;
    poll.losses.push_back(std::move(loss));
    poll.alarm(chain_mismatch, subject_of(stream.stored),
                fmt::format("entries {} to {} do not continue what is stored up to {}", view.first, view.last,
                            stream.now.next_seq - 1),
                &record);
}

}  // namespace

void decide_batches(Poll& poll, const StreamIndex& index, std::int32_t partition) {
    for (std::uint32_t i = 0; i < poll.records.size(); ++i) {
        const auto& record = poll.records[i];
        if (record.state == OpenedRecord::State::unreadable) {
            poll.alarm(record_unreadable, fmt::format("partition {}", partition),
                        fmt::format("offset {}: {}", record.offset, record.problem));
            continue;
        }
        if (record.view.body == Body::tick) {
            continue;
        }
        const auto found = index.find({record.view.rental, record.view.lane, record.view.spool_id});
        if (found == index.end()) {
            continue;  // whose it is nobody knows: there is an alarm
        }
        auto& stream = poll.streams[found->second];
        if (domain::clock_is_off(record.view.clock_offset_us)) {
            poll.alarm(clock_skew, fmt::format("rental {}", record.view.rental.value),
                        fmt::format("the agent's clock is off by {} s", record.view.clock_offset_us / 1'000'000),
                        &record);
        }
        if (record.state == OpenedRecord::State::bad_batch) {
            if (stream.now.status == delivery::StreamStatus::open && record.view.last >= stream.now.next_seq) {
                poll.alarm(batch_unreadable, subject_of(stream.stored),
                            fmt::format("offset {}: {}", record.offset, record.problem), &record);
            }
            continue;
        }
        const auto application = delivery::decide(stream.now, record.body());
        switch (application.decision) {
            case Application::Decision::skip_closed:
            case Application::Decision::skip_old: ++poll.old; break;
            case Application::Decision::gap: ++poll.gaps; break;
            case Application::Decision::malformed:
                poll.alarm(batch_unreadable, subject_of(stream.stored),
                            fmt::format("offset {}: an impossible range", record.offset), &record);
                break;
            case Application::Decision::close_stream:
                close(poll, stream, record);
                break;
            case Application::Decision::apply: take(poll, i, found->second, application); break;
        }
    }
}

}  // namespace mimamori::correlator
