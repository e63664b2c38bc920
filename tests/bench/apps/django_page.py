"""A Django view with a template."""

from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.shortcuts import render
from django.urls import path

settings.configure(
    SECRET_KEY="for the benchmark only", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [Path(__file__).parent / "templates"]}],
)


def page(request, number):
    return render(request, "page.html", {"number": number, "wanted": request.GET.get("wanted", ""), "rows": ["a", "b", "c", "d"]})


urlpatterns = [path("page/<int:number>", page)]
application = get_wsgi_application()
