#include "gateway/cloud_event.h"

#include <cstdint>

#include "base/text.h"

namespace mimamori::gateway {

CloudEvent CloudEvent::of(std::string_view record_id) {
    CloudEvent out;
    out.id = base::to_hex({reinterpret_cast<const std::uint8_t*>(record_id.data()), record_id.size()});
    out.traceparent.reserve(55);
    out.traceparent.append("00-").append(out.id).append("-").append(out.id, out.id.size() / 2).append("-00");
    return out;
}

std::array<adapters::kafka::Header, 6> CloudEvent::list(std::string_view source) const {
    return {{{"ce_specversion", "1.0"},
             {"ce_id", id},
             {"ce_source", source},
             {"ce_type", "mimamori.uplink.v1.LogRecord"},
             {"content-type", "application/protobuf"},
             {"traceparent", traceparent}}};
}

}  // namespace mimamori::gateway
