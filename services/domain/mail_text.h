// What an alert mail says: every value its template may print, worked out from facts. The wording around the values is
// data (packs/mail-texts-*.yaml); the order of a mail is that of the service: is action needed, what happened, which
// device, at most three steps, the desk, what help costs, the link and how to do without it, then the service's fields.
// Values an attacker can write (file names, mail subjects, URLs) never appear; a signature's name is made harmless
// (shown_name), of a site only the host is shown, in a form that no mail program turns into a link.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "domain/detection.h"
#include "domain/rule_pack.h"
#include "domain/text_values.h"

namespace mimamori::domain {

struct DeskFacts {
    std::string service_name, centre_name;  // in the mail's language
    std::string phone, hours, mail, mail_hours;
    std::string portal_url;  // "https://portal.example.com", no slash at the end
};

struct InsuranceFacts {  // terms in force (see insurance_terms)
    std::int64_t limit_yen = 0;
    int uses_per_policy_year = 0;
    bool remote_covered = false;
};

struct MailItemFacts {
    enum class Kind { fresh, raised, continues };
    Kind kind = Kind::fresh;
    std::int64_t detections = 1;
    base::Time first_observed_at, last_observed_at, observed_at;
    std::string alert_id, class_id;
    Function function = Function::unspecified;
    Direction direction = Direction::unknown;
    Action action = Action::unspecified;
    std::string name;  // アラート種別
    std::string source_ip, destination_ip, lan_mac;
    int source_port = 0, destination_port = 0;
    std::string device_key, device_name, utm_id;
    ActionNeeded action_needed = ActionNeeded::not_urgent;  // of the finding's class
    ClassText text;                                         // of the finding's class, in the mail's language
};

// What every mail to a customer says around its news.
struct MailFrame {
    std::string customer_name, contact_name;
    base::Time window_start, window_end;
    DeskFacts desk;
};

struct DigestFacts {
    MailFrame frame;
    Severity severity = Severity::one_star;
    InsuranceFacts insurance;
    std::vector<MailItemFacts> items;
};

// What a mail shows at most; the rest is counted and left to the portal. Findings of one class stand together under one
// explanation, worst class first. Every class gets a record before any gets a second one.
inline constexpr std::size_t most_items_in_a_mail = 20;
inline constexpr std::size_t most_devices_named = 5;  // of one class
inline constexpr std::size_t longest_name = 120;      // characters of any name that a mail quotes

TextValues frame_values(const MailFrame& frame, Language language);
TextValues digest_values(const DigestFacts& facts, Language language);

// "1,150,000".
std::string with_commas(std::int64_t value);

// "15万円", "5万円", "16,500円"; in English "150,000 yen".
std::string yen_text(std::int64_t yen, Language language);

// The host of a site or URL, in a form that no mail program turns into a link: "infopicked[.]com". Its path, its user
// part and its port are whatever an attacker likes to write there.
std::string shown_host(std::string_view url);

// A name for one line of a mail: no control or bidirectional characters, "?" for what ISO-2022-JP lacks, at most
// longest_name characters, and no link.
std::string shown_name(std::string_view name);

// Sets `name` to the number with commas, and `name`_one to whether it is one: English has two forms for what is
// counted.
void put_number(TextValues& out, const std::string& name, std::int64_t value);

}  // namespace mimamori::domain
