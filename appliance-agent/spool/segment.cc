#include "appliance-agent/spool/segment.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "domain/delivery/chain.h"

namespace mimamori::agent::spool {
namespace {

constexpr std::size_t read_piece_bytes = 64U << 10U;
constexpr std::size_t max_file_bytes = 8U << 20U;

struct Frame {
    FrameHeader header;
    std::vector<Entry> entries;
    std::uint64_t end;
};

std::optional<Frame> frame_at(const std::string& bytes, std::uint64_t offset, const StreamKey& key) {
    const auto rest = std::string_view{bytes}.substr(offset);
    const auto header = frame_header_from(rest, key);
    if (!header || rest.size() < frame_header_bytes + header->body_bytes) {
        return std::nullopt;
    }
    const auto body = rest.substr(frame_header_bytes, header->body_bytes);
    if (checksum(body, key) != header->body_sum) {
        return std::nullopt;
    }
    auto entries = entries_from(body, header->count);
    if (!entries) {
        return std::nullopt;
    }
    return Frame{*header, std::move(*entries), offset + frame_header_bytes + header->body_bytes};
}

// The next good frame of entries from `least` on, at or after `offset`.
std::optional<Frame> next_frame(const std::string& bytes, std::uint64_t offset, Seq least, const StreamKey& key) {
    for (; offset + frame_header_bytes <= bytes.size(); ++offset) {
        if (auto frame = frame_at(bytes, offset, key); frame && frame->header.first >= least) {
            return frame;
        }
    }
    return std::nullopt;
}

}  // namespace

std::string segment_path(const std::string& folder, Seq first) {
    return fmt::format("{}/{:016x}.seg", folder, first);
}

std::optional<Seq> segment_first(const std::string& name) {
    if (name.size() != 20 || !name.ends_with(".seg") || name.find_first_not_of("0123456789abcdef") != 16) {
        return std::nullopt;
    }
    return std::stoull(name.substr(0, 16), nullptr, 16);
}

FileResult<void> write_whole(FileSystem& files, const std::string& folder, const std::string& path,
                             std::string_view bytes) {
    const auto temporary = folder + "/new.tmp";
    auto made = files.open(temporary, OpenMode::create).and_then([&](auto file) -> FileResult<void> {
        return file->write(0, bytes).and_then([&] { return file->sync(); });
    });
    if (!made) {
        (void)files.unlink(temporary);
        return made;
    }
    // From here on the name may be there or not, whatever the reason: nothing that goes on without it would be true.
    return files.rename(temporary, path)
        .and_then([&] { return files.sync_folder(folder); })
        .map_error([](FileError error) {
            error.kind = FileError::Kind::broken;
            return error;
        });
}

FileResult<std::unique_ptr<OpenFile>> open_to_read(FileSystem& files, const std::string& path) {
    auto file = files.open(path, OpenMode::read);
    for (int tries = 1; tries < 3 && !file && file.error().kind == FileError::Kind::broken; ++tries) {
        file = files.open(path, OpenMode::read);
    }
    return file;
}

std::optional<std::string> read_exactly(OpenFile& file, std::uint64_t offset, std::size_t size) {
    std::string out(size, '\0');
    for (int tries = 0; tries < 3; ++tries) {
        if (const auto got = file.read(offset, out.data(), size)) {
            return *got == size ? std::optional{std::move(out)} : std::nullopt;
        }
    }
    return std::nullopt;
}

Whole read_whole(FileSystem& files, const std::string& path) {
    Whole out;
    const auto file = open_to_read(files, path);
    const auto size = file.and_then([](const auto& opened) { return opened->size(); });
    if (!size || *size > max_file_bytes) {
        out.readable = false;
        return out;
    }
    while (out.bytes.size() < *size) {
        const auto piece =
            read_exactly(**file, out.bytes.size(), std::min<std::size_t>(*size - out.bytes.size(), read_piece_bytes));
        if (!piece) {
            out.readable = false;
            break;
        }
        out.bytes += *piece;
    }
    return out;
}

Scan scan_events(const Whole& file, Seq first, const StreamKey& key, bool salvage, const FrameSink& sink) {
    const auto& bytes = file.bytes;
    Scan out;
    out.segment.first = out.segment.next = first;
    out.segment.bytes = bytes.size();
    const auto header = segment_header_from(bytes, key);
    if (header && header->first == first && !header->tombstone) {
        out.segment.h_before = out.h_after = header->h_before;
        out.end = segment_header_bytes;
    } else {
        out.damaged = true;
    }
    std::uint64_t offset = out.end;
    while (offset < bytes.size()) {
        auto frame = out.damaged ? std::nullopt : frame_at(bytes, offset, key);
        if (frame && (frame->header.first != out.segment.next || frame->header.h_before != out.h_after)) {
            frame.reset();
        }
        const bool in_order = frame.has_value();
        if (!frame) {
            frame = next_frame(bytes, out.damaged ? offset : offset + 1, out.segment.next, key);
            out.torn = !frame && !out.damaged;
            out.damaged = out.damaged || frame.has_value();
            if (!frame || !salvage) {
                break;
            }
        }
        if (out.segment.spooled_at_us == 0) {
            out.segment.spooled_at_us = frame->header.spooled_at_us;
        }
        if (in_order) {
            auto seq = out.segment.next;
            for (const auto& entry : frame->entries) {
                out.h_after = delivery::chain_next(out.h_after, seq++, entry.digest);
            }
            out.segment.next = seq;
            out.last_frame = offset;
            out.end = frame->end;
        }
        offset = frame->end;
        sink(frame->header, std::move(frame->entries));
    }
    if (!file.readable) {
        out.damaged = true;
        out.torn = false;
    }
    return out;
}

std::optional<Tombstone> tombstone_from(std::string_view bytes, const StreamKey& key) {
    const auto header = segment_header_from(bytes, key);
    if (!header || !header->tombstone) {
        return std::nullopt;
    }
    const auto count = header->tombstone->entries;
    const auto body = bytes.substr(segment_header_bytes);
    if (body.size() != std::size_t{count} * 17 || checksum(body, key) != header->body_sum) {
        return std::nullopt;
    }
    const auto classes_at = std::size_t{count} * 16;
    return Tombstone{*header->tombstone, std::string{body.substr(0, classes_at)}, std::string{body.substr(classes_at)}};
}

std::vector<Hash128> digests_of(std::string_view bytes) {
    std::vector<Hash128> out(bytes.size() / sizeof(Hash128));
    if (!out.empty()) {
        std::memcpy(out.data(), bytes.data(), out.size() * sizeof(Hash128));
    }
    return out;
}

}  // namespace mimamori::agent::spool
