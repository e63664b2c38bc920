"""Gunicorn's name for the logger class that also sends metrics, for subclasses of it."""

from ..glogging import Logger
from .metrics import COUNTER_TYPE, GAUGE_TYPE, HISTOGRAM_TYPE, TIMER_TYPE, Metrics  # noqa: F401

METRIC_VAR, VALUE_VAR, MTYPE_VAR = "metric", "value", "mtype"


class Statsd(Metrics, Logger):
    pass
