#include "appliance-agent/spool/checkpoints.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "appliance-agent/spool/format.h"
#include "appliance-agent/spool/segment.h"

namespace mimamori::agent::spool {
namespace {

// slot: magic(8) number(8) count(1) {index(4) id size(1) id checkpoint size(1) checkpoint}* zeros sum(8)
constexpr std::size_t slot_bytes = 4096;
constexpr std::string_view slot_magic{"MMCHECK1", 8};
constexpr StreamKey slot_key{};  // the checksum's seed: these files belong to no stream
static_assert(17 + Checkpoints::max_sources * (6 + Checkpoints::max_id_bytes + Checkpoints::max_checkpoint_bytes) + 8 <=
              slot_bytes);

std::string number_bytes(std::uint64_t value, std::size_t size) {
    std::string out;
    for (std::size_t i = 0; i < size; ++i) {
        out.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
    }
    return out;
}

std::uint64_t take_number(std::string_view& bytes, std::size_t size) {
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < size; ++i) {
        out |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    }
    bytes.remove_prefix(size);
    return out;
}

std::string take_text(std::string_view& bytes) {
    const auto size = std::min<std::size_t>(take_number(bytes, 1), bytes.size());
    std::string out{bytes.substr(0, size)};
    bytes.remove_prefix(size);
    return out;
}

struct Slot {
    std::uint64_t number = 0;
    std::map<std::string, Checkpoints::Source> sources;
};

std::optional<Slot> slot_from(std::string_view bytes) {
    if (bytes.size() != slot_bytes || !bytes.starts_with(slot_magic)) {
        return std::nullopt;
    }
    auto sum = bytes.substr(slot_bytes - 8);
    if (take_number(sum, 8) != checksum(bytes.substr(0, slot_bytes - 8), slot_key)) {
        return std::nullopt;
    }
    bytes.remove_prefix(slot_magic.size());
    Slot out;
    out.number = take_number(bytes, 8);
    for (auto left = take_number(bytes, 1); left > 0; --left) {
        const auto index = static_cast<std::uint32_t>(take_number(bytes, 4));
        auto id = take_text(bytes);
        out.sources[std::move(id)] = {index, take_text(bytes)};
    }
    return out;
}

}  // namespace

FileResult<Checkpoints> Checkpoints::open(FileSystem& files, const std::string& folder) {
    Checkpoints out;
    const auto path = folder + "/checkpoints";
    auto file = files.open(path, OpenMode::update);
    if (!file && file.error().kind == FileError::Kind::missing) {
        auto made = write_whole(files, folder, path, std::string(2 * slot_bytes, '\0'));
        if (!made) {
            return tl::unexpected{made.error()};
        }
        file = files.open(path, OpenMode::update);
    }
    if (!file) {
        return tl::unexpected{file.error()};
    }
    out.file_ = std::move(*file);
    bool is_used = false;
    std::optional<std::string> newest;
    for (std::size_t i = 0; i < 2; ++i) {
        const auto bytes = read_exactly(*out.file_, i * slot_bytes, slot_bytes);
        is_used = is_used || !bytes || bytes->find_first_not_of('\0') != std::string::npos;
        auto slot = bytes ? slot_from(*bytes) : std::nullopt;
        if (slot && (!newest || slot->number > out.number_)) {
            out.number_ = slot->number;
            out.sources_ = std::move(slot->sources);
            newest = bytes;
        }
    }
    out.was_unreadable_ = is_used && !newest;
    if (newest) {  // an earlier process may have died because this slot's sync failed: it may be in memory alone
        auto safe = out.file_->write(out.number_ % 2 * slot_bytes, *newest).and_then([&] { return out.file_->sync(); });
        if (!safe) {
            return tl::unexpected{safe.error()};
        }
    }
    return out;
}

FileResult<std::uint32_t> Checkpoints::index_of(const std::string& id) {
    if (const auto known = sources_.find(id); known != sources_.end()) {
        return known->second.index;
    }
    if (sources_.size() >= max_sources || id.size() > max_id_bytes) {
        return tl::unexpected{FileError{
            FileError::Kind::broken,
            fmt::format("source \"{}\": at most {} sources, ids of at most {} bytes", id, max_sources, max_id_bytes)}};
    }
    std::uint32_t next = 0;
    for (const auto& [name, source] : sources_) {
        next = std::max(next, source.index + 1);
    }
    sources_[id] = {next, {}};
    changed_ = true;
    return next;
}

void Checkpoints::set(const std::string& id, std::string checkpoint) {
    auto& source = sources_.at(id);
    if (source.checkpoint != checkpoint) {
        source.checkpoint = std::move(checkpoint);
        changed_ = true;
    }
}

FileResult<void> Checkpoints::store() {
    if (!changed_) {
        return {};
    }
    std::string bytes{slot_magic};
    bytes += number_bytes(number_ + 1, 8);
    bytes += number_bytes(sources_.size(), 1);
    for (const auto& [id, source] : sources_) {
        bytes += number_bytes(source.index, 4);
        bytes += number_bytes(id.size(), 1) + id;
        bytes += number_bytes(source.checkpoint.size(), 1) + source.checkpoint;
    }
    bytes.resize(slot_bytes - 8, '\0');
    bytes += number_bytes(checksum(bytes, slot_key), 8);
    const auto slot = (number_ + 1) % 2;
    if (auto stored = file_->write(slot * slot_bytes, bytes).and_then([&] { return file_->sync(); }); !stored) {
        return stored;
    }
    ++number_;
    changed_ = false;
    return {};
}

}  // namespace mimamori::agent::spool
