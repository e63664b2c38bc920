# The commands of this repository. Each is one line here; what it does lives in Go or in tests/run.py.

PYTHON ?= python3
# Go and pip keep their caches there. Some runners and `env -i` set none.
HOME ?= $(shell getent passwd "$$(id -u)" | cut -d: -f6)
export HOME
RUN_VENV := .venv
RUN_DATA := tests/.cache/run
SITE := tests/apps/djangosite

.PHONY: all library run dev docs check test e2e parity matrix asan debugpy tools fuzz soak bench bench-hello profile clean

# One binary for every CPython: which one is decided when it starts, so nothing here names a Python.
all: library
	go build -o bin/gosrv ./cmd/gosrv

# The worker as a library, for a Python that has none; the program carries it. Renamed into its place: another build may be reading.
CARRIED := cmd/gosrv/internal/libgosrv/built
# What shows metrics, a program of its own that the other one carries, packed: its libraries would cost each worker memory.
MONITOR := cmd/gosrv/internal/monitor/built/gosrv-monitor.gz
library:
	@mkdir -p bin
	go build -buildmode=c-shared -trimpath -buildvcs=false -ldflags="-s -w" -o bin/libgosrv.so ./cmd/libgosrv
	@cmp -s bin/libgosrv.so $(CARRIED)/libgosrv.so || { cp bin/libgosrv.so $(CARRIED)/.new && mv $(CARRIED)/.new $(CARRIED)/libgosrv.so; }
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w" -o bin/gosrv-monitor ./cmd/gosrv/monitor
	@gzip -dc $(MONITOR) 2>/dev/null | cmp -s - bin/gosrv-monitor || { gzip -9nc bin/gosrv-monitor > $(MONITOR).new && mv $(MONITOR).new $(MONITOR); }

# A real project under the server in one command, on a machine that has only Go, a C compiler and a Python.
run: all site
	@echo "The example project: http://127.0.0.1:8000/ (admin at /admin/, user admin, password admin)"
	@echo "What its requests wait for: http://127.0.0.1:9100/, or bin/gosrv top"
	cd $(SITE) && DJANGOSITE_ROUTES=1 DJANGOSITE_DATA="$(CURDIR)/$(RUN_DATA)" exec "$(CURDIR)/bin/gosrv" --python "$(CURDIR)/$(RUN_VENV)/bin/python" --workers 2 --metrics-bind 127.0.0.1:9100 myproject.wsgi

# The same with Django's debug pages and a restart whenever a file changes.
dev: all site
	cd $(SITE) && DJANGOSITE_DEBUG=1 DJANGOSITE_DATA="$(CURDIR)/$(RUN_DATA)" exec "$(CURDIR)/bin/gosrv" --python "$(CURDIR)/$(RUN_VENV)/bin/python" --reload myproject.wsgi

# The venv and the database of `run` are kept between runs: data typed into the example survives a rebuild.
.PHONY: site
site: $(RUN_VENV)/complete
	@mkdir -p $(RUN_DATA)
	@cd $(SITE) && export DJANGOSITE_DATA="$(CURDIR)/$(RUN_DATA)" && export DJANGO_SUPERUSER_PASSWORD=admin && \
	  "$(CURDIR)/$(RUN_VENV)/bin/python" manage.py migrate --verbosity 0 && \
	  "$(CURDIR)/$(RUN_VENV)/bin/python" manage.py collectstatic --noinput --verbosity 0 && \
	  { "$(CURDIR)/$(RUN_VENV)/bin/python" manage.py createsuperuser --noinput --username admin --email admin@example.org >/dev/null 2>&1 || true; }

$(RUN_VENV)/complete: tests/apps/requirements.txt
	$(PYTHON) -m venv $(RUN_VENV)
	$(RUN_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/apps/requirements.txt
	@touch $@

# The settings reference, from the table of settings; a test says when it is out of step.
docs:
	go test ./cmd/gosrv/internal/config/help -run TestSettingsPageIsInStep -update
	go test ./cmd/gosrv/internal/view -run TestSchemaIsInStep -update

# The pages of cmd/gosrv/docs as a site, into dist/site. Needs the network once, for mkdocs-material.
.PHONY: docs-site
docs-site:
	$(PYTHON) tests/run.py docs_site

# Before each commit: about a minute; the network is needed once, for staticcheck and ruff.
check:
	$(PYTHON) tests/run.py check

# All that CI runs. Installs what it needs on a fresh machine.
test:
	$(PYTHON) tests/run.py test

# One part of it: make e2e ARGS="-k upload -x"
e2e:
	$(PYTHON) tests/run.py e2e $(ARGS)

# The reference must pass the tests that claim to describe it, or they describe something else.
parity:
	$(PYTHON) tests/run.py parity $(ARGS)

# A CPython minor version changes the C API under us; each one the machine has is tried.
matrix:
	$(PYTHON) tests/run.py matrix

.PHONY: green
# The end-to-end tests of what a client sees, over TLS.
.PHONY: tls
tls:
	$(PYTHON) tests/run.py tls

# The end-to-end tests with --worker-class gevent, a part of them with eventlet.
green:
	$(PYTHON) tests/run.py green

.PHONY: wheel wheels deb install uninstall

# What `pip install` takes on this machine, in dist/: one wheel for every CPython, any glibc from 2.17 on (or musl, on Alpine), and the sdist.
# Needs the network once.
wheel:
	$(PYTHON) tests/run.py wheel

# What is published: wheels for x86-64 and arm64, for glibc and for musl, and the sdist; three minutes.
wheels:
	$(PYTHON) tests/run.py wheels

# All packages from clean clones, twice and the same byte for byte, installed and tried, with checksums and SBOMs in dist/release.
.PHONY: release-check
release-check:
	$(PYTHON) tests/run.py release_check

# A Debian package and a tarball for each machine, with manual page and completions.
deb:
	$(PYTHON) tests/run.py deb

# For those who use neither: make install PREFIX=/opt/gosrv, or DESTDIR=... for a package of one's own.
PREFIX ?= /usr/local
DATADIR = $(DESTDIR)$(PREFIX)/share
install: all
	install -D -m 755 bin/gosrv "$(DESTDIR)$(PREFIX)/bin/gosrv"
	bin/gosrv help man | install -D -m 644 /dev/stdin "$(DATADIR)/man/man1/gosrv.1"
	bin/gosrv completion bash | install -D -m 644 /dev/stdin "$(DATADIR)/bash-completion/completions/gosrv"
	bin/gosrv completion fish | install -D -m 644 /dev/stdin "$(DATADIR)/fish/vendor_completions.d/gosrv.fish"
	bin/gosrv completion zsh | install -D -m 644 /dev/stdin "$(DATADIR)/zsh/site-functions/_gosrv"

uninstall:
	rm -f "$(DESTDIR)$(PREFIX)/bin/gosrv" "$(DATADIR)/man/man1/gosrv.1" "$(DATADIR)/bash-completion/completions/gosrv" \
	  "$(DATADIR)/fish/vendor_completions.d/gosrv.fish" "$(DATADIR)/zsh/site-functions/_gosrv"

# Every end-to-end test under Go's race detector, an hour and more. CI runs the tests of `matrix` so. ARGS="-k reload" for a part.
.PHONY: race
race:
	$(PYTHON) tests/run.py race $(ARGS)

# Memory errors of the C side show here and nowhere else.
asan:
	$(PYTHON) tests/run.py asan

# A debug CPython checks every call into it and counts every reference.
debugpy:
	$(PYTHON) tests/run.py debugpy

# What Alpine's users get, under a CPython for musl that is built from source once (5 minutes); then 5 minutes.
.PHONY: musl
musl:
	$(PYTHON) tests/run.py musl

# A CPython built without the GIL, from source once (5 minutes); then 3 minutes.
.PHONY: freethreaded
freethreaded:
	$(PYTHON) tests/run.py freethreaded

# The arm64 wheel under an emulator: 1 minute to fetch it, 5 to run. ARGS="test_stop.py" for a part.
.PHONY: arm64
arm64:
	$(PYTHON) tests/run.py arm64 $(ARGS)

# The shipped Dockerfiles, built by podman on base images made of packages, and run as the pages say; 5 minutes, and those of `make musl` once.
.PHONY: containers
containers:
	$(PYTHON) tests/run.py containers $(ARGS)

# The oldest kernel that Debian has (5.10), in a virtual machine: 2 minutes, and as many to fetch it once.
.PHONY: kernel
kernel:
	$(PYTHON) tests/run.py kernel

# T is the time for each target, or how many inputs: T=20000x.
T ?= 60s
fuzz:
	$(PYTHON) tests/run.py fuzz $(T)

# APM launchers, debuggers, coverage, extension modules. Two minutes to install, one to run.
tools:
	$(PYTHON) tests/run.py tools

# What only shows under long load, for an hour and a half. SHARE=0.05 is a twentieth of it, as `make test` does.
SHARE ?= 1
soak:
	$(PYTHON) tests/run.py soak $(SHARE)

.PHONY: soak-gevent
# Half an hour of greenlets that wait at random while Go collects all the time.
soak-gevent:
	$(PYTHON) tests/run.py soak_green $(SHARE)

# gosrv beside every peer, about 40 minutes; the report goes to tests/bench/results. APPLICATIONS=1: the README's first table in 12 minutes
# (MINUTES=6: in fewer rounds). GREEN=1: servers of greenlets. QUICK=1: hello and its like in three minutes.
# SCENARIO=hello,stream PEERS=gosrv,bjoern ROUNDS=5 MINUTES=40 RESUME=1; the names: python tests/bench/compare.py --list
bench:
	$(PYTHON) tests/run.py compare $(if $(APPLICATIONS),--applications) $(if $(GREEN),--green) $(if $(QUICK),--quick) $(if $(SCENARIO),--scenario "$(SCENARIO)") $(if $(PEERS),--peers "$(PEERS)") \
	  $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(RESUME),--resume)

# One flame graph over Go, C and CPython, and a table of the ten that cost most: make profile SCENARIO=browser
profile:
	$(PYTHON) tests/run.py profile $(if $(SCENARIO),--scenario "$(SCENARIO)") $(if $(SECONDS),--seconds $(SECONDS))

# The README's figures. Needs wrk and two cores; the venv of the tests has Gunicorn.
bench-hello: all
	$(PYTHON) tests/run.py bench

clean:
	rm -rf bin dist tests/.cache $(RUN_VENV) $(CARRIED)/libgosrv.so $(MONITOR)
