// The headers of a record of the batches topic: CloudEvents 1.0 in the Kafka binding's binary mode (attributes as
// headers, the protobuf bytes as the value), and a W3C traceparent. For tools that know neither our formats nor our
// code; our own readers do without them, because the trace id is the record id. No `time`: Kafka stamps every record.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "adapters/kafka/producer.h"

namespace mimamori::gateway {

struct CloudEvent {
    static CloudEvent of(std::string_view record_id);  // 16 bytes

    // Views into this and `source`, which both outlive the list.
    std::array<adapters::kafka::Header, 6> list(std::string_view source) const;

    std::string id;           // the record id in hexadecimal: ce_id and trace id
    std::string traceparent;  // "00-<trace id>-<span id>-00": the span is the id's second half; nothing is sampled yet
};

}  // namespace mimamori::gateway
