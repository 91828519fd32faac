// The spool on the machine's own file system, and a process killed while it writes.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "agent/spool/support.h"

using namespace mimamori::agent::spool;

namespace {

class Folder {
  public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "mimamori-spool-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    std::string path() const { return path_.string(); }

  private:
    std::filesystem::path path_;
};

SpoolSettings settings_in(const Folder& folder) {
    auto settings = small_spool();
    settings.folder = folder.path() + "/spool";
    return settings;
}

}  // namespace

TEST_CASE("on real files: commit, free, full, move, open again") {
    Folder folder;
    auto settings = settings_in(folder);
    settings.max_bytes = 20'000;
    auto spool = open_spool(posix_filesystem(), settings);
    for (int i = 0; i < 40; ++i) {
        add_and_commit(*spool, Lane::normal, numbered(i * 8 + 1, i * 8 + 8, 40));
    }
    REQUIRE_FALSE(read_all(*spool, Lane::normal).tombstones.empty());
    REQUIRE(spool->free(Lane::normal, 300));
    REQUIRE(spool->move(Lane::normal, 301));
    spool.reset();
    spool = open_spool(posix_filesystem(), settings);
    REQUIRE(payloads_of(read_all(*spool, Lane::normal)) == numbered(301, 320, 40));
    std::uint64_t on_disk = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator{settings.folder}) {
        on_disk += file.is_regular_file() ? file.file_size() : 0;
    }
    REQUIRE(on_disk <= settings.max_bytes + reserve_bytes(settings.lane) + 200);
}

TEST_CASE("a process killed while it commits has lost nothing that it had acknowledged") {
    Folder folder;
    const auto settings = settings_in(folder);
    std::uint64_t acknowledged = 0;
    for (int round = 0; round < 8; ++round) {
        int channel[2];
        REQUIRE(::pipe(channel) == 0);
        const auto child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            std::vector<std::string> notes;
            auto spool = Spool::open(posix_filesystem(), settings, everything, notes);
            for (;;) {
                (*spool)->add(Lane::normal,
                              entry_of(fmt::format("entry {}", (*spool)->lane(Lane::normal).last_durable() + 1)));
                if (!(*spool)->commit(1)) {
                    ::_exit(1);
                }
                (*spool)->cover(everything);
                const auto last = (*spool)->lane(Lane::normal).last_durable();
                if (::write(channel[1], &last, sizeof last) != sizeof last) {
                    ::_exit(1);
                }
            }
        }
        ::close(channel[1]);
        std::uint64_t last = 0;
        for (int i = 0; i < 20 + round * 13; ++i) {
            REQUIRE(::read(channel[0], &last, sizeof last) == sizeof last);
        }
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        while (::read(channel[0], &last, sizeof last) == sizeof last) {
        }
        ::close(channel[0]);
        acknowledged = last;
        auto spool = open_spool(posix_filesystem(), settings);
        REQUIRE(spool->lane(Lane::normal).last_durable() >= acknowledged);
        REQUIRE(spool->lane(Lane::normal).last_durable() <= acknowledged + 1);
        for (const auto& [seq, payload] : read_all(*spool, Lane::normal).payloads) {
            REQUIRE(payload == fmt::format("entry {}", seq));
        }
    }
}

TEST_CASE("a second process is told that the spool is in use") {
    Folder folder;
    const auto spool = open_spool(posix_filesystem(), settings_in(folder));
    const auto child = ::fork();
    if (child == 0) {
        std::vector<std::string> notes;
        const auto second = Spool::open(posix_filesystem(), settings_in(folder), everything, notes);
        ::_exit(!second && second.error().kind == FileError::Kind::busy ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) == 0);
}
