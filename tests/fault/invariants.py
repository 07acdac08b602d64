"""What must hold whatever happens. Each function returns what does not, in words."""
import dataclasses
import time

from deployment import Deployment, state_of, wait_until

RECOVERY_SECONDS = 15
MOST_MEMORY_GROWTH = 48 << 20  # bytes; the allocator keeps some of what requests had
END_SECONDS = 3  # for workers after SIGTERM
ORPHAN_SECONDS = 1  # for workers after SIGKILL of their server


@dataclasses.dataclass
class Snapshot:
    """The replica at one moment."""
    epoch: int
    pids: list
    restarts: list
    loaded: dict
    replayed: float
    usage: dict
    resident: int

    @classmethod
    def of(cls, replica):
        page, metrics = replica.replica(), replica.metrics()
        def labelled(name):
            return {key: value for key, value in metrics.items() if key.startswith(name + "{")}
        return cls(page["epoch"], [r["pid"] for r in page["ranks"]], [r["restarts"] for r in page["ranks"]], labelled("loaded_bytes_total"),
                   metrics["replayed_tokens_total"], labelled("kv_cache_usage_perc"), replica.resident_bytes())


def only_victims_changed(before, after, fault):
    broken, victims = [], fault.victims
    for rank, (was, now) in enumerate(zip(before.pids, after.pids)):
        if (was != now) != (rank in victims):
            broken.append(f"rank {rank} was process {was} and is {now}")
        if after.restarts[rank] - before.restarts[rank] != victims.get(rank, 0):
            broken.append(f"rank {rank} restarted {after.restarts[rank] - before.restarts[rank]} times instead of {victims.get(rank, 0)}")
    for label, bytes_read in before.loaded.items():
        if not any(f'rank="{rank}"' in label for rank in fault.readers) and after.loaded.get(label) != bytes_read:
            broken.append(f"{label} was {bytes_read} and is {after.loaded.get(label)}")
    return broken


def epoch_moved(before, after, fault):
    if after.epoch < before.epoch:
        return [f"the epoch fell from {before.epoch} to {after.epoch}"]
    if fault.ends_epoch is not None and (after.epoch > before.epoch) != fault.ends_epoch:
        return [f"the epoch was {before.epoch} and is {after.epoch}"]
    return []


def culprit_named(replica, fault):
    """One of those at fault, and nobody else."""
    if not fault.is_logged:
        return []
    culprits = set(fault.victims) if fault.culprits is None else fault.culprits
    named = {line["rank"] for line in replica.log.all("fault", fault.struck)} - {None}
    broken = [f"ranks {sorted(named - culprits)} were blamed"] if named - culprits else []
    return broken + ([f"none of ranks {sorted(culprits)} was blamed"] if culprits and not named & culprits else [])


def lost_sequences_replayed(replica, before, fault, survivors):
    """survivors: streams with output before the fault that went on after it. In which group one is, clients cannot see."""
    if not (survivors and fault.loses_all_groups()):
        return []
    try:
        wait_until(lambda: Snapshot.of(replica).replayed > before.replayed, RECOVERY_SECONDS, "replayed tokens")
        return []
    except TimeoutError:
        return [f"{len(survivors)} streams lost their caches and nothing was replayed"]


def memory_is_level(before, after):
    grown = after.resident - before.resident
    return [f"the server grew by {grown >> 20} MB"] if grown > MOST_MEMORY_GROWTH else []


def after_fault(replica, before, fault, survivors):
    after = Snapshot.of(replica)
    broken = only_victims_changed(before, after, fault) + epoch_moved(before, after, fault) + culprit_named(replica, fault)
    broken += lost_sequences_replayed(replica, before, fault, survivors)
    return broken + (memory_is_level(before, after) if fault.memory_matters else [])


def when_idle(warm, replica):
    """Nothing is in flight; warm is from after the first requests."""
    try:
        wait_until(lambda: not any(Snapshot.of(replica).usage.values()), RECOVERY_SECONDS, "no KV block in use")
    except TimeoutError:
        return [f"blocks leaked: {Snapshot.of(replica).usage}"]
    return memory_is_level(warm, Snapshot.of(replica))


def gone(pids, seconds):
    try:
        wait_until(lambda: not any(map(state_of, pids)), seconds, "the workers' end")
        return []
    except TimeoutError:
        return [f"processes {[pid for pid in pids if state_of(pid)]} live {seconds} s after their server"]


def after_sigterm(replica):
    workers = replica.processes()
    code = replica.stop()
    return ([f"exit code {code} after SIGTERM"] if code else []) + gone(workers, END_SECONDS)


def after_death_of_server():
    """Of a replica of its own. Returns what is broken, and how long the workers outlived their server."""
    with Deployment() as replica:
        replica.await_serving()
        workers = replica.processes()
        assert len(workers) == 4, workers
        killed = time.time()
        replica.process.kill()
        replica.process.wait()
        broken = gone(workers, ORPHAN_SECONDS)
        return broken, time.time() - killed
