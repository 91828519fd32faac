"""What happens once a run. A disaster returns when the next fault may follow; none waits for a time, only for conditions. What it lets
be otherwise than exactly once is written into `allowed`, for the judge."""
import json
import os
import shutil
import signal
import struct
import subprocess
import time

from service import Failed, wait_until

from . import kafka_log
from .world import DAMAGED_SPOOL, PROCESSES, SMALL_SPOOL, SOON_FREED

OLD_SPOOL = "1000000001"  # whose disk's old image comes back
SERVICES = list(PROCESSES)


def plan(kills):
    """[(after so many kills, disaster)], in an order in which each can be judged exactly: from the backup to its restore Kafka loses
    nothing but what restore_backup takes from it."""
    order = [(0.05, keep_old_spool), (0.10, repeat_and_reorder), (0.15, stop_a_correlator), (0.22, lose_kafka_and_database),
             (0.32, lose_kafkas_tail), (0.40, bring_back_old_spool), (0.48, keep_backup), (0.55, repeat_and_reorder),
             (0.65, restore_backup), (0.75, fill_a_disk), (0.85, damage_a_spool)]
    return [(int(share * kills), disaster) for share, disaster in order]


def status_of(world, utm_id):
    try:
        return json.loads((world.agents[utm_id] / "status.json").read_text())
    except (OSError, ValueError):
        return None  # not written yet


def status_since(world, utm_id, since):
    """What the agent says of a later time than this, or None."""
    file = world.agents[utm_id] / "status.json"
    return status_of(world, utm_id) if file.exists() and file.stat().st_mtime > since else None


def wait_until_settled(world, utm_ids):
    """All that is in the logs of these agents now."""
    counts = {utm_id: world.ledgers[utm_id].count() for utm_id in utm_ids}

    def read(utm_id):
        return read_until(world.agents[utm_id], world.ledgers[utm_id].file) >= counts[utm_id]
    wait_until(lambda: world.watch() or all(map(read, utm_ids)), 60, f"{utm_ids} have read their logs")
    since = time.time()
    wait_until(lambda: world.watch() or all(status_since(world, utm_id, since) for utm_id in utm_ids), 60, f"{utm_ids} tell their status")
    last = {utm_id: {lane: state["last"] for lane, state in status_of(world, utm_id)["lanes"].items()} for utm_id in utm_ids}

    def settled(utm_id):
        return all(state["last"] - state["not_settled"] >= last[utm_id][lane] for lane, state in status_of(world, utm_id)["lanes"].items())
    wait_until(lambda: world.watch() or all(map(settled, utm_ids)), 60, f"what {utm_ids} have read is settled")


def partition_of(world, utm_id):
    customer = world.number("select r.customer_id from rentals r join appliances a on a.id = r.appliance_id "
                            f"where a.utm_id = '{utm_id}' and r.ends_at is null")
    return kafka_log.partition_of(world, customer)


def broker_is_there(world):
    try:
        return sum(kafka_log.end_offset(world, partition) for partition in kafka_log.folders(world)) + 1
    except (OSError, struct.error):
        return 0


def everything_up(world):
    """All processes run and all links pass: a disaster begins from here."""
    world.proxy.heal_all()
    world.wait_for_restarts()
    wait_until(lambda: world.watch() or broker_is_there(world), 60, "the broker answers")
    world.sql_when_there("select 1")


def repeat_and_reorder(world, _):
    """Record batches of every partition once more, in a random order."""
    everything_up(world)
    for partition, folder in kafka_log.folders(world).items():
        old = [batch for _, _, batch in kafka_log.batches(folder)]
        for batch in world.random.sample(old, min(len(old), 15)):
            kafka_log.produce_again(world, partition, batch)


def stop_a_correlator(world, _):
    """One hangs beyond its lease; another must take over all it had, and when it wakes up it must do no harm."""
    everything_up(world)
    pid = world.processes["correlator"].pid
    held = f"select count(*) from log_partitions where holder like '%/{pid}/%'"
    wait_until(lambda: world.watch() or world.number(held) > 0, 60, f"correlator {pid} holds partitions")
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: world.number(held) == 0, 60, f"what the hanging correlator {pid} held is taken over")
    finally:
        os.kill(pid, signal.SIGCONT)
    world.tell("the correlator that hung goes on")


def hold_a_commit(world):
    """Until a commit waits in front of PostgreSQL whose transaction settles more than a segment of an agent's spool: had anybody told
    its cursor already, the agent would have freed that segment by the end of this."""
    wait_until_settled(world, list(world.agents))  # so that no other transaction is as large
    links = [world.proxy.links[f"{name} to postgres"] for name in ("correlator", "correlator-2")]
    for link in links:
        link.hold_commit_over = 256 << 10  # bytes on the line: at least 128 KiB of them in the spool's lane of most lines
    agent = SOON_FREED[0]
    ledger = world.ledgers[agent]
    bound = ledger.bytes + (64 << 20)  # and no further: then something is wrong

    def held():
        world.watch()
        if not any(link.commit_held for link in links) and ledger.bytes < bound:
            ledger.write(100, filler="x" * 1000)
        return any(link.commit_held for link in links)
    wait_until(held, 60, "a large transaction comes to its commit")
    for link in links:
        link.hold_commit_over = 0
    # The correlators tell all partitions' progress on one topic, in order: what they said before is heard when this is.
    mine = partition_of(world, agent)
    others = [utm_id for utm_id in world.agents if partition_of(world, utm_id) != mine]
    for utm_id in others:
        world.ledgers[utm_id].write(20)
    wait_until_settled(world, others)


def lose_kafka_and_database(world, _):
    """PostgreSQL dies when all of a large transaction has reached it but the commit, more batches reach Kafka, then Kafka loses
    everything: only agents have it now, if nobody took that transaction for committed."""
    everything_up(world)
    hold_a_commit(world)
    world.kill_one("postgres")
    landed = broker_is_there(world)
    for ledger in world.ledgers.values():
        ledger.write(20)
    wait_until(lambda: broker_is_there(world) > landed + 3, 60, "batches reach Kafka while the database is down")
    world.kill_one("kafka")
    world.stack_command("wipe-kafka")
    world.proxy.heal_all()
    world.start_part("kafka")
    world.start_part("postgres")
    world.admin("topics", "create")


def lose_kafkas_tail(world, _):
    """Kafka's machine dies before its disk has the newest batches."""
    everything_up(world)
    world.kill_one("kafka")
    for partition in kafka_log.folders(world):
        lost = kafka_log.cut_tail(world, partition, world.random.randint(1, 6))
        world.tell(f"partition {partition} loses {lost} offsets")
    world.start_part("kafka")


# --- an old image of an appliance's disk ---------------------------------------------------------------------------------

def read_until(home, log):
    """How many lines of the log an agent's newest checkpoint covers. Its file: two slots of 4096 bytes, see spool/checkpoints.cc."""
    data = (home / "spool" / "checkpoints").read_bytes()
    newest, offset = -1, 0
    for slot in (data[:4096], data[4096:8192]):
        number, sources = struct.unpack_from("<QB", slot, 8)
        if slot[:8] != b"MMCHECK1" or number < newest or sources == 0:
            continue
        name_size = slot[21]
        checkpoint = slot[22 + name_size + 1:22 + name_size + 1 + slot[22 + name_size]]
        newest, offset = number, struct.unpack_from("<q", checkpoint, len(checkpoint) - 16)[0]
    return log.read_bytes()[:offset].count(b"\n")


def keep_old_spool(world, allowed):
    everything_up(world)
    name, home = f"agent-{OLD_SPOOL}", world.agents[OLD_SPOOL]
    world.kill_one(name)
    shutil.copytree(home / "spool", world.dir / "old-spool")
    allowed.old_spool_read = read_until(home, world.ledgers[OLD_SPOOL].file)
    # Numbered are all blocks read so far; freed were at least those before the first that the lane held when it was last told.
    with world.ledgers[OLD_SPOOL].lock:
        numbered = world.ledgers[OLD_SPOOL].kinds[:allowed.old_spool_read].count("block")
    status = status_of(world, OLD_SPOOL)
    allowed.old_spool_blocks = numbered - (status["lanes"]["rollup"]["first"] - 1 if status else 0)
    world.start_one(name)


def bring_back_old_spool(world, allowed):
    """The log it reads stays as it is: what the old image has not read is read a second time, and may be stored a second time."""
    everything_up(world)
    name, home = f"agent-{OLD_SPOOL}", world.agents[OLD_SPOOL]
    world.kill_one(name)
    shutil.rmtree(home / "spool")
    shutil.copytree(world.dir / "old-spool", home / "spool")
    allowed.twice_from[OLD_SPOOL] = (allowed.old_spool_read, world.ledgers[OLD_SPOOL].count())
    allowed.blocks_in_old_spool[OLD_SPOOL] = allowed.old_spool_blocks
    world.tell(f"{allowed.old_spool_blocks} blocks of the old spool may be counted twice")
    world.tell(f"lines {allowed.twice_from[OLD_SPOOL]} of {OLD_SPOOL} may be stored twice")
    world.start_one(name)


# --- a backup of the database --------------------------------------------------------------------------------------------

def copy_cluster(source, target):
    shutil.rmtree(target, ignore_errors=True)
    done = subprocess.run(["cp", "-a", str(source), str(target)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"copying the cluster: {done.stderr}")


def cluster(world):
    return (world.stack_dir / "postgres" / "data").resolve()


def keep_backup(world, _):
    everything_up(world)
    world.up.discard("postgres")
    world.stack_command("stop", "--only", "postgres")
    copy_cluster(cluster(world), world.dir / "backup")
    world.start_part("postgres")


def restore_backup(world, allowed):
    """As the runbook says; but of one partition Kafka, too, has lost all since the backup. There everything is gone that an agent has
    freed meanwhile, to the entry; elsewhere nothing, though an agent has freed as much. Mails of the lost time may go out again."""
    everything_up(world)
    free_segments(world)
    for name in SERVICES:
        world.kill_one(name)
    held_from = first_held(world)
    in_mailbox = world.mail_counts()
    for message_id, in world.sql("select message_id from outbox"):
        allowed.old_mails[message_id] = in_mailbox.get(message_id, 0)
    world.up.discard("postgres")
    world.stack_command("stop", "--only", "postgres")
    shutil.rmtree(cluster(world))
    copy_cluster(world.dir / "backup", cluster(world))
    world.start_part("postgres")
    lose_what_came_since(world, allowed, held_from)
    world.admin("database", "restored")
    for name in SERVICES:
        world.start_one(name)


def free_segments(world):
    """Until some agents have freed what they had not even read before."""
    before = {utm_id: status_of(world, utm_id)["lanes"]["normal"]["last"] for utm_id in SOON_FREED}

    def freed():
        world.watch()
        waiting = [utm_id for utm_id in SOON_FREED if status_of(world, utm_id)["lanes"]["normal"]["first"] <= before[utm_id]]
        for utm_id in waiting:
            if world.ledgers[utm_id].bytes < 64 << 20:  # and no further: then something is wrong
                world.ledgers[utm_id].write(50, filler="x" * 1000)
        return not waiting
    wait_until(freed, 60, f"{' and '.join(SOON_FREED)} have freed segments")


def first_held(world):
    """{(utm_id, lane, spool id): the first entry that is held}. Without a gateway nothing is freed."""
    since = time.time()

    def alone(utm_id):
        status = status_since(world, utm_id, since)
        return status and not status["uplink"]["connected"]
    wait_until(lambda: world.watch() or all(map(alone, world.agents)), 60, "agents tell what they hold")
    held_from = {}
    for utm_id, home in world.agents.items():
        for number, lane in enumerate(("urgent", "normal", "rollup")):
            spool_id = (home / "spool" / lane / "CURRENT").read_text().strip()
            held_from[utm_id, number, spool_id] = status_of(world, utm_id)["lanes"][lane]["first"]
    return held_from


def lose_what_came_since(world, allowed, held_from):
    """Kafka forgets of an agent's partition what the database, as restored, has not read."""
    world.kill_one("kafka")
    partition = partition_of(world, SOON_FREED[0])
    read = world.number(f"select next_offset from log_partitions where partition = {partition}")
    world.tell(f"partition {partition} loses {kafka_log.cut_from(world, partition, read)} offsets, all from {read} on")
    world.start_part("kafka")
    stored = {(utm_id, int(lane), spool_id): int(next_seq) for utm_id, lane, spool_id, next_seq in world.sql(
        "select a.utm_id, s.lane, encode(s.spool_id, 'hex'), s.next_seq from streams s join rentals r on r.id = s.rental_id "
        "join appliances a on a.id = r.appliance_id")}
    for stream, first in held_from.items():
        if partition_of(world, stream[0]) == partition and first > stored.get(stream, 1):
            allowed.gone[stream] = first - stored.get(stream, 1)
    world.tell(f"gone must be {allowed.gone}")
    if not allowed.gone:
        raise Failed("an agent has freed what was settled since the backup, and nothing of it would be gone")


# --- a full disk -----------------------------------------------------------------------------------------------------------

def fill_a_disk(world, _):
    """No gateway for so long that a small spool is full: what it gives up must be declared to the entry."""
    everything_up(world)
    for name in ("gateway", "gateway-2"):
        world.kill_one(name)
    ledger = world.ledgers[SMALL_SPOOL]

    def gave_up():
        world.watch()
        status = status_of(world, SMALL_SPOOL)
        if status and status["spool"]["given_up_entries"] > 0:
            return True
        if ledger.bytes < 64 << 20:  # and no further: then something is wrong
            ledger.write(200, filler="x" * 1500)
        return False
    wait_until(gave_up, 60, f"the spool of {SMALL_SPOOL} gives up entries")
    for name in ("gateway", "gateway-2"):
        world.start_one(name)


# --- a disk that gives bad bytes -------------------------------------------------------------------------------------------

def damage_a_spool(world, allowed):
    """No gateway until an agent has several segments that nobody else has; then one of them is damaged while the agent is down.
    Whatever the segment holds from the bad place on must be declared to the entry."""
    everything_up(world)
    for name in ("gateway", "gateway-2"):
        world.kill_one(name)
    ledger, home = world.ledgers[DAMAGED_SPOOL], world.agents[DAMAGED_SPOOL]
    sent = set((home / "spool" / "normal").glob("*/*"))

    def grown():
        world.watch()
        own = sorted(set((home / "spool" / "normal").glob("*/*")) - sent)
        if len(own) >= 4:
            return own
        if ledger.bytes < 64 << 20:  # and no further: then something is wrong
            ledger.write(100, filler="x" * 300)
        return None
    own = wait_until(grown, 60, f"the spool of {DAMAGED_SPOOL} has segments that were never sent")
    count = ledger.count()
    wait_until(lambda: world.watch() or read_until(home, ledger.file) >= count, 60, "and a checkpoint covers them")
    world.kill_one(f"agent-{DAMAGED_SPOOL}")
    damaged = own[1]
    with open(damaged, "r+b") as file:
        middle = damaged.stat().st_size // 2
        file.seek(middle)
        byte = file.read(1)[0]
        file.seek(middle)
        file.write(bytes([byte ^ 0x40]))
    world.tell(f"{damaged} has a bad byte at {middle}")
    for name in (f"agent-{DAMAGED_SPOOL}", "gateway", "gateway-2"):
        world.start_one(name)
    declared = "select coalesce(sum(entries), 0) from losses where kind = 'damaged'"
    allowed.damaged = wait_until(lambda: world.watch() or world.number(declared), 60, "the damaged range is declared")
    world.tell(f"{allowed.damaged} entries are declared as damaged")


# --- where everything stands -----------------------------------------------------------------------------------------------

def unread_of_log(world):
    """Sentences about partitions that the correlators have not read to their end."""
    wrong = []
    for partition, offset in world.sql("select partition, next_offset from log_partitions order by 1"):
        try:
            end = kafka_log.end_offset(world, int(partition))
        except (OSError, struct.error) as error:
            return [f"the broker does not answer: {error}"]
        if int(offset) < end:
            wrong.append(f"partition {partition} is read to {offset} of {end}")
    return wrong


def unsettled_of_agents(world):
    wrong = []
    for utm_id in world.agents:
        status = status_of(world, utm_id)
        if status is None:
            wrong.append(f"{utm_id}: its status file cannot be read")
            continue
        left = {lane: state["not_settled"] for lane, state in status["lanes"].items() if state["not_settled"]}
        if left or not status["uplink"]["connected"]:
            wrong.append(f"{utm_id}: not settled are {left}, connected: {status['uplink']['connected']}, {status['uplink']['last_error']}")
    return wrong
