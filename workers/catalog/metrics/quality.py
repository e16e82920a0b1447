"""How far outputs differ, and how well they score."""

from workers.catalog.metrics.metric import Metric

QUALITY_KL = Metric(
    "quality.kl_divergence",
    "KL divergence",
    "nat",
    "lower",
    "quality",
    "Mean over positions of KL(baseline || variant) between the output distributions on the same inputs.",
)
QUALITY_AGREEMENT = Metric(
    "quality.top1_agreement",
    "Top-1 agreement",
    "1",
    "higher",
    "quality",
    "Share of positions where the variant's most likely output is the baseline's.",
)
QUALITY_PERPLEXITY = Metric(
    "quality.perplexity",
    "Perplexity",
    "1",
    "lower",
    "quality",
    "exp of the mean negative log-likelihood of a held-out text's tokens, each predicted once from the window before it.",
)
QUALITY_NEXT_TOKEN = Metric(
    "quality.next_token_accuracy",
    "Next-token accuracy",
    "1",
    "higher",
    "quality",
    "Share of a held-out text's tokens that are the most likely one after the window before them.",
)
QUALITY_TOP1 = Metric(
    "quality.top1_accuracy",
    "Top-1 accuracy",
    "1",
    "higher",
    "quality",
    "Share of held-out samples whose most likely class is the right one.",
)
QUALITY_LOSS = Metric(
    "quality.loss",
    "Training loss",
    "nat",
    "lower",
    "quality",
    "Geometric mean of the loss over all steps of short trainings, each from the same start on the same batches in both arms.",
)
QUALITY_FINAL_LOSS = Metric(
    "quality.final_loss",
    "Final loss",
    "nat",
    "lower",
    "quality",
    "Geometric mean over short trainings of the mean loss of each one's last quarter of steps.",
)
QUALITY_LOSS_DEVIATION = Metric(
    "quality.loss_deviation",
    "Deviation of the loss",
    "1",
    "lower",
    "quality",
    "Mean over the steps of short trainings of the relative distance between the losses of variant and baseline.",
)
QUALITY_TASK = Metric(
    "quality.task_accuracy",
    "Task accuracy",
    "1",
    "higher",
    "quality",
    "Share of the items of lm-evaluation-harness tasks that are answered right (the harness's own acc).",
)
QUALITY: tuple[Metric, ...] = (
    QUALITY_KL,
    QUALITY_AGREEMENT,
    QUALITY_PERPLEXITY,
    QUALITY_NEXT_TOKEN,
    QUALITY_TOP1,
    QUALITY_LOSS,
    QUALITY_FINAL_LOSS,
    QUALITY_LOSS_DEVIATION,
    QUALITY_TASK,
)
