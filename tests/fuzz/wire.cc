// What an agent sends and what lies in Kafka: the first byte says which reader the rest is for.
#include <google/protobuf/stubs/logging.h>

#include <vector>

#include "adapters/wire/detection.h"
#include "adapters/wire/log_record.h"
#include "adapters/wire/unpack.h"
#include "fuzz/require.h"
#include "gateway/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace mimamori;
    namespace wire = adapters::wire;
    static const google::protobuf::LogSilencer silence;  // the oracle complains of every field that is no UTF-8
    if (size == 0) {
        return 0;
    }
    const std::string_view bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
    switch (data[0] % 7) {
        case 0: {
            const auto record = wire::decode_log_record(bytes);
            if (record && record->body == wire::Body::entries) {
                wire::Unpacker unpacker;
                std::string buffer;
                if (const auto list = unpacker.unpack(record->entries, buffer)) {
                    fuzz::require(list->size() == record->entries.raw_size, "unpacked bytes are of the declared size");
                    std::vector<wire::EntryView> entries;
                    if (wire::decode_entries(*list, record->entries.count, entries)) {
                        fuzz::require(entries.size() == record->entries.count, "entries are as many as declared");
                    }
                }
            }
            break;
        }
        case 1:
            (void)wire::decode_detection(bytes);
            break;
        case 2:
            (void)wire::decode_block(bytes);
            break;
        case 3:
            (void)wire::decode_rejected(bytes);
            break;
        case 4: {
            gateway::pb::Batch batch;
            if (batch.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
                (void)gateway::envelope_of(batch);
            }
            break;
        }
        case 5: {
            gateway::pb::Hello hello;
            if (hello.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
                (void)gateway::lanes_of(hello);
            }
            break;
        }
        default:
            (void)gateway::progress_of(bytes);
            break;
    }
    return 0;
}
