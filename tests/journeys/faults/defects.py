"""Defects built in on purpose, each with the faults that must bring it to light: a check that never failed proves nothing. Three are
compiled into mimamori-faulty and mimamori-agent-faulty, two are triggers in the journey's own database."""
import dataclasses

from . import disasters

CORRELATORS = ("correlator", "correlator-2", "postgres")


@dataclasses.dataclass(frozen=True)
class Defect:
    what: str
    compiled: bool = False
    sql: str = ""  # as the superuser, before anything runs
    targets: tuple = ()  # who is killed; empty: everybody
    kills: int = 30
    plan: tuple = ()
    slow: tuple = ()  # links that are slow all the time, in seconds for each piece


DEFECTS = {
    "cursor_outside_transaction": Defect(
        "the correlator commits rows first and the cursor in a transaction of its own", compiled=True, targets=CORRELATORS, kills=25),
    "progress_before_commit": Defect(
        "the correlator publishes progress before its transaction is committed", compiled=True, targets=CORRELATORS, kills=2,
        plan=((1, disasters.lose_kafka_and_database),)),
    "settled_before_commit": Defect(
        "the agent frees what is on Kafka and not yet in PostgreSQL", compiled=True, targets=CORRELATORS, kills=4,
        plan=((1, disasters.lose_kafka_and_database), (3, disasters.lose_kafka_and_database))),
    "digest_by_timestamp": Defect(
        "an item belongs to the digest in whose window its timestamp lies", targets=("notifier",), kills=40,
        slow=(("correlator to postgres", 0.03), ("correlator-2 to postgres", 0.03)), sql="""
create function by_timestamp() returns trigger language plpgsql as $$
begin
    if old.digest_id is null and new.digest_id is not null and not exists (
        select from digests d where d.id = new.digest_id and old.created_at >= d.window_start and old.created_at < d.window_end) then
        return null;
    end if;
    return new;
end $$;
create trigger by_timestamp before update on mail_items for each row execute function by_timestamp();"""),
    "sent_before_reply": Defect(
        "an outbox row is marked sent before the relay has answered", targets=("notifier",), kills=20, slow=(("smtp", 0.05),), sql="""
create function sent_early() returns trigger language plpgsql as $$
begin
    if new.state = 'sending' then
        new.state := 'sent';
        new.sent_at := now();
    end if;
    return new;
end $$;
create trigger sent_early before update on outbox for each row execute function sent_early();"""),
}
