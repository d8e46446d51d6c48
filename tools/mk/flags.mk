# SPDX-License-Identifier: MIT
# A variant is a build directory and the flags that differ in it.  BUILD= moves all of them.
#
#   release                                                        $(BUILD)
#   debug  perturb  asan  tsan  cover  aarch64  musl  kqueue       $(BUILD)/<variant>

# `make -n` shows what would be done also where what does it is missing.
is_dry_run := $(findstring n,$(filter-out --%,$(firstword -$(MAKEFLAGS))))
missing = $(if $(is_dry_run),,$(error $1))
need = $(if $(is_dry_run),:,tools/mk/need.sh) $@

VARIANT ?= $(if $(filter aarch64,$(ARCH)),aarch64,release)
BUILD ?= build
# One name for one directory: it stands in the dependency files.
override BUILD := $(patsubst $(CURDIR)/%,%,$(abspath $(BUILD)))
B := $(BUILD)$(if $(filter release,$(VARIANT)),,/$(VARIANT))

# `CC ?=` would keep make's built-in cc; a CC from the command line or the environment wins.
ifeq ($(origin CC),default)
  CC := gcc
endif
ifeq ($(origin CXX),default)
  CXX := $(if $(findstring clang,$(notdir $(CC))),clang++,g++)
endif
ifeq ($(origin AR),default)
  AR := ar
endif

# The programs of the tests are many and small: to optimise them takes longer than to run them.
OPT := -O2
OPT_TEST := -O0
variant_flags :=
ifeq ($(VARIANT),debug)
  OPT := -O0
  variant_flags := -DWEFT_DEBUG=1
else ifeq ($(VARIANT),perturb)
  # Delays at the places where an unlucky interleaving would hurt; WEFT_PERTURB_SEED repeats a run.
  variant_flags := -DWEFT_DEBUG=1 -DWEFT_PERTURB=1
else ifeq ($(VARIANT),asan)
  OPT := -O1
  variant_flags := -DWEFT_DEBUG=1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
else ifeq ($(VARIANT),tsan)
  # By clang only: gcc's runtime ends at some 8,000 coroutines, and each costs more there.
  override CC := clang
  override CXX := clang++
  OPT := -O1
  # Perturbed: coroutines on one thread have no races, so they must be made to migrate.
  variant_flags := -DWEFT_DEBUG=1 -DWEFT_PERTURB=1 -fsanitize=thread
else ifeq ($(VARIANT),cover)
  OPT := -O0
  variant_flags := --coverage -fprofile-update=atomic
else ifeq ($(VARIANT),aarch64)
  override CC := aarch64-linux-gnu-gcc
  override CXX := aarch64-linux-gnu-g++
  override AR := aarch64-linux-gnu-ar
else ifeq ($(VARIANT),musl)
  # Its compiler sees no headers but musl's own: those of the kernel are linked beside the objects.
  # C++ has none for it.
  override CC := $(or $(MUSL_CC),musl-gcc)
  override CXX := none
  variant_flags := -D_GNU_SOURCE= -idirafter $(B)/kernel-headers
else ifeq ($(VARIANT),kqueue)
  # By libkqueue, as it was built or installed in KQUEUE=dir.
  kqueue_header := $(firstword $(wildcard $(addprefix $(KQUEUE)/,include/kqueue/sys/event.h \
                     include/sys/event.h)))
  kqueue_lib := $(firstword $(wildcard $(addprefix $(KQUEUE)/,lib/libkqueue.so \
                  lib/*/libkqueue.so libkqueue.so)))
  ifeq ($(and $(KQUEUE),$(kqueue_header),$(kqueue_lib)),)
    $(call missing,make check-kqueue KQUEUE=dir: no sys/event.h and libkqueue.so in '$(KQUEUE)')
  endif
  variant_flags := -DWEFT_LIBKQUEUE=1 -isystem $(kqueue_header:%/sys/event.h=%)
  kqueue_obj := $(B)/obj/tools/mk/libkqueue.o
  LIBS_KQUEUE := $(kqueue_obj) $(kqueue_lib) -Wl,-rpath,$(abspath $(dir $(kqueue_lib)))
else ifneq ($(VARIANT),release)
  $(error there is no variant '$(VARIANT)')
endif

# Goals that compile nothing in this make itself ask no compiler anything.
quiet_goals := help setup test demo clean format list commits bench debug asan tsan arm \
               cover mutants books musl check-kqueue cross
ifneq ($(filter-out $(quiet_goals),$(or $(MAKECMDGOALS),help)),)
  probe := $(shell tools/mk/probe.sh $(CC))
  ifeq ($(firstword $(probe)),none)
    $(call missing,the compiler '$(CC)' is not there: `make setup` installs it)
  endif
endif
ARCH := $(firstword $(probe))
CC_FAMILY := $(word 2,$(probe))
SYSTEM := $(word 4,$(probe))
# LIBURING=no builds as if it were not there.
HAVE_LIBURING := $(if $(filter no,$(LIBURING)),,$(filter yes,$(word 3,$(probe))))

# Said once for all of the makes that a command starts, and not where epoll is meant.
ifeq ($(SYSTEM),linux)
ifeq ($(HAVE_LIBURING)$(WEFT_NOTICE_SAID)$(filter aarch64 musl,$(VARIANT)),)
  $(info liburing not found: building with epoll only (apt-get install liburing-dev))
  export WEFT_NOTICE_SAID := 1
endif
endif

# Parts of the flags that only one architecture or compiler knows.  A guard is 64 KiB wide or more
# on aarch64, and 2 to the 16th is what gcc must be told there.
arch_flags := -fstack-clash-protection
ifeq ($(ARCH),x86_64)
  arch_flags += -fcf-protection=branch
else ifeq ($(ARCH),aarch64)
  arch_flags += -mbranch-protection=bti
  ifeq ($(CC_FAMILY),gcc)
    clash_param := --param=stack-clash-protection-guard-size=16
    arch_flags += $(clash_param)
  else
    arch_flags := $(filter-out -fstack-clash-protection,$(arch_flags))
  endif
endif
ifneq ($(SYSTEM),linux)
  arch_flags := $(filter-out -fstack-clash-protection -mbranch-protection=bti,$(arch_flags))
endif

WARN := -Wall -Wextra
WARN_C := -Wshadow -Wstrict-prototypes -Wmissing-prototypes
COMMON := $(OPT) -g $(WARN) -pthread -fPIC -fno-omit-frame-pointer -momit-leaf-frame-pointer \
          -ffunction-sections $(arch_flags) $(variant_flags) \
          $(if $(HAVE_LIBURING),,-DWEFT_NO_LIBURING) -Iinclude $(CPPFLAGS)
CFLAGS_LIB := -std=gnu11 $(COMMON) $(WARN_C) -fvisibility=hidden -Isrc $(CFLAGS)
CFLAGS_TEST = -std=gnu11 $(COMMON) $(OPT_TEST) $(WARN_C) -Isrc -Itests $(CFLAGS)
CXXFLAGS_TEST := -std=gnu++17 $(COMMON) $(OPT_TEST) -Isrc -Itests $(CXXFLAGS)
CFLAGS_EXAMPLE := -std=gnu11 $(COMMON) $(WARN_C) $(CFLAGS)
CXXFLAGS_EXAMPLE := -std=gnu++17 $(COMMON) $(CXXFLAGS)

LIBS := $(if $(HAVE_LIBURING),-luring) $(LIBS_KQUEUE) -pthread
LIBS_TEST := $(LIBS) -ldl -lm
# A program starts 0.1 ms sooner, and runs where no liburing is installed, with liburing inside it.
uring_a := $(if $(HAVE_LIBURING),$(wildcard $(shell $(CC) -print-file-name=liburing.a)))
LIBS_PROGRAM := $(if $(uring_a),$(patsubst -luring,-l:liburing.a,$(LIBS)),$(LIBS))
LINK := -pthread $(filter -fsanitize=% --coverage,$(variant_flags)) $(LDFLAGS)
ifeq ($(VARIANT),musl)
  LINK += -Wl,--eh-frame-hdr # for our unwinder; its compiler asks for none
endif
