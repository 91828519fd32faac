#include "appliance-agent/sources/entries.h"

#include "appliance-agent/sources/fields.h"
#include "appliance-agent/sources/fortigate.h"
#include "appliance-agent/sources/native.h"
#include "appliance-agent/sources/sonicwall.h"
#include "appliance-agent/sources/urgency.h"
#include "base/text.h"

namespace mimamori::agent::sources {

Entries::Entries(LineFormat format, const SourceOptions& options)
    : format_(format),
      source_id_(options.id),
      assumed_utc_offset_(options.assumed_utc_offset),
      lan_(domain::private_ranges()) {}

std::optional<Produced> Entries::of_line(std::string_view line, std::uint64_t size) {
    const LineContext context{.assumed_utc_offset = assumed_utc_offset_, .lan = lan_};
    auto parsed = format_ == LineFormat::sonicwall   ? parse_sonicwall(line, context)
                  : format_ == LineFormat::fortigate ? parse_fortigate(line, context)
                                                     : parse_native(line, assumed_utc_offset_);
    if (!parsed) {
        return rejected(line, size, false, parsed.error());
    }
    if (const auto* skipped = std::get_if<Skipped>(&*parsed)) {
        skip(skipped->kind);
        return std::nullopt;
    }
    if (auto* detection = std::get_if<detection::v1::Detection>(&*parsed)) {
        detection->set_raw(std::string(line.substr(0, max_raw_bytes)));
        detection->set_raw_truncated(line.size() > max_raw_bytes);
        return event(*detection);
    }
    const auto& block = std::get<detection::v1::Block>(*parsed);
    Produced out;
    out.kind = EntryKind::block;
    out.observed_at_us = block.observed_at_us();
    out.payload = block.SerializeAsString();
    ++stats.blocks;
    return out;
}

Produced Entries::rejected(std::string_view text, std::uint64_t size, bool is_cut, std::string_view reason) {
    const auto raw = text.substr(0, max_rejected_raw_bytes);
    detection::v1::Rejected rejected;
    rejected.set_raw(raw.data(), raw.size());
    rejected.set_raw_truncated(is_cut || raw.size() < text.size());
    rejected.set_raw_size(size);
    rejected.set_reason(base::to_single_line(base::to_valid_utf8(reason, max_name_bytes)));
    rejected.set_source_format(std::string(name_of(format_)));
    rejected.set_source_id(source_id_);
    Produced out;
    out.kind = EntryKind::rejected;
    out.payload = rejected.SerializeAsString();
    ++stats.rejected;
    return out;
}

Produced Entries::event(detection::v1::Detection& detection) {
    detection.set_source_format(std::string(name_of(format_)));
    detection.set_source_id(source_id_);
    Produced out;
    out.kind = EntryKind::event;
    out.function = static_cast<domain::Function>(detection.function());
    out.urgent = is_urgent(out.function, domain::direction_of(detection.source_ip(), detection.destination_ip(), lan_),
                           detection.vendor_priority());
    out.observed_at_us = detection.observed_at_us();
    out.payload = detection.SerializeAsString();
    ++stats.events;
    return out;
}

void Entries::skip(std::string_view kind) {
    ++stats.skipped;
    auto name = base::to_single_line(base::to_valid_utf8(kind, 40));
    if (stats.skipped_kinds.size() >= max_kinds && !stats.skipped_kinds.contains(name)) {
        name = "other";
    }
    ++stats.skipped_kinds[std::move(name)];
}

}  // namespace mimamori::agent::sources
