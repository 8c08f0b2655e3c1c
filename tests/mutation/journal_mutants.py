"""Bugs of the journal and the hot loop that show only when the power goes, a sync fails or a bit turns.

The simulation has to find them: the tests of the engine never do.
"""

from tests.mutation.mutants import Mutant

JOURNAL_MUTANTS = [
    Mutant(
        "a reply leaves before its sync",
        "whoever acknowledges from memory",
        "  const std::uint64_t committed_seq = journal_.committed_seq();\n",
        "  const std::uint64_t committed_seq = engine_.seq();\n",
    ),
    Mutant(
        "a retry is looked for where its group has no other before it",
        "whoever counts offsets from the buffer",
        "word = word_of(begin.offset + std::uint64_t{word} * 8);",
        "word = word_of(std::uint64_t{word} * 8);",
    ),
    Mutant(
        "nothing is synced",
        "etcd, Redis and PostgreSQL with their sync settings off",
        'if (config_.sync && detail::disk->fdatasync(file_) != 0) return fail("sync");',
        "",
    ),
    Mutant(
        "a sync that fails is no matter",
        "PostgreSQL before 12, 2018's fsyncgate",
        'if (config_.sync && detail::disk->fdatasync(file_) != 0) return fail("sync");',
        "if (config_.sync) detail::disk->fdatasync(file_);",
    ),
    Mutant(
        "a group is committed once it is written",
        "whoever counts a write as a sync",
        "  const Group& group = *handed_;\n  seal_entries(group.bytes.get(), group.size);\n",
        "  const Group& group = *handed_;\n  seal_entries(group.bytes.get(), group.size);\n"
        "  committed_seq_.store(group.last_seq, std::memory_order_release);\n",
    ),
    Mutant(
        "a torn tail is not cut",
        "logs that append behind garbage",
        'if (end.torn_bytes == 0) return "";',
        'if (end.torn_bytes < (1ULL << 60)) return "";',
    ),
    Mutant(
        "damage to what was acknowledged is taken for a torn write",
        "Protocol-Aware Recovery, FAST 2018",
        "if (!is_last || is_followed_by_later_commit(tail, seq)) {",
        "if (!is_last || (tail.empty() && is_followed_by_later_commit(tail, seq))) {",
    ),
    Mutant(
        "a new segment's name is not synced",
        "LevelDB, by Pillai and others, OSDI 2014",
        "      detail::disk->rename(next_path().c_str(), path.c_str()) != 0 ||\n"
        "      !detail::sync_directory(config_.directory)) {\n"
        "    if (file >= 0)",
        "      detail::disk->rename(next_path().c_str(), path.c_str()) != 0) {\n    if (file >= 0)",
    ),
    Mutant(
        "a new segment's header is not synced",
        "Pillai and others, OSDI 2014",
        "sizeof header, 0) || detail::disk->fdatasync(file) != 0) {",
        "sizeof header, 0)) {",
    ),
    Mutant(
        "what the process before left unsynced is taken for durable",
        "ours, found by the simulation",
        'return start_commit_offset_ == 0 || !config_.sync ? "" : write_again(start_commit_offset_);',
        'return "";',
    ),
    Mutant(
        "after a failed sync a second one is trusted",
        "2018's fsyncgate",
        "      !detail::write_at(file_, bytes.get(), size, from_offset) ||\n",
        "",
    ),
    Mutant(
        "the checksum of an entry is not looked at",
        "Protocol-Aware Recovery, FAST 2018",
        "  if (crc32c(bytes.subspan(covered_from, length - covered_from)) != entry.header.crc32c) {",
        "  if (length < covered_from) {",
    ),
]
