#include "notifier/scripted_relay.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>

#include <istream>
#include <mutex>

namespace mimamori::test {

using boost::asio::ip::tcp;

struct ScriptedRelay::Server {
    Server(std::map<std::string, std::string> script, std::atomic<int>& count)
        : replies{std::move(script)}, mails{count}, acceptor{context, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}} {
        thread = std::jthread{[this](std::stop_token stop) { serve(stop); }};
    }

    ~Server() {
        thread.request_stop();
        boost::system::error_code ignored;
        {
            const std::lock_guard lock{mutex};
            if (current != nullptr) {
                current->shutdown(tcp::socket::shutdown_both, ignored);
            }
        }
        tcp::socket wake{context};
        wake.connect(acceptor.local_endpoint(), ignored);
    }

    void serve(std::stop_token stop) {
        while (!stop.stop_requested()) {
            tcp::socket socket{context};
            boost::system::error_code error;
            acceptor.accept(socket, error);
            if (error || stop.stop_requested()) {
                return;
            }
            {
                const std::lock_guard lock{mutex};
                current = &socket;
            }
            talk(socket);
            const std::lock_guard lock{mutex};
            current = nullptr;
        }
    }

    // False: the conversation is over.
    bool answer(tcp::socket& socket, const std::string& verb, const std::string& willing) {
        const auto found = replies.find(verb);
        const auto& reply = found == replies.end() ? willing : found->second;
        boost::system::error_code error;
        if (reply == "silence") {
            char byte = 0;
            socket.read_some(boost::asio::buffer(&byte, 1), error);  // until the other side or the test gives up
            return false;
        }
        if (reply == "drop") {
            return false;
        }
        boost::asio::write(socket, boost::asio::buffer(reply + "\r\n"), error);
        return !error;
    }

    void talk(tcp::socket& socket) {
        boost::asio::streambuf buffer;
        boost::system::error_code error;
        if (!answer(socket, "greeting", "220 test ESMTP")) {
            return;
        }
        while (true) {
            boost::asio::read_until(socket, buffer, "\r\n", error);
            if (error) {
                return;
            }
            std::istream in{&buffer};
            std::string line;
            std::getline(in, line);
            const auto verb = line.substr(0, 4);
            if (verb == "MAIL") {
                const std::lock_guard lock{mutex};
                sender = line;
            }
            if (verb == "DATA") {
                if (!answer(socket, "DATA", "354 go on")) {
                    return;
                }
                if (replies.contains("DATA") && replies.at("DATA").front() != '3') {
                    continue;
                }
                const auto size = boost::asio::read_until(socket, buffer, "\r\n.\r\n", error);
                if (error) {
                    return;
                }
                std::string mail(size, '\0');
                in.read(mail.data(), static_cast<std::streamsize>(size));
                {
                    const std::lock_guard lock{mutex};
                    last = mail;
                }
                ++mails;
                if (!answer(socket, ".", "250 taken")) {
                    return;
                }
            } else if (!answer(socket, verb, verb == "QUIT" ? "221 bye" : verb == "EHLO" ? "250-test\r\n250 8BITMIME" : "250 ok")) {
                return;
            }
        }
    }

    std::map<std::string, std::string> replies;
    std::atomic<int>& mails;
    boost::asio::io_context context;
    tcp::acceptor acceptor;
    std::mutex mutex;
    tcp::socket* current = nullptr;
    std::string last;
    std::string sender;
    std::jthread thread;
};

ScriptedRelay::ScriptedRelay(std::map<std::string, std::string> replies) : server_{std::make_unique<Server>(std::move(replies), mails_)} {
    port_ = server_->acceptor.local_endpoint().port();
}
ScriptedRelay::~ScriptedRelay() = default;

std::string ScriptedRelay::last_mail() const {
    const std::lock_guard lock{server_->mutex};
    return server_->last;
}

std::string ScriptedRelay::last_sender() const {
    const std::lock_guard lock{server_->mutex};
    return server_->sender;
}

}  // namespace mimamori::test
