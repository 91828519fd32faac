#include "running_gateway.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "base/text.h"
#include "domain/delivery/partitioning.h"

namespace mimamori::test {
namespace {

namespace kafka = adapters::kafka;

std::string hex(std::string_view bytes) {
    return base::to_hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

}  // namespace

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        std::this_thread::sleep_for(10ms);
    }
    return true;
}

RunningGateway::RunningGateway(const std::function<void(gateway::Settings&)>& change)
    : topics_{2}, null_fd_{::open("/dev/null", O_WRONLY | O_CLOEXEC)}, events_{"gateway", metrics_, std::getenv("MIMAMORI_TEST_LOG") != nullptr ? 2 : null_fd_} {
    database_.query(fmt::format("insert into log_partitions (partition) select generate_series(0, {})", topics_.partitions - 1));
    const auto server = authority_.issue_server();
    gateway::Settings settings;
    settings.server.listen = "127.0.0.1:0";
    settings.server.certificate_file = folder_.write("server.pem", server.certificate);
    settings.server.key_file = folder_.write("server.key", server.private_key);
    settings.server.ca_file = folder_.write("ca.pem", authority_.certificate());
    settings.name = "gateway-1";
    settings.max_unsettled_bytes = 64UL << 20U;
    settings.revocation_interval = 100ms;
    settings.drain_limit = 10s;
    settings.kafka.bootstrap = kafka_bootstrap();
    settings.kafka.batches_topic = topics_.batches;
    settings.kafka.progress_topic = topics_.progress;
    settings.kafka.presence_topic = topics_.presence;
    settings.kafka.partitions = topics_.partitions;
    settings.login = database_.login("gateway");
    if (change) {
        change(settings);
    }
    gateway_ = std::make_unique<gateway::Gateway>(settings, clock_, events_, metrics_, health_);
    thread_ = std::jthread{[this] {
        result_ = gateway_->run(stop_.get_token());
        ended_ = true;
    }};
    if (!eventually([&] { return ready() || ended_; }, 60s) || ended_) {
        stop_.request_stop();
        thread_.join();
        throw std::runtime_error(result_ ? "the gateway did not get ready: " + health_.answer().json : result_.error().what);
    }
}

RunningGateway::~RunningGateway() {
    (void)stop();
    ::close(null_fd_);
}

void RunningGateway::request_stop() {
    stop_.request_stop();
}

base::Expected<void> RunningGateway::stop() {
    stop_.request_stop();
    if (thread_.joinable()) {
        thread_.join();
    }
    return result_;
}

RunningGateway::Appliance RunningGateway::enrol() {
    Appliance out{database_.make_tenant("one"), authority_.issue_appliance("appliance")};
    database_.add_certificate(out.tenant.rental, out.identity.fingerprint);
    return out;
}

std::unique_ptr<Agent> RunningGateway::connect(const Appliance& appliance) {
    return std::make_unique<Agent>(port(), authority_.certificate(), appliance.identity);
}

std::unique_ptr<Agent> RunningGateway::greet(const Appliance& appliance, const Spool& spool, std::uint64_t last) {
    auto agent = connect(appliance);
    agent->send(hello({spool.state(last)}));
    if (!agent->next(pb::GatewayFrame::kHelloAck)) {
        throw std::runtime_error("no HelloAck: " + agent->end(1s).error_message());
    }
    return agent;
}

std::vector<std::string> RunningGateway::read_topic(const std::string& topic, std::int32_t partitions) {
    kafka::ConsumerSettings settings;
    settings.bootstrap = kafka_bootstrap();
    const auto consumer = kafka::Consumer::make(settings);
    std::vector<std::string> values;
    for (std::int32_t partition = 0; partition < partitions; ++partition) {
        const auto marks = (*consumer)->query_watermarks(topic, partition, 10s);
        if (!marks) {
            throw std::runtime_error(marks.error().what);
        }
        (void)(*consumer)->assign(std::array{kafka::Position{topic, partition, 0}});
        auto missing = marks->high;
        while (missing > 0) {
            for (const auto& record : (*consumer)->poll(static_cast<std::size_t>(missing), 200ms).records) {
                values.emplace_back(record.value());
                --missing;
            }
        }
    }
    return values;
}

std::vector<pb::LogRecord> RunningGateway::records() {
    std::vector<pb::LogRecord> out;
    for (const auto& value : read_topic(topics_.batches, topics_.partitions)) {
        if (!out.emplace_back().ParseFromString(value)) {
            throw std::runtime_error("not a LogRecord");
        }
    }
    return out;
}

std::vector<pb::LogRecord> RunningGateway::batches() {
    auto out = records();
    std::erase_if(out, [](const pb::LogRecord& record) { return record.has_tick(); });
    return out;
}

std::size_t RunningGateway::ticks() {
    const auto all = records();
    return static_cast<std::size_t>(std::ranges::count_if(all, [](const auto& record) { return record.has_tick(); }));
}

std::vector<pb::Presence> RunningGateway::presence() {
    std::vector<pb::Presence> out;
    for (const auto& value : read_topic(topics_.presence, 1)) {
        out.emplace_back().ParseFromString(value);
    }
    return out;
}

std::int64_t RunningGateway::open_alarms(const std::string& kind) {
    return database_.integer(fmt::format("select count(*) from alarms where kind = '{}' and closed_at is null", kind));
}

void RunningGateway::commit(const Commit& what) {
    const auto partition = delivery::partition_of(what.appliance.tenant.customer, topics_.partitions);
    kafka::ConsumerSettings reading;
    reading.bootstrap = kafka_bootstrap();
    const auto high = (*kafka::Consumer::make(reading))->query_watermarks(topics_.batches, partition, 10s)->high;
    const auto where = fmt::format("rental_id = {} and spool_id = '\\x{}'", what.appliance.tenant.rental.value, hex(what.spool.id_bytes));
    if (what.with_database) {
        database_.query("begin");
        if (what.next_seq > 0) {
            database_.query(fmt::format("update streams set next_seq = {0}, detections = {0} - 1, h_before = '\\x{1}' where {2}",
                                        what.next_seq, hex(what.spool.h(what.next_seq)), where));
        }
        database_.query(fmt::format("update log_partitions set next_offset = {} where partition = {}", high, partition));
        database_.query("commit");
    }
    if (!what.with_progress) {
        return;
    }
    pb::Progress progress;
    auto generation = *base::from_hex(database_.query("select encode(generation, 'hex') from database_identity")[0][0]);
    if (what.other_generation) {
        generation[0] = static_cast<char>(generation[0] ^ 1);
    }
    progress.set_generation(generation);
    progress.set_partition(partition);
    progress.set_log_no(1);
    progress.set_next_offset(high);
    if (what.next_seq > 0) {
        auto& stream = *progress.add_streams();
        stream.set_rental_id(what.appliance.tenant.rental.value);
        stream.set_stream_id(database_.integer("select id from streams where " + where));
        stream.mutable_cursor()->set_lane(what.spool.lane);
        stream.mutable_cursor()->set_spool_id(what.spool.id_bytes);
        stream.mutable_cursor()->set_next_seq(what.next_seq);
        stream.mutable_cursor()->set_h(what.spool.h(what.next_seq));
    }
    kafka::ProducerSettings writing;
    writing.bootstrap = kafka_bootstrap();
    const auto producer = kafka::Producer::make(writing, [](const kafka::Delivery&) {});
    if (!(*producer)->send(topics_.progress, partition, "", progress.SerializeAsString(), 0) || !(*producer)->flush(10s)) {
        throw std::runtime_error("progress could not be published");
    }
}

}  // namespace mimamori::test
