// One mail as bytes: RFC 5322 headers and a multipart/alternative of plain text and HTML, by GMime. UTF-8 throughout.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/failure.h"
#include "base/time.h"

namespace mimamori::adapters::mime {

struct Message {
    std::string from_name, from_address;
    std::string to_name, to_address;
    std::string reply_to;    // empty: none
    std::string subject;
    std::string message_id;  // without angle brackets
    base::Time date;
    std::string plain, html;
    std::vector<std::pair<std::string, std::string>> headers;  // further ones: "Auto-Submitted", ...
};

// The complete mail with CRLF line ends. A header value with a control character is refused: nothing is cut out silently.
// Lines of the body are at most 76 characters in their encoded form; the boundary follows from the Message-ID, so that
// the same message gives the same bytes.
base::Expected<std::string> render(const Message& message);

}  // namespace mimamori::adapters::mime
