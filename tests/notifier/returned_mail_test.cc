// What comes to the bounce mailbox: reports are read, everything else is told apart, and nothing hurts the reader.
#include <catch2/catch.hpp>

#include "adapters/mime/returned_mail.h"
#include "base/text.h"
#include "notifier/bounce_reports.h"

using namespace mimamori;
using adapters::mime::read_returned_mail;
using Kind = domain::ReturnedMail::Kind;

TEST_CASE("a report says who has not got the mail, and why") {
    const auto read = read_returned_mail(test::report({}));
    CHECK(read.kind == Kind::failed);
    CHECK(read.recipient == "owner@example.jp");
    CHECK(read.status == "5.1.1");
    CHECK(read.diagnostic.rfind("550 5.1.1 <owner@example.jp>: Recipient address rejected:", 0) == 0);
    CHECK(read.diagnostic.find("User unknown") != std::string::npos);
    REQUIRE(read.sent_to.size() == 3);
    CHECK(domain::bounce_token_in(read.sent_to[0], "bounce@example.com") == "0123456789abcdef0123456789abcdef");
}

TEST_CASE("what a report means is its action, whatever its status says") {
    const std::vector<std::pair<std::string, Kind>> rows{{"failed", Kind::failed},    {"Failed", Kind::failed},
                                                         {"delayed", Kind::delayed},  {"delivered", Kind::harmless},
                                                         {"relayed", Kind::harmless}, {"expanded", Kind::harmless},
                                                         {"", Kind::unreadable},      {"lost", Kind::unreadable}};
    for (const auto& [action, kind] : rows) {
        INFO(action);
        CHECK(read_returned_mail(test::report({.action = action, .status = "4.4.7"})).kind == kind);
    }
}

TEST_CASE("of several recipients the worst speaks for the report") {
    const auto text =
        test::report({.action = "delivered",
                      .diagnostic = "smtp; 250 ok\n\nFinal-Recipient: rfc822; b@example.jp\nAction: failed\n"
                                    "Status: 5.2.2\n\nFinal-Recipient: rfc822; c@example.jp\nAction: delayed"});
    const auto read = read_returned_mail(text);
    CHECK(read.kind == Kind::failed);
    CHECK(read.recipient == "b@example.jp");
}

TEST_CASE("a status part in another encoding is read") {
    auto text = test::report({});
    const auto at = text.find("Content-Type: message/delivery-status\n\n");
    const auto begin = text.find("\n\n", at) + 2;
    const auto end = text.find("\n--5C27", begin);
    // "Reporting-MTA: dns; a\n\nFinal-Recipient: rfc822; owner@example.jp\nAction: failed\nStatus: 5.0.0\n"
    text.replace(begin, end - begin,
                 "UmVwb3J0aW5nLU1UQTogZG5zOyBhCgpGaW5hbC1SZWNpcGllbnQ6IHJmYzgyMjsgb3duZXJAZXhhbXBsZS5qcApBY3Rpb246IGZha"
                 "WxlZApTdGF0dXM6IDUuMC4wCg==");
    text.insert(at, "Content-Transfer-Encoding: base64\n");
    CHECK(read_returned_mail(text).status == "5.0.0");
}

TEST_CASE("answering machines and notes that a mail was read are no reports") {
    CHECK(read_returned_mail("From: a@b\nTo: x@y\nAuto-Submitted: auto-replied (vacation)\n\nI am away.\n").kind ==
          Kind::harmless);
    CHECK(read_returned_mail("From: a@b\nX-Autoreply: yes\n\nI am away.\n").kind == Kind::harmless);
    CHECK(read_returned_mail("From: a@b\nAuto-Submitted: no\n\nWho are you?\n").kind == Kind::unreadable);
    CHECK(read_returned_mail("From: a@b\nMIME-Version: 1.0\nContent-Type: multipart/report; "
                             "report-type=disposition-notification; boundary=x\n\n"
                             "--x\n\nread\n--x\nContent-Type: message/disposition-notification\n\nDisposition: "
                             "manual-action; displayed\n--x--\n")
              .kind == Kind::harmless);
}

TEST_CASE("broken mails are unreadable and no more") {
    const auto whole = test::report({});
    for (const auto& text :
         {std::string{}, std::string{"\n"}, std::string(100'000, '\0'), std::string(100'000, '\xff'),
          std::string{"no header at all"}, std::string{"Content-Type: multipart/report; boundary=\"\"\n\n"}}) {
        CHECK(read_returned_mail(text).kind == Kind::unreadable);
    }
    for (std::size_t size = 0; size < whole.size(); size += 7) {  // cut off anywhere
        const auto read = read_returned_mail(std::string_view{whole}.substr(0, size));
        CHECK((read.kind == Kind::failed || read.kind == Kind::unreadable || read.kind == Kind::harmless));
    }
    std::string deep = "MIME-Version: 1.0\n";
    for (int i = 0; i < 20'000; ++i) {
        deep += "Content-Type: multipart/report; boundary=b" + std::to_string(i) + "\n\n--b" + std::to_string(i) + "\n";
    }
    CHECK(read_returned_mail(deep).kind == Kind::unreadable);
    std::string many =
        "To: x@y\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n";
    for (int i = 0; i < 50'000; ++i) {
        many += "X: y\n\n";
    }
    CHECK(read_returned_mail(many + "Action: failed\n").kind ==
          Kind::unreadable);  // behind more groups than are looked at
}

TEST_CASE("what a stranger writes into a report stays one short line of text") {
    const auto read = read_returned_mail(test::report(
        {.diagnostic = "smtp; 550 <script>alert(1)</script>\r\x1b[31m \xff\xe2\x80\xae" + std::string(5'000, 'x')}));
    CHECK(read.kind == Kind::failed);
    CHECK(read.diagnostic.size() <= 500);
    CHECK(base::is_utf8(read.diagnostic));
    CHECK(base::to_single_line(read.diagnostic) == read.diagnostic);
    CHECK(read.diagnostic.find("<script>") != std::string::npos);  // as it came: whoever shows it escapes it
}
