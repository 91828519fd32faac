// The sources' checkpoints, stored together: one file of two slots written in turn, so that a torn write leaves the one
// before. Bytes of a checkpoint are the source's business. It also gives every source the number that its positions
// carry, which stays with the source's id for good.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "appliance-agent/spool/filesystem.h"

namespace mimamori::agent::spool {

class Checkpoints {
  public:
    static constexpr std::size_t max_sources = 30;
    static constexpr std::size_t max_id_bytes = 64;
    static constexpr std::size_t max_checkpoint_bytes = 58;

    struct Source {
        std::uint32_t index = 0;
        std::string checkpoint;  // empty: none yet
        friend bool operator==(const Source&, const Source&) = default;
    };

    // Makes the file if there is none. `folder` is there.
    static FileResult<Checkpoints> open(FileSystem& files, const std::string& folder);

    const std::map<std::string, Source>& sources() const { return sources_; }
    // Where every slot was unreadable: lines may be read a second time.
    bool was_unreadable() const { return was_unreadable_; }

    // The number of this source; a new one is remembered with the next store. Broken if there are too many.
    FileResult<std::uint32_t> index_of(const std::string& id);
    // A change, durable when store() has succeeded; store() does nothing if nothing changed.
    void set(const std::string& id, std::string checkpoint);
    FileResult<void> store();

  private:
    std::unique_ptr<OpenFile> file_;
    std::map<std::string, Source> sources_;
    std::uint64_t number_ = 0;  // of the newest slot
    bool changed_ = false;
    bool was_unreadable_ = false;
};

}  // namespace mimamori::agent::spool
