#include "bench/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace mimamori::bench {

// Below 64 each number has its own bucket; above, the six bits after the highest one choose it.
std::size_t Histogram::bucket_of(std::uint64_t us) {
    if (us < (1U << sub_bits)) {
        return us;
    }
    const auto shift = static_cast<unsigned>(std::bit_width(us)) - 1U - sub_bits;
    return std::min<std::size_t>(((shift + 1U) << sub_bits) + ((us >> shift) & ((1U << sub_bits) - 1U)), buckets - 1);
}

std::uint64_t Histogram::upper_edge(std::size_t bucket) {
    const auto group = bucket >> sub_bits;
    if (group == 0) {
        return bucket;
    }
    const std::uint64_t within = (bucket & ((1U << sub_bits) - 1U)) | (1U << sub_bits);
    return ((within + 1) << (group - 1)) - 1;
}

void Histogram::add(std::int64_t us) {
    us = std::max<std::int64_t>(us, 0);
    ++counts_[bucket_of(static_cast<std::uint64_t>(us))];
    ++count_;
    max_ = std::max(max_, us);
}

void Histogram::add(const Histogram& other) {
    for (std::size_t i = 0; i < buckets; ++i) {
        counts_[i] += other.counts_[i];
    }
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
}

std::int64_t Histogram::at(double quantile) const {
    const auto wanted = static_cast<std::uint64_t>(std::ceil(quantile * static_cast<double>(count_)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets; ++i) {
        seen += counts_[i];
        if (seen >= wanted && counts_[i] > 0) {
            return std::min(static_cast<std::int64_t>(upper_edge(i)), max_);
        }
    }
    return 0;
}

}  // namespace mimamori::bench
