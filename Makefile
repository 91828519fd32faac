# Two commands do everything on a fresh Debian 12 machine: make demo and make test.
.PHONY: help demo clean-demo test fmt clean

help:
	@echo "make demo        install, build, start everything on loopback and run the main job on real input"
	@echo "make clean-demo  stop the demonstration and remove its data"
	@echo "make test        install, build and run all tests"
	@echo "make fmt         format the C++ files with clang-format"
	@echo "make clean       stop everything and remove what was built"

demo:
	@deploy/dev/install
	@deploy/dev/build release mimamori mimamori-agent
	@deploy/dev/demo

clean-demo:
	@deploy/dev/demo clean

test:
	@deploy/dev/install
	@tests/run

fmt:
	@command -v clang-format >/dev/null || { echo "fmt: clang-format is not installed; it is Debian's package clang-format" >&2; exit 1; }
	@git ls-files -z '*.cc' '*.h' | xargs -0 clang-format -i

# A stack that cannot be stopped keeps its folder: removing it would leave processes that nothing can find any more.
clean:
	@[ ! -x deploy/dev/demo ] || deploy/dev/demo clean
	@deploy/dev/stack destroy --dir build/stack
	@deploy/dev/stack destroy --dir build/stack-test
	@rm -rf build
