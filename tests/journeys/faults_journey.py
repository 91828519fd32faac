"""The worst day: under load every process and every part is killed at random, links are cut, slowed and left half-open, and once each
the disasters of faults/disasters.py happen. Then the faults stop, everything must settle by itself, and every written line and every
mail is accounted for. Its own stack, so that no other test is hurt. Usage: faults_journey.py [--seed N] [--kills N] [--defect NAME]
Status 0: all is well; 3: something differs; 1: the journey itself could not be run."""
import argparse
import os
import pathlib
import random
import shutil
import signal
import sys
import time
import traceback

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "deploy" / "dev")]
from faults import disasters, judge  # noqa: E402
from faults.defects import DEFECTS, Defect  # noqa: E402
from faults.load import Load  # noqa: E402
from faults.world import PARTS, World  # noqa: E402
from figures import Figures  # noqa: E402
from service import ROOT, Failed, wait_until  # noqa: E402

SETTLE_SECONDS = 150
SETTLE_SECONDS_WITH_DEFECT = 40  # what a defect has lost never comes
SLOW = {"kafka": 8, "postgres": 4}  # one kill in so many, since these take seconds to come back


class FaultsJourney:
    def __init__(self, world, kills, plan, defect=None):
        self.world, self.kills = world, kills
        self.defect = defect or Defect("none")
        self.settle_seconds = SETTLE_SECONDS_WITH_DEFECT if defect else SETTLE_SECONDS
        self.random = random.Random(world.seed)
        self.allowed = judge.Allowed()
        self.killed = 0
        self.plan = plan  # [(after so many kills, disaster)]
        self.disasters = len(plan)
        self.settled_after = None  # seconds without faults until everything was at rest

    def run(self):
        self.world.make()
        if self.defect.sql:
            self.world.sql(self.defect.sql)
        self.world.start_all()
        load = Load(list(self.world.ledgers.values()), self.world.seed, lines_per_s=40)
        load.start()
        try:
            plan = list(self.plan)
            while self.killed < self.kills or plan:
                while plan and plan[0][0] <= self.killed:
                    _, disaster = plan.pop(0)
                    self.world.wait_for_restarts()
                    self.world.tell(f"disaster: {disaster.__name__}")
                    disaster(self.world, self.allowed)
                self.strike()
        finally:
            load.stop()
        return self.settle()

    def strike(self):
        """One kill, mostly with a fault on a link beside it; the dead stay dead for a random while."""
        world = self.world
        world.watch()
        up = [name for name in sorted(world.up) if name in PARTS or name in world.processes]
        up = [name for name in up if not self.defect.targets or name in self.defect.targets]
        weights = [1 / SLOW.get(name, 1) for name in up]
        if up:
            name = self.random.choices(up, weights)[0]
            world.kill_one(name)
            world.start_later(name, self.random.choice((0, 0, 0.1, 0.5, 2)))
            self.killed += 1
        self.disturb_a_link()
        for link, delay_s in self.defect.slow:
            world.proxy.links[link].delay_s = delay_s
        until = time.monotonic() + self.random.uniform(0.05, 1.2)
        while time.monotonic() < until:
            world.watch()
            time.sleep(0.02)
        if len([r for r in world.restarts if not r.done()]) > 3:
            world.wait_for_restarts()

    def disturb_a_link(self):
        link = self.random.choice(list(self.world.proxy.links.values()))
        fault = self.random.choice(("none", "cut", "cut in a frame", "delay", "throttle", "half-open", "heal", "heal"))
        self.world.tell(f"link {link.name}: {fault}")
        if fault == "cut":
            self.world.proxy.cut(link)
        elif fault == "cut in a frame":
            link.cut_next = True
        elif fault == "delay":
            link.delay_s = self.random.choice((0.005, 0.02, 0.1))
        elif fault == "throttle":
            link.bytes_per_s = 200_000
        elif fault == "half-open":
            link.held = True
        if fault != "half-open":
            for other in self.world.proxy.links.values():
                if other.held:  # what was half-open comes back, or is found to be dead
                    other.held = False
                    if self.random.random() < 0.5:
                        self.world.proxy.cut(other)
        if fault == "heal":
            self.world.proxy.heal_all()

    # --- the end of the day --------------------------------------------------------------------------------------------

    def settle(self):
        """Without faults everything must come to rest; what then differs is returned as sentences."""
        world = self.world
        world.proxy.heal_all()
        world.wait_for_restarts()
        world.tell("no more faults")
        calm_since = time.monotonic()
        wrong = []

        def at_rest(condition):
            def check():
                world.watch()
                try:
                    wrong[:] = condition()
                except Failed as failure:  # a query while the database comes back
                    wrong[:] = [str(failure)]
                return not wrong
            try:
                wait_until(check, self.settle_seconds, "settled")
            except Failed:
                pass
            return list(wrong)

        def mails():
            # The relay is back, but who tried while it was not may wait for minutes before the next attempt: that rule has its own tests.
            world.sql("update outbox set next_attempt_at = now() where state = 'pending' and next_attempt_at > now()")
            open_items = world.number("select count(*) from mail_items where digest_id is null")
            unsent = world.number("select count(*) from outbox where state in ('pending', 'sending')")
            return [f"{open_items} mail items are open and {unsent} mails are not sent"] if open_items or unsent else []

        if (at_rest(lambda: judge.entries_differ(world, self.allowed))
                or at_rest(lambda: disasters.unread_of_log(world) + disasters.unsettled_of_agents(world)) or at_rest(mails)):
            world.tell(f"did not settle: {wrong}")
        self.settled_after = time.monotonic() - calm_since
        wrong = (judge.entries_differ(world, self.allowed) + judge.findings_differ(world, self.allowed) + judge.mails_differ(world, self.allowed)
                 + judge.streams_differ(world, self.allowed) + disasters.unread_of_log(world) + disasters.unsettled_of_agents(world) + world.crashes)
        try:
            world.admin("verify")
        except Failed as failure:
            wrong.append(f"admin verify: {failure}")
        return wrong


def write_figures(journey, written, seconds):
    world, allowed = journey.world, journey.allowed
    conditions = f"seed {world.seed}, {journey.killed} kills, {'with' if journey.disasters else 'without'} disasters"
    figures = Figures("faults_journey", lambda line: print(line, flush=True))
    for name, value, unit in (
            ("lines", written, "lines"), ("kills", journey.killed, "kills"), ("settled_after", journey.settled_after, "s"), ("whole", seconds, "s"),
            ("lines_lost_as_declared", allowed.lost_lines, "lines"), ("entries_gone", sum(allowed.gone.values()), "entries"), ("lines_doubled", allowed.doubled_lines, "lines"),
            ("mails", world.number("select count(*) from outbox where state in ('sent', 'bounced')"), "mails"),
            ("mails_doubled", allowed.doubled_mails, "mails"), ("mails_given_up", allowed.given_up_mails, "mails")):
        figures.add(name, value, unit, conditions)
    for name, count in sorted(world.kills.items()):
        figures.add(f"kills.{name}", count, "kills", conditions)
    figures.write()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--kills", type=int)
    parser.add_argument("--defect", choices=list(DEFECTS), help="run the faulty programs with this defect; the journey must find it")
    parser.add_argument("--without-disasters", action="store_true", help="kills and links only")
    parser.add_argument("--keep", action="store_true", help="keep the folder also when all is well")
    parser.add_argument("--destroy", action="store_true", help="remove the folder also when something differs")
    options = parser.parse_args()
    defect = DEFECTS.get(options.defect)
    kills = options.kills or (defect.kills if defect else 60)
    folder = ROOT / "build" / "journeys" / f"faults_{options.defect or 'journey'}"
    if (folder / "stack" / ".mimamori-stack").exists():
        os.system(f"'{ROOT / 'deploy' / 'dev' / 'stack'}' destroy --dir '{folder / 'stack'}' >/dev/null")
    shutil.rmtree(folder, ignore_errors=True)
    print(f"faults: seed {options.seed}, {kills} kills, folder {folder}", flush=True)
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("faults: told to stop"))  # and clean up on the way
    world = World(folder, os.environ["MIMAMORI_BIN"], os.environ["MIMAMORI_AGENT_BIN"], options.seed,
                  options.defect if defect and defect.compiled else None)
    wrong, failure = [], None
    try:
        plan = defect.plan if defect else [] if options.without_disasters else disasters.plan(kills)
        journey = FaultsJourney(world, kills, plan, defect)
        wrong = journey.run()
        written = sum(ledger.count() for ledger in world.ledgers.values())
        print(f"faults: {written} lines written, {dict(sorted(world.kills.items()))} killed; allowed: {journey.allowed.lost_lines} lines lost as declared ({journey.allowed.damaged} to a bad disk, {sum(journey.allowed.gone.values())} gone), "
              f"{journey.allowed.doubled_lines} lines and {journey.allowed.doubled_mails} mails twice, "
              f"{journey.allowed.given_up_mails} mails given up after five attempts in doubt; {time.monotonic() - began:.0f} s")
        if not wrong and not defect:
            write_figures(journey, written, time.monotonic() - began)
    except (Failed, OSError) as error:
        failure = error
        world.tell(traceback.format_exc())
    finally:
        world.end(keep=options.keep or bool(wrong or failure) and not options.destroy)
    for sentence in wrong:
        print(f"faults: difference: {sentence}")
    if failure:
        print(f"faults: could not go on: {failure}")
    if (wrong or failure) and not options.destroy:
        print(f"faults: seed {options.seed}; everything is kept in {folder}, the course of events in told.log")
    return 3 if wrong else 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main())
