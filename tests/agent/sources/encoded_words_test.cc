#include "appliance-agent/sources/encoded_words.h"

#include <catch2/catch.hpp>

#include "base/text.h"

namespace mimamori::agent::sources {
namespace {

TEST_CASE("mail subjects as mailers write them") {
    struct Row {
        const char* sentence;
        std::string written;
        std::string read;
    };
    const Row rows[] = {
        {"plain text stays", "Invoice 42", "Invoice 42"},
        {"nothing stays nothing", "", ""},
        {"UTF-8, base64", "=?utf-8?b?6KuL5rGC5pu444Gu5Lu277yIMjAyNuW5tDEx5pyI5YiG77yJ?=", "請求書の件（2026年11月分）"},
        {"UTF-8, quoted", "=?UTF-8?Q?=E8=AB=8B=E6=B1=82=E6=9B=B8_A?=", "請求書 A"},
        {"ISO-2022-JP", "=?ISO-2022-JP?B?GyRCQEE1YT1xJE43bxsoQg==?=", "請求書の件"},
        {"Shift_JIS", "=?Shift_JIS?B?kL+LgY+RgsyMjw==?=", "請求書の件"},
        {"EUC-JP", "=?EUC-JP?B?wMG14b3xpM637w==?=", "請求書の件"},
        {"vendor characters in ISO-2022-JP", "=?ISO-2022-JP?B?GyRCLSEtahsoQg==?=", "①㈱"},
        {"vendor characters in Shift_JIS", "=?Shift_JIS?B?h0CHig==?=", "①㈱"},
        {"vendor characters in EUC-JP", "=?EUC-JP?B?raGt6g==?=", "①㈱"},
        {"half-width katakana in ISO-2022-JP", "=?ISO-2022-JP?B?GyhJMRsoQg==?=", "ｱ"},
        {"a language tag is passed over", "=?UTF-8*ja?B?6KuL5rGC5pu444Gu5Lu2?=", "請求書の件"},
        {"blanks between words mean nothing", "=?UTF-8?Q?a?= \r\n =?UTF-8?Q?b?= c", "ab c"},
        {"blanks between words of two charsets mean nothing",
         "=?UTF-8?Q?a?= =?EUC-JP?B?wMG14b3xpM637w==?=", "a請求書の件"},
        {"text around words stays", "Re: =?UTF-8?Q?a?= (2)", "Re: a (2)"},
        {"a character split over two words is joined",
         "=?UTF-8?B?6KuL5g==?= =?UTF-8?B?sYLmm7jjga7ku7Y=?=", "請求書の件"},
        {"an unknown charset stays as written", "=?x-mystery?B?AAAA?=", "=?x-mystery?B?AAAA?="},
        {"an unfinished word stays as written", "=?UTF-8?B?6KuL", "=?UTF-8?B?6KuL"},
        {"an unknown encoding stays as written", "=?UTF-8?X?abc?=", "=?UTF-8?X?abc?="},
        {"broken bytes are replaced", "=?UTF-8?Q?a=FFb?=",
         "a\xEF\xBF\xBD"
         "b"},
        {"broken bytes of a library charset are replaced", "=?EUC-JP?Q?a=FF?=", "a\xEF\xBF\xBD"},
        {"a pair that EUC-KR lacks is replaced", "=?EUC-KR?Q?=A2=E8?=", "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"EUC-KR", "=?EUC-KR?B?x9Gxubi7IQ==?=", "한국말!"},
        {"bare ISO-2022-JP", "\x1B$B@A5a=q\x1B(B A", "請求書 A"},
        {"bare UTF-8", "請求書", "請求書"},
    };
    for (const auto& row : rows) {
        INFO(row.sentence);
        CHECK(decode_encoded_words(row.written) == row.read);
    }
}

TEST_CASE("a hostile subject is bounded in time and always valid text") {
    std::string nasty;
    for (int i = 0; i < 20'000; ++i) {
        nasty += "=?a?b?";
    }
    const auto out = decode_encoded_words(nasty);
    CHECK(out.size() <= 8192);
    CHECK(base::is_utf8(decode_encoded_words("=?ISO-2022-JP?Q?=1B$B=FF=FF=1B?= \x1B$B\xFF")));
}

}  // namespace
}  // namespace mimamori::agent::sources
