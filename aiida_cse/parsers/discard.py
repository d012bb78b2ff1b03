"""Parser of the deletion of trajectories: says which were deleted."""

from __future__ import annotations

import re
from typing import Any

from aiida import orm
from aiida.engine import ExitCode
from aiida.parsers import Parser

from aiida_cse.parsers.build import complaint, ended_by_machine, output_lines, program_output

__all__ = ["DiscardParser"]

_REMOVED, _NUMBER = re.compile(r"(\w+)/([\w.]+): removed"), re.compile(r"removed (\d+) file")
#: lines of the reasons why files stay, in a message
_MOST_REASONS = 3


class DiscardParser(Parser):
    """Accept the deletion only if the last line of its output says that it was done, and files were deleted."""

    def parse(self, **_: Any) -> ExitCode | None:
        """Attach the names of the deleted files and return the exit code."""
        lines = program_output(self).splitlines()
        number = _NUMBER.match(lines[-1]) if lines else None
        if number is None:
            ended = ended_by_machine(self, output_lines(self))
            if ended is not None:
                return ended
            said = complaint(self) or " | ".join(lines[-3:]) or "it said nothing"
            return self._not_discarded(said)
        deleted: dict[str, list[str]] = {}
        for label, name in (match.groups() for match in map(_REMOVED.fullmatch, lines) if match is not None):
            deleted.setdefault(label, []).append(name)
        stays = [line for line in lines if line.endswith("; it stays")]
        if stays and not int(number[1]):
            return self._not_discarded(" | ".join(stays[:_MOST_REASONS]))
        for line in stays:
            self.logger.warning(line)
        # aiida-cse of an earlier version on the computer does not name them
        if deleted or not int(number[1]):
            self.out("deleted", orm.Dict(deleted))
        return None

    def _not_discarded(self, said: str) -> ExitCode:
        code: ExitCode = self.exit_codes.ERROR_NOT_DISCARDED
        return code.format(error=said)
