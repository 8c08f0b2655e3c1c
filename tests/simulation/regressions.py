"""Runs that once found something, with all their options: what a seed expands to may change.

They still depend on which random numbers the world draws; the bug itself is also planted, in
tests/mutation/journal_mutants.py or bugs.py, where every run has its chance to find it.
"""

from tests.simulation.options import Options

REGRESSIONS = {
    # A group whose sync had failed was read from memory by the next process and published; no later
    # sync wrote it, and with the next power cut the journal had a hole behind which entries stood.
    "a power cut after a sync that failed": Options(
        seed=1, sync_failure_rate=0.4, power_cut_rate=0.6, keep_percent=100
    ),
    # A matcher that was killed between write and sync left a group in memory. The next one published
    # it, the ledger stored it, and a power cut took it away.
    "a power cut after a kill between write and sync": Options(
        seed=10,
        kill_rate=1.2,
        power_cut_rate=1.2,
        keep_percent=0,
        disk_delay_s=0.03,
        records_per_message_max=20,
        network_delay_s=0.0005,
    ),
    # Redis kept old rows for good, and called itself complete: nobody had told it of what was stored.
    "a COMMIT of unknown outcome that had stored positions": Options(
        seed=5, store_interrupted_share=0.3
    ),
}
