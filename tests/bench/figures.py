"""The arithmetic of the benchmark: medians, their spread, and ratios that are refused when noise could explain them."""

import statistics


class Figure:
    """What the rounds of one measurement say."""

    def __init__(self, values):
        self.values = list(values)
        self.median = statistics.median(self.values)
        self.low, self.high = min(self.values), max(self.values)

    @property
    def spread(self):
        return spread(self.values)


def spread(values):
    """The distance between the quartiles: one round that a busy neighbour spoilt does not count, a quarter of all does.
    With one value nothing is known of it: infinity."""
    values = list(values)
    if len(values) < 2:
        return float("inf")
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return high - low


class Ratio:
    """How many times `values` is of `base`, round by round. Both were measured a moment apart in each round, so what
    slowed the machine down for a while is in both and cancels out.

    `value` is None when the spread of the rounds' ratios is larger than the difference that the ratio would state."""

    def __init__(self, values, base):
        ratios = [v / b for v, b in zip(values, base) if b > 0]
        self.value, self.spread = None, float("inf")
        if ratios:
            median = statistics.median(ratios)
            self.spread = spread(ratios)
            if self.spread <= abs(median - 1):
                self.value = median

    def __str__(self):
        return "?" if self.value is None else times(self.value)


def times(value):
    return "%.0f" % value if value >= 10 else "%.2f" % value


def cpu_per_request(seconds, requests):
    """Microseconds of CPU a request; None when nothing was answered, which is no figure at all."""
    return seconds / requests * 1e6 if requests > 0 else None
