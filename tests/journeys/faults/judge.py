"""Compares what was written with what is stored and mailed, and says each difference in a sentence."""
import collections
import email
import email.policy

from .load import RECIPIENTS


class Allowed:
    """What the design lets be otherwise, written down by the disasters that make it so."""

    def __init__(self):
        self.twice_from = {}  # utm_id: (first, end) of line numbers that an older spool may have read a second time
        self.blocks_in_old_spool = {}  # utm_id: roll-ups that an older spool held; they have no row to be compared with
        self.old_mails = {}  # message id: how often it stood in the mailbox's reach before a database restore
        self.doubled_lines = 0
        self.doubled_mails = 0
        self.lost_lines = 0
        self.given_up_mails = 0
        self.damaged = 0  # entries that a bad disk took, of which nobody knows the function
        self.gone = {}  # (utm_id, lane, spool id): entries that an agent had freed and that database and Kafka have both forgotten
        self.missing = {}  # utm_id: numbers of the lines that are not stored, as entries_differ found them


def stored_entries(world):
    """(detections by line, rejected texts, blocks by key) of each appliance."""
    detections = collections.defaultdict(collections.Counter)
    rejected = collections.defaultdict(collections.Counter)
    blocks = collections.Counter()
    for utm_id, number, count in world.sql("select a.utm_id, d.threat_id, count(*) from detections d "
                                           "join appliances a on a.id = d.appliance_id group by 1, 2"):
        detections[utm_id][int(number)] = int(count)
    for utm_id, text, count in world.sql("select a.utm_id, coalesce(substring(encode(q.payload, 'escape') from 'no line of ours [0-9]+ [0-9]+'), 'other'), "
                                         "count(*) from quarantine q "
                                         "join rentals r on r.id = q.rental_id join appliances a on a.id = r.appliance_id group by 1, 2"):
        rejected[utm_id][text] = int(count)
    for key, count in world.sql("select key, sum(count) from block_tallies group by 1"):
        blocks[key] = int(count)
    return detections, rejected, blocks


def declared_losses(world):
    """(entries, by function, entries of unknown function) of each appliance, exact ones. A fork's is a lower bound of what its stream
    lost; here the agent reads the same lines again under another stream."""
    return {utm_id: (int(entries), int(functions), int(unknown)) for utm_id, entries, functions, unknown in world.sql(
        "select a.utm_id, sum(l.entries), sum(l.by_function[2] + l.by_function[3] + l.by_function[4] + l.by_function[5] + l.by_function[6]), "
        "coalesce(sum(l.entries) filter (where l.kind in ('damaged', 'gone')), 0) "
        "from losses l join rentals r on r.id = l.rental_id join appliances a on a.id = r.appliance_id "
        "where not l.at_least group by 1")}


def examples(numbers):
    numbers = sorted(numbers)
    return ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")


def entries_differ(world, allowed):
    """Sentences; none when every written line is stored once or counted in a declared loss."""
    wrong = []
    detections, rejected, blocks = stored_entries(world)
    losses = declared_losses(world)
    allowed.doubled_lines = allowed.lost_lines = 0
    for utm_id, ledger in world.ledgers.items():
        with ledger.lock:
            kinds, functions, written_blocks = list(ledger.kinds), list(ledger.functions), collections.Counter(ledger.blocks)
        first, end = allowed.twice_from.get(utm_id, (0, 0))
        missing, doubled, lost_functions = [], [], 0
        for number, kind in enumerate(kinds):
            if kind == "block":
                continue
            count = (detections[utm_id].pop(number, 0) if kind == "detection" else
                     rejected[utm_id].pop(ledger.rejected_text(number), 0))
            if count == 0:
                missing.append(number)
                lost_functions += functions[number] != 0
            elif count > 1 and (count > 2 or not first <= number < end):
                doubled.append(number)
            allowed.doubled_lines += count - 1 if count > 1 else 0
        strangers = list(detections[utm_id]) + list(rejected[utm_id])
        short, over = 0, 0
        for key, count in written_blocks.items():
            found = blocks.pop(key, 0)
            short += max(count - found, 0)
            again = sum(1 for n in range(first, end) if kinds[n] == "block" and f"ads{n % 37}.{utm_id}.example" == key)
            over += max(found - count - again, 0)
            allowed.doubled_lines += max(found - count, 0)
        over = max(over - allowed.blocks_in_old_spool.get(utm_id, 0), 0)
        declared, declared_functions, unknown = losses.get(utm_id, (0, 0, 0))
        allowed.missing[utm_id] = set(missing)
        if doubled:
            wrong.append(f"{utm_id}: {len(doubled)} lines are stored more than once: {examples(doubled)}")
        if strangers:
            wrong.append(f"{utm_id}: {len(strangers)} entries are stored that nobody wrote: {strangers[:5]}")
        if over:
            wrong.append(f"{utm_id}: blocks are counted {over} times too often")
        if len(missing) + short != declared:
            wrong.append(f"{utm_id}: {len(missing)} lines ({examples(missing)}) and {short} blocks are not stored, declared as lost are {declared}")
        elif not declared_functions <= lost_functions <= declared_functions + unknown:
            wrong.append(f"{utm_id}: {lost_functions} detections are not stored, the losses name {declared_functions} by function and {unknown} without")
        allowed.lost_lines += len(missing) + short
    if blocks:
        wrong.append(f"blocks are counted that nobody wrote: {sorted(blocks)[:5]}")
    return wrong


def findings_differ(world, allowed):
    """Every device that was to be mailed has a finding, unless all its lines are lost as declared; every mailable detection stands in
    exactly one mail item."""
    wrong = []
    devices = collections.defaultdict(set)
    for utm_id, ledger in world.ledgers.items():
        devices[ledger.customer] |= {ledger.device(n) for n in range(ledger.count()) if n not in allowed.missing[utm_id]} - {None}
    names = {f"会社{n}": n for n in RECIPIENTS}
    found = collections.defaultdict(set)
    for name, key in world.sql("select distinct c.name, f.device_key from findings f join customers c on c.id = f.customer_id where f.severity > 0"):
        found[names[name]].add(key)
    for customer in RECIPIENTS:
        if missing := devices[customer] - found[customer]:
            wrong.append(f"customer {customer}: {len(missing)} devices have no finding: {sorted(missing)[:5]}")
        if strange := found[customer] - devices[customer]:
            wrong.append(f"customer {customer}: {len(strange)} devices have a finding and no written line: {sorted(strange)[:5]}")
    rows = world.sql("with d as (select finding_id, count(*) as n from detections where mailable group by 1), "
                     "m as (select finding_id, sum(detections) as n from mail_items group by 1) "
                     "select coalesce(d.finding_id, m.finding_id), coalesce(d.n, 0), coalesce(m.n, 0) from d full join m using (finding_id) "
                     "where d.n is distinct from m.n")
    if rows:
        wrong.append(f"{len(rows)} findings have another number of mailable detections than their mail items say (finding, rows, told): {rows[:5]}")
    return wrong


def mails_differ(world, allowed):
    """Every item is in one digest, every digest was mailed once to each recipient, and the mail names its findings."""
    wrong = []
    open_items = world.number("select count(*) from mail_items where digest_id is null")
    if open_items:
        wrong.append(f"{open_items} mail items never came into a digest")
    rows = world.sql("select d.id, r.address, count(o.id) from digests d join recipients r on r.customer_id = d.customer_id "
                     "left join outbox o on o.digest_id = d.id and o.address = r.address group by 1, 2 having count(o.id) <> 1")
    if rows:
        wrong.append(f"digests without exactly one mail for a recipient (digest, address, mails): {rows[:5]}")
    mailbox = collections.Counter()
    texts = {}
    for raw in world.mails():
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        message_id = mail["Message-ID"].strip("<>")
        mailbox[message_id] += 1
        texts[message_id] = mail
    allowed.doubled_mails = 0
    alert_ids = collections.defaultdict(list)
    for digest, alert_id in world.sql("select i.digest_id, f.alert_id from mail_items i join findings f on f.id = i.finding_id "
                                      "where i.digest_id is not null order by 1"):
        alert_ids[digest].append(alert_id)
    known, not_there, too_often = set(), [], []
    allowed.given_up_mails = 0
    for message_id, digest, state, in_doubt, reply, alarms in world.sql(
            "select message_id, coalesce(digest_id, 0), state, in_doubt, last_reply, "
            "(select count(*) from alarms where kind = 'mail_given_up' and subject = 'mail ' || outbox.id) from outbox"):
        known.add(message_id)
        count = mailbox[message_id]
        if state == "failed" and int(in_doubt) >= 5 and alarms != "0":
            allowed.given_up_mails += 1  # five attempts in doubt are the most; there is an alarm
        elif state != "sent":
            wrong.append(f"mail {message_id} is {state}: {reply}")
        elif count == 0:
            not_there.append(message_id)
        elif count > 1 + int(in_doubt) + allowed.old_mails.get(message_id, 0):
            too_often.append(f"{message_id} {count} times with {in_doubt} attempts in doubt")
        allowed.doubled_mails += max(count - 1, 0)
        if count and digest != "0" and len(alert_ids[digest]) <= 20:
            text = texts[message_id].get_body(("plain",)).get_content()
            if absent := [a for a in alert_ids[digest] if a not in text]:
                wrong.append(f"mail {message_id} of digest {digest} does not name {absent[:5]}")
    if not_there:
        wrong.append(f"{len(not_there)} mails are marked sent and are not in the mailbox: {not_there[:3]}")
    if too_often:
        wrong.append(f"{len(too_often)} mails are in the mailbox more often than they may be: {too_often[:3]}")
    strange = [m for m in mailbox if m not in known and m not in allowed.old_mails]
    if strange:
        wrong.append(f"{len(strange)} mails are in the mailbox that the database does not know: {strange[:3]}")
    allowed.doubled_mails += sum(count for m, count in mailbox.items() if m not in known and m in allowed.old_mails)
    return wrong


def streams_differ(world, allowed):
    """Every entry of a stream is counted once, and gone is exactly what could not but be."""
    wrong = [f"stream {row[0]}: its counters do not sum to next_seq - 1" for row in world.sql(
        "select id from streams where detections + blocks + skipped + rejected + quarantined + tombstoned + gone <> next_seq - 1")]
    gone = {(utm_id, int(lane), spool_id): int(count) for utm_id, lane, spool_id, count in world.sql(
        "select a.utm_id, s.lane, encode(s.spool_id, 'hex'), s.gone from streams s join rentals r on r.id = s.rental_id "
        "join appliances a on a.id = r.appliance_id where s.gone > 0")}
    wrong += [f"stream {row[0]}: entries are gone, and there is no alarm" for row in world.sql(
        "select id from streams where gone > 0 and not exists (select from alarms where kind = 'entries_gone' and subject = 'stream ' || streams.id)")]
    return wrong + [f"stream {' '.join(map(str, key))}: {gone.get(key, 0)} entries are gone, {allowed.gone.get(key, 0)} had to be"
                    for key in sorted(gone.keys() | allowed.gone.keys()) if gone.get(key) != allowed.gone.get(key)]
