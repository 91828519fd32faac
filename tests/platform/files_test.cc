// Secrets and other small files.
#include <catch2/catch.hpp>

#include <sys/stat.h>

#include <filesystem>

#include "platform/files.h"
#include "support/test_certificates.h"

using namespace mimamori;
namespace fs = std::filesystem;

TEST_CASE("a secret is its file's first line") {
    const test::TemporaryFolder folder;
    CHECK(platform::read_secret(folder.write("a", "geheim \r\nrest\n")) == "geheim ");
    CHECK(platform::read_secret(folder.write("b", "geheim")) == "geheim");
}

TEST_CASE("a secret that everybody can read, an empty or a missing one is refused and the file named") {
    const test::TemporaryFolder folder;
    const auto open = folder.write("open", "geheim");
    ::chmod(open.c_str(), 0644);
    for (const auto& file : {open, folder.write("empty", "\n"), (folder.path() / "none").string(),
                             folder.write("large", std::string(70'000, 'x'))}) {
        const auto secret = platform::read_secret(file);
        REQUIRE_FALSE(secret);
        CHECK(secret.error().what.find(file) != std::string::npos);
        CHECK(secret.error().what.find("geheim") == std::string::npos);
    }
}

TEST_CASE("a file is read whole up to its bound and not beyond") {
    const test::TemporaryFolder folder;
    const auto file = folder.write("f", std::string(100'000, 'x'));
    CHECK(platform::read_file(file, 100'000)->size() == 100'000);
    CHECK_FALSE(platform::read_file(file, 99'999));
    CHECK_FALSE(platform::read_file(folder.path().string(), 10));
}

TEST_CASE("a new file has exactly the rights asked for and never replaces one") {
    const test::TemporaryFolder folder;
    const auto file = (folder.path() / "key").string();
    REQUIRE(platform::write_new_file(file, "one", 0600));
    CHECK(fs::status(file).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
    CHECK_FALSE(platform::write_new_file(file, "two", 0600));
    CHECK(platform::read_file(file, 10) == "one");
}
