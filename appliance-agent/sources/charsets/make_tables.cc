// Writes charset_tables.cc: what the building machine's iconv says of each sequence of bytes. Runs while building only.
#include <iconv.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "appliance-agent/sources/charsets/tables.h"

namespace {

using namespace mimamori::agent::sources;

// The one character that `bytes` are, or 0 if they are none.
char32_t character(iconv_t converter, std::string bytes) {
    char32_t out[4] = {};
    char* from = bytes.data();
    std::size_t left = bytes.size();
    auto* to = reinterpret_cast<char*>(out);
    std::size_t room = sizeof out;
    ::iconv(converter, nullptr, nullptr, nullptr, nullptr);
    if (::iconv(converter, &from, &left, &to, &room) != 0 || left != 0) {
        return 0;
    }
    if (room != sizeof out - sizeof out[0]) {
        std::fputs("make_tables: a sequence of bytes is not one character\n", stderr);
        std::exit(1);
    }
    return out[0];
}

void write(const char* charset, const char* what, const std::vector<char32_t>& table) {
    std::printf("constexpr char32_t %s_%s[] = {", charset, what);
    for (std::size_t i = 0; i < table.size(); ++i) {
        std::printf("%s0x%X,", i % 16 == 0 ? "\n" : "", static_cast<unsigned>(table[i]));
    }
    std::printf("};\n");
}

std::string bytes_of(std::initializer_list<std::size_t> values) {
    std::string out;
    for (const auto value : values) {
        out.push_back(static_cast<char>(value));
    }
    return out;
}

void write_charset(const char* name, const char* library_name, const std::string& triple_lead, bool quads) {
    const iconv_t converter = ::iconv_open("UTF-32LE", library_name);
    if (converter == reinterpret_cast<iconv_t>(-1)) {
        std::fprintf(stderr, "make_tables: the C library does not know %s\n", library_name);
        std::exit(1);
    }
    std::vector<char32_t> single;
    for (std::size_t byte = 0; byte < 256; ++byte) {
        const auto found = character(converter, bytes_of({byte}));
        if (byte < first_single && found != byte) {
            std::fprintf(stderr, "make_tables: %s is not ASCII at %zu\n", library_name, byte);
            std::exit(1);
        }
        if (byte >= first_single) {
            single.push_back(found);
        }
    }
    const auto pairs = [&](const std::string& before, bool only_leads) {
        std::vector<char32_t> out;
        for (std::size_t lead = first_lead; lead < first_lead + leads; ++lead) {
            for (std::size_t trail = first_trail; trail < first_trail + trails; ++trail) {
                const bool is_lead = !only_leads || single[lead - first_single] == 0;
                out.push_back(is_lead ? character(converter, before + bytes_of({lead, trail})) : 0);
            }
        }
        return out;
    };
    write(name, "single", single);
    write(name, "pairs", pairs("", true));
    if (!triple_lead.empty()) {
        write(name, "triples", pairs(triple_lead, false));
    }
    if (quads) {
        std::vector<char32_t> out;
        for (std::size_t i = 0; i < quads_in_table; ++i) {
            out.push_back(character(
                converter, bytes_of({0x81 + i / 12600, 0x30 + i / 1260 % 10, 0x81 + i / 10 % 126, 0x30 + i % 10})));
        }
        write(name, "quads", out);
    }
    std::printf("const Charset %s{%s_single, %s_pairs, ", name, name, name);
    std::printf(triple_lead.empty() ? "nullptr, " : "%s_triples, ", name);
    std::printf(quads ? "%s_quads};\n" : "nullptr};\n", name);
    ::iconv_close(converter);
}

}  // namespace

int main() {
    std::puts(
        "// Made by make_tables.cc.\n#include \"appliance-agent/sources/charsets/tables.h\"\n"
        "namespace mimamori::agent::sources {");
    write_charset("ascii", "ASCII", "", false);
    write_charset("cp1252", "CP1252", "", false);
    write_charset("cp932", "CP932", "", false);
    write_charset("cp949", "CP949", "", false);
    write_charset("euc_jp", "EUC-JP-MS", "\x8F", false);
    write_charset("gb18030", "GB18030", "", true);
    std::puts("}  // namespace mimamori::agent::sources");
    return std::fflush(stdout) == 0 ? 0 : 1;
}
