# SPDX-License-Identifier: MIT
# The fault sweep (tests/fault/calls.c): the library is built once more for it, with the door open
# and with each call that passes it saying from where (tests/fault/sites.h).

FAULT_A := $(B)/lib/libfault.a
fault_obj := $(lib_c:%.c=$(B)/obj/fault/%.o)
# The door itself, and what is behind it.
fault_door := $(filter src/base/sys% src/base/memory.c,$(lib_c))
# Compiled in a hurry: it looks for its errors, and nobody waits for its speed.
fault_flags := -DWEFT_FAULT -O0
# What is put in front of a file comes before the file can say this itself.
fault_sites = $(if $(filter $<,$(fault_door)),,-D_GNU_SOURCE= -include tests/fault/sites.h)

$(B)/obj/fault/%.o: %.c $(B)/flags tools/mk/fault.mk
	$(call say,CC,$< (fault))
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_LIB) $(fault_flags) $(fault_sites) -MMD -MP -c $< -o $@

$(FAULT_A): $(fault_obj) $(lib_asm:%.S=$(B)/obj/%.o) $(B)/objects
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(B)/tests/fault/calls: $(FAULT_A)

-include $(fault_obj:.o=.d)
