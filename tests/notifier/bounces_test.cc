// The bounce mailbox on a real folder and a real database: a bounce counts once, a forged one never, and nothing is
// lost silently.
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include <sys/stat.h>

#include "notifier/bounce_reports.h"
#include "notifier/bounces.h"
#include "notifier/events.h"
#include "notifier/operator_mail.h"
#include "notifier/scripted_relay.h"
#include "notifier/service.h"
#include "support/test_certificates.h"

using namespace mimamori;
using namespace std::chrono_literals;
using test::ten;
namespace fs = std::filesystem;

namespace {

// A service whose customer was sent one mail.
struct Mailbox : test::Service {
    Mailbox() {
        for (const auto* name : {"new", "cur", "tmp"}) {
            fs::create_directories(folder.path() / name);
        }
        settings.bounce_maildir = folder.path().string();
        REQUIRE(close(ten) == 0);
        news(3, "1-0001");
        REQUIRE(close(ten + 60min) == 1);
        REQUIRE(send(relay.port()) == true);
    }

    std::string sender_of(const std::string& condition) {
        return "bounce+" +
               database.query("select replace(bounce_token::text, '-', '') from outbox where " + condition)[0][0] +
               "@example.com";
    }
    void arrive(const std::string& name, const std::string& mail) {
        std::ofstream{folder.path() / "new" / name, std::ios::binary} << mail;
    }
    base::Expected<int> read() { return notifier::BounceReader{connection, settings, events}.read_round(); }
    bool lies_in(const std::string& path) const { return fs::exists(folder.path() / path); }
    std::int64_t open_alarms(const std::string& kind) {
        return count("alarms where closed_at is null and kind = '" + kind + "'");
    }

    test::TemporaryFolder folder;
    test::ScriptedRelay relay;
};

}  // namespace

TEST_CASE("a permanent bounce marks its mail and raises an alarm that names the customer, once") {
    Mailbox box;
    const auto sender = box.sender_of("customer_id is not null");
    CHECK(box.relay.last_sender().rfind("MAIL FROM:<" + sender + ">", 0) == 0);  // the mail left with it
    const auto mail = test::report({.to = sender});
    box.arrive("1.a", mail);
    CHECK(box.read() == 1);
    CHECK(box.lies_in("cur/1.a:2,S"));
    CHECK(box.count("outbox where state = 'bounced'") == 1);
    CHECK(box.count("bounces where action = 'failed' and status = '5.1.1' and recipient = 'owner@example.jp' and "
                    "diagnostic like '%User unknown'") == 1);
    CHECK(box.count("alarms where kind = 'mail_bounced' and subject like 'mail %' and detail like 'customer % to "
                    "owner@example.jp: 5.1.1 550%'") == 1);
    box.arrive("1.a", mail);  // killed between commit and rename: the file is there again
    CHECK(box.read() == 1);
    CHECK(box.count("bounces") == 1);
    CHECK(box.count("alarms where kind = 'mail_bounced' and count = 1") == 1);
    CHECK(box.read() == 0);
}

TEST_CASE("a mail in doubt that came back is not tried again") {
    Mailbox box;
    box.database.query("update outbox set state = 'pending', in_doubt = 1, next_attempt_at = now()");
    box.arrive("1.a", test::report({.to = box.sender_of("true")}));
    CHECK(box.read() == 1);
    CHECK(box.send(box.relay.port()) == false);
}

TEST_CASE("delays are kept without an alarm; deliveries and automatic replies leave nothing") {
    Mailbox box;
    const auto to = box.sender_of("true");
    box.arrive("1.delayed", test::report({.to = to, .action = "delayed", .status = "4.4.1"}));
    box.arrive("2.delivered", test::report({.to = to, .action = "delivered", .status = "2.0.0"}));
    box.arrive("3.away", "From: owner@example.jp\nTo: " + to + "\nAuto-Submitted: auto-replied\n\nI am away.\n");
    CHECK(box.read() == 3);
    CHECK(box.lies_in("cur/1.delayed:2,S"));
    CHECK(box.lies_in("cur/2.delivered:2,S"));
    CHECK(box.lies_in("cur/3.away:2,S"));
    CHECK(box.count("bounces") == 1);
    CHECK(box.count("outbox where state = 'sent'") == 1);
    CHECK(box.count("alarms") == 0);
}

TEST_CASE("a forged report marks nothing and goes to quarantine") {
    Mailbox box;
    box.arrive("1.plain", test::report({.to = "bounce@example.com"}));
    box.arrive("2.guessed", test::report({}));
    box.arrive("3.broken", std::string(1'000, '\xff'));
    CHECK(box.read() == 3);
    CHECK(box.lies_in("quarantine/1.plain"));
    CHECK(box.lies_in("quarantine/2.guessed"));
    CHECK(box.lies_in("quarantine/3.broken"));
    CHECK(box.count("bounces") == 0);
    CHECK(box.count("outbox where state = 'sent'") == 1);
    CHECK(box.count("alarms") == 0);  // anybody can send such mails
}

TEST_CASE("an answer to one of our mails that is no report goes to quarantine with an alarm") {
    Mailbox box;
    box.arrive("1.question", "From: owner@example.jp\nTo: " + box.sender_of("true") + "\n\nIs this genuine?\n");
    CHECK(box.read() == 1);
    CHECK(box.lies_in("quarantine/1.question"));
    CHECK(box.count("alarms where kind = 'bounce_unreadable' and detail = 'quarantine/1.question'") == 1);
}

TEST_CASE("a huge file is read only at its beginning, and what is no file is put aside") {
    Mailbox box;
    auto huge = test::report({.to = box.sender_of("true")});
    huge += std::string(64U << 20U, 'x');
    box.arrive("1.huge", huge);
    std::string late = "To: bounce@example.com\n\n" + std::string(notifier::most_bytes_of_a_bounce, 'x') + "\n" +
                       test::report({.to = box.sender_of("true")});
    box.arrive("2.late", late);
    fs::create_directory(box.folder.path() / "new" / "3.folder");
    fs::create_symlink("/etc/passwd", box.folder.path() / "new" / "4.link");
    REQUIRE(::mkfifo((box.folder.path() / "new" / "5.pipe").c_str(), 0600) == 0);
    CHECK(box.read() == 5);
    CHECK(box.lies_in("cur/1.huge:2,S"));
    for (const auto* name : {"2.late", "3.folder", "5.pipe"}) {
        CHECK(box.lies_in(std::string{"quarantine/"} + name));
    }
    CHECK(fs::is_symlink(box.folder.path() / "quarantine" / "4.link"));
    CHECK(box.count("bounces") == 1);
}

TEST_CASE("what a stranger writes into a report cannot become a tag in the operator's mail") {
    Mailbox box;
    box.arrive("1.html",
               test::report({.to = box.sender_of("true"), .diagnostic = "smtp; 550 <img src=x onerror=alert(1)>"}));
    CHECK(box.read() == 1);
    REQUIRE(notifier::mail_open_alarms(box.connection, box.settings, ten) == true);
    REQUIRE(box.send(box.relay.port()) == true);
    const auto mail = box.relay.last_mail();
    const auto html = mail.find("Content-Type: text/html");
    REQUIRE(html != std::string::npos);
    // The part is in base64; the escaped form of the text stands in the same column whatever comes before.
    std::string decoded;
    for (const auto& row :
         box.database.query("select convert_from(decode(regexp_replace($m$" + mail.substr(mail.find("\r\n\r\n", html)) +
                            "$m$, '\\s|--=_.*', '', 'g'), 'base64'), 'UTF8')")) {
        decoded += row[0];
    }
    CHECK(decoded.find("&lt;img src=x onerror=alert(1)&gt;") != std::string::npos);
    CHECK(decoded.find("<img") == std::string::npos);
}

TEST_CASE("a round is bounded, and so is what is kept of one mail") {
    Mailbox box;
    const auto mail = test::report({.to = box.sender_of("true")});
    for (std::size_t i = 0; i < notifier::most_bounces_a_round + 5; ++i) {
        box.arrive(std::to_string(i) + ".a", mail);
    }
    CHECK(box.read() == static_cast<int>(notifier::most_bounces_a_round));
    CHECK(box.read() == 5);
    CHECK(box.count("bounces") == 10);
    CHECK(box.open_alarms("mail_bounced") == 1);
}

TEST_CASE("bounces of the operator's own mails make one alarm, not a mail about each mail") {
    Mailbox box;
    for (int round = 1; round <= 3; ++round) {
        box.database.query("select raise_alarm('relay_slow', 'round " + std::to_string(round) + "', 'x')");
        REQUIRE(notifier::mail_open_alarms(box.connection, box.settings, ten) == true);
        box.arrive(
            std::to_string(round) + ".a",
            test::report({.to = box.sender_of("customer_id is null and state = 'pending' order by id desc limit 1")}));
        REQUIRE(box.read() == 1);
    }
    CHECK(box.open_alarms("mail_bounced") == 1);
    CHECK(box.count("alarms where kind = 'mail_bounced' and subject = 'mails to the operator' and count = 3") == 1);
}

TEST_CASE("a mailbox that cannot be used is an alarm until it can") {
    Mailbox box;
    box.arrive("1.a", test::report({.to = box.sender_of("true")}));
    fs::remove(box.folder.path() / "cur");
    notifier::BounceReader reader{box.connection, box.settings, box.events};
    CHECK(reader.read_round() == 0);
    CHECK(reader.read_round() == 0);
    CHECK(box.count("alarms where kind = 'bounce_mailbox_unusable' and closed_at is null and count = 1") == 1);
    CHECK(box.count("bounces") == 1);  // committed; the file is still in new/ and counts no second time
    fs::create_directory(box.folder.path() / "cur");
    CHECK(reader.read_round() == 1);
    CHECK(box.open_alarms("bounce_mailbox_unusable") == 0);
    box.settings.bounce_maildir += "/none";
    CHECK(box.read() == 0);
    CHECK(box.open_alarms("bounce_mailbox_unusable") == 1);
    CHECK(box.open_alarms("mail_bounced") == 1);
}

TEST_CASE("a bounce address that leaves no room for the tag is refused with the reason") {
    const auto refused = [](const std::string& address) {
        const std::vector<std::string> sets{"postgres.host=h", "notifier.from_address=soc@example.com",
                                            "notifier.message_id_domain=example.com",
                                            "notifier.bounce_address=" + address};
        const auto config = platform::Config::load("notifier", "", sets, {});
        REQUIRE(config);
        const auto settings = notifier::read_settings(*config);
        return settings ? std::string{} : settings.error().what;
    };
    CHECK(refused("bounce@example.com") == "");
    CHECK(refused(std::string(31, 'b') + "@example.com") == "");
    for (const auto& address :
         {std::string(32, 'b') + "@example.com", std::string{"bounce"}, std::string{"@example.com"}}) {
        CHECK(refused(address).find("must be a mail address with at most 31 characters before the @") !=
              std::string::npos);
    }
}
