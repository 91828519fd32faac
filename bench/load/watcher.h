// Looks at the streams' cursors in PostgreSQL every few milliseconds. A cursor moves in the transaction that writes the
// rows before it, so that a row is visible to others when its stream's cursor is: later than in truth by at most one
// look.
#pragma once

#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/failure.h"
#include "bench/load/driver.h"
#include "store/connection.h"

namespace mimamori::bench {

class Watcher {
  public:
    static base::Expected<std::unique_ptr<Watcher>> start(const Options& options,
                                                          const std::vector<std::unique_ptr<Driver>>& drivers);
    ~Watcher();
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

  private:
    struct Stream {
        std::size_t driver, appliance;
        delivery::Lane lane;
        delivery::Seq seen = 1;
    };
    Watcher(const Options& options, const std::vector<std::unique_ptr<Driver>>& drivers, store::Connection connection);
    void run(std::stop_token stop);

    const Options& options_;
    const std::vector<std::unique_ptr<Driver>>& drivers_;
    store::Connection connection_;
    std::map<std::string, Stream, std::less<>> streams_;  // by spool id, as PostgreSQL writes it
    std::jthread thread_;
};

}  // namespace mimamori::bench
