"""A Django view that answers JSON, and one with a template. /probe gives an answer that remembers whether the server has closed it, and /closed tells."""

from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import path

settings.configure(
    SECRET_KEY="for the benchmark only", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [Path(__file__).parent / "templates"]}],
)


def small(request, number):
    return JsonResponse({"number": number, "wanted": request.GET.get("wanted", "")})


def page(request, number):
    return render(request, "page.html", {"number": number, "wanted": request.GET.get("wanted", ""), "rows": ["a", "b", "c", "d"]})


probed = []


def probe(request):
    probed[:] = [HttpResponse("open")]
    return probed[0]


def closed(request):
    return HttpResponse(str(probed[0].closed))


urlpatterns = [path("small/<int:number>", small), path("page/<int:number>", page), path("probe", probe), path("closed", closed)]
application = get_wsgi_application()
