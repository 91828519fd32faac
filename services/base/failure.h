// What a call that leaves the process returns when it did not succeed. The kind says what to do next, the text says
// what happened, for a person on call. No exception crosses store or adapters.
#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace mimamori::base {

enum class FailureKind {
    retry,     // the other side is away or busy: the same call may succeed later
    conflict,  // somebody else was first (fence, compare-and-set, unique key): reload and decide anew
    refused,   // the other side will never accept this: do not repeat it unchanged
    unknown,   // the call may or may not have taken effect: find out before repeating it
    stopping,  // the process is going down
};

struct Failure {
    FailureKind kind;
    std::string what;  // no secrets; may hold attacker-written text, so escape it where it is shown
};

template <class T>
using Expected = tl::expected<T, Failure>;

inline tl::unexpected<Failure> failure(FailureKind kind, std::string what) {
    return tl::unexpected<Failure>{Failure{kind, std::move(what)}};
}

}  // namespace mimamori::base
