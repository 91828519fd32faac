// Reports as mail servers write them (RFC 3464), for tests.
#pragma once

#include <string>

#include <fmt/format.h>

namespace mimamori::test {

struct Report {
    std::string to = "bounce+0123456789abcdef0123456789abcdef@example.com";
    std::string action = "failed";
    std::string status = "5.1.1";
    std::string diagnostic = "smtp; 550 5.1.1 <owner@example.jp>: Recipient address rejected:\n    User unknown";
};

inline std::string report(const Report& in) {
    return fmt::format(
        "Return-Path: <>\nX-Original-To: {0}\nDelivered-To: {0}\nFrom: MAILER-DAEMON@mx.example.jp (Mail Delivery "
        "System)\n"
        "Subject: Undelivered Mail Returned to Sender\nTo: {0}\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; "
        "report-type=delivery-status;\n\tboundary=\"5C27B1A.1775611821/mx.example.jp\"\n\n"
        "This is a MIME-encapsulated message.\n\n--5C27B1A.1775611821/mx.example.jp\nContent-Type: text/plain; "
        "charset=us-ascii\n\n"
        "This is the mail system at host mx.example.jp.\n\n--5C27B1A.1775611821/mx.example.jp\nContent-Description: "
        "Delivery report\n"
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.jp\nArrival-Date: Wed,  8 Apr 2026 "
        "11:00:01 +0900 (JST)\n\n"
        "Final-Recipient: rfc822; owner@example.jp\nOriginal-Recipient: rfc822;owner@example.jp\nAction: {1}\nStatus: "
        "{2}\n"
        "Remote-MTA: dns; mx.example.jp\nDiagnostic-Code: {3}\n\n--5C27B1A.1775611821/mx.example.jp\nContent-Type: "
        "text/rfc822-headers\n\n"
        "Subject: x\nMessage-ID: <a@example.com>\n\n--5C27B1A.1775611821/mx.example.jp--\n",
        in.to, in.action, in.status, in.diagnostic);
}

}  // namespace mimamori::test
