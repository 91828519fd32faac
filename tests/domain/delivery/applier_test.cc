#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "domain/delivery/applier.h"
#include "domain/delivery/chain.h"

using namespace mimamori::domain::delivery;
using Decision = Application::Decision;
using Kind = RecordBody::Kind;
using Note = Application::Note;

namespace {

// A stream of ten entries, and what any record about it would say.
struct Stream {
    std::vector<Hash128> digests, h;  // h[n]: after n entries
    explicit Stream(const std::string& timeline = "a", std::size_t common = 0) {
        h.push_back(chain_origin(Lane::normal, SpoolId{1}));
        for (std::size_t n = 1; n <= 10; ++n) {
            digests.push_back(digest_of(EntryKind::event, (n <= common ? "a" : timeline) + std::to_string(n)));
            h.push_back(chain_next(h.back(), n, digests.back()));
        }
    }
    RecordBody body(Kind kind, Seq first, Seq last) const {
        RecordBody out;
        out.kind = kind;
        out.first = first;
        out.last = last;
        if (kind != Kind::gone) {
            out.h_before = h[first - 1];
        }
        if (kind == Kind::entries || kind == Kind::tombstone) {
            out.digests = std::span{digests}.subspan(first - 1, last - first + 1);
        } else {
            out.h_after = h[last];
        }
        return out;
    }
    Cursor at(Seq next) const { return {next, h[next - 1], StreamStatus::open}; }
};

}  // namespace

TEST_CASE("what a record means, given where its stream stands") {
    const Stream ours;
    struct Row {
        const char* sentence;
        Kind kind;
        Seq next, first, last;
        Decision decision;
        Note note;
    };
    const std::vector<Row> rows{
        {"the first batch of a stream", Kind::entries, 1, 1, 3, Decision::apply, Note::none},
        {"the batch that continues it", Kind::entries, 4, 4, 4, Decision::apply, Note::none},
        {"sent twice, wholly known", Kind::entries, 4, 1, 3, Decision::skip_old, Note::none},
        {"overlapping: only the rest is new", Kind::entries, 4, 2, 6, Decision::apply, Note::none},
        {"something is missing in between", Kind::entries, 4, 5, 6, Decision::gap, Note::none},
        {"a tombstone with digests verifies like entries", Kind::tombstone, 4, 2, 6, Decision::apply, Note::none},
        {"a tombstone for what was applied as entries", Kind::tombstone, 4, 1, 3, Decision::skip_old, Note::none},
        {"a damaged range at the cursor", Kind::damaged, 4, 4, 6, Decision::apply, Note::damaged},
        {"a damaged range around the cursor cannot be compared", Kind::damaged, 4, 2, 6, Decision::apply,
         Note::unverified_past},
        {"a damaged range beyond the cursor", Kind::damaged, 4, 5, 6, Decision::gap, Note::none},
        {"gone, from the cursor on", Kind::gone, 4, 4, 6, Decision::apply, Note::gone},
        {"gone, though part of it was replayed", Kind::gone, 4, 2, 6, Decision::apply, Note::gone},
        {"gone, but all of it was replayed", Kind::gone, 4, 1, 3, Decision::skip_old, Note::none},
        {"gone beyond the cursor", Kind::gone, 4, 5, 6, Decision::gap, Note::none},
    };
    for (const auto& row : rows) {
        INFO(row.sentence);
        const auto application = decide(ours.at(row.next), ours.body(row.kind, row.first, row.last));
        CHECK(application.decision == row.decision);
        CHECK(application.note == row.note);
        if (row.decision == Decision::apply) {
            CHECK(application.from == row.next);
            CHECK(application.after == ours.at(row.last + 1));
        }
        auto closed = ours.at(row.next);
        closed.status = StreamStatus::closed;
        CHECK(decide(closed, ours.body(row.kind, row.first, row.last)).decision == Decision::skip_closed);
    }
}

TEST_CASE("a batch of another history closes the stream, wherever the cursor lies in it") {
    const Stream ours;
    const Stream theirs{"b", 3};  // the first three entries are common
    struct Row {
        const char* sentence;
        Kind kind;
        Seq next, first, last;
        Decision decision;
    };
    for (const auto& row : std::vector<Row>{
             {"at its beginning", Kind::entries, 6, 6, 8, Decision::close_stream},
             {"inside it", Kind::entries, 6, 2, 8, Decision::close_stream},
             {"as a tombstone", Kind::tombstone, 6, 2, 8, Decision::close_stream},
             {"as a damaged range that begins at the cursor", Kind::damaged, 6, 6, 8, Decision::close_stream},
             {"only known entries: nothing to compare", Kind::entries, 6, 2, 5, Decision::skip_old},
             {"as long as the cursor lies in the common past", Kind::entries, 4, 2, 8, Decision::apply},
         }) {
        INFO(row.sentence);
        CHECK(decide(ours.at(row.next), theirs.body(row.kind, row.first, row.last)).decision == row.decision);
    }
}

TEST_CASE("what is no range is malformed and moves nothing") {
    const Stream ours;
    auto short_of_digests = ours.body(Kind::entries, 1, 3);
    short_of_digests.last = 4;
    auto backwards = ours.body(Kind::gone, 3, 3);
    backwards.last = 2;
    auto from_zero = ours.body(Kind::gone, 1, 3);
    from_zero.first = 0;
    auto endless = ours.body(Kind::gone, 1, 3);
    endless.last = UINT64_MAX;
    for (const auto& body : {short_of_digests, backwards, from_zero, endless}) {
        CHECK(decide(ours.at(1), body).decision == Decision::malformed);
    }
}

TEST_CASE("however records are cut, doubled and repeated, every entry is applied once and the counters add up") {
    const Stream ours;
    for (std::size_t size = 1; size <= 5; ++size) {
        Cursor cursor = ours.at(1);
        Counters counters;
        std::vector<int> applied(11, 0);
        for (Seq first = 1; first <= 10; ++first) {  // sliding: each record repeats most of the one before
            const Seq last = std::min<Seq>(10, first + size - 1);
            const auto application =
                decide(cursor, ours.body(first % 3 == 0 ? Kind::tombstone : Kind::entries, first, last));
            if (application.decision != Decision::apply) {
                continue;
            }
            for (Seq seq = application.from; seq < application.after.next_seq; ++seq) {
                ++applied[seq];
                counters.add(static_cast<Outcome>(seq % 7));
            }
            cursor = application.after;
            CHECK(counters.sum() == cursor.next_seq - 1);
        }
        CHECK(cursor == ours.at(11));
        CHECK(applied == std::vector<int>{0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
        CHECK(counters.detections + counters.blocks + counters.skipped + counters.rejected + counters.quarantined +
                  counters.tombstoned + counters.gone ==
              10);
    }
}

TEST_CASE("a suspect entry is repeated only if the very same digest stands at its old place") {
    const auto digest = digest_of(EntryKind::event, "x");
    CHECK(is_repeated(digest, digest));
    CHECK_FALSE(is_repeated(digest, digest_of(EntryKind::event, "y")));
    CHECK_FALSE(is_repeated(digest, std::nullopt));
}

TEST_CASE("only a commit that is known to have happened is told to the gateways") {
    CHECK(after_commit(CommitEnd::committed) == AfterCommit::publish_progress);
    CHECK(after_commit(CommitEnd::failed) == AfterCommit::reload);
    CHECK(after_commit(CommitEnd::unknown) == AfterCommit::reload);
    CHECK(after_commit(CommitEnd::fenced) == AfterCommit::give_up_the_partition);
}
