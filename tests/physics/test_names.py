"""Every public name of the floor can be imported from ``aiida_cse.physics``, and importing that loads nothing."""

import importlib
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

from aiida_cse import physics

#: checks of arguments, which are no physics
PRIVATE = {"checks"}
MODULES = {
    module.name: importlib.import_module(f"aiida_cse.physics.{module.name}")
    for module in pkgutil.iter_modules(physics.__path__)
    if module.name not in PRIVATE
}
NAMES = [(module, name) for module, loaded in MODULES.items() for name in loaded.__all__]


@pytest.mark.parametrize(("module", "name"), NAMES, ids=lambda text: text)
def test_a_public_name_is_the_one_of_its_module(module: str, name: str) -> None:
    assert getattr(physics, name) is getattr(MODULES[module], name)


def test_there_is_no_other_name() -> None:
    assert physics.__all__ == sorted({name for _, name in NAMES})
    assert set(physics.__all__) <= set(dir(physics))


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match=r"module 'aiida_cse\.physics' has no attribute 'viscosity'"):
        physics.viscosity  # noqa: B018
    with pytest.raises(ImportError, match="viscosity"):
        from aiida_cse.physics import viscosity  # noqa: F401


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_importing_the_floor_loads_no_module() -> None:
    code = "import sys, aiida_cse.physics; print([m for m in sys.modules if m.startswith(('numpy', 'scipy'))])"
    assert run(code) == "[]"


@pytest.mark.parametrize(
    "first", ["from aiida_cse.physics import populations", "import aiida_cse.physics.populations"]
)
def test_a_function_keeps_its_name_whatever_is_imported_first(first: str) -> None:
    code = f"{first}; from aiida_cse.physics import populations; print(populations([1, 2])['count'].mean)"
    assert run(code) == "1.5"


def test_modules_are_modules() -> None:
    from aiida_cse.physics import checks

    assert isinstance(checks, ModuleType)
