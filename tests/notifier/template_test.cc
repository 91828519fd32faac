// Templates: a typing error is an error, not a hole in a mail.
#include <catch2/catch.hpp>

#include "adapters/mail_texts_yaml/load.h"
#include "adapters/mustache/render.h"

using namespace mimamori;
using adapters::mustache::Escape;
using adapters::mustache::render;

TEST_CASE("values fill a template and lists repeat") {
    domain::TextValues values;
    values["name"] = std::string{"A & B <c>"};
    values["yes"] = true;
    values["no"] = false;
    domain::TextValues step;
    step["text"] = std::string{"one"};
    values["steps"] = std::vector<domain::TextValues>{step, step};
    CHECK(*render("{{name}}{{#yes}}+{{/yes}}{{#no}}-{{/no}}{{^no}}!{{/no}}{{#steps}}[{{text}} of {{name}}]{{/steps}}",
                  values, Escape::none) == "A & B <c>+![one of A & B <c>][one of A & B <c>]");
    CHECK(*render("{{name}}", values, Escape::html) == "A &amp; B &lt;c&gt;");
}

TEST_CASE("a value that holds a template stays a value") {
    domain::TextValues values;
    values["name"] = std::string{"{{secret}} {{#x}}"};
    CHECK(*render("<{{name}}>", values, Escape::none) == "<{{secret}} {{#x}}>");
}

TEST_CASE("an unknown name and a section left open are refused") {
    domain::TextValues values;
    values["name"] = std::string{"x"};
    CHECK(render("{{nmae}}", values, Escape::none).error().what.find("nmae") != std::string::npos);
    CHECK_FALSE(render("{{#name}}x", values, Escape::none));
}

TEST_CASE("mail texts with an error say where") {
    const auto failing = [](std::string_view yaml) { return adapters::mail_texts_yaml::load(yaml).error().what; };
    CHECK(failing("version: a\neffective_from: 2026-01-01T00:00:00Z\ncolour: red\n") == "line 3: unknown key colour");
    CHECK(failing("version: a\neffective_from: soon\n").rfind("line 2: ", 0) == 0);
    CHECK(failing("version: a\neffective_from: 2026-01-01T00:00:00Z\ntemplates:\n  alert_subject_ja: \"①\"\n")
              .find("line 4: ") == 0);
    CHECK(failing("- 1\n").rfind("line 1: ", 0) == 0);
    CHECK(failing("a: [\n").rfind("line ", 0) == 0);
}

TEST_CASE("what templates share stands once and is put in") {
    const std::string head =
        "version: a\neffective_from: 2026-01-01T00:00:00Z\nparts:\n  desk: |\n    call {{phone}}\n    any time\n";
    const auto loaded = adapters::mail_texts_yaml::load(
        head + "templates:\n  alert_plain_ja: |\n    before\n    {{> desk}}\n    {{>desk}} after\n");
    REQUIRE(loaded);
    CHECK(loaded->texts.at("alert_plain_ja") == "before\ncall {{phone}}\nany time\ncall {{phone}}\nany time after\n");
    CHECK(loaded->lines.at("alert_plain_ja") == 9);
    const auto missing = adapters::mail_texts_yaml::load(head + "templates: {alert_plain_ja: \"{{> dsek}}\"}\n");
    CHECK(missing.error().what == "line 7: template alert_plain_ja wants part \"dsek\", which does not exist");
    CHECK_FALSE(adapters::mail_texts_yaml::load(head + "  nested: \"{{> desk}}\"\ntemplates: {alert_plain_ja: x}\n"));
    CHECK_FALSE(adapters::mail_texts_yaml::load(head + "templates: {alert_plain_ja: \"{{> desk\"}\n"));
}

TEST_CASE("a stored set may be older than a kind of mail: it is read, and what it lacks is known") {
    const auto loaded = adapters::mail_texts_yaml::load(
        "version: a\neffective_from: 2026-01-01T00:00:00Z\ntemplates: {alert_subject_ja: x}\n");
    REQUIRE(loaded);
    CHECK(domain::missing_template(*loaded) == "alert_plain_ja");
}
