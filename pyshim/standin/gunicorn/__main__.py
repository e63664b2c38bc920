"""`python -m gunicorn` where the stand-in is installed."""

from gunicorn.app.wsgiapp import run

if __name__ == "__main__":
    run(prog="gunicorn")
