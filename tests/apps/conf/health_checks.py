# A logger class of its own keeps the load balancer's health checks out of the access log.
import logging

from gunicorn import glogging


class HealthCheckFilter(logging.Filter):
    def filter(self, record):
        return "/healthz" not in record.getMessage()


class CustomLogger(glogging.Logger):
    def setup(self, cfg):
        super().setup(cfg)
        self.access_log.addFilter(HealthCheckFilter())


accesslog = "-"
logger_class = CustomLogger
limit_request_fields = 50
