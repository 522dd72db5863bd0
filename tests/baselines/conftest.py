"""What the tests of training share. Without PyTorch (extra ``train``) none of them is collected."""

from importlib.util import find_spec

import pytest

collect_ignore_glob = [] if find_spec("torch") and find_spec("safetensors") else ["test_*.py"]


@pytest.fixture(autouse=True, scope="package")
def _toy_family():
    from tests.baselines import toy

    toy.register()
    yield
    del toy.ENVIRONMENTS[toy.ENV_ID]


@pytest.fixture(autouse=True)
def _one_thread():
    import torch

    torch.set_num_threads(1)
