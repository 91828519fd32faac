#include "bench/load/traffic.h"

#include <cstdio>
#include <cstdlib>
#include <random>
#include <variant>

#include <fmt/format.h>

#include "appliance-agent/sources/native.h"
#include "appliance-agent/sources/urgency.h"
#include "domain/direction.h"

namespace mimamori::bench {
namespace {

using domain::delivery::EntryKind;
using domain::delivery::Lane;

constexpr int detection_lines = 4096;
constexpr int block_lines = 2048;
constexpr unsigned block_keys = 500;  // below the correlator's bound, so that every key keeps its own tally
constexpr std::uint8_t urgent_class = 0x10;

// Numbers only: distributions of the standard library differ between libraries.
class Dice {
  public:
    unsigned below(unsigned bound) { return static_cast<unsigned>(engine_() % bound); }
    template <std::size_t N>
    const char* one_of(const char* const (&names)[N]) {
        return names[below(N)];
    }

  private:
    std::mt19937_64 engine_{20260408};
};

constexpr const char* attacks[] = {"Cross Site Script attack",
                                   "JSIG-WEB SQL-Union-ALL-Select-1",
                                   "JSIG-WEB: SQL-Union-ALL-Select-3",
                                   "Possible SQLMAP SCAN-2",
                                   "Brute Force attack",
                                   "JSIG-WEB: Netgear-Setup CGI-Cmd-Exec",
                                   "RealNetworks Helix RTSP two simultaneous long get request buffer overflow",
                                   "PHP CGI Remote File Include attempt"};
constexpr const char* passwords[] = {"HTTP Basic Auth Null Password Login attempt",
                                     "HTTP Basic Auth Default Password Login attempt (admin)-2"};
constexpr const char* viruses[] = {"Trojan.Multi.Generic", "Hacktool.MSOffice.Generic", "Trojan.Script.Generic",
                                   "Trojan.MSIL.Agensla",  "Trojan.Win32.Malicious",    "Trojan.MSOffice.SAgent"};
constexpr const char* categories[] = {"オークション", "ゲーム", "動画配信", "掲示板", "ギャンブル"};
constexpr const char* applications[] = {"Dropbox", "file sharing", "remote desktop", "Tor", "messenger"};

std::string ends(const std::string& source, const std::string& destination, unsigned source_port,
                 unsigned destination_port, unsigned host) {
    return fmt::format(R"("source_ip":"{}","source_port":{},"destination_ip":"{}","destination_port":{},)"
                       R"("lan_mac":"00-00-5E-00-53-{:02X}","protocol":"TCP")",
                       source, source_port, destination, destination_port, host);
}

std::string detection_line(Dice& dice) {
    const unsigned host = 10 + dice.below(20);
    const auto inside = fmt::format("192.168.10.{}", host);
    const auto outside = fmt::format("198.51.100.{}", 1 + dice.below(250));
    const unsigned high = 49'152 + dice.below(16'000);
    const auto out = ends(inside, outside, high, 443, host);
    const auto in = ends(outside, inside, high, 80, host);
    const auto made = [](const char* function, const char* action, const std::string& rest) {
        return fmt::format(
            R"({{"type":"detection","function":"{}","action":"{}","observed_at":"2026-04-08T10:39:40+09:00",{}}})",
            function, action, rest);
    };
    const unsigned kind = dice.below(100);
    if (kind < 45) {
        return made("ips", "blocked",
                    fmt::format(R"({},"threat_name":"{}","threat_id":"{}","vendor_priority":2)", in,
                                dice.one_of(attacks), 70'000 + dice.below(900)));
    }
    if (kind < 55) {  // what no rule names: vendors make new signatures every day
        return made(
            "ips", "blocked",
            fmt::format(R"({},"threat_name":"WEB-{} request smuggling attempt","threat_id":"{}","vendor_priority":3)",
                        in, dice.below(1500), 80'000 + dice.below(1500)));
    }
    if (kind < 67) {
        return made("ips", "blocked",
                    fmt::format(R"({},"threat_name":"{}","threat_id":"{}","vendor_priority":3)", out,
                                dice.one_of(attacks), 70'000 + dice.below(900)));
    }
    if (kind < 69) {
        return made("ips", "blocked",
                    fmt::format(R"({},"threat_name":"{}","vendor_priority":3)",
                                ends(inside, "192.168.10.1", high, 80, host), dice.one_of(passwords)));
    }
    if (kind < 74) {
        return made(
            "av", "rewritten",
            fmt::format(
                R"({},"virus_name":"{}.{}","virus_id":"{}","file_name":"請求書{}.doc","mail_subject":"【重要】ご確認ください",)"
                R"("mail_date":"Wed, 8 Apr 2026 14:05:31 +0900")",
                ends(outside, inside, 110, high, host), dice.one_of(viruses), dice.below(200), dice.below(9000),
                dice.below(50)));
    }
    if (kind < 76) {
        const auto site = fmt::format("p{}.infopicked.com", dice.below(300));
        return made("wg", "blocked",
                    fmt::format(R"({},"destination_host":"{}","url":"http://{}/adServe/domainClick?id={}")", out, site,
                                site, dice.below(100'000)));
    }
    if (kind < 90) {
        return made("uf", "logged",
                    fmt::format(R"({},"destination_host":"www{}.example.jp","category":"{}")", out, dice.below(500),
                                dice.one_of(categories)));
    }
    return made("apg", "logged",
                fmt::format(R"({},"application":"{}","category":"アプリケーション")", out, dice.one_of(applications)));
}

std::string block_line(Dice& dice) {
    const unsigned key = dice.below(block_keys);
    const auto of_kind = key % 4 == 0 ? fmt::format(R"("kind":"ip","key":"203.0.113.{}")", key / 4 % 250)
                                      : fmt::format(R"("kind":"url","key":"ads{}.example","category":"広告")", key);
    return fmt::format(R"({{"type":"block",{},"observed_at":"2026-04-08T10:39:40+09:00","count":{}}})", of_kind,
                       1 + dice.below(3));
}

[[noreturn]] void refused(const std::string& line, const std::string& why) {
    std::fprintf(stderr, "load: the agent's parser refuses a line of this generator: %s: %s\n", why.c_str(),
                 line.c_str());
    std::abort();
}

Line read(const std::string& text) {
    auto parsed = agent::sources::parse_native(text, std::chrono::minutes{540});
    if (!parsed) {
        refused(text, parsed.error());
    }
    Line out;
    if (auto* block = std::get_if<detection::v1::Block>(&*parsed)) {
        out.kind = EntryKind::block;
        out.lane = Lane::rollup;
        out.block_key = fmt::format("{}\t{}", block->kind(), block->key());
        out.block_count = block->count();
        block->clear_observed_at_us();
        out.payload = block->SerializeAsString();
        return out;
    }
    auto& detection = std::get<detection::v1::Detection>(*parsed);
    const auto function = static_cast<domain::Function>(detection.function());
    const auto direction =
        domain::direction_of(detection.source_ip(), detection.destination_ip(), domain::private_ranges());
    const bool urgent = agent::sources::is_urgent(function, direction, detection.vendor_priority());
    out.lane = urgent ? Lane::urgent : Lane::normal;
    out.class_byte = static_cast<std::uint8_t>(static_cast<unsigned>(function) | (urgent ? urgent_class : 0U));
    detection.clear_observed_at_us();
    detection.set_source_format("native");
    detection.set_source_id("source-0");
    out.payload = detection.SerializeAsString();
    return out;
}

void append_sint64(std::string& out, unsigned field, std::int64_t value) {
    const auto varint = [&](std::uint64_t number) {
        for (; number >= 0x80; number >>= 7U) {
            out.push_back(static_cast<char>(number | 0x80U));
        }
        out.push_back(static_cast<char>(number));
    };
    varint(field << 3U);
    varint(static_cast<std::uint64_t>(value) << 1U ^ static_cast<std::uint64_t>(value >> 63U));
}

}  // namespace

Traffic::Traffic(What what) {
    Dice dice;
    if (what == What::blocks) {
        for (int i = 0; i < block_lines; ++i) {
            lines_.push_back(read(block_line(dice)));
        }
        return;
    }
    for (int i = 0; i < detection_lines; ++i) {
        lines_.push_back(read(detection_line(dice)));
        for (int block = 0; what == What::mixed && block < 3; ++block) {
            lines_.push_back(read(block_line(dice)));
        }
    }
}

// observed_at_us and spooled_at_us: fields 4 and 5 of a Detection, 4 and 6 of a Block.
void Traffic::payload(std::uint32_t number, std::int64_t time_us, std::string& out) const {
    const auto& from = line(number);
    out.assign(from.payload);
    append_sint64(out, 4, time_us);
    append_sint64(out, from.kind == EntryKind::block ? 6 : 5, time_us);
}

}  // namespace mimamori::bench
