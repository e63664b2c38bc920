"""The Django app: `INSTALLED_APPS += ["gosrv"]` adds `manage.py rungosrv`."""
from django.apps import AppConfig


class GosrvConfig(AppConfig):
    name = "gosrv"
    verbose_name = "gosrv"
