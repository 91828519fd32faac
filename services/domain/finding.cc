#include "domain/finding.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "domain/direction.h"

namespace mimamori::domain {

Grouping group(const OpenFinding* newest, const Verdict& verdict, base::Time received_at) {
    if (verdict.severity == Severity::none) {
        return Grouping::no_finding;
    }
    if (newest == nullptr || received_at - newest->last_received_at > finding_groups_for) {
        return Grouping::new_finding;
    }
    return verdict.severity > newest->severity ? Grouping::joins_and_raises : Grouping::joins;
}

std::optional<MailNews> mail_news(Grouping grouping, const OpenFinding* newest, const Verdict& verdict) {
    if (grouping == Grouping::no_finding || !verdict.mailable) {
        return std::nullopt;
    }
    if (grouping == Grouping::new_finding) {
        return MailNews{MailItemKind::new_finding, verdict.severity};
    }
    const auto severity = std::max(newest->severity, verdict.severity);
    if (!newest->has_mail_item) {
        return MailNews{MailItemKind::new_finding, severity};
    }
    return MailNews{grouping == Grouping::joins_and_raises ? MailItemKind::raised : MailItemKind::continues, severity};
}

std::string device_key(const DetectionView& detection, Direction direction) {
    if (auto mac = normalised_mac(detection.lan_mac)) {
        return *std::move(mac);
    }
    if (direction != Direction::unknown) {
        const auto ip = direction == Direction::inbound_attack ? detection.destination_ip : detection.source_ip;
        if (parse_address(ip)) {
            return std::string{ip};
        }
    }
    return "unknown";
}

std::optional<std::string> normalised_mac(std::string_view text) {
    text = base::trim(text);
    std::string digits;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool pairs = text.size() == 17 && (text[2] == ':' || text[2] == '-');
        const bool fours = text.size() == 14;
        if ((pairs && i % 3 == 2 && text[i] == text[2]) || (fours && i % 5 == 4 && text[i] == '.')) {
            continue;
        }
        digits.push_back(text[i]);
    }
    const auto bytes = base::from_hex(digits);
    if (!bytes || bytes->size() != 6 || (bytes->front() & 1) != 0 || *bytes == std::string(6, '\0')) {
        return std::nullopt;
    }
    static constexpr std::string_view hex = "0123456789ABCDEF";
    std::string out;
    for (const char c : *bytes) {
        const auto byte = static_cast<unsigned char>(c);
        out += out.empty() ? "" : "-";
        out += hex[byte >> 4];
        out += hex[byte & 15];
    }
    return out;
}

std::string format_alert_id(base::Time at, std::int64_t number) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
    const auto digits = std::to_string(number);
    return std::to_string(seconds) + "-" + std::string(digits.size() < 4 ? 4 - digits.size() : 0, '0') + digits;
}

}  // namespace mimamori::domain
