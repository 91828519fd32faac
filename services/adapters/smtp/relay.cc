#include "adapters/smtp/relay.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>

#include <fmt/format.h>

namespace mimamori::adapters::smtp {
namespace {

using domain::SendOutcome;

struct Upload {
    std::string_view rest;
    bool started = false;  // libcurl asks for the first byte once the relay has said 354
};

std::size_t give_bytes(char* out, std::size_t size, std::size_t count, void* user) {
    auto& upload = *static_cast<Upload*>(user);
    upload.started = true;
    const auto taken = std::min(size * count, upload.rest.size());
    std::memcpy(out, upload.rest.data(), taken);
    upload.rest.remove_prefix(taken);
    return taken;
}

// Keeps the last line of what the relay replied, but not its good-bye, which comes after a refusal too.
std::size_t take_reply(char* data, std::size_t size, std::size_t count, void* user) {
    std::string_view line{data, size * count};
    line = line.substr(0, line.find_last_not_of("\r\n") + 1);
    if (!line.empty() && !line.starts_with("221")) {
        static_cast<std::string*>(user)->assign(line.substr(0, 500));
    }
    return size * count;
}

std::string read_line(const std::string& file) {
    std::ifstream in{file};
    std::string line;
    std::getline(in, line);
    return line;
}

// What libcurl's result and the relay's last code mean for the mail.
SendOutcome outcome_of(CURLcode code, long response, bool reached_data, bool all_given, std::string reply) {
    using End = SendOutcome::End;
    if (code == CURLE_OK) {
        return {End::accepted, true, std::move(reply)};
    }
    const bool answered = code == CURLE_SEND_ERROR || code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_UPLOAD_FAILED ||
                          code == CURLE_LOGIN_DENIED || code == CURLE_RECV_ERROR;
    if (answered && response >= 500 && response < 600) {
        // A refused login is the relay's word about us, not about this mail.
        return {code == CURLE_LOGIN_DENIED ? End::later : End::never, reached_data, std::move(reply)};
    }
    if (answered && response >= 400 && response < 500) {
        return {End::later, reached_data, std::move(reply)};
    }
    auto what = fmt::format("{} ({})", reply.empty() ? "no reply" : reply, curl_easy_strerror(code));
    // Without the final dot's line a relay throws the mail away (RFC 5321, section 4.1.1.4).
    return {reached_data && all_given ? End::in_doubt : End::later, reached_data, std::move(what)};
}

}  // namespace

Relay::Relay(RelayOptions options) : options_{std::move(options)} {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

SendOutcome Relay::send(std::string_view envelope_sender, std::string_view recipient, std::string_view mail) const {
    const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl{curl_easy_init(), &curl_easy_cleanup};
    if (!curl) {
        return {SendOutcome::End::later, false, "out of memory"};
    }
    Upload upload{mail};
    std::string reply;
    const auto url = fmt::format("smtp://{}:{}/{}", options_.host, options_.port, options_.helo_name);
    const auto sender = fmt::format("<{}>", envelope_sender);
    const auto receiver = fmt::format("<{}>", recipient);
    const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> recipients{
        curl_slist_append(nullptr, receiver.c_str()), &curl_slist_free_all};

    CURL* handle = curl.get();
    curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "smtp");
    curl_easy_setopt(handle, CURLOPT_MAIL_FROM, sender.c_str());
    curl_easy_setopt(handle, CURLOPT_MAIL_RCPT, recipients.get());
    curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(handle, CURLOPT_READFUNCTION, &give_bytes);
    curl_easy_setopt(handle, CURLOPT_READDATA, &upload);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &take_reply);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, &reply);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout_ms));
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(options_.total_timeout_ms));
    curl_easy_setopt(handle, CURLOPT_USE_SSL, static_cast<long>(options_.starttls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
    if (!options_.ca_file.empty()) {
        curl_easy_setopt(handle, CURLOPT_CAINFO, options_.ca_file.c_str());
    }
    if (!options_.user.empty()) {
        curl_easy_setopt(handle, CURLOPT_USERNAME, options_.user.c_str());
        curl_easy_setopt(handle, CURLOPT_PASSWORD, read_line(options_.password_file).c_str());
    }
    const CURLcode code = curl_easy_perform(handle);
    long response = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &response);
    return outcome_of(code, response, upload.started, upload.rest.empty(), std::move(reply));
}

}  // namespace mimamori::adapters::smtp
