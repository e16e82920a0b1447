"""Compares two fingerprints of environments: which fields differ, and whether a difference changes what is measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from pydantic import JsonValue

from workers.catalog.report import STATE

Matters = Literal["matters", "minor"]
Environment = Mapping[str, JsonValue]


class Change(NamedTuple):
    """One field in which two environments differ."""

    field: str
    before: JsonValue
    """None where it is not set, or where this fingerprint does not have the field."""
    after: JsonValue
    matters: Matters
    reason: str
    """One sentence: why figures across this difference may or need not differ."""


class Rule(NamedTuple):
    """What a difference in some fields means. A field follows the rule with the longest name that opens its own."""

    field: str
    """A field's whole name, or its opening up to and with a dot."""
    matters: Matters
    reason: str
    numbers: int = 0
    """With versions: how many numbers have to be equal for the rest to be minor; 0 means that any difference counts."""
    within: float = 0.0
    """With amounts: share of the larger by which the two may differ and still be minor."""


RULES: tuple[Rule, ...] = (
    Rule("host.name", "minor", "A machine's name does not change what it does."),
    Rule("host.", "matters", "It is another kind of machine."),
    Rule("os.release", "minor", "What the distribution brings that counts (kernel, C library, packages) has fields of its own."),
    Rule("os.kernel", "matters", "Another kernel schedules, allocates and mitigates differently.", numbers=2),
    Rule("os.boot_options", "matters", "Options of the kernel isolate processors, switch mitigations and set the clock."),
    Rule("os.aslr", "minor", "Fresh processes average over the layout of addresses."),
    Rule("os.libc", "matters", "The C library brings the allocator, memcpy and the threads.", numbers=2),
    Rule("os.", "matters", "The system's settings decide how threads are scheduled and what reading the clock costs."),
    Rule("cpu.model", "matters", "It is another processor."),
    Rule("cpu.microcode", "matters", "Microcode updates have changed speed by up to tens of percent."),
    Rule("cpu.flags", "matters", "Instruction sets decide which kernels run."),
    Rule("cpu.governor", "matters", "The governor decides the clock."),
    Rule("cpu.mitigations", "matters", "Mitigations of processor faults cost time in every system call."),
    Rule("cpu.frequency_max_hz", "matters", "Another ceiling of the clock.", within=0.001),
    Rule("cpu.", "matters", "The processor, or how much of it may be used and how it may be clocked, is another."),
    # The kernel keeps a little for itself, not the same at every start.
    Rule("memory.total_bytes", "matters", "Another amount of memory fits other models.", within=0.02),
    Rule("memory.swap_bytes", "minor", "A run that swaps says so itself."),
    Rule("memory.", "matters", "How the kernel hands out memory decides page faults and translation misses."),
    Rule("limit.", "matters", "The container may use another share of the machine."),
    Rule("allocator.", "matters", "The allocator decides what memory costs in time and bytes."),
    Rule("python.version", "matters", "Another Python calls operators at another speed.", numbers=2),
    Rule("python.build", "minor", "The same version, built at another time."),
    Rule("python.isolated", "minor", "Isolation decides where imports come from; their versions have fields of their own."),
    Rule("python.", "matters", "The interpreter is built or set differently."),
    Rule("package.pydantic", "minor", "It takes no part in what is timed."),
    Rule("package.", "matters", "Another version of a library brings other kernels and defaults."),
    Rule("variable.", "matters", "This variable changes how libraries run."),
    Rule("torch.threads", "matters", "Another number of threads."),
    Rule("torch.git", "matters", "Another build of torch."),
    Rule("torch.fp32_precision", "matters", "Products of fp32 are computed in another precision."),
    Rule("torch.matmul_precision", "matters", "Products of fp32 are computed in another precision."),
    Rule("torch.deterministic", "matters", "Deterministic algorithms are slower ones."),
    Rule("torch.", "matters", "torch is another, or is built or set differently."),
    Rule("library.", "matters", "The library that computes products or starts threads is another."),
    Rule("gpu.name", "matters", "It is another GPU."),
    Rule("gpu.driver", "matters", "Another driver brings another compiler and other clocks."),
    Rule("gpu.power_cap_w", "matters", "The power cap decides the clock under load.", within=0.001),
    Rule("gpu.uuid", "minor", "Another piece of the same kind; pieces differ by a few percent."),
    Rule("gpu.serial", "minor", "Another piece of the same kind; pieces differ by a few percent."),
    Rule("gpu.count", "minor", "A run uses one GPU; how many there are beside it does not change it."),
    Rule("gpu.", "matters", "The GPU, or how it is set, is another."),
    Rule("energy.method", "matters", "Joules read in different ways are not the same quantity."),
    Rule("run.seed", "matters", "Other weights, inputs and order of blocks."),
    Rule("tradespace.commit", "minor", "The protocol's version is what counts, and it is the product's."),
    Rule("tradespace.version", "matters", "Another version may measure differently."),
)  # fmt: skip
UNKNOWN = Rule("", "matters", "Nothing is known about this field, so a difference may matter.")
IDENTITY = frozenset({"cpu.model", "gpu.name", "torch.version"})
"""Every fingerprint of a kind has these: one without is of another kind. Any other field may be too new for one of them."""
ABSENT = "Only one of the two fingerprints has this field."
UNREAD = "Not known of one of the two: it is another kind of device, or a run that ended before this was read."
NO_ENERGY = "not measurable here: "
"""How the field ``energy.method`` begins where no counter can be read; the reason follows."""


def difference(a: Environment, b: Environment) -> tuple[Change, ...]:
    """Every field in which two environments differ, those that matter first; what changes while a machine runs is left out."""
    fields = sorted(name for name in a.keys() | b.keys() if not name.startswith(STATE))
    changes = [_change(name, a, b) for name in fields if name not in a or name not in b or a[name] != b[name]]
    return tuple(sorted(changes, key=lambda change: change.matters != "matters"))


def comparable(a: Environment, b: Environment) -> bool:
    """Whether figures from two environments may stand side by side without a word: nothing that matters differs."""
    return all(change.matters == "minor" for change in difference(a, b))


def rule_of(field: str) -> Rule:
    """What is known about a field."""
    fitting = [
        rule for rule in RULES if field == rule.field or (rule.field[-1] == "." and field.startswith(rule.field))
    ]
    return max(fitting, key=lambda rule: len(rule.field), default=UNKNOWN)


def _change(field: str, a: Environment, b: Environment) -> Change:
    before, after = a.get(field), b.get(field)
    if field not in a or field not in b:
        if field in IDENTITY:
            return Change(field, before, after, "matters", UNREAD)
        return Change(field, before, after, "minor", ABSENT)
    rule = rule_of(field)
    if rule.numbers and _leading(before, rule.numbers) == _leading(after, rule.numbers) is not None:
        return Change(field, before, after, "minor", "Only the last places of the version differ.")
    if rule.within and _near(before, after, rule.within):
        return Change(field, before, after, "minor", f"The two differ by less than {rule.within:.1%}.")
    return Change(field, before, after, rule.matters, rule.reason)


def _leading(version: JsonValue, numbers: int) -> tuple[int, ...] | None:
    """The first numbers of a version; None when it has fewer."""
    found = re.findall(r"\d+", version) if isinstance(version, str) else []
    return tuple(int(number) for number in found[:numbers]) if len(found) >= numbers else None


def _near(before: JsonValue, after: JsonValue, share: float) -> bool:
    if not isinstance(before, int | float) or not isinstance(after, int | float):
        return False
    return abs(before - after) <= share * max(abs(before), abs(after))
