// Defects that are built in on purpose, so that the faults journey can show that it finds them: a check that never
// failed proves nothing. Only the executables mimamori-faulty and mimamori-agent-faulty are compiled with
// MIMAMORI_SEEDED_FAULTS; in every other program seeded_fault() is constant false and the defect is not in the binary.
#pragma once

#include <string_view>

#ifdef MIMAMORI_SEEDED_FAULTS
#include <chrono>
#include <cstdlib>
#include <functional>
#include <thread>
#endif

namespace mimamori::base {

#ifdef MIMAMORI_SEEDED_FAULTS
// The environment names one defect.
inline bool seeded_fault(std::string_view name) {
    static const char* const chosen = std::getenv("MIMAMORI_SEEDED_FAULT");
    return chosen != nullptr && name == chosen;
}
// Wide enough that a few dozen kills hit a defect's window.
inline void in_seeded_window() {
    std::this_thread::sleep_for(std::chrono::milliseconds{200});
}
// What the thread does before its next commit; the argument is the caller's own.
inline thread_local std::function<void(const void*)> seeded_before_commit;
#else
constexpr bool seeded_fault(std::string_view) {
    return false;
}
#endif

}  // namespace mimamori::base
