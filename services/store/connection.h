// One PostgreSQL session and the named statements of sql/queries. Not a pool, not thread-safe: one thread, one Connection.
// Built on libpq itself, for binary COPY, pipelining and exact error codes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/failure.h"
#include "base/ids.h"
#include "base/time.h"

struct pg_conn;
struct pg_result;

namespace mimamori::store {

using base::Expected;
using base::Failure;
using base::FailureKind;

struct Login {
    std::string host = "127.0.0.1";  // or the folder of a unix socket
    int port = 5432;
    std::string database = "mimamori";
    std::string user;
    std::string password_file;  // empty: none. One line, never in argv, environment or logs.
    std::string application_name = "mimamori";
    int statement_timeout_ms = 30'000;                 // 0: none
    int idle_in_transaction_session_timeout_ms = 10'000;  // 0: none
    int idle_session_timeout_ms = 0;                      // 0: none. For a session whose life says that its process works
};

// Arguments of a statement, in order. Text and bytes are copied.
class Params {
  public:
    Params& text(std::string_view value);
    Params& text_or_null(const std::optional<std::string>& value);
    Params& integer(std::int64_t value);
    Params& integer_or_null(std::optional<std::int64_t> value);
    Params& real(double value);
    Params& boolean(bool value);
    Params& bytes(std::string_view value);                   // bytea
    Params& bytes(std::span<const std::uint8_t> value);      // bytea
    Params& time(base::Time value);                          // as bigint microseconds: wrap in from_us() in the statement
    Params& null();
    template <class Tag>
    Params& id(base::Id<Tag> value) { return integer(value.value); }
    // Whole arrays, for unnest($1::text[], ...): one statement for many rows.
    Params& texts(std::span<const std::string> values);
    Params& integers(std::span<const std::int64_t> values);
    Params& byte_strings(std::span<const std::string> values);  // for $n::bytea[]

    std::size_t size() const { return values_.size(); }

  private:
    friend class Connection;
    struct Value {
        std::string data;
        bool is_null = false;
        bool binary = false;
    };
    std::vector<Value> values_;
};

// Rows of a statement. Column numbers start at 0, in the order of the select list. Reading a NULL with a non-optional
// accessor is a defect of the caller and aborts; so is a wrong column.
class Result {
  public:
    explicit Result(pg_result* result);
    int rows() const;
    bool empty() const { return rows() == 0; }
    std::int64_t affected() const;  // rows changed by insert, update, delete
    bool is_null(int row, int column) const;
    std::string_view text(int row, int column) const;  // valid while the Result lives
    std::int64_t integer(int row, int column) const;
    std::optional<std::int64_t> integer_or_null(int row, int column) const;
    bool boolean(int row, int column) const;
    std::string bytes(int row, int column) const;             // bytea
    base::Time time(int row, int column) const;               // of to_us(...)
    std::optional<base::Time> time_or_null(int row, int column) const;
    template <class IdType>
    IdType id(int row, int column) const { return IdType{integer(row, column)}; }

  private:
    struct Clear { void operator()(pg_result* result) const; };
    std::unique_ptr<pg_result, Clear> result_;
};

class Connection {
  public:
    // Connects, sets the session up (time zone UTC, timeouts). Fails with retry when the server is away or full, with
    // refused when it rejects the login.
    static Expected<Connection> open(const Login& login);

    Connection(Connection&&) noexcept;
    Connection& operator=(Connection&&) noexcept;
    ~Connection();

    // Runs the statement `name` of sql/queries; prepared on first use. Failure kinds by SQLSTATE:
    // retry (08, 57, 53: away, out of time or resources), conflict (40, 55P03, 23505: somebody was first), refused (the rest).
    Expected<Result> run(std::string_view name, const Params& params = {});

    // Migrations, bootstrap and tests: any SQL text, several statements allowed, no parameters.
    Expected<void> run_script(std::string_view sql);

    // `begin` ... `commit`. A commit whose reply was lost fails with unknown: it may have taken effect.
    Expected<void> begin();
    Expected<void> commit();
    void rollback();  // never fails from the caller's point of view; a broken session is noticed at the next call
    bool in_transaction() const;

    // Savepoints, for one entry that cannot be stored among neighbours that can.
    Expected<void> savepoint();
    Expected<void> release_savepoint();
    Expected<void> rollback_to_savepoint();

    // Binary COPY FROM STDIN: `copy_sql` is the name of a statement "copy ... from stdin (format binary)". `data` holds
    // the complete stream, header and trailer included (see copy_buffer.h).
    Expected<std::int64_t> copy_in(std::string_view name, std::string_view data);

    // Waits until a notification of a LISTENed channel arrives or `timeout_ms` passed; true if one came.
    Expected<bool> wait_for_notification(int timeout_ms);

    // Asks the server to stop the statement that another thread is waiting for. The only call allowed from another thread.
    void cancel();

    bool broken() const;  // the session is gone: open a new one
    std::string_view last_sqlstate() const { return last_sqlstate_; }  // of the last failure; empty: the server gave none
    pg_conn* raw() const { return connection_; }

  private:
    explicit Connection(pg_conn* connection);
    Expected<Result> finish(pg_result* result, std::string_view what);
    Expected<void> simple(const char* sql);

    pg_conn* connection_ = nullptr;
    struct CancelHandle;
    std::unique_ptr<CancelHandle> cancel_;
    std::unordered_set<std::string> prepared_;
    std::string last_sqlstate_;
};

}  // namespace mimamori::store
