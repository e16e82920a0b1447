"""Distillation: the student is smaller, learns from a teacher, ends the same for a seed, and takes the model's place."""

from typing import Any

import pytest
import torch
from torch.nn import functional

from tests.workers.catalog.observed import bench, evidence, verdicts, without
from workers.catalog.applicability import clash, problems
from workers.catalog.compression import distilling
from workers.catalog.evaluations.accuracy import Accuracy
from workers.catalog.model import Unsupported
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.reference_cnn import ReferenceCnn
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.spec import StudySpec
from workers.catalog.technique import LoadOptions, Technique
from workers.catalog.techniques.distillation import DISTILLED, Distillation
from workers.catalog.techniques.precision import Precision
from workers.catalog.techniques.structured_pruning import StructuredPruning
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.generate import Generate

pytest.importorskip("torch_pruning")

CNN = ReferenceCnn()
SMALL = Distillation(dimension="width", share=0.5, steps=20)


def accuracy(*stack: Technique) -> float:
    outputs = Accuracy().outputs(bench(CNN, stack), Classify())
    return float((outputs["answer"] == outputs["right"]).mean())


def weights(technique: Technique) -> list[torch.Tensor]:
    return [weight.detach() for weight in bench(CNN, (technique,)).model.parameters()]


def test_a_student_learns_back_what_pruning_took() -> None:
    pruned = accuracy(StructuredPruning(amount=0.5))
    assert pruned < 0.9
    assert accuracy(SMALL) > pruned + 0.05


def test_it_proves_its_size_and_its_training() -> None:
    seen = evidence(Classify(), bench(CNN, (SMALL,)))
    verified = SMALL.proof(seen)
    assert verified.ran == "as_asked", verified.detail
    assert "by a teacher" in verified.detail
    trained = seen.facts[DISTILLED]
    assert (trained.steps, trained.taught) == (20, True)
    for spoiled in (
        {},
        {**seen.facts, DISTILLED: None},
        {**seen.facts, DISTILLED: trained._replace(steps=19)},
        {**seen.facts, DISTILLED: trained._replace(taught=False)},
        {**seen.facts, DISTILLED: trained._replace(last=trained.first)},
    ):
        assert SMALL.proof(without(seen, facts=spoiled)).ran == "fell_back"


def test_the_seed_decides() -> None:
    first, again = weights(SMALL), weights(SMALL)
    assert all(map(torch.equal, first, again))
    other = [weight.detach() for weight in bench(CNN, (SMALL,), seed=1).model.parameters()]
    assert not all(map(torch.equal, first, other))


def test_without_a_teacher_it_is_plain_training() -> None:
    alone = SMALL.model_copy(update={"alpha": 0.0})
    verified = alone.proof(evidence(Classify(), bench(CNN, (alone,))))
    assert verified.ran == "as_asked"
    assert "without a teacher" in verified.detail
    assert not all(map(torch.equal, weights(alone), weights(SMALL)))


@pytest.mark.parametrize(("temperature", "alpha"), [(1.0, 1.0), (4.0, 0.3), (2.0, 0.0)])
def test_the_loss_is_that_of_hinton(temperature: float, alpha: float) -> None:
    real = CNN.labelled("train")
    teacher, student = CNN.build(LoadOptions()), bench(CNN, (StructuredPruning(),)).model
    assert real.labels is not None
    inputs, labels = real.inputs[:8], real.labels[:8]
    course = distilling.Course(1, 1e-3, temperature, alpha, 0)
    with torch.no_grad():
        found = float(distilling._loss(CNN, teacher, student, course, inputs, labels))
        told, said = (model(torch.from_numpy(inputs)) for model in (teacher, student))
        wanted, answered = (told / temperature).softmax(-1), (said / temperature).softmax(-1)
        divergence = float((wanted * (wanted / answered).log()).sum(-1).mean())
        entropy = float(functional.cross_entropy(said, torch.from_numpy(labels)))
    assert found == pytest.approx(alpha * temperature**2 * divergence + (1 - alpha) * entropy, rel=1e-4)


def test_a_decoder_is_distilled_in_a_short_format_and_generates() -> None:
    technique = Distillation(dimension="depth", share=0.5, steps=2)
    stack = (technique, Precision(dtype="bf16"))
    ready = bench(ReferenceDecoder(), stack)
    assert {weight.dtype for weight in ready.model.parameters()} == {torch.bfloat16}
    assert {buffer.dtype for buffer in ready.model.buffers()} == {torch.float32}
    assert len(ready.model.get_submodule("model.layers")._modules) == 2
    assert verdicts(Generate(prompt_length=4, new_tokens=2), ReferenceDecoder(), *stack)["precision"] == "as_asked"


def test_models_without_data_are_refused() -> None:
    study: dict[str, Any] = {
        "name": "a study",
        "model": {"name": "llama"},
        "workload": {"name": "prefill", "sequence_length": 16},
        "baseline": {"name": "plain", "stack": []},
        "variants": [{"name": "student", "stack": [{"technique": "distillation"}]}],
    }
    found = problems(StudySpec.model_validate(study))
    assert ["comes with none" in each.message for each in found] == [True]
    with pytest.raises(Unsupported, match="no data"):
        bench(Mlp(width=64), (SMALL,))
    assert clash(SMALL, StructuredPruning())
