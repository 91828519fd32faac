#include "platform/http_status.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>

namespace mimamori::platform {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

namespace {

constexpr std::chrono::seconds patience{5};
constexpr std::chrono::milliseconds after_failure{100};
constexpr std::uint32_t max_request_bytes = 8 * 1024;

struct Page {
    http::status status;
    std::string_view type;
    std::string body;
};

Page page_for(const http::request<http::empty_body>& request, const Health& health, const Metrics& metrics) {
    constexpr std::string_view json = "application/json";
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
        return {http::status::method_not_allowed, json, "{\"error\":\"only GET\"}\n"};
    }
    const std::string_view path{request.target().data(), request.target().size()};
    if (path == "/live") {
        return {http::status::ok, json, "{\"live\":true}\n"};
    }
    if (path == "/ready") {
        auto answer = health.answer();
        return {answer.ready ? http::status::ok : http::status::service_unavailable, json, std::move(answer.json)};
    }
    if (path == "/metrics") {
        return {http::status::ok, "text/plain; version=0.0.4; charset=utf-8", metrics.text()};
    }
    return {http::status::not_found, json, "{\"error\":\"there are /live, /ready and /metrics\"}\n"};
}

}  // namespace

// All of it runs on one thread: no locks. accept one > serve it on its own while accepting the next, until
// max_connections are open; then accept again when one has closed.
struct HttpStatus::Server {
    struct Session;

    Server(const Health& h, const Metrics& m) : health{h}, metrics{m} {}
    void accept();
    void closed();

    const Health& health;
    const Metrics& metrics;
    asio::io_context io{1};
    tcp::acceptor acceptor{io};
    asio::steady_timer pause{io};
    std::size_t open = 0;
    bool accepting = false;
    std::uint16_t port = 0;
    std::thread thread;
};

struct HttpStatus::Server::Session : std::enable_shared_from_this<Session> {
    Session(Server& s, tcp::socket socket) : server{s}, stream{std::move(socket)} { ++server.open; }
    ~Session() { server.closed(); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void read() {
        parser.emplace();
        parser->header_limit(max_request_bytes);
        parser->body_limit(0);
        stream.expires_after(patience);
        http::async_read(stream, buffer, *parser,
                         [self = shared_from_this()](beast::error_code error, std::size_t) { self->answer(error); });
    }

    void answer(beast::error_code error) {
        if (error == http::error::header_limit || error == http::error::body_limit) {
            send({http::status::payload_too_large, "application/json", "{\"error\":\"request too large\"}\n"}, false, 11);
        } else if (!error) {
            const auto& request = parser->get();
            send(page_for(request, server.health, server.metrics), request.keep_alive(), request.version());
        }
    }

    void send(Page page, bool keep_alive, unsigned version) {
        response = http::response<http::string_body>{page.status, version};
        response.set(http::field::content_type, beast::string_view{page.type.data(), page.type.size()});
        response.set(http::field::cache_control, "no-store");
        response.keep_alive(keep_alive);
        response.body() = std::move(page.body);
        response.prepare_payload();
        stream.expires_after(patience);
        http::async_write(stream, response, [self = shared_from_this(), keep_alive](beast::error_code error, std::size_t) {
            if (!error && keep_alive) {
                self->read();
            }
        });
    }

    Server& server;
    beast::tcp_stream stream;
    beast::flat_buffer buffer{2 * max_request_bytes};
    std::optional<http::request_parser<http::empty_body>> parser;
    http::response<http::string_body> response;
};

void HttpStatus::Server::accept() {
    if (accepting || open >= max_connections || !acceptor.is_open()) {
        return;
    }
    accepting = true;
    acceptor.async_accept([this](beast::error_code error, tcp::socket socket) {
        accepting = false;
        if (error == asio::error::operation_aborted) {
            return;
        }
        if (error) {  // such as no descriptors: trying again at once would only burn the processor
            pause.expires_after(after_failure);
            pause.async_wait([this](beast::error_code stopped) {
                if (!stopped) {
                    accept();
                }
            });
            return;
        }
        std::make_shared<Session>(*this, std::move(socket))->read();
        accept();
    });
}

void HttpStatus::Server::closed() {
    --open;
    accept();
}

HttpStatus::HttpStatus(const Health& health, const Metrics& metrics) : health_{health}, metrics_{metrics} {}

HttpStatus::~HttpStatus() {
    stop();
}

base::Expected<void> HttpStatus::start(const HostPort& listen) {
    auto server = std::make_unique<Server>(health_, metrics_);
    beast::error_code error;
    const auto address = asio::ip::make_address(listen.host, error);
    const tcp::endpoint endpoint{address, listen.port};
    if (!error) {
        server->acceptor.open(endpoint.protocol(), error);
    }
    if (!error) {
        server->acceptor.set_option(asio::socket_base::reuse_address(true), error);
    }
    if (!error) {
        server->acceptor.bind(endpoint, error);
    }
    if (!error) {
        server->acceptor.listen(static_cast<int>(max_connections), error);
    }
    if (error) {
        return base::failure(base::FailureKind::refused, fmt::format("status page on {}:{}: {}; see observability.listen",
                                                                     listen.host, listen.port, error.message()));
    }
    server->port = server->acceptor.local_endpoint().port();
    server->accept();
    server_ = std::move(server);
    server_->thread = std::thread{[s = server_.get()] { s->io.run(); }};
    return {};
}

void HttpStatus::stop() {
    if (server_ == nullptr) {
        return;
    }
    asio::post(server_->io, [s = server_.get()] {
        beast::error_code ignored;
        s->acceptor.close(ignored);
        s->io.stop();
    });
    server_->thread.join();
    server_.reset();
}

std::uint16_t HttpStatus::port() const {
    return server_ == nullptr ? std::uint16_t{0} : server_->port;
}

}  // namespace mimamori::platform
