#include "appliance-agent/uplink/connection.h"

#include <grpc/support/log.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/client_callback.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "mimamori/uplink/v1/uplink.grpc.pb.h"

namespace mimamori::agent::uplink {
namespace {

// gRPC 1.51 has no setting for the lowest TLS version. The one suite of TLS 1.2 here needs an RSA certificate; the
// gateways' are ECDSA, so that only TLS 1.3 finds a common suite.
constexpr const char* tls13_only_suites =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-RSA-AES256-GCM-SHA384";
constexpr int max_frame_bytes = 256 << 10;

std::shared_ptr<grpc::Channel> channel_to(const std::string& address, const std::string& server_name,
                                          const Identity& identity) {
    ::setenv("GRPC_SSL_CIPHER_SUITES", tls13_only_suites, 1);  // gRPC reads it once, at the first use of TLS
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = identity.ca_pem;
    tls.pem_cert_chain = identity.certificate_pem;
    tls.pem_private_key = identity.key_pem;
    grpc::ChannelArguments arguments;
    if (!server_name.empty()) {
        arguments.SetSslTargetNameOverride(server_name);
    }
    arguments.SetMaxReceiveMessageSize(max_frame_bytes);
    arguments.SetCompressionAlgorithm(GRPC_COMPRESS_NONE);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // windows stay small
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // no back-off of gRPC's own is inherited
    arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    return grpc::CreateCustomChannel(address, grpc::SslCredentials(tls), arguments);
}

Ended ended_of(const grpc::Status& status) {
    using grpc::StatusCode;
    const auto code = status.error_code();
    const bool refused = code == StatusCode::INVALID_ARGUMENT || code == StatusCode::PERMISSION_DENIED ||
                         code == StatusCode::UNAUTHENTICATED;
    return {refused, fmt::format("gRPC status {}: {}", static_cast<int>(code), status.error_message())};
}

struct GrpcLog {
    std::mutex mutex;  // threads of gRPC may outlive every connection
    std::function<void(const std::string&)> write;
};

GrpcLog& grpc_log() {
    static auto& log = *new GrpcLog;  // and the end of main
    return log;
}

}  // namespace

void route_grpc_log(std::function<void(const std::string& text)> log) {
    {
        const std::lock_guard lock{grpc_log().mutex};
        grpc_log().write = std::move(log);
    }
    gpr_set_log_function([](gpr_log_func_args* args) {
        if (args->severity == GPR_LOG_SEVERITY_ERROR) {
            const std::lock_guard lock{grpc_log().mutex};
            if (grpc_log().write) {
                grpc_log().write(args->message);
            }
        }
    });
}

// A hold keeps gRPC from ending the call while we may still begin a read or a write; it is given back once, when the
// stream has failed or is being closed. The reactor is never destroyed on a thread of gRPC's: with the last channel of the
// process go gRPC's callback threads, and a thread that waits for its own end aborts the process.
class Connection::Reactor final : public grpc::ClientBidiReactor<pb::AgentFrame, pb::GatewayFrame> {
  public:
    Reactor(std::shared_ptr<grpc::Channel> channel, std::function<void()> wake)
        : channel_{std::move(channel)}, stub_{pb::Uplink::NewStub(channel_)}, wake_{std::move(wake)} {}

    void open() {
        stub_->async()->Connect(&context_, this);
        AddHold();
        StartRead(&incoming_);
        StartCall();
    }

    bool can_write() const {
        const std::lock_guard lock{mutex_};
        return !writing_ && !released_;
    }

    void write(pb::AgentFrame frame) {
        const std::lock_guard lock{mutex_};
        if (writing_ || released_) {
            return;
        }
        outgoing_ = std::move(frame);
        writing_ = true;
        StartWrite(&outgoing_);
    }

    std::optional<pb::GatewayFrame> take() {
        const std::lock_guard lock{mutex_};
        if (!has_frame_) {
            return std::nullopt;
        }
        has_frame_ = false;
        auto frame = std::exchange(incoming_, {});
        if (!released_) {
            reading_ = true;
            StartRead(&incoming_);
        }
        return frame;
    }

    std::optional<Ended> ended() const {
        const std::lock_guard lock{mutex_};
        return has_frame_ ? std::nullopt : ended_;
    }

    void close() {
        context_.TryCancel();
        std::unique_lock lock{mutex_};
        closing_ = true;
        if (!reading_) {
            release();
        }
        done_.wait(lock, [&] { return ended_.has_value(); });
    }

    void OnReadDone(bool ok) override {
        {
            const std::lock_guard lock{mutex_};
            reading_ = false;
            has_frame_ = ok;
            if (!ok || closing_) {  // a frame may have come whole before the call was cancelled
                release();
            }
        }
        wake_();
    }

    void OnWriteDone(bool) override {  // a failure also ends the read
        {
            const std::lock_guard lock{mutex_};
            writing_ = false;
            outgoing_.Clear();
        }
        wake_();
    }

    void OnDone(const grpc::Status& status) override {
        const std::lock_guard lock{mutex_};  // once it is given back, close() may return and the reactor go
        ended_ = ended_of(status);
        wake_();
        done_.notify_all();
    }

  private:
    void release() {
        if (!std::exchange(released_, true)) {
            RemoveHold();
        }
    }

    std::shared_ptr<grpc::Channel> channel_;
    std::unique_ptr<pb::Uplink::Stub> stub_;
    grpc::ClientContext context_;
    std::function<void()> wake_;
    pb::AgentFrame outgoing_;
    pb::GatewayFrame incoming_;
    mutable std::mutex mutex_;
    std::condition_variable done_;
    bool writing_ = false;
    bool reading_ = true;
    bool has_frame_ = false;
    bool closing_ = false;
    bool released_ = false;
    std::optional<Ended> ended_;
};

Connection::Connection(const std::string& address, const std::string& server_name, const Identity& identity,
                       std::function<void()> wake)
    : reactor_{std::make_unique<Reactor>(channel_to(address, server_name, identity), std::move(wake))} {
    reactor_->open();
}

Connection::~Connection() {
    reactor_->close();
}

bool Connection::can_write() const {
    return reactor_->can_write();
}

void Connection::write(pb::AgentFrame frame) {
    reactor_->write(std::move(frame));
}

std::optional<pb::GatewayFrame> Connection::take() {
    return reactor_->take();
}

std::optional<Ended> Connection::ended() const {
    return reactor_->ended();
}

}  // namespace mimamori::agent::uplink
