#include "domain/mail_text.h"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "base/text.h"

namespace mimamori::domain {
namespace {

constexpr std::array<const char*, 12> month_names{"January", "February", "March", "April", "May", "June", "July",
                                                  "August", "September", "October", "November", "December"};

std::string two_digits(int value) {
    return (value < 10 ? "0" : "") + std::to_string(value);
}

std::string joined(const std::set<std::string>& values, const char* between) {
    std::string out;
    for (const auto& value : values) {
        out += (out.empty() ? "" : between) + value;
    }
    return out;
}

// Text from outside: on one line, or whoever wrote it could write paragraphs of our mail.
std::string or_unknown(const std::string& value, Language language) {
    return !value.empty() ? base::to_single_line(value) : language == Language::ja ? "不明" : "unknown";
}

std::string port_text(int port, Language language) {
    return or_unknown(port == 0 ? "" : std::to_string(port), language);
}

std::vector<TextValues> numbered(const std::vector<std::string>& lines, std::size_t first) {
    std::vector<TextValues> out;
    for (const auto& line : lines) {
        TextValues step;
        step["number"] = std::to_string(first + out.size());
        step["text"] = line;
        out.push_back(std::move(step));
    }
    return out;
}

std::string threat_text(const MailItemFacts& item, Language language) {
    // For the web functions the name is a place on the internet that somebody else chose.
    const bool place = item.function == Function::wg || item.function == Function::uf;
    return or_unknown(place ? defanged(item.name) : item.name, language);
}

TextValues item_values(const MailItemFacts& item, std::size_t number, Language language) {
    TextValues out;
    out["number"] = std::to_string(number);
    out["has_device_name"] = !item.device_name.empty();
    out["device_name"] = base::to_single_line(item.device_name);
    out["title"] = item.text.title;
    out["explanation"] = item.text.explanation;
    out["risk"] = item.text.risk;
    out["steps"] = numbered(item.text.steps, 1);
    out["has_steps"] = !item.text.steps.empty();
    out["last_step_number"] = std::to_string(item.text.steps.size());
    out["several_steps"] = item.text.steps.size() > 1;
    out["further_steps"] = numbered(item.text.further_steps, item.text.steps.size() + 1);
    out["has_further_steps"] = !item.text.further_steps.empty();
    out["alert_kind"] = threat_text(item, language);
    out["alert_id"] = item.alert_id;
    out["observed_at"] = base::format_jst(item.observed_at);
    out["source_ip"] = or_unknown(item.source_ip, language);
    out["destination_ip"] = or_unknown(item.destination_ip, language);
    out["source_port"] = port_text(item.source_port, language);
    out["destination_port"] = port_text(item.destination_port, language);
    out["mac"] = or_unknown(item.lan_mac, language);
    out["utm_id"] = item.utm_id;
    out["is_new"] = item.kind == MailItemFacts::Kind::fresh;
    out["is_raised"] = item.kind == MailItemFacts::Kind::raised;
    out["is_continuing"] = item.kind == MailItemFacts::Kind::continues;
    out["detections"] = std::to_string(item.detections);
    out["several_detections"] = item.detections > 1;
    out["was_rewritten"] = item.action == Action::rewritten;
    out["was_blocked"] = item.action == Action::blocked;
    out["was_logged"] = item.action == Action::logged || item.action == Action::unspecified;
    return out;
}

struct SeverityWords {
    const char *glyphs, *ja, *en;
};
constexpr std::array<SeverityWords, 4> severity_words{
    SeverityWords{"", "無し", "none"}, {"★☆☆", "低", "low"}, {"★★☆", "中", "medium"}, {"★★★", "高", "high"}};

// Worst first: what needs action, then by device and class, so that one device's items stand together.
std::vector<MailItemFacts> in_order(std::vector<MailItemFacts> items) {
    std::stable_sort(items.begin(), items.end(), [](const MailItemFacts& a, const MailItemFacts& b) {
        return std::tie(a.action_needed, a.device_key, a.class_id, a.alert_id) <
               std::tie(b.action_needed, b.device_key, b.class_id, b.alert_id);
    });
    return items;
}

}  // namespace

std::string with_commas(std::int64_t value) {
    auto digits = std::to_string(value);
    for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3) {
        digits.insert(static_cast<std::size_t>(at), 1, ',');
    }
    return digits;
}

std::string yen_text(std::int64_t yen, Language language) {
    if (language == Language::en) {
        return with_commas(yen) + " yen";
    }
    return yen % 10'000 == 0 ? with_commas(yen / 10'000) + "万円" : with_commas(yen) + "円";
}

std::string window_text(base::Time start, base::Time end, Language language) {
    const auto from = base::civil_jst(start);
    const auto until = base::civil_jst(end);
    const bool whole_hour = end - start == std::chrono::hours{1} && from.minute == 0 && from.second == 0;
    if (language == Language::en) {
        const auto& at = whole_hour ? from : until;
        const auto day = std::to_string(at.day) + " " + month_names[static_cast<std::size_t>(at.month - 1)];
        const auto clock = two_digits(at.hour) + ":" + two_digits(at.minute);
        return whole_hour ? day + ", " + clock + " to " + two_digits((at.hour + 1) % 24) + ":00" : day + ", until " + clock;
    }
    const auto& at = whole_hour ? from : until;
    const auto day = std::to_string(at.month) + "月" + std::to_string(at.day) + "日" + std::to_string(at.hour) + "時";
    return whole_hour ? day + "台" : day + two_digits(at.minute) + "分まで";
}

std::string defanged(std::string_view url) {
    std::string out;
    if (url.substr(0, 4) == "http") {
        out = "hxxp";
        url.remove_prefix(4);
    }
    for (const char c : url) {
        if (c == '.') {
            out += "[.]";
        } else {
            out.push_back(c);
        }
    }
    return out;
}

TextValues frame_values(const MailFrame& frame, Language language) {
    TextValues out;
    out["customer_name"] = frame.customer_name;
    out["has_contact_name"] = !frame.contact_name.empty();
    out["contact_name"] = frame.contact_name;
    out["window"] = window_text(frame.window_start, frame.window_end, language);
    out["desk_phone"] = frame.desk.phone;
    out["desk_hours"] = frame.desk.hours;
    out["desk_mail"] = frame.desk.mail;
    out["desk_mail_hours"] = frame.desk.mail_hours;
    out["service_name"] = frame.desk.service_name;
    out["centre_name"] = frame.desk.centre_name;
    return out;
}

TextValues digest_values(const DigestFacts& facts, Language language) {
    const auto items = in_order(facts.items);
    const auto& first = items.front();
    const auto& words = severity_words[static_cast<std::size_t>(facts.severity)];

    std::set<std::string> devices;
    std::set<std::string> utm_ids;
    std::set<std::string> titles;
    for (const auto& item : items) {
        devices.insert(item.device_key);
        utm_ids.insert(item.utm_id);
        titles.insert(item.text.title);
    }
    std::vector<TextValues> shown;
    for (std::size_t i = 0; i < std::min(items.size(), most_items_in_a_mail); ++i) {
        shown.push_back(item_values(items[i], i + 1, language));
    }

    auto out = frame_values(facts.frame, language);
    out["glyphs"] = std::string{words.glyphs};
    out["severity_word"] = std::string{language == Language::ja ? words.ja : words.en};
    out["three_stars"] = facts.severity == Severity::three_stars;
    out["two_stars"] = facts.severity == Severity::two_stars;
    out["one_star"] = facts.severity == Severity::one_star;
    out["title"] = first.text.title;
    out["one_title"] = titles.size() == 1;
    out["summary"] = first.text.summary;
    out["action_needed"] = first.action_needed == ActionNeeded::needed;
    out["not_urgent"] = first.action_needed == ActionNeeded::not_urgent;
    out["no_action"] = first.action_needed == ActionNeeded::none;
    out["single"] = items.size() == 1;
    out["several"] = items.size() > 1;
    out["count"] = std::to_string(items.size());
    out["devices"] = std::to_string(devices.size());
    out["utm_id"] = joined(utm_ids, ", ");
    out["items"] = std::move(shown);
    out["more"] = items.size() > most_items_in_a_mail;
    out["more_count"] = std::to_string(items.size() - std::min(items.size(), most_items_in_a_mail));
    out["insurance_limit"] = yen_text(facts.insurance.limit_yen, language);
    out["insurance_uses"] = std::to_string(facts.insurance.uses_per_policy_year);
    out["remote_covered"] = facts.insurance.remote_covered;
    out["link"] = facts.frame.desk.portal_url + (items.size() == 1 ? "/findings/" + first.alert_id : "/findings");
    return out;
}

}  // namespace mimamori::domain
