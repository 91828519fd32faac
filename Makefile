# Two commands do everything on a fresh Debian 12 machine: make demo and make test.
.PHONY: help demo clean-demo test bench pilot fuzz fmt clean

help:
	@echo "make demo        install, build, start everything on loopback and run the main job on real input"
	@echo "make clean-demo  stop the demonstration and remove its data"
	@echo "make test        install, build and run all tests"
	@echo "make bench       install, build and measure the whole service on this machine (bench/README.md)"
	@echo "make pilot       install, build and replay the FY2020 pilot: its published tables must come out (tests/pilot/README.md)"
	@echo "make fuzz        install, build and give the parsers changed inputs for FUZZ_SECONDS=60 each"
	@echo "make fmt         format the C++ files with clang-format"
	@echo "make clean       stop everything and remove what was built"

demo:
	@deploy/dev/install --no-browser
	@deploy/dev/build release mimamori mimamori-agent
	@deploy/dev/demo

clean-demo:
	@deploy/dev/demo clean

test:
	@deploy/dev/install
	@tests/run

bench:
	@deploy/dev/install --no-browser
	@deploy/dev/build release mimamori mimamori-agent mimamori-agent-static mimamori-load mimamori-micro
	@bench/run
	@build/release/bench/micro/mimamori-micro

pilot:
	@deploy/dev/install --no-browser
	@deploy/dev/build release mimamori mimamori-agent
	@tests/pilot/run

FUZZ_SECONDS = 60
fuzz:
	@deploy/dev/install --no-browser
	@deploy/dev/build dev fuzz_targets
	@tests/fuzz/run "$(FUZZ_SECONDS)"

fmt:
	@command -v clang-format >/dev/null || { echo "fmt: clang-format is not installed; it is Debian's package clang-format" >&2; exit 1; }
	@git ls-files -z '*.cc' '*.h' | xargs -0 clang-format -i

# A stack that cannot be stopped keeps its folder: removing it would leave processes that nothing can find any more.
clean:
	@[ ! -x deploy/dev/demo ] || deploy/dev/demo clean
	@deploy/dev/stack destroy --dir build/stack
	@deploy/dev/stack destroy --dir build/stack-test
	@deploy/dev/stack destroy --dir build/stack-bench
	@deploy/dev/stack destroy --dir build/stack-pilot
	@rm -rf build
