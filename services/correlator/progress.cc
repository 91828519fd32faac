#include "correlator/progress.h"

#include "correlator/events.h"
#include "mimamori/uplink/v1/log.pb.h"

namespace mimamori::correlator {
namespace {

void set(std::string* out, const std::array<std::uint8_t, 16>& bytes) {
    out->assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

std::string progress_record(const delivery::Generation& generation, std::int32_t partition, const Applied& applied) {
    uplink::v1::Progress progress;
    set(progress.mutable_generation(), generation);
    progress.set_partition(partition);
    progress.set_log_no(applied.position.position.log_no);
    progress.set_next_offset(applied.position.position.next_offset);
    for (const auto& stream : applied.streams) {
        auto& out = *progress.add_streams();
        out.set_rental_id(stream.key.rental.value);
        out.set_stream_id(stream.id.value);
        auto& cursor = *out.mutable_cursor();
        cursor.set_lane(static_cast<uplink::v1::Lane>(stream.key.lane));
        set(cursor.mutable_spool_id(), stream.key.spool_id);
        cursor.set_next_seq(stream.cursor.next_seq);
        set(cursor.mutable_h(), stream.cursor.h);
        cursor.set_status(static_cast<uplink::v1::StreamStatus>(stream.cursor.status));
    }
    return progress.SerializeAsString();
}

base::Expected<std::unique_ptr<ProgressWriter>> ProgressWriter::make(const std::string& bootstrap, const std::string& topic,
                                                                     platform::Events& events) {
    std::unique_ptr<ProgressWriter> writer{new ProgressWriter{topic, events}};
    auto producer = adapters::kafka::Producer::make(
        {.bootstrap = bootstrap, .client_id = "mimamori-correlator-progress", .linger = std::chrono::milliseconds{1}},
        [&events](const adapters::kafka::Delivery& delivery) {
            if (delivery.failure) {
                events.emit(progress_not_sent, {{"detail", delivery.failure->what}});
            }
        });
    if (!producer) {
        return tl::unexpected{producer.error()};
    }
    writer->producer_ = std::move(*producer);
    return writer;
}

void ProgressWriter::tell(const delivery::Generation& generation, std::int32_t partition, const Applied& applied) {
    const auto record = progress_record(generation, partition, applied);
    if (auto sent = producer_->send(topic_, 0, "", record, 0); !sent) {
        events_.emit(progress_not_sent, {{"partition", partition}, {"detail", sent.error().what}});
    }
}

}  // namespace mimamori::correlator
