from django.urls import path

from . import views

urlpatterns = [
    path("", views.index, name="index"),
    path("send/", views.send, name="send"),
    path("papers/<int:pk>/", views.show, name="show"),
    path("json/", views.as_json, name="json"),
    path("stream/", views.stream, name="stream"),
    path("source/", views.source, name="source"),
    path("fails/", views.fails, name="fails"),
]
