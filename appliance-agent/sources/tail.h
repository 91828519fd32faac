// Follows one log file through growth, rotation and truncation, also over a restart. It yields bytes of one content
// after the other, oldest first; lines are the framer's business.
//
// A content is a file's bytes from its creation or last truncation on. When the file is gone from its path, the old
// one is read to its end before the next is opened: `path.1`, `path-20261121` and such are looked through in the order
// of their last change, the path itself last. A truncated file's rest is looked for in the copy that `copytruncate`
// left there. A compressed file cannot be read: what was not read of it counts as lost.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "appliance-agent/sources/source.h"

namespace mimamori::agent::sources {

// An open file, closed when it goes.
class File {
  public:
    File() = default;
    explicit File(int descriptor) : descriptor_(descriptor) {}
    File(File&& other) noexcept : descriptor_(other.descriptor_) { other.descriptor_ = -1; }
    File& operator=(File&& other) noexcept;
    ~File();
    bool is_open() const { return descriptor_ >= 0; }
    int descriptor() const { return descriptor_; }

  private:
    int descriptor_ = -1;
};

enum class TailEvent {
    nothing,  // no byte to read now
    opened,   // another content begins, to be read from `offset()`
    bytes,    // the content goes on by `bytes()`, which end before `offset()`
    ended,    // no more will come of this content
};

class Tail {
  public:
    // `from`: where to go on; without it the file at `path` is read from its beginning.
    Tail(std::string path, std::optional<Checkpoint> from, std::chrono::milliseconds rotate_grace);

    // One step; reads at most `max_bytes`. Failure retry: the file is there but cannot be opened or read.
    base::Expected<TailEvent> next(std::size_t max_bytes, base::Time now);

    const std::string& bytes() const { return block_; }
    const FileIdentity& identity() const { return identity_; }  // of the open content
    std::uint64_t offset() const { return offset_; }
    std::int64_t modified_ns() const { return modified_ns_; }
    bool is_open() const { return file_.is_open(); }

    // Up to `size` bytes of the open content from `offset`, fewer at its end or if it cannot be read.
    std::string read_at(std::uint64_t offset, std::size_t size) const;
    // True if the open content begins with the bytes that `identity` was made of.
    bool begins_like(const FileIdentity& identity) const;

    std::uint64_t rotations() const { return rotations_; }
    std::uint64_t truncations() const { return truncations_; }
    std::uint64_t files_lost() const { return files_lost_; }
    const std::string& last_trouble() const { return last_trouble_; }

  private:
    struct Candidate {
        std::string path;
        struct stat status {};
        bool live = false;  // the path itself
    };
    std::vector<Candidate> candidates() const;  // oldest first, the live file last
    std::optional<Candidate> successor(const struct stat& current) const;
    static base::Expected<File> open(const Candidate& candidate);

    base::Expected<TailEvent> begin(const Candidate& candidate, std::uint64_t generation);
    base::Expected<TailEvent> begin_resumed();
    base::Expected<bool> take_over(const Candidate& candidate, const Checkpoint& at);
    base::Expected<bool> take_over_copy(const Checkpoint& at);
    base::Expected<TailEvent> at_end(const struct stat& current, base::Time now);
    base::Expected<TailEvent> truncated();
    void refresh_head();

    std::string path_;
    std::optional<Checkpoint> from_;
    std::chrono::milliseconds rotate_grace_;
    File file_;
    FileIdentity identity_;
    std::uint64_t offset_ = 0;
    std::int64_t modified_ns_ = 0;
    std::string block_;
    std::optional<Candidate> next_;          // chosen when the content ended
    std::optional<base::Time> still_since_;  // at the end of a content that has a successor
    std::uint64_t rotations_ = 0;
    std::uint64_t truncations_ = 0;
    std::uint64_t files_lost_ = 0;
    std::string last_trouble_;
};

}  // namespace mimamori::agent::sources
