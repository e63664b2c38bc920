# Every log as JSON lines on one stream, set up by logconfig_dict.
import json
import logging
import os


class JsonFormatter(logging.Formatter):
    def format(self, record):
        entry = {"severity": record.levelname, "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


level = os.environ.get("LOG_LEVEL", "INFO").upper()
workers = 1
accesslog = "-"
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": JsonFormatter}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
    "root": {"level": level, "handlers": ["console"]},
    "loggers": {
        "gunicorn.error": {"level": level, "handlers": ["console"], "propagate": False},
        "gunicorn.access": {"level": level, "handlers": ["console"], "propagate": False},
    },
}
