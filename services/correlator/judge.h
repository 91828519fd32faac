// Judges detections by compiled packs. One per worker thread: holds the matchers' working memory and what they said of names.
#pragma once

#include <list>
#include <memory>

#include "correlator/rule_packs.h"
#include "domain/pattern_matcher.h"
#include "domain/severity.h"

namespace mimamori::correlator {

class Judge {
  public:
    // The verdict points into `pack`.
    base::Expected<domain::Verdict> verdict(const std::shared_ptr<const CompiledPack>& pack,
                                            const domain::DetectionView& detection, domain::Direction direction);

    static constexpr std::size_t most_packs = 3;  // prepared at once; the one used longest ago goes

  private:
    struct Prepared {
        std::shared_ptr<const CompiledPack> pack;
        std::unique_ptr<adapters::hyperscan::PackMatcher> scanning;
        std::unique_ptr<domain::RememberingMatcher> remembering;
    };
    base::Expected<domain::PatternMatcher*> prepare(const std::shared_ptr<const CompiledPack>& pack);

    std::list<Prepared> prepared_;  // the latest used first
};

}  // namespace mimamori::correlator
