#include "appliance-agent/sources/tail.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace mimamori::agent::sources {
namespace {

constexpr std::size_t head_bytes = 256;

std::int64_t modified_ns_of(const struct stat& status) {
    return static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec;
}

bool is_same_file(const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool is_file_of(const struct stat& status, const FileIdentity& identity) {
    return status.st_dev == identity.device && status.st_ino == identity.inode;
}

std::string read_block(int descriptor, std::uint64_t offset, std::size_t size, int* error = nullptr) {
    std::string out(size, '\0');
    std::size_t filled = 0;
    while (filled < size) {
        const auto got = ::pread(descriptor, out.data() + filled, size - filled, static_cast<off_t>(offset + filled));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && error != nullptr) {
            *error = errno;
        }
        if (got <= 0) {
            break;
        }
        filled += static_cast<std::size_t>(got);
    }
    out.resize(filled);
    return out;
}

std::uint64_t hash_of(std::string_view bytes) {
    return XXH3_64bits(bytes.data(), bytes.size());
}

bool head_matches(int descriptor, const FileIdentity& identity) {
    const auto head = read_block(descriptor, 0, std::min<std::size_t>(identity.head_length, head_bytes));
    return head.size() == identity.head_length && (head.empty() || hash_of(head) == identity.head_hash);
}

// What rotation appends to a log's name: a number or a date. Not ".gz", not ".bak".
bool is_rotation_suffix(std::string_view suffix) {
    return suffix.size() > 1 && (suffix.front() == '.' || suffix.front() == '-') &&
           suffix.find_first_not_of("0123456789-_.T", 1) == std::string_view::npos &&
           suffix.find_first_of("0123456789") != std::string_view::npos;
}

// Orders files of the same age: ".2" is older than ".1", "-20261121" is older than "-20261122".
std::int64_t rank_of(std::string_view suffix) {
    const auto number = std::strtoll(std::string(suffix.substr(1)).c_str(), nullptr, 10);
    return number < 100'000 ? -number : number;
}

base::Failure cannot(std::string_view what, const std::string& path, int error) {
    return {base::FailureKind::retry, fmt::format("cannot {} {}: {}", what, path, std::strerror(error))};
}

}  // namespace

File& File::operator=(File&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
}

File::~File() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

Tail::Tail(std::string path, std::optional<Checkpoint> from, std::chrono::milliseconds rotate_grace)
    : path_(std::move(path)), from_(from), rotate_grace_(rotate_grace) {
    if (from_) {
        identity_ = from_->file;
        offset_ = from_->offset;
        modified_ns_ = from_->modified_ns;
    }
}

std::vector<Tail::Candidate> Tail::candidates() const {
    std::vector<Candidate> out;
    const auto slash = path_.rfind('/');
    const auto folder = slash == std::string::npos ? std::string(".") : path_.substr(0, slash + 1);
    const auto name = slash == std::string::npos ? path_ : path_.substr(slash + 1);
    if (DIR* listing = ::opendir(folder.c_str())) {
        while (const auto* entry = ::readdir(listing)) {
            const std::string_view found = entry->d_name;
            Candidate candidate{.path = folder + "/" + entry->d_name, .status = {}, .live = false};
            if (found.starts_with(name) && is_rotation_suffix(found.substr(name.size())) &&
                ::stat(candidate.path.c_str(), &candidate.status) == 0 && S_ISREG(candidate.status.st_mode)) {
                out.push_back(std::move(candidate));
            }
        }
        ::closedir(listing);
    }
    const auto prefix = folder.size() + 1 + name.size();
    std::sort(out.begin(), out.end(), [&](const Candidate& a, const Candidate& b) {
        const auto age_a = modified_ns_of(a.status);
        const auto age_b = modified_ns_of(b.status);
        const std::string_view path_a = a.path;
        const std::string_view path_b = b.path;
        return age_a != age_b ? age_a < age_b : rank_of(path_a.substr(prefix)) < rank_of(path_b.substr(prefix));
    });
    Candidate live{.path = path_, .status = {}, .live = true};
    if (::stat(path_.c_str(), &live.status) == 0) {
        out.push_back(std::move(live));
    }
    return out;
}

// The content after `current`; none while `current` is still the live file or nothing newer has a byte.
std::optional<Tail::Candidate> Tail::successor(const struct stat& current) const {
    struct stat live {};
    if (::stat(path_.c_str(), &live) == 0 && is_same_file(live, current)) {
        return std::nullopt;
    }
    const auto all = candidates();
    const auto here =
        std::find_if(all.begin(), all.end(), [&](const auto& c) { return is_same_file(c.status, current); });
    const auto next = std::find_if(here == all.end() ? all.begin() : here + 1, all.end(), [&](const auto& c) {
        const bool newer = here != all.end() || c.live || modified_ns_of(c.status) > modified_ns_of(current);
        return newer && c.status.st_size > 0;
    });
    return next == all.end() ? std::nullopt : std::optional(*next);
}

base::Expected<File> Tail::open(const Candidate& candidate) {
    File file(::open(candidate.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat status {};
    if (!file.is_open() || ::fstat(file.descriptor(), &status) != 0) {
        return tl::unexpected(cannot("open", candidate.path, errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return base::failure(base::FailureKind::refused,
                             fmt::format("{} is not a regular file: name the detector's log file", candidate.path));
    }
    if (!is_same_file(status, candidate.status)) {
        return base::failure(base::FailureKind::retry,
                             fmt::format("{} was rotated while being opened", candidate.path));
    }
    return file;
}

base::Expected<TailEvent> Tail::begin(const Candidate& candidate, std::uint64_t generation) {
    auto file = open(candidate);
    if (!file) {
        return tl::unexpected(file.error());
    }
    file_ = std::move(*file);
    identity_ = {.device = candidate.status.st_dev,
                 .inode = candidate.status.st_ino,
                 .generation = generation,
                 .head_length = 0,
                 .head_hash = 0};
    offset_ = 0;
    modified_ns_ = modified_ns_of(candidate.status);
    still_since_.reset();
    refresh_head();
    return TailEvent::opened;
}

// Goes on in `candidate` at `at` if it holds the same content and that much of it.
base::Expected<bool> Tail::take_over(const Candidate& candidate, const Checkpoint& at) {
    if (static_cast<std::uint64_t>(candidate.status.st_size) < at.offset) {
        return false;
    }
    auto file = open(candidate);
    if (!file) {
        return tl::unexpected(file.error());
    }
    if (!head_matches(file->descriptor(), at.file)) {
        return false;
    }
    file_ = std::move(*file);
    identity_ = at.file;
    identity_.device = candidate.status.st_dev;
    identity_.inode = candidate.status.st_ino;
    offset_ = at.offset;
    modified_ns_ = modified_ns_of(candidate.status);
    still_since_.reset();
    return true;
}

base::Expected<bool> Tail::take_over_copy(const Checkpoint& at) {
    if (at.file.head_length == 0 || at.offset == 0) {
        return false;
    }
    for (const auto& candidate : candidates()) {
        const auto taken = take_over(candidate, at);
        if (!taken || *taken) {
            return taken;
        }
    }
    return false;
}

base::Expected<TailEvent> Tail::begin_resumed() {
    const auto at = *from_;
    const auto all = candidates();
    bool cut = false;  // the file is there, but not its content
    for (const auto& candidate : all) {
        if (is_file_of(candidate.status, at.file)) {
            const auto taken = take_over(candidate, at);
            if (!taken) {
                return tl::unexpected(taken.error());
            }
            if (*taken) {
                from_.reset();
                return TailEvent::opened;
            }
            cut = true;
        }
    }
    const auto copied = take_over_copy(at);
    if (!copied) {
        return tl::unexpected(copied.error());
    }
    if (*copied) {
        ++truncations_;
        from_.reset();
        return TailEvent::opened;
    }
    const auto next = std::find_if(all.begin(), all.end(), [&](const auto& c) {
        return c.live || (c.status.st_size > 0 && modified_ns_of(c.status) > at.modified_ns);
    });
    if (next == all.end()) {
        return TailEvent::nothing;
    }
    const auto begun = begin(*next, at.file.generation + 1);
    if (begun) {
        from_.reset();
        ++(cut ? truncations_ : files_lost_);
        last_trouble_ = fmt::format("{}: the content read up to byte {} is gone ({}); what followed there is lost",
                                    path_, at.offset, cut ? "truncated" : "deleted, compressed or replaced");
    }
    return begun;
}

base::Expected<TailEvent> Tail::at_end(const struct stat& current, base::Time now) {
    const auto next = successor(current);
    if (!next) {
        still_since_.reset();
        return TailEvent::nothing;
    }
    if (!still_since_) {
        still_since_ = now;
    }
    if (now - *still_since_ < rotate_grace_) {
        return TailEvent::nothing;
    }
    next_ = next;
    return TailEvent::ended;
}

base::Expected<TailEvent> Tail::truncated() {
    block_.clear();
    const Checkpoint here{.file = identity_, .offset = offset_, .modified_ns = modified_ns_};
    const auto copied = take_over_copy(here);
    if (!copied) {
        return tl::unexpected(copied.error());
    }
    if (*copied) {
        ++truncations_;
        return TailEvent::bytes;  // none yet: the same content goes on in its copy
    }
    file_ = File{};
    from_ = here;
    return TailEvent::ended;
}

base::Expected<TailEvent> Tail::next(std::size_t max_bytes, base::Time now) {
    block_.clear();
    if (next_) {
        const auto candidate = *next_;
        next_.reset();
        const auto begun = begin(candidate, identity_.generation + 1);
        if (begun) {
            ++rotations_;
        }
        return begun;
    }
    if (from_) {
        return begin_resumed();
    }
    if (!file_.is_open()) {
        Candidate live{.path = path_, .status = {}, .live = true};
        if (::stat(path_.c_str(), &live.status) != 0) {
            return errno == ENOENT ? base::Expected<TailEvent>{TailEvent::nothing}
                                   : tl::unexpected(cannot("look at", path_, errno));
        }
        return begin(live, 0);
    }
    int error = 0;
    block_ = read_block(file_.descriptor(), offset_, max_bytes, &error);
    struct stat current {};
    if (error == 0 && ::fstat(file_.descriptor(), &current) != 0) {
        error = errno;
    }
    if (error != 0) {
        block_.clear();
        return tl::unexpected(cannot("read", path_, error));
    }
    if (static_cast<std::uint64_t>(current.st_size) < offset_ + block_.size() || !begins_like(identity_)) {
        return truncated();
    }
    if (block_.empty()) {
        return at_end(current, now);
    }
    offset_ += block_.size();
    modified_ns_ = modified_ns_of(current);
    still_since_.reset();
    refresh_head();
    return TailEvent::bytes;
}

// Hashes more of the beginning while it is short, but only of the content that is being read.
void Tail::refresh_head() {
    if (identity_.head_length >= head_bytes) {
        return;
    }
    const auto head = read_block(file_.descriptor(), 0, head_bytes);
    const auto known = std::string_view(head).substr(0, identity_.head_length);
    if (head.size() > identity_.head_length && (known.empty() || hash_of(known) == identity_.head_hash)) {
        identity_.head_length = static_cast<std::uint32_t>(head.size());
        identity_.head_hash = hash_of(head);
    }
}

std::string Tail::read_at(std::uint64_t offset, std::size_t size) const {
    return read_block(file_.descriptor(), offset, size);
}

bool Tail::begins_like(const FileIdentity& identity) const {
    return file_.is_open() && head_matches(file_.descriptor(), identity);
}

}  // namespace mimamori::agent::sources
