"""The wheel's build brings what pages run in the browser: see frontend/build.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class FrontendHook(BuildHookInterface[Any]):
    """Runs before the files of a wheel, an editable install or an sdist are listed."""

    def dependencies(self) -> list[str]:
        """Return what the build needs besides hatchling: npm, where it is needed and not there."""
        frontend = self._frontend()
        return [] if frontend.fresh() or frontend.has_npm() else [frontend.NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the files."""
        self._frontend().build()

    def _frontend(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location(
            "frontend_build", Path(self.root) / "frontend" / "build.py"
        )
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
