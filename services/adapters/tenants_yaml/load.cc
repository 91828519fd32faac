#include "adapters/tenants_yaml/load.h"

#include <initializer_list>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

namespace mimamori::adapters::tenants_yaml {
namespace {

// Ends the reading from any depth; caught in load().
struct Wrong : std::runtime_error {
    using std::runtime_error::runtime_error;
};

[[noreturn]] void wrong(const YAML::Mark& mark, const std::string& what) {
    throw Wrong{fmt::format("line {}: {}", mark.line + 1, what)};
}

void only_keys(const YAML::Node& node, std::string_view what, std::initializer_list<std::string_view> known) {
    if (!node.IsMap()) {
        wrong(node.Mark(), fmt::format("{} must be a table of keys and values", what));
    }
    for (const auto& entry : node) {
        const auto key = entry.first.Scalar();
        bool is_known = false;
        for (const auto name : known) {
            is_known = is_known || name == key;
        }
        if (!is_known) {
            wrong(entry.first.Mark(), fmt::format("{} has no key \"{}\"", what, key));
        }
    }
}

std::string text(const YAML::Node& parent, const char* key, const char* fallback = nullptr) {
    const auto node = parent[key];
    if (!node) {
        if (fallback == nullptr) {
            wrong(parent.Mark(), fmt::format("\"{}\" is missing", key));
        }
        return fallback;
    }
    if (!node.IsScalar()) {
        wrong(node.Mark(), fmt::format("\"{}\" must be text", key));
    }
    return node.Scalar();
}

bool flag(const YAML::Node& parent, const char* key) {
    const auto value = text(parent, key, "false");
    if (value != "true" && value != "false") {
        wrong(parent[key].Mark(), fmt::format("\"{}\" must be true or false", key));
    }
    return value == "true";
}

// Calls `read` for each element of the list `key`; a missing list is an empty one.
template <class Read>
void each(const YAML::Node& parent, const char* key, const Read& read) {
    const auto node = parent[key];
    if (!node) {
        return;
    }
    if (!node.IsSequence()) {
        wrong(node.Mark(), fmt::format("\"{}\" must be a list", key));
    }
    for (const auto& element : node) {
        read(element);
    }
}

void both_languages(const YAML::Node& parent, const char* key, std::string& ja, std::string& en) {
    const auto node = parent[key];
    if (!node) {
        wrong(parent.Mark(), fmt::format("\"{}\" is missing", key));
    }
    only_keys(node, key, {"ja", "en"});
    ja = text(node, "ja");
    en = text(node, "en");
}

base::Time time_of(const YAML::Node& parent, const char* key) {
    const auto given = text(parent, key);
    const bool date_only = given.find(':') == std::string::npos;
    const auto at = base::parse_timestamp(date_only ? given + " 00:00:00" : given, std::chrono::minutes{9 * 60});
    if (!at) {
        wrong(parent[key].Mark(), fmt::format("\"{}\": {} is no time; write as 2026-04-01 or 2026-04-01T09:00:00+09:00", key, given));
    }
    return *at;
}

domain::DeclaredDesk desk_from(const YAML::Node& node) {
    only_keys(node, "a desk", {"effective_from", "service_name", "centre_name", "phone", "hours", "mail", "mail_hours", "portal_url"});
    domain::DeclaredDesk out;
    out.effective_from = time_of(node, "effective_from");
    both_languages(node, "service_name", out.service_name_ja, out.service_name_en);
    both_languages(node, "centre_name", out.centre_name_ja, out.centre_name_en);
    both_languages(node, "hours", out.hours_ja, out.hours_en);
    both_languages(node, "mail_hours", out.mail_hours_ja, out.mail_hours_en);
    out.phone = text(node, "phone");
    out.mail = text(node, "mail");
    out.portal_url = text(node, "portal_url");
    return out;
}

domain::DeclaredSite site_from(const YAML::Node& node) {
    only_keys(node, "a site", {"name", "lan_ranges", "appliances"});
    domain::DeclaredSite out{.name = text(node, "name"), .lan_ranges = {}, .appliances = {}};
    each(node, "lan_ranges", [&](const YAML::Node& range) {
        if (!range.IsScalar()) {
            wrong(range.Mark(), "a LAN range must be text");
        }
        out.lan_ranges.push_back(range.Scalar());
    });
    each(node, "appliances", [&](const YAML::Node& appliance) {
        only_keys(appliance, "an appliance", {"utm_id", "model"});
        out.appliances.push_back({text(appliance, "utm_id"), text(appliance, "model", "")});
    });
    return out;
}

domain::DeclaredCustomer customer_from(const YAML::Node& node) {
    only_keys(node, "a customer",
              {"name", "contact_name", "language", "three_stars_at_once", "recipients", "attributes", "device_names", "sites"});
    domain::DeclaredCustomer out;
    out.name = text(node, "name");
    out.contact_name = text(node, "contact_name", "");
    out.language = text(node, "language", "ja");
    out.three_stars_at_once = flag(node, "three_stars_at_once");
    if (node["recipients"]) {
        out.recipients.emplace();
    }
    each(node, "recipients", [&](const YAML::Node& recipient) {
        only_keys(recipient, "a recipient", {"address", "name", "language", "ends"});
        const auto language = text(recipient, "language", "");
        out.recipients->push_back({text(recipient, "address"), text(recipient, "name", ""),
                                   language.empty() ? std::nullopt : std::optional{language},
                                   recipient["ends"] ? std::optional{time_of(recipient, "ends")} : std::nullopt});
    });
    each(node, "attributes", [&](const YAML::Node& a) {
        only_keys(a, "attributes", {"effective_from", "employees", "industry", "prefecture"});
        out.attributes.push_back({time_of(a, "effective_from"), text(a, "employees"), text(a, "industry"), text(a, "prefecture")});
    });
    each(node, "device_names", [&](const YAML::Node& named) {
        only_keys(named, "a device name", {"device", "name"});
        out.device_names.push_back({text(named, "device"), text(named, "name")});
    });
    each(node, "sites", [&](const YAML::Node& site) { out.sites.push_back(site_from(site)); });
    return out;
}

domain::Tenants tenants_from(const YAML::Node& root) {
    only_keys(root, "the file", {"operator", "resellers"});
    const auto owner = root["operator"];
    if (!owner) {
        wrong(root.Mark(), "\"operator\" is missing");
    }
    only_keys(owner, "the operator", {"name", "desks"});
    domain::Tenants out;
    out.operator_name = text(owner, "name");
    each(owner, "desks", [&](const YAML::Node& desk) { out.desks.push_back(desk_from(desk)); });
    each(root, "resellers", [&](const YAML::Node& reseller) {
        only_keys(reseller, "a reseller", {"name", "customers"});
        domain::DeclaredReseller declared{text(reseller, "name"), {}};
        each(reseller, "customers", [&](const YAML::Node& customer) { declared.customers.push_back(customer_from(customer)); });
        out.resellers.push_back(std::move(declared));
    });
    return out;
}

}  // namespace

base::Expected<domain::Tenants> load(const std::string& yaml) {
    try {
        return tenants_from(YAML::Load(yaml));
    } catch (const Wrong& error) {
        return base::failure(base::FailureKind::refused, error.what());
    } catch (const YAML::Exception& error) {
        return base::failure(base::FailureKind::refused, fmt::format("line {}: {}", error.mark.line + 1, error.msg));
    }
}

}  // namespace mimamori::adapters::tenants_yaml
