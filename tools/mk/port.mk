# SPDX-License-Identifier: MIT
# Other C libraries, kernels and systems than those where Weft is at home.

# With musl: the library and a program that uses it as a shared one, the unit tests linked to musl,
# and once more linked statically.
.PHONY: musl musl-shared musl-run musl-static
musl:
	$(Q)$(need) && $(MAKE) VARIANT=musl musl-shared musl-run musl-static

# musl carries no CFI: walks that begin or go on inside it lose a caller, or end there.
not_musl := $(addprefix $(B)/tests/unit/,stalls symbol unwind unwind_primed)
musl_bin := $(filter-out $(not_musl),$(call binaries,unit asm))
musl-run: $(LIB_A) $(musl_bin) $(B)/kernel
	$(Q)$(call run,none) $(musl_bin)

musl-shared: $(LIB_SO) $(B)/obj/examples/hello.o
	$(Q)$(CC) $(LINK) $(B)/obj/examples/hello.o -L$(B)/lib -lweft -Wl,-rpath,$(abspath $(B))/lib \
	    -o $(B)/hello && $(B)/hello

ifeq ($(VARIANT),musl)
STATIC ?= $(notdir $(musl_bin)) # which of them are linked statically
static_bin := $(foreach name,$(STATIC),$(filter %/$(name),$(musl_bin:$(B)/%=$(B)/static/%)))
musl-static: $(static_bin) $(B)/kernel
	$(Q)$(call run,none,$(B)/static) $(static_bin)
$(static_bin): $(B)/static/%: $(B)/obj/%.o $(LIB_A)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(call link_test,$*.c,$(CC) -static)
endif

# Cross-built by the zig of PyPI's `ziglang`, which brings the headers and libraries of each: the
# two libraries, and a program linked with all of the static one, so that no part of it calls what
# is not there.  Nothing is run.  zig builds its own runtime as the link says: optimised in a
# quarter of the time.
CROSS ?= aarch64-macos.14.4 x86_64-macos.14.4 x86_64-freebsd
.PHONY: cross cross-one
cross: export PATH := $(PATH):$(CURDIR)/build/zig/ziglang
cross: export ZIG_GLOBAL_CACHE_DIR := $(abspath $(BUILD))/cross/cache
cross: export ZIG_LOCAL_CACHE_DIR := $(abspath $(BUILD))/cross/cache
cross:
	$(Q)$(need)
	$(Q)for target in $(CROSS); do \
	    $(MAKE) CC="zig cc -target $$target" AR="zig ar" CXX=none LIBURING=no LDFLAGS=-O2 \
	        BUILD=$(BUILD)/cross/$$target cross-one || exit 1; \
	done
comma := ,
cross_all = $(if $(filter darwin,$(SYSTEM)),-Wl$(comma)-force_load$(comma)$(LIB_A),\
              -Wl$(comma)--whole-archive $(LIB_A) -Wl$(comma)--no-whole-archive)
cross-one: $(LIB_A) $(LIB_SO) $(B)/obj/examples/hello.o
	$(Q)mkdir -p $(B)/examples && \
	    $(CC) $(LINK) $(B)/obj/examples/hello.o $(cross_all) $(LIBS) -o $(B)/examples/hello
	@echo "$(notdir $(B)): $(words $(lib_obj)) objects in libweft.a and $(notdir $(LIB_SO)); linked"

# The tests on kqueue, which libkqueue makes of epoll.
.PHONY: check-kqueue
check-kqueue:
	$(Q)$(MAKE) VARIANT=kqueue check-variant
ifeq ($(VARIANT),kqueue)
check-variant: export WEFT_REACTOR ?= kqueue
# These count the descriptors of the process: libkqueue has several for a queue, of low numbers,
# and closes them some time after the queue.
not_kqueue := $(addprefix $(B)/tests/,unit/runtime fault/calls)
$(LIB_A): $(kqueue_obj)
$(kqueue_obj): tools/mk/libkqueue.c $(B)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(COMMON) -c $< -o $@
endif
