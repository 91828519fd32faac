// A source that listens: syslog over UDP (a datagram is a message) or TCP (syslog_stream.h), RFC 3164 and 5424 headers
// alike. No thread: it reads what has arrived when the loop asks.
//
// What can be lost, and where it shows. Nothing here can be read again, so there is no checkpoint; what was read is in
// the spool, and safe, after the loop's next sync.
//   UDP, on the network                      nowhere
//   UDP, the kernel's buffer was full        `datagrams_lost`: the socket's own count (SO_MEMINFO), also when nothing
//                                            arrives afterwards
//   while the agent is down                  UDP: nowhere. TCP: the sender is refused and knows
//   the agent is killed, the power fails     what was read and not synced, and what the kernel held: a turn of the loop
//   the agent is stopped                     nothing that had arrived: it is read first, up to max_stop_bytes
// A full spool stops reading: UDP then overflows and is counted, TCP pushes back.
//
//   read_some:  open the socket, or try again a second after it failed
//               TCP: take waiting connections, up to the bound; read ready ones in turns; end those that are idle
//               UDP: read datagrams
//               each message -> event, block, rejected entry or nothing, as a file's line
#pragma once

#include <algorithm>
#include <map>

#include "appliance-agent/sources/entries.h"
#include "appliance-agent/sources/fields.h"
#include "appliance-agent/sources/syslog_stream.h"
#include "appliance-agent/sources/tail.h"

struct sockaddr_storage;

namespace mimamori::agent::sources {

// A bound socket. Failure: the address cannot be used now (retry), or another program has it (conflict).
base::Expected<File> open_listener(const ListenOptions& listen, const std::string& name);

class SyslogSource final : public Source {
  public:
    static constexpr std::size_t max_stop_bytes = 1 << 20;

    SyslogSource(LineFormat format, SourceOptions options, ListenOptions listen);

    base::Expected<ReadState> read_some(std::size_t max_bytes, base::Time now, std::vector<Produced>& out) override;
    void release_held(std::vector<Produced>& out) override;
    std::optional<Checkpoint> checkpoint() const override { return std::nullopt; }
    void set_lan(std::vector<domain::AddressRange> lan) override { entries_.set_lan(std::move(lan)); }
    int descriptor() const override { return try_again_at_ ? -1 : ready_.descriptor(); }
    SourceStats stats() const override;
    const std::string& id() const override { return options_.id; }

  private:
    struct Connection {
        File socket;
        SyslogStream stream;
        base::Time last;  // when bytes came
    };

    base::Expected<void> open();
    bool watch(int descriptor);
    base::Expected<ReadState> read_ready(std::size_t max_bytes);
    std::size_t read_datagrams(std::size_t max_bytes);
    base::Expected<void> accept_waiting();
    std::size_t read_connection(Connection& connection);  // 0: it has ended
    void end(int descriptor);
    void end_idle();
    void count_lost();
    bool is_allowed(const sockaddr_storage& peer);
    void take(const Frame& frame);
    // Of a message beyond the bound.
    std::size_t kept_bytes() const { return std::min(options_.max_line_bytes, max_rejected_raw_bytes); }

    SourceOptions options_;
    ListenOptions listen_;
    Entries entries_;
    Framer::Sink sink_;
    File ready_;   // epoll: the socket and the connections
    File socket_;  // UDP, or the listening one
    std::map<int, Connection> connections_;
    std::string buffer_;
    std::uint32_t lost_before_ = 0;  // the socket's count, which wraps
    std::optional<base::Time> try_again_at_;
    base::Time now_{};
    std::vector<Produced>* out_ = nullptr;  // of the call that is running
};

}  // namespace mimamori::agent::sources
