# SPDX-License-Identifier: MIT
# Other C libraries, kernels and systems than those where Weft is at home.

# With musl: the library and a program that uses it as a shared one, the unit tests linked to musl,
# and once more linked statically.
.PHONY: musl musl-run musl-shared
musl:
	$(Q)tools/mk/need.sh musl
	$(Q)$(MAKE) VARIANT=musl musl-shared musl-run
	$(Q)$(MAKE) VARIANT=musl BUILD=$(BUILD)/static LDFLAGS=-static musl-run

# musl carries no CFI: walks that begin or go on inside it lose a caller, or end there.
not_musl := $(addprefix $(B)/tests/unit/,stalls symbol unwind unwind_primed)
musl_bin := $(filter-out $(not_musl),$(call binaries,unit asm))
musl-run: $(LIB_A) $(musl_bin) $(B)/kernel
	$(Q)$(call run,none) $(musl_bin)

musl-shared: $(LIB_SO) $(B)/obj/examples/hello.o
	$(Q)$(CC) $(LINK) $(B)/obj/examples/hello.o -L$(B)/lib -lweft -Wl,-rpath,$(abspath $(B))/lib \
	    -o $(B)/hello && $(B)/hello

# Cross-built by the zig of PyPI's `ziglang`, which brings the headers and libraries of each: the
# static library, and a program linked with it.  Nothing is run.
ZIG ?= $(or $(shell command -v zig),$(wildcard build/zig/ziglang/zig),python3 -m ziglang)
CROSS ?= aarch64-macos.14.4 x86_64-macos.14.4 x86_64-freebsd
.PHONY: cross cross-one
cross: export ZIG_GLOBAL_CACHE_DIR := $(abspath $(BUILD))/cross/cache
cross: export ZIG_LOCAL_CACHE_DIR := $(abspath $(BUILD))/cross/cache
cross:
	$(Q)$(ZIG) version >/dev/null || { \
	    echo "make cross needs zig: pip install --target build/zig ziglang" >&2; exit 1; }
	$(Q)for target in $(CROSS); do \
	    $(MAKE) CC="$(ZIG) cc -target $$target" AR="$(ZIG) ar" CXX=none LIBURING=no \
	        BUILD=$(BUILD)/cross/$$target CROSS_TARGET=$$target cross-one || exit 1; \
	done
# With all of the library, so that no part of it calls what is not there.
cross_all = $(if $(filter darwin,$(SYSTEM)),-Wl$(comma)-force_load$(comma)$(LIB_A),\
              -Wl$(comma)--whole-archive $(LIB_A) -Wl$(comma)--no-whole-archive)
comma := ,
cross-one: $(LIB_A) $(B)/obj/examples/hello.o
	$(Q)mkdir -p $(B)/examples && \
	    $(CC) $(LINK) $(B)/obj/examples/hello.o $(cross_all) $(LIBS) -o $(B)/examples/hello
	@echo "cross $(CROSS_TARGET): libweft.a of $(words $(lib_obj)) objects, hello linked with all"

# The tests on kqueue, which libkqueue makes of epoll.
.PHONY: check-kqueue
check-kqueue:
	$(Q)$(MAKE) VARIANT=kqueue check-variant
ifeq ($(VARIANT),kqueue)
  check-variant: export WEFT_REACTOR ?= kqueue
endif
