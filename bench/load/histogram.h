// Times in microseconds, counted in buckets of less than 2 % width: bounded memory, exact counts. Not a sampler.
#pragma once

#include <array>
#include <cstdint>

namespace mimamori::bench {

class Histogram {
  public:
    void add(std::int64_t us);
    void add(const Histogram& other);
    std::uint64_t count() const { return count_; }
    std::int64_t max() const { return max_; }
    // The upper edge of the bucket in which the share `quantile` of all times lies; 0 without times.
    std::int64_t at(double quantile) const;

  private:
    static constexpr unsigned sub_bits = 6;                                    // 64 buckets for each power of two
    static constexpr std::size_t buckets = (40U - sub_bits + 1U) << sub_bits;  // up to 2^40 us, 12 days
    static std::size_t bucket_of(std::uint64_t us);
    static std::uint64_t upper_edge(std::size_t bucket);
    std::array<std::uint64_t, buckets> counts_{};
    std::uint64_t count_ = 0;
    std::int64_t max_ = 0;
};

}  // namespace mimamori::bench
