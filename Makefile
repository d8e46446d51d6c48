# SPDX-License-Identifier: MIT
# Weft: `make help` lists the targets.  There is no list of source files: a .c file in src/<module>,
# tests/<kind> or examples is built because it is there.
#
#   tools/mk/flags.mk    variants (release, debug, asan, ...): a directory and its flags each
#   tools/mk/build.mk    the rules for the library, the tests and the examples
#   tools/mk/model.mk    the model checks, which build the sources once more
#   tools/mk/fault.mk    the fault sweep, which does so, too
#   tools/mk/test.mk     what runs the tests, in which variant, how often
#   tools/mk/port.mk     other C libraries, kernels and systems
#   tools/mk/bench.mk    the benchmark and its peers
#   tools/mk/install.mk  install, pkg-config
#   tools/mk/help.mk     the text of `make help`

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory
SHELL := /bin/bash

# V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-7s %s\n' '$1' '$(patsubst $(CURDIR)/%,%,$2)')

include tools/mk/flags.mk
include tools/mk/build.mk
include tools/mk/model.mk
include tools/mk/fault.mk
include tools/mk/test.mk
include tools/mk/port.mk
include tools/mk/bench.mk
include tools/mk/install.mk
include tools/mk/help.mk

.PHONY: FORCE
FORCE:
