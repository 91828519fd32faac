// How far an attempt got, told exactly: the outbox's count of attempts rests on it.
#include <catch2/catch.hpp>

#include "adapters/smtp/relay.h"
#include "notifier/scripted_relay.h"

using namespace mimamori;
using End = domain::SendOutcome::End;

namespace {
domain::SendOutcome send_to(int port) {
    adapters::smtp::RelayOptions options;
    options.port = port;
    options.starttls = false;
    options.connect_timeout_ms = 2000;
    options.total_timeout_ms = 1500;
    return adapters::smtp::Relay{options}.send("bounce@example.com", "owner@example.jp", "Subject: x\r\n\r\nhello\r\n.dot\r\n");
}
}  // namespace

TEST_CASE("how each kind of relay's day ends an attempt") {
    struct Row {
        const char* sentence;
        std::map<std::string, std::string> replies;
        End end;
        bool reached_data;
    };
    const Row rows[] = {
        {"a willing relay takes it", {}, End::accepted, true},
        {"busy at the greeting means later", {{"greeting", "421 busy"}}, End::later, false},
        {"no such mailbox means never", {{"RCPT", "550 no such user"}}, End::never, false},
        {"mailbox full means later", {{"RCPT", "452 full"}}, End::later, false},
        {"a refused sender means never", {{"MAIL", "553 sender not allowed"}}, End::never, false},
        {"a content filter's word means never, after DATA", {{".", "554 looks like spam"}}, End::never, true},
        {"greylisting after the mail means later, after DATA", {{".", "451 try again"}}, End::later, true},
        {"a connection that breaks after the dot leaves a doubt", {{".", "drop"}}, End::in_doubt, true},
        {"a relay that takes the mail and never answers leaves a doubt", {{".", "silence"}}, End::in_doubt, true},
        {"a relay that never answers RCPT has not taken anything", {{"RCPT", "silence"}}, End::later, false},
        {"refusing DATA itself is not reaching it", {{"DATA", "451 no room"}}, End::later, false},
    };
    for (const auto& row : rows) {
        INFO(row.sentence);
        test::ScriptedRelay relay{row.replies};
        const auto outcome = send_to(relay.port());
        INFO(outcome.reply);
        CHECK(outcome.end == row.end);
        CHECK(outcome.reached_data == row.reached_data);
        for (const auto& [verb, reply] :
             row.replies) {  // whoever is on call reads the relay's own words, not its good-bye
            CHECK((reply == "drop" || reply == "silence" || outcome.reply == reply));
        }
    }
}

TEST_CASE("a mail arrives as it was written, leading dots too") {
    test::ScriptedRelay relay;
    REQUIRE(send_to(relay.port()).end == End::accepted);
    CHECK(relay.last_mail() == "Subject: x\r\n\r\nhello\r\n..dot\r\n.\r\n");
}

TEST_CASE("nobody listening means later") {
    int port = 0;
    {
        test::ScriptedRelay relay;
        port = relay.port();
    }
    const auto outcome = send_to(port);
    CHECK(outcome.end == End::later);
    CHECK_FALSE(outcome.reached_data);
}

TEST_CASE("without TLS nothing is said to a relay where TLS is required") {
    test::ScriptedRelay relay;
    adapters::smtp::RelayOptions options;
    options.port = relay.port();
    options.starttls = true;
    const auto outcome = adapters::smtp::Relay{options}.send("a@example.com", "b@example.com", "x\r\n");
    CHECK(outcome.end == End::later);
    CHECK(relay.mails_taken() == 0);
}
