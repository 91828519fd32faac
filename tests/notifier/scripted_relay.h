// A relay on loopback that answers as a test tells it: for the replies a real one gives only on bad days.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace mimamori::test {

class ScriptedRelay {
  public:
    // Replies by verb: "EHLO", "MAIL", "RCPT", "DATA" (to the command) and "." (after the mail). What is not there is
    // answered as a willing relay would. "drop" closes the connection instead, "silence" never answers.
    explicit ScriptedRelay(std::map<std::string, std::string> replies = {});
    ~ScriptedRelay();

    int port() const { return port_; }
    int mails_taken() const { return mails_; }
    std::string last_mail() const;
    std::string last_sender() const;  // the MAIL command

  private:
    struct Server;
    std::unique_ptr<Server> server_;
    int port_ = 0;
    std::atomic<int> mails_{0};
};

}  // namespace mimamori::test
