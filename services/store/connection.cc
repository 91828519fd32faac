#include "store/connection.h"

#include <libpq-fe.h>
#include <poll.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>

#include <fmt/format.h>

#include "base/text.h"
#include "sql/embedded.h"

namespace mimamori::store {
namespace {

FailureKind kind_of(std::string_view sqlstate) {
    const auto begins = [&](std::string_view prefix) { return sqlstate.substr(0, prefix.size()) == prefix; };
    if (sqlstate.empty() || begins("08") || begins("57") || begins("53") || begins("58")) {
        return FailureKind::retry;
    }
    if (begins("40") || sqlstate == "55P03" || sqlstate == "23505" || begins("25P03")) {
        return FailureKind::conflict;
    }
    return FailureKind::refused;
}

[[noreturn]] void defect(const char* what, int row, int column) {
    std::fprintf(stderr, "store: %s at row %d, column %d\n", what, row, column);
    std::abort();
}

Expected<std::string> read_password(const std::string& file) {
    if (file.empty()) {
        return std::string{};
    }
    std::ifstream in{file};
    std::string line;
    if (!in || !std::getline(in, line)) {
        return base::failure(FailureKind::refused, fmt::format("cannot read the password file {}: check path and rights", file));
    }
    return line;
}

// One element of a PostgreSQL array literal.
void append_quoted(std::string& out, std::string_view value) {
    out.push_back('"');
    for (const char c : value) {
        if (c == '"' || c == '\\') {
            out.push_back('\\');
        }
        out.push_back(c);
    }
    out.push_back('"');
}

template <class Range, class Append>
std::string array_literal(const Range& values, const Append& append) {
    std::string out = "{";
    for (const auto& value : values) {
        if (out.size() > 1) {
            out.push_back(',');
        }
        append(out, value);
    }
    out.push_back('}');
    return out;
}

std::span<const std::uint8_t> as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

Params& Params::text(std::string_view value) {
    values_.push_back({std::string{value}, false, false});
    return *this;
}
Params& Params::text_or_null(const std::optional<std::string>& value) {
    return value ? text(*value) : null();
}
Params& Params::integer(std::int64_t value) {
    return text(fmt::to_string(value));
}
Params& Params::integer_or_null(std::optional<std::int64_t> value) {
    return value ? integer(*value) : null();
}
Params& Params::real(double value) {
    return text(fmt::to_string(value));
}
Params& Params::boolean(bool value) {
    return text(value ? "t" : "f");
}
Params& Params::bytes(std::string_view value) {
    values_.push_back({std::string{value}, false, true});
    return *this;
}
Params& Params::bytes(std::span<const std::uint8_t> value) {
    return bytes(std::string_view{reinterpret_cast<const char*>(value.data()), value.size()});
}
Params& Params::time(base::Time value) {
    return integer(base::to_us(value));
}
Params& Params::null() {
    values_.push_back({{}, true, false});
    return *this;
}
Params& Params::texts(std::span<const std::string> values) {
    return text(array_literal(values, append_quoted));
}
Params& Params::integers(std::span<const std::int64_t> values) {
    return text(array_literal(values, [](std::string& out, std::int64_t value) { out += fmt::to_string(value); }));
}
Params& Params::byte_strings(std::span<const std::string> values) {
    return text(array_literal(values, [](std::string& out, const std::string& value) {
        out += "\"\\\\x" + base::to_hex(as_bytes(value)) + "\"";
    }));
}

Result::Result(pg_result* result) : result_{result} {}
void Result::Clear::operator()(pg_result* result) const {
    PQclear(result);
}
int Result::rows() const {
    return PQntuples(result_.get());
}
std::int64_t Result::affected() const {
    const std::string_view count = PQcmdTuples(result_.get());
    std::int64_t value = 0;
    std::from_chars(count.data(), count.data() + count.size(), value);
    return value;
}
bool Result::is_null(int row, int column) const {
    if (row >= rows() || column >= PQnfields(result_.get())) {
        defect("no such cell", row, column);
    }
    return PQgetisnull(result_.get(), row, column) == 1;
}
std::string_view Result::text(int row, int column) const {
    if (is_null(row, column)) {
        defect("unexpected NULL", row, column);
    }
    return {PQgetvalue(result_.get(), row, column), static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}
std::int64_t Result::integer(int row, int column) const {
    const auto value = text(row, column);
    std::int64_t out = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
    if (error != std::errc{} || end != value.data() + value.size()) {
        defect("not an integer", row, column);
    }
    return out;
}
std::optional<std::int64_t> Result::integer_or_null(int row, int column) const {
    return is_null(row, column) ? std::nullopt : std::optional{integer(row, column)};
}
bool Result::boolean(int row, int column) const {
    return text(row, column) == "t";
}
std::string Result::bytes(int row, int column) const {
    const auto value = text(row, column);
    auto out = value.substr(0, 2) == "\\x" ? base::from_hex(value.substr(2)) : std::nullopt;
    if (!out) {
        defect("not bytea", row, column);
    }
    return std::move(*out);
}
base::Time Result::time(int row, int column) const {
    return base::time_from_us(integer(row, column));
}
std::optional<base::Time> Result::time_or_null(int row, int column) const {
    return is_null(row, column) ? std::nullopt : std::optional{time(row, column)};
}

struct Connection::CancelHandle {
    explicit CancelHandle(pg_conn* connection) : handle{PQgetCancel(connection)} {}
    ~CancelHandle() { PQfreeCancel(handle); }
    CancelHandle(const CancelHandle&) = delete;
    CancelHandle& operator=(const CancelHandle&) = delete;
    pg_cancel* handle;
};

Connection::Connection(pg_conn* connection)
    : connection_{connection}, cancel_{std::make_unique<CancelHandle>(connection)} {}
Connection::Connection(Connection&& other) noexcept
    : connection_{std::exchange(other.connection_, nullptr)},
      cancel_{std::move(other.cancel_)},
      prepared_{std::move(other.prepared_)},
      last_sqlstate_{std::move(other.last_sqlstate_)} {}
Connection& Connection::operator=(Connection&& other) noexcept {
    std::swap(connection_, other.connection_);
    std::swap(cancel_, other.cancel_);
    std::swap(prepared_, other.prepared_);
    std::swap(last_sqlstate_, other.last_sqlstate_);
    return *this;
}
Connection::~Connection() {
    PQfinish(connection_);
}

Expected<Connection> Connection::open(const Login& login) {
    auto password = read_password(login.password_file);
    if (!password) {
        return tl::unexpected{password.error()};
    }
    const auto port = fmt::to_string(login.port);
    // Without JIT: our statements run for a millisecond, but arrays of unknown length look costly to the planner, and
    // compiling them took 50 ms each time.
    // The server, too, is to notice within a minute that our machine is gone: its session may hold locks.
    const auto options = fmt::format("-c TimeZone=UTC -c client_min_messages=warning -c jit=off -c statement_timeout={} "
                                     "-c idle_in_transaction_session_timeout={} -c idle_session_timeout={} "
                                     "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=5 "
                                     "-c tcp_user_timeout=30000 -c client_connection_check_interval=10000",
                                     login.statement_timeout_ms, login.idle_in_transaction_session_timeout_ms,
                                     login.idle_session_timeout_ms);
    const std::array<const char*, 12> keys{"host", "port", "dbname", "user", "password", "application_name", "options",
                                           "connect_timeout", "client_encoding", "keepalives_idle", "tcp_user_timeout",
                                           nullptr};
    const std::array<const char*, 12> values{login.host.c_str(), port.c_str(), login.database.c_str(),
                                             login.user.c_str(), password->c_str(), login.application_name.c_str(),
                                             options.c_str(), "10", "UTF8", "30", "30000", nullptr};
    pg_conn* raw = PQconnectdbParams(keys.data(), values.data(), 0);
    if (raw == nullptr) {
        return base::failure(FailureKind::retry, "out of memory while connecting to PostgreSQL");
    }
    if (PQstatus(raw) != CONNECTION_OK) {
        const std::string what{base::trim(PQerrorMessage(raw))};
        // Before the session stands libpq gives no SQLSTATE; a refused login is told by its text.
        const bool login_refused = what.find("authentication failed") != std::string::npos ||
                                   what.find("does not exist") != std::string::npos ||
                                   what.find("pg_hba.conf") != std::string::npos;
        PQfinish(raw);
        return base::failure(login_refused ? FailureKind::refused : FailureKind::retry,
                             fmt::format("cannot connect to PostgreSQL at {}:{} as {}: {}", login.host, login.port, login.user, what));
    }
    PQsetNoticeProcessor(raw, [](void*, const char*) {}, nullptr);
    return Connection{raw};
}

Expected<Result> Connection::finish(pg_result* raw, std::string_view what) {
    Result result{raw};
    const auto status = PQresultStatus(raw);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_COPY_IN) {
        return result;
    }
    const char* sqlstate = raw == nullptr ? nullptr : PQresultErrorField(raw, PG_DIAG_SQLSTATE);
    const auto message = base::trim(raw == nullptr ? PQerrorMessage(connection_) : PQresultErrorMessage(raw));
    const auto kind = broken() ? FailureKind::retry : kind_of(sqlstate == nullptr ? "" : sqlstate);
    last_sqlstate_ = sqlstate == nullptr ? "" : sqlstate;
    return base::failure(kind, fmt::format("{}: {} [{}]", what, message, sqlstate == nullptr ? "no SQLSTATE" : sqlstate));
}

Expected<Result> Connection::run(std::string_view name, const Params& params) {
    const std::string key{name};
    if (!prepared_.contains(key)) {
        const auto sql = sql::query(name);
        if (sql.empty()) {
            return base::failure(FailureKind::refused, fmt::format("no statement named {} in sql/queries", name));
        }
        auto prepared = finish(PQprepare(connection_, key.c_str(), std::string{sql}.c_str(), 0, nullptr), name);
        if (!prepared) {
            return prepared;
        }
        prepared_.insert(key);
    }
    std::vector<const char*> values;
    std::vector<int> lengths;
    std::vector<int> formats;
    for (const auto& value : params.values_) {
        values.push_back(value.is_null ? nullptr : value.data.c_str());
        lengths.push_back(static_cast<int>(value.data.size()));
        formats.push_back(value.binary ? 1 : 0);
    }
    return finish(PQexecPrepared(connection_, key.c_str(), static_cast<int>(values.size()), values.data(),
                                 lengths.data(), formats.data(), 0),
                  name);
}

Expected<void> Connection::run_script(std::string_view sql) {
    return finish(PQexec(connection_, std::string{sql}.c_str()), "script").map([](const Result&) {});
}

Expected<void> Connection::simple(const char* sql) {
    return finish(PQexec(connection_, sql), sql).map([](const Result&) {});
}

Expected<void> Connection::begin() {
    return simple("begin");
}

Expected<void> Connection::commit() {
    pg_result* raw = PQexec(connection_, "commit");
    // COMMIT of a failed transaction answers ROLLBACK, not an error.
    const bool rolled_back = PQresultStatus(raw) == PGRES_COMMAND_OK && std::string_view{PQcmdStatus(raw)} == "ROLLBACK";
    auto result = finish(raw, "commit");
    if (!result && broken()) {
        result.error().kind = FailureKind::unknown;
        return tl::unexpected{result.error()};
    }
    if (rolled_back) {
        return base::failure(FailureKind::conflict, "commit: the transaction had failed and was rolled back");
    }
    return result.map([](const Result&) {});
}

void Connection::rollback() {
    if (in_transaction()) {
        (void)simple("rollback");
    }
}

bool Connection::in_transaction() const {
    const auto status = PQtransactionStatus(connection_);
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

Expected<void> Connection::savepoint() {
    return simple("savepoint entry");
}
Expected<void> Connection::release_savepoint() {
    return simple("release savepoint entry");
}
Expected<void> Connection::rollback_to_savepoint() {
    return simple("rollback to savepoint entry");
}

Expected<std::int64_t> Connection::copy_in(std::string_view name, std::string_view data) {
    const auto sql = sql::query(name);
    if (sql.empty()) {
        return base::failure(FailureKind::refused, fmt::format("no statement named {} in sql/queries", name));
    }
    if (auto started = finish(PQexec(connection_, std::string{sql}.c_str()), name); !started) {
        return tl::unexpected{started.error()};
    }
    constexpr std::size_t piece = 1U << 20U;
    const char* cut_short = nullptr;
    for (std::size_t at = 0; at < data.size() && cut_short == nullptr; at += piece) {
        const auto part = data.substr(at, piece);
        if (PQputCopyData(connection_, part.data(), static_cast<int>(part.size())) != 1) {
            cut_short = "the session broke";
        }
    }
    if (PQputCopyEnd(connection_, cut_short) != 1) {
        return base::failure(FailureKind::retry, fmt::format("{}: {}", name, base::trim(PQerrorMessage(connection_))));
    }
    auto result = finish(PQgetResult(connection_), name);
    while (pg_result* rest = PQgetResult(connection_)) {
        PQclear(rest);
    }
    return result.map([](const Result& done) { return done.affected(); });
}

Expected<bool> Connection::wait_for_notification(int timeout_ms) {
    const auto take = [&] {
        PGnotify* note = PQnotifies(connection_);
        const bool came = note != nullptr;
        PQfreemem(note);
        return came;
    };
    if (take()) {
        return true;
    }
    pollfd wait{PQsocket(connection_), POLLIN, 0};
    const int ready = ::poll(&wait, 1, timeout_ms);
    if (ready > 0 && PQconsumeInput(connection_) != 1) {
        return base::failure(FailureKind::retry, std::string{base::trim(PQerrorMessage(connection_))});
    }
    return take();
}

void Connection::cancel() {
    std::array<char, 256> error{};
    PQcancel(cancel_->handle, error.data(), static_cast<int>(error.size()));
}

bool Connection::broken() const {
    return PQstatus(connection_) != CONNECTION_OK;
}

}  // namespace mimamori::store
