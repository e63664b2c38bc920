"""The Django project as a deployment has it: migrated, static files collected, an administrator."""
import os
import shutil
import subprocess
import tempfile

import harness

PROJECT = harness.APPS / "djangosite"
ADMIN = ("admin", "a test password")
# One process makes the site once for a run of the tests; each server gets a copy.
MAKE = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "myproject.settings"
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("collectstatic", interactive=False, verbosity=0)
from django.contrib.auth.models import User
User.objects.create_superuser(%r, "admin@example.org", %r)
""" % ADMIN
made = {}


def prepare(folder):
    """Put database and static files into `folder`; returns the environment the server needs."""
    if "folder" not in made:
        made["folder"] = tempfile.mkdtemp(prefix="gosrv-site-")
        env = harness.environment(DJANGOSITE_DATA=made["folder"])
        subprocess.run([harness.python(), "-c", MAKE], cwd=PROJECT, env=env, check=True)
    shutil.copytree(made["folder"], folder, dirs_exist_ok=True)
    return {"DJANGOSITE_DATA": os.fspath(folder)}


def prepare_postgres(folder, postgres, name):
    """The same with its data in a new database of the given server, by Django's own commands."""
    postgres.create(name)
    env = {"DJANGOSITE_DATA": os.fspath(folder), "DJANGOSITE_POSTGRES": "%s %s" % (postgres.dir, name)}
    subprocess.run([harness.python(), "-c", MAKE], cwd=PROJECT, env=harness.environment(**env), check=True)
    return env


def clean():
    """Take the first site away; the copies are pytest's."""
    if "folder" in made:
        shutil.rmtree(made.pop("folder"))
