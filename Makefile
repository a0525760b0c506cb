# Ingot: one Makefile. `make help` lists what it can do; docs/testing.md explains the checks.
#
# All output lies below $(O)/$(ARCH)-$(VARIANT)/ (host tools: $(O)/host/), so variants and compilers live side by
# side. Sources are found by wildcard: a new file in a folder of RT_DIRS is part of the runtime.
MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
SHELL := /bin/sh

# ---- What to build: set these on the command line ----------------------------------------------------
ARCH  ?= x86_64
BUILD ?= release
O     ?= build
# One name for one folder: by another one, what dependency files say of its objects would be of others.
override O := $(patsubst $(CURDIR)/%,%,$(O))
HOSTCC ?= cc

ifeq ($(origin CC),default)
CC := $(if $(filter Darwin,$(shell uname -s)),x86_64-elf-gcc,gcc)
endif
ifeq ($(origin LD),default)
LD := ld
endif

# What is done, one line each; V=1 shows how.
Q   := $(if $(filter 1,$(V)),,@)
SILENT := $(findstring s,$(firstword -$(filter-out --%,$(MAKEFLAGS))))
say = $(if $(or $(filter 1,$(V)),$(SILENT)),,@printf '  %-7s %s\n' $(1) $(2))

GOALS := $(or $(MAKECMDGOALS),all)
# One goal is made on all cores, unless -j says how many; several are made one after the other.
ifeq ($(MAKELEVEL) $(words $(filter-out deps,$(GOALS))),0 1)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
endif
# `make deps run` on a machine that lacks a compiler: install before anything is asked of it.
ifneq ($(filter deps,$(GOALS)),)
ifneq ($(shell CC='$(if $(filter command environment,$(firstword $(origin CC))),$(CC))' tools/deps.sh >&2 && echo done),done)
$(error tools/deps.sh could not install what is missing)
endif
endif

# ---- Which compiler is it? ----------------------------------------------------------------------------
ifneq ($(filter-out help deps clean fmt tools host-tests check-host,$(GOALS)),)
CC_ABOUT := $(shell $(CC) --version 2>/dev/null; $(CC) -dumpversion 2>/dev/null)
ifeq ($(CC_ABOUT),)
$(error $(CC) not found. Run `make deps$(if $(findstring clang,$(CC)), CC=$(CC))`, or give another compiler: make CC=$(if $(findstring clang,$(CC)),gcc,clang))
endif
CC_IS := $(if $(findstring clang,$(CC_ABOUT)),clang,gcc)
CC_MAJOR := $(firstword $(subst ., ,$(lastword $(CC_ABOUT))))
CC_LEAST := $(if $(filter clang,$(CC_IS)),14,12)
ifeq ($(shell [ "$(CC_MAJOR)" -ge $(CC_LEAST) ] 2>/dev/null && echo ok),)
$(error $(CC) is $(CC_IS) $(CC_MAJOR): too old, $(CC_IS) $(CC_LEAST) or newer is needed)
endif
CC_INCLUDE := $(shell $(CC) -print-file-name=include)
endif

ifeq ($(filter release debug stress,$(BUILD)),)
$(error BUILD=$(BUILD): must be release, debug or stress)
endif
ifeq ($(wildcard arch/$(ARCH)),)
$(error ARCH=$(ARCH): there is no arch/$(ARCH))
endif
VARIANT := $(BUILD)$(if $(filter clang,$(CC_IS)),-clang)
OUT  := $(O)/$(ARCH)-$(VARIANT)
HOST := $(O)/host

# ---- Flags, each with its reason -----------------------------------------------------------------------
# The ABI, shared by runtime and programs.
ABI := -mcmodel=kernel -fno-pic -fno-pie # the image lies in the top 2 GiB
ABI += -march=x86-64 -mno-avx            # a switch saves xmm only
ABI += -mno-red-zone                     # a fault turned into a panic pushes onto this stack
ABI += -fwrapv -fno-strict-aliasing -fno-delete-null-pointer-checks -fno-optimize-sibling-calls # DESIGN.md 7
ABI += -fno-omit-frame-pointer           # reports walk frames
ABI += -fstack-clash-protection          # a large frame must not jump the guard page
ABI += -fstack-protector-strong -mstack-protector-guard=global
ABI += -fcf-protection=none -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-exceptions
ABI += -ffunction-sections -fdata-sections -fno-common
ABI += -g -fmacro-prefix-map=$(CURDIR)/=
ABI += -nostdinc -isystem $(CC_INCLUDE)  # the compiler's own headers; never the host's
ifeq ($(CC_IS),clang)
ABI += --target=$(ARCH)-linux-gnu -Qunused-arguments # for a bare target clang 14 ignores -fstack-clash-protection
ABI += -fblocks                          # rt/call.h
else
ABI += -Werror=trampolines               # rt/call.h: a nested function must capture nothing
endif
ABI += $(addprefix -U,linux __linux __linux__ __gnu_linux__ unix __unix __unix__) # this is not Linux

# A nop before a short loop is one more instruction each time (gcc; clang knows no such flag).
ALIGN := $(if $(filter clang,$(CC_IS)),,-fno-align-loops)
OPT_release := -O2 $(ALIGN)
OPT_debug   := -Og -DRT_DEBUG=1
OPT_stress  := -O2 $(ALIGN) -DRT_DEBUG=1 -DRT_STRESS=1

WARN := -Wall -Wextra -Wshadow -Wundef -Wstrict-prototypes -Wmissing-prototypes
DEPS = -MMD -MP

# The runtime and the in-guest tests.
RT_CFLAGS := -std=gnu11 -ffreestanding $(ABI) $(OPT_$(BUILD)) $(WARN) -Werror $(EXTRA)
RT_CFLAGS += -DRT_INTERNAL=1 # the runtime casts where programs must not (rt/gc.h)
RT_INCLUDE := -I. -Iarch/$(ARCH) -Iinclude -Iinclude/c
ifneq ($(TSA),)
RT_CFLAGS += -Wthread-safety
endif

# Programs. Discarded qualifiers are errors, since they undo gc(T). No libc knowledge beyond ours (-fno-builtin),
# but main() may end without return (include/c/ingot_program.h).
# Programs in BUILD=debug: precise panics with file and line (lang/fault.c).
CHECKS_debug := -fsanitize=null,integer-divide-by-zero,$(if $(filter clang,$(CC_IS)),array-bounds,bounds) -fno-sanitize-recover=all
PROGRAM_CFLAGS := -std=gnu11 -fno-builtin $(ABI) $(OPT_$(BUILD)) -Wall -Wextra \
	-Werror=cast-qual -Werror=discarded-qualifiers -Werror=incompatible-pointer-types -Werror=int-conversion \
	-Werror=implicit-function-declaration -Werror=return-type $(CHECKS_$(BUILD)) $(EXTRA)
ifneq ($(WERROR),)
PROGRAM_CFLAGS += -Werror
endif
ifeq ($(CC_IS),gcc)
PROGRAM_CFLAGS += -Wdangling-pointer=2 -Wreturn-local-addr # what gcc can see of `make escape`
else
PROGRAM_CFLAGS := $(patsubst -Werror=discarded-qualifiers,-Werror=incompatible-pointer-types-discards-qualifiers,$(PROGRAM_CFLAGS))
endif
PROGRAM_INCLUDE := -Iinclude -Iinclude/c -include include/c/ingot_program.h

LINKFLAGS := -nostdlib -static -no-pie -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,noexecstack \
	-Wl,-z,max-page-size=4096 -Wl,-z,norelro -Wl,--orphan-handling=error -Wl,--fatal-warnings -Wl,-T,linker.ld
LINKFLAGS += -fuse-ld=$(if $(findstring lld,$(LD)),lld,bfd)
ifeq ($(CC_IS),clang)
LINKFLAGS += --target=$(ARCH)-linux-gnu -Qunused-arguments # for a bare target clang 14 calls gcc to link
endif
LINK = $(CC) $(LINKFLAGS)

# ---- The runtime ----------------------------------------------------------------------------------------
RT_DIRS := arch/$(ARCH) lib mm sched gc lang
RT_SRCS := $(sort $(wildcard $(RT_DIRS:%=%/*.c) $(RT_DIRS:%=%/*.S)))
RT_OBJS := $(RT_SRCS:%=$(OUT)/obj/%.o)
TEST_SRCS := $(sort $(wildcard tests/*.c tests/*.S))
TEST_OBJS := $(TEST_SRCS:%=$(OUT)/obj/%.o)

RT_COMPILE = $(CC) $(RT_INCLUDE) $(RT_CFLAGS) $(DEPS)

# Runs rarely, is in every image: for size. `private`, or the flags stamp would see it too.
SMALL := $(wildcard arch/$(ARCH)/*.c) $(filter-out lib/string.c lib/sort.c lib/math.c,$(wildcard lib/*.c))
SMALL += mm/memmap.c mm/bootmem.c mm/stack.c sched/report.c sched/irq.c sched/stackfault.c
SMALL += gc/verify.c gc/stats.c gc/special.c gc/pacer.c gc/raw.c
SMALL += lang/start.c lang/program.c lang/input.c lang/traceback.c lang/fault.c lang/time.c lang/pool.c
$(SMALL:%=$(OUT)/obj/%.o): private RT_CFLAGS := $(patsubst -O2,-Os,$(RT_CFLAGS))

$(OUT)/obj/%.c.o: %.c $(OUT)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(RT_COMPILE) -c $< -o $@

$(OUT)/obj/%.S.o: %.S $(OUT)/flags
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D) && $(RT_COMPILE) -c $< -o $@

# Changed flags rebuild everything: a stamp is rewritten only when its text differs.
FORCE:
.PHONY: FORCE
stamp = @mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(1))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(1))' > $@

$(OUT)/flags: FORCE
	$(call stamp,$(RT_COMPILE) $(CC_MAJOR))
$(OUT)/flags-program: FORCE
	$(call stamp,$(CC) $(PROGRAM_INCLUDE) $(PROGRAM_CFLAGS) $(CC_MAJOR))
$(OUT)/flags-link: FORCE
	$(call stamp,$(LINK) $(RT_OBJS))

-include $(wildcard $(RT_OBJS:.o=.d) $(TEST_OBJS:.o=.d))

# ---- Host tools -----------------------------------------------------------------------------------------
HOST_CFLAGS := -std=gnu11 -g -O2 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror -I. -Iinclude -DINGOT_HOST=1
TOOLS := $(patsubst tools/%.c,%,$(wildcard tools/*.c))
TOOL_BINS := $(TOOLS:%=$(HOST)/%)
TOOL_COMMON := $(patsubst %,$(HOST)/obj/%.o,$(wildcard tools/common/*.c))
tool = $(if $(filter $(1),$(TOOLS)),$(HOST)/$(1))

$(HOST)/obj/%.c.o: %.c $(HOST)/flags
	$(call say,HOSTCC,$<)
	$(Q)mkdir -p $(@D) && $(HOSTCC) $(HOST_CFLAGS) $(DEPS) -c $< -o $@
$(TOOL_BINS): $(HOST)/%: $(HOST)/obj/tools/%.c.o $(TOOL_COMMON)
	$(call say,HOSTLD,$@)
	$(Q)$(HOSTCC) -o $@ $^ -lm
$(HOST)/flags: FORCE
	$(call stamp,$(HOSTCC) $(HOST_CFLAGS))
-include $(wildcard $(HOST)/obj/tools/*.d $(HOST)/obj/tools/common/*.d $(HOST)/obj/tools/escape/*.d)

$(HOST)/escape: $(patsubst %,$(HOST)/obj/%.o,$(wildcard tools/escape/*.c))

tools: $(TOOL_BINS) ## build the host tools
.PHONY: tools

# ---- Images ---------------------------------------------------------------------------------------------
# Two links: the second has the symbol table that was made from the first. Then the pointer maps are written
# into it, and it is checked.
SYMTAB := $(call tool,symtab)
GCMAP := $(call tool,gcmap)
IMAGECHECK := $(call tool,imagecheck)
IMAGE_TOOLS := $(SYMTAB) $(GCMAP) $(IMAGECHECK)

define link
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && V='$(V)' WHAT='$(WHAT)' SYMTAB='$(SYMTAB)' GCMAP='$(GCMAP)' IMAGECHECK='$(IMAGECHECK)' \
		LINK='$(LINK) $(PROGRAM_LINK)' ASSEMBLE='$(CC) $(ABI) -c' tools/link.sh $@ $(filter %.o,$^)
endef
LINK_DEPS = $(RT_OBJS) linker.ld tools/link.sh $(OUT)/flags-link $(IMAGE_TOOLS)

# ---- Programs -------------------------------------------------------------------------------------------
# A program is a folder of .c and .S files, or one .c file, anywhere. The objects of program NAME lie in
# $(OUT)/app/NAME/, below the whole path of their source. $(call program,path,image) makes the rules.
# app.mk may set: SRCS (below the folder, or absolute), CFLAGS, and defaults for MEM SMP MODULE ARGS ENV by ?=.
PROGRAM_COMPILE = $(CC) $(PROGRAM_INCLUDE) $(PROGRAM_CFLAGS) $(PROGRAM_EXTRA) $(DEPS)

# $(call program_object,image,source)
program_obj = $(OUT)/app/$(patsubst $(OUT)/%.elf,%,$(1))$(2).o
define program_object
$(call program_obj,$(1),$(2)): $(2) $(1).flags $(OUT)/flags-program
	$$(call say,$(if $(filter %.S,$(2)),AS,CC),$(patsubst $(CURDIR)/%,%,$(2)))
	$$(Q)mkdir -p $$(@D) && $$(PROGRAM_COMPILE) -c $$< -o $$@
ifneq ($(filter %.c,$(2)),)
$(call program_obj,$(1),$(2:.c=.ll)): $(2) $(1).flags $(OUT)/flags-program
	$$(Q)mkdir -p $$(@D) && $$(PROGRAM_COMPILE) -MF $$@.d $$(EMIT_IR) $$< -o $$@
endif
endef

# What tools/escape reads.
EMIT_IR := -O1 -Xclang -disable-llvm-passes -g -S -emit-llvm -fdebug-prefix-map=$(CURDIR)/=

program_name = $(basename $(notdir $(abspath $(1))))
program_image = $(OUT)/$(call program_name,$(1)).elf

define program
ifeq ($$(wildcard $(1)),)
$$(error APP=$(1): no such file or folder$(if $(wildcard examples/$(1)),; there is examples/$(1)))
endif
program_dir := $$(abspath $(if $(filter %.c,$(1)),$(dir $(1)),$(1)))
SRCS :=
CFLAGS :=
ifeq ($(filter %.c,$(1)),)
-include $$(program_dir)/app.mk
endif
ifeq ($$(SRCS),)
program_srcs := $(if $(filter %.c,$(1)),$(abspath $(1)),$$(sort $$(wildcard $$(program_dir)/*.c $$(program_dir)/*.S)))
else
program_srcs := $$(foreach s,$$(SRCS),$$(if $$(filter /%,$$s),$$s,$$(program_dir)/$$s))
endif
ifeq ($$(program_srcs),)
$$(error APP=$(1): there is no .c or .S file in it, nor is it one .c file)
endif
program_objs := $$(foreach s,$$(program_srcs),$$(call program_obj,$(2),$$(s)))
PROGRAM_OBJS += $$(program_objs)
$$(foreach s,$$(program_srcs),$$(eval $$(call program_object,$(2),$$(s))))
PROGRAM_IR += $$(patsubst %.c.o,%.ll.o,$$(filter %.c.o,$$(program_objs)))
-include $$(wildcard $$(program_objs:.o=.d) $$(patsubst %.c.o,%.ll.o.d,$$(filter %.c.o,$$(program_objs))))
$$(program_objs) $$(program_objs:.c.o=.ll.o): private PROGRAM_EXTRA := $$(CFLAGS)
$(2).flags: private FLAGS := $$(CFLAGS) $$(program_objs)
$(2).flags: FORCE
	$$(call stamp,$$(FLAGS))
$(2): private PROGRAM_LINK := $$(filter -flto%,$$(CFLAGS))
$(2): private WHAT := $(1)
$(2): $$(program_objs) $(2).flags $$(LINK_DEPS)
	$$(link)
endef

EXAMPLES := $(sort $(patsubst %/,%,$(dir $(wildcard examples/*/main.c))))
ifneq ($(words $(APP)),$(words $(firstword $(APP))))
$(error APP=$(APP): a path with spaces is too much for make)
endif
RUN_APP := $(or $(APP),examples/wordcount)
RUN_ONLY := $(if $(filter-out run debug size image flash escape-report deps,$(GOALS)),,$(filter run debug size image flash escape-report,$(GOALS)))
PROGRAMS := $(sort $(or $(APP),$(if $(RUN_ONLY),$(RUN_APP),$(EXAMPLES))))
ifneq ($(CC_IS),)
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p),$(call program_image,$(p)))))
endif
IMAGES := $(foreach p,$(PROGRAMS),$(call program_image,$(p)))

all: $(IMAGES) ## build build/x86_64-release/<app>.elf of APP=, or of every example
objs: $(RT_OBJS) ## compile the runtime, link nothing
test-objs: $(TEST_OBJS)
program-objs: $(PROGRAM_OBJS)
.PHONY: all objs test-objs program-objs

TEST_IMAGE := $(OUT)/tests.elf
$(TEST_IMAGE): private WHAT := tests
$(TEST_IMAGE): $(TEST_OBJS) $(LINK_DEPS)
	$(link)
test-image: $(TEST_IMAGE) ## build the image of all in-guest tests
.PHONY: test-image

# ---- As a library: for programs with a Makefile of their own -------------------------------------------------------
# LIBDIR gets libingot.a, linker.ld, the headers, the tools that finish an image, and the flags: as ingot.mk and, for
# pkg-config, as ingot.pc.
LIBDIR ?= $(OUT)/lib
LIB_CFLAGS = $(patsubst include/%,@INGOT@/include/%,$(PROGRAM_INCLUDE:-Iinclude%=-I@INGOT@/include%)) \
	$(filter-out -fmacro-prefix-map=%,$(PROGRAM_CFLAGS))
LIB_FILL = sed -e 's|@CC@|$(CC)|' -e 's|@CFLAGS@|$(strip $(LIB_CFLAGS))|' -e 's|@ASM@|$(strip $(CC) $(ABI))|' \
	-e 's|@LINK@|$(CC) $(LINKFLAGS:%linker.ld=%@INGOT@/linker.ld)|' -e 's|@INGOT@|$(1)|g' tools/$(2).in > $(LIBDIR)/$(3)

lib: $(RT_OBJS) $(IMAGE_TOOLS) ## what other build systems need to make images: LIBDIR=folder
	$(call say,LIB,$(LIBDIR))
	$(Q)rm -rf $(LIBDIR)/include && mkdir -p $(LIBDIR)/tools && cp -R include $(LIBDIR)/
	$(Q)rm -f $(LIBDIR)/libingot.a && ar qc $(LIBDIR)/libingot.a $(RT_OBJS) && ranlib $(LIBDIR)/libingot.a
	$(Q)cp linker.ld $(LIBDIR)/ && cp $(IMAGE_TOOLS) tools/link.sh tools/run.sh tools/ingot.gdb $(LIBDIR)/tools/
	$(Q)$(call LIB_FILL,$$(INGOT),ingot.mk,ingot.mk)
	$(Q)$(call LIB_FILL,$${pcfiledir},ingot.pc,ingot.pc)
	$(Q)$(call LIB_FILL,$$ingot,ingot-link,tools/ingot-link) && chmod +x $(LIBDIR)/tools/ingot-link
.PHONY: lib

# ---- Running --------------------------------------------------------------------------------------------
MEM ?= 512M
SMP ?= 2
RUN_IMAGE := $(call program_image,$(RUN_APP))
export MACHINE CPU ICOUNT QEMU QEMU_FLAGS
# Not for tests: an app.mk may have set them.
run debug: export MEM := $(MEM)
run debug: export SMP := $(SMP)
run debug: export MODULE := $(MODULE)
run debug: export ARGS := $(ARGS)
run debug: export ENV := $(ENV)

run: $(RUN_IMAGE) ## boot APP= (a folder or .c file anywhere; default examples/wordcount) in QEMU
	@tools/run.sh $<
debug: $(RUN_IMAGE) ## boot APP= under gdb (tools/ingot.gdb)
	@GDB=1 tools/run.sh $<
.PHONY: run debug

# ---- Flashable images (docs/boards.md) --------------------------------------------------------------------
# Loaders for BIOS and UEFI, and one raw disk image with both, the program and its modules.
BOOT := $(OUT)/boot
BOOT_CFLAGS := -std=gnu11 -ffreestanding -nostdinc -isystem $(CC_INCLUDE) -I. -Os -mgeneral-regs-only \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -fno-strict-aliasing \
	-ffunction-sections -fdata-sections $(WARN) -Werror
BOOT_LINK := -nostdlib -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,noexecstack \
	-fuse-ld=$(if $(findstring lld,$(LD)),lld,bfd)
# The second stage runs in 32-bit protected mode, the UEFI loader at any address.
BIOS_CFLAGS := -march=i686 -fno-pic -fno-pie
EFI_CFLAGS := -fpie -fvisibility=hidden -mno-red-zone
ifeq ($(CC_IS),clang)
BIOS_CC := $(CC) --target=i686-unknown-none-elf -Qunused-arguments
BIOS_LINK := $(CC) --target=i686-linux-gnu -Qunused-arguments
EFI_CC := $(CC) --target=$(ARCH)-unknown-none-elf -Qunused-arguments
EFI_LINK := $(CC) --target=$(ARCH)-linux-gnu -Qunused-arguments
else
BIOS_CC := $(CC) -m32
BIOS_LINK := $(CC) -m32
EFI_CC := $(CC)
EFI_LINK := $(CC)
endif
BIOS_LINK += $(BOOT_LINK) -static -Wl,--oformat=binary
EFI_LINK += $(BOOT_LINK) -pie -Wl,--no-dynamic-linker -Wl,-z,separate-code -Wl,-z,norelro -Wl,-z,max-page-size=4096 -Wl,-e,efi_main
BIOS_OBJS := $(addprefix $(BOOT)/bios/,stage2.S.o bios.c.o disk.c.o loader.c.o)
EFI_OBJS := $(addprefix $(BOOT)/efi/,leave.S.o efi.c.o loader.c.o)
BOOT_FILES := $(BOOT)/mbr.bin $(BOOT)/stage2.bin $(BOOT)/BOOTX64.EFI

define boot_object # folder, compile
$(BOOT)/$(1)/%.o: $(2) $(BOOT)/flags
	$$(call say,$(if $(filter bios,$(1)),CC32,CC),$$<)
	$$(Q)mkdir -p $$(@D) && $(3) $(BOOT_CFLAGS) $(DEPS) -c $$< -o $$@
endef
$(foreach d,boot boot/bios,$(eval $(call boot_object,bios,$(d)/%,$(BIOS_CC) $(BIOS_CFLAGS))))
$(foreach d,boot boot/efi,$(eval $(call boot_object,efi,$(d)/%,$(EFI_CC) $(EFI_CFLAGS))))
$(BOOT)/flags: FORCE
	$(call stamp,$(BIOS_CC) $(BIOS_CFLAGS) $(EFI_CC) $(EFI_CFLAGS) $(BOOT_CFLAGS) $(BIOS_LINK) $(EFI_LINK) $(CC_MAJOR))
-include $(wildcard $(BOOT)/*/*.d)

$(BOOT)/mbr.bin: $(BOOT)/bios/mbr.S.o
	$(call say,LD,$@)
	$(Q)$(BIOS_LINK) -Wl,-Ttext=0x7c00 -Wl,-e,mbr_start -o $@ $<
$(BOOT)/stage2.bin: $(BIOS_OBJS) boot/bios/bios.ld
	$(call say,LD,$@)
	$(Q)$(BIOS_LINK) -Wl,-T,boot/bios/bios.ld -o $@ $(BIOS_OBJS)
$(BOOT)/efi/loader.elf: $(EFI_OBJS)
	$(call say,LD,$@)
	$(Q)$(EFI_LINK) -o $@ $^
$(BOOT)/BOOTX64.EFI: $(BOOT)/efi/loader.elf $(HOST)/elf2pe
	$(call say,PE,$@)
	$(Q)$(HOST)/elf2pe $< $@

# IMAGE= is where to; CMDLINE= the whole command line, if not made of ENV and ARGS as for `make run`.
IMAGE ?= $(RUN_IMAGE:.elf=.img)
CMDLINE ?= $(strip $(ENV)$(if $(ARGS), -- $(ARGS)))
image flash: export CMDLINE := $(CMDLINE)
image flash: export MODULE := $(MODULE)
BOOT_PARTS := --mbr $(BOOT)/mbr.bin --stage2 $(BOOT)/stage2.bin --efi $(BOOT)/BOOTX64.EFI
boot-files: $(BOOT_FILES)
image: $(RUN_IMAGE) $(BOOT_FILES) $(HOST)/mkimage ## one disk image of APP= for boards, by UEFI and BIOS: IMAGE= CMDLINE= MODULE=
	$(call say,IMAGE,$(IMAGE))
	$(Q)if [ -f "$$MODULE" ]; then set -- "$$MODULE"; else set -- $$MODULE; fi; \
		$(HOST)/mkimage -o $(IMAGE) $(BOOT_PARTS) --cmdline "$$CMDLINE" $< "$$@"

flash: image ## write that image to DEV=/dev/sdX, after looking and asking; reads it back
	@tools/flash.sh $(IMAGE) '$(DEV)'

# $(call boot_image,file,program's image,modules,command line)
boot_image = $(Q)$(HOST)/mkimage -o $(1) $(BOOT_PARTS) --cmdline '$(4)' $(2) $(3)
BOOT_TESTS := boot trap defer panic slice
test-boot: $(OUT)/wordcount.elf $(TEST_IMAGE) $(BOOT_FILES) $(HOST)/mkimage ## the flashable image on every emulator and firmware that is installed
	@mkdir -p $(OUT)/test-boot
	$(call boot_image,$(OUT)/test-boot/wordcount.img,$(OUT)/wordcount.elf,examples/data/opticks.txt,-- 12)
	$(call boot_image,$(OUT)/test-boot/tests.img,$(TEST_IMAGE),,-- $(BOOT_TESTS))
	@HOST='$(HOST)' tools/testboot.sh $(OUT)/test-boot
.PHONY: boot-files image flash test-boot

# ---- Escape report (docs/escape.md) --------------------------------------------------------------------
escape: ## where the variables of APP= live, and why: V=1 each decision, V=2 the reasons, WERROR=1 (needs clang)
	@command -v clang >/dev/null || { echo 'make escape: the full report needs clang; gcc alone warns by -Wdangling-pointer=2'; exit 2; }
	@$(MAKE) CC=$(if $(findstring clang,$(CC)),$(CC),clang) V= LEVEL='$(V)' WERROR= STRICT='$(WERROR)' escape-report
escape-report: $(HOST)/escape $(PROGRAM_IR)
	@$< $(if $(filter 1,$(LEVEL)),-m)$(if $(filter 2,$(LEVEL)),-mm) $(if $(STRICT),-e) $(PROGRAM_IR)
.PHONY: escape escape-report

# ---- Tests (docs/testing.md) ----------------------------------------------------------------------------
# T=PATTERNS runs only the in-guest cases that match; else everything there is. BUILD= CC= SMP= MEM= SEED= narrow it.
given = $(filter command environment,$(firstword $(origin $(1))))
comma := ,
TEST_BUILDS := $(if $(call given,BUILD),$(BUILD),release debug)
TEST_SMP := $(if $(call given,SMP),$(SMP),1$(comma)2$(comma)4)
# With nothing said, the second build leaves out the middle one, for time; `make stress` leaves out nothing.
TEST_SMP_debug := $(if $(call given,SMP)$(call given,BUILD)$(filter stress,$(GOALS)),,@1$(comma)4)
TEST_MEM := $(if $(call given,MEM),$(MEM))
test_out = $(O)/$(ARCH)-$(1)$(if $(filter clang,$(CC_IS)),-clang)

EXACT_SRCS := $(patsubst %.expect,%.c,$(sort $(wildcard tests/exact/*.expect)))
EXACT_IMAGES := $(EXACT_SRCS:tests/exact/%.c=$(OUT)/exact/%.elf)
EXACT_EXAMPLES := $(patsubst %/expect,%,$(sort $(wildcard examples/*/expect)))
ifneq ($(filter test-parts $(OUT)/exact/%,$(GOALS)),)
$(foreach p,$(EXACT_SRCS),$(eval $(call program,$(p),$(OUT)/exact/$(call program_name,$(p)).elf)))
endif
ifneq ($(filter gcmodes,$(GOALS)),)
$(eval $(call program,bench/modes,$(OUT)/bench/modes.elf))
endif
test-parts: $(TEST_IMAGE) $(EXACT_IMAGES) $(foreach e,$(EXACT_EXAMPLES),$(call program_image,$(e)))

HOST_TESTS := $(patsubst tests/host/%.c,%,$(sort $(wildcard tests/host/*.c)))
HOST_TEST_BINS := $(HOST_TESTS:%=$(HOST)/test/%)
HOST_SAN ?= -fsanitize=address,undefined -fno-sanitize-recover=all
HOST_TEST_COMPILE = $(HOSTCC) -std=gnu11 -g -O1 $(HOST_SAN) -Itests/host/shim -I. -Iinclude -DINGOT_HOST -MMD -MP
$(HOST)/test/%: tests/host/%.c $(HOST)/flags-test
	$(call say,HOSTCC,$<)
	$(Q)mkdir -p $(@D) && $(HOST_TEST_COMPILE) -MF $@.d -MT $@ $< -o $@ -lm
$(HOST)/flags-test: FORCE
	$(call stamp,$(HOST_TEST_COMPILE))
-include $(wildcard $(HOST)/test/*.d)
host-tests: $(HOST_TEST_BINS)

# Programs that must not compile: with each compiler that is there, in both dialects.
COMPILE_FAIL := $(sort $(wildcard tests/compile_fail/*.c))
# For tools: how the runtime and programs are compiled.
print-runtime:
	@echo $(CC) $(RT_INCLUDE) $(RT_CFLAGS)
print-ir:
	@echo $(CC) $(PROGRAM_INCLUDE) $(PROGRAM_CFLAGS) $(EMIT_IR)
print-compile:
	@echo $(CC) $(PROGRAM_INCLUDE) $(PROGRAM_CFLAGS) -O1 -S -o /dev/null
compilers = $(shell for cc in gcc clang; do command -v $$cc >/dev/null && echo $$cc; done)
compiler_options = $(foreach cc,$(compilers),$(foreach std,gnu11 gnu2x, \
	-c '$(cc)-$(std)=$(shell $(MAKE) -s --no-print-directory CC=$(cc) BUILD=$(BUILD) print-compile) -std=$(std)'))

TESTRUN = $(HOST)/testrun -l $(O)/log $(if $(SEED),-r $(SEED)) $(if $(filter 1,$(V)),-v) $(if $(JOBS),-j $(JOBS)) \
	-s $(TEST_SMP) $(if $(TEST_MEM),-m $(TEST_MEM)) $(if $(T),-t '$(T)')
WORK_HOST = $(foreach t,$(HOST_TESTS),'cmd:host $(t)=$(HOST)/test/$(t)')
WORK_FAIL = $(if $(COMPILE_FAIL),$(compiler_options) $(COMPILE_FAIL:%='fail:%'))
WORK_GUEST = $(foreach b,$(TEST_BUILDS),'guest:$(b)$(TEST_SMP_$(b))=$(call test_out,$(b))/tests.elf')
FIRST = $(call test_out,$(firstword $(TEST_BUILDS)))
WORK_ONCE = 'matrix:machines=$(FIRST)/tests.elf' 'same:replay=$(FIRST)/tests.elf' \
	'cmd:page tables=env CPU=max $(HOST)/tlbaudit $(FIRST)/tests.elf' \
	'cmd:page tables, old cpu=env CPU=qemu64 MACHINE=q35 SMP=1 $(HOST)/tlbaudit $(FIRST)/tests.elf'
WORK_EXACT = $(foreach b,$(TEST_BUILDS),$(foreach e,$(EXACT_SRCS), \
	'exact:$(call test_out,$(b))/exact/$(basename $(notdir $(e))).elf=$(e:.c=.expect)')) \
	$(foreach e,$(EXACT_EXAMPLES),'exact:$(FIRST)/$(notdir $(e)).elf=$(e)/expect')

# Tests that use the project as a newcomer does.
WORK_SH = $(foreach s,$(sort $(wildcard tests/sh/*.sh)), \
	'cmd:$(basename $(notdir $(s)))=env O=$(abspath $(O)) CC=$(CC) IMAGES=$(abspath $(FIRST)) HOST=$(abspath $(HOST)) sh $(s)')

test: tools $(if $(T),,host-tests) ## all tests; T= SMP= MEM= SEED= CC= BUILD= V=1 narrow it
	$(Q)for b in $(TEST_BUILDS); do $(MAKE) BUILD=$$b CC='$(CC)' test-parts || exit 1; done
	$(Q)$(TESTRUN) $(if $(T),,$(WORK_HOST) $(WORK_FAIL)) $(WORK_GUEST) $(if $(T),,$(WORK_EXACT) $(WORK_SH) $(WORK_ONCE))
test-modes: $(TEST_IMAGE) ## all in-guest tests in each mode of the collector (gcmode=): T= SMP=
	$(Q)O='$(O)' SMP='$(SMP)' T='$(T)' tests/modes.sh $<
stress: TEST_SMP := $(if $(call given,SMP),$(SMP),1$(comma)2$(comma)4$(comma)8)
stress: $(HOST)/testrun ## the long, seeded tests: BUILD=stress on 1, 2, 4 and 8 cores
	$(Q)$(MAKE) BUILD=stress CC='$(CC)' test-parts
	$(Q)$(TESTRUN) -a --stress -i 300 'guest:stress=$(call test_out,stress)/tests.elf' 'matrix:machines=$(call test_out,stress)/tests.elf'
	$(Q)for level in g 3; do $(MAKE) BUILD=stress CC='$(CC)' SMP='$(TEST_SMP)' LEVEL=$$level O='$(O)/O'$$level EXTRA='$(EXTRA) -O'$$level shell-games || exit 1; done
# The collector's stress again, as another level of optimisation compiles it.
shell-games: TEST_SMP := $(SMP)
shell-games: $(HOST)/testrun $(TEST_IMAGE)
	$(Q)$(TESTRUN) -a --stress -i 300 -t 'gc_mark.shell_game*' 'guest:stress -O$(LEVEL)=$(TEST_IMAGE)'
check-host: $(HOST)/testrun host-tests ## the tests that run on this machine
	$(Q)$(TESTRUN) $(WORK_HOST)
models: ## check the models in models/ exhaustively, and that their mutants fail (needs spin; minutes)
	$(Q)HOSTCC='$(HOSTCC)' models/check.sh '$(abspath $(O))/models'
	$(Q)command -v spin >/dev/null || exit 0; CC='$(HOSTCC)' models/run.sh '$(abspath $(O))/models/barrier'
.PHONY: models
mutants: ## break scheduler, channels and collector on purpose; which test notices? M=pattern (half an hour)
	$(Q)O='$(O)' CC='$(CC)' MAKE='$(MAKE)' M='$(or $(M),.)' tests/mutants/run.sh
.PHONY: mutants
check-compile-fail: $(HOST)/testrun ## what must not compile, with both compilers
	$(Q)$(TESTRUN) $(WORK_FAIL)
check-use: $(HOST)/testrun tools ## programs outside the tree, make lib, console, documents: as a newcomer meets them
	$(Q)$(MAKE) BUILD=$(firstword $(TEST_BUILDS)) CC='$(CC)' all
	$(Q)$(TESTRUN) $(WORK_SH)
check-replay: $(HOST)/testrun $(TEST_IMAGE) ## the same run twice, byte for byte (instruction counting)
	$(Q)$(TESTRUN) 'same:replay=$(TEST_IMAGE)'
check-pages: $(HOST)/tlbaudit $(TEST_IMAGE) ## page permissions, seen from outside
	$(Q)$(HOST)/tlbaudit $(TEST_IMAGE)
lint: tools ## warnings as errors in both compilers, lock annotations, layers, formatting, analysers
	$(Q)O='$(O)' MAKE='$(MAKE)' HOST='$(HOST)' ARCH='$(ARCH)' tools/lint.sh
fmt: ## lay out all C files
	$(Q)git ls-files '*.c' '*.h' | xargs clang-format -i
size: $(RUN_IMAGE) $(HOST)/size ## where the bytes of APP= go
	$(Q)$(HOST)/size $<
.PHONY: test-parts host-tests print-compile print-runtime test stress check-host check-compile-fail check-use check-replay check-pages lint fmt size

# ---- Benchmarks (docs/performance.md) -------------------------------------------------------------------
# B=PATTERNS chooses; BENCH= are more words for bench/runner.c (--count 10, --ms 1000, --short).
BENCH_SRCS := $(sort $(wildcard bench/*.c))
BENCH_OBJS := $(BENCH_SRCS:%=$(OUT)/obj/%.o)
BENCH_IMAGE := $(OUT)/bench.elf
-include $(wildcard $(BENCH_OBJS:.o=.d))
$(BENCH_IMAGE): private WHAT := bench
$(BENCH_IMAGE): $(BENCH_OBJS) $(LINK_DEPS)
	$(link)
bench-image: $(BENCH_IMAGE) $(call program_image,examples/hello)
bench: $(BENCH_IMAGE) ## benchmarks in the guest: B=pattern SMP= ICOUNT=1 (instructions instead of time) BENCH="--count 10"
	@ARGS="$(if $(filter 1,$(ICOUNT)),--icount) $(B) $(BENCH)" tools/run.sh $<
bench-check: bench-image $(HOST)/benchcompare ## instruction counts against bench/golden.txt
	$(Q)HOST='$(HOST)' O='$(O)' CC='$(CC)' CC_IS='$(CC_IS)' bench/check.sh $(BENCH_IMAGE) $(call program_image,examples/hello)
gcmodes: $(OUT)/bench/modes.elf ## the collector's four modes on one workload: stops in instructions, side by side
	@bench/modes.sh $<
bench-compare: $(HOST)/benchcompare ## A=old.txt B=new.txt (outputs of make bench) or commits: what changed, and is it more than noise
	$(Q)HOST='$(HOST)' O='$(O)' bench/compare.sh '$(A)' '$(B)'
bench-go: bench-image $(HOST)/benchcompare $(HOST)/benchboot $(HOST)/benchsvg ## the same in Go, side by side, and pictures; fetches Go and a kernel into $(O)/go
	$(Q)HOST='$(HOST)' O='$(O)' bench/go/run.sh $(BENCH_IMAGE) $(call program_image,examples/hello)
.PHONY: gcmodes test-modes bench-image bench bench-check bench-compare bench-go

deps: ; @: ## install what is missing: QEMU, compiler (CC=clang: that one), make
clean: ## remove all output
	$(call say,RM,$(O))
	$(Q)rm -rf $(O)
# A word that ends in - stands for all goals that begin so; the group without words gets the rest.
HELP_GROUPS := Programs: run debug all image flash lib size escape;Tests: test test-boot stress check- models lint;
HELP_GROUPS += Benchmarks: bench bench-;This tree: deps clean fmt help;Parts:
help: ## this list
	@echo 'make GOAL [NAME=value ...]          make run APP=/path/to/main.c SMP=4 ARGS="a b"'; echo
	@awk -v groups='$(HELP_GROUPS)' ' \
		match($$0, /^[a-z-]+:.*## /) { goal[++n] = substr($$0, 1, index($$0, ":") - 1); text[n] = substr($$0, RLENGTH + 1) } \
		function show(i) { if (!done[i]++) printf "  %-20s %s\n", goal[i], text[i] } \
		END { m = split(groups, g, /; ?/); \
			for (k = 1; k <= m; k++) { \
				c = index(g[k], ":"); print substr(g[k], 1, c); w = split(substr(g[k], c + 1), word, " "); \
				for (j = 1; j <= w; j++) for (i = 1; i <= n; i++) \
					if (goal[i] == word[j] || (word[j] ~ /-$$/ && index(goal[i], word[j]) == 1)) show(i); \
				if (w == 0) for (i = 1; i <= n; i++) show(i) } }' Makefile
	@echo 'Settings:'; printf '  %-20s %s\n' \
		'APP=PATH' 'the program: a folder of .c and .S files, or one .c file, anywhere' \
		'SMP=2 MEM=512M' 'cores and memory of the machine; MACHINE=microvm, q35 or pc; CPU=max' \
		'ARGS="a b"' "the program's arguments" \
		'ENV="K=V GOGC=50"' "its environment, and the runtime's knobs (docs/knobs.md)" \
		'MODULE="file ..."' 'files that it finds by rt_module()' \
		'BUILD=release' 'or debug (checks in program and runtime), or stress' \
		'CC=gcc' 'or clang; V=1 shows the commands; O=build is where output goes'
.PHONY: deps clean help
