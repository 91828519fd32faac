#include "store/correlator_rows.h"

namespace mimamori::store {
namespace {

std::int16_t small(auto value) {
    return static_cast<std::int16_t>(value);
}

Expected<void> copy(Connection& connection, std::string_view name, CopyBuffer& buffer) {
    const auto rows = static_cast<std::int64_t>(buffer.rows());
    return connection.copy_in(name, buffer.finish()).and_then([&](std::int64_t copied) -> Expected<void> {
        if (copied != rows) {
            return base::failure(FailureKind::conflict, "not every row was copied");
        }
        return {};
    });
}

}  // namespace

CopyBuffer detection_buffer() {
    return CopyBuffer{44};
}
CopyBuffer quarantine_buffer() {
    return CopyBuffer{10};
}

// In the order of correlator_copy_detections.
void append(CopyBuffer& buffer, const DetectionRow& row, const domain::DetectionView& detection) {
    buffer.row();
    buffer.timestamptz(base::to_us(row.place.received));
    buffer.uuid(row.id);
    buffer.bigint(row.place.stream.value);
    buffer.bigint(static_cast<std::int64_t>(row.place.seq));
    buffer.bytes(std::span<const std::uint8_t>{row.place.digest});
    buffer.bigint(row.place.customer.value);
    buffer.bigint(row.site.value);
    buffer.bigint(row.place.rental.value);
    buffer.bigint(row.appliance.value);
    buffer.timestamptz_or_null(detection.observed_at_us);
    row.corrected ? buffer.timestamptz(base::to_us(*row.corrected)) : buffer.null();
    buffer.smallint(small(detection.function));
    buffer.smallint(small(detection.action));
    buffer.smallint(small(detection.origin));
    buffer.smallint(small(row.direction));
    buffer.smallint(small(row.severity));
    buffer.boolean(row.mailable);
    buffer.bigint(row.pack_id);
    buffer.text(row.rule_id);
    buffer.text(row.class_id);
    row.finding ? buffer.bigint(row.finding->value) : buffer.null();
    buffer.text(detection.source_ip);
    buffer.integer(detection.source_port);
    buffer.text(detection.destination_ip);
    buffer.integer(detection.destination_port);
    buffer.text(detection.lan_mac);
    buffer.text(detection.protocol);
    buffer.text(detection.app_protocol);
    buffer.text(detection.name());
    buffer.text(detection.threat_id);
    buffer.text(detection.virus_id);
    buffer.text(detection.file_name);
    buffer.text(detection.file_sha256);
    buffer.text(detection.mail_subject);
    buffer.text(detection.mail_date);
    buffer.text(detection.destination_host);
    buffer.text(detection.url);
    buffer.text(detection.category);
    buffer.text(detection.application);
    buffer.integer(detection.vendor_priority);
    buffer.text(detection.source_format);
    buffer.text(detection.source_id);
    buffer.bytes(detection.raw);
    buffer.boolean(detection.raw_truncated);
}

// In the order of correlator_copy_quarantine.
void append(CopyBuffer& buffer, const QuarantineRow& row) {
    buffer.row();
    buffer.timestamptz(base::to_us(row.place.received));
    buffer.bigint(row.place.stream.value);
    buffer.bigint(static_cast<std::int64_t>(row.place.seq));
    buffer.bytes(std::span<const std::uint8_t>{row.place.digest});
    buffer.bigint(row.place.customer.value);
    buffer.bigint(row.place.rental.value);
    buffer.text(row.rejected ? "rejected" : "quarantined");
    buffer.smallint(row.entry_kind);
    buffer.text(row.reason);
    buffer.bytes(row.payload);
}

Expected<void> copy_detections(Connection& connection, CopyBuffer& buffer) {
    return copy(connection, "correlator_copy_detections", buffer);
}

Expected<void> copy_quarantine(Connection& connection, CopyBuffer& buffer) {
    return copy(connection, "correlator_copy_quarantine", buffer);
}

}  // namespace mimamori::store
