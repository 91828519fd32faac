#include "domain/tenants.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "domain/direction.h"
#include "domain/finding.h"

namespace mimamori::domain {
namespace {

using Defects = std::vector<std::string>;

// The schema's own rule for recipients.address.
bool is_mail_address(std::string_view text) {
    const auto at = text.find('@');
    return at != std::string_view::npos && at > 0 && at + 1 < text.size() && text.find('@', at + 1) == std::string_view::npos &&
           text.find_first_of(" \t\r\n<>\",;:\\") == std::string_view::npos;
}

bool is_portal_url(std::string_view text) {
    for (const std::string_view scheme : {"https://", "http://"}) {
        if (text.starts_with(scheme)) {
            const auto host = text.substr(scheme.size());
            return !host.empty() && host.find_first_of("/ ") == std::string_view::npos;
        }
    }
    return false;
}

// Names stand in mail headers and on pages: not empty, one line, not endless.
void check_name(std::string_view what, std::string_view name, Defects& defects) {
    if (base::trim(name).empty()) {
        defects.push_back(fmt::format("{} has no name", what));
    } else if (!base::is_utf8(name) || base::to_single_line(name) != name || name.size() > 400) {
        defects.push_back(fmt::format("{}: the name must be one line of at most 400 bytes without control characters", what));
    }
}

void check_unique(std::string_view what, std::string_view name, std::set<std::string, std::less<>>& seen, Defects& defects) {
    if (!seen.emplace(name).second) {
        defects.push_back(fmt::format("{} \"{}\" stands twice", what, name));
    }
}

void check_language(std::string_view whose, std::string_view language, Defects& defects) {
    if (language != "ja" && language != "en") {
        defects.push_back(fmt::format("{}: language \"{}\" must be ja or en", whose, language));
    }
}

void check_site(DeclaredSite& site, std::string_view customer, std::set<std::string, std::less<>>& utm_ids, Defects& defects) {
    const auto what = fmt::format("site \"{}\" of {}", site.name, customer);
    check_name(what, site.name, defects);
    if (site.lan_ranges.empty()) {
        site.lan_ranges = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"};
    }
    for (const auto& range : site.lan_ranges) {
        if (!parse_range(range)) {
            defects.push_back(fmt::format("{}: \"{}\" is no address range: write as 192.168.1.0/24, host bits zero", what, range));
        }
    }
    for (const auto& appliance : site.appliances) {
        if (appliance.utm_id.empty() || appliance.utm_id.size() > 64 ||
            !std::all_of(appliance.utm_id.begin(), appliance.utm_id.end(), [](char c) { return c > ' ' && c < 0x7F; })) {
            defects.push_back(fmt::format("{}: UTM ID \"{}\" must be 1 to 64 ASCII characters without blanks", what,
                                          appliance.utm_id));
        }
        check_unique("the appliance", appliance.utm_id, utm_ids, defects);
    }
}

// The schema's own rules for customer_attributes.
void check_attributes(const std::vector<DeclaredAttributes>& listed, std::string_view customer, Defects& defects) {
    static constexpr std::array<std::string_view, 7> sizes{"1-5", "6-10", "11-20", "21-50", "51-100", "101-200", "201-300"};
    static constexpr std::array<std::string_view, 4> endings{"都", "道", "府", "県"};
    std::set<base::Time> times;
    for (const auto& a : listed) {
        const auto what = fmt::format("{}, attributes from {}", customer, base::format_jst(a.effective_from));
        if (std::find(sizes.begin(), sizes.end(), a.employees) == sizes.end()) {
            defects.push_back(fmt::format("{}: employees \"{}\" must be one of {}", what, a.employees, fmt::join(sizes, ", ")));
        }
        if (a.industry.size() != 1 || a.industry[0] < 'A' || a.industry[0] > 'T') {
            defects.push_back(fmt::format("{}: industry \"{}\" must be the letter of a division of the Japan Standard Industrial "
                                          "Classification, A to T",
                                          what, a.industry));
        }
        const bool three_or_four_characters = a.prefecture.size() == 9 || a.prefecture.size() == 12;
        if (!three_or_four_characters || !base::is_utf8(a.prefecture) ||
            std::none_of(endings.begin(), endings.end(), [&](auto end) { return a.prefecture.ends_with(end); })) {
            defects.push_back(fmt::format("{}: prefecture \"{}\" must be written in full, as 奈良県", what, a.prefecture));
        }
        if (!times.insert(a.effective_from).second) {
            defects.push_back(fmt::format("{}: two begin at that time", what));
        }
    }
}

void check_customer(DeclaredCustomer& customer, std::set<std::string, std::less<>>& utm_ids, Defects& defects) {
    const auto what = fmt::format("customer \"{}\"", customer.name);
    check_name(what, customer.name, defects);
    check_language(what, customer.language, defects);
    std::set<std::string, std::less<>> addresses;
    for (const auto& recipient : customer.recipients.value_or(std::vector<DeclaredRecipient>{})) {
        if (!is_mail_address(recipient.address)) {
            defects.push_back(fmt::format("{}: \"{}\" is no mail address", what, recipient.address));
        }
        if (recipient.language) {
            check_language(fmt::format("{}, {}", what, recipient.address), *recipient.language, defects);
        }
        check_unique(fmt::format("{}: the recipient", what), recipient.address, addresses, defects);
    }
    check_attributes(customer.attributes, what, defects);
    std::set<std::string, std::less<>> devices;
    for (auto& named : customer.device_names) {
        check_name(fmt::format("{}, device {}", what, named.device), named.name, defects);
        if (auto mac = normalised_mac(named.device)) {
            named.device = std::move(*mac);
        } else if (!parse_address(named.device)) {
            defects.push_back(fmt::format("{}: \"{}\" is neither a MAC address nor an IP address", what, named.device));
        }
        check_unique(fmt::format("{}: the device", what), named.device, devices, defects);
    }
    std::set<std::string, std::less<>> sites;
    for (auto& site : customer.sites) {
        check_unique(fmt::format("{}: the site", what), site.name, sites, defects);
        check_site(site, what, utm_ids, defects);
    }
}

void check_desk(const DeclaredDesk& desk, Defects& defects) {
    const auto what = fmt::format("the desk from {}", base::format_jst(desk.effective_from));
    const std::pair<std::string_view, const std::string*> texts[] = {
        {"service_name.ja", &desk.service_name_ja}, {"service_name.en", &desk.service_name_en},
        {"centre_name.ja", &desk.centre_name_ja},   {"centre_name.en", &desk.centre_name_en},
        {"phone", &desk.phone},                     {"hours.ja", &desk.hours_ja},
        {"hours.en", &desk.hours_en},               {"mail_hours.ja", &desk.mail_hours_ja},
        {"mail_hours.en", &desk.mail_hours_en}};
    for (const auto& [name, text] : texts) {
        check_name(fmt::format("{}, {}", what, name), *text, defects);
    }
    if (!is_mail_address(desk.mail)) {
        defects.push_back(fmt::format("{}: \"{}\" is no mail address", what, desk.mail));
    }
    if (!is_portal_url(desk.portal_url)) {
        defects.push_back(fmt::format("{}: portal_url \"{}\" must be scheme and host alone, as https://portal.example.com", what,
                                      desk.portal_url));
    }
}

}  // namespace

std::vector<std::string> check_tenants(Tenants& tenants) {
    Defects defects;
    check_name("the operator", tenants.operator_name, defects);
    std::set<base::Time> desk_times;
    for (const auto& desk : tenants.desks) {
        check_desk(desk, defects);
        if (!desk_times.insert(desk.effective_from).second) {
            defects.push_back(fmt::format("two desks begin at {}", base::format_jst(desk.effective_from)));
        }
    }
    std::set<std::string, std::less<>> resellers;
    std::set<std::string, std::less<>> utm_ids;
    for (auto& reseller : tenants.resellers) {
        const auto what = fmt::format("reseller \"{}\"", reseller.name);
        check_name(what, reseller.name, defects);
        check_unique("the reseller", reseller.name, resellers, defects);
        std::set<std::string, std::less<>> customers;
        for (auto& customer : reseller.customers) {
            check_unique(fmt::format("{}: the customer", what), customer.name, customers, defects);
            check_customer(customer, utm_ids, defects);
        }
    }
    return defects;
}

}  // namespace mimamori::domain
