# SPDX-License-Identifier: MIT
# The benchmark: builds its programs, then runs them (tools/bench/README.md).  Nothing here belongs
# to `all` or `check`.
#
#   NAMES="yield mutex"   only these workloads      BENCH="--rounds 3 --markdown"   more options

bench_dir := $(B)/bench
bench_c := $(wildcard tools/bench/weft/*.c)
bench_obj := $(bench_c:%.c=$(B)/obj/%.o)
bench_peers := $(patsubst tools/bench/peers/%/build.sh,%,$(wildcard tools/bench/peers/*/build.sh))
WEFT_BENCH := $(bench_dir)/weft-bench
NAMES ?=
BENCH ?=

# It uses what every program may use, so it is built as the examples are.
$(B)/obj/tools/bench/%.o: tools/bench/%.c $(B)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_EXAMPLE) -MMD -MP -c $< -o $@

$(WEFT_BENCH): $(bench_obj) $(LIB_A)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LINK) $(bench_obj) $(LIB_A) $(LIBS_PROGRAM) -lm -o $@

# How late others are beside a coroutine that does not come back.
$(bench_dir)/hogs: $(B)/obj/tools/bench/hogs.o $(LIB_A)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LINK) $< $(LIB_A) $(LIBS_PROGRAM) -o $@

SECONDS_EACH ?= 10
bench-hogs: $(bench_dir)/hogs
	$(Q)$< $(SECONDS_EACH)

# Reads of files, and how late others are beside them.  FILES="3 256 all": see files.c.
$(bench_dir)/files: $(B)/obj/tools/bench/files.o $(LIB_A)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LINK) $< $(LIB_A) $(LIBS_PROGRAM) -o $@

FILES ?=
bench-files: $(bench_dir)/files
	$(Q)$< $(FILES)

.PHONY: bench-hogs bench-files
.PHONY: bench bench-build bench-load bench-peers bench-quick bench-servers bench-redis bench-count
.PHONY: bench-compare
bench-build: $(WEFT_BENCH) $(B)/examples/echo_server $(B)/examples/http_server bench-load

bench-load:
	$(call say,LOAD,$(bench_dir)/load)
	$(Q)mkdir -p $(bench_dir) && CC="$(CC)" tools/bench/load/build.sh $(bench_dir)

# A peer whose tools are missing says so in one line and ends with 77.
bench-peers:
	$(Q)mkdir -p $(bench_dir); rc=0; for peer in $(bench_peers); do \
	    CC="$(CC)" CXX="$(CXX)" tools/bench/peers/$$peer/build.sh $(bench_dir) || \
	    [ $$? -eq 77 ] || { echo "the peer $$peer does not build" >&2; rc=1; }; \
	done; exit $$rc

# Built before anything is measured, and by a make of its own, since `bench` asks no compiler.
bench_env := CC="$(CC)" CXX="$(CXX)" CFLAGS="$(CFLAGS)" LIBURING="$(LIBURING)"
bench bench-quick:
	$(Q)$(MAKE) bench-build
	$(Q)$(MAKE) bench-peers
	$(Q)$(bench_env) tools/bench/bench.py --build $(bench_dir) \
	    $(if $(filter bench-quick,$@),--quick) $(BENCH) $(NAMES)

bench-servers:
	$(Q)$(MAKE) bench-build
	$(Q)$(MAKE) bench-peers
	$(Q)tools/bench/servers.py --build $(bench_dir) $(BENCH) $(NAMES)

# The example beside the real one, where that is installed.
bench-redis: $(B)/examples/redis_server
	$(Q)tools/bench/redis.py --build $(B) $(BENCH) || [ $$? -eq 77 ]

bench-count: $(WEFT_BENCH)
	$(Q)tools/bench/count.py --build $(bench_dir) $(NAMES) || [ $$? -eq 77 ]

BASE ?=
bench-compare: $(WEFT_BENCH)
	$(Q)$(bench_env) tools/bench/compare.py --base "$(BASE)" --new $(WEFT_BENCH) $(BENCH) $(NAMES)

-include $(bench_obj:.o=.d) $(B)/obj/tools/bench/hogs.d $(B)/obj/tools/bench/files.d
