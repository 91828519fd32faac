// The headers of a record, by the words of the CloudEvents Kafka binding and of W3C Trace Context.
#include <catch2/catch.hpp>

#include <map>

#include "gateway/cloud_event.h"

using namespace mimamori;

TEST_CASE("a record's headers are CloudEvents in binary mode and a valid traceparent, all of one id") {
    const std::string record_id{"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16};
    const auto event = gateway::CloudEvent::of(record_id);
    std::map<std::string, std::string> headers;
    for (const auto& header : event.list("/mimamori/gateway/gateway-1")) {
        CHECK(headers.emplace(header.name, header.value).second);
    }
    CHECK(headers == std::map<std::string, std::string>{
                         {"ce_specversion", "1.0"},
                         {"ce_id", "00112233445566778899aabbccddeeff"},
                         {"ce_source", "/mimamori/gateway/gateway-1"},
                         {"ce_type", "mimamori.uplink.v1.LogRecord"},
                         {"content-type", "application/protobuf"},
                         {"traceparent", "00-00112233445566778899aabbccddeeff-8899aabbccddeeff-00"}});
}
