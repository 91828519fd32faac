#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "appliance-agent/spool/filesystem.h"

namespace mimamori::agent::spool {
namespace {

tl::unexpected<FileError> error(const char* action, const std::string& path, int number = errno) {
    const auto kind = number == ENOSPC || number == EDQUOT ? FileError::Kind::no_space
                      : number == ENOENT                   ? FileError::Kind::missing
                      : number == EWOULDBLOCK              ? FileError::Kind::busy
                                                           : FileError::Kind::broken;
    return tl::unexpected{FileError{kind, fmt::format("{} {}: {}", action, path, std::strerror(number))}};
}

// Repeats a call that a signal interrupted.
template <class Call>
auto again(Call call) {
    decltype(call()) result;
    do {
        result = call();
    } while (result < 0 && errno == EINTR);
    return result;
}

class PosixFile final : public OpenFile {
  public:
    PosixFile(int descriptor, std::string path) : descriptor_{descriptor}, path_{std::move(path)} {}
    PosixFile(const PosixFile&) = delete;
    PosixFile& operator=(const PosixFile&) = delete;
    ~PosixFile() override { ::close(descriptor_); }

    FileResult<std::size_t> read(std::uint64_t offset, char* out, std::size_t size) override {
        std::size_t done = 0;
        while (done < size) {
            const auto got =
                again([&] { return ::pread(descriptor_, out + done, size - done, static_cast<off_t>(offset + done)); });
            if (got < 0) {
                return error("cannot read", path_);
            }
            if (got == 0) {
                break;
            }
            done += static_cast<std::size_t>(got);
        }
        return done;
    }

    FileResult<void> write(std::uint64_t offset, std::string_view bytes) override {
        while (!bytes.empty()) {
            const auto put =
                again([&] { return ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
            if (put < 0) {
                return error("cannot write", path_);
            }
            bytes.remove_prefix(static_cast<std::size_t>(put));
            offset += static_cast<std::uint64_t>(put);
        }
        return {};
    }

    FileResult<void> sync() override {
        if (again([&] { return ::fdatasync(descriptor_); }) != 0) {
            return error("cannot sync", path_);
        }
        return {};
    }

    FileResult<void> truncate(std::uint64_t size) override {
        if (again([&] { return ::ftruncate(descriptor_, static_cast<off_t>(size)); }) != 0) {
            return error("cannot cut", path_);
        }
        return {};
    }

    FileResult<void> reserve(std::uint64_t size) override {
        if (const int number = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(size)); number != 0) {
            return error("cannot reserve room for", path_, number);
        }
        return {};
    }

    FileResult<std::uint64_t> size() override {
        struct stat facts {};
        if (::fstat(descriptor_, &facts) != 0) {
            return error("cannot ask the size of", path_);
        }
        return static_cast<std::uint64_t>(facts.st_size);
    }

  private:
    int descriptor_;
    std::string path_;
};

class PosixFileSystem final : public FileSystem {
  public:
    FileResult<std::unique_ptr<OpenFile>> open(const std::string& path, OpenMode mode) override {
        const int flags = mode == OpenMode::read     ? O_RDONLY
                          : mode == OpenMode::update ? O_RDWR
                                                     : O_RDWR | O_CREAT | O_TRUNC;
        const int descriptor = again([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0600); });
        if (descriptor < 0) {
            return error("cannot open", path);
        }
        return std::make_unique<PosixFile>(descriptor, path);
    }

    FileResult<void> rename(const std::string& from, const std::string& to) override {
        return done(::rename(from.c_str(), to.c_str()), "cannot rename", from);
    }
    FileResult<void> unlink(const std::string& path) override {
        return done(::unlink(path.c_str()), "cannot remove", path);
    }
    FileResult<void> make_folder(const std::string& path) override {
        return done(::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST ? -1 : 0, "cannot make folder", path);
    }
    FileResult<void> remove_folder(const std::string& path) override {
        return done(::rmdir(path.c_str()), "cannot remove folder", path);
    }

    FileResult<void> sync_folder(const std::string& path) override {
        const int descriptor = again([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
        if (descriptor < 0) {
            return error("cannot open folder", path);
        }
        const int result = again([&] { return ::fsync(descriptor); });
        const int number = errno;
        ::close(descriptor);
        errno = number;
        return done(result, "cannot sync folder", path);
    }

    FileResult<std::vector<std::string>> list(const std::string& path) override {
        DIR* folder = ::opendir(path.c_str());
        if (folder == nullptr) {
            return error("cannot open folder", path);
        }
        std::vector<std::string> names;
        errno = 0;
        while (const dirent* entry = ::readdir(folder)) {
            const std::string_view name{entry->d_name};
            if (name != "." && name != "..") {
                names.emplace_back(name);
            }
            errno = 0;
        }
        const int number = errno;
        ::closedir(folder);
        if (number != 0) {
            return error("cannot list", path, number);
        }
        std::sort(names.begin(), names.end());
        return names;
    }

    FileResult<std::unique_ptr<OpenFile>> lock(const std::string& path) override {
        const int descriptor = again([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600); });
        if (descriptor < 0) {
            return error("cannot open", path);
        }
        auto file = std::make_unique<PosixFile>(descriptor, path);
        if (again([&] { return ::flock(descriptor, LOCK_EX | LOCK_NB); }) != 0) {
            return error("cannot lock", path);
        }
        return file;
    }

  private:
    static FileResult<void> done(int result, const char* action, const std::string& path) {
        if (result != 0) {
            return error(action, path);
        }
        return {};
    }
};

}  // namespace

FileSystem& posix_filesystem() {
    static PosixFileSystem system;
    return system;
}

}  // namespace mimamori::agent::spool
