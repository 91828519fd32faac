#include "adapters/grpc/uplink_server.h"

#include <absl/synchronization/mutex.h>
#include <grpc/support/log.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "adapters/grpc/reactor.h"
#include "mimamori/uplink/v1/uplink.grpc.pb.h"

namespace mimamori::adapters::grpc {

using base::FailureKind;
namespace tls = ::grpc::experimental;

namespace {

constexpr unsigned int reload_files_seconds = 10;
constexpr std::size_t kept_files = 256;  // for Kafka, PostgreSQL, status pages, and connections that have no stream yet
// gRPC 1.51 has no setting for the lowest TLS version. These suites need an RSA certificate in TLS 1.2, and ours is
// ECDSA (checked), so that only TLS 1.3 finds a common suite.
constexpr const char* tls13_only_suites =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-RSA-AES256-GCM-SHA384";

base::Time system_now() {  // TLS stays on real time
    return std::chrono::time_point_cast<base::Micros>(std::chrono::system_clock::now());
}

std::optional<PeerCertificate> acceptable(std::string_view pem, const DenyList& deny_list, std::string& why) {
    const auto certificate = read_certificate(pem);
    const auto now = system_now();
    if (!certificate) {
        why = "the client certificate cannot be read";
    } else if (!certificate->p256) {
        why = "the key of the client certificate is not on P-256";
    } else if (now < certificate->not_before || now > certificate->not_after) {
        why = "the client certificate is not valid at this time";
    } else if (deny_list.denies(certificate->fingerprint)) {
        why = "the client certificate has been revoked";
    } else {
        return certificate;
    }
    return std::nullopt;
}

// Runs after the chain has been verified, and on resumed sessions, where the chain is not verified again.
class Verifier final : public tls::ExternalCertificateVerifier {
  public:
    explicit Verifier(const DenyList& deny_list) : deny_list_{deny_list} {}

    bool Verify(tls::TlsCustomVerificationCheckRequest* request, std::function<void(::grpc::Status)>,
                ::grpc::Status* status) override {
        const auto pem = request->peer_cert();
        std::string why;
        if (!acceptable({pem.data(), pem.size()}, deny_list_, why)) {
            *status = ::grpc::Status{::grpc::StatusCode::UNAUTHENTICATED, why};
        }
        return true;  // decided at once
    }
    void Cancel(tls::TlsCustomVerificationCheckRequest*) override {}

  private:
    const DenyList& deny_list_;
};

// For calls that are refused before there is a stream.
class Refusal final : public ::grpc::ServerBidiReactor<AgentFrame, GatewayFrame> {
  public:
    Refusal(::grpc::StatusCode code, const char* why) { Finish({code, why}); }
    void OnDone() override { delete this; }
};

class Service final : public uplink::v1::Uplink::CallbackService {
  public:
    Service(const DenyList& deny_list, StreamEvents& events, std::size_t max_streams)
        : deny_list_{deny_list}, events_{events}, max_streams_{max_streams} {}

    ::grpc::ServerBidiReactor<AgentFrame, GatewayFrame>* Connect(::grpc::CallbackServerContext* context) override {
        std::string why = "a client certificate is required";
        std::optional<PeerCertificate> certificate;
        if (const auto auth = context->auth_context(); auth && auth->IsPeerAuthenticated()) {
            const auto pem = auth->FindPropertyValues("x509_pem_cert");
            if (!pem.empty()) {
                certificate = acceptable({pem[0].data(), pem[0].size()}, deny_list_, why);
            }
        }
        if (!certificate) {
            return new Refusal{::grpc::StatusCode::UNAUTHENTICATED, why.c_str()};
        }
        if (open_streams.load(std::memory_order_relaxed) >= max_streams_) {
            return new Refusal{::grpc::StatusCode::RESOURCE_EXHAUSTED, "too many connections: try another gateway"};
        }
        const auto reactor = std::make_shared<Reactor>(
            *context, next_id_.fetch_add(1, std::memory_order_relaxed), *certificate, events_, open_streams);
        Reactor::open(reactor);
        return reactor.get();
    }

    std::atomic<std::size_t> open_streams{0};

  private:
    const DenyList& deny_list_;
    StreamEvents& events_;
    const std::size_t max_streams_;
    std::atomic<std::uint64_t> next_id_{1};
};

struct GrpcLog {
    std::mutex mutex;
    std::function<void(const std::string&)> log;
};

// gRPC's log function is the process's, and its threads may outlive any server.
GrpcLog& grpc_log() {
    static GrpcLog log;
    return log;
}

}  // namespace

std::size_t raise_open_files_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
    (void)::getrlimit(RLIMIT_NOFILE, &limit);
    const auto all = static_cast<std::size_t>(limit.rlim_cur);
    return all > kept_files ? all - kept_files : 0;
}

void route_grpc_log(std::function<void(const std::string& text)> log) {
    {
        const std::lock_guard lock{grpc_log().mutex};
        grpc_log().log = std::move(log);
    }
    gpr_set_log_function([](gpr_log_func_args* args) {
        auto& target = grpc_log();
        const std::lock_guard lock{target.mutex};
        if (args->severity == GPR_LOG_SEVERITY_ERROR && target.log) {
            target.log(args->message);
        }
    });
}

struct UplinkServer::Parts {
    Parts(const ServerSettings& given, const DenyList& denied, StreamEvents& events)
        : settings{given}, deny_list{denied}, service{denied, events, given.max_streams} {}
    ServerSettings settings;
    const DenyList& deny_list;
    Service service;
    std::unique_ptr<::grpc::Server> server;
    int port = 0;
};

base::Expected<std::unique_ptr<UplinkServer>> UplinkServer::make(const ServerSettings& settings,
                                                                 const DenyList& deny_list, StreamEvents& events) {
    if (auto good = check_server_files(settings.certificate_file, settings.key_file, settings.ca_file, system_now());
        !good) {
        return tl::unexpected{good.error()};
    }
    return std::unique_ptr<UplinkServer>{
        new UplinkServer{std::make_unique<Parts>(settings, deny_list, events)}};
}

UplinkServer::UplinkServer(std::unique_ptr<Parts> parts) : parts_{std::move(parts)} {}

UplinkServer::~UplinkServer() {
    stop(std::chrono::milliseconds{0});
}

base::Expected<void> UplinkServer::start() {
    const auto& settings = parts_->settings;
    // Debian builds Abseil with its search for lock cycles, which costs at every lock that gRPC takes.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    ::setenv("GRPC_SSL_CIPHER_SUITES", tls13_only_suites, 1);  // gRPC reads it once, at the first use of TLS
    tls::TlsServerCredentialsOptions options{std::make_shared<tls::FileWatcherCertificateProvider>(
        settings.key_file, settings.certificate_file, settings.ca_file, reload_files_seconds)};
    options.watch_root_certs();
    options.watch_identity_key_cert_pairs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.set_certificate_verifier(tls::ExternalCertificateVerifier::Create<Verifier>(parts_->deny_list));
    options.set_check_call_host(false);

    const auto ms = [](std::chrono::milliseconds time) { return static_cast<int>(time.count()); };
    ::grpc::ServerBuilder builder;
    builder.AddListeningPort(settings.listen, tls::TlsServerCredentials(options), &parts_->port);
    builder.RegisterService(&parts_->service);
    builder.SetMaxReceiveMessageSize(static_cast<int>(settings.max_frame_bytes));
    builder.SetMaxSendMessageSize(static_cast<int>(settings.max_frame_bytes));
    builder.SetDefaultCompressionAlgorithm(GRPC_COMPRESS_NONE);
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, ms(settings.keepalive_time));
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, ms(settings.keepalive_timeout));
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, ms(settings.min_ping_interval));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, ms(settings.keepalive_time));  // without a stream
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 2);  // a new one may come before the old one has ended
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // windows stay small: memory of a connection
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 4096);
    parts_->server = builder.BuildAndStart();
    if (!parts_->server || parts_->port == 0) {
        parts_->server.reset();
        return base::failure(FailureKind::retry,
                             fmt::format("cannot listen on {}: is the address right and the port free?", settings.listen));
    }
    return {};
}

int UplinkServer::port() const {
    return parts_->port;
}

std::size_t UplinkServer::open_streams() const {
    return parts_->service.open_streams.load(std::memory_order_relaxed);
}

void UplinkServer::stop(std::chrono::milliseconds limit) {
    if (parts_->server) {
        parts_->server->Shutdown(std::chrono::system_clock::now() + limit);
        parts_->server.reset();
    }
}

}  // namespace mimamori::adapters::grpc
