// What the correlator is configured with: section [correlator] and the sections it shares.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "base/failure.h"
#include "correlator/poll_applier.h"
#include "platform/config.h"
#include "store/connection.h"

namespace mimamori::correlator {

struct Settings {
    store::Login login;
    platform::KafkaConfig kafka;
    std::string holder;                        // of this process, in the leases
    std::chrono::milliseconds lease{15'000};
    std::chrono::milliseconds share_interval{1'000};  // between looks at who holds what
    std::chrono::milliseconds pack_interval{1'000};   // between looks for new rule packs
    std::size_t poll_records = 5'000;          // of one transaction
    std::size_t poll_bytes = 8UL << 20U;       // unpacked, of one transaction
    std::size_t poll_entries = 50'000;         // of one transaction
    std::chrono::milliseconds poll_wait{100};
    std::chrono::milliseconds gather{40};      // at least, from a small transaction to the next
    std::size_t fetch_bytes = 32UL << 20U;     // fetched ahead, for each partition held
    ApplierLimits limits;
};

base::Expected<Settings> read_settings(const platform::Config& config);

}  // namespace mimamori::correlator
