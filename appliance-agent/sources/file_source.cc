#include "appliance-agent/sources/file_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "appliance-agent/sources/fields.h"

namespace mimamori::agent::sources {
namespace {

constexpr std::size_t read_bytes = 64 << 10;

bool is_json(LineFormat format) {
    return format == LineFormat::native || format == LineFormat::suricata_eve;
}

bool is_covered(const Position& position, const Checkpoint& by) {
    return position.file.generation < by.file.generation ||
           (position.file.generation == by.file.generation && position.offset < by.offset);
}

}  // namespace

std::unique_ptr<Source> follow_file(LineFormat format, SourceOptions options, std::optional<Checkpoint> from,
                                    const std::vector<Position>& spooled) {
    return std::make_unique<FileSource>(format, std::move(options), from, spooled);
}

FileSource::FileSource(LineFormat format, SourceOptions options, std::optional<Checkpoint> from,
                       std::vector<Position> spooled)
    : format_(format),
      options_(std::move(options)),
      entries_(format, options_),
      from_(from),
      first_sight_(!from),
      tail_(options_.path, from, options_.rotate_grace),
      framer_(is_json(format) ? Framing::objects : Framing::lines, options_.max_line_bytes, max_rejected_raw_bytes),
      facts_(options_.max_flows, options_.max_flow_bytes) {
    for (auto& position : spooled) {
        if (position.source_index == options_.index && !(from && is_covered(position, *from))) {
            spooled_.push_back(position);
        }
    }
}

base::Expected<ReadState> FileSource::read_some(std::size_t max_bytes, base::Time now, std::vector<Produced>& out) {
    now_ = now;
    out_ = &out;
    const auto sink = [this](const Frame& frame) { take(frame); };
    auto left = std::max<std::size_t>(max_bytes, 1);
    while (left > 0) {
        const auto event = tail_.next(std::min(left, read_bytes), now);
        if (!event) {
            entries_.stats.last_trouble = event.error().what;
            hand_out(false);
            return tl::unexpected(event.error());
        }
        switch (*event) {
            case TailEvent::nothing:
                hand_out(false);
                return ReadState::caught_up;
            case TailEvent::opened:
                begin_content();
                if (std::exchange(first_sight_, false)) {
                    return ReadState::more;  // its checkpoint must be stored before anything is spooled
                }
                break;
            case TailEvent::ended:
                framer_.finish(sink);
                break;
            case TailEvent::bytes:
                framer_.feed(tail_.bytes(), sink);
                entries_.stats.bytes += tail_.bytes().size();
                left -= tail_.bytes().size();
                break;
        }
    }
    hand_out(false);
    return ReadState::more;
}

void FileSource::release_held(std::vector<Produced>& out) {
    out_ = &out;
    hand_out(true);
}

std::optional<Checkpoint> FileSource::checkpoint() const {
    if (from_) {
        return from_;
    }
    if (!queue_.empty()) {
        const auto& first = queue_.front();
        return Checkpoint{
            .file = first.entry.position.file, .offset = first.entry.position.offset, .modified_ns = first.modified_ns};
    }
    if (tail_.identity() == FileIdentity{}) {
        return std::nullopt;
    }
    return Checkpoint{.file = tail_.identity(), .offset = framer_.settled_offset(), .modified_ns = tail_.modified_ns()};
}

SourceStats FileSource::stats() const {
    auto out = entries_.stats;
    out.rotations = tail_.rotations();
    out.truncations = tail_.truncations();
    out.files_lost = tail_.files_lost();
    out.held = waiting_;
    if (!tail_.last_trouble().empty()) {
        out.last_trouble = tail_.last_trouble();
    }
    return out;
}

void FileSource::begin_content() {
    from_.reset();
    framer_.restart(tail_.offset());
    // The same content may have been known by shorter beginnings while it was short.
    std::map<std::pair<std::uint32_t, std::uint64_t>, bool> is_this_content;
    to_skip_.clear();
    for (const auto& position : spooled_) {
        if (position.file.generation != tail_.identity().generation) {
            continue;
        }
        const auto [known, is_new] = is_this_content.try_emplace({position.file.head_length, position.file.head_hash});
        if (is_new) {
            known->second = tail_.begins_like(position.file);
        }
        if (known->second) {
            to_skip_.insert(position.offset);
        }
    }
    std::erase_if(spooled_, [&](const auto& p) { return p.file.generation <= tail_.identity().generation; });
    if (format_ == LineFormat::suricata_eve && tail_.offset() > 0) {
        warm_up();
    }
}

// Facts that lines before the checkpoint told, for alerts after it.
void FileSource::warm_up() {
    const auto size = std::min<std::uint64_t>(tail_.offset(), options_.warm_up_bytes);
    const auto start = tail_.offset() - size;
    const auto before = tail_.read_at(start, static_cast<std::size_t>(size));
    std::string_view lines = before;
    if (start > 0) {
        lines.remove_prefix(std::min(lines.find('\n'), lines.size()));
    }
    Framer framer(Framing::objects, options_.max_line_bytes, max_rejected_raw_bytes);
    framer.restart(start);
    framer.feed(lines, [&](const Frame& frame) {
        if (frame.fault == FrameFault::none) {
            auto event = parse_eve(frame.text, options_.assumed_utc_offset);
            if (event && event->flow_id && event->fact) {
                facts_.note(*event->flow_id, *std::move(event->fact));
            }
        }
    });
}

void FileSource::take(const Frame& frame) {
    ++entries_.stats.lines;
    if (to_skip_.contains(frame.offset)) {
        ++entries_.stats.already_spooled;
        return;
    }
    switch (frame.fault) {
        case FrameFault::none:
            if (format_ == LineFormat::suricata_eve) {
                take_eve(frame);
            } else if (auto entry = entries_.of_line(frame.text, frame.size)) {
                push(queued_at(frame, *std::move(entry)));
            }
            break;
        case FrameFault::not_an_object:
            reject(frame, "not a JSON object: the line does not begin with a brace");
            break;
        case FrameFault::bad_count:
        case FrameFault::broken_off:
            reject(frame, "broken off: the line or the file ends inside the object");
            break;
        case FrameFault::too_long:
            ++entries_.stats.overlong;
            reject(frame, fmt::format("longer than {} bytes", options_.max_line_bytes));
            break;
    }
}

void FileSource::take_eve(const Frame& frame) {
    auto event = parse_eve(frame.text, options_.assumed_utc_offset);
    if (!event) {
        reject(frame, event.error());
    } else if (event->alert) {
        take_alert(frame, *std::move(event));
    } else {
        ++entries_.stats.skipped;
        if (event->flow_id && event->fact) {
            complete_waiting(*event->flow_id, *event->fact);
            facts_.note(*event->flow_id, *std::move(event->fact));
        }
    }
}

void FileSource::take_alert(const Frame& frame, EveEvent event) {
    auto queued = queued_at(frame, Produced{});
    queued.waiting = std::move(event.alert);
    queued.flow_id = event.flow_id.value_or(0);
    if (const auto* facts = event.flow_id ? facts_.of(*event.flow_id) : nullptr) {
        for (auto fact = facts->rbegin(); fact != facts->rend(); ++fact) {
            queued.joined = add_fact(*queued.waiting, *fact) || queued.joined;
        }
    }
    if (event.flow_id && lacks_companion(*queued.waiting)) {
        queued.deadline = now_ + options_.hold;
        queued.bytes = queued.waiting->raw.size() + sizeof(Queued);
        ++waiting_;
    } else {
        finish(queued);
    }
    push(std::move(queued));
}

void FileSource::complete_waiting(std::uint64_t flow_id, const EveFact& fact) {
    if (waiting_ == 0) {
        return;
    }
    for (auto& queued : queue_) {
        if (queued.waiting && queued.flow_id == flow_id) {
            queued.joined = add_fact(*queued.waiting, fact) || queued.joined;
            if (!lacks_companion(*queued.waiting)) {
                --waiting_;
                finish(queued);
            }
        }
    }
}

void FileSource::reject(const Frame& frame, std::string_view reason) {
    push(queued_at(frame, entries_.rejected(frame.text, frame.size, frame.fault == FrameFault::too_long, reason)));
}

// Makes the entry of an alert that waits no longer.
void FileSource::finish(Queued& queued) {
    auto detection = to_detection(*queued.waiting, entries_.lan());
    entries_.stats.joined += queued.joined ? 1 : 0;
    queued.waiting.reset();
    const auto position = queued.entry.position;
    queued.entry = entries_.event(detection);
    queued.entry.position = position;
}

FileSource::Queued FileSource::queued_at(const Frame& frame, Produced entry) const {
    Queued queued;
    queued.entry = std::move(entry);
    queued.entry.position = {.source_index = options_.index, .file = tail_.identity(), .offset = frame.offset};
    queued.modified_ns = tail_.modified_ns();
    return queued;
}

void FileSource::push(Queued queued) {
    queued.bytes = std::max(queued.bytes, queued.entry.payload.size() + sizeof(Queued));
    queued_bytes_ += queued.bytes;
    queue_.push_back(std::move(queued));
    hand_out(false);
}

void FileSource::hand_out(bool all) {
    while (!queue_.empty()) {
        auto& first = queue_.front();
        if (first.waiting) {
            const bool full = waiting_ > options_.max_held || queue_.size() > options_.max_queued ||
                              queued_bytes_ > options_.max_queued_bytes;
            if (!all && !full && now_ < first.deadline) {
                return;
            }
            ++entries_.stats.join_expired;
            --waiting_;
            finish(first);
        }
        queued_bytes_ -= first.bytes;
        out_->push_back(std::move(first.entry));
        queue_.pop_front();
    }
}

}  // namespace mimamori::agent::sources
