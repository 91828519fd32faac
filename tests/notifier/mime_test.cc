// The bytes of a mail; that an independent parser reads them back is the journey's business.
#include <catch2/catch.hpp>

#include "adapters/mime/message.h"

using namespace mimamori;

namespace {
adapters::mime::Message sample() {
    return {.from_name = "サイバーお助け隊",
            .from_address = "soc@example.com",
            .to_name = "株式会社みほん製作所 総務部 情報システム担当 代表取締役社長 山田太郎左衛門",
            .to_address = "owner@example.jp",
            .reply_to = "desk@example.com",
            .subject = "【サイバーお助け隊】★★★（高）対応をお願いします：ウイルス感染の疑い（4月8日10時台）",
            .message_id = "0af1@example.com",
            .date = *base::parse_timestamp("2026-04-08T11:00:00+09:00"),
            .plain = "こんにちは\n" + std::string(5000, 'x'),
            .html = "<p>こんにちは</p>",
            .headers = {{"Auto-Submitted", "auto-generated"}}};
}
}  // namespace

TEST_CASE("a mail has the headers it needs, CRLF line ends and no long line") {
    const auto mail = adapters::mime::render(sample());
    REQUIRE(mail);
    CHECK(mail->find("Message-Id: <0af1@example.com>\r\n") != std::string::npos);
    CHECK(mail->find("Date: Wed, 08 Apr 2026 11:00:00 +0900\r\n") != std::string::npos);
    CHECK(mail->find("Auto-Submitted: auto-generated\r\n") != std::string::npos);
    CHECK(mail->find("MIME-Version: 1.0\r\n") != std::string::npos);
    std::size_t start = 0;
    while (start < mail->size()) {
        const auto end = mail->find("\r\n", start);
        REQUIRE(end != std::string::npos);
        INFO(mail->substr(start, end - start));
        CHECK(end - start <= 78);
        CHECK(mail->substr(start, end - start).find('\n') == std::string::npos);
        start = end + 2;
    }
}

TEST_CASE("the same message gives the same bytes") {
    CHECK(*adapters::mime::render(sample()) == *adapters::mime::render(sample()));
}

TEST_CASE("a header value with a line break is refused, not cleaned") {
    for (const auto field : {&adapters::mime::Message::subject, &adapters::mime::Message::to_name, &adapters::mime::Message::to_address,
                        &adapters::mime::Message::from_name, &adapters::mime::Message::reply_to, &adapters::mime::Message::message_id}) {
        auto message = sample();
        message.*field = "x\r\nBcc: all@example.com";
        CHECK_FALSE(adapters::mime::render(message));
    }
    auto message = sample();
    message.headers.emplace_back("X-Test", "a\nb");
    CHECK_FALSE(adapters::mime::render(message));
}
