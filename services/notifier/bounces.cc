#include "notifier/bounces.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "adapters/mime/returned_mail.h"
#include "base/text.h"
#include "notifier/events.h"

namespace mimamori::notifier {
namespace {

using Kind = domain::ReturnedMail::Kind;

std::optional<std::vector<std::string>> names_in(const std::string& folder) {
    const std::unique_ptr<DIR, int (*)(DIR*)> open{::opendir(folder.c_str()), &::closedir};
    if (!open) {
        return std::nullopt;
    }
    std::vector<std::string> names;
    while (names.size() < most_bounces_a_round) {
        const auto* entry = ::readdir(open.get());
        if (entry == nullptr) {
            break;
        }
        if (entry->d_name[0] != '.') {
            names.emplace_back(entry->d_name);
        }
    }
    return names;
}

// The beginning of a regular file; nothing where it is none or cannot be read.
std::optional<std::string> beginning_of(const std::string& file) {
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return std::nullopt;
    }
    struct stat facts {};
    std::string out;
    bool good = ::fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode);
    while (good && out.size() < most_bytes_of_a_bounce) {
        const auto at = out.size();
        out.resize(most_bytes_of_a_bounce);
        const auto got = ::read(fd, out.data() + at, out.size() - at);
        out.resize(at + static_cast<std::size_t>(got > 0 ? got : 0));
        if (got == 0) {
            break;
        }
        good = got > 0 || errno == EINTR;
    }
    ::close(fd);
    return good ? std::optional{std::move(out)} : std::nullopt;
}

}  // namespace

BounceReader::BounceReader(store::Connection& connection, const Settings& settings, platform::Events& events)
    : connection_{connection}, store_{connection}, settings_{settings}, events_{events} {}

base::Expected<int> BounceReader::read_round() {
    const auto folder = settings_.bounce_maildir + "/new";
    const auto names = names_in(folder);
    if (!names) {
        return tell_trouble(fmt::format("{}: {}", folder, std::strerror(errno))).map([] { return 0; });
    }
    int moved = 0;
    std::string trouble;
    for (const auto& name : *names) {
        const auto mail = beginning_of(fmt::format("{}/{}", folder, name));
        auto place = mail ? take(name, *mail) : base::Expected<Place>{put_aside(name, "no readable file")};
        if (!place) {
            return tl::unexpected{place.error()};
        }
        moved += move(name, *place, trouble) ? 1 : 0;
    }
    if (!trouble.empty()) {
        return tell_trouble(trouble).map([&] { return moved; });
    }
    trouble_told_ = false;
    if (!std::exchange(alarm_may_be_open_, false)) {
        return moved;
    }
    return store_.close_alarm(bounce_mailbox_unusable.id, "bounce mailbox").map([&] { return moved; });
}

base::Expected<BounceReader::Place> BounceReader::take(const std::string& name, std::string_view mail) {
    const auto returned = adapters::mime::read_returned_mail(mail);
    std::optional<std::string> token;
    for (const auto& value : returned.sent_to) {
        token = token ? token : domain::bounce_token_in(value, settings_.bounce_address);
    }
    if (!token) {
        return put_aside(name, "not sent to the envelope sender of a mail");
    }
    auto known = store_.mail_with(*token);
    if (!known) {
        return tl::unexpected{known.error()};
    }
    if (!*known) {
        return put_aside(name, "its token belongs to no mail");
    }
    const auto& original = **known;
    if (returned.kind == Kind::harmless) {
        return Place::done;
    }
    if (returned.kind == Kind::unreadable) {
        put_aside(name, "neither a report nor an automatic reply");
        return store_
            .raise_alarm(bounce_unreadable.id, original.subject(), "quarantine/" + base::to_valid_utf8(name, 255))
            .map([] { return Place::quarantine; });
    }
    return record(original, name, returned).map([] { return Place::done; });
}

base::Expected<void> BounceReader::record(const store::BouncedMail& mail, const std::string& name,
                                          const domain::ReturnedMail& returned) {
    if (auto begun = connection_.begin(); !begun) {
        return begun;
    }
    const bool failed = returned.kind == Kind::failed;
    const auto detail =
        fmt::format("{}to {}: {} {}", mail.customer ? fmt::format("customer {}, ", mail.customer->value) : "",
                    mail.address, returned.status, returned.diagnostic);
    auto added = store_.add_bounce(mail.id, base::to_valid_utf8(name, 255), returned);
    base::Expected<void> done;
    if (!added) {
        done = tl::unexpected{added.error()};
    } else if (*added && failed) {
        done = store_.mark_bounced(mail.id).and_then(
            [&] { return store_.raise_alarm(mail_bounced.id, mail.subject(), detail); });
    }
    if (done) {
        done = connection_.commit();
    }
    if (!done) {
        connection_.rollback();
        return done;
    }
    if (*added) {
        events_.emit(failed ? mail_bounced : mail_delayed, {{"mail", mail.id.value}, {"detail", detail}});
    }
    return done;
}

BounceReader::Place BounceReader::put_aside(const std::string& name, std::string_view reason) {
    events_.emit(bounce_put_aside, {{"file", name}, {"reason", reason}});
    return Place::quarantine;
}

bool BounceReader::move(const std::string& name, Place place, std::string& trouble) const {
    const auto quarantine = settings_.bounce_maildir + "/quarantine";
    if (place == Place::quarantine && ::mkdir(quarantine.c_str(), 0700) != 0 && errno != EEXIST) {
        trouble = fmt::format("{}: {}", quarantine, std::strerror(errno));
        return false;
    }
    const auto from = fmt::format("{}/new/{}", settings_.bounce_maildir, name);
    const auto to = place == Place::quarantine ? fmt::format("{}/{}", quarantine, name)
                                               : fmt::format("{}/cur/{}{}", settings_.bounce_maildir, name,
                                                             name.find(':') == std::string::npos ? ":2,S" : "");
    if (::rename(from.c_str(), to.c_str()) == 0) {
        return true;
    }
    if (errno != ENOENT || ::access(from.c_str(), F_OK) == 0) {  // gone: another notifier was first
        trouble = fmt::format("{}: {}", to, std::strerror(errno));
    }
    return false;
}

base::Expected<void> BounceReader::tell_trouble(const std::string& trouble) {
    if (trouble_told_) {
        return {};
    }
    trouble_told_ = alarm_may_be_open_ = true;
    events_.emit(bounce_mailbox_unusable, {{"detail", trouble}});
    return store_.raise_alarm(bounce_mailbox_unusable.id, "bounce mailbox", trouble);
}

}  // namespace mimamori::notifier
