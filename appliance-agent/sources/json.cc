#include "appliance-agent/sources/json.h"

#include <fmt/format.h>

#include <boost/json/parser.hpp>
#include <boost/json/src.hpp>

namespace mimamori::agent::sources {

tl::expected<const boost::json::object*, std::string> JsonLine::parse(std::string_view text) {
    boost::json::parse_options options;
    options.max_depth = 32;
    options.allow_invalid_utf8 = true;
    std::array<unsigned char, 4096> scratch;
    boost::json::parser parser({}, options, scratch.data(), scratch.size());
    parser.reset(&memory_);
    boost::system::error_code error;
    const std::size_t taken = parser.write(text, error);
    if (error) {
        return tl::unexpected(fmt::format("not JSON: {} at byte {}", error.message(), taken));
    }
    root_ = parser.release();
    if (!root_.is_object()) {
        return tl::unexpected(std::string("not a JSON object"));
    }
    return &root_.get_object();
}

const boost::json::object* object_at(const boost::json::object& from, std::string_view name) {
    const auto* value = from.if_contains(name);
    return value == nullptr ? nullptr : value->if_object();
}

std::string_view text_at(const boost::json::object& from, std::string_view name) {
    const auto* value = from.if_contains(name);
    const auto* text = value == nullptr ? nullptr : value->if_string();
    return text == nullptr ? std::string_view{} : std::string_view{text->data(), text->size()};
}

std::optional<std::uint64_t> number_at(const boost::json::object& from, std::string_view name) {
    const auto* value = from.if_contains(name);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (const auto* number = value->if_uint64()) {
        return *number;
    }
    const auto* number = value->if_int64();
    return number == nullptr || *number < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(*number));
}

}  // namespace mimamori::agent::sources
