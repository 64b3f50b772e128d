"""`python -m mtk`, as torchrun starts it: the command `mtk`, found as a shell finds it."""

from importlib.metadata import entry_points

(command,) = entry_points(group="console_scripts", name="mtk")
command.load()()
