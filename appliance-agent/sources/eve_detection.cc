#include "appliance-agent/sources/eve_detection.h"

#include <algorithm>
#include <array>

#include "appliance-agent/sources/eve_rules.h"

namespace mimamori::agent::sources {
namespace {

bool may_be_same(const std::optional<std::uint64_t>& a, const std::optional<std::uint64_t>& b) {
    return !a || !b || *a == *b;
}

bool carries_files(std::string_view app_protocol) {
    static constexpr std::array<std::string_view, 9> protocols{"http", "http2", "smtp", "ftp", "ftp-data",
                                                               "smb",  "nfs",   "imap", "pop3"};
    return std::find(protocols.begin(), protocols.end(), app_protocol) != protocols.end();
}

bool is_virus(const EveAlert& alert) {
    return alert.file && is_file_rule(alert.signature, alert.category) &&
           (alert.file_embedded || alert.file_sender == alert.source);
}

bool is_inside(const std::string& ip, const std::vector<domain::AddressRange>& lan) {
    const auto address = domain::parse_address(ip);
    return address && std::any_of(lan.begin(), lan.end(), [&](const auto& range) { return range.contains(*address); });
}

// The LAN-side device's: of the detection's source if that is inside, else of its destination.
std::string lan_mac(const EveAlert& alert, const EveEnd& source, const EveEnd& destination,
                    const std::vector<domain::AddressRange>& lan) {
    for (const auto* end : {&source, &destination}) {
        if (is_inside(end->ip, lan)) {
            return end->ip == alert.source.ip        ? alert.source_mac
                   : end->ip == alert.destination.ip ? alert.destination_mac
                                                     : std::string{};
        }
    }
    return {};
}

// Memory of a fact, about.
std::size_t size_of(const EveFact& fact) {
    std::size_t out = sizeof(EveFact) + fact.file_sender.ip.size() + fact.file_receiver.ip.size();
    out += fact.site ? fact.site->host.size() + fact.site->url.size() : 0;
    out += fact.mail ? fact.mail->subject.size() + fact.mail->date.size() : 0;
    out += fact.file ? fact.file->name.size() + fact.file->sha256.size() : 0;
    return out;
}

}  // namespace

void FlowFacts::forget_oldest_fact(Flow& flow) {
    bytes_ -= size_of(flow.facts.front());
    flow.facts.pop_front();
}

void FlowFacts::forget_oldest_flow() {
    auto& flow = order_.front();
    while (!flow.facts.empty()) {
        forget_oldest_fact(flow);
    }
    by_id_.erase(flow.id);
    order_.pop_front();
}

void FlowFacts::note(std::uint64_t flow_id, EveFact fact) {
    const auto known = by_id_.find(flow_id);
    if (known != by_id_.end()) {
        order_.splice(order_.end(), order_, known->second);
    } else {
        order_.push_back(Flow{.id = flow_id, .facts = {}});
        by_id_.emplace(flow_id, std::prev(order_.end()));
    }
    auto& flow = order_.back();
    bytes_ += size_of(fact);
    flow.facts.push_back(std::move(fact));
    if (flow.facts.size() > facts_per_flow) {
        forget_oldest_fact(flow);
    }
    while (order_.size() > 1 && (order_.size() > max_flows_ || bytes_ > max_bytes_)) {
        forget_oldest_flow();
    }
}

const std::deque<EveFact>* FlowFacts::of(std::uint64_t flow_id) const {
    const auto known = by_id_.find(flow_id);
    return known == by_id_.end() ? nullptr : &known->second->facts;
}

bool add_fact(EveAlert& alert, const EveFact& fact) {
    if (!may_be_same(alert.tx_id, fact.tx_id)) {
        return false;
    }
    bool added = false;
    if (!alert.site && fact.site) {
        alert.site = fact.site;
        added = true;
    }
    if (!alert.mail && fact.mail) {
        alert.mail = fact.mail;
        added = true;
    }
    alert.smtp_done = alert.smtp_done || fact.smtp_seen;
    const bool same_file = fact.file && (!alert.file || alert.file->name == fact.file->name);
    if (same_file && !alert.file_done && is_file_rule(alert.signature, alert.category)) {
        const auto known = alert.file ? alert.file->sha256 : std::string{};
        added = added || !alert.file || known != fact.file->sha256;
        alert.file = fact.file;
        if (alert.file->sha256.empty()) {
            alert.file->sha256 = known;
        }
        if (!fact.file_sender.ip.empty()) {
            alert.file_sender = fact.file_sender;
            alert.file_receiver = fact.file_receiver;
        }
        alert.file_done = true;
    }
    return added;
}

bool lacks_companion(const EveAlert& alert) {
    const bool mail = alert.app_protocol == "smtp" && !alert.mail && !alert.smtp_done;
    const bool site = alert.app_protocol == "http" && !alert.site;
    const bool file = carries_files(alert.app_protocol) && !alert.file_done &&
                      (!alert.file || alert.file->sha256.empty()) && is_file_rule(alert.signature, alert.category);
    return mail || site || file;
}

detection::v1::Detection to_detection(const EveAlert& alert, const std::vector<domain::AddressRange>& lan) {
    namespace pb = detection::v1;
    pb::Detection out;
    auto source = alert.source;
    auto destination = alert.destination;
    auto origin = pb::ORIGIN_PACKET;
    const auto application = application_of_rule(alert.signature);
    if (is_virus(alert)) {
        source = alert.file_sender.value_or(alert.source);
        destination = alert.file_receiver.value_or(alert.destination);
        origin = pb::ORIGIN_FILE_SENDER;
        out.set_function(pb::FUNCTION_AV);
        out.set_virus_name(alert.signature);
        out.set_virus_id(alert.rule_id);
    } else {
        if (alert.initiator && alert.responder) {
            source = *alert.initiator;
            destination = *alert.responder;
            origin = pb::ORIGIN_INITIATOR;
        }
        out.set_threat_name(alert.signature);
        out.set_threat_id(alert.rule_id);
        if (application) {
            out.set_function(pb::FUNCTION_APG);
            out.set_application(*application);
        } else if (is_reputation_rule(alert.signature, alert.category, alert.app_protocol)) {
            out.set_function(pb::FUNCTION_WG);
        } else {
            out.set_function(pb::FUNCTION_IPS);
        }
    }
    out.set_origin(origin);
    out.set_action(static_cast<pb::Action>(alert.action));
    out.set_observed_at_us(alert.observed_at_us);
    out.set_source_ip(source.ip);
    out.set_source_port(source.port);
    out.set_destination_ip(destination.ip);
    out.set_destination_port(destination.port);
    out.set_lan_mac(lan_mac(alert, source, destination, lan));
    out.set_protocol(alert.protocol);
    out.set_app_protocol(alert.app_protocol);
    out.set_category(alert.category);
    out.set_vendor_priority(alert.priority);
    if (alert.file) {
        out.set_file_name(alert.file->name);
        out.set_file_sha256(alert.file->sha256);
    }
    if (alert.mail) {
        out.set_mail_subject(alert.mail->subject);
        out.set_mail_date(alert.mail->date);
    }
    if (alert.site) {
        out.set_destination_host(alert.site->host);
        out.set_url(alert.site->url);
    }
    out.set_raw(alert.raw);
    out.set_raw_truncated(alert.raw_truncated);
    return out;
}

}  // namespace mimamori::agent::sources
