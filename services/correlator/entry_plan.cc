#include "correlator/entry_plan.h"

#include <algorithm>

#include <fmt/format.h>

#include "adapters/wire/detection.h"
#include "base/text.h"
#include "correlator/events.h"
#include "domain/detection_id.h"

namespace mimamori::correlator {

using base::FailureKind;
using delivery::Outcome;

namespace {

constexpr std::size_t longest_shown = 500;        // bytes of a text that a mail or page shows
constexpr std::size_t longest_name_listed = 200;  // of an unknown signature: part of a key
constexpr std::size_t longest_device_key = 64;
constexpr std::string_view unknown_device = "unknown";  // several devices: signs on it are not signs on one

std::string shown(std::string_view text) {
    return text.size() <= longest_shown ? std::string{text} : base::to_valid_utf8(text, longest_shown);
}

domain::ReportedTimes reported(const auto& view, std::int64_t session_offset_us) {
    return {view.observed_at_us, view.spooled_at_us, view.clock_offset_us, session_offset_us};
}

}  // namespace

EntryPlan::EntryPlan(Poll& poll, const PackSet& packs, Judge& judge, BlockKeys& block_keys)
    : poll_{poll}, packs_{packs}, judge_{judge}, block_keys_{block_keys} {}

base::Expected<void> EntryPlan::read(store::Connection& connection, std::span<const TakenEntry> only,
                                     const Unstorable& unstorable) {
    if (auto found = moved_.read(connection, poll_, only); !found) {
        return found;
    }
    detections_.reserve(only.size());
    for (const auto& entry : only) {
        if (moved_.is_repeated(entry)) {
            outcome(entry, Outcome::skipped);
            continue;
        }
        if (!unstorable.empty()) {
            if (const auto found = unstorable.find({poll_.streams[entry.stream].stored.key, entry.seq}); found != unstorable.end()) {
                quarantine(entry, found->second);
                continue;
            }
        }
        switch (view_of(entry).kind) {
            case static_cast<std::uint32_t>(delivery::EntryKind::event):
                if (auto read = read_event(entry); !read) {
                    return read;
                }
                break;
            case static_cast<std::uint32_t>(delivery::EntryKind::block): read_block(entry); break;
            case static_cast<std::uint32_t>(delivery::EntryKind::rejected): read_rejected(entry); break;
            default: quarantine(entry, "a kind of entry that this version does not know");
        }
    }
    if (auto asked = ask(connection); !asked) {
        return asked;
    }
    group();
    return {};
}

// Records of one poll mostly have one pack: the last answer is kept.
base::Expected<const PackSet::Answer*> EntryPlan::pack_at(base::Time received) {
    if (!last_pack_ || last_pack_->first != received) {
        last_pack_ = {received, packs_.in_force(received)};
    }
    if (last_pack_->second.why != PackSet::Why::ready) {
        missing_pack_ = last_pack_->second;
        return base::failure(FailureKind::conflict, fmt::format("no rule pack can judge what was received at {}: pack {}",
                                                                base::format_rfc3339(received), last_pack_->second.id));
    }
    return &last_pack_->second;
}

base::Expected<void> EntryPlan::read_event(const TakenEntry& entry) {
    auto view = adapters::wire::decode_detection(view_of(entry).payload);
    if (!view) {
        quarantine(entry, view.error());
        return {};
    }
    const auto& record = record_of(entry);
    const auto& stream = poll_.streams[entry.stream];
    const auto received = base::time_from_us(record.received_at_us);
    auto pack = pack_at(received);
    if (!pack) {
        return tl::unexpected{pack.error()};
    }
    auto& d = detections_.emplace_back();
    d.entry = entry;
    d.view = *view;
    d.pack = (*pack)->pack;
    d.times = domain::event_times(reported(d.view, record.clock_offset_us), received);
    d.direction = domain::direction_of(d.view.source_ip, d.view.destination_ip, stream.rental->lan);
    auto verdict = judge_.verdict(d.pack, d.view, d.direction);
    if (!verdict) {
        detections_.pop_back();
        return tl::unexpected{verdict.error()};
    }
    d.verdict = *verdict;
    note_clock(entry, d.times);
    outcome(entry, Outcome::detection);
    if (!d.verdict.known) {
        auto name = base::to_valid_utf8(d.view.name(), longest_name_listed);
        auto& listed = unknown_.try_emplace(Name{d.view.function, d.direction, name},
                                            store::UnknownName{d.view.function, d.direction, name, received, received, 0}).first->second;
        listed.first = std::min(listed.first, received);
        listed.last = std::max(listed.last, received);
        ++listed.count;
    }
    if (d.verdict.severity == domain::Severity::none) {
        return {};
    }
    const auto customer = stream.stored.customer;
    auto device = domain::device_key(d.view, d.direction);
    if (device.size() > longest_device_key) {
        device = base::to_valid_utf8(device, longest_device_key);
    }
    d.finding_key = findings_.key(customer, device, d.verdict.class_id);
    d.mark = domain::sign_mark(d.pack->pack, d.verdict, d.times.event, received);
    if (d.mark && device != unknown_device) {
        const auto& rules = d.pack->pack;
        d.sign_device = signs_.expect(customer, device, *d.mark, rules.several_signs);
        d.several_key = findings_.key(customer, device, rules.classes[rules.several_signs.class_index].id);
    }
    return {};
}

void EntryPlan::read_block(const TakenEntry& entry) {
    const auto block = adapters::wire::decode_block(view_of(entry).payload);
    if (!block) {
        quarantine(entry, block.error());
        return;
    }
    const auto& record = record_of(entry);
    const auto received = base::time_from_us(record.received_at_us);
    const auto times = domain::event_times(reported(*block, record.clock_offset_us), received);
    note_clock(entry, times);
    blocks_.add({domain::tally_hour(times.event, received), poll_.streams[entry.stream].stored.customer, std::string{block->kind}},
                block->key, block->category, static_cast<std::int64_t>(block->count));
    outcome(entry, Outcome::block);
}

void EntryPlan::read_rejected(const TakenEntry& entry) {
    const auto rejected = adapters::wire::decode_rejected(view_of(entry).payload);
    if (!rejected) {
        quarantine(entry, rejected.error());
        return;
    }
    quarantined_.push_back({entry, true, shown(rejected->reason)});
    outcome(entry, Outcome::rejected);
}

void EntryPlan::quarantine(const TakenEntry& entry, std::string_view reason) {
    quarantined_.push_back({entry, false, base::to_valid_utf8(reason, longest_shown)});
    outcome(entry, Outcome::quarantined);
}

void EntryPlan::note_clock(const TakenEntry& entry, const domain::EventTimes& times) {
    if (times.implausible && !skewed_.contains(entry.stream)) {
        skewed_[entry.stream] = {
            entry.record, fmt::format("an event at {}, received at {}", base::format_rfc3339(*times.corrected),
                                      base::format_rfc3339(base::time_from_us(record_of(entry).received_at_us)))};
    }
}

base::Expected<void> EntryPlan::ask(store::Connection& connection) {
    if (!findings_.keys().empty()) {
        auto rows = store::read_findings(connection, findings_.keys());
        if (!rows) {
            return tl::unexpected{rows.error()};
        }
        for (const auto& row : *rows) {
            findings_.stored(row.key, row.finding);
        }
    }
    if (!signs_.devices().empty()) {
        auto rows = store::read_signs(connection, signs_.devices());
        if (!rows) {
            return tl::unexpected{rows.error()};
        }
        for (const auto& row : *rows) {
            signs_.stored(row.key, row.sign, row.at);
        }
    }
    auto groups = blocks_.groups();
    std::erase_if(groups, [&](const auto& group) { return block_keys_.knows(group); });
    if (!groups.empty()) {
        auto rows = store::read_block_keys(connection, groups);
        if (!rows) {
            return tl::unexpected{rows.error()};
        }
        for (const auto& group : groups) {
            block_keys_.learn(group);
        }
        for (const auto& row : *rows) {
            if (row.key != other_keys) {
                block_keys_.learn(groups[row.group], row.key);
            }
        }
    }
    return {};
}

void EntryPlan::group() {
    for (auto& d : detections_) {
        if (!d.finding_key) {
            continue;
        }
        const auto received = base::time_from_us(record_of(d.entry).received_at_us);
        d.draft = findings_.add(*d.finding_key, d.verdict, received, d.times.event, [&] { return details_of(d, d.verdict); });
        if (!d.sign_device || !signs_.add(*d.sign_device, *d.mark, d.pack->pack.several_signs)) {
            continue;
        }
        const auto several = domain::judge_several_signs(d.pack->pack, d.view, d.direction);
        findings_.add(*d.several_key, several, received, d.times.event, [&] { return details_of(d, several); });
    }
}

store::FindingDetails EntryPlan::details_of(const Detection& d, const domain::Verdict& verdict) const {
    const auto& stream = poll_.streams[d.entry.stream];
    store::FindingDetails out;
    out.customer = stream.stored.customer;
    out.site = stream.rental->site;
    out.rental = stream.stored.key.rental;
    out.appliance = stream.rental->appliance;
    out.severity = verdict.severity;
    out.function = d.view.function;
    out.direction = d.direction;
    out.action = d.view.action;
    out.name = shown(d.view.name());
    out.source_ip = shown(d.view.source_ip);
    out.destination_ip = shown(d.view.destination_ip);
    out.lan_mac = shown(d.view.lan_mac);
    out.rule_id = std::string{verdict.rule_id};
    out.source_port = d.view.source_port;
    out.destination_port = d.view.destination_port;
    out.pack_id = d.pack->id;
    out.observed = d.times.event;
    return out;
}

store::EntryPlace EntryPlan::place_of(const TakenEntry& entry) const {
    const auto& stream = poll_.streams[entry.stream].stored;
    return {base::time_from_us(record_of(entry).received_at_us), stream.id, entry.seq,
            poll_.records[entry.record].digests[entry.index], stream.customer, stream.key.rental};
}

base::Expected<void> EntryPlan::write(store::Connection& connection, std::int32_t partition, std::int64_t most_unknown) {
    if (auto written = write_findings(connection); !written) {
        return written;
    }
    if (auto written = write_rows(connection); !written) {
        return written;
    }
    if (auto written = moved_.write(connection); !written) {
        return written;
    }
    if (const auto tallies = blocks_.admitted(block_keys_); !tallies.empty()) {
        if (auto written = store::add_blocks(connection, tallies); !written) {
            return written;
        }
    }
    if (!unknown_.empty()) {
        std::vector<store::UnknownName> names;
        for (auto& [name, listed] : unknown_) {
            names.push_back(listed);
        }
        auto not_listed = store::add_unknown(connection, partition, names, most_unknown);
        if (!not_listed) {
            return tl::unexpected{not_listed.error()};
        }
        unknown_not_listed_ = *not_listed;
    }
    return {};
}

base::Expected<void> EntryPlan::write_findings(store::Connection& connection) {
    auto& drafts = findings_.drafts();
    std::vector<std::size_t> fresh;
    std::map<base::CustomerId, std::int64_t> wanted;
    std::vector<base::FindingId> counted, raised;
    std::vector<store::FindingCount> counts;
    std::vector<store::FindingDetails> details;
    for (std::size_t i = 0; i < drafts.size(); ++i) {
        const auto& draft = drafts[i];
        if (!draft.id) {
            fresh.push_back(i);
            ++wanted[draft.details.customer];
            continue;
        }
        counted.push_back(*draft.id);
        counts.push_back(draft.count);
        if (draft.raised) {
            raised.push_back(*draft.id);
            details.push_back(draft.details);
        }
    }
    if (!fresh.empty()) {
        std::vector<base::CustomerId> customers;
        std::vector<std::int64_t> amounts;
        for (const auto& [customer, amount] : wanted) {
            customers.push_back(customer);
            amounts.push_back(amount);
        }
        auto taken = store::take_finding_numbers(connection, customers, amounts);
        if (!taken) {
            return tl::unexpected{taken.error()};
        }
        std::map<base::CustomerId, std::int64_t> next;
        for (const auto& numbers : *taken) {
            next[numbers.customer] = numbers.last - wanted[numbers.customer] + 1;
        }
        std::vector<store::NewFinding> rows;
        for (const auto i : fresh) {
            auto& draft = drafts[i];
            draft.alert_id = domain::format_alert_id(draft.begun, next[draft.details.customer]++);
            const auto& key = findings_.keys()[draft.key];
            rows.push_back({key.device_key, key.class_id, draft.alert_id, draft.details, draft.count});
        }
        auto ids = store::insert_findings(connection, rows);
        if (!ids) {
            return tl::unexpected{ids.error()};
        }
        for (std::size_t i = 0; i < fresh.size(); ++i) {
            drafts[fresh[i]].id = (*ids)[i];
        }
    }
    if (!counted.empty()) {
        if (auto done = store::count_findings(connection, counted, counts); !done) {
            return done;
        }
    }
    if (!raised.empty()) {
        if (auto done = store::raise_findings(connection, raised, details); !done) {
            return done;
        }
    }
    std::vector<store::MailItem> items;
    for (const auto& news : findings_.news()) {
        const auto& draft = drafts[news.draft];
        items.push_back({findings_.keys()[draft.key].customer, *draft.id, news.news.severity, news.news.kind, news.count});
    }
    if (!items.empty()) {
        if (auto done = store::add_mail_items(connection, items); !done) {
            return done;
        }
    }
    return signs_.added().empty() ? base::Expected<void>{} : store::add_signs(connection, signs_.added());
}

base::Expected<void> EntryPlan::write_rows(store::Connection& connection) {
    if (!detections_.empty()) {
        auto buffer = store::detection_buffer();
        for (const auto& d : detections_) {
            const auto& stream = poll_.streams[d.entry.stream];
            store::DetectionRow row;
            row.place = place_of(d.entry);
            row.id = domain::detection_id(stream.uuid, d.entry.seq);
            row.site = stream.rental->site;
            row.appliance = stream.rental->appliance;
            row.corrected = d.times.corrected;
            row.direction = d.direction;
            row.severity = d.verdict.severity;
            row.mailable = d.verdict.mailable;
            row.pack_id = d.pack->id;
            row.rule_id = d.verdict.rule_id;
            row.class_id = d.verdict.class_id;
            if (d.draft) {
                row.finding = findings_.drafts()[*d.draft].id;
            }
            store::append(buffer, row, d.view);
        }
        if (auto copied = store::copy_detections(connection, buffer); !copied) {
            return copied;
        }
    }
    if (quarantined_.empty()) {
        return {};
    }
    auto buffer = store::quarantine_buffer();
    for (const auto& q : quarantined_) {
        const auto& view = view_of(q.entry);
        const auto kind = static_cast<std::int16_t>(std::min<std::uint32_t>(view.kind, INT16_MAX));
        store::append(buffer, {place_of(q.entry), q.rejected, kind, q.reason, view.payload});
    }
    return store::copy_quarantine(connection, buffer);
}

void EntryPlan::account() {
    for (const auto& [stream, what] : outcomes_) {
        poll_.streams[stream].added.add(what);
    }
    std::map<std::uint32_t, std::pair<std::size_t, const Quarantined*>> bad;
    for (const auto& q : quarantined_) {
        if (!q.rejected) {
            auto& [count, first] = bad[q.entry.stream];
            ++count;
            first = first == nullptr ? &q : first;
        }
    }
    for (const auto& [stream, entries] : bad) {
        poll_.alarm(entry_quarantined, fmt::format("stream {}", poll_.streams[stream].stored.id.value),
                    fmt::format("{} entries, the first is {}: {}", entries.first, entries.second->entry.seq,
                                entries.second->reason),
                    &poll_.records[entries.second->entry.record]);
    }
    for (const auto& [stream, skewed] : skewed_) {
        poll_.alarm(clock_skew, fmt::format("rental {}", poll_.streams[stream].stored.key.rental.value), skewed.detail,
                    &poll_.records[skewed.record]);
    }
}

}  // namespace mimamori::correlator
