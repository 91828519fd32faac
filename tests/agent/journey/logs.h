// What the journeys write into the agent's logs, and how what arrived is told.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>

#include "agent/support/fake_gateway.h"

namespace mimamori::test {

void append(const std::string& path, const std::string& text);
std::string content_of(const std::filesystem::path& path);  // empty: no such file

// Every seventh is a virus going out (urgent), every fifth a block, every eleventh cannot be read; the rest intrusions.
std::string line_of(int number);

std::size_t stored(const FakeGateway& gateway);
int number_of(const pb::Entry& entry);  // of the line that a stored entry was made from
std::multiset<int> stored_numbers(const FakeGateway& gateway);
std::multiset<int> each_once(int first, int last);

// Waits until it holds, looking again and again: of another process, as it is, files and /proc tell nobody of a change.
bool comes_true(const std::function<bool()>& holds);
bool comes_to_say(const std::string& path, const std::string& text);

}  // namespace mimamori::test
