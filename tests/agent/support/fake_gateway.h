// A gateway, log, correlator and database in one process: the product's own listener and session rules, and in place of
// Kafka and PostgreSQL a map that applies batches as a correlator would. Tests steer what goes wrong.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "adapters/grpc/uplink_server.h"
#include "domain/delivery/applier.h"
#include "domain/delivery/gateway_session.h"
#include "domain/delivery/partition_view.h"
#include "support/test_certificates.h"

namespace mimamori::test {

namespace delivery = domain::delivery;
namespace pb = uplink::v1;

// How long a condition is waited for: only what hangs comes here, however slow the machine.
inline constexpr std::chrono::seconds hang_guard{240};

struct StoredStream {
    delivery::Lane lane = delivery::Lane::normal;
    delivery::Cursor cursor;
    std::map<delivery::Seq, pb::Entry> entries;
    std::map<delivery::Seq, std::pair<std::uint8_t, std::string>> tombstoned;  // class and digest
    std::vector<std::pair<delivery::Seq, delivery::Seq>> damaged, gone;
};

class FakeGateway final : private adapters::grpc::StreamEvents {
  public:
    using Streams = std::map<delivery::SpoolId, StoredStream>;

    FakeGateway(const TestAuthority& authority, const TemporaryFolder& folder, int port = 0);
    ~FakeGateway() override;
    FakeGateway(const FakeGateway&) = delete;
    FakeGateway& operator=(const FakeGateway&) = delete;

    int port() const { return server_->port(); }
    std::string address() const { return "127.0.0.1:" + std::to_string(port()); }

    delivery::SessionLimits limits;       // before the first connection
    std::vector<std::string> lan_ranges;  // likewise
    std::int64_t clock_ahead_us = 0;      // likewise
    bool answers_hello = true;            // likewise
    bool reads_on = true;                 // likewise; after a batch

    void hold_settling(bool hold);  // batches are stored in the log only; released ones are applied in order
    void lose_batches(int count);   // the next ones vanish from the log after it acknowledged them
    void refuse_hellos(int count);  // as if the certificate were unknown
    void cut();                     // ends every stream
    void change(const std::function<void(Streams&)>& change);  // the database, behind everybody's back

    Streams streams() const;
    std::size_t stored_entries() const;  // of all streams
    std::optional<StoredStream> stream(delivery::Lane lane) const;  // the newest that is open, of this lane
    std::vector<std::string> stored_payloads() const;  // of all streams, those skipped as repeated left out
    int hellos() const;
    std::vector<pb::Hello> all_hellos() const;
    std::vector<pb::Batch> batches() const;  // as received
    std::vector<pb::Heartbeat> heartbeats() const;
    std::vector<std::string> refusals() const;  // what the agent did against the protocol

    // True once `holds` is; checked whenever something has happened.
    bool wait(const std::function<bool(const FakeGateway&)>& holds,
              std::chrono::seconds limit = hang_guard) const;

  private:
    struct Session {
        std::shared_ptr<adapters::grpc::Stream> stream;
        delivery::GatewaySession machine;
    };
    struct Logged {
        std::uint64_t session;
        delivery::Lane lane;
        pb::AgentFrame frame;
    };
    void on_opened(const std::shared_ptr<adapters::grpc::Stream>& stream) override;
    void on_frame(adapters::grpc::Stream& stream, pb::AgentFrame&& frame) override;
    void on_closed(adapters::grpc::Stream& stream) override;

    void on_hello(Session& session, const pb::Hello& hello);
    void on_batch(Session& session, std::uint64_t id, pb::AgentFrame&& frame);
    void perform(Session& session, const delivery::Actions& actions);
    delivery::GatewaySession::LaneCursors cursors_of(const Session& session) const;
    void apply(const pb::AgentFrame& frame);
    void apply_log();
    void refuse(Session& session, std::string why);

    mutable std::recursive_mutex mutex_;
    mutable std::condition_variable_any changed_;
    adapters::grpc::DenyList deny_list_;
    std::unique_ptr<adapters::grpc::UplinkServer> server_;
    std::map<std::uint64_t, Session> sessions_;
    Streams streams_;
    std::vector<delivery::SpoolId> opened_;  // streams in the order in which they were first named
    std::vector<Logged> log_;
    std::size_t applied_ = 0;
    delivery::PartitionView partition_{delivery::Generation{7}};
    bool holding_ = false;
    int to_lose_ = 0, to_refuse_ = 0;
    std::vector<pb::Hello> hellos_;
    std::vector<pb::Batch> batches_;
    std::vector<pb::Heartbeat> heartbeats_;
    std::vector<std::string> refusals_;
};

}  // namespace mimamori::test
