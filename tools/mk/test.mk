# SPDX-License-Identifier: MIT
# What runs the tests.  Every folder of tests/ with programs in it is a kind and belongs to `check`;
# a script in it that may be executed (.sh, .py) is a test program, too.  tests/accept alone has a
# target of its own, since it takes minutes; only its scripts are tests, the programs their tools.

kinds_quick := unit asm build
kinds_late := stress model fault child
kinds_other := mutants fuzz accept
kinds_all := $(filter-out $(kinds_other),$(notdir $(patsubst %/.,%,$(wildcard tests/*/.))))
# The order: what fails soonest first.
kinds_check := $(kinds_quick) $(filter-out $(kinds_quick) $(kinds_late),$(kinds_all)) $(kinds_late)

scripts := $(shell find tests -mindepth 2 -maxdepth 2 \( -name '*.sh' -o -name '*.py' \) -perm -u+x)
binaries = $(foreach kind,$1,$(sort $(filter $(B)/tests/$(kind)/%,$(test_bin))))
programs = $(foreach kind,$1,$(filter-out $(B)/tests/accept/%,$(call binaries,$(kind))) \
                             $(sort $(filter tests/$(kind)/%,$(scripts))))

# Address-space randomisation of 32 bits is more than the sanitizers of older compilers bear.
ifneq ($(filter asan tsan,$(VARIANT)),)
  steady := $(shell setarch -R true 2>/dev/null && echo setarch -R)
endif
MATRIX := cover
emulator := $(steady)
test_env := CC="$(CC)" CXX="$(CXX)" MAKEFLAGS= MAKELEVEL=
ifeq ($(VARIANT),asan)
  MATRIX := short
  # What it keeps of the frames of a stack is mapped anew for each coroutine: the smallest there is.
  asan_frames := detect_stack_use_after_return=1:max_uar_stack_size_log=16
  test_env += ASAN_OPTIONS=$(asan_frames):$(ASAN_OPTIONS)
  test_env += UBSAN_OPTIONS=print_stacktrace=1:$(UBSAN_OPTIONS)
  WEFT_TEST_SCALE ?= 3
else ifeq ($(VARIANT),tsan)
  MATRIX := short
  test_env += TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:$(TSAN_OPTIONS)
  WEFT_TEST_SCALE ?= 4
else ifeq ($(VARIANT),aarch64)
  MATRIX := none
  emulator := qemu-aarch64 -L /usr/aarch64-linux-gnu
  WEFT_TEST_SCALE ?= 5
else ifneq ($(filter cover debug perturb kqueue,$(VARIANT)),)
  MATRIX := short
endif
WEFT_TEST_SCALE ?= 1
test_env += WEFT_TEST_SCALE=$(WEFT_TEST_SCALE) WEFT_EMULATOR="$(emulator)"
# Recursive, so that it is asked when the tests run: by then the program is built.
run = $(test_env) WEFT_KERNEL="$$($(emulator) $(B)/kernel)" tests/run.sh -b $(or $2,$(B)) -m $1

$(B)/kernel: tools/mk/kernel.c $(B)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(COMMON) $(LINK) $< -o $@

.PHONY: quick check check-variant accept drivers stress
quick: lib $(call binaries,$(kinds_quick)) $(B)/kernel
	$(Q)$(call run,none) $(call programs,$(kinds_quick))

check: lib examples $(call binaries,$(kinds_check)) $(B)/kernel
	$(Q)$(call run,$(MATRIX)) $(call programs,$(kinds_check))
# The models go as far as most bugs need: `make model` goes all the way.
check: export WEFT_MODEL_SHORT ?= 1
# With all six rows of the matrix, a second each is as much stress as the variants' three.
ifeq ($(MATRIX),cover)
  check: export WEFT_STRESS_SECONDS ?= 1
endif

accept: lib examples $(call binaries,accept) $(B)/kernel
	$(Q)$(call run,none) -j 1 $(call programs,accept)

# CONNECTIONS MESSAGES, on each driver: some minutes.
SOAK ?= 5000 10000000
.PHONY: soak-net
soak-net: $(B)/tests/accept/soak_net $(B)/kernel
	$(Q)for driver in $$($(B)/kernel | grep -oE 'io_uring|epoll'); do \
	    $(test_env) WEFT_REACTOR=$$driver $< $(SOAK) || exit 1; \
	done

# What a variant checks: everything but the tree, the tools and the models, which are the same for
# each.
kinds_variant := $(filter-out build tools model,$(kinds_check))
# Under qemu-user: the emulator has a thread of its own (no deadlock is certain), handles signals
# itself, and its memory and system calls have other limits; stress and timing say little there.
ifeq ($(VARIANT),aarch64)
  kinds_variant := unit asm examples
  not_emulated := $(addprefix $(B)/tests/unit/,runtime signals starved calls)
endif
# And without those whose names are given: LEAVE_OUT="unit/calls child/%".
LEAVE_OUT ?=
left_out = $(not_emulated) $(not_kqueue) $(LEAVE_OUT:%=$(B)/tests/%)
check-variant: $(LIB_A) examples $(filter-out $(left_out),$(call binaries,$(kinds_variant))) \
               $(B)/kernel
	$(Q)$(call run,$(MATRIX)) $(filter-out $(left_out),$(call programs,$(kinds_variant)))

kinds_drivers := $(filter-out build tools asm model,$(kinds_check))
drivers: lib examples $(call binaries,$(kinds_drivers)) $(B)/kernel
	$(Q)$(call run,drivers) $(call programs,$(kinds_drivers))

S ?=
N ?= 10
stress: $(call binaries,stress) $(B)/kernel
	$(Q)$(call run,$(MATRIX)) -j 1 $(call programs,stress)
stress: export WEFT_STRESS_SECONDS := $(N)
ifneq ($(S),)
stress: export WEFT_TEST_SEED := $(S)
stress: export WEFT_PERTURB_SEED := $(S)
endif
ifneq ($(filter stress,$(MAKECMDGOALS)),)
  # The limits are made for a few seconds of stress.
  WEFT_TEST_SCALE := $(shell echo $$((1 + $(N) / 5)))
endif

# So many random rounds on each driver and number of processors; the books are printed.
.PHONY: books books-run
books:
	$(Q)$(MAKE) VARIANT=perturb books-run
books-run: export WEFT_BOOKS_ROUNDS := $(if $(filter command%,$(origin N)),$(N),1000000)
books-run: $(B)/tests/stress/books $(B)/kernel
	$(Q)for driver in $$($(B)/kernel | grep -oE 'io_uring|epoll'); do \
	    for procs in 1 2 8; do \
	        $(test_env) WEFT_REACTOR=$$driver WEFT_PROCS=$$procs $< || exit 1; \
	    done; \
	done

.PHONY: asan tsan arm cover
asan tsan:
	$(Q)$(need) && $(MAKE) VARIANT=$@ check-variant
arm:
	$(Q)$(need) && $(MAKE) VARIANT=aarch64 check-variant
cover:
	$(Q)$(MAKE) VARIANT=cover check-variant
	$(Q)tools/mk/cover.sh $(BUILD)/cover

# One test by its name (make one T=a_closed_channel_refuses_a_send), or a whole program
# (make one T=unit/chan).
.PHONY: one gdb list
ifneq ($(T),)
  one_test := $(shell grep -lE '^[A-Z_]*TEST[A-Z_]*\($(notdir $(T))[,)]' $(test_c) $(test_cc))
  one_prog := $(firstword $(basename $(one_test)) $(basename $(wildcard tests/$(T).c tests/$(T).cc \
                tests/*/$(T).c tests/*/$(T).cc)))
  one_name := $(if $(one_test),$(T))
  one_bin := $(one_prog:%=$(B)/%)
endif
one_unknown = $(if $(one_bin),,echo "no test of that name: make list, then make $@ T=name"; exit 1)
one_is_child := $(filter tests/child/%,$(one_prog))
# The tests of the examples run them.
one: $(one_bin) $(if $(filter tests/examples/%,$(one_prog)),examples) $(B)/kernel
	$(Q)$(or $(one_unknown),$(if $(one_is_child),$(call run,none) $(one_bin),\
	    WEFT_BUILD=$(abspath $(B)) $(test_env) $(emulator) $(one_bin) $(one_name) \
	    $(if $(HERE),--here)))
gdb: $(one_bin)
	$(Q)$(or $(one_unknown),$(test_env) WEFT_BUILD=$(abspath $(B)) \
	    gdb --args $(one_bin) $(one_name) $(if $(one_is_child),,--here))
list:
	$(Q)grep -oE '^[A-Z_]*TEST[A-Z_]*\([a-z0-9_]+' $(wildcard tests/*/*.c tests/*/*.cc) /dev/null | \
	    sed -E 's,^tests/([^.]*)\.cc?:.*\(,\1 ,'
	$(Q)for src in $(wildcard tests/child/*.c) $(scripts); do echo $${src#tests/}; done

.PHONY: test demo setup mutants tidy format commits clean
setup:
	$(Q)tools/setup.sh check
test:
	$(Q)tools/setup.sh check
	$(Q)$(MAKE) check
demo:
	$(Q)tools/setup.sh build
	$(Q)$(MAKE) $(BUILD)/examples/chat_server $(BUILD)/examples/chat_client
	$(Q)tools/mk/demo.sh $(BUILD)
mutants:
	$(Q)tools/mk/mutants.sh
tidy: lib
	$(Q)tools/tidy/tidy.py $(B)
format:
	$(Q)clang-format -i $(shell find include src tests examples tools -name '*.[ch]' -o -name '*.cc')
R ?= main..
commits:
	$(Q)tools/mk/commits.sh $(R)
clean:
	$(Q)rm -rf $(BUILD)
