# One service: the company's base, and its own values over it.
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))

from tracing_base import *  # noqa: F403

workers = 1
timeout = 90
statsd_prefix = "billing"
forwarded_allow_ips = "10.0.0.0/8,127.0.0.1"
