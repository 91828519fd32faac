#include "adapters/mime/message.h"

#include <algorithm>
#include <memory>
#include <mutex>

#include <fmt/format.h>

#include "adapters/mime/gobject.h"
#include "base/text.h"

namespace mimamori::adapters::mime {
namespace {

bool is_clean_header(const std::string& value) {
    return base::is_utf8(value) && base::to_single_line(value) == value;
}

// RFC 2047: encoded words of at most 75 characters, cut between characters, one a folded line. GMime cuts at blanks only,
// and Japanese has none.
std::string encoded_words(std::string_view text) {
    constexpr std::size_t most_bytes = 39;  // 52 characters of base64, 12 around them, and "Subject: " before the first
    std::string out;
    while (!text.empty()) {
        auto size = std::min(text.size(), most_bytes);
        while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) {
            --size;
        }
        const std::unique_ptr<char, decltype(&g_free)> base64{g_base64_encode(reinterpret_cast<const guchar*>(text.data()), size), &g_free};
        out += fmt::format("{}=?UTF-8?B?{}?=", out.empty() ? "" : " ", base64.get());
        text.remove_prefix(size);
    }
    return out;
}

Owned<GMimePart> text_part(const char* subtype, const std::string& text) {
    Owned<GMimePart> part{g_mime_part_new_with_type("text", subtype)};
    g_mime_object_set_content_type_parameter(GMIME_OBJECT(part.get()), "charset", "utf-8");
    const Owned<GMimeStream> stream{g_mime_stream_mem_new_with_buffer(text.data(), text.size())};
    const Owned<GMimeDataWrapper> content{
        g_mime_data_wrapper_new_with_stream(stream.get(), GMIME_CONTENT_ENCODING_DEFAULT)};
    g_mime_part_set_content(part.get(), content.get());
    g_mime_part_set_content_encoding(part.get(), GMIME_CONTENT_ENCODING_BASE64);
    return part;
}

}  // namespace

void init_gmime() {
    static std::once_flag once;
    std::call_once(once, [] { g_mime_init(); });
}

base::Expected<std::string> render(const Message& in) {
    init_gmime();

    for (const auto* value : {&in.from_name, &in.from_address, &in.to_name, &in.to_address, &in.reply_to, &in.subject, &in.message_id}) {
        if (!is_clean_header(*value)) {
            return base::failure(base::FailureKind::refused, "a mail header value holds a control or format character: " +
                                                                 base::to_single_line(base::to_valid_utf8(*value, 200)));
        }
    }
    const Owned<GMimeMessage> message{g_mime_message_new(FALSE)};
    g_mime_message_add_mailbox(message.get(), GMIME_ADDRESS_TYPE_FROM, in.from_name.c_str(), in.from_address.c_str());
    g_mime_message_add_mailbox(message.get(), GMIME_ADDRESS_TYPE_TO, in.to_name.empty() ? nullptr : in.to_name.c_str(),
                               in.to_address.c_str());
    if (!in.reply_to.empty()) {
        g_mime_message_add_mailbox(message.get(), GMIME_ADDRESS_TYPE_REPLY_TO, nullptr, in.reply_to.c_str());
    }
    g_mime_object_set_header(GMIME_OBJECT(message.get()), "Subject", encoded_words(in.subject).c_str(), nullptr);
    g_mime_message_set_message_id(message.get(), in.message_id.c_str());
    const std::unique_ptr<GDateTime, decltype(&g_date_time_unref)> utc{
        g_date_time_new_from_unix_utc(base::to_us(in.date) / 1'000'000), &g_date_time_unref};
    const std::unique_ptr<GTimeZone, decltype(&g_time_zone_unref)> japan{g_time_zone_new_offset(9 * 3600), &g_time_zone_unref};
    const std::unique_ptr<GDateTime, decltype(&g_date_time_unref)> local{g_date_time_to_timezone(utc.get(), japan.get()),
                                                                       &g_date_time_unref};
    g_mime_message_set_date(message.get(), local.get());
    for (const auto& [name, value] : in.headers) {
        if (!is_clean_header(name) || !is_clean_header(value)) {
            return base::failure(base::FailureKind::refused, "a further mail header holds a control character");
        }
        g_mime_object_set_header(GMIME_OBJECT(message.get()), name.c_str(), value.c_str(), "utf-8");
    }

    const Owned<GMimeMultipart> body{g_mime_multipart_new_with_subtype("alternative")};
    // Base64 holds no "=_", so this boundary cannot occur in a part.
    g_mime_multipart_set_boundary(body.get(), fmt::format("=_{:016x}_{:x}", std::hash<std::string>{}(in.message_id),
                                                          in.message_id.size()).c_str());
    const auto plain = text_part("plain", in.plain);
    const auto html = text_part("html", in.html);
    g_mime_multipart_add(body.get(), GMIME_OBJECT(plain.get()));
    g_mime_multipart_add(body.get(), GMIME_OBJECT(html.get()));
    g_mime_message_set_mime_part(message.get(), GMIME_OBJECT(body.get()));

    const std::unique_ptr<GMimeFormatOptions, decltype(&g_mime_format_options_free)> format{g_mime_format_options_new(),
                                                                                          &g_mime_format_options_free};
    g_mime_format_options_set_newline_format(format.get(), GMIME_NEWLINE_FORMAT_DOS);
    const Owned<GMimeStream> out{g_mime_stream_mem_new()};
    if (g_mime_object_write_to_stream(GMIME_OBJECT(message.get()), format.get(), out.get()) < 0) {
        return base::failure(base::FailureKind::refused, "GMime could not write the mail");
    }
    const GByteArray* bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(out.get()));
    return std::string{reinterpret_cast<const char*>(bytes->data), bytes->len};
}

}  // namespace mimamori::adapters::mime
