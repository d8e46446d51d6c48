# SPDX-License-Identifier: MIT
# How the library, the tests and the examples are built.  A test may say more about itself in a
# comment line of its own:
#
#     cflags: -DWEFT_MODEL      more compiler flags
#     ldflags: -rdynamic        more linker flags
#     link: none                without libweft.a (it includes the sources that it tests)
#     link: fault               with the library of fault.mk

# The three numbers stand in the header in their order.
version_of = s/^.define WEFT_VERSION_[MP][A-Z]* *//p
VERSION := $(shell sed -n '$(version_of)' include/weft/base.h | paste -sd.)
VERSION_MAJOR := $(firstword $(subst ., ,$(VERSION)))

# Sources that are for one kernel interface, system or format of objects.
uring_c := src/reactor/uring.c src/reactor/uring_ring.c
epoll_c := src/base/sys_epoll.c src/reactor/epoll.c
kqueue_c := src/base/sys_kqueue.c src/reactor/kqueue.c
elf_c := $(addprefix src/arch/,module_elf.c symbol_elf.c exceptions_elf.c)
macho_c := $(addprefix src/arch/,module_macho.c symbol_macho.c exceptions_macho.c)
linux_c := src/base/sys_linux.c $(elf_c) $(epoll_c) $(if $(filter kqueue,$(VARIANT)),$(kqueue_c)) \
           $(if $(HAVE_LIBURING),$(uring_c))
freebsd_c := src/base/sys_bsd.c src/base/sys_freebsd.c $(elf_c) $(kqueue_c)
darwin_c := src/base/sys_bsd.c src/base/sys_darwin.c $(macho_c) $(kqueue_c)
apart_c := $(linux_c) $(freebsd_c) $(darwin_c) $(uring_c)
lib_c := $(filter-out $(filter-out $($(SYSTEM)_c),$(apart_c)),$(wildcard src/*/*.c))
lib_asm := $(wildcard asm/switch_$(ARCH).S)
lib_obj := $(lib_c:%.c=$(B)/obj/%.o) $(lib_asm:%.S=$(B)/obj/%.o)

LIB_A := $(B)/lib/libweft.a
ifeq ($(SYSTEM),darwin)
  so = libweft$1.dylib
  so_flags = -install_name @rpath/$(SONAME)
else
  # The sanitizers' runtimes are linked into programs only, and so is FreeBSD's environ.
  in_programs := $(filter -fsanitize=% freebsd,$(variant_flags) $(SYSTEM))
  so = libweft.so$1
  so_flags = $(if $(in_programs),,-Wl,--no-undefined) -Wl,-soname,$(SONAME) \
             -Wl,-z,noexecstack -Wl,-z,relro
endif
LIB_SO := $(B)/lib/$(call so,.$(VERSION))
SONAME := $(call so,.$(VERSION_MAJOR))

have_cxx := $(shell command -v $(CXX))
# musl has no execinfo.h, and the unwinder of a gcc for glibc does not link with it.
test_c := $(filter-out tests/mutants/% $(if $(filter release,$(VARIANT)),,tests/model/%) \
            $(if $(filter musl,$(VARIANT)),tests/asm/backtrace.c tests/asm/unwind.c),\
            $(wildcard tests/*/*.c))
test_cc := $(if $(have_cxx),$(wildcard tests/*/*.cc))
test_bin := $(test_c:%.c=$(B)/%) $(test_cc:%.cc=$(B)/%)
example_c := $(wildcard examples/*.c)
example_cc := $(if $(have_cxx),$(wildcard examples/*.cc))
example_bin := $(example_c:%.c=$(B)/%) $(example_cc:%.cc=$(B)/%)
# More files of examples/NAME.c stand in examples/NAME.
example_parts := $(wildcard examples/*/*.c)
example_of = $(B)/$(patsubst %/,%,$(dir $1))

.PHONY: all lib tests examples debug
all: lib examples
lib: $(LIB_A) $(LIB_SO)
tests: $(test_bin)
examples: $(example_bin)
	$(if $(have_cxx),,@echo "$(CXX) not found: the examples in C++ are left out")
debug:
	$(Q)$(MAKE) VARIANT=debug all

# The flags are a prerequisite of every object: another CC or another CFLAGS builds anew.
flags_now := $(CC) $(CFLAGS_LIB) $(LIBS) $(LINK)
$(B)/flags: FORCE
	$(Q)mkdir -p $(B) && { echo '$(flags_now)' | cmp -s - $@ || echo '$(flags_now)' > $@; }
ifeq ($(VARIANT),musl)
	$(Q)mkdir -p $(B)/kernel-headers && ln -sfn /usr/include/linux $(B)/kernel-headers/linux && \
	    ln -sfn /usr/include/asm-generic $(B)/kernel-headers/asm-generic && \
	    ln -sfn /usr/include/$(ARCH)-linux-gnu/asm $(B)/kernel-headers/asm
endif

# What a test says about itself: $(call note,cflags,file).
note = $$(sed -n 's,^[ /*]*$1: *\([^*]*[^* ]\).*,\1,p' $2)

$(B)/obj/src/%.o: src/%.c $(B)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_LIB) -MMD -MP -c $< -o $@

$(B)/obj/asm/%.o: asm/%.S $(B)/flags
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_LIB) -MMD -MP -c $< -o $@

# But for those that are there to go through as much as they can.
$(foreach kind,stress model accept,$(B)/obj/tests/$(kind)/%.o): OPT_TEST := $(OPT)

$(B)/obj/tests/%.o: tests/%.c $(B)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_TEST) $(call note,cflags,$<) -MMD -MP -c $< -o $@

$(B)/obj/tests/%.o: tests/%.cc $(B)/flags
	$(call say,CXX,$<)
	$(Q)mkdir -p $(@D) && $(CXX) $(CXXFLAGS_TEST) $(call note,cflags,$<) -MMD -MP -c $< -o $@

$(B)/obj/examples/%.o: examples/%.c $(B)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_EXAMPLE) -MMD -MP -c $< -o $@

$(B)/obj/examples/%.o: examples/%.cc $(B)/flags
	$(call say,CXX,$<)
	$(Q)mkdir -p $(@D) && $(CXX) $(CXXFLAGS_EXAMPLE) -MMD -MP -c $< -o $@

# A new archive each time: ar would keep the members of sources that are gone.  The list of
# objects is a prerequisite, so that a source that went away is noticed; it says nothing of where
# the directory is, so that the same BUILD under another name links nothing anew.
objects_now := $(lib_obj:$(B)/%=%)
$(B)/objects: FORCE
	$(Q)mkdir -p $(B) && { echo '$(objects_now)' | cmp -s - $@ || echo '$(objects_now)' > $@; }

$(LIB_A): $(lib_obj) $(B)/objects
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@.new && $(AR) rcs $@.new $(lib_obj) && mv -f $@.new $@

$(LIB_SO): $(lib_obj) $(B)/objects
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) -shared $(LINK) $(so_flags) $(lib_obj) $(LIBS) -o $@.new && \
	    mv -f $@.new $@
	$(Q)ln -sf $(@F) $(@D)/$(SONAME) && ln -sf $(SONAME) $(@D)/$(call so,)

# The second-language programs of the tests are linked by their own compiler.
link_test = lib=$(LIB_A); \
    case "$(call note,link,$1)" in none) lib= ;; fault) lib=$(FAULT_A) ;; esac; \
    $2 $(LINK) $(call note,ldflags,$1) $(B)/obj/$*.o $$lib $(LIBS_TEST) -o $@

$(filter-out $(B)/tests/model/%,$(test_c:%.c=$(B)/%)): $(B)/%: $(B)/obj/%.o $(LIB_A)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(call link_test,$*.c,$(CC))

$(test_cc:%.cc=$(B)/%): $(B)/%: $(B)/obj/%.o $(LIB_A)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(call link_test,$*.cc,$(CXX))

$(example_c:%.c=$(B)/%): $(B)/%: $(B)/obj/%.o $(LIB_A)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LINK) $(filter %.o,$^) $(LIB_A) $(LIBS_PROGRAM) -o $@
$(foreach part,$(example_parts),$(eval $(call example_of,$(part)): $(part:%.c=$(B)/obj/%.o)))

$(example_cc:%.cc=$(B)/%): $(B)/%: $(B)/obj/%.o $(LIB_A)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CXX) $(LINK) $< $(LIB_A) $(LIBS_PROGRAM) -o $@

.SECONDARY:
-include $(lib_obj:.o=.d) $(patsubst $(B)/%,$(B)/obj/%.d,$(test_bin) $(example_bin)) \
         $(example_parts:%.c=$(B)/obj/%.d)
