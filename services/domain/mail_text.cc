#include "domain/mail_text.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "domain/day_text.h"
#include "domain/iso_2022_jp.h"

namespace mimamori::domain {
namespace {

std::string first_of(const std::set<std::string>& values) {
    std::string out;
    std::size_t count = 0;
    for (const auto& value : values) {
        if (count++ == most_devices_named) {
            return out + ", ...";
        }
        out += (out.empty() ? "" : ", ") + value;
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
    // For the web functions the name is a place on the internet that somebody else chose, or a detector's category.
    const bool web = item.function == Function::wg || item.function == Function::uf;
    const auto word = std::string_view{item.name}.substr(0, item.name.find_first_of(" \t\r\n"));
    const bool place = web && word.find('.') != std::string_view::npos;
    return or_unknown(place ? shown_host(word) : shown_name(item.name), language);
}

bool was_stopped(const MailItemFacts& item) {
    return item.action == Action::blocked || item.action == Action::rewritten;
}

// What the appliance did, one of four.
void put_action(TextValues& out, const std::vector<const MailItemFacts*>& items) {
    const auto all = [&](auto is) {
        return std::all_of(items.begin(), items.end(), [&](const auto* item) { return is(item->action); });
    };
    const bool blocked = all([](Action a) { return a == Action::blocked; });
    const bool rewritten = all([](Action a) { return a == Action::rewritten; });
    const bool stopped = std::all_of(items.begin(), items.end(), [](const auto* item) { return was_stopped(*item); });
    out["was_blocked"] = blocked;
    out["was_rewritten"] = rewritten;
    out["was_stopped_both"] = stopped && !blocked && !rewritten;
    out["was_not_stopped"] = !stopped;
}

void put_text(TextValues& out, const ClassText& text, bool stopped) {
    out["title"] = text.title;
    out["explanation"] = text.explanation;
    out["risk"] = stopped || text.risk_let_through.empty() ? text.risk : text.risk_let_through;
    out["steps"] = numbered(text.steps, 1);
    out["last_step_number"] = std::to_string(text.steps.size());
    out["several_steps"] = text.steps.size() > 1;
    out["further_steps"] = numbered(text.further_steps, text.steps.size() + 1);
    out["has_further_steps"] = !text.further_steps.empty();
}

TextValues item_values(const MailItemFacts& item, Language language) {
    TextValues out;
    put_text(out, item.text, was_stopped(item));
    put_action(out, {&item});
    out["has_device_name"] = !item.device_name.empty();
    out["device_name"] = shown_name(item.device_name);
    // The customer's own end, as device_key() has it: few readers know which of the two addresses that is.
    const auto& device_ip = item.direction == Direction::inbound_attack ? item.destination_ip : item.source_ip;
    out["has_device_ip"] = item.direction != Direction::unknown && !device_ip.empty();
    out["device_ip"] = or_unknown(device_ip, language);
    out["alert_kind"] = threat_text(item, language);
    out["alert_id"] = item.alert_id;
    out["observed_at"] = time_text(item.observed_at, language);
    out["source_ip"] = or_unknown(item.source_ip, language);
    out["destination_ip"] = or_unknown(item.destination_ip, language);
    out["source_port"] = port_text(item.source_port, language);
    out["destination_port"] = port_text(item.destination_port, language);
    out["mac"] = or_unknown(item.lan_mac, language);
    out["utm_id"] = item.utm_id;
    out["is_raised"] = item.kind == MailItemFacts::Kind::raised;
    out["is_continuing"] = item.kind == MailItemFacts::Kind::continues;
    put_number(out, "detections", item.detections);
    out["several_detections"] = item.detections > 1;
    return out;
}

// The findings of one class in a digest of several.
struct Group {
    std::vector<const MailItemFacts*> items;
    std::size_t shown = 0;  // how many of them have a record in the mail
};

// A class that asks for nothing counts on what the appliance did: of what was let through something is asked.
int haste(const Group& group) {
    const auto needed = group.items.front()->action_needed;
    const bool let_through =
        std::any_of(group.items.begin(), group.items.end(), [](const auto* i) { return !was_stopped(*i); });
    return needed == ActionNeeded::needed                ? 0
           : needed == ActionNeeded::none && let_through ? 1
           : needed == ActionNeeded::not_urgent          ? 2
                                                         : 3;
}

// Worst first: what needs action, then the more frequent; of one class by device, so that one device's stand together.
std::vector<Group> groups_of(const std::vector<MailItemFacts>& items) {
    std::map<std::string_view, Group> by_class;
    for (const auto& item : items) {
        by_class[item.class_id].items.push_back(&item);
    }
    std::vector<Group> out;
    for (auto& [id, group] : by_class) {
        std::stable_sort(group.items.begin(), group.items.end(), [](const auto* a, const auto* b) {
            return std::tie(a->device_key, a->alert_id) < std::tie(b->device_key, b->alert_id);
        });
        out.push_back(std::move(group));
    }
    std::stable_sort(out.begin(), out.end(), [](const Group& a, const Group& b) {
        return haste(a) != haste(b) ? haste(a) < haste(b) : a.items.size() > b.items.size();
    });
    out.resize(std::min(out.size(), most_items_in_a_mail));
    auto left = most_items_in_a_mail;
    for (bool more = true; left > 0 && std::exchange(more, false);) {
        for (auto& group : out) {
            if (left > 0 && group.shown < group.items.size()) {
                ++group.shown;
                --left;
                more = true;
            }
        }
    }
    return out;
}

// Devices of a group: the first names, how many more have one, and how many have none.
void put_devices(TextValues& out, const Group& group) {
    std::map<std::string_view, std::string_view> names;  // by device key
    for (const auto* item : group.items) {
        names[item->device_key] = item->device_name;
    }
    std::vector<TextValues> listed;
    std::int64_t named = 0;
    for (const auto& [key, name] : names) {
        if (!name.empty() && ++named <= static_cast<std::int64_t>(most_devices_named)) {
            listed.emplace_back();
            listed.back()["device"] = shown_name(name);
            listed.back()["first"] = named == 1;
        }
    }
    put_number(out, "devices", static_cast<std::int64_t>(names.size()));
    put_number(out, "more_named", named - static_cast<std::int64_t>(listed.size()));
    put_number(out, "unnamed", static_cast<std::int64_t>(names.size()) - named);
    out["has_named"] = named > 0;
    out["has_more_named"] = named > static_cast<std::int64_t>(listed.size());
    out["has_unnamed"] = named < static_cast<std::int64_t>(names.size());
    out["named_devices"] = std::move(listed);
    out["device"] = std::string{};  // a template may name them where the list is empty too
    out["first"] = false;
}

TextValues group_values(const Group& group, std::size_t number, Language language) {
    const auto& first = *group.items.front();
    TextValues out;
    put_text(out, first.text,
             std::all_of(group.items.begin(), group.items.end(), [](const auto* i) { return was_stopped(*i); }));
    put_action(out, group.items);
    put_devices(out, group);
    out["number"] = std::to_string(number);
    put_number(out, "count", static_cast<std::int64_t>(group.items.size()));
    out["continuing"] = std::any_of(group.items.begin(), group.items.end(),
                                    [](const auto* i) { return i->kind == MailItemFacts::Kind::continues; });
    out["no_action"] = first.action_needed == ActionNeeded::none;
    std::vector<TextValues> records;
    for (std::size_t i = 0; i < group.shown; ++i) {
        records.push_back(item_values(*group.items[i], language));
    }
    out["records"] = std::move(records);
    out["more_records"] = group.items.size() > group.shown;
    put_number(out, "more_record_count", static_cast<std::int64_t>(group.items.size() - group.shown));
    return out;
}

struct SeverityWords {
    const char *glyphs, *ja, *en;
};
constexpr std::array<SeverityWords, 4> severity_words{
    SeverityWords{"", "無し", "none"}, {"★☆☆", "低", "low"}, {"★★☆", "中", "medium"}, {"★★★", "高", "high"}};

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

std::string shown_host(std::string_view url) {
    if (const auto scheme = url.find("://"); scheme != std::string_view::npos) {
        url.remove_prefix(scheme + 3);
    }
    url = url.substr(0, url.find_first_of("/?#\\"));
    if (const auto user = url.rfind('@'); user != std::string_view::npos) {
        url.remove_prefix(user + 1);
    }
    url = url.substr(0, url.find(':'));
    std::string out;
    for (const char c : shown_name(url)) {
        out += c == '.' ? std::string{"[.]"} : std::string(1, c);
    }
    return out;
}

std::string shown_name(std::string_view name) {
    // No character is longer than four bytes.
    const auto line = base::to_single_line(base::to_valid_utf8(name, (longest_name + 1) * 4));
    std::string out;
    std::size_t characters = 0;
    for (std::string_view rest = line; !rest.empty(); ++characters) {
        std::size_t size = 1;
        while (size < rest.size() && (static_cast<unsigned char>(rest[size]) & 0xC0) == 0x80) {
            ++size;
        }
        if (characters == longest_name) {
            out += "...";
            break;
        }
        const auto character = rest.substr(0, size);
        out += is_iso_2022_jp_safe(character) ? std::string{character} : "?";
        rest.remove_prefix(size);
    }
    for (std::size_t at = 0; (at = out.find("://", at)) != std::string::npos; at += 4) {
        out.replace(at, 3, ": //");
    }
    for (std::size_t at = 0; (at = out.find("www.", at)) != std::string::npos; at += 6) {
        out.replace(at, 4, "www[.]");
    }
    return std::string{base::trim(out)};
}

void put_number(TextValues& out, const std::string& name, std::int64_t value) {
    out[name] = with_commas(value);
    out[name + "_one"] = value == 1;
}

TextValues frame_values(const MailFrame& frame, Language language) {
    TextValues out;
    out["customer_name"] = shown_name(frame.customer_name);
    out["has_contact_name"] = !frame.contact_name.empty();
    out["contact_name"] = shown_name(frame.contact_name);
    out["window"] = window_text(frame.window_start, frame.window_end, language);
    out["desk_phone"] = frame.desk.phone;
    // For a link that a telephone dials.
    std::string digits;
    std::copy_if(frame.desk.phone.begin(), frame.desk.phone.end(), std::back_inserter(digits),
                 [](char c) { return (c >= '0' && c <= '9') || c == '+'; });
    out["desk_phone_digits"] = digits;
    out["desk_hours"] = frame.desk.hours;
    out["desk_mail"] = frame.desk.mail;
    out["desk_mail_hours"] = frame.desk.mail_hours;
    out["service_name"] = frame.desk.service_name;
    out["centre_name"] = frame.desk.centre_name;
    return out;
}

TextValues digest_values(const DigestFacts& facts, Language language) {
    const auto groups = groups_of(facts.items);
    const auto& first = *groups.front().items.front();
    const auto& words = severity_words[static_cast<std::size_t>(facts.severity)];

    std::set<std::string> devices;
    std::set<std::string> utm_ids;
    std::set<std::string_view> titles;
    std::vector<const MailItemFacts*> all;
    std::int64_t to_act_on = 0;  // of the worst sort in this mail
    for (const auto& item : facts.items) {
        devices.insert(item.device_key);
        utm_ids.insert(item.utm_id);
        titles.insert(item.text.title);
        all.push_back(&item);
        to_act_on += item.action_needed == first.action_needed ? 1 : 0;
    }
    const auto count = static_cast<std::int64_t>(facts.items.size());
    std::vector<TextValues> shown;
    std::size_t in_groups = 0;
    for (std::size_t i = 0; i < groups.size(); ++i) {
        shown.push_back(group_values(groups[i], i + 1, language));
        in_groups += groups[i].items.size();
    }

    auto out = frame_values(facts.frame, language);
    put_action(out, all);
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
    out["single"] = count == 1;
    out["several"] = count > 1;
    out["continuing"] = count == 1 && first.kind == MailItemFacts::Kind::continues;
    put_number(out, "count", count);
    put_number(out, "devices", static_cast<std::int64_t>(devices.size()));
    put_number(out, "to_act_on", to_act_on);
    out["mixed"] = to_act_on < count;
    out["utm_id"] = first_of(utm_ids);
    out["several_utms"] = utm_ids.size() > 1;
    out["items"] = count == 1 ? std::vector<TextValues>{item_values(first, language)} : std::vector<TextValues>{};
    out["groups"] = std::move(shown);
    out["more"] = static_cast<std::int64_t>(in_groups) < count;
    put_number(out, "more_count", count - static_cast<std::int64_t>(in_groups));
    out["insurance_limit"] = yen_text(facts.insurance.limit_yen, language);
    put_number(out, "insurance_uses", facts.insurance.uses_per_policy_year);
    out["remote_covered"] = facts.insurance.remote_covered;
    out["link"] = facts.frame.desk.portal_url + (count == 1 ? "/findings/" + first.alert_id : "/findings");
    return out;
}

}  // namespace mimamori::domain
