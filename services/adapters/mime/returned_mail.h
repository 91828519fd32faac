// Reads what comes to the bounce mailbox: delivery status notifications (RFC 3464) by GMime, and tells automatic
// replies from them. Bytes are anybody's: nothing here fails, what is not understood is `unreadable`. Whether a report
// counts is not decided here.
#pragma once

#include <string_view>

#include "domain/bounce.h"

namespace mimamori::adapters::mime {

// `mail` may be cut off at the end: the report stands before the mail that it returns.
domain::ReturnedMail read_returned_mail(std::string_view mail);

}  // namespace mimamori::adapters::mime
