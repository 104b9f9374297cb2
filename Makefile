# Roost. One build configuration, release, for the daemon and for the tests: they share every product.
# ROOST_SCRATCH names the build folder, so that a second clone can use an earlier build.

ROOST_SCRATCH ?= .build
ROUNDS ?= 1000
TIME ?= 10m
FUZZ_SCRATCH ?= .build-fuzz
PREFIX ?= /usr/local

SWIFT_BUILD = swift build -c release --scratch-path $(ROOST_SCRATCH)
# Without @testable the tests need no other flags than the daemon, so nothing is built twice. Not all tests begin at
# once: hundreds of daemons, proxies and sockets would keep each other waiting beyond every time limit.
SWIFT_TEST = SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=12 swift test -c release --disable-testable-imports --scratch-path $(ROOST_SCRATCH)
SWIFT_SOURCES = $(wildcard Sources Tests Benchmarks sdk-examples/Sources) Package.swift sdk-examples/Package.swift

.PHONY: run roost build install package package-test build-tests test lint format crash simulate powercut lazyfs fuzz \
	nightly bench race clean bootstrap bootstrap-run

run: roost
	exec $(ROOST_SCRATCH)/release/roost serve

# The daemon alone; says how many seconds the packages and the build took.
roost: bootstrap-run
	@begun=$$(date +%s) && echo '$(SWIFT_BUILD) --product roost' && $(SWIFT_BUILD) --product roost && \
	  echo "build: $$(($$(date +%s) - begun)) s" >&2

build: bootstrap-run
	$(SWIFT_BUILD)

# What `make build` has built, with the libraries it needs, for a machine or a service that has no toolchain.
install:
	scripts/install.sh $(ROOST_SCRATCH)/release/roost $(PREFIX)

# A Debian package of the daemon, for machines without Swift: $(ROOST_SCRATCH)/roost_<version>_<architecture>.deb.
package: roost
	@scripts/bootstrap.sh package
	scripts/package.sh $(ROOST_SCRATCH)/release/roost $(ROOST_SCRATCH)

# Installs it in a bare Debian 12 in a folder, runs the daemon there and removes it again. Needs root and debootstrap.
package-test: package
	scripts/package-test.sh "$$(ls -t $(ROOST_SCRATCH)/roost_*.deb | head -n 1)"

build-tests:
	$(SWIFT_BUILD) --build-tests

test: bootstrap lint build-tests
	@$(SWIFT_TEST) --skip-build

lint:
	swift format lint --strict --recursive --configuration .swift-format $(SWIFT_SOURCES)
	for script in scripts/*.sh .ci/run; do bash -n "$$script" || exit 1; done
	scripts/fault-table.sh --check
	scripts/mutation-table.sh --check

format:
	swift format --in-place --recursive --configuration .swift-format $(SWIFT_SOURCES)

# Kills the daemon this many times under load and checks the whole history; `make test` does 50 rounds.
crash: build-tests
	ROOST_CRASH_ROUNDS=$(ROUNDS) $(SWIFT_TEST) --skip-build --filter KillAndRestart

# Random histories of the store under every fault for this long; a failure is shrunk, and printed with its command.
simulate:
	$(SWIFT_BUILD) --product roost-sim
	ROOST_COMMIT=$$(git describe --always --dirty --abbrev=12) $(ROOST_SCRATCH)/release/roost-sim --time $(TIME)

# Pulls the plug this often below the real daemon and checks the whole history; `make test` does 8 rounds.
powercut: build-tests
	ROOST_POWERCUT_ROUNDS=$(ROUNDS) $(SWIFT_TEST) --skip-build --filter PowerCutTests

# The same load in LazyFS, a FUSE file system that forgets what is not synced; LAZYFS names its program or checkout.
lazyfs: build-tests
	scripts/lazyfs.sh $(ROOST_SCRATCH)/release/roost "$(LAZYFS)" $(ROUNDS)

# Lets libFuzzer look for inputs that break a reader, for TIME and target; what it finds goes to $(FUZZ_SCRATCH).
fuzz:
	scripts/fuzz.sh $(FUZZ_SCRATCH) $(TIME)

# The tests of all that holds memory or threads of its own, seven modules, under two sanitizers; for the night.
nightly:
	scripts/sanitize.sh $(ROOST_SCRATCH)-sanitized

bench:
	$(SWIFT_BUILD)
	scripts/bench.sh $(ROOST_SCRATCH)/release

# Roost beside other queues, by the generator of Benchmarks/race; scripts/race.sh names the variables that cut it down.
race:
	$(SWIFT_BUILD) --product roost
	scripts/race.sh $(ROOST_SCRATCH)/release

clean:
	rm -rf $(ROOST_SCRATCH)

# What the tests need, and what the daemon alone needs.
bootstrap:
	@scripts/bootstrap.sh test

bootstrap-run:
	@scripts/bootstrap.sh run
