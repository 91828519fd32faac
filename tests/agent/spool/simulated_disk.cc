#include "agent/spool/simulated_disk.h"

#include <algorithm>
#include <stdexcept>

namespace mimamori::agent::spool {
namespace {

constexpr std::size_t sector_bytes = 512;

auto missing(const std::string& path) {
    return tl::unexpected{FileError{FileError::Kind::missing, "no such file: " + path}};
}

}  // namespace

class SimulatedDisk::Handle final : public OpenFile {
  public:
    Handle(SimulatedDisk& disk, std::shared_ptr<File> file, std::string path, bool locks)
        : disk_{disk}, file_{std::move(file)}, path_{std::move(path)}, locks_{locks} {}
    ~Handle() override {
        if (locks_) {
            disk_.locked_.erase(path_);
        }
    }

    FileResult<std::size_t> read(std::uint64_t offset, char* out, std::size_t size) override {
        if (auto error = disk_.step(false, "read " + path_)) {
            return tl::unexpected{*error};
        }
        const auto begin = std::min<std::uint64_t>(offset, file_->current.size());
        return file_->current.copy(out, size, begin);
    }

    FileResult<void> write(std::uint64_t offset, std::string_view bytes) override {
        auto error = disk_.step(true, "write " + path_);
        if (!error && disk_.lacks_room(*file_, offset + bytes.size())) {
            error = FileError{FileError::Kind::no_space, "no space: " + path_};
        }
        if (error) {  // some of it may have been written
            bytes = bytes.substr(0, disk_.random(bytes.size() + 1));
            while (!bytes.empty() && disk_.lacks_room(*file_, offset + bytes.size())) {
                bytes = bytes.substr(0, bytes.size() / 2);
            }
        }
        change({false, offset, std::string{bytes}});
        return error ? FileResult<void>{tl::unexpected{*error}} : FileResult<void>{};
    }

    FileResult<void> sync() override {
        if (auto error = disk_.step(true, "sync " + path_)) {
            // As the kernel does it: what could not be written is taken for written; nobody will try again.
            for (const auto& change : std::exchange(file_->changes, {})) {
                if (disk_.random(2) == 0) {
                    apply(file_->durable, change);
                }
            }
            return tl::unexpected{*error};
        }
        if (disk_.lie_ == Lie::file_sync) {
            return {};
        }
        for (const auto& change : std::exchange(file_->changes, {})) {
            apply(file_->durable, change);
        }
        return {};
    }

    FileResult<void> truncate(std::uint64_t size) override {
        if (auto error = disk_.step(false, "truncate " + path_)) {
            return tl::unexpected{*error};
        }
        change({true, size, {}});
        file_->reserved = std::min(file_->reserved, size);
        return {};
    }

    FileResult<void> reserve(std::uint64_t size) override {
        auto error = disk_.step(true, "reserve " + path_);
        if (!error && disk_.lacks_room(*file_, size)) {
            error = FileError{FileError::Kind::no_space, "no space: " + path_};
        }
        if (error) {
            return tl::unexpected{*error};
        }
        file_->reserved = size;
        change({true, size, {}});
        return {};
    }

    FileResult<std::uint64_t> size() override { return file_->current.size(); }

  private:
    void change(Change change) {
        apply(file_->current, change);
        file_->changes.push_back(std::move(change));
    }
    SimulatedDisk& disk_;
    std::shared_ptr<File> file_;
    std::string path_;
    bool locks_;
};

void SimulatedDisk::apply(std::string& content, const Change& change) {
    if (change.is_truncation) {
        content.resize(change.offset, '\0');
    } else {
        content.resize(std::max<std::size_t>(content.size(), change.offset + change.bytes.size()), '\0');
        content.replace(change.offset, change.bytes.size(), change.bytes);
    }
}

void SimulatedDisk::apply(Names& names, const NameChange& change) {
    if (change.removed) {
        names.erase(*change.removed);
    }
    if (change.added) {
        names[*change.added] = change.file;
    }
}

void SimulatedDisk::make_durable(std::size_t change) {
    auto& wanted = name_changes_[change];
    if (wanted.is_durable) {
        return;
    }
    const auto concerns = [&](const std::optional<std::string>& name) {
        return name && (name == wanted.removed || name == wanted.added);
    };
    for (std::size_t i = 0; i < change; ++i) {
        if (concerns(name_changes_[i].removed) || concerns(name_changes_[i].added)) {
            make_durable(i);
        }
    }
    apply(durable_names_, wanted);
    wanted.is_durable = true;
}

std::optional<FileError> SimulatedDisk::step(bool needs_room, const std::string& what) {
    ++steps_;
    if (crash_at_ && steps_ > *crash_at_) {
        throw Crash{};
    }
    if (fail_at_ && steps_ > *fail_at_) {
        const bool fails =
            fail_kind_ != FileError::Kind::no_space ? steps_ == *fail_at_ + 1 : needs_room && steps_ <= *fail_at_ + 3;
        if (fails) {
            return FileError{fail_kind_, "made to fail: " + what};
        }
    }
    return std::nullopt;
}

bool SimulatedDisk::lacks_room(const File& file, std::uint64_t size) const {
    const auto had = std::max<std::uint64_t>(file.reserved, file.current.size());
    return capacity_ && size > had && used() + size - had > *capacity_;
}

std::uint64_t SimulatedDisk::used() const {
    std::set<const File*> files;
    std::uint64_t sum = 0;
    for (const auto& [path, file] : names_) {
        if (file && files.insert(file.get()).second) {
            sum += std::max<std::uint64_t>(file->reserved, file->current.size());
        }
    }
    return sum;
}

void SimulatedDisk::restart() {
    // Names: the journal ends somewhere, or any part of it is missing.
    const bool in_order = random(2) == 0;
    const auto kept = random(name_changes_.size() + 1);
    for (std::size_t i = 0; i < name_changes_.size(); ++i) {
        if (in_order ? i < kept : random(2) == 0) {
            make_durable(i);
        }
    }
    name_changes_.clear();
    names_ = durable_names_;
    // Bytes: any sectors of any write.
    std::set<File*> files;
    for (const auto& [path, file] : names_) {
        if (!file || !files.insert(file.get()).second) {
            continue;
        }
        for (const auto& change : std::exchange(file->changes, {})) {
            if (change.is_truncation) {
                if (random(2) == 0) {
                    apply(file->durable, change);
                }
                continue;
            }
            const auto luck = random(4);  // all, none, or some sectors
            for (std::size_t at = 0; at < change.bytes.size();) {
                const auto size =
                    std::min(change.bytes.size() - at, sector_bytes - (change.offset + at) % sector_bytes);
                if (luck == 0 || (luck > 1 && random(2) == 0)) {
                    apply(file->durable, {false, change.offset + at, change.bytes.substr(at, size)});
                }
                at += size;
            }
        }
        file->current = file->durable;
        file->reserved = std::min<std::uint64_t>(file->reserved, file->current.size());
    }
    locked_.clear();
    crash_at_.reset();
    fail_at_.reset();
}

std::vector<std::string> SimulatedDisk::paths() const {
    std::vector<std::string> out;
    for (const auto& [path, file] : names_) {
        if (file) {
            out.push_back(path);
        }
    }
    return out;
}

std::string& SimulatedDisk::content(const std::string& path) {
    auto& file = *names_.at(path);
    if (!file.changes.empty()) {
        throw std::logic_error("damage a file only after a restart");
    }
    return file.current;
}

void SimulatedDisk::remove(const std::string& path) {
    names_.erase(path);
    durable_names_.erase(path);
}

SimulatedDisk SimulatedDisk::image() const {
    SimulatedDisk out{1};
    for (const auto& [path, file] : names_) {
        out.names_[path] =
            file ? std::make_shared<File>(File{file->current, file->current, {}, file->reserved}) : nullptr;
    }
    out.durable_names_ = out.names_;
    return out;
}

void SimulatedDisk::change_names(NameChange change) {
    apply(names_, change);
    name_changes_.push_back(std::move(change));
}

FileResult<std::unique_ptr<OpenFile>> SimulatedDisk::open(const std::string& path, OpenMode mode) {
    if (auto error = step(mode == OpenMode::create, "open " + path)) {
        return tl::unexpected{*error};
    }
    const auto found = names_.find(path);
    const bool is_there = found != names_.end() && found->second;
    if (mode == OpenMode::create) {
        if (is_there) {
            found->second->changes.push_back({true, 0, {}});
            found->second->current.clear();
            found->second->reserved = 0;
            return std::make_unique<Handle>(*this, found->second, path, false);
        }
        if (!names_.contains(folder_of(path))) {
            return missing(path);
        }
        auto file = std::make_shared<File>();
        change_names({{folder_of(path)}, std::nullopt, path, file});
        return std::make_unique<Handle>(*this, file, path, false);
    }
    if (!is_there) {
        return missing(path);
    }
    return std::make_unique<Handle>(*this, found->second, path, false);
}

FileResult<void> SimulatedDisk::rename(const std::string& from, const std::string& to) {
    if (auto error = step(false, "rename " + from)) {
        return tl::unexpected{*error};
    }
    const auto found = names_.find(from);
    if (found == names_.end()) {
        return missing(from);
    }
    change_names({{folder_of(from), folder_of(to)}, from, to, found->second});
    return {};
}

FileResult<void> SimulatedDisk::unlink(const std::string& path) {
    if (auto error = step(false, "unlink " + path)) {
        return tl::unexpected{*error};
    }
    if (!names_.contains(path)) {
        return missing(path);
    }
    change_names({{folder_of(path)}, path, std::nullopt, nullptr});
    return {};
}

FileResult<void> SimulatedDisk::make_folder(const std::string& path) {
    if (auto error = step(true, "make folder " + path)) {
        return tl::unexpected{*error};
    }
    if (!names_.contains(path)) {
        change_names({{folder_of(path)}, std::nullopt, path, nullptr});
    }
    return {};
}

FileResult<void> SimulatedDisk::remove_folder(const std::string& path) {
    if (auto error = step(false, "remove folder " + path)) {
        return tl::unexpected{*error};
    }
    for (const auto& [name, file] : names_) {
        if (folder_of(name) == path) {
            return tl::unexpected{FileError{FileError::Kind::broken, "not empty: " + path}};
        }
    }
    change_names({{folder_of(path)}, path, std::nullopt, nullptr});
    return {};
}

FileResult<void> SimulatedDisk::sync_folder(const std::string& path) {
    if (auto error = step(true, "sync folder " + path)) {
        return tl::unexpected{*error};
    }
    if (lie_ == Lie::folder_sync) {
        return {};
    }
    const auto folder = path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
    for (std::size_t i = 0; i < name_changes_.size(); ++i) {
        if (name_changes_[i].folders.contains(folder)) {
            make_durable(i);
        }
    }
    std::erase_if(name_changes_, [](const NameChange& change) { return change.is_durable; });
    return {};
}

FileResult<std::vector<std::string>> SimulatedDisk::list(const std::string& path) {
    if (auto error = step(false, "list " + path)) {
        return tl::unexpected{*error};
    }
    if (!names_.contains(path)) {
        return missing(path);
    }
    std::vector<std::string> out;
    for (const auto& [name, file] : names_) {
        if (!name.empty() && folder_of(name) == path && name != path) {
            out.push_back(name.substr(path.size() + 1));
        }
    }
    return out;
}

FileResult<std::unique_ptr<OpenFile>> SimulatedDisk::lock(const std::string& path) {
    if (auto error = step(true, "lock " + path)) {
        return tl::unexpected{*error};
    }
    if (!locked_.insert(path).second) {
        return tl::unexpected{FileError{FileError::Kind::busy, "locked: " + path}};
    }
    return std::make_unique<Handle>(*this, std::make_shared<File>(), path, true);
}

}  // namespace mimamori::agent::spool
