# Two commands do everything on a fresh Debian 12 machine: make demo and make test.
.PHONY: help demo clean-demo test bench fmt clean

help:
	@echo "make demo        install, build, start everything on loopback and run the main job on real input"
	@echo "make clean-demo  stop the demonstration and remove its data"
	@echo "make test        install, build and run all tests"
	@echo "make clean       remove everything that was built"

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
	@git ls-files '*.cc' '*.h' | xargs clang-format -i

clean:
	@deploy/dev/stack stop || true
	@deploy/dev/stack stop --dir build/stack-test || true
	@rm -rf build
