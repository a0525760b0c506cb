#!/bin/sh
# The key that prints all goroutines, while nobody reads, while somebody waits, while all cores are taken.
. tests/sh/common.inc
cat >"$tmp/info.c" <<'C'
#include <rt/rt.h>

static RT_NOINLINE void hog(int64_t end)
{
    while (rt_nanotime() < end)
        ;
}

static void reads(chan(int) done)
{
    char line[80];
    ssize_t n;

    while ((n = rt_read_line(line, sizeof line)) >= 0)
        rt_printf("line '%s', %d bytes\n", line, (int)n);
    chan_send(done, 1);
}

int main(int argc, char **argv)
{
    chan(int) done = chan_make(int, 0);
    int64_t end = rt_nanotime() + 4000000000;

    rt_puts("ready");
    if (argc > 1 && strcmp(argv[1], "hog") == 0) {
        for (unsigned i = 0; i < 2 * rt_num_cpu(); i++)
            go(hog, end);
        hog(end);
    } else {
        go(reads, done);
        chan_recv(done);
    }
    rt_puts("end");
    return 0;
}
C
ctrl_t='\024'
ctrl_backslash='\034'

image() {
    ingot APP="$tmp/info.c" all && cp "$IMAGES/info.elf" "$tmp/"
}
# Keys; @pattern: wait until the program has printed that; keys@pattern: press them until then, again and again.
feed() {
    for key in "$@"; do
        case $key in
        @*) for _ in $(seq 150); do grep -q "${key#@}" "$tmp/raw" && break || sleep 0.1; done ;;
        *@*) for _ in $(seq 30); do printf "${key%%@*}"; sleep 0.2; grep -q "${key#*@}" "$tmp/raw" && break; done ;;
        *) printf "$key" ;;
        esac
    done
}
press() { # what to feed; what the program printed goes to $tmp/out
    : >"$tmp/raw"
    feed @ready "$@" | tools/run.sh "$tmp/info.elf" >"$tmp/raw"
    tr -d '\r' <"$tmp/raw" >"$tmp/out"
    cat "$tmp/out"
}
printed() { # pattern...: lines that match these, in this order
    awk -v want="$*" 'BEGIN { n = split(want, w, "@") } i < n && $0 ~ w[i + 1] { i++ } END { exit i < n }' "$tmp/out"
}
hogged() {
    ARGS=hog press "$ctrl_t" @end
    printed '^info: [0-9]+ goroutines, [0-9]+ cores, [0-9]+ ms@^goroutine .*(running|runnable)@^main[.]hog@^end$'
}
waiting() {
    press "${ctrl_t}@IO wait" @main.main 'after\n'
    printed '^info: 2 goroutines@^goroutine .*IO wait@^main[.]reads@^goroutine 1 .chan receive@^line .after., 5 bytes@^end$'
}
amid_a_line() { # on two cores either may be first
    press "be${ctrl_t}fore\n" @line @info
    printed "^line 'before', 6 bytes@^end$" && [ "$(grep -c '^info: ' "$tmp/out")" = 1 ]
}
off() {
    ENV=infokey=0 press "a${ctrl_t}b\n" @line
    printed '^line .*, 3 bytes@^end$' && ! grep -q '^info' "$tmp/out"
}
another() {
    ENV=infokey=28 press "${ctrl_t}${ctrl_backslash}\n" @line @info
    printed '^line .*, 1 bytes@^end$' && [ "$(grep -c '^info: ' "$tmp/out")" = 1 ]
}
check "the program" image
check "while all cores are taken" hogged
check "while all wait for the console" waiting
check "in the middle of a line" amid_a_line
check "infokey=0: a byte like any other" off
check "infokey=28: Ctrl-backslash" another
summary
