// What the spool asks of a file system, so that tests can put one in its place that loses, tears and refuses writes at
// any step. Not a general file library: whole paths, one writer, no streams.
//
// What may be relied on after a crash: bytes written before a `sync` that succeeded; names changed before a
// `sync_folder` that succeeded. Anything else may be there, in part or not at all. A rename is seen whole or not at
// all.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

namespace mimamori::agent::spool {

struct FileError {
    enum class Kind {
        no_space,  // ENOSPC, EDQUOT: freeing something helps
        missing,   // ENOENT
        busy,      // a lock that somebody else holds
        broken,    // anything else: what was written since the last sync must be taken as unknown
    };
    Kind kind = Kind::broken;
    std::string what;  // names the file and the reason
};

template <class T>
using FileResult = tl::expected<T, FileError>;

// An open file, closed when it goes. Offsets and sizes are in bytes.
class OpenFile {
  public:
    virtual ~OpenFile() = default;
    // Fills `out` from `offset`, fewer bytes at the file's end; returns how many.
    virtual FileResult<std::size_t> read(std::uint64_t offset, char* out, std::size_t size) = 0;
    virtual FileResult<void> write(std::uint64_t offset, std::string_view bytes) = 0;  // all of it, or an error
    virtual FileResult<void> sync() = 0;                                               // data and size
    virtual FileResult<void> truncate(std::uint64_t size) = 0;
    virtual FileResult<void> reserve(
        std::uint64_t size) = 0;  // room on the disk, so that writing there cannot lack space
    virtual FileResult<std::uint64_t> size() = 0;
};

enum class OpenMode { read, update, create };  // create: new and empty, also where a file is

class FileSystem {
  public:
    virtual ~FileSystem() = default;
    virtual FileResult<std::unique_ptr<OpenFile>> open(const std::string& path, OpenMode mode) = 0;
    virtual FileResult<void> rename(const std::string& from, const std::string& to) = 0;
    virtual FileResult<void> unlink(const std::string& path) = 0;
    virtual FileResult<void> make_folder(
        const std::string& path) = 0;  // its parent is there; no error if it is there too
    virtual FileResult<void> remove_folder(const std::string& path) = 0;  // an empty one
    virtual FileResult<void> sync_folder(const std::string& path) = 0;
    virtual FileResult<std::vector<std::string>> list(
        const std::string& path) = 0;  // names, sorted, without "." and ".."
    // Held until the returned file goes; `busy` if another process holds it.
    virtual FileResult<std::unique_ptr<OpenFile>> lock(const std::string& path) = 0;
};

// The machine's own.
FileSystem& posix_filesystem();

}  // namespace mimamori::agent::spool
