"""How much of a soak is to be run: all of it before a release, a twentieth in CI, so that it works when it is needed."""
import os


def of(full, least=1):
    """That share of a count or of seconds, and never less than `least`."""
    return max(least, round(full * float(os.environ["SOAK_SHARE"])))
