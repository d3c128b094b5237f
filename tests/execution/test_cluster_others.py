# SPDX-License-Identifier: GPL-2.0-only
"""Workers that Dask's own tools start: by SSH, Slurm and the like."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import dask
import pytest
from distributed import Security

from lab.execution.cluster import serving
from lab.execution.cluster.address import CA, OWN, Address, tls_settings
from lab.execution.cluster.certificates import make_certificates


def _starts_another() -> None:
    serving._may_have_children()
    child = multiprocessing.get_context("spawn").Process(target=print)
    child.start()
    child.join()


@pytest.mark.slow
def test_a_worker_of_a_nanny_may_start_processes() -> None:
    """SSHCluster's workers are Dask's nannies', which makes daemons of them."""
    worker = multiprocessing.get_context("fork").Process(target=_starts_another, daemon=True)
    worker.start()
    worker.join(60)
    assert worker.exitcode == 0


def test_what_dask_is_told_of_certificates_is_what_the_lab_itself_takes(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    with dask.config.set(tls_settings(tmp_path)):
        told = Security()
    own = Address("tls://head:8786", tmp_path).security()
    assert told.require_encryption
    for role in ("client", "worker", "scheduler"):
        config = told.get_tls_config_for_role(role)
        assert config["ca_file"] == own.get_tls_config_for_role(role)["ca_file"]
        assert config["ca_file"] == str(tmp_path / CA)
        # dask_jobqueue names all of it to its workers: --tls-key None is no file.
        assert config["cert"] == config["key"] == str(tmp_path / OWN)
        assert told.get_connection_args(role)["ssl_context"]
