// The outbox's rules: when a mail is tried again and when it is given up.
#include <catch2/catch.hpp>

#include "domain/mail_delivery.h"

using namespace mimamori;
using domain::DeliveryDecision;
using domain::DeliveryState;
using domain::SendOutcome;
using End = SendOutcome::End;
using Next = DeliveryDecision::Next;
using Alarm = DeliveryDecision::Alarm;
using namespace std::chrono_literals;

TEST_CASE("how an attempt ends decides what becomes of the mail") {
    const auto start = base::time_from_us(1'775'611'800'000'000);
    struct Row {
        const char* sentence;
        End end;
        int data_attempts;
        std::chrono::seconds age;
        Next next;
        Alarm alarm;
    };
    const Row rows[] = {
        {"accepted is the end of it", End::accepted, 1, 0s, Next::sent, Alarm::none},
        {"a refused connection is tried again in silence at first", End::later, 0, 1min, Next::retry, Alarm::none},
        {"after 15 minutes the operator hears of it", End::later, 0, 15min, Next::retry, Alarm::relay_slow},
        {"just before 15 minutes not yet", End::later, 0, 15min - 1s, Next::retry, Alarm::none},
        {"a relay that says later for 48 hours is given up, loudly", End::later, 0, 48h, Next::give_up, Alarm::too_old},
        {"a minute before 48 hours it is still tried", End::later, 0, 48h - 1min, Next::retry, Alarm::relay_slow},
        {"never means never, at the first attempt", End::never, 1, 0s, Next::give_up, Alarm::refused_for_good},
        {"a lost reply after the dot is tried again: twice is better than never", End::in_doubt, 1, 0s, Next::retry, Alarm::none},
        {"the fourth attempt that reached DATA may be followed by a fifth", End::in_doubt, 4, 0s, Next::retry, Alarm::none},
        {"after the fifth nothing is sent again", End::in_doubt, 5, 0s, Next::give_up, Alarm::attempts_used_up},
        {"five attempts that reached DATA and were told later are also enough", End::later, 5, 0s, Next::give_up, Alarm::attempts_used_up},
    };
    for (const auto& row : rows) {
        INFO(row.sentence);
        const DeliveryState state{.attempts = row.data_attempts + 1, .data_attempts = row.data_attempts, .created_at = start, .first_attempt_at = start};
        const auto decision = domain::after_attempt(state, {row.end, false, ""}, start + row.age, 0.5);
        CHECK(decision.next == row.next);
        CHECK(decision.alarm == row.alarm);
    }
}

TEST_CASE("pauses double from 30 seconds to 15 minutes and jitter takes at most half off") {
    const auto start = base::time_from_us(0);
    base::Micros before{0};
    for (int attempts = 1; attempts <= 12; ++attempts) {
        const DeliveryState state{.attempts = attempts, .data_attempts = 0, .created_at = start, .first_attempt_at = start};
        const auto longest = domain::after_attempt(state, {End::later, false, ""}, start, 0.0).retry_at - start;
        const auto shortest = domain::after_attempt(state, {End::later, false, ""}, start, 1.0).retry_at - start;
        CHECK(longest >= before);
        CHECK(longest >= 30s);
        CHECK(longest <= 15min);
        CHECK(shortest * 2 == longest);
        before = longest;
    }
    CHECK(before == 15min);
}
