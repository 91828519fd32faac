// Tenants as an operator declares them in one file: operator, desks, resellers, customers, their attributes, sites, appliances,
// recipients, device names. Plain data and what is wrong with it; not the file's format (adapters/tenants_yaml), not the tables (store).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace mimamori::domain {

struct DeclaredDesk {  // the consultation desk as mails print it, from a time on
    base::Time effective_from{};
    std::string service_name_ja, service_name_en, centre_name_ja, centre_name_en, phone, hours_ja, hours_en, mail,
        mail_hours_ja, mail_hours_en;
    std::string portal_url;  // "https://portal.example.com", no path
};

struct DeclaredRecipient {
    std::string address, name;
    std::optional<std::string> language;  // empty: the customer's
    std::optional<base::Time> ends_at;    // gets no mail from then on; empty: no end
};

struct DeclaredDeviceName {
    std::string device;  // MAC or IP address
    std::string name;
};

struct DeclaredAppliance {
    std::string utm_id, model;
};

struct DeclaredSite {
    std::string name;
    std::vector<std::string> lan_ranges;  // CIDR; empty in the file means RFC 1918
    std::vector<DeclaredAppliance> appliances;
};

struct DeclaredAttributes {  // what the programme's tables group customers by, from a time on
    base::Time effective_from{};
    std::string employees;   // "1-5", "6-10", ... as the tables have them
    std::string industry;    // division of the Japan Standard Industrial Classification, "E"
    std::string prefecture;  // "奈良県"
};

struct DeclaredCustomer {
    std::string name, contact_name, language = "ja";
    bool three_stars_at_once = false;
    std::optional<std::vector<DeclaredRecipient>>
        recipients;  // all of them: who is left out ends. Empty: they stay as they are
    std::vector<DeclaredAttributes> attributes;
    std::vector<DeclaredDeviceName> device_names;
    std::vector<DeclaredSite> sites;
};

struct DeclaredReseller {
    std::string name;
    std::vector<DeclaredCustomer> customers;
};

struct Tenants {
    std::string operator_name;
    std::vector<DeclaredDesk> desks;
    std::vector<DeclaredReseller> resellers;
};

// Brings device addresses and LAN ranges to the form the database holds, and says everything that is wrong, each as one
// sentence with the name of what it is about. Empty: all is well.
std::vector<std::string> check_tenants(Tenants& tenants);

}  // namespace mimamori::domain
