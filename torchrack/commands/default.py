"""A command group that one of its commands answers for when none is named."""

from __future__ import annotations

from typing import Any

from torchrack.commands.lazy import LazyGroup


class DefaultGroup(LazyGroup):
    """``group ARGUMENT`` runs ``group check ARGUMENT``: what a group is for needs no second word.

    The group has to have a command ``check``.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in front of arguments that do not begin with one's name.

        Args:
            ctx: click's context; newer versions of typer carry a click of their own.
            args: what was typed.
        """
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["check", *args]
        return super().parse_args(ctx, args)
