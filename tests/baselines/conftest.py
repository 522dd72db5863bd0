"""What the tests of training share; all of them need PyTorch."""

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch (extra 'train')")
pytest.importorskip("safetensors", reason="needs safetensors (extra 'train')")

from tests.baselines import toy  # noqa: E402


@pytest.fixture(autouse=True, scope="session")
def _toy_family():
    toy.register()
    yield
    del toy.ENVIRONMENTS[toy.ENV_ID]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
