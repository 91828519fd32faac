// What the tests of whole mails share: the shipped templates, texts and words, an example customer, and the reviewed
// mails in tests/data/mails. To review a change of wording set MIMAMORI_WRITE_GOLDEN=1, run, and read the difference.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "domain/wording.h"
#include "notifier/render.h"

namespace mimamori::tests {

const domain::MailTemplates& templates();                          // packs/mail-texts-2026.yaml
const domain::Wording& wording();                                  // packs/wording.yaml
const domain::SignatureClass& shipped_class(std::string_view id);  // of packs/mimamori-2020.yaml

domain::MailFrame frame(domain::Language language = domain::Language::ja);

// A detection of this class, by a device of this number. Its facts follow from the class and the number.
domain::MailItemFacts item(std::string_view class_id, int device = 1, domain::Language language = domain::Language::ja);

domain::DigestFacts digest(domain::Severity severity, std::vector<domain::MailItemFacts> items,
                           domain::Language language = domain::Language::ja);
notifier::MailText rendered(const domain::DigestFacts& facts, domain::Language language = domain::Language::ja);

// Compares with the reviewed mail of this name, as plain text and HTML, after what holds for every mail: the words of
// packs/wording.yaml, the decision in the first line, no sentence broken over lines. Writes the complete mail as bytes
// beside the test's program, for mail_bytes.py to read.
void check_golden(const std::string& name, const notifier::MailText& mail,
                  domain::Language language = domain::Language::ja);

}  // namespace mimamori::tests
