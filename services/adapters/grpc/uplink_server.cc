#include "adapters/grpc/uplink_server.h"

#include <sys/resource.h>

#include <mutex>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "adapters/grpc/acceptor.h"
#include "adapters/grpc/io_thread.h"
#include "adapters/grpc/tls.h"

namespace mimamori::adapters::grpc {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kept_files = 256;  // for Kafka, PostgreSQL, status pages, and connections that have no stream yet
constexpr std::size_t newcomers = 32;    // of those, at once, while it is decided who makes room for whom
constexpr std::size_t max_reports_a_second = 5;

// A peer must not fill our log.
class Reports {
  public:
    explicit Reports(std::function<void(const std::string&)> log) : log_{std::move(log)} {}

    void add(const std::string& what) {
        const std::lock_guard lock{mutex_};
        const auto now = Clock::now();
        if (now - since_ >= std::chrono::seconds{1}) {
            const auto left_out = std::exchange(left_out_, 0);
            since_ = now;
            said_ = 0;
            if (left_out > 0) {
                say(fmt::format("{} more such reports were left out", left_out));
            }
        }
        said_ < max_reports_a_second ? say(what) : void(++left_out_);
    }

  private:
    void say(const std::string& what) {
        ++said_;
        if (log_) {
            log_(what);
        }
    }
    const std::function<void(const std::string&)> log_;
    std::mutex mutex_;
    Clock::time_point since_{};
    std::size_t said_ = 0, left_out_ = 0;
};

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

struct UplinkServer::Parts {
    Parts(const ServerSettings& given, const DenyList& denied, StreamEvents& events)
        : context{given, denied, events},
          reports{given.report},
          tls{given.certificate_file, given.key_file, given.ca_file, denied},
          acceptor{{[this] { return has_room(); },
                    [this](int socket, std::string peer) { deal(socket, std::move(peer)); },
                    [this] { look_at_files(); },
                    [this](const std::string& what) {
                        crowded = true;
                        reports.add(what);
                    }}} {}

    bool has_room() const {
        return context.open_connections < context.settings.max_streams + ServerContext::without_stream + newcomers;
    }

    void deal(int socket, std::string peer) {
        threads[next_thread++ % threads.size()]->adopt(socket, std::move(peer), tls.context());
        if (context.is_crowded()) {
            crowded = true;
        }
    }

    void look_at_files() {
        if (Clock::now() < next_look) {
            return;
        }
        next_look = Clock::now() + context.settings.reload_interval;
        if (const auto done = tls.reload(); !done) {
            reports.add("the new certificate files are not taken, the old ones stay: " + done.error().what);
        }
    }

    ServerContext context;
    Reports reports;
    ServerTls tls;
    std::vector<std::unique_ptr<IoThread>> threads;
    Acceptor acceptor;
    std::size_t next_thread = 0;
    std::atomic<bool> crowded{false};
    Clock::time_point next_look{};
};

base::Expected<std::unique_ptr<UplinkServer>> UplinkServer::make(const ServerSettings& settings,
                                                                 const DenyList& deny_list, StreamEvents& events) {
    auto parts = std::make_unique<Parts>(settings, deny_list, events);
    if (auto loaded = parts->tls.load(); !loaded) {
        return tl::unexpected{loaded.error()};
    }
    return std::unique_ptr<UplinkServer>{new UplinkServer{std::move(parts)}};
}

UplinkServer::UplinkServer(std::unique_ptr<Parts> parts) : parts_{std::move(parts)} {}

UplinkServer::~UplinkServer() {
    stop(std::chrono::milliseconds{0});
}

base::Expected<void> UplinkServer::start() {
    auto& parts = *parts_;
    if (auto listening = parts.acceptor.listen(parts.context.settings.listen); !listening) {
        return listening;
    }
    for (std::size_t i = 0; i < std::max<std::size_t>(1, parts.context.settings.io_threads); ++i) {
        parts.threads.push_back(
            std::make_unique<IoThread>(parts.context, [&parts](const std::string& what) { parts.reports.add(what); }));
        if (auto started = parts.threads.back()->start(); !started) {
            return started;
        }
    }
    parts.acceptor.start();
    return {};
}

int UplinkServer::port() const {
    return parts_->acceptor.port();
}

std::size_t UplinkServer::open_streams() const {
    return parts_->context.open_streams.load(std::memory_order_relaxed);
}

bool UplinkServer::was_crowded() {
    return parts_->crowded.exchange(false);
}

void UplinkServer::stop(std::chrono::milliseconds limit) {
    parts_->acceptor.stop();
    const auto deadline = Clock::now() + limit;
    for (const auto& thread : parts_->threads) {
        thread->drain(deadline);
    }
    for (const auto& thread : parts_->threads) {
        thread->join();
    }
}

}  // namespace mimamori::adapters::grpc
