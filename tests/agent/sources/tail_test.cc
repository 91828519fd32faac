// Following real files: growth, half lines, rotation, truncation, and what is not a log.
#include <unistd.h>

#include <chrono>

#include "support.h"

namespace mimamori::agent::sources {
namespace {

namespace fs = std::filesystem;

struct Log {
    TemporaryFolder folder;
    std::string path = folder.file("utm.log");
    std::unique_ptr<Source> source;

    Log() { open(); }
    void open(std::optional<Checkpoint> from = {}, std::vector<Position> spooled = {}) {
        source = follow_file(LineFormat::native, options_for(path), from, spooled);
    }
    // As after a crash: what the old source knew is gone but its checkpoint.
    void restart() { open(source->checkpoint()); }
    void write(int first, int last) {
        for (int i = first; i <= last; ++i) {
            append(path, native_line(i));
        }
    }
    void rename_to(const std::string& name) { fs::rename(path, folder.file(name)); }
    // Ages decide which rotated file is older; files made within one tick of the clock would tie.
    void age(const std::string& name, int hours) {
        fs::last_write_time(folder.file(name), fs::file_time_type::clock::now() - std::chrono::hours(hours));
    }
    void copy_and_truncate(const std::string& name) {
        fs::copy_file(path, folder.file(name));
        fs::resize_file(path, 0);
    }
    std::vector<std::string> read() { return names_of(drain(*source)); }
};

TEST_CASE("a file that is not there yet is waited for") {
    Log log;
    CHECK(log.read().empty());
    CHECK_FALSE(log.source->checkpoint());
    log.write(1, 2);
    CHECK(log.read() == signatures(1, 2));
    CHECK(log.source->checkpoint());
}

TEST_CASE("lines are read as they come, half lines when they are whole") {
    Log log;
    const auto line = native_line(1);
    for (const char c : line.substr(0, line.size() - 2)) {
        append(log.path, std::string_view(&c, 1));
        REQUIRE(log.read().empty());
        REQUIRE(log.source->checkpoint()->offset == 0);
    }
    append(log.path, line.substr(line.size() - 2));
    CHECK(log.read() == signatures(1, 1));
    log.write(2, 5);
    CHECK(log.read() == signatures(2, 5));
    CHECK(log.source->checkpoint()->offset == fs::file_size(log.path));
}

TEST_CASE("a read takes no more than its budget") {
    Log log;
    log.write(1, 100);
    std::vector<Produced> out;
    REQUIRE(log.source->read_some(500, at_ms(0), out));
    CHECK(out.empty());  // it found the file
    CHECK(log.source->checkpoint()->offset == 0);
    const auto state = log.source->read_some(500, at_ms(0), out);
    REQUIRE(state);
    CHECK(*state == ReadState::more);
    CHECK(log.source->stats().bytes == 500);
    CHECK(out.size() == 500 / native_line(1).size());
    CHECK(names_of(out).size() + log.read().size() == 100);
}

TEST_CASE("CRLF, blank lines and NUL bytes between lines are nothing") {
    Log log;
    append(log.path, native_line(1).substr(0, native_line(1).size() - 1) + "\r\n\r\n\n");
    append(log.path, std::string("\0\0\0\0", 4) + native_line(2));
    CHECK(log.read() == signatures(1, 2));
    CHECK(log.source->stats().rejected == 0);
}

TEST_CASE("a line of megabytes is rejected with its beginning, and reading goes on") {
    Log log;
    const std::string big = "{\"type\":\"" + std::string(3 << 20, 'x') + "\"}\n";
    append(log.path, native_line(1) + big + native_line(2));
    const auto entries = drain(*log.source);
    CHECK(names_of(entries) == std::vector<std::string>{"Signature 1", "rejected", "Signature 2"});
    const auto rejected = rejected_in(entries[1]);
    CHECK(rejected.reason() == "longer than 1048576 bytes");
    CHECK(rejected.raw() == big.substr(0, 64 << 10));
    CHECK(rejected.raw_truncated());
    CHECK(rejected.raw_size() == big.size() - 1);
    CHECK(log.source->stats().overlong == 1);
}

TEST_CASE("a malformed line is rejected with its bytes and the reason") {
    Log log;
    append(log.path, "{\"type\":\"detection\",\xFF\"a}\n" + native_line(1));
    const auto entries = drain(*log.source);
    REQUIRE(entries.size() == 2);
    CHECK(rejected_in(entries[0]).raw() == "{\"type\":\"detection\",\xFF\"a}");
    CHECK_FALSE(rejected_in(entries[0]).raw_truncated());
    CHECK(rejected_in(entries[0]).reason() == "broken off: the line or the file ends inside the object");
}

TEST_CASE("a renamed file is read to its end before the new one") {
    Log log;
    log.write(1, 3);
    CHECK(log.read() == signatures(1, 3));
    log.write(4, 5);
    log.rename_to("utm.log.1");
    append(log.folder.file("utm.log.1"), native_line(6));  // the writer has not noticed yet
    log.write(7, 8);
    CHECK(log.read() == signatures(4, 8));
    CHECK(log.source->stats().rotations == 1);
    CHECK(log.source->stats().files_lost == 0);
}

TEST_CASE("the old file is not left while it still grows") {
    Log log;
    log.write(1, 1);
    log.read();
    log.rename_to("utm.log.1");
    log.write(3, 3);
    CHECK(read_all(*log.source, at_ms(0)).empty());
    append(log.folder.file("utm.log.1"), native_line(2));
    CHECK(names_of(read_all(*log.source, at_ms(999))) == signatures(2, 2));
    CHECK(read_all(*log.source, at_ms(1'998)).empty());
    CHECK(names_of(read_all(*log.source, at_ms(2'999))) == signatures(3, 3));
}

TEST_CASE("a half line at the end of a rotated file is rejected when the file is left") {
    Log log;
    log.write(1, 1);
    append(log.path, "{\"type\":");
    log.rename_to("utm.log.1");
    log.write(2, 2);
    CHECK(log.read() == signatures(2, 2));  // a fresh source begins with the live file
    Log other;
    other.write(1, 1);
    append(other.path, "{\"type\":");
    other.read();
    other.rename_to("utm.log.1");
    other.write(2, 2);
    CHECK(other.read() == std::vector<std::string>{"rejected", "Signature 2"});
}

TEST_CASE("several rotations while nobody read are followed in order") {
    for (const bool restarted : {false, true}) {
        Log log;
        log.write(1, 2);
        CHECK(log.read() == signatures(1, 2));
        log.write(3, 3);
        log.rename_to("utm.log.3");
        log.write(4, 5);
        log.rename_to("utm.log.2");
        log.write(6, 6);
        log.rename_to("utm.log.1");
        append(log.folder.file("utm.log.9.gz"), native_line(90));
        append(log.folder.file("utm.log.bak"), native_line(91));
        append(log.folder.file("utm.log2"), native_line(92));
        log.write(7, 7);
        log.age("utm.log.3", 3);
        log.age("utm.log.2", 2);
        log.age("utm.log.1", 1);
        if (restarted) {
            log.restart();
        }
        CHECK(log.read() == signatures(3, 7));
        CHECK(log.source->stats().rotations == 3);
    }
}

TEST_CASE("names that carry a date are rotated files too") {
    Log log;
    log.write(1, 1);
    log.read();
    log.rename_to("utm.log-20261120");
    log.write(2, 2);
    log.rename_to("utm.log-20261121");
    log.write(3, 3);
    CHECK(log.read() == signatures(2, 3));
}

TEST_CASE("copytruncate: the rest is read from the copy, then the file from its beginning") {
    for (const bool restarted : {false, true}) {
        Log log;
        log.write(1, 20);
        CHECK(log.read() == signatures(1, 20));
        log.write(21, 22);
        log.copy_and_truncate("utm.log.1");
        log.write(23, 24);
        if (restarted) {
            log.restart();
        }
        CHECK(log.read() == signatures(21, 24));
        CHECK(log.source->stats().truncations == 1);
        CHECK(log.source->stats().files_lost == 0);
    }
}

TEST_CASE("copytruncate in the middle of a line gives the whole line") {
    Log log;
    log.write(1, 3);
    const auto line = native_line(4);
    append(log.path, line.substr(0, 20));
    CHECK(log.read() == signatures(1, 3));
    append(log.path, line.substr(20));
    log.copy_and_truncate("utm.log.1");
    log.write(5, 5);
    CHECK(log.read() == signatures(4, 5));
}

TEST_CASE("a truncated file that has already grown beyond where reading stood is noticed") {
    Log log;
    log.write(1, 2);
    CHECK(log.read() == signatures(1, 2));
    fs::resize_file(log.path, 0);
    log.write(101, 150);
    CHECK(log.read() == signatures(101, 150));
    CHECK(log.source->stats().truncations == 1);
    CHECK(log.source->stats().last_trouble.find("truncated") != std::string::npos);
}

TEST_CASE("a writer that goes on at its old place after truncation leaves NULs, which are passed over") {
    Log log;
    log.write(1, 20);
    CHECK(log.read() == signatures(1, 20));
    const auto size = fs::file_size(log.path);
    fs::resize_file(log.path, 0);
    fs::resize_file(log.path, size);
    log.write(21, 22);
    CHECK(log.read() == signatures(21, 22));
}

TEST_CASE("a file replaced while the agent was down is read from its beginning, and the loss is said") {
    Log log;
    log.write(1, 20);
    CHECK(log.read() == signatures(1, 20));
    const auto mark = log.source->checkpoint();
    log.source.reset();
    fs::remove(log.path);
    log.write(31, 32);
    log.open(mark);
    CHECK(log.read() == signatures(31, 32));
    // The file system may give the inode again: then it looks truncated, else deleted.
    const auto stats = log.source->stats();
    CHECK(stats.files_lost + stats.truncations == 1);
    CHECK(stats.last_trouble.find("is gone") != std::string::npos);
}

TEST_CASE("a restart goes on where the checkpoint stands") {
    Log log;
    log.write(1, 3);
    CHECK(log.read() == signatures(1, 3));
    log.restart();
    CHECK(log.read().empty());
    log.write(4, 4);
    log.restart();
    CHECK(log.read() == signatures(4, 4));
    CHECK(log.source->stats().truncations == 0);
    CHECK(log.source->stats().files_lost == 0);
}

TEST_CASE("a checkpoint before the file is open is the one that was given") {
    Log log;
    log.write(1, 3);
    log.read();
    const auto mark = log.source->checkpoint();
    log.open(mark);
    CHECK(log.source->checkpoint() == mark);
}

TEST_CASE("what is in the spool is left out, in any order and whatever else is there") {
    Log log;
    log.write(1, 6);
    const auto entries = drain(*log.source);
    std::vector<Position> spooled{entries[4].position, entries[1].position, entries[2].position};
    auto foreign = entries[0].position;
    foreign.source_index = 4;  // another source's
    spooled.push_back(foreign);
    auto older = entries[3].position;
    older.file.head_hash ^= 1;  // another content's
    spooled.push_back(older);
    log.open({}, spooled);
    CHECK(log.read() == std::vector<std::string>{"Signature 1", "Signature 4", "Signature 6"});
    CHECK(log.source->stats().already_spooled == 3);
}

TEST_CASE("two contents that begin alike are told apart by their place in the row of contents") {
    Log log;
    const std::string same = R"({"type":"block","kind":"url","key":"ads.example","observed_at":"2026-04-08T10:39:40Z"})"
                             "\n";
    append(log.path, same);
    CHECK(read_all(*log.source).size() == 1);
    log.open();
    std::vector<Produced> out;
    REQUIRE(log.source->read_some(1, at_ms(0), out));
    const auto before_the_first = log.source->checkpoint();
    log.rename_to("utm.log.1");
    append(log.path, same);
    const auto entries = drain(*log.source);
    REQUIRE(entries.size() == 2);
    CHECK(entries[0].position.offset == entries[1].position.offset);
    // Only the second had been synced when the power went.
    log.open(before_the_first, {entries[1].position});
    CHECK(drain(*log.source).size() == 1);
    CHECK(log.source->stats().already_spooled == 1);
    log.open(before_the_first, {entries[0].position});
    CHECK(drain(*log.source).size() == 1);
}

TEST_CASE("what cannot be a log is refused with what to do") {
    TemporaryFolder folder;
    auto source = follow_file(LineFormat::native, options_for(folder.file("")), {}, {});
    std::vector<Produced> out;
    const auto state = source->read_some(100, at_ms(0), out);
    REQUIRE_FALSE(state);
    CHECK(state.error().kind == base::FailureKind::refused);
    CHECK(state.error().what.find("is not a regular file: name the detector's log file") != std::string::npos);
    CHECK(source->stats().last_trouble == state.error().what);
}

TEST_CASE("a folder that is not there yet is waited for, a file that may not be read is a failure") {
    TemporaryFolder folder;
    auto source = follow_file(LineFormat::native, options_for(folder.file("later/utm.log")), {}, {});
    CHECK(read_all(*source).empty());
    fs::create_directory(folder.file("later"));
    append(folder.file("later/utm.log"), native_line(1));
    CHECK(names_of(read_all(*source)) == signatures(1, 1));
    if (::geteuid() != 0) {
        append(folder.file("secret"), native_line(1));
        fs::permissions(folder.file("secret"), fs::perms::none);
        auto denied = follow_file(LineFormat::native, options_for(folder.file("secret")), {}, {});
        std::vector<Produced> out;
        const auto state = denied->read_some(100, at_ms(0), out);
        REQUIRE_FALSE(state);
        CHECK(state.error().kind == base::FailureKind::retry);
    }
}

}  // namespace
}  // namespace mimamori::agent::sources
