import hashlib
import os

import django
from django.http import FileResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from .forms import SendPaper
from .models import Paper


def index(request):
    return render(request, "papers/index.html", {"papers": Paper.objects.order_by("-pk")[:20]})


def send(request):
    form = SendPaper(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        sent = form.cleaned_data["paper"]
        digest = hashlib.sha256()
        for chunk in sent.chunks():
            digest.update(chunk)
        note = form.cleaned_data["note"]
        kept = Paper.objects.create(name=sent.name, size=sent.size, sha256=digest.hexdigest(), note=note)
        return redirect("show", pk=kept.pk)
    return render(request, "papers/send.html", {"form": form})


def show(request, pk):
    return render(request, "papers/show.html", {"paper": get_object_or_404(Paper, pk=pk)})


def as_json(request):
    return JsonResponse(
        {
            "django": django.get_version(),
            "method": request.method,
            "path": request.path,
            "query": request.GET.dict(),
            "secure": request.is_secure(),
            "host": request.get_host(),
            "papers": Paper.objects.count(),
            "pid": os.getpid(),
        }
    )


def stream(request):
    count = int(request.GET.get("n", "1000"))
    return StreamingHttpResponse(("line %d\n" % n for n in range(count)), content_type="text/plain")


def source(request):
    return FileResponse(open(__file__, "rb"), content_type="text/x-python")


def fails(request):
    raise RuntimeError("RAISED-in-django")
