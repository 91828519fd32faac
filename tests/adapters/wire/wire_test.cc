// The wire scan against libprotobuf: what one takes the other takes, with the same values.
#include <catch2/catch.hpp>

#include <algorithm>
#include <random>

#include <zstd.h>

#include "adapters/wire/log_record.h"
#include "adapters/wire/unpack.h"
#include "mimamori/detection/v1/detection.pb.h"
#include "mimamori/uplink/v1/log.pb.h"

using namespace mimamori;
using namespace mimamori::adapters::wire;

namespace {

class Random {
  public:
    explicit Random(std::uint64_t seed) : engine_{seed} {}
    std::uint64_t below(std::uint64_t limit) { return std::uniform_int_distribution<std::uint64_t>{0, limit - 1}(engine_); }
    bool chance(std::uint64_t one_in) { return below(one_in) == 0; }
    std::string bytes(std::size_t most) {
        std::string out(below(most + 1), '\0');
        std::generate(out.begin(), out.end(), [&] { return static_cast<char>(below(256)); });
        return out;
    }
    std::string text() {
        static const std::vector<std::string> pieces{"a", "example.invalid", "日本語", "é", "😀", "0123456789abcdef", " "};
        std::string out;
        for (auto many = below(5); many > 0; --many) {
            out += pieces[below(pieces.size())];
        }
        if (chance(200)) {
            out.push_back('\0');
        }
        return out;
    }
    std::int64_t number() {
        switch (below(4)) {
            case 0: return 0;
            case 1: return static_cast<std::int64_t>(below(1000)) - 500;
            case 2: return chance(2) ? INT64_MAX : INT64_MIN;
            default: return static_cast<std::int64_t>(engine_());
        }
    }
    // A few changes: bytes altered, cut out, doubled, cut off.
    std::string mutated(std::string text) {
        for (auto many = 1 + below(3); many > 0 && !text.empty(); --many) {
            const auto at = below(text.size());
            switch (below(5)) {
                case 0: text[at] = static_cast<char>(below(256)); break;
                case 1: text[at] = static_cast<char>(text[at] ^ (1 << below(8))); break;
                case 2: text.erase(at, 1 + below(4)); break;
                case 3: text.insert(at, text.substr(below(text.size()), below(20))); break;
                default: text.resize(at);
            }
        }
        return text;
    }

  private:
    std::mt19937_64 engine_;
};

detection::v1::Detection random_detection(Random& random) {
    detection::v1::Detection out;
    const auto* reflection = out.GetReflection();
    const auto* type = out.GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i) {
        const auto* field = type->field(i);
        if (random.chance(3)) {
            continue;
        }
        switch (field->cpp_type()) {
            case google::protobuf::FieldDescriptor::CPPTYPE_ENUM: reflection->SetEnumValue(&out, field, static_cast<int>(random.below(random.chance(20) ? 9 : 4))); break;
            case google::protobuf::FieldDescriptor::CPPTYPE_INT64: reflection->SetInt64(&out, field, random.number()); break;
            case google::protobuf::FieldDescriptor::CPPTYPE_INT32: reflection->SetInt32(&out, field, static_cast<std::int32_t>(random.number())); break;
            case google::protobuf::FieldDescriptor::CPPTYPE_UINT32: reflection->SetUInt32(&out, field, static_cast<std::uint32_t>(random.below(random.chance(20) ? 70'000 : 65'536))); break;
            case google::protobuf::FieldDescriptor::CPPTYPE_BOOL: reflection->SetBool(&out, field, random.chance(2)); break;
            default:
                reflection->SetString(&out, field, field->type() == google::protobuf::FieldDescriptor::TYPE_BYTES ? random.bytes(50) : random.text());
        }
    }
    return out;
}

bool has_nul(const google::protobuf::Message& message) {
    const auto* type = message.GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i) {
        const auto* field = type->field(i);
        if (field->type() == google::protobuf::FieldDescriptor::TYPE_STRING &&
            message.GetReflection()->GetString(message, field).find('\0') != std::string::npos) {
            return true;
        }
    }
    return false;
}

// libprotobuf complains on stderr about text that is not UTF-8; here that is expected.
struct Quiet {
    Quiet() { google::protobuf::SetLogHandler(nullptr); }
} quiet;

void check_detection(const std::string& bytes) {
    detection::v1::Detection expected;
    const bool parsed = expected.ParseFromString(bytes);
    const bool storable = parsed && static_cast<unsigned>(expected.function()) <= 5 && static_cast<unsigned>(expected.action()) <= 3 &&
                          static_cast<unsigned>(expected.origin()) <= 3 && expected.source_port() <= 65'535 &&
                          expected.destination_port() <= 65'535;
    const auto view = decode_detection(bytes);
    if (!view) {
        // A text given twice with a NUL in the one that is dropped is refused by us alone; nothing else is.
        REQUIRE((!storable || has_nul(expected) || bytes.find('\0') != std::string::npos));
        return;
    }
    REQUIRE(storable);
    REQUIRE_FALSE(has_nul(expected));
    REQUIRE(static_cast<int>(view->function) == expected.function());
    REQUIRE(static_cast<int>(view->action) == expected.action());
    REQUIRE(static_cast<int>(view->origin) == expected.origin());
    REQUIRE(view->observed_at_us == expected.observed_at_us());
    REQUIRE(view->spooled_at_us == expected.spooled_at_us());
    REQUIRE(view->clock_offset_us == expected.clock_offset_us());
    REQUIRE(view->source_port == expected.source_port());
    REQUIRE(view->destination_port == expected.destination_port());
    REQUIRE(view->vendor_priority == expected.vendor_priority());
    REQUIRE(view->raw_truncated == expected.raw_truncated());
    REQUIRE(view->source_ip == expected.source_ip());
    REQUIRE(view->destination_ip == expected.destination_ip());
    REQUIRE(view->lan_mac == expected.lan_mac());
    REQUIRE(view->protocol == expected.protocol());
    REQUIRE(view->app_protocol == expected.app_protocol());
    REQUIRE(view->threat_name == expected.threat_name());
    REQUIRE(view->threat_id == expected.threat_id());
    REQUIRE(view->virus_name == expected.virus_name());
    REQUIRE(view->virus_id == expected.virus_id());
    REQUIRE(view->file_name == expected.file_name());
    REQUIRE(view->file_sha256 == expected.file_sha256());
    REQUIRE(view->mail_subject == expected.mail_subject());
    REQUIRE(view->mail_date == expected.mail_date());
    REQUIRE(view->destination_host == expected.destination_host());
    REQUIRE(view->url == expected.url());
    REQUIRE(view->category == expected.category());
    REQUIRE(view->application == expected.application());
    REQUIRE(view->source_format == expected.source_format());
    REQUIRE(view->source_id == expected.source_id());
    REQUIRE(view->raw == expected.raw());
}

template <class T>
std::string text_of(const T& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

uplink::v1::LogRecord random_record(Random& random) {
    uplink::v1::LogRecord record;
    const auto bytes16 = [&] { return std::string(16, static_cast<char>(random.below(256))); };
    record.set_record_id(bytes16());
    record.set_customer_id(random.number());
    record.set_rental_id(random.number());
    record.set_received_at_us(random.number());
    record.set_clock_offset_us(random.number());
    const auto first = 1 + random.below(1000);
    const auto last = first + random.below(10);
    const auto fill = [&](auto& range) {
        range.set_lane(static_cast<uplink::v1::Lane>(random.below(3)));
        range.set_spool_id(bytes16());
        range.set_run(3);
        range.set_first(first);
        range.set_last(last);
    };
    switch (random.below(4)) {
        case 0: record.mutable_tick(); break;
        case 1:
            fill(*record.mutable_gone());
            record.mutable_gone()->set_h_last(bytes16());
            break;
        case 2: {
            fill(*record.mutable_batch());
            record.mutable_batch()->set_h_before(bytes16());
            auto& tombstone = *record.mutable_batch()->mutable_tombstone();
            tombstone.set_oldest_observed_us(random.number());
            tombstone.set_newest_observed_us(random.number());
            random.chance(2) ? tombstone.set_digests(random.bytes(64) + "x") : tombstone.set_h_after(bytes16());
            tombstone.set_classes(random.bytes(4));
            break;
        }
        default: {
            fill(*record.mutable_batch());
            record.mutable_batch()->set_h_before(bytes16());
            auto& packed = *record.mutable_batch()->mutable_entries();
            packed.set_data(random.bytes(100));
            packed.set_zstd(random.chance(2));
            packed.set_raw_size(static_cast<std::uint32_t>(random.number()));
            packed.set_count(static_cast<std::uint32_t>(random.below(100)));
        }
    }
    return record;
}

// True if it was taken; then every value is libprotobuf's.
bool check_record(const std::string& bytes) {
    const auto view = decode_log_record(bytes);
    if (!view) {
        return false;
    }
    uplink::v1::LogRecord expected;
    REQUIRE(expected.ParseFromString(bytes));
    REQUIRE(text_of(view->record_id) == expected.record_id());
    REQUIRE(view->customer.value == expected.customer_id());
    REQUIRE(view->rental.value == expected.rental_id());
    REQUIRE(view->received_at_us == expected.received_at_us());
    REQUIRE(view->clock_offset_us == expected.clock_offset_us());
    const auto check_range = [&](const auto& range, const std::string& hash) {
        REQUIRE(static_cast<int>(view->lane) == range.lane());
        REQUIRE(text_of(view->spool_id) == range.spool_id());
        REQUIRE(view->first == range.first());
        REQUIRE(view->last == range.last());
        REQUIRE(text_of(view->hash) == hash);
    };
    switch (view->body) {
        case Body::tick: REQUIRE(expected.has_tick()); break;
        case Body::gone:
            REQUIRE(expected.has_gone());
            check_range(expected.gone(), expected.gone().h_last());
            break;
        case Body::tombstone: {
            REQUIRE(expected.batch().has_tombstone());
            check_range(expected.batch(), expected.batch().h_before());
            const auto& tombstone = expected.batch().tombstone();
            REQUIRE(view->tombstone.oldest_observed_us == tombstone.oldest_observed_us());
            REQUIRE(view->tombstone.newest_observed_us == tombstone.newest_observed_us());
            REQUIRE(view->tombstone.digests == tombstone.digests());
            REQUIRE(view->tombstone.classes == tombstone.classes());
            REQUIRE((!tombstone.digests().empty() || text_of(view->tombstone.h_after) == tombstone.h_after()));
            break;
        }
        case Body::entries: {
            REQUIRE(expected.batch().has_entries());
            check_range(expected.batch(), expected.batch().h_before());
            const auto& packed = expected.batch().entries();
            REQUIRE(view->entries.data == packed.data());
            REQUIRE(view->entries.zstd == packed.zstd());
            REQUIRE(view->entries.raw_size == packed.raw_size());
            REQUIRE(view->entries.count == packed.count());
        }
    }
    return true;
}

}  // namespace

TEST_CASE("random and mutated detections are read as libprotobuf reads them") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    Random random{seed};
    int taken = 0;
    for (int i = 0; i < 4000; ++i) {
        const auto bytes = random_detection(random).SerializeAsString();
        check_detection(bytes);
        taken += decode_detection(bytes) ? 1 : 0;
        for (int j = 0; j < 5; ++j) {
            check_detection(random.mutated(bytes));
        }
    }
    CHECK(taken > 2000);
}

TEST_CASE("random bytes are read as libprotobuf reads them") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    Random random{seed};
    for (int i = 0; i < 50'000; ++i) {
        check_detection(random.bytes(24));
        check_record(random.bytes(24));
    }
}

TEST_CASE("every length of a message cut off is refused or read as libprotobuf reads it") {
    Random random{1};
    for (int i = 0; i < 20; ++i) {
        const auto bytes = random_detection(random).SerializeAsString();
        for (std::size_t size = 0; size <= bytes.size(); ++size) {
            check_detection(bytes.substr(0, size));
        }
    }
}

TEST_CASE("unknown fields of every wire type are passed over, groups too, and bad ones refused") {
    detection::v1::Detection detection;
    detection.set_threat_name("name");
    const auto known = detection.SerializeAsString();
    // 1000: varint; 1001: fixed64; 1002: bytes; 1003: group with a field inside; 1004: fixed32
    const std::string unknown{"\xC0\x3E\x05\xC9\x3E" "12345678" "\xD2\x3E\x02xx\xDB\x3E\x08\x01\xDC\x3E\xE5\x3E" "1234", 30};
    check_detection(known + unknown);
    REQUIRE(decode_detection(unknown + known));
    CHECK(decode_detection(unknown + known)->threat_name == "name");
    const std::vector<std::string> bad{std::string{"\x00\x01", 2}, "\x0F", "\x0E\x01", "\xDC\x3E", "\xDB\x3E\x08\x01", "\xDB\x3E\xE4\x3E",
                                       std::string(11, '\xFF'), "\x08" + std::string(10, '\xFF'), "\x6A\x05" "abcd"};
    for (const auto& piece : bad) {
        check_detection(known + piece);
        CHECK_FALSE(decode_detection(known + piece));
    }
    std::string deep;
    for (int i = 0; i < 200; ++i) {
        deep += "\xDB\x3E";
    }
    for (int i = 0; i < 200; ++i) {
        deep += "\xDC\x3E";
    }
    check_detection(deep);
    CHECK_FALSE(decode_detection(deep));
}

TEST_CASE("blocks and rejected lines are read as libprotobuf reads them") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    Random random{seed};
    for (int i = 0; i < 20'000; ++i) {
        detection::v1::Block block;
        block.set_kind(random.chance(10) ? "mail" : random.chance(2) ? "url" : "ip");
        block.set_key(random.text());
        block.set_category(random.text());
        block.set_observed_at_us(random.number());
        block.set_count(random.below(3));
        block.set_spooled_at_us(random.number());
        const auto bytes = random.chance(2) ? block.SerializeAsString() : random.mutated(block.SerializeAsString());
        const auto view = decode_block(bytes);
        detection::v1::Block expected;
        const bool parsed = expected.ParseFromString(bytes);
        if (view) {
            REQUIRE(parsed);
            REQUIRE((view->kind == expected.kind() && view->key == expected.key() && view->category == expected.category()));
            REQUIRE((view->count == expected.count() && view->observed_at_us == expected.observed_at_us()));
            REQUIRE((view->spooled_at_us == expected.spooled_at_us() && view->clock_offset_us == expected.clock_offset_us()));
        } else {
            const bool good = parsed && (expected.kind() == "url" || expected.kind() == "ip") && !expected.key().empty() &&
                              expected.count() >= 1 && expected.count() <= 1'000'000'000'000;
            REQUIRE((!good || bytes.find('\0') != std::string::npos));
        }
        detection::v1::Rejected rejected;
        rejected.set_raw(random.bytes(20));
        rejected.set_reason(random.text());
        rejected.set_raw_size(random.below(1000));
        const auto line = random.mutated(rejected.SerializeAsString());
        const auto read = decode_rejected(line);
        detection::v1::Rejected oracle;
        const bool oracle_parsed = oracle.ParseFromString(line);
        if (read) {
            REQUIRE(oracle_parsed);
            REQUIRE((read->raw == oracle.raw() && read->reason == oracle.reason() && read->raw_size == oracle.raw_size()));
        } else {
            REQUIRE((!oracle_parsed || line.find('\0') != std::string::npos));
        }
    }
}

TEST_CASE("records of the log are taken as they are made, and mutated ones only with libprotobuf's values") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    Random random{seed};
    int taken = 0;
    for (int i = 0; i < 4000; ++i) {
        const auto bytes = random_record(random).SerializeAsString();
        REQUIRE(check_record(bytes));
        for (int j = 0; j < 5; ++j) {
            taken += check_record(random.mutated(bytes)) ? 1 : 0;
        }
    }
    CHECK(taken > 100);
}

TEST_CASE("records with impossible shapes are refused") {
    Random random{7};
    uplink::v1::LogRecord good;
    do {
        good = random_record(random);
    } while (!good.has_batch() || !good.batch().has_entries());
    REQUIRE(decode_log_record(good.SerializeAsString()));
    const auto refused = [&](auto&& change) {
        auto bad = good;
        change(bad);
        return !decode_log_record(bad.SerializeAsString());
    };
    CHECK(refused([](auto& r) { r.set_record_id("short"); }));
    CHECK(refused([](auto& r) { r.clear_body(); }));
    CHECK(refused([](auto& r) { r.mutable_batch()->set_lane(static_cast<uplink::v1::Lane>(3)); }));
    CHECK(refused([](auto& r) { r.mutable_batch()->set_lane(static_cast<uplink::v1::Lane>(-1)); }));
    CHECK(refused([](auto& r) { r.mutable_batch()->set_spool_id(std::string(17, 'x')); }));
    CHECK(refused([](auto& r) { r.mutable_batch()->set_h_before(""); }));
    CHECK(refused([](auto& r) { r.mutable_batch()->set_first(0); }));
    CHECK(refused([](auto& r) { r.mutable_batch()->set_first(r.batch().last() + 1); }));
    CHECK(refused([](auto& r) { r.mutable_batch()->set_last(UINT64_MAX); }));
    CHECK(refused([](auto& r) { r.mutable_batch()->clear_body(); }));
    CHECK(refused([](auto& r) { r.mutable_batch()->mutable_tombstone(); }));  // neither digests nor the hash after it
    CHECK_FALSE(decode_log_record(good.SerializeAsString() + good.SerializeAsString()));
}

TEST_CASE("entries come out as they went in, exactly as many as declared") {
    uplink::v1::EntryList list;
    for (int i = 0; i < 3; ++i) {
        auto& entry = *list.add_entries();
        entry.set_kind(static_cast<std::uint32_t>(i + 1));
        entry.set_payload("payload" + std::to_string(i));
    }
    list.mutable_entries(1)->mutable_suspect()->set_old_spool_id(std::string(16, 'o'));
    list.mutable_entries(1)->mutable_suspect()->set_old_seq(77);
    const auto bytes = list.SerializeAsString();
    std::vector<EntryView> entries;
    REQUIRE(decode_entries(bytes, 3, entries));
    REQUIRE(entries.size() == 3);
    CHECK(entries[2].kind == 3);
    CHECK(entries[2].payload == "payload2");
    CHECK(entries[1].suspect);
    CHECK(entries[1].suspect_of.seq == 77);
    CHECK(text_of(entries[1].suspect_of.spool_id) == std::string(16, 'o'));
    CHECK_FALSE(entries[0].suspect);
    CHECK_FALSE(decode_entries(bytes, 2, entries));
    CHECK(entries.size() <= 2);
    CHECK_FALSE(decode_entries(bytes, 4, entries));
    CHECK_FALSE(decode_entries(bytes.substr(0, bytes.size() - 1), 3, entries));
    list.mutable_entries(1)->mutable_suspect()->set_old_spool_id("short");
    CHECK_FALSE(decode_entries(list.SerializeAsString(), 3, entries));
}

TEST_CASE("packed data unpacks to exactly its declared size or not at all") {
    const std::string raw(100'000, 'z');
    std::string packed(ZSTD_compressBound(raw.size()), '\0');
    packed.resize(ZSTD_compress(packed.data(), packed.size(), raw.data(), raw.size(), 3));
    Unpacker unpacker;
    std::string buffer;
    const auto size = static_cast<std::uint32_t>(raw.size());
    REQUIRE(unpacker.unpack({packed, true, size, 1}, buffer) == std::string_view{raw});
    CHECK_FALSE(unpacker.unpack({packed, true, size - 1, 1}, buffer));
    CHECK_FALSE(unpacker.unpack({packed, true, size + 1, 1}, buffer));
    CHECK_FALSE(unpacker.unpack({std::string_view{packed}.substr(0, packed.size() - 1), true, size, 1}, buffer));
    CHECK_FALSE(unpacker.unpack({packed, true, largest_batch + 1, 1}, buffer));
    CHECK(buffer.size() <= raw.size() + 1);
    CHECK_FALSE(unpacker.unpack({raw, false, size - 1, 1}, buffer));
    REQUIRE(unpacker.unpack({raw, false, size, 1}, buffer));
    REQUIRE(unpacker.unpack({packed, true, size, 1}, buffer));  // after failures it works on
}
