// Mails that come back. Each mail leaves with an envelope sender of its own, "bounce+TOKEN@example.com"; a report that
// it was not delivered comes to that address, and only who was given the token can make one that counts. Pure; reading
// reports is an adapter's business (adapters/mime/returned_mail.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mimamori::domain {

inline constexpr std::size_t bounce_token_digits = 32;  // hexadecimal, lower case
inline constexpr std::size_t longest_bounce_name =
    64 - 1 - bounce_token_digits;  // of what stands before the @ (RFC 5321, section 4.5.3.1.1)

std::string tagged_sender(std::string_view bounce_address, std::string_view token);

// The token in a header value that names one of our envelope senders; empty if none does. Upper and lower case are the
// same.
std::optional<std::string> bounce_token_in(std::string_view header_value, std::string_view bounce_address);

struct ReturnedMail {
    enum class Kind {
        failed,      // given up: the recipient has not got the mail and will not
        delayed,     // not delivered yet, it is still being tried
        harmless,    // delivered, relayed, read; or an automatic reply of a person's mailbox
        unreadable,  // neither: a person looks at it
    };
    Kind kind = Kind::unreadable;
    std::vector<std::string> sent_to;  // values of the header fields that say to which address it came
    // Of the recipient that the report speaks of. One line each, at most 500 bytes; may hold anything, escape where
    // shown.
    std::string recipient, status, diagnostic;
};

}  // namespace mimamori::domain
