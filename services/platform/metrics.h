// Numbers for Prometheus. A thin wrap of prometheus-cpp's registry: names start with "mimamori_", times are in seconds,
// and label values come from small fixed sets, never from customers or attackers.
// Look a metric up once and keep the reference (valid as long as Metrics); updating it is lock-free.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace mimamori::platform {

using Labels = std::map<std::string, std::string>;

class Metrics {
  public:
    prometheus::Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
    prometheus::Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
    // `bounds` are the buckets' upper ends, ascending.
    prometheus::Histogram& histogram(const std::string& name, const std::string& help, const std::vector<double>& bounds,
                                     const Labels& labels = {});

    std::string text() const;  // Prometheus text format 0.0.4

  private:
    prometheus::Registry registry_;
};

// Seconds from 1 ms to 60 s: for latencies.
std::vector<double> latency_bounds();

}  // namespace mimamori::platform
