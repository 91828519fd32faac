#include "adapters/mime/returned_mail.h"

#include <algorithm>
#include <string>

#include "adapters/mime/gobject.h"
#include "base/text.h"

namespace mimamori::adapters::mime {
namespace {

using domain::ReturnedMail;
using Kind = ReturnedMail::Kind;

// Of what an honest server writes there are few; more are not looked at.
constexpr int most_headers = 200;
constexpr int most_parts = 20;
constexpr std::size_t most_addresses = 20;
constexpr std::size_t most_groups = 50;
constexpr std::size_t longest_value = 500;

std::string one_line(const char* text) {
    return text == nullptr ? std::string{} : base::to_single_line(base::to_valid_utf8(base::trim(text), longest_value));
}

std::string lower(const char* text) {
    std::string out = one_line(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) { return g_ascii_tolower(c); });
    return out;
}

// "rfc822; owner@example.jp" and "smtp; 550 no such user" without the word that names the notation.
std::string after_type(const std::string& value) {
    const auto semicolon = value.find(';');
    return semicolon == std::string::npos ? value
                                          : std::string{base::trim(std::string_view{value}.substr(semicolon + 1))};
}

std::vector<std::string> addresses_of(GMimeObject* message) {
    std::vector<std::string> out;
    auto* headers = g_mime_object_get_header_list(message);
    const int count = std::min(g_mime_header_list_get_count(headers), most_headers);
    for (int i = 0; i < count && out.size() < most_addresses; ++i) {
        auto* header = g_mime_header_list_get_header_at(headers, i);
        const auto name = lower(g_mime_header_get_name(header));
        if (name == "delivered-to" || name == "x-original-to" || name == "envelope-to" || name == "to") {
            out.push_back(one_line(g_mime_header_get_raw_value(header)));
        }
    }
    return out;
}

std::string content_of(GMimeObject* part) {
    if (!GMIME_IS_PART(part)) {
        return {};
    }
    auto* content = g_mime_part_get_content(GMIME_PART(part));
    const Owned<GMimeStream> out{g_mime_stream_mem_new()};
    if (content == nullptr || g_mime_data_wrapper_write_to_stream(content, out.get()) < 0) {
        return {};
    }
    const GByteArray* bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(out.get()));
    return {reinterpret_cast<const char*>(bytes->data), bytes->len};
}

// One group of fields (of the report, or of one recipient), read by GMime like the head of a part.
void read_group(std::string_view group, ReturnedMail& out) {
    const auto text = std::string{group} + "\n\n";
    const Owned<GMimeStream> stream{g_mime_stream_mem_new_with_buffer(text.data(), text.size())};
    const Owned<GMimeParser> parser{g_mime_parser_new_with_stream(stream.get())};
    const Owned<GMimeObject> fields{g_mime_parser_construct_part(parser.get(), nullptr)};
    if (!fields) {
        return;
    }
    const auto field = [&](const char* name) { return one_line(g_mime_object_get_header(fields.get(), name)); };
    const auto action = lower(g_mime_object_get_header(fields.get(), "Action"));
    const auto kind = action == "failed"                                                     ? Kind::failed
                      : action == "delayed"                                                  ? Kind::delayed
                      : action == "delivered" || action == "relayed" || action == "expanded" ? Kind::harmless
                                                                                             : Kind::unreadable;
    if (kind < out.kind) {  // the worst recipient speaks for the report
        out.kind = kind;
        out.recipient = after_type(field("Final-Recipient"));
        out.status = field("Status");
        out.diagnostic = after_type(field("Diagnostic-Code"));
    }
}

// Groups are parted by empty lines.
void read_status(std::string_view status, ReturnedMail& out) {
    std::string group;
    std::size_t groups = 0;
    while (!status.empty() && groups < most_groups) {
        const auto end = std::min(status.find('\n'), status.size());
        const auto line = status.substr(0, end);
        status.remove_prefix(std::min(end + 1, status.size()));
        if (!base::trim(line).empty()) {
            group.append(line).push_back('\n');
        }
        if ((base::trim(line).empty() || status.empty()) && !group.empty()) {
            read_group(group, out);
            group.clear();
            ++groups;
        }
    }
}

bool is_automatic_reply(GMimeObject* message) {
    const auto submitted = lower(g_mime_object_get_header(message, "Auto-Submitted"));
    return (!submitted.empty() && submitted != "no") || g_mime_object_get_header(message, "X-Autoreply") != nullptr ||
           g_mime_object_get_header(message, "X-Autorespond") != nullptr;
}

}  // namespace

ReturnedMail read_returned_mail(std::string_view mail) {
    init_gmime();
    ReturnedMail out;
    const Owned<GMimeStream> stream{g_mime_stream_mem_new_with_buffer(mail.data(), mail.size())};
    const Owned<GMimeParser> parser{g_mime_parser_new_with_stream(stream.get())};
    const Owned<GMimeMessage> message{g_mime_parser_construct_message(parser.get(), nullptr)};
    if (!message) {
        return out;
    }
    out.sent_to = addresses_of(GMIME_OBJECT(message.get()));
    auto* root = g_mime_message_get_mime_part(message.get());
    const bool is_report = root != nullptr && GMIME_IS_MULTIPART(root) &&
                           g_mime_content_type_is_type(g_mime_object_get_content_type(root), "multipart", "report");
    bool has_status = false;
    bool was_read = false;
    for (int i = 0; is_report && i < std::min(g_mime_multipart_get_count(GMIME_MULTIPART(root)), most_parts); ++i) {
        auto* part = g_mime_multipart_get_part(GMIME_MULTIPART(root), i);
        auto* type = g_mime_object_get_content_type(part);
        if (g_mime_content_type_is_type(type, "message", "delivery-status") ||
            g_mime_content_type_is_type(type, "message", "global-delivery-status")) {
            has_status = true;
            read_status(content_of(part), out);
        }
        was_read = was_read || g_mime_content_type_is_type(type, "message", "disposition-notification");
    }
    // Reports are automatic replies too; what is left are answering machines and notes that a mail was read.
    if (!has_status && (was_read || is_automatic_reply(GMIME_OBJECT(message.get())))) {
        out.kind = Kind::harmless;
    }
    return out;
}

}  // namespace mimamori::adapters::mime
