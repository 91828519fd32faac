// JSON as detectors write it, parsed within bounds: depth 32, one object, text that need not be good UTF-8.
// The only place of the agent that compiles Boost.JSON.
#pragma once

#include <array>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace mimamori::agent::sources {

// Owns the memory of one parsed line; small lines need no allocation.
class JsonLine {
  public:
    JsonLine() : memory_(first_.data(), first_.size()) {}
    JsonLine(const JsonLine&) = delete;
    JsonLine& operator=(const JsonLine&) = delete;

    // The object in `text`, valid while this lives; else what is wrong with it, in one line.
    tl::expected<const boost::json::object*, std::string> parse(std::string_view text);

  private:
    std::array<unsigned char, 8192> first_;
    boost::json::monotonic_resource memory_;
    boost::json::value root_;
};

// Members by name and type; null, empty or nothing where there is none of that type.
const boost::json::object* object_at(const boost::json::object& from, std::string_view name);
std::string_view text_at(const boost::json::object& from, std::string_view name);
std::optional<std::uint64_t> number_at(const boost::json::object& from, std::string_view name);

}  // namespace mimamori::agent::sources
