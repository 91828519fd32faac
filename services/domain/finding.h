// When detections become one finding, and what of it is news for the customer. Pure decisions; the rows are store's.
// A finding belongs to one customer, device and class and groups until 24 h after its last detection.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/time.h"
#include "domain/detection.h"
#include "domain/severity.h"

namespace mimamori::domain {

inline constexpr base::Micros finding_groups_for = std::chrono::hours{24};

// The newest finding of the same customer, device key and class.
struct OpenFinding {
    base::FindingId id;
    Severity severity = Severity::none;
    base::Time last_received_at{};  // receive time of its last detection
    bool has_mail_item = false;     // the customer was told of it, or soon will be
};

enum class Grouping : std::uint8_t {
    no_finding,        // no star: log and portal only
    new_finding,       // none before, or its last detection is more than 24 h ago
    joins,             // counts on the finding; its details stay those of the detection that gave the severity
    joins_and_raises,  // severity and details become this detection's
};
// `newest` is null if there is none. Receive times decide, because a device's clock may be wrong and spooled
// detections come late; two gateways' clocks may differ, so an earlier receive time joins too.
Grouping group(const OpenFinding* newest, const Verdict& verdict, base::Time received_at);

// Names are those of mail_items.kind.
enum class MailItemKind : std::uint8_t { new_finding = 0, raised = 1, continues = 2 };
inline constexpr std::array<std::string_view, 3> mail_item_kind_names{"new", "raised", "continues"};
constexpr std::string_view name_of(MailItemKind kind) {
    return mail_item_kind_names[static_cast<std::size_t>(kind)];
}

struct MailNews {
    MailItemKind kind;
    Severity severity;  // the finding's after this detection: it picks the mail
};
// What one detection is to the customer; empty where nothing is mailed. The store adds it to the open item of the same
// finding and severity if there is one, so a window has at most one item of each, of the kind that came first.
// `newest` as given to group(). Suppressed detections are not asked about.
std::optional<MailNews> mail_news(Grouping grouping, const OpenFinding* newest, const Verdict& verdict);

// The device inside the LAN: its MAC address in the form "00-00-5E-00-53-17", else its IP address (the destination of
// an inbound attack, else the source), else "unknown". Without a MAC address a detection of unknown direction is
// "unknown" too: neither of its ends is a device of the customer.
std::string device_key(const DetectionView& detection, Direction direction);

// Reads "00:00:5e:00:53:17", "00-00-5E-00-53-17", "0000.5e00.5317" and "00005e005317". Empty for anything else and for
// addresses that no single device has: all zero, multicast, broadcast.
std::optional<std::string> normalised_mac(std::string_view text);

// アラートID: seconds since 1970 and the customer's running number, at least four digits: "1586334621-1652".
// It counts per customer, so that nobody learns of others from it.
std::string format_alert_id(base::Time at, std::int64_t number);

}  // namespace mimamori::domain
