// A spool on paper: what the production's spool promises to the delivery protocol, kept in memory with its whole
// history, so that the checks can compare what was stored with what was spooled.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "domain/delivery/agent_link.h"
#include "domain/delivery/chain.h"

namespace mimamori::simulation {

using namespace domain::delivery;

struct Entry {
    std::uint32_t content = 0;  // stands for the payload; never used twice
    EntryKind kind = EntryKind::event;
    Hash128 digest{};
    std::optional<SuspectOf> suspect;  // where it may stand already
};

class SimulatedSpool final : public SpoolView {
  public:
    SpoolId spool_id() const override { return spool_id_; }
    Seq first() const override { return first_; }
    Seq last_durable() const override { return sends_before_fsync_ ? last() : last_durable_; }
    Hash128 h_before(Seq seq) const override { return h_.at(seq - 1); }
    Seq range_start(Seq seq) const override;

    // `sends_before_fsync`: a mutant that passes off as durable what is only assigned.
    void create(Lane lane, const SpoolId& id, bool sends_before_fsync);
    void append(Entry entry);
    void sync() { last_durable_ = last(); }
    bool unsynced() const { return last_durable_ < last(); }
    void lose_unsynced();
    void free_before(Seq seq) { first_ = seq > first_ ? seq : first_; }
    // The entries from `from` on in a new spool, all durable, each marked with the first place it ever had (the others
    // are mutants').
    enum class Marks : std::uint8_t { none, last_place, first_place };
    SimulatedSpool moved(Lane lane, const SpoolId& id, Seq from, Marks marks) const;
    // Inside a damaged range only the gateway knows H: what is left of the range begins at its cursor.
    void adopt(Seq seq, const Hash128& h);
    // Gives the payloads of first..last up; damaged: the digests too.
    void give_up(Seq first, Seq last, bool damaged);

    enum class Form : std::uint8_t { whole, tombstone, damaged };
    Form form(Seq seq) const { return forms_.at(seq - 1); }
    Seq last() const { return entries_.size(); }
    const Entry& entry(Seq seq) const { return entries_.at(seq - 1); }
    Seq range_last(Seq seq) const;  // of the tombstone that holds `seq`

  private:
    SpoolId spool_id_{};
    bool sends_before_fsync_ = false;
    Seq first_ = 1, last_durable_ = 0;
    std::vector<Entry> entries_;  // all ever assigned, freed ones too
    std::vector<Form> forms_;
    std::vector<Seq> range_first_;  // of the tombstone; 0: none
    std::vector<Hash128> h_;        // [seq - 1]: H before seq; one more than entries
};

}  // namespace mimamori::simulation
