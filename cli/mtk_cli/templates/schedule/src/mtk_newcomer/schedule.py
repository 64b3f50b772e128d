import mtk


class NewcomerSchedule(mtk.Schedule):
    """The rate falls as a power of the share of the steps that is left.

    Options: `power`; with 1 it falls in a line.
    """

    def __init__(self, *, power: float = 2.0) -> None:
        self.power = power

    def factor(self, left: float) -> float:
        return float(left**self.power)
