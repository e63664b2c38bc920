from django.db import models


class Paper(models.Model):
    """A file somebody sent: what it was called, how long it was, and its digest. The content is not kept."""

    name = models.CharField(max_length=200)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    note = models.CharField(max_length=200, blank=True)
    sent_at = models.DateTimeField(auto_now_add=True)

    def __str__(self):
        return self.name
