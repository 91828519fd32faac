#include <catch2/catch.hpp>

#include "adapters/grpc/messages.h"
#include "raw_peer.h"

using namespace mimamori;
using namespace mimamori::test;
using adapters::grpc::MessageReader;
using Next = MessageReader::Next;

TEST_CASE("messages come out as they were put in, wherever the bytes are cut") {
    std::string all;
    std::vector<std::string> messages;
    for (const std::size_t size : {0UL, 1UL, 4UL, 5UL, 6UL, 300UL, 70'000UL}) {
        messages.emplace_back(size, static_cast<char>('a' + messages.size()));
        all += framed(messages.back());
    }
    for (const std::size_t piece : {1UL, 2UL, 7UL, 4096UL, all.size()}) {
        MessageReader reader{70'000};
        std::vector<std::string> read;
        for (std::size_t at = 0; at < all.size(); at += piece) {
            reader.append(std::string_view{all}.substr(at, piece));
            for (std::string_view message; reader.peek(message) == Next::message; reader.pop()) {
                read.emplace_back(message);
            }
        }
        CHECK(read == messages);
    }
}

TEST_CASE("what is compressed or too long is never passed") {
    std::string_view message;
    MessageReader reader{10};
    CHECK(reader.peek(message) == Next::incomplete);
    SECTION("compressed, said by the first byte") {
        reader.append("\x01");
        CHECK(reader.peek(message) == Next::compressed);
    }
    SECTION("too long, said by the prefix") {
        reader.append(framed(std::string(11, 'x')).substr(0, 5));
        CHECK(reader.peek(message) == Next::too_long);
    }
    SECTION("as long as it may be") {
        reader.append(framed(std::string(10, 'x')));
        CHECK(reader.peek(message) == Next::message);
    }
}
