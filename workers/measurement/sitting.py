"""The sitting: baseline and variant side by side in fresh processes, in turns, pair by pair; then everything else is read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import get_args

import numpy as np

from workers.catalog.lease import Progress
from workers.catalog.report import Arm, Report
from workers.catalog.spec import RunSpec
from workers.measurement import environment, protocol, summary
from workers.measurement.arms import ArmFailed, ArmProcess
from workers.measurement.messages import Answer, Order
from workers.measurement.record import Record

Tell = Callable[[Progress], None]
ARMS: tuple[Arm, ...] = get_args(Arm)
PROGRESS_S = 0.5
"""Between two lines while blocks are taken."""
MEMORY_OUTCOMES = frozenset({"oom_device", "oom_host"})


def hold(spec: RunSpec, scratch: Path, memory_limit: int | None, tell: Tell) -> Report:
    """Measure one variant against the baseline; whatever happens is in the report.

    Args:
        spec: the run.
        scratch: an empty folder.
        memory_limit: bytes of host memory both arms may hold together, or None. Counts on CPU devices.
        tell: is told how far the sitting is.
    """
    return _Sitting(spec, scratch, memory_limit, tell).hold()


class _Sitting:
    def __init__(self, spec: RunSpec, scratch: Path, memory_limit: int | None, tell: Tell) -> None:
        self.spec = spec
        self.scratch = scratch
        self.memory_limit = memory_limit
        self.tell = tell
        self.plan = protocol.PLANS[spec.effort]
        self.record = Record(spec)
        self.pair = 0
        self.both_resident = False
        self.began = self.told = time.monotonic()
        self.timer_s: dict[Arm, float] = {}

    def hold(self) -> Report:
        record = self.record
        record.environment |= environment.host() | environment.state("start")
        failed: ArmFailed | None = None
        try:
            for pair in range(self.plan.pairs):
                self.pair = pair
                self._pair()
            self._say("report", "Summing up", 1.0)
        except ArmFailed as error:
            failed = error
        record.environment |= environment.state("end")
        record.environment |= {f"state.contention.{name}": round(each, 3) for name, each in record.contention.items()}
        seconds = time.monotonic() - self.began
        return summary.broken(record, failed, seconds) if failed else summary.whole(record, seconds)

    def _pair(self) -> None:
        """One pair of fresh processes; one after the other once it is known that both together do not fit."""
        if not self.record.apart:
            try:
                self._side_by_side()
                return
            except ArmFailed as error:
                # A baseline that fails before there is a variant has had the memory to itself.
                if error.failed.outcome not in MEMORY_OUTCOMES or not self.both_resident:
                    raise
            self.record.apart = True
            self.record.forget(self.pair)
            if self.pair == 0:
                self.record.proofs.clear()
            self.record.notes.append(
                "Both arms together do not fit into memory, so each was measured with the memory to itself, one after the "
                "other in fresh processes; what changed on the machine meanwhile is in the ratio."
            )
        self._one_after_the_other()

    def _side_by_side(self) -> None:
        self.both_resident = False
        with ExitStack() as processes:
            arms = {arm: processes.enter_context(self._start(arm)) for arm in ARMS}
            for arm in ARMS:
                self._began(arms[arm])
            with self._watching("start", *arms.values()):
                self._load(arms["baseline"], self.memory_limit)
                self.both_resident = True
                room = None if self.memory_limit is None else max(1, self.memory_limit - arms["baseline"].held_bytes)
                self._load(arms["variant"], room)
            for arm in ARMS:
                self._warm_up(arms[arm])
            with self._watching("measure", *arms.values()):
                self._turns(arms)
            for arm in ARMS:
                self._observe(arms[arm])
        self._score()

    def _one_after_the_other(self) -> None:
        self.both_resident = False
        for arm in protocol.order(self.spec.seed, self.pair, 0):
            with self._start(arm) as process:
                self._began(process)
                with self._watching("start", process):
                    self._load(process, self.memory_limit)
                self._warm_up(process)
                with self._watching("measure", process):
                    self._alone(process)
                self._observe(process)
        self._score()

    def _start(self, arm: Arm) -> ArmProcess:
        if arm == "baseline" or self.record.apart:
            self._say("start", f"starting the {'arm' if self.record.apart else 'two arms'}", 0.0)
        process = ArmProcess(self.spec, arm, self.scratch / f"{arm}-{self.pair}{'-apart' if self.record.apart else ''}")
        process.begin()
        return process

    def _began(self, process: ArmProcess) -> None:
        answer = process.wait()
        self.timer_s[process.arm] = answer.timer_s
        self.record.take(process.arm, self.pair, answer)

    def _load(self, process: ArmProcess, room: int | None) -> None:
        """Load, convert, first call."""
        arm = process.arm
        share = 0.10 if arm == "baseline" else 0.16
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
        samples = 1
        while True:
            self.record.warmed(arm, self.pair, process.do(_steps(samples)))
            series = self.record.warm_up(arm, self.pair)
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
            if self.spec.evaluation is not None:
                self._say("quality", f"outputs of the {arm}", 0.92)
                self._take(process, Order(deed="outputs", path=str(self._outputs(arm))))
        process.send(Order(deed="end"))

    def _score(self) -> None:
        """The variant's answers against the baseline's, item by item."""
        if self.pair or self.spec.evaluation is None:
            return
        baseline, variant = (np.load(self._outputs(arm), allow_pickle=False) for arm in ARMS)
        self.record.identical = bool(np.array_equal(baseline, variant))
        scores = self.spec.evaluation.score(baseline, variant)
        self.record.scores = {name: np.asarray(values, dtype=np.float64) for name, values in scores.items()}

    def _outputs(self, arm: Arm) -> Path:
        return self.scratch / f"outputs-{arm}.npy"

    def _take(self, process: ArmProcess, order: Order) -> Answer:
        answer = process.do(order)
        self.record.take(process.arm, self.pair, answer)
        return answer

    @contextmanager
    def _watching(self, name: str, *processes: ArmProcess) -> Iterator[None]:
        """Note what others took of the processors meanwhile: all that was used, less what the arms did."""
        groups = {process.group for process in processes}
        wall, used, own = time.monotonic(), environment.processor_seconds(), environment.group_seconds(groups)
        yield
        wall, used = time.monotonic() - wall, environment.processor_seconds() - used
        others = used - (environment.group_seconds(groups) - own)
        share = min(1.0, max(0.0, others / wall / environment.affinity()))
        self.record.contention[name] = max(share, self.record.contention.get(name, 0.0))

    def _unmet(self, sentence: str) -> None:
        of = f"pair {self.pair + 1} of {self.plan.pairs}: " if self.plan.pairs > 1 else ""
        self.record.unmet.append(of + sentence)

    def _say(self, phase: str, message: str, share: float) -> None:
        """One line of progress; ``share`` is how much of the pair is done."""
        self.told = time.monotonic()
        pair = f"Pair {self.pair + 1} of {self.plan.pairs}: " if self.plan.pairs > 1 else ""
        done = 1.0 if phase == "report" else (self.pair + share) / self.plan.pairs
        self.tell(Progress(phase=phase, message=f"{pair}{message}.", fraction=round(min(done, 1.0), 3)))


def _steps(samples: int, inner: int = 1) -> Order:
    return Order(deed="steps", samples=samples, inner=inner, most_s=protocol.MOST_BLOCK_S)
