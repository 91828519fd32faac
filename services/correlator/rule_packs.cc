#include "correlator/rule_packs.h"

#include <algorithm>

#include <fmt/format.h>

#include "adapters/pack_yaml/pack_yaml.h"
#include "correlator/events.h"
#include "domain/rule_pack_check.h"
#include "store/alarms.h"
#include "store/correlator_store.h"

namespace mimamori::correlator {

PackSet::Answer PackSet::in_force(base::Time received_at) const {
    const auto at = domain::version_in_force(versions_, received_at);
    if (!at) {
        return {};
    }
    const auto id = versions_[*at].id;
    if (const auto found = compiled_.find(id); found != compiled_.end()) {
        return {Why::ready, id, found->second};
    }
    return {unusable_.contains(id) ? Why::unusable : Why::not_compiled, id, nullptr};
}

RulePacks::RulePacks(platform::Events& events) : events_{events}, current_{std::make_shared<const PackSet>()} {}

std::shared_ptr<const PackSet> RulePacks::current() const {
    const std::lock_guard lock{mutex_};
    return current_;
}

void RulePacks::want(std::int64_t id) {
    const std::lock_guard lock{mutex_};
    if (id != 0) {
        std::erase(wanted_, id);
        wanted_.push_back(id);
        if (wanted_.size() > most_wanted) {
            wanted_.erase(wanted_.begin());
        }
    }
    wish_ = true;
    wished_.notify_all();
}

void RulePacks::wait_for_wish(std::stop_token stop, std::chrono::milliseconds time) {
    std::unique_lock lock{mutex_};
    wished_.wait_for(lock, stop, time, [&] { return wish_; });
    wish_ = false;
}

base::Expected<void> RulePacks::refresh(store::Connection& connection, base::Time now) {
    auto rows = store::read_packs(connection);
    if (!rows) {
        return tl::unexpected{rows.error()};
    }
    const auto before = current();
    PackSet next;
    for (const auto& row : *rows) {
        next.versions_.push_back({row.id, row.effective_from});
        next.newest_ = std::max(next.newest_, row.id);
    }
    std::set<std::int64_t> needed;
    if (const auto at = domain::version_in_force(next.versions_, now)) {
        needed.insert(next.versions_[*at].id);
    }
    for (const auto& version : next.versions_) {
        if (version.effective_from > now) {
            needed.insert(version.id);
        }
    }
    {
        const std::lock_guard lock{mutex_};
        for (const auto id : wanted_) {
            if (std::any_of(next.versions_.begin(), next.versions_.end(), [&](const auto& v) { return v.id == id; })) {
                needed.insert(id);
            }
        }
    }
    for (const auto id : needed) {
        if (const auto found = before->compiled_.find(id); found != before->compiled_.end()) {
            next.compiled_.insert(*found);
        } else if (before->unusable_.contains(id)) {
            next.unusable_.insert(id);
        } else if (auto compiled = compile(connection, id, next); !compiled) {
            return compiled;
        }
    }
    const std::lock_guard lock{mutex_};
    current_ = std::make_shared<const PackSet>(std::move(next));
    return {};
}

base::Expected<void> RulePacks::compile(store::Connection& connection, std::int64_t id, PackSet& next) {
    auto text = store::read_pack(connection, id);
    if (!text) {
        return tl::unexpected{text.error()};
    }
    auto pack = adapters::pack_yaml::read_rule_pack(text->content);
    if (!pack) {
        return unusable(connection, id, domain::to_text(pack.error().front()), next);
    }
    if (const auto defects = domain::check_rule_pack(*pack); !defects.empty()) {
        return unusable(connection, id, domain::to_text(defects.front()), next);
    }
    auto patterns = adapters::hyperscan::CompiledPatterns::compile(*pack);
    if (!patterns) {
        return unusable(connection, id, domain::to_text(patterns.error().front()), next);
    }
    next.compiled_[id] = std::make_shared<const CompiledPack>(CompiledPack{id, std::move(*pack), std::move(*patterns)});
    events_.emit(rule_pack_ready, {{"pack", id}, {"version", text->version}});
    return {};
}

base::Expected<void> RulePacks::unusable(store::Connection& connection, std::int64_t id, const std::string& why, PackSet& next) {
    next.unusable_.insert(id);
    events_.emit(rule_pack_unusable, {{"pack", id}, {"detail", why}});
    return store::raise_alarm(connection, rule_pack_unusable.id, fmt::format("pack {}", id), why);
}

}  // namespace mimamori::correlator
