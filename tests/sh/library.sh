#!/bin/sh
# Ingot as a library: `make lib` into a folder, which is then moved; a Makefile elsewhere builds and runs images, and so
# does a shell with pkg-config, where there is one.
. tests/sh/common.inc
mkdir -p "$tmp/app"
cp examples/lru/main.c "$tmp/app/lru.c"
cp examples/binarytrees/main.c "$tmp/app/trees.c"
cp examples/hello/main.c "$tmp/app/hello.c"
cat >"$tmp/app/fault.c" <<'C'
#include <rt/rt.h>

static void poke(volatile int *p)
{
    *p = 1;
}

int main(void)
{
    struct rt_panic *e = catch_panic(poke, NULL);

    rt_printf("caught: %s\n", e != NULL ? e->message : "nothing");
    poke(NULL);
    return 0;
}
C
cp examples/philosophers/main.c "$tmp/app/dine.c"
cat >"$tmp/app/Makefile" <<'M'
include ../moved/ingot.mk

all: lru.elf trees.elf fault.elf dine.elf
%.elf: %.o
	$(INGOT_LINK)
lto.o: hello.c
	$(INGOT_CC) $(INGOT_CFLAGS) -Werror -flto -c $< -o $@
%.o: %.c
	$(INGOT_CC) $(INGOT_CFLAGS) -Werror -c $< -o $@
run-%: %.elf
	@$(INGOT_RUN) $<
.SECONDARY:
M

make_lib() {
    ingot lib LIBDIR="$tmp/lib" && mv "$tmp/lib" "$tmp/moved"
}
typed() { # the allocation sites have pointer maps: nothing is scanned conservatively
    objdump -s -j rt_types "$tmp/app/trees.elf" | grep -q '03000000 00000000'
}

stuck() { # the archive's code counts as the runtime's: its frames are left out
    says 2 'all goroutines are asleep' env ARGS=naive make -C "$tmp/app" run-dine && grep -q 'dine.c' "$tmp/says.log" &&
        ! grep -Eq 'rt_mutex|sched/' "$tmp/says.log"
}

no_dead_weight() { # hello has no timers, so no member of the archive brings them
    make -C "$tmp/app" hello.elf && nm "$tmp/app/hello.elf" | grep -q ' rt_printf$' &&
        ! nm "$tmp/app/hello.elf" | grep -q ' clock_fire$'
}
by_pkg_config() {
    PKG_CONFIG_PATH=$tmp/moved
    export PKG_CONFIG_PATH
    mkdir -p "$tmp/pc" && cp examples/hello/main.c "$tmp/pc/hello.c" && cd "$tmp/pc" || return
    # shellcheck disable=SC2046
    $(pkg-config --variable=cc ingot) $(pkg-config --cflags ingot) -Werror -c hello.c -o hello.o &&
        "$(pkg-config --variable=link ingot)" hello.elf hello.o &&
        says 0 '^hello, world$' "$(pkg-config --variable=run ingot)" hello.elf
    status=$?
    cd - >/dev/null || return
    return $status
}

check "make lib" make_lib
check "another Makefile builds images" make -C "$tmp/app" all
check "collected memory, weak references" says 0 'page 7 is the one that the client has' make -C "$tmp/app" run-lru
check "a benchmark" says 0 'long lived tree of depth 10' make -C "$tmp/app" run-trees
check "pointer maps are filled in" typed
check "a fault is the program's" says 2 'caught: runtime error: invalid memory address' make -C "$tmp/app" run-fault
check "and is reported with its line" says 2 'fault.c:5' make -C "$tmp/app" run-fault
check "a report shows the program's frames only" stuck
check "only what is asked for" no_dead_weight
check "link-time optimisation" says 0 '^hello, world$' make -C "$tmp/app" run-lto
if command -v pkg-config >/dev/null; then
    check "by pkg-config" by_pkg_config
fi
summary
