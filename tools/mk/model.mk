# SPDX-License-Identifier: MIT
# Model checks (tests/model/explore.h): each .c of tests/model is a program.  The library is built
# once more for them, against an atomics header that leads to the explorer.
#
# What a program defines itself takes the place of the library's function of that name; what it does
# not come to is left out by the linker, with all that it would need.  Only in the release variant:
# what they show is the same in each.

model_c := $(filter tests/model/%,$(test_c))
model_bin := $(model_c:%.c=$(B)/%)
model_obj := $(lib_c:%.c=$(B)/obj/model/%.o)
# This one has the thread-locals: the explorer changes them whenever another thread runs.
model_self := src/base/self
MODEL_A := $(B)/lib/libmodel.a

model_flags := -Itests/model/include -fdata-sections -fno-sanitize=all -DWEFT_MODEL=1
# The sources' own: what they do to this thread is done to the one of the model, and the explorer is
# told of each use of plain data (explorer/plain.h).
model_names := -fsanitize=thread -Dclock_gettime=model_clock_gettime \
               -Dweft__ctx_switch=model_ctx_switch -Dweft__ctx_wait=model_ctx_wait \
               -Dweft__ctx_begin=model_ctx_begin

$(B)/obj/model/%.o: %.c $(B)/flags tools/mk/model.mk
	$(call say,CC,$< (model))
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_LIB) $(model_flags) $(model_names) -MMD -MP -c $< -o $@

$(MODEL_A): $(filter-out %/$(model_self).o,$(model_obj)) $(B)/obj/$(model_self).o \
            $(lib_asm:%.S=$(B)/obj/%.o) $(B)/objects
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(B)/obj/tests/model/%.o: CFLAGS_TEST += $(model_flags)

$(model_bin): $(B)/%: $(B)/obj/%.o $(MODEL_A)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LINK) -Wl,--gc-sections,-z,muldefs $^ $(LIBS_TEST) -o $@

# With what each of them went through; `check` runs them too, within narrower bounds.  MORE=1 widens
# them by one.
.PHONY: model
model: export WEFT_MODEL_MORE := $(MORE)
ifneq ($(MORE),)
  model: export WEFT_TEST_SCALE := 30
endif
model: $(model_bin)
	$(Q)for program in $(model_bin); do $$program || exit 1; done

-include $(model_obj:.o=.d)
