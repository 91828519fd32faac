#include "adapters/pack_yaml/wording.h"

#include "adapters/pack_yaml/yaml_reader.h"

namespace mimamori::adapters::pack_yaml {
namespace {

std::vector<std::string> words_of(Mapping& from, const char* key) {
    std::vector<std::string> out;
    for (auto& text : from.texts(key)) {
        out.push_back(std::move(text.value));
    }
    return out;
}

domain::LanguageWording read_language(Mapping& from) {
    domain::LanguageWording out;
    const auto longest = from.number("longest_sentence");
    if (longest < 1) {
        from.defect(from.line("longest_sentence"), "longest_sentence must be at least 1");
    }
    out.longest_sentence = static_cast<std::size_t>(longest);
    out.explained = words_of(from, "explained");
    out.introduced = words_of(from, "introduced");
    out.endings = words_of(from, "endings");
    for (auto& word : words_of(from, "plain")) {
        out.plain.insert(std::move(word));
    }
    from.mappings("refused", "a refused word", [&](Mapping& row) {
        out.refused.push_back({row.text("word"), row.text("instead")});
    });
    return out;
}

}  // namespace

tl::expected<domain::Wording, Defects> read_wording(std::string_view text) {
    Defects defects;
    domain::Wording out;
    try {
        Mapping root{YAML::Load(std::string{text}), "the wording", defects};
        root.mapping("ja", [&](Mapping& from) { out.ja = read_language(from); });
        root.mapping("en", [&](Mapping& from) { out.en = read_language(from); });
        root.finish();
    } catch (const YAML::Exception& e) {
        return tl::unexpected<Defects>{{{e.mark.is_null() ? 0 : e.mark.line + 1, "this is not YAML: " + e.msg}}};
    }
    if (!defects.empty()) {
        return tl::unexpected<Defects>{std::move(defects)};
    }
    return out;
}

}  // namespace mimamori::adapters::pack_yaml
