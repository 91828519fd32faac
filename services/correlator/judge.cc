#include "correlator/judge.h"

#include <algorithm>

namespace mimamori::correlator {

base::Expected<domain::Verdict> Judge::verdict(const std::shared_ptr<const CompiledPack>& pack,
                                               const domain::DetectionView& detection, domain::Direction direction) {
    return prepare(pack).map([&](domain::PatternMatcher* matcher) {
        return domain::judge(pack->pack, detection, direction, matcher->match(detection.name()));
    });
}

base::Expected<domain::PatternMatcher*> Judge::prepare(const std::shared_ptr<const CompiledPack>& pack) {
    const auto found = std::find_if(prepared_.begin(), prepared_.end(), [&](const auto& p) { return p.pack == pack; });
    if (found != prepared_.end()) {
        prepared_.splice(prepared_.begin(), prepared_, found);
        return prepared_.front().remembering.get();
    }
    auto scanning = adapters::hyperscan::PackMatcher::create(pack->patterns);
    if (!scanning) {
        return tl::unexpected{scanning.error()};
    }
    auto remembering = std::make_unique<domain::RememberingMatcher>(**scanning);
    prepared_.push_front({pack, std::move(*scanning), std::move(remembering)});
    if (prepared_.size() > most_packs) {
        prepared_.pop_back();
    }
    return prepared_.front().remembering.get();
}

}  // namespace mimamori::correlator
