#include "bench/micro/kernels.h"

#include <zstd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>

#include "adapters/hyperscan/pack_matcher.h"
#include "adapters/pack_yaml/pack_yaml.h"
#include "adapters/wire/detection.h"
#include "adapters/wire/log_record.h"
#include "adapters/wire/unpack.h"
#include "bench/load/traffic.h"
#include "domain/delivery/chain.h"
#include "domain/detection_id.h"
#include "domain/direction.h"
#include "domain/event_time.h"
#include "domain/pattern_matcher.h"
#include "domain/severity.h"
#include "mimamori/uplink/v1/log.pb.h"
#include "store/correlator_rows.h"

namespace mimamori::bench {
namespace {

namespace delivery = domain::delivery;
namespace wire = adapters::wire;

constexpr std::uint32_t batch_entries = 200;
constexpr std::int64_t observed_us = 1'775'612'380'000'000;
constexpr delivery::SpoolId spool_id{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

[[noreturn]] void broken(const char* what) {
    std::fprintf(stderr, "kernels: %s\n", what);
    std::abort();
}

template <class T>
T good(T value, const char* what) {
    if (!value) {
        broken(what);
    }
    return value;
}

// One Kafka record for each 200 payloads.
std::string record_of(const std::vector<std::string>& payloads, std::size_t first, delivery::EntryKind kind,
                      bool compressed) {
    uplink::v1::EntryList list;
    for (std::size_t i = first; i < first + batch_entries; ++i) {
        auto& entry = *list.add_entries();
        entry.set_kind(static_cast<std::uint32_t>(kind));
        entry.set_payload(payloads[i]);
    }
    auto data = list.SerializeAsString();
    uplink::v1::LogRecord record;
    record.set_record_id(std::string(16, 'r'));
    record.set_customer_id(1);
    record.set_rental_id(2);
    record.set_received_at_us(observed_us);
    auto& batch = *record.mutable_batch();
    batch.set_lane(uplink::v1::LANE_NORMAL);
    batch.set_spool_id(std::string(16, 's'));
    batch.set_first(first + 1);
    batch.set_last(first + batch_entries);
    batch.set_h_before(std::string(16, 'h'));
    batch.mutable_entries()->set_raw_size(static_cast<std::uint32_t>(data.size()));
    batch.mutable_entries()->set_count(batch_entries);
    if (compressed) {
        std::string packed(ZSTD_compressBound(data.size()), '\0');
        packed.resize(ZSTD_compress(packed.data(), packed.size(), data.data(), data.size(), 1));
        data = std::move(packed);
    }
    batch.mutable_entries()->set_zstd(compressed);
    batch.mutable_entries()->set_data(std::move(data));
    return record.SerializeAsString();
}

std::vector<std::string> records_of(const std::vector<std::string>& payloads, delivery::EntryKind kind,
                                    bool compressed) {
    std::vector<std::string> out;
    for (std::size_t first = 0; first + batch_entries <= payloads.size(); first += batch_entries) {
        out.push_back(record_of(payloads, first, kind, compressed));
    }
    return out;
}

std::vector<std::string> payloads_of(Traffic::What what) {
    const Traffic traffic{what};
    std::vector<std::string> out(traffic.size());
    for (std::uint32_t i = 0; i < traffic.size(); ++i) {
        traffic.payload(i, observed_us + i, out[i]);
    }
    return out;
}

domain::RulePack read_pack() {
    std::ifstream in{PACK};
    auto pack = adapters::pack_yaml::read_rule_pack(std::string{std::istreambuf_iterator<char>{in}, {}});
    if (!pack) {
        broken("the shipped rule pack cannot be read");
    }
    return std::move(*pack);
}

struct Input {
    std::vector<std::string> detections = payloads_of(Traffic::What::detections),
                             blocks = payloads_of(Traffic::What::blocks);
    std::vector<std::string> plain = records_of(detections, delivery::EntryKind::event, false);
    std::vector<std::string> packed = records_of(detections, delivery::EntryKind::event, true);
    std::vector<domain::DetectionView> views;
    domain::RulePack pack = read_pack();
    std::unique_ptr<adapters::hyperscan::PackMatcher> scanning;
    std::unique_ptr<domain::RememberingMatcher> remembering;
    wire::Unpacker unpacker;
    std::string unpacked;
    std::vector<wire::EntryView> entries;
    std::vector<delivery::Hash128> digests;
    store::CopyBuffer rows = store::detection_buffer();

    Input() {
        for (const auto& payload : detections) {
            views.push_back(*good(wire::decode_detection(payload), "a detection cannot be read"));
            digests.push_back(delivery::digest_of(delivery::EntryKind::event, payload));
        }
        auto compiled =
            good(adapters::hyperscan::CompiledPatterns::compile(pack), "the shipped rule pack cannot be compiled");
        scanning = std::move(*good(adapters::hyperscan::PackMatcher::create(*compiled), "no memory for Hyperscan"));
        remembering = std::make_unique<domain::RememberingMatcher>(*scanning);
        for (const auto& view : views) {
            (void)remembering->match(view.name());
        }
    }

    std::uint64_t read_records(const std::vector<std::string>& records) {
        std::uint64_t sum = 0;
        for (const auto& record : records) {
            const auto view = good(wire::decode_log_record(record), "a record cannot be read");
            const auto list = good(unpacker.unpack(view->entries, unpacked), "a batch cannot be unpacked");
            good(wire::decode_entries(*list, view->entries.count, entries), "a batch cannot be read");
            sum += entries.size() + entries.back().payload.size();
        }
        return sum;
    }
};

std::uint64_t copy_rows(Input& in, const domain::Verdict& verdict) {
    in.rows.clear();
    const auto stream = domain::stream_uuid(base::RentalId{2}, delivery::Lane::normal, spool_id);
    for (std::size_t i = 0; i < in.views.size(); ++i) {
        store::DetectionRow row;
        row.place = {base::time_from_us(observed_us),
                     base::StreamId{7},
                     i + 1,
                     in.digests[i],
                     base::CustomerId{1},
                     base::RentalId{2}};
        row.id = domain::detection_id(stream, i + 1);
        row.corrected = base::time_from_us(observed_us);
        row.rule_id = verdict.rule_id;
        row.class_id = verdict.class_id;
        store::append(in.rows, row, in.views[i]);
    }
    return in.rows.finish().size();
}

}  // namespace

const std::vector<Kernel>& kernels() {
    static Input in;
    const auto all = in.views.size();
    static const std::vector<Kernel> list{
        {"read_batch", in.plain.size() * batch_entries, [] { return in.read_records(in.plain); }},
        {"read_batch_zstd", in.packed.size() * batch_entries, [] { return in.read_records(in.packed); }},
        {"decode_detection", all,
         [] {
             std::uint64_t sum = 0;
             for (const auto& payload : in.detections) {
                 sum += good(wire::decode_detection(payload), "a detection cannot be read")->name().size();
             }
             return sum;
         }},
        {"decode_block", in.blocks.size(),
         [] {
             std::uint64_t sum = 0;
             for (const auto& payload : in.blocks) {
                 sum += good(wire::decode_block(payload), "a block cannot be read")->count;
             }
             return sum;
         }},
        {"chain", all,
         [] {
             auto h = delivery::chain_origin(delivery::Lane::normal, spool_id);
             delivery::Seq seq = 0;
             for (const auto& payload : in.detections) {
                 h = delivery::chain_next(h, ++seq, delivery::digest_of(delivery::EntryKind::event, payload));
             }
             return std::uint64_t{h[0]};
         }},
        {"match_scan", all,
         [] {
             std::uint64_t sum = 0;
             for (const auto& view : in.views) {
                 sum += in.scanning->match(view.name()).size();
             }
             return sum;
         }},
        {"match_remembered", all,
         [] {
             std::uint64_t sum = 0;
             for (const auto& view : in.views) {
                 sum += in.remembering->match(view.name()).size();
             }
             return sum;
         }},
        {"judge", all,
         [] {
             std::uint64_t sum = 0;
             for (const auto& view : in.views) {
                 const auto direction =
                     domain::direction_of(view.source_ip, view.destination_ip, domain::private_ranges());
                 const auto times =
                     domain::event_times({view.observed_at_us, view.spooled_at_us, view.clock_offset_us, 0},
                                         base::time_from_us(observed_us));
                 const auto verdict = domain::judge(in.pack, view, direction, in.remembering->match(view.name()));
                 sum += static_cast<std::uint64_t>(verdict.severity) + (times.implausible ? 1U : 0U);
             }
             return sum;
         }},
        {"copy_rows", all,
         [] {
             static const auto verdict = domain::judge(in.pack, in.views[0], domain::Direction::inbound_attack,
                                                       in.remembering->match(in.views[0].name()));
             return copy_rows(in, verdict);
         }},
    };
    return list;
}

}  // namespace mimamori::bench
