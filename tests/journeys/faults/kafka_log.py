"""Kafka from below: where a partition's log ends, its tail cut off on disk, and its own record batches written to it once more, in
another order. Speaks just these requests and reads segment files; not a client."""
import socket
import struct

HEADER = struct.Struct(">qiibIhiqqqhii")  # of a record batch, magic 2


def topic(world):
    return f"{world.topics}.batches"


def ask(world, key, version, body):
    """One request to the broker itself, past the proxy; the answer without its header."""
    port = int(world.stack["MIMAMORI_KAFKA_BOOTSTRAP"].rsplit(":", 1)[1])
    request = struct.pack(">hhih6s", key, version, 1, 6, b"faults") + body
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        link.sendall(struct.pack(">i", len(request)) + request)
        answer = link.makefile("rb")
        size, _ = struct.unpack(">ii", answer.read(8))
        return answer.read(size - 4)


def named(text):
    return struct.pack(">h", len(text)) + text.encode()


def end_offset(world, partition):
    """ListOffsets (key 2, version 1) of the newest."""
    name = topic(world)
    body = struct.pack(">ii", -1, 1) + named(name) + struct.pack(">iiq", 1, partition, -1)
    answer = ask(world, 2, 1, body)
    at = 4 + 2 + len(name) + 4
    _, error, _, offset = struct.unpack_from(">ihqq", answer, at)
    if error:
        raise OSError(f"the broker does not tell the end of partition {partition}: error {error}")
    return offset


def folders(world):
    """The folder of each partition of the batches topic, by partition."""
    root = world.stack_dir / "kafka" / "data"
    return {int(folder.name.rsplit("-", 1)[1]): folder for folder in root.glob(f"{topic(world)}-*") if folder.is_dir()}


def batches(folder):
    """Record batches of a partition as they lie on disk, oldest first; a torn end is left out."""
    for segment in sorted(folder.glob("*.log")):
        bytes_ = segment.read_bytes()
        at = 0
        while at + HEADER.size <= len(bytes_):
            size = 12 + struct.unpack_from(">i", bytes_, at + 8)[0]
            if size < HEADER.size or at + size > len(bytes_):
                break
            yield segment, at, bytes_[at:at + size]
            at += size


def partition_of(world, customer_id):
    """Where a customer's records are: the same as domain/delivery/partitioning.h."""
    value = (customer_id + 0x9E3779B97F4A7C15) % 2**64
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
    return (value ^ value >> 31) % world.partitions


def last_offset(batch):
    return struct.unpack_from(">q", batch)[0] + struct.unpack_from(">i", batch, 23)[0]


def cut_from(world, partition, offset):
    """Cuts off all record batches that reach to this offset or beyond. As cut_tail."""
    newer = sum(last_offset(batch) >= offset for _, _, batch in batches(folders(world)[partition]))
    return cut_tail(world, partition, newer) if newer else 0


def cut_tail(world, partition, how_many):
    """What a broker's machine forgets when it dies before its disk has all: the newest record batches, the last one in its middle.
    Only while the broker is dead. Returns how many offsets are gone."""
    found = list(batches(folders(world)[partition]))
    if len(found) < 2:
        return 0
    segment, at, first = found[-min(how_many, len(found) - 1)]
    newer = [s for s, _, _ in found if s > segment]
    for later in set(newer):
        later.unlink()
    with open(segment, "r+b") as file:
        file.truncate(at + len(first) // 2)
    return last_offset(found[-1][2]) + 1 - struct.unpack_from(">q", first)[0]


def produce_again(world, partition, batch):
    """Writes a record batch once more, as a client without idempotence would."""
    fields = list(HEADER.unpack_from(batch))
    fields[0] = 0  # base offset: the broker's
    fields[9:12] = -1, -1, -1  # producer id, epoch and sequence: else the broker would take it for a repetition
    fields[2] = -1  # partition leader epoch: the broker's
    fields[5] &= ~0x08  # time of appending: the broker's
    after_crc = HEADER.pack(*fields)[21:] + batch[HEADER.size:]
    fields[4] = crc32c(after_crc)
    made = HEADER.pack(*fields)[:21] + after_crc
    name = topic(world)
    body = (struct.pack(">hhii", -1, -1, 10000, 1) + named(name) + struct.pack(">iii", 1, partition, len(made)) + made)
    answer = ask(world, 0, 7, body)  # Produce, of the first version with zstd
    error = struct.unpack_from(">h", answer, 4 + 2 + len(name) + 4 + 4)[0]
    if error:
        raise OSError(f"the broker refuses a record batch: error {error}")


def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = crc_table()


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ CRC_TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF
