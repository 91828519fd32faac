// The marks of serious signs on devices in one transaction, for the rule of several signs. No I/O: the stored marks are
// told to it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/signs.h"
#include "store/correlator_store.h"

namespace mimamori::correlator {

class SignPlan {
  public:
    // First all marks that will come, to know what to read; then what is stored of them; then the marks in order.
    std::size_t expect(base::CustomerId customer, std::string_view device_key, const domain::SignMark& mark,
                       const domain::SeveralSignsRule& rule);
    const std::vector<store::DeviceRange>& devices() const { return devices_; }
    void stored(std::size_t device, std::string_view sign, base::Time at);

    // True if the mark completes the rule. One that is there already has had its say.
    bool add(std::size_t device, const domain::SignMark& mark, const domain::SeveralSignsRule& rule);

    const std::vector<store::NewSign>& added() const { return added_; }

  private:
    std::map<std::pair<std::int64_t, std::string>, std::size_t> index_;
    std::vector<store::DeviceRange> devices_;
    std::vector<std::set<std::pair<base::Time, std::string>>> marks_;
    std::vector<store::NewSign> added_;
};

}  // namespace mimamori::correlator
