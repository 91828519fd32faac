// One stream to one gateway over gRPC: frames out, frames in, one of each in flight. Whoever owns it works in one
// thread and is woken when there is news. Not the protocol: that is uplink.h's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "appliance-agent/uplink/certificates.h"
#include "mimamori/uplink/v1/uplink.pb.h"

namespace mimamori::agent::uplink {

namespace pb = ::mimamori::uplink::v1;

struct Ended {
    bool refused = false;  // by the gateway, for what we are or sent: the same again would be refused again
    std::string what;      // for the operator
};

class Connection {
  public:
    // Begins to connect at once. `server_name` replaces the address's host when the certificate is checked; empty: it
    // does not. `wake` is called from other threads whenever there is something new to ask for.
    Connection(const std::string& address, const std::string& server_name, const Identity& identity,
               std::function<void()> wake);
    ~Connection();  // ends the stream and waits until gRPC is done with it
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    bool can_write() const;
    void write(pb::AgentFrame frame);  // only when can_write()

    std::optional<pb::GatewayFrame> take();  // the next frame; the one after it is read from now on
    std::optional<Ended> ended() const;      // and nothing more to take

  private:
    class Reactor;
    std::unique_ptr<Reactor> reactor_;
};

// Errors of gRPC itself go to `log`, for the whole process; without it gRPC writes to stderr.
void route_grpc_log(std::function<void(const std::string& text)> log);

}  // namespace mimamori::agent::uplink
