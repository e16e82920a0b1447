"""What can be chosen and what is exchanged: techniques, models, workloads, evaluations, metrics, spec and report.

Both towers stand on this package, so importing it never imports torch. torch is imported inside the hooks, which only
the measuring program calls.
"""
