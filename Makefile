# SPDX-License-Identifier: GPL-2.0-only
# Everything goes to build/. A new tool is two files in src/tools/AREA/ and needs no edit here.
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SECONDARY:

B := build
CC := gcc
CLANG := clang
BPFTOOL := $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
TRIPLET := $(shell gcc -print-multiarch)
BPF_ARCH := $(if $(findstring x86_64,$(TRIPLET)),x86,arm64)

# a line for each file that is made; make V=1: each command
Q := $(if $(V),,@)
say = $(Q)printf '  %-8s %s\n' $(1) $@

# rows of tables name only the members that they set
WARNINGS := -Wall -Wextra -Werror -Wno-missing-field-initializers
# skeletons are generated: not held to our warnings
INCLUDES := -Isrc -isystem $(B)/skel
CFLAGS := -std=gnu11 -O2 -g -D_GNU_SOURCE $(WARNINGS) $(INCLUDES) -ffunction-sections -fdata-sections
LDFLAGS := -static -Wl,--gc-sections
LDLIBS := -lbpf -lelf -ljansson -lz
BPF_CFLAGS := -std=gnu11 -O2 -g -target bpf -mcpu=v3 $(WARNINGS) -Wno-unused-parameter -Wno-address-of-packed-member \
	-D__TARGET_ARCH_$(BPF_ARCH) -Isrc -Isrc/bpf -I/usr/include/$(TRIPLET)

# src/tools/drop/stacks.bpf.c -> drop_stacks, src/path/engine.bpf.c -> engine
bpf_name = $(patsubst %.bpf.c,%,$(subst /,_,$(patsubst src/core/%,%,$(patsubst src/path/%,%,$(patsubst src/tools/%,%,$(1))))))
BPF_SOURCES := $(wildcard src/tools/*/*.bpf.c src/path/*.bpf.c src/core/*.bpf.c)
TOOL_SOURCES := $(wildcard src/tools/*/*.c src/path/*.c)
TOOL_SOURCES := $(filter-out %.bpf.c,$(TOOL_SOURCES))
CORE_SOURCES := $(filter-out %.bpf.c,$(wildcard src/core/*.c src/odp/*.c))
BPF_NAMES := $(foreach s,$(BPF_SOURCES),$(call bpf_name,$(s)))
SKELETONS := $(BPF_NAMES:%=$(B)/skel/%.skel.h)
EMBEDDED := $(BPF_NAMES:%=$(B)/obj/%.gz.o)
OBJECTS := $(patsubst src/%.c,$(B)/obj/%.o,src/main.c $(CORE_SOURCES) $(TOOL_SOURCES)) $(EMBEDDED)
UNIT_SOURCES := $(wildcard tests/unit/*.c)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(UNIT_SOURCES))
CORE_SANITIZED := $(patsubst src/%.c,$(B)/san/%.o,$(CORE_SOURCES))
TRAFFIC := $(patsubst tests/traffic/%.c,$(B)/lab-bin/%,$(wildcard tests/traffic/*.c))
KERNELS ?= 5.10 6.1 6.12 7

.PHONY: all demo demo-built demo-lab check check-all check-native lab-built unit-tests fuzz packages-build packages-demo packages-all clean docs

all: $(B)/netsonde

$(B)/netsonde: $(B)/netsonde.debug
	$(call say,STRIP)
	$(Q)strip -o $@ $<

$(B)/netsonde.debug: $(OBJECTS)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/obj/%.o: src/%.c | $(SKELETONS)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CFLAGS) -MD -MP -c -o $@ $<

# BPF objects: strip the debug sections but .BTF and .BTF.ext, embed them compressed; and a header with the rodata layout
define bpf_rules
$(B)/bpf/$(2).bpf.o: $(1)
	@mkdir -p $$(@D)
	$$(call say,BPF)
	$$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $$@ $$<
	$$(Q)llvm-strip -g $$@
endef
$(foreach s,$(BPF_SOURCES),$(eval $(call bpf_rules,$(s),$(call bpf_name,$(s)))))

$(B)/obj/%.gz.o: $(B)/bpf/%.bpf.o
	@mkdir -p $(@D)
	$(call say,EMBED)
	$(Q)gzip -9nc $< > $(B)/bpf/$*.gz
	$(Q)cd $(B)/bpf && ld -r -b binary -z noexecstack -o ../obj/$*.gz.o $*.gz

# of bpftool's header all but the bytes
$(B)/skel/%.skel.h: $(B)/bpf/%.bpf.o
	@mkdir -p $(@D)
	$(call say,SKEL)
	$(Q){ printf '#include "abi/%s.h"\n' filter path types; \
	  $(BPFTOOL) gen skeleton $< name $* | awk '/^static inline const void .*elf_bytes.size_t .sz.$$/ { bytes = 1 } \
		!bytes { print } /^}$$/ { bytes = 0 }'; \
	  printf 'static inline const void *%s__elf_bytes(size_t *size)\n{\n' $*; \
	  printf '\textern const char _binary_%s_gz_start[], _binary_%s_gz_end[];\n\n' $* $*; \
	  printf '\t*size = _binary_%s_gz_end - _binary_%s_gz_start;\n\treturn _binary_%s_gz_start;\n}\n' $* $* $*; } > $@

# unit tests and the core they test, under the sanitizers; SONDE_NATIVE compiles the BPF headers for this machine
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
$(B)/san/%.o: src/%.c | $(SKELETONS)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(filter-out -O2,$(CFLAGS)) -O1 $(SANITIZE) -MD -MP -c -o $@ $<

$(B)/tests/unit/%: tests/unit/%.c $(CORE_SANITIZED) $(EMBEDDED)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(filter-out -O2,$(CFLAGS)) -O1 $(SANITIZE) -Isrc/bpf -MMD -MP -o $@ $< \
		$(filter-out $(B)/san/core/registry.o $(B)/san/core/run.o,$(CORE_SANITIZED)) $(EMBEDDED) -lcmocka $(LDLIBS)

unit-tests: $(UNIT_TESTS)

# coverage-guided fuzzing of what reads bytes that nobody vouches for; finds go to build/fuzz, as do new inputs
FUZZ_SECONDS ?= 60
ODP_SOURCES := $(wildcard src/odp/*.c)
$(B)/fuzz/odp: tests/fuzz/odp.c $(ODP_SOURCES) $(wildcard src/odp/*.h)
	@mkdir -p $(@D)
	$(call say,CLANG)
	$(Q)$(CLANG) -std=gnu11 -g -O1 -D_GNU_SOURCE $(WARNINGS) -Isrc -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o $@ tests/fuzz/odp.c $(ODP_SOURCES)

fuzz: $(B)/fuzz/odp
	@mkdir -p $(B)/fuzz/corpus
	$< -max_len=2048 -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -artifact_prefix=$(B)/fuzz/ \
		$(B)/fuzz/corpus tests/fuzz/corpus

$(B)/lab-bin/%: tests/traffic/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -std=gnu11 -O2 -D_GNU_SOURCE $(WARNINGS) -static -o $@ $< -lpthread

packages-build:
	@packaging/packages install build

packages-demo:
	@packaging/packages install build lab

packages-all:
	@packaging/packages install build test lab

# as many jobs as CPUs, unless the caller says how many
PARALLEL = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

demo: packages-demo
	+@$(PARALLEL) demo-built
	@lab/demo

demo-built: $(B)/netsonde $(TRAFFIC) demo-lab

demo-lab:
	@lab/demo build

check check-all: packages-all
	+@$(PARALLEL) check-native lab-built
	@tests/run --add $(if $(filter check-all,$@),--all) lab

# beside the building of the lab, which needs one CPU; tests/run lab counts what has failed, too
check-native: $(B)/netsonde $(TRAFFIC) unit-tests
	@tests/run native; [ $$? -le 1 ]

lab-built:
	@lab/vm build $(KERNELS:%=-k %)

clean:
	rm -rf $(B)/obj $(B)/san $(B)/fuzz/odp $(B)/bpf $(B)/skel $(B)/tests $(B)/lab-bin $(B)/netsonde $(B)/netsonde.debug

-include $(wildcard $(B)/obj/*.d $(B)/obj/*/*.d $(B)/obj/*/*/*.d $(B)/obj/*/*/*/*.d $(B)/bpf/*.d $(B)/san/*/*.d \
	$(B)/tests/unit/*.d)
