"""The Django project as a deployment has it: migrated, static files collected, an administrator."""
import os
import subprocess

import harness

PROJECT = harness.APPS / "djangosite"
ADMIN = ("admin", "a test password")


def prepare(folder):
    """Make database and static files in `folder`; returns the environment the server needs."""
    env = {"DJANGOSITE_DATA": str(folder)}

    def manage(*args, **more):
        subprocess.run(
            [harness.python(), "manage.py", *args], cwd=PROJECT, env=harness.environment(**env, **more),
            check=True, stdout=subprocess.DEVNULL,
        )

    os.makedirs(folder, exist_ok=True)
    manage("migrate", "--verbosity", "0")
    manage("collectstatic", "--noinput", "--verbosity", "0")
    manage("createsuperuser", "--noinput", "--username", ADMIN[0], "--email", "admin@example.org", DJANGO_SUPERUSER_PASSWORD=ADMIN[1])
    return env
