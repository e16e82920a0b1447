"""How this process's torch is built and set becomes fields; what a run has set shows."""

import pytest
import torch

from workers.catalog.environment import comparable, difference, rule_of
from workers.measurement import software

CPU = torch.device("cpu")


def test_versions_threads_precisions_and_libraries_are_there() -> None:
    fields = software.fields(CPU, 3)
    assert fields["torch.version"] == torch.__version__
    assert fields["torch.threads"] == torch.get_num_threads()
    assert fields["run.seed"] == 3
    assert fields["library.blas"]
    assert str(fields["library.openmp_runtime"]).startswith("lib")
    assert fields["allocator.host"]
    assert [name for name in fields if not rule_of(name).field] == []


def test_of_a_missing_package_the_extra_that_brings_it_is_named() -> None:
    assert software.missing("lm_eval").endswith("not installed here. To get it: pip install 'tradespace[eval]'")
    assert "tradespace[worker]" in software.missing("torchao")
    assert software.missing("nobodys") == "the package nobodys, which is not installed here."


def test_what_a_process_sets_shows_and_matters() -> None:
    before = software.fields(CPU, 0)
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        torch.set_num_threads(threads + 1)
        torch.use_deterministic_algorithms(True)
        after = software.fields(CPU, 0)
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
    assert {change.field for change in difference(before, after)} == {"torch.threads", "torch.deterministic"}
    assert not comparable(before, after)
    assert comparable(before, software.fields(CPU, 0))


MAPPED = """\
7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7f02-7f03 r-xp 00000000 08:01 2 /env/site-packages/torch/lib/libgomp.so.1
7f04-7f05 r--p 00000000 08:01 2 /env/site-packages/torch/lib/libgomp.so.1
7f06-7f07 r-xp 00000000 08:01 3 /env/site-packages/other.libs/libiomp5.so
7f08-7f09 r-xp 00000000 08:01 4 /usr/lib/x86_64-linux-gnu/libc.so.6
"""


def test_preloaded_allocators_and_every_openmp_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "_maps", lambda: MAPPED)
    fields = software.fields(CPU, 0)
    assert fields["allocator.host"] == "libjemalloc.so.2"
    assert fields["library.openmp_runtime"] == "libgomp.so.1, libiomp5.so"
