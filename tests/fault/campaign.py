"""Disturbs a replica that serves, one fault after the other, and checks it after each."""
import dataclasses
import json
import random
import shutil
import time

import invariants
from deployment import Deployment, wait_until
from faults import FAULTS
from streams import Streams


@dataclasses.dataclass
class Strike:
    """One fault as it went; times in seconds."""
    number: int
    kind: str
    began: float  # wall time
    broken: list = dataclasses.field(default_factory=list)
    detection: float | None = None  # from the strike to the log's fault line
    recovery: float | None = None  # from the strike to the log's recovered line
    silences: list = dataclasses.field(default_factory=list)  # the longest one of each stream that was in flight
    collective: str | None = None  # what the culprit did, as the log says


class Campaign:
    fewest_in_flight = 8  # streams with output, when a fault strikes

    def __init__(self, seed, kinds, deploy=Deployment, say=lambda text: None):
        self.seed, self.kinds, self.deploy, self.say = seed, kinds, deploy, say
        self.strikes = []

    def kind_of(self, number):
        """Every kind in each round, in an order of the round's own."""
        turn, place = divmod(number, len(self.kinds))
        order = sorted(self.kinds)
        random.Random(f"{self.seed}/order/{turn}").shuffle(order)
        return order[place]

    def run(self, numbers, kept_log=None):
        """All failures, in words."""
        with self.deploy() as replica:
            replica.await_serving()
            failures = self.disturb(replica, numbers)
            if failures and kept_log:
                shutil.copy(replica.log_path, kept_log)
        return failures

    def disturb(self, replica, numbers):
        streams = Streams(replica.url, self.seed)
        streams.make_reference()
        warm = invariants.Snapshot.of(replica)
        self.say(f"{len(streams.reference)} requests answered undisturbed")
        streams.start()
        for number in numbers:
            self.strike(replica, streams, number)
        streams.finish()
        failures = [f"fault {s.number} ({s.kind}): {each}" for s in self.strikes for each in s.broken]
        failures += self.of_streams(streams) + [f"at the end: {each}" for each in invariants.when_idle(warm, replica)]
        return failures + [f"at the end: {each}" for each in invariants.after_sigterm(replica)]

    def of_streams(self, streams):
        """Each with the fault before it."""
        def latest(at):
            return max((s for s in self.strikes if s.began <= at), key=lambda s: s.began, default=None)
        return [f"fault {s.number} ({s.kind}): {what}" if (s := latest(at)) else what for at, what in streams.failures]

    def strike(self, replica, streams, number):
        kind = self.kind_of(number)
        draw = random.Random(f"{self.seed}/{number}")
        time.sleep(draw.uniform(0.1, 0.5))
        wait_until(lambda: len(streams.open) >= self.fewest_in_flight, 30, "streams in flight")
        before = invariants.Snapshot.of(replica)
        fault = FAULTS[kind](replica, draw)
        strike = Strike(number, kind, time.time())
        self.strikes.append(strike)
        streams.gaps.clear()
        in_flight = streams.with_output()
        try:
            strike.broken += self.endure(replica, streams, in_flight, fault, before)
        except (TimeoutError, OSError, AssertionError) as problem:
            strike.broken.append(f"{type(problem).__name__}: {problem}; the replica: {json.dumps(replica.replica())}")
        self.measure(strike, fault, replica)
        strike.silences = streams.silences(in_flight, fault.struck)
        self.say(f"{number:4} {kind:22} {'; '.join(strike.broken) or 'ok'}")

    @staticmethod
    def endure(replica, streams, in_flight, fault, before):
        """The fault from the strike to the end of its recovery, and until all streams go on; what is broken then."""
        fault.now_strike()
        wait_until(fault.done, invariants.RECOVERY_SECONDS, "recovery")
        whole = time.time()
        survivors = in_flight & streams.with_output()
        broken = fault.heal() or []
        wait_until(lambda: streams.have_gone_on(in_flight, whole), invariants.RECOVERY_SECONDS, "all streams go on")
        return broken + invariants.after_fault(replica, before, fault, survivors)

    @staticmethod
    def measure(strike, fault, replica):
        line, end = replica.log.find("fault", fault.struck), replica.log.find("recovered", fault.struck)
        if line:
            strike.detection, strike.collective = line["at"] - fault.struck, line.get("collective")
        if end:
            strike.recovery = end["at"] - fault.struck
