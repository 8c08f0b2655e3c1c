"""What happens in a run: everything that one seed expands to."""

import random
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class Options:
    """Rates are of events a second, shares are probabilities. 0 switches a fault off."""

    seed: int
    trouble_s: float = 8.0
    quiet_s_max: float = 120.0
    """After the trouble: what has not converged by then never will."""

    trader_count: int = 4
    commands_per_second: float = 40.0
    """Of one trader, while it is not waiting."""
    records_per_message_max: int = 4
    request_timeout_s: float = 1.0
    network_delay_s: float = 0.004
    disk_delay_s: float = 0.004
    query_share: float = 0.03
    tied_share: float = 0.0
    """Traders whose orders end with their connection."""

    # The matcher's machine and process.
    power_cut_rate: float = 0.0
    cut_in_write_rate: float = 0.0
    """The power goes between two changes of the disk, or in the midst of one."""
    kill_rate: float = 0.0
    sync_failure_rate: float = 0.0
    disk_full_rate: float = 0.0
    bit_flip_share: float = 0.0
    """Of the times that the matcher is down, a bit of something acknowledged turns."""
    keep_percent: int = 50
    """Of the sectors and names that were not synced, what a power cut leaves."""
    keeps_in_order: bool = False

    # Clients' connections.
    reset_rate: float = 0.0

    # The broker and the ways to it.
    broker_restart_rate: float = 0.0
    broker_loses_unsynced: bool = False
    broker_sync_interval_s: float = 2.0
    broker_forgets_last_id: bool = False
    wipe_rate: float = 0.0
    disconnect_rate: float = 0.0
    stall_rate: float = 0.0
    publish_loss_share: float = 0.0
    ack_loss_share: float = 0.0
    late_publish_share: float = 0.0
    """Of what a dead connection had sent, arrives all the same, later."""
    repeat_share: float = 0.0
    swap_share: float = 0.0
    skip_share: float = 0.0

    # The ledger and its database.
    ledger_kill_rate: float = 0.0
    ledger_kill_in_write_share: float = 0.0
    """Of the transactions: the ledger is killed while it waits for the database."""
    second_ledger_rate: float = 0.0
    store_interrupted_share: float = 0.0
    """Of the transactions: the connection goes before, in or after COMMIT."""
    failover_rate: float = 0.0
    cache_flush_rate: float = 0.0
    cache_restart_rate: float = 0.0
    """With what Redis had saved at some time before."""

    def text(self) -> str:
        default = {field.name: field.default for field in fields(self)}
        return " ".join(
            f"{name}={value}" for name, value in asdict(self).items() if value != default[name]
        )


def expand(seed: int) -> Options:
    """Not every fault in every run: some only show where others do not hide them."""
    random_ = random.Random(f"options {seed}")

    def sometimes(share: float, low: float, high: float) -> float:
        is_on = random_.random() < share
        value = round(random_.uniform(low, high), 3)
        return value if is_on else 0.0

    return Options(
        seed=seed,
        trouble_s=round(random_.uniform(6.0, 20.0), 1),
        trader_count=random_.randint(2, 5),
        commands_per_second=round(random_.choice((40, 120, 300)) * random_.uniform(0.8, 1.2), 1),
        records_per_message_max=random_.choice((1, 4, 20)),
        request_timeout_s=random_.choice((0.4, 1.0, 2.5)),
        network_delay_s=random_.choice((0.0005, 0.004, 0.04)),
        disk_delay_s=random_.choice((0.0005, 0.004, 0.03)),
        tied_share=random_.choice((0.0, 0.0, 0.5)),
        power_cut_rate=sometimes(0.5, 0.05, 0.8),
        cut_in_write_rate=sometimes(0.5, 0.05, 0.8),
        kill_rate=sometimes(0.5, 0.05, 0.8),
        sync_failure_rate=sometimes(0.2, 0.02, 0.3),
        disk_full_rate=sometimes(0.15, 0.05, 0.3),
        bit_flip_share=sometimes(0.3, 0.05, 0.5),
        keep_percent=random_.choice((0, 20, 50, 90, 100)),
        keeps_in_order=random_.random() < 0.4,
        reset_rate=sometimes(0.4, 0.05, 1.0),
        broker_restart_rate=sometimes(0.4, 0.05, 0.5),
        broker_loses_unsynced=random_.random() < 0.6,
        broker_sync_interval_s=random_.choice((0.2, 1.0, 5.0)),
        broker_forgets_last_id=random_.random() < 0.3,
        wipe_rate=sometimes(0.3, 0.03, 0.2),
        disconnect_rate=sometimes(0.5, 0.05, 1.0),
        stall_rate=sometimes(0.4, 0.05, 1.0),
        publish_loss_share=sometimes(0.3, 0.001, 0.05),
        ack_loss_share=sometimes(0.3, 0.001, 0.02),
        late_publish_share=sometimes(0.5, 0.1, 1.0),
        repeat_share=sometimes(0.4, 0.01, 0.3),
        swap_share=sometimes(0.3, 0.01, 0.1),
        skip_share=sometimes(0.3, 0.001, 0.03),
        ledger_kill_rate=sometimes(0.5, 0.05, 0.8),
        ledger_kill_in_write_share=sometimes(0.4, 0.01, 0.2),
        second_ledger_rate=sometimes(0.25, 0.05, 0.3),
        store_interrupted_share=sometimes(0.5, 0.01, 0.3),
        failover_rate=sometimes(0.3, 0.05, 0.4),
        cache_flush_rate=sometimes(0.3, 0.05, 0.5),
        cache_restart_rate=sometimes(0.3, 0.05, 0.3),
    )
