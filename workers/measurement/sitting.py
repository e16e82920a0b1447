"""The sitting: baseline and variant side by side in fresh processes, in turns, pair by pair; then everything else is read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import get_args

from workers.catalog.ceilings import Ceilings
from workers.catalog.environment import NO_ENERGY
from workers.catalog.lease import Progress
from workers.catalog.report import Arm, Report
from workers.catalog.spec import RunSpec
from workers.measurement import environment, exact, metering, nvml, protocol, summary, typical
from workers.measurement.answers import Answers
from workers.measurement.arms import ArmFailed, ArmProcess
from workers.measurement.contention import Seen, Watch
from workers.measurement.messages import Answer, Order
from workers.measurement.nvml import Gpu
from workers.measurement.probes import energy
from workers.measurement.record import Record

Tell = Callable[[Progress], None]
ARMS: tuple[Arm, ...] = get_args(Arm)
BRACKET: tuple[Arm, ...] = ("baseline", "variant", "baseline")
"""The order of arms that have to be measured one after the other."""
PROGRESS_S = 0.5
"""Between two lines while blocks are taken."""
NO_CEILINGS = (
    "The device's ceilings were not given (--ceilings), so utilisation and what binds are left out; "
    "python -m workers.measurement.ceilings measures them."
)
MEMORY_OUTCOMES = frozenset({"oom_device", "oom_host"})


def hold(
    spec: RunSpec, scratch: Path, memory_limit: int | None, tell: Tell, ceilings: Ceilings | None = None
) -> Report:
    """Measure one variant against the baseline; whatever happens is in the report.

    Args:
        spec: the run.
        scratch: an empty folder.
        memory_limit: bytes of host memory both arms may hold together, or None. Counts on CPU devices.
        tell: is told how far the sitting is.
        ceilings: what the device can do; without them nothing is said about utilisation and what binds.
    """
    if spec.effort == "exact":
        return exact.hold(spec, scratch, tell)
    return _Sitting(spec, scratch, memory_limit, tell, ceilings).hold()


class _Sitting:
    def __init__(
        self, spec: RunSpec, scratch: Path, memory_limit: int | None, tell: Tell, ceilings: Ceilings | None
    ) -> None:
        self.spec = spec
        self.scratch = scratch
        self.memory_limit = memory_limit
        self.tell = tell
        self.plan = protocol.PLANS[spec.effort]
        self.record = Record(spec)
        self.record.ceilings = ceilings
        if ceilings is None:
            self.record.notes.append(NO_CEILINGS)
        elif ceilings.contended:
            self.record.notes.append(
                f"The device's ceilings were measured while others kept {ceilings.contention:.0%} of the processors busy; "
                "they are too low, and utilisation is too high."
            )
        self.pair = 0
        self.answers = Answers(spec.evaluation, scratch, self.plan.pairs)
        self.tries = 0
        """How many pairs were measured again, whatever the reason."""
        self.aside: list[tuple[float, float]] = []
        """Of every pair set aside: the share of the processors that others took, and the seconds it cost."""
        self.both_resident = False
        self.began = self.told = time.monotonic()
        self.timer_s: dict[Arm, float] = {}
        self.watch = Watch()
        self.seen: Seen | None = None
        self.metered_s = 0.0
        """Time that windows of energy took; it is none of the budget for pairs."""

    def hold(self) -> Report:
        record = self.record
        record.environment |= environment.host() | environment.state("start")
        gpu = self._gpu()
        self.watch.gpu = gpu if isinstance(gpu, Gpu) else None
        self.watch.rest("before")
        failed: ArmFailed | None = None
        try:
            while True:
                self._pair()
                ending = protocol.enough(typical.latency_ratio(record), self._paired_s(), self.plan)
                if ending:
                    record.unmet += [ending.unmet] if ending.unmet else []
                    break
                self.pair += 1
            self._say("report", "Summing up", 1.0)
        except ArmFailed as error:
            failed = error
        self.watch.rest("after")
        record.environment |= environment.state("end") | self.watch.fields
        record.notes += self.watch.notes
        seconds = time.monotonic() - self.began
        return summary.broken(record, failed, seconds) if failed else summary.whole(record, seconds)

    def _paired_s(self) -> float:
        """Seconds that pairs which count have taken."""
        return time.monotonic() - self.began - self.metered_s - sum(spent for _, spent in self.aside)

    def _pair(self) -> None:
        """One pair of fresh processes; one after the other once it is known that both together do not fit."""
        if not self.record.apart:
            try:
                self._until_it_counts(self._side_by_side)
                return
            except ArmFailed as error:
                # An arm that fails before there is another has had the memory to itself.
                if error.failed.outcome not in MEMORY_OUTCOMES or not self.both_resident:
                    raise
            self.record.apart = True
            for pair in range(self.pair + 1):
                self.record.forget(pair)
            self.record.unmet.clear()
            self.pair = 0
            self.record.notes.append(
                "Both arms together do not fit into memory, so each was measured with the memory to itself, in fresh processes "
                "one after the other, the variant between two baselines; what changed on the machine meanwhile is in the ratio."
            )
        self._until_it_counts(self._one_after_the_other)

    def _until_it_counts(self, measure: Callable[[], bool]) -> None:
        """Measure a pair; what others disturbed is set aside and measured again."""
        contention, unmet, known = dict(self.record.contention), len(self.record.unmet), self.watch.known()
        while not measure():
            self.tries += 1
            self.watch.recall(known)
            self.record.contention = dict(contention)
            del self.record.unmet[unmet:]
        self.answers.score(self.record, self.pair)

    def _side_by_side(self) -> bool:
        """Both arms in turns. Whether the pair counts."""
        self.both_resident = False
        began = time.monotonic()
        first, second = protocol.order(self.spec.seed, self.pair, protocol.LOADING_TURN)
        with ExitStack() as processes:
            arms = {arm: processes.enter_context(self._start(arm)) for arm in ARMS}
            for arm in ARMS:
                self._began(arms[arm])
            with self._watching("start", *arms.values()):
                self._load(arms[first], self.memory_limit)
                self.both_resident = True
                room = None if self.memory_limit is None else max(1, self.memory_limit - arms[first].held_bytes)
                self._load(arms[second], room)
            for arm in (first, second):
                self._warm_up(arms[arm])
            with self._watching("measure", *arms.values()) as seen:
                self._turns(arms)
            if self._disturbed(seen, time.monotonic() - began):
                return False
            self._meter(*(arms[arm] for arm in protocol.order(self.spec.seed, self.pair, protocol.METERED_TURN)))
            for arm in ARMS:
                self._observe(arms[arm])
        return True

    def _disturbed(self, seen: Seen, seconds: float) -> bool:
        """Whether others disturbed the pair so much that it is measured again; what happens is said in a note."""
        aside_s = sum(spent for _, spent in self.aside) + seconds
        shares = [share for share, _ in self.aside]
        found = protocol.contaminated(seen.share, seen.spoilt, seen.reasons, shares, aside_s, self.spec.effort)
        if found is None:
            return False
        self.record.notes.append(found.note)
        if found.again:
            self.aside.append((seen.share, seconds))
            self.record.set_aside(self.pair)
        return found.again

    def _one_after_the_other(self) -> bool:
        """The variant between two baselines, so that what drifts meanwhile meets both arms alike. Whether the pair counts."""
        self.both_resident = False
        began = time.monotonic()
        for place, arm in enumerate(BRACKET):
            with self._start(arm, f"-apart-{place}") as process:
                self._began(process)
                with self._watching("start", process):
                    self._load(process, self.memory_limit)
                self._warm_up(process)
                with self._watching("measure", process) as seen:
                    self._alone(process)
                if self._disturbed(seen, time.monotonic() - began):
                    return False
                if place < len(ARMS):
                    self._meter(process)
                    self._observe(process)
        return True

    def _start(self, arm: Arm, suffix: str = "") -> ArmProcess:
        if arm == "baseline" or self.record.apart:
            self._say("start", f"starting the {'arm' if self.record.apart else 'two arms'}", 0.0)
        process = ArmProcess(self.spec, arm, self.scratch / f"{arm}-{self.pair}.{self.tries}{suffix}")
        process.begin()
        return process

    def _began(self, process: ArmProcess) -> None:
        answer = process.wait()
        self.timer_s[process.arm] = answer.timer_s
        self.record.take(process.arm, self.pair, answer)

    def _load(self, process: ArmProcess, room: int | None) -> None:
        """Load, convert, first call."""
        arm = process.arm
        share = 0.16 if self.both_resident else 0.10
        self._say("load", f"loading the {arm}", share)
        self._take(process, Order(deed="load", memory_limit=room))
        self._say("convert", f"converting the {arm}", share + 0.02)
        self._take(process, Order(deed="convert"))
        self._say("first_call", f"first call of the {arm}", share + 0.03)
        self._take(process, Order(deed="first_call"))

    def _warm_up(self, process: ArmProcess) -> None:
        """Steps until the running median settles, in small helpings."""
        arm = process.arm
        self._say("warm_up", f"warming up the {arm}", 0.22)
        # A pair whose arms come one after the other has two processes of the baseline, and each has to warm up.
        begun = len(self.record.warm_up(arm, self.pair))
        samples = 1
        while True:
            self.record.warmed(arm, self.pair, process.do(_steps(samples)))
            series = self.record.warm_up(arm, self.pair)[begun:]
            if protocol.warm_enough(series, self.plan.warm_up_s):
                break
            samples = protocol.helping(series)
        if not protocol.settled(series):
            self._unmet(f"the {arm}'s warm-up had not settled after {len(series)} steps in {sum(series):.1f} s")

    def _turns(self, arms: dict[Arm, ArmProcess]) -> None:
        """Blocks in turns until the pair is precise enough or its budget is spent."""
        key = self.record.latency("variant")
        spent = 0.0
        turn = 0
        while True:
            for arm in protocol.order(self.spec.seed, self.pair, turn):
                spent += self._block(arms[arm])
            turn += 1
            ratios = self.record.ratios(self.pair, key)
            ending = protocol.ending(ratios, spent, self.plan)
            self._measuring(turn, spent, first=turn == 1)
            if ending:
                if ending.unmet:
                    self._unmet(ending.unmet)
                return

    def _alone(self, process: ArmProcess) -> None:
        """The blocks of one arm that has the machine to itself: half the pair's budget."""
        spent = 0.0
        blocks = 0
        while blocks < protocol.FEWEST_TURNS or (blocks < protocol.MIN_TURNS or spent < self.plan.measured_s / 2):
            if blocks >= protocol.FEWEST_TURNS and spent > protocol.OVERTIME * self.plan.measured_s / 2:
                self._unmet(f"{blocks} blocks of the {process.arm} in {spent:.0f} s, goal {protocol.MIN_TURNS}")
                return
            spent += self._block(process)
            blocks += 1
            self._measuring(blocks, spent, first=blocks == 1)

    def _block(self, process: ArmProcess) -> float:
        """One block, as long as the steps so far suggest; returns the seconds its steps took."""
        block = protocol.block(self.record.pace(process.arm, self.pair), self.timer_s[process.arm])
        answer = process.do(_steps(block.samples, block.inner))
        self.record.timed(process.arm, self.pair, answer, block.discard)
        return sum(answer.series[0].values) * block.inner

    def _measuring(self, turn: int, spent: float, *, first: bool) -> None:
        assert self.seen is not None
        self.seen.look()
        now = time.monotonic()
        if first or now - self.told >= PROGRESS_S:
            share = min(1.0, spent / self.plan.measured_s)
            self._say("measure", f"block {turn}, {spent:.1f} s measured", 0.25 + 0.55 * share)

    def _observe(self, process: ArmProcess) -> None:
        """Memory in every pair; the work, the proofs and the answers, which processes do not differ in, in the first."""
        arm = process.arm
        self._say("memory", f"memory of the {arm}", 0.82)
        self._take(process, Order(deed="memory"))
        if self.pair == 0:
            self._take(process, Order(deed="count"))
            self._take(process, Order(deed="observe"))
        for path in self.answers.wanted(arm, self.pair):
            self._say("quality", f"outputs of the {arm}", 0.92)
            self._take(process, Order(deed="outputs", path=str(path)))
        if self.pair == 0 and not self._inspect(process):
            return
        process.send(Order(deed="end"))

    def _inspect(self, process: ArmProcess) -> bool:
        """What explains the figures, after all of them: what binds, and the profile. Whether the arm still lives.

        A failure here costs the explanation alone: the run's figures have been taken.
        """
        arm = process.arm
        orders = []
        if self.record.ceilings is not None:
            orders.append((Order(deed="perturb", ceilings=self.record.ceilings), "what binds"))
        if self.spec.profile:
            orders.append((Order(deed="profile", path=str(self.scratch / f"trace-{arm}.json")), "profile"))
        for order, what in orders:
            self._say("memory", f"{what} of the {arm}" if order.deed == "profile" else f"what binds the {arm}", 0.95)
            try:
                self._take(process, order)
            except ArmFailed as error:
                self.record.notes.append(f"The {arm} ended while {what} was looked at: {error.failed.message}")
                return False
        return True

    def _take(self, process: ArmProcess, order: Order) -> Answer:
        answer = process.do(order)
        self.record.take(process.arm, self.pair, answer)
        return answer

    @contextmanager
    def _watching(self, name: str, *processes: ArmProcess) -> Iterator[Seen]:
        """Note what others do to the machine meanwhile."""
        if self.watch.gpu is None and isinstance(gpu := self._gpu(), Gpu):
            self.watch.gpu = gpu
        with self.watch.over(name, processes) as seen:
            self.seen = seen
            yield seen
        self.record.contention[name] = max(seen.share, self.record.contention.get(name, 0.0))

    def _gpu(self) -> Gpu | str | None:
        """The GPU that is measured on, or why the driver cannot be asked about it; None on a CPU."""
        if self.spec.device != "cuda":
            return None
        told = self.record.environment.get("gpu.uuid")
        return nvml.by_uuid(told) if isinstance(told, str) else nvml.visible(self.spec.device_index)

    def _meter(self, *processes: ArmProcess) -> None:
        """Energy of each arm, one at work while the other rests; where it is not measurable, why."""
        if self.pair >= metering.MOST_PAIRS:
            return
        source = energy.find(self.spec.device, self._gpu())
        if isinstance(source, str):
            self.record.environment["energy.method"] = NO_ENERGY + source
            return
        self.record.environment["energy.method"] = source.method
        self._say("energy", "energy of the arms in turns", 0.81)
        began = time.monotonic()
        with self._watching("energy", *processes):
            metered = metering.turns(source, processes, self.spec.workload)
        for arm, answer in metered.answers.items():
            self.record.take(arm, self.pair, answer)
        for sentence in metered.unmet:
            self._unmet(sentence)
        self.record.environment |= metered.environment
        self.metered_s += time.monotonic() - began

    def _unmet(self, sentence: str) -> None:
        of = f"pair {self.pair + 1}: " if self.plan.most_pairs > 1 else ""
        self.record.unmet.append(of + sentence)

    def _say(self, phase: str, message: str, share: float) -> None:
        """One line of progress; ``share`` is how much of the pair is done."""
        self.told = time.monotonic()
        pair = f"Pair {self.pair + 1}, of at least {self.plan.pairs}: " if self.plan.most_pairs > 1 else ""
        done = 1.0 if phase == "report" else protocol.fraction(self.pair + share, self.plan)
        self.tell(Progress(phase=phase, message=f"{pair}{message}.", fraction=round(min(done, 1.0), 3)))


def _steps(samples: int, inner: int = 1) -> Order:
    return Order(deed="steps", samples=samples, inner=inner, most_s=protocol.MOST_BLOCK_S)
