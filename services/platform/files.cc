#include "platform/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace mimamori::platform {
namespace {

constexpr std::size_t largest_secret = 64 * 1024;

auto refused(const std::string& file, std::string_view why) {
    return base::failure(base::FailureKind::refused, fmt::format("{}: {}", file, why));
}

class Opened {
  public:
    Opened(const std::string& file, int flags, unsigned mode) : fd_{::open(file.c_str(), flags | O_CLOEXEC, mode)} {}
    ~Opened() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    Opened(const Opened&) = delete;
    Opened& operator=(const Opened&) = delete;
    int fd() const { return fd_; }

  private:
    int fd_;
};

base::Expected<std::string> read_all(const std::string& file, int fd, std::size_t max_bytes) {
    std::string text;
    while (text.size() <= max_bytes) {
        const auto at = text.size();
        text.resize(std::min(at + 64 * 1024, max_bytes + 1));
        const auto got = ::read(fd, text.data() + at, text.size() - at);
        if (got < 0 && errno != EINTR) {
            return refused(file, std::strerror(errno));
        }
        text.resize(at + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (got == 0) {
            return text;
        }
    }
    return refused(file, fmt::format("is larger than {} bytes", max_bytes));
}

}  // namespace

base::Expected<std::string> read_secret(const std::string& file) {
    const Opened opened{file, O_RDONLY, 0};
    struct stat facts {};
    if (opened.fd() < 0 || ::fstat(opened.fd(), &facts) != 0) {
        return refused(file, fmt::format("secret file cannot be read: {}", std::strerror(errno)));
    }
    if ((facts.st_mode & S_IRWXO) != 0) {
        return refused(file, "secret file is open to every user of the machine; chmod 600 it");
    }
    auto text = read_all(file, opened.fd(), largest_secret);
    if (text) {
        text->resize(std::min(text->find_first_of("\r\n"), text->size()));
        if (text->empty()) {
            return refused(file, "the first line of the secret file is empty");
        }
    }
    return text;
}

base::Expected<std::string> read_file(const std::string& file, std::size_t max_bytes) {
    const Opened opened{file, O_RDONLY, 0};
    if (opened.fd() < 0) {
        return refused(file, std::strerror(errno));
    }
    return read_all(file, opened.fd(), max_bytes);
}

base::Expected<void> write_new_file(const std::string& file, std::string_view contents, unsigned mode) {
    const Opened opened{file, O_WRONLY | O_CREAT | O_EXCL, mode};
    if (opened.fd() < 0) {
        return refused(file, errno == EEXIST ? "is there already; remove it or name another place" : std::strerror(errno));
    }
    bool written = ::fchmod(opened.fd(), mode) == 0;
    while (written && !contents.empty()) {
        const auto put = ::write(opened.fd(), contents.data(), contents.size());
        written = put > 0 || (put < 0 && errno == EINTR);
        contents.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(put, 0)));
    }
    if (!written || ::fsync(opened.fd()) != 0) {
        const auto failed = refused(file, std::strerror(errno));
        ::unlink(file.c_str());
        return failed;
    }
    return {};
}

}  // namespace mimamori::platform
