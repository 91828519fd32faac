#include "domain/delivery/applier.h"

#include "domain/delivery/chain.h"

namespace mimamori::domain::delivery {
namespace {

using Decision = Application::Decision;
using Note = Application::Note;
using Kind = RecordBody::Kind;

Application only(Decision decision) {
    return {decision, Note::none, 0, {}};
}

bool has_digests(Kind kind) {
    return kind == Kind::entries || kind == Kind::tombstone;
}

}  // namespace

Application decide(const Cursor& cursor, const RecordBody& body) {
    const bool well_formed = body.first >= 1 && body.last >= body.first && body.last < UINT64_MAX &&
                             (!has_digests(body.kind) || body.digests.size() == body.last - body.first + 1);
    if (!well_formed) {
        return only(Decision::malformed);
    }
    if (cursor.status == StreamStatus::closed) {
        return only(Decision::skip_closed);
    }
    if (body.last < cursor.next_seq) {
        return only(Decision::skip_old);
    }
    if (body.first > cursor.next_seq) {
        return only(Decision::gap);
    }
    const Seq from = cursor.next_seq;
    if (body.kind == Kind::gone) {
        return {Decision::apply, Note::gone, from, {body.last + 1, body.h_after, StreamStatus::open}};
    }
    if (body.kind == Kind::damaged) {
        if (body.first == from && body.h_before != cursor.h) {
            return only(Decision::close_stream);
        }
        const auto note = body.first == from ? Note::damaged : Note::unverified_past;
        return {Decision::apply, note, from, {body.last + 1, body.h_after, StreamStatus::open}};
    }
    // Verify H at the cursor, wherever in the range it lies, then chain on over the new part.
    const auto already = static_cast<std::size_t>(from - body.first);
    const auto h_at_cursor = chain_over(body.h_before, body.first, body.digests.first(already));
    if (h_at_cursor != cursor.h) {
        return only(Decision::close_stream);
    }
    const auto h = chain_over(h_at_cursor, from, body.digests.subspan(already));
    return {Decision::apply, Note::none, from, {body.last + 1, h, StreamStatus::open}};
}

bool is_repeated(const Hash128& digest, const std::optional<Hash128>& stored_digest) {
    return stored_digest && *stored_digest == digest;
}

void Counters::add(Outcome outcome, std::uint64_t count) {
    switch (outcome) {
        case Outcome::detection:
            detections += count;
            break;
        case Outcome::block:
            blocks += count;
            break;
        case Outcome::skipped:
            skipped += count;
            break;
        case Outcome::rejected:
            rejected += count;
            break;
        case Outcome::quarantined:
            quarantined += count;
            break;
        case Outcome::tombstoned:
            tombstoned += count;
            break;
        case Outcome::gone:
            gone += count;
            break;
    }
}

AfterCommit after_commit(CommitEnd end) {
    switch (end) {
        case CommitEnd::committed:
            return AfterCommit::publish_progress;
        case CommitEnd::fenced:
            return AfterCommit::give_up_the_partition;
        case CommitEnd::failed:
        case CommitEnd::unknown:
            break;
    }
    return AfterCommit::reload;
}

}  // namespace mimamori::domain::delivery
