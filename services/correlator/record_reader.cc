#include "correlator/record_reader.h"

#include <algorithm>
#include <cstring>

#include "domain/delivery/chain.h"

namespace mimamori::correlator {

using adapters::wire::Body;
using domain::delivery::RecordBody;

RecordBody OpenedRecord::body() const {
    RecordBody out;
    out.first = view.first;
    out.last = view.last;
    switch (view.body) {
        case Body::gone:
            out.kind = RecordBody::Kind::gone;
            out.h_after = view.hash;
            return out;
        case Body::tombstone:
            out.kind = view.tombstone.digests.empty() ? RecordBody::Kind::damaged : RecordBody::Kind::tombstone;
            out.h_after = view.tombstone.h_after;
            break;
        default: out.kind = RecordBody::Kind::entries;
    }
    out.h_before = view.hash;
    out.digests = digests;
    return out;
}

OpenedRecord RecordReader::open(const LogRecord& record) {
    OpenedRecord out;
    out.offset = record.offset;
    auto view = adapters::wire::decode_log_record(record.value);
    if (!view) {
        out.state = OpenedRecord::State::unreadable;
        out.problem = view.error();
        return out;
    }
    out.view = *view;
    const auto bad_batch = [&](std::string_view problem) {
        out.state = OpenedRecord::State::bad_batch;
        out.problem = problem;
        out.entries.clear();
        out.digests.clear();
        return std::move(out);
    };
    const auto range = out.view.last - out.view.first + 1;
    if (out.view.body == Body::tombstone && !out.view.tombstone.digests.empty()) {
        const auto digests = out.view.tombstone.digests;
        if (digests.size() % 16 != 0 || digests.size() / 16 != range ||
            (!out.view.tombstone.classes.empty() && out.view.tombstone.classes.size() != range)) {
            return bad_batch("a tombstone without a digest or class for each entry");
        }
        out.digests.resize(range);
        std::memcpy(out.digests.data(), digests.data(), digests.size());
    }
    if (out.view.body == Body::entries) {
        const auto count = out.view.entries.count;
        if (count != range || count > most_entries) {
            return bad_batch("a count of entries that is not the range's, or above the limit");
        }
        out.unpacked_ = std::make_unique<std::string>();
        auto list = unpacker_.unpack(out.view.entries, *out.unpacked_);
        if (!list) {
            return bad_batch(list.error());
        }
        if (auto decoded = adapters::wire::decode_entries(*list, count, out.entries); !decoded) {
            return bad_batch(decoded.error());
        }
        out.digests.reserve(out.entries.size());
        for (const auto& entry : out.entries) {
            out.digests.push_back(
                domain::delivery::digest_of(static_cast<domain::delivery::EntryKind>(entry.kind), entry.payload));
        }
    }
    return out;
}

domain::delivery::RecordId record_id_of(std::string_view value) {
    const auto view = adapters::wire::decode_log_record(value);
    return view ? view->record_id : domain::delivery::digest_of(domain::delivery::EntryKind{0}, value);
}

base::Time record_time(const LogRecord& record) {
    const auto view = adapters::wire::decode_log_record(record.value);
    return base::time_from_us(view ? view->received_at_us : 0);
}

RecordSize size_of(std::string_view value) {
    const auto view = adapters::wire::decode_log_record(value);
    if (!view || view->body != Body::entries) {
        return {value.size(), 1};
    }
    return {value.size() + std::min<std::size_t>(view->entries.raw_size, adapters::wire::largest_batch),
            std::max<std::size_t>(1, std::min(view->entries.count, RecordReader::most_entries))};
}

}  // namespace mimamori::correlator
