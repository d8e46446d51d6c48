# SPDX-License-Identifier: MIT
# What is listed is provided, and the other way round.

define HELP
build
  all            library (static and shared) and examples
  lib  tests  examples          one of them; also by file: make build/tests/unit/NAME
  debug          -O0, checks, lock ranks                      -> build/debug
  V=1            show commands      CC=clang  ARCH=aarch64  VARIANT=debug  BUILD=dir
                 LIBURING=no  WEFT_REACTOR=epoll
test
  test           set up what is missing, then check: the README's command
  quick          unit + asm + build + tidy, under 20 s: run before each commit
  check          quick + stress + model + fault + child + examples; never installs
  accept         the chat server under load, on every driver: some minutes
  soak-net SOAK="connections messages"     many connections, every byte accounted for: minutes
  one T=name     one test, in a child        one T=name HERE=1 in this process
  gdb  T=name    one test under gdb
  list           names of all tests
  stress S=seed N=seconds       the stress tests, longer; VARIANT=perturb provokes bad luck
  books N=rounds                random rounds over all that waits, perturbed; prints the books
  asan tsan arm                 check, rebuilt with it (tsan by clang; arm by qemu-user)
  musl           the unit tests with musl instead of glibc, linked to it and statically
  cross          the library and a program for macOS and FreeBSD, by zig; nothing is run
  check-kqueue KQUEUE=dir       the tests on kqueue, by the libkqueue that was built there
  model          the model checks, with what each has gone through; MORE=1 goes further
  drivers        check once per kernel interface and guard
  mutants        every planted bug and who catches it
  cover          coverage report
measure (NAMES="yield mutex" takes some rows; BENCH="--rounds 3" passes options on)
  bench          Weft beside its peers, interleaved: a table, JSON and a chart; an hour
  bench-quick    a few rows of it, in some minutes
  bench-servers  echo and HTTP servers under load
  bench-redis    the Redis server of the examples beside the real one, by redis-benchmark
  bench-count    instructions of the hot paths, by callgrind
  bench-files    reads of a file from memory and from the disk, and how late others are then
  bench-compare BASE=rev        what a change did, and its spread
  bench-build  bench-peers      build only
look after
  tidy           sizes, layers, prefixes, doc comments, order tags
  format         clang-format in place
  commits R=main..              build and `quick` at each commit
use
  demo           set up, build, start the chat server on 127.0.0.1:7777
  setup          install what is missing, where that is allowed
  install prefix=  DESTDIR=
  clean
endef
export HELP

.PHONY: help
help:
	@echo "$$HELP"
