// An agent and a gateway in one: numbers entries as the agent does and makes the records of the log that the gateway
// would make of them, cut as a test wants.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "domain/delivery/chain.h"
#include "domain/delivery/types.h"
#include "mimamori/detection/v1/detection.pb.h"
#include "mimamori/uplink/v1/log.pb.h"
#include "support/test_database.h"

namespace mimamori::test {

namespace delivery = domain::delivery;

inline std::string text16(const std::array<std::uint8_t, 16>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class LogMaker {
  public:
    explicit LogMaker(const Tenant& tenant, delivery::Lane lane = delivery::Lane::normal)
        : tenant_{tenant}, lane_{lane}, spool_id_{base::random_bytes16()}, h_{delivery::chain_origin(lane, spool_id_)} {}

    // Each returns the entry's sequence.
    delivery::Seq add(const detection::v1::Detection& detection) { return add(delivery::EntryKind::event, detection.SerializeAsString()); }
    delivery::Seq add(const detection::v1::Block& block) { return add(delivery::EntryKind::block, block.SerializeAsString()); }
    delivery::Seq add(const detection::v1::Rejected& rejected) { return add(delivery::EntryKind::rejected, rejected.SerializeAsString()); }
    delivery::Seq add(delivery::EntryKind kind, std::string payload) {
        const auto digest = delivery::digest_of(kind, payload);
        entries_.push_back({kind, std::move(payload), digest, std::nullopt});
        h_.push_back(delivery::chain_next(h_.back(), last(), digest));
        return last();
    }
    void mark_suspect(delivery::Seq seq, const delivery::SuspectOf& of) { entries_[seq - 1].suspect = of; }

    delivery::Seq last() const { return entries_.size(); }
    const delivery::SpoolId& spool_id() const { return spool_id_; }
    const delivery::Hash128& h_before(delivery::Seq seq) const { return h_[seq - 1]; }
    const std::string& payload(delivery::Seq seq) const { return entries_[seq - 1].payload; }
    const Tenant& tenant() const { return tenant_; }

    base::Time received = base::from_civil_utc({2026, 4, 8, 1, 0, 0, 0});  // of the records made next
    std::int64_t clock_offset_us = 0;

    // The records' bytes. first..last may be any cut of what was added.
    std::string batch(delivery::Seq first, delivery::Seq last) const {
        auto record = start();
        auto& batch = begin_batch(record, first, last);
        uplink::v1::EntryList list;
        for (auto seq = first; seq <= last; ++seq) {
            const auto& entry = entries_[seq - 1];
            auto& out = *list.add_entries();
            out.set_kind(static_cast<std::uint32_t>(entry.kind));
            out.set_payload(entry.payload);
            if (entry.suspect) {
                out.mutable_suspect()->set_old_spool_id(text16(entry.suspect->spool_id));
                out.mutable_suspect()->set_old_seq(entry.suspect->seq);
            }
        }
        const auto data = list.SerializeAsString();
        batch.mutable_entries()->set_data(data);
        batch.mutable_entries()->set_raw_size(static_cast<std::uint32_t>(data.size()));
        batch.mutable_entries()->set_count(static_cast<std::uint32_t>(last - first + 1));
        return record.SerializeAsString();
    }
    std::string everything() const { return batch(1, last()); }

    std::string tombstone(delivery::Seq first, delivery::Seq last, const std::string& classes) const {
        auto record = start();
        auto& tombstone = *begin_batch(record, first, last).mutable_tombstone();
        for (auto seq = first; seq <= last; ++seq) {
            tombstone.mutable_digests()->append(text16(entries_[seq - 1].digest));
        }
        tombstone.set_classes(classes);
        tombstone.set_oldest_observed_us(base::to_us(received) - 60'000'000);
        tombstone.set_newest_observed_us(base::to_us(received) - 30'000'000);
        return record.SerializeAsString();
    }
    std::string damaged(delivery::Seq first, delivery::Seq last) const {
        auto record = start();
        auto& tombstone = *begin_batch(record, first, last).mutable_tombstone();
        tombstone.set_damaged(true);
        tombstone.set_h_after(text16(h_[last]));
        return record.SerializeAsString();
    }
    std::string gone(delivery::Seq first, delivery::Seq last) const {
        auto record = start();
        auto& gone = *record.mutable_gone();
        gone.set_lane(static_cast<uplink::v1::Lane>(lane_));
        gone.set_spool_id(text16(spool_id_));
        gone.set_first(first);
        gone.set_last(last);
        gone.set_h_last(text16(h_[last]));
        return record.SerializeAsString();
    }
    std::string tick() const {
        auto record = start();
        record.mutable_tick();
        return record.SerializeAsString();
    }

  private:
    struct Entry {
        delivery::EntryKind kind;
        std::string payload;
        delivery::Hash128 digest;
        std::optional<delivery::SuspectOf> suspect;
    };

    uplink::v1::LogRecord start() const {
        uplink::v1::LogRecord record;
        record.set_record_id(text16(base::random_bytes16()));
        record.set_customer_id(tenant_.customer.value);
        record.set_site_id(tenant_.site.value);
        record.set_rental_id(tenant_.rental.value);
        record.set_appliance_id(tenant_.appliance.value);
        record.set_received_at_us(base::to_us(received));
        record.set_clock_offset_us(clock_offset_us);
        return record;
    }
    uplink::v1::Batch& begin_batch(uplink::v1::LogRecord& record, delivery::Seq first, delivery::Seq last) const {
        auto& batch = *record.mutable_batch();
        batch.set_lane(static_cast<uplink::v1::Lane>(lane_));
        batch.set_spool_id(text16(spool_id_));
        batch.set_first(first);
        batch.set_last(last);
        batch.set_h_before(text16(h_[first - 1]));
        return batch;
    }

    Tenant tenant_;
    delivery::Lane lane_;
    delivery::SpoolId spool_id_;
    std::vector<Entry> entries_;
    std::vector<delivery::Hash128> h_;  // h_[n]: H after entry n
};

// Detections as the shipped pack judges them; the device is 192.168.1.`device`.
inline detection::v1::Detection detected(detection::v1::Function function, const std::string& source, const std::string& destination) {
    detection::v1::Detection out;
    out.set_function(function);
    out.set_action(detection::v1::ACTION_BLOCKED);
    out.set_origin(detection::v1::ORIGIN_INITIATOR);
    out.set_source_ip(source);
    out.set_source_port(49152);
    out.set_destination_ip(destination);
    out.set_destination_port(443);
    out.set_protocol("TCP");
    out.set_source_format("native");
    out.set_raw("raw line");
    return out;
}
inline std::string inside(int device) { return "192.168.1." + std::to_string(device); }
inline detection::v1::Detection remote_control(int device) {  // three stars
    auto out = detected(detection::v1::FUNCTION_IPS, inside(device), "203.0.113.9");
    out.set_threat_name("JSIG-RAT GHOST-Activity-9");
    return out;
}
inline detection::v1::Detection dangerous_site(int device) {  // two stars, a sign
    auto out = detected(detection::v1::FUNCTION_WG, inside(device), "203.0.113.10");
    out.set_url("http://example.invalid/");
    return out;
}
inline detection::v1::Detection virus_sent(int device) {  // two stars, another sign
    auto out = detected(detection::v1::FUNCTION_AV, inside(device), "203.0.113.11");
    out.set_virus_name("Trojan.Test.Sent");
    return out;
}
inline detection::v1::Detection virus_received(int device) {  // one star
    auto out = detected(detection::v1::FUNCTION_AV, "203.0.113.12", inside(device));
    out.set_virus_name("Trojan.Test.Received");
    return out;
}
inline detection::v1::Detection attack(int device) {  // no star
    auto out = detected(detection::v1::FUNCTION_IPS, "203.0.113.13", inside(device));
    out.set_threat_name("A name that no rule knows");
    return out;
}
inline detection::v1::Block block(const std::string& key, std::uint64_t count, const std::string& kind = "url") {
    detection::v1::Block out;
    out.set_kind(kind);
    out.set_key(key);
    out.set_category("ads");
    out.set_count(count);
    return out;
}

}  // namespace mimamori::test
