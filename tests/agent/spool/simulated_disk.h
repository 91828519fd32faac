// A disk in memory that behaves as badly as a real one may: a crash loses, tears and reorders what was not synced,
// names included; a call fails with EIO or ENOSPC; a failed sync forgets what it was to write. Every call is a step, so
// that a test can break off, or fail, at each in turn.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "appliance-agent/spool/filesystem.h"

namespace mimamori::agent::spool {

struct Crash {};  // thrown by the step at which the machine stops

class SimulatedDisk final : public FileSystem {
  public:
    explicit SimulatedDisk(std::uint64_t seed) : random_{seed} {}

    // The machine stops after this many steps from now.
    void crash_after(std::uint64_t steps) { crash_at_ = steps_ + steps; }
    // One step fails, this many from now; `lasting`: that one and all later ones of its kind that need room, for
    // ENOSPC.
    void fail_after(std::uint64_t steps, FileError::Kind kind) { fail_at_ = steps_ + steps, fail_kind_ = kind; }
    void heal() { crash_at_.reset(), fail_at_.reset(); }  // nothing planned happens any more
    void set_capacity(std::optional<std::uint64_t> bytes) { capacity_ = bytes; }
    // A seeded fault: syncs of this kind succeed and do nothing, as if the spool had acknowledged, or unlinked, too
    // early.
    enum class Lie { none, file_sync, folder_sync };
    void lie(Lie lie) { lie_ = lie; }
    // What the disk holds when the machine comes back. Everything opened before must be gone.
    void restart();
    // The process was killed, the machine goes on: nothing is lost.
    void restart_process() { locked_.clear(); }

    std::uint64_t steps() const { return steps_; }
    bool has_failed() const { return fail_at_ && steps_ > *fail_at_; }
    std::uint64_t used() const;

    // For tests that damage files.
    std::vector<std::string> paths() const;
    std::string& content(const std::string& path);
    void remove(const std::string& path);
    SimulatedDisk image() const;  // a copy of all that is on it

    FileResult<std::unique_ptr<OpenFile>> open(const std::string& path, OpenMode mode) override;
    FileResult<void> rename(const std::string& from, const std::string& to) override;
    FileResult<void> unlink(const std::string& path) override;
    FileResult<void> make_folder(const std::string& path) override;
    FileResult<void> remove_folder(const std::string& path) override;
    FileResult<void> sync_folder(const std::string& path) override;
    FileResult<std::vector<std::string>> list(const std::string& path) override;
    FileResult<std::unique_ptr<OpenFile>> lock(const std::string& path) override;

  private:
    struct Change {  // of a file's bytes, not synced
        bool is_truncation = false;
        std::uint64_t offset = 0;  // or the new size
        std::string bytes;
    };
    struct File {
        std::string durable, current;
        std::vector<Change> changes;
        std::uint64_t reserved = 0;
    };
    using Names = std::map<std::string, std::shared_ptr<File>>;  // a folder is a null file
    struct NameChange {
        std::set<std::string> folders;
        std::optional<std::string> removed;
        std::optional<std::string> added;
        std::shared_ptr<File> file;
        bool is_durable = false;
    };
    class Handle;

    static void apply(std::string& content, const Change& change);
    static void apply(Names& names, const NameChange& change);
    void make_durable(std::size_t change);  // and the earlier changes of the same names
    static std::string folder_of(const std::string& path) { return path.substr(0, path.find_last_of('/')); }
    std::optional<FileError> step(bool needs_room, const std::string& what);
    std::uint64_t random(std::uint64_t below) { return below == 0 ? 0 : random_() % below; }
    void change_names(NameChange change);
    bool lacks_room(const File& file, std::uint64_t size) const;

    std::mt19937_64 random_;
    Names names_{{"", nullptr}}, durable_names_{{"", nullptr}};
    std::vector<NameChange> name_changes_;
    std::set<std::string> locked_;
    std::uint64_t steps_ = 0;
    std::optional<std::uint64_t> crash_at_;
    std::optional<std::uint64_t> fail_at_;
    FileError::Kind fail_kind_ = FileError::Kind::broken;
    std::optional<std::uint64_t> capacity_;
    Lie lie_ = Lie::none;
};

}  // namespace mimamori::agent::spool
