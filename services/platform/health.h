// What /ready answers: a role's checks, each with its reason. Parts report their own state; nobody polls them.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace mimamori::platform {

class Health {
  public:
    // One thing the process needs before it can serve ("postgres", "kafka", "lease"). Not ready until ok() was called.
    class Check {
      public:
        void ok();
        void bad(std::string_view reason);  // one sentence, no secrets

      private:
        friend class Health;
        Check(Health& health, std::string name) : health_{&health}, name_{std::move(name)} {}
        Health* health_;
        std::string name_;
    };
    Check check(std::string name);  // registers it; the handle may be copied and used from any thread

    void stopping();  // from now on not ready, whatever the checks say

    struct Answer {
        bool ready;
        std::string json;  // {"ready":false,"checks":{"postgres":{"ok":false,"reason":"..."}}}
    };
    Answer answer() const;

  private:
    struct State {
        bool ok = false;
        std::string reason = "not started yet";
    };
    mutable std::mutex mutex_;
    std::map<std::string, State> states_;
    bool stopping_ = false;
};

}  // namespace mimamori::platform
