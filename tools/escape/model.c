/*
 * tools/escape/model.c - what the runtime's functions do with pointers.
 *
 * The runtime is not part of the program that is looked at, so each function of the public API that
 * takes or gives a pointer has a line here. The effects, separated by blanks:
 *
 *     1>*0     argument 1 is stored in the object that argument 0 points to
 *     1'>*0    what argument 1 points to holds, is stored there; 1" is everything behind that
 *     2'=*0    the same as bytes: memory is copied
 *     0>R      argument 0 is the result        N>R   the result is a new object
 *     0>A      argument 0 gets out: others may use it at any time from now on
 *     0'>*N    ... is stored in the new object A>R   the result is from anywhere
 *     call 3 0 0'   argument 3 is called now, with argument 0 and what it points to
 *
 * Calls that the macros of rt/call.h pack up are made by build_packed() in solve.c.
 * A function that is not listed and has no body takes its pointers anywhere.
 */
#include "tools/escape/solve.h"

#include "tools/common/util.h"

#include <ctype.h>
#include <string.h>

static const struct model models[] = {
    /* collected memory */
    {"rt_gc_alloc", "N>R", NULL, "gc_new(%s)"},
    {"rt_gc_alloc_big", "N>R", NULL, "gc_new(%s)"},
    {"rt_gc_try_alloc", "N>R", NULL, "rt_try_new(%s)"},
    {"rt_gc_alloc_array", "N>R", NULL, "gc_make(%s)"},
    {"rt_gc_alloc_noscan", "N>R", NULL, "gc_bytes"},
    {"rt_gc_alloc_words", "N>R", NULL, "gc_make_refs"},
    {"rt_gc_strdup", "N>R", NULL, "gc_strdup"},
    {"rt_gc_array_bytes", "", NULL, NULL},
    {"rt_alloc", "N>R", NULL, NULL},
    {"rt_realloc", "N>R 0'>*N", NULL, NULL},
    {"rt_free", "", NULL, NULL},
    {"rt_gc_store_word", "1>*0", "stored by gc_set()", NULL},
    {"rt_gc_store_slow", "1>*0", "stored by gc_set()", NULL},
    {"rt_gc_swap_*", "1>*0 0'>R", "stored by gc_swap()", NULL},
    {"rt_gc_cas_*", "2>*0", "stored by gc_cas()", NULL},
    {"rt_gc_copy_bytes", "1'=*0", "copied by gc_copy()", NULL},
    {"rt_set_finalizer", "0>A 1>A", "has a finalizer, rt_set_finalizer()", NULL},
    {"rt_add_cleanup", "0>A 1>A 2>A", "kept for a clean-up, rt_add_cleanup()", NULL},
    {"rt_cleanup_stop", "", NULL, NULL},
    {"rt_weak_make", "0>A N>R", "has a weak reference, rt_weak_make()", NULL},
    {"rt_weak_get", "A>R", NULL, NULL},
    {"rt_gc_on_stop", "0>A 1>A", "kept by rt_gc_on_stop()", NULL},
    {"rt_read_mem_stats", "", NULL, NULL},
    {"rt_gc_pauses", "", NULL, NULL},
    {"rt_why", "", NULL, NULL},
    /* goroutines */
    {"rt_go_spawn", "2'>A 0'>A 1>A", "captured by goroutine, go()", NULL},
    {"rt_wg_go_spawn", "2'>A 0>A 1>A", "captured by goroutine, wg_go()", NULL},
    {"rt_call_adapter", "", NULL, NULL},
    {"rt_once_run", "call 1 2", NULL, NULL},
    {"rt_once_call_", "call 1 2", NULL, NULL},
    {"rt_timer_start", "0>A 2>A 3>A", "kept by a timer, rt_timer_start()", NULL},
    {"rt_timer_*", "", NULL, NULL},
    {"rt_ticker_make", "N>R", NULL, NULL},
    {"rt_ticker_*", "", NULL, NULL},
    {"rt_after", "N>R", NULL, NULL},
    {"rt_sleep", "", NULL, NULL},
    {"rt_yield", "", NULL, NULL},
    {"rt_goexit", "", NULL, NULL},
    {"rt_exit", "", NULL, NULL},
    {"rt_gc", "", NULL, NULL},
    {"rt_gc_set_*", "", NULL, NULL},
    {"rt_in*", "", NULL, NULL},
    {"rt_out*", "", NULL, NULL},
    {"rt_mutex_*", "", NULL, NULL},
    {"rt_rwmutex_*", "", NULL, NULL},
    {"rt_cond_*", "", NULL, NULL},
    {"rt_wg_*", "", NULL, NULL},
    {"rt_sema_*", "", NULL, NULL},
    {"rt_pool_get", "call 0' A>R", NULL, NULL},
    {"rt_pool_put", "1>A", "put into a pool, rt_pool_put()", NULL},
    /* channels */
    {"rt_chan_make_raw", "N>R", NULL, "chan_make(%s)"},
    {"rt_chan_send_word", "1>*0", "sent to a channel", NULL},
    {"rt_chan_try_send_word", "1>*0", "sent to a channel", NULL},
    {"rt_chan_send_elem", "1'=*0", "sent to a channel", NULL},
    {"rt_chan_try_send_elem", "1'=*0", "sent to a channel", NULL},
    {"rt_chan_recv_word", "0'>R", NULL, NULL},
    {"rt_chan_try_recv_word", "0'>R", NULL, NULL},
    {"rt_chan_recv_elem", "0'=*1", NULL, NULL},
    {"rt_chan_try_recv_elem", "0'=*1", NULL, NULL},
    {"rt_chan_put", "1'=*0", NULL, NULL},
    {"rt_chan_*", "", NULL, NULL},
    {"rt_select_run", "0'>*0' 0\">*0", "sent to a channel by go_select", NULL},
    {"rt_select", "0\">*0'", "sent to a channel by rt_select()", NULL},
    {"rt_select_*", "", NULL, NULL},
    {"rt_irq_chan", "N>R", NULL, NULL},
    {"rt_irq_done", "", NULL, NULL},
    /* defer, panic */
    {"rt_defer_push_args", "N>R", NULL, NULL},
    {"rt_defer_*", "", NULL, NULL},
    {"rt_catch", "call 1 2 A>R", NULL, NULL},
    {"rt_recover_from", "A>R", NULL, NULL},
    {"rt_panic_value", "0>A", "carried by a panic, rt_panic_value()", NULL},
    {"rt_repanic", "0>A", "carried by a panic, rt_repanic()", NULL},
    {"rt_panic", "", NULL, NULL},
    {"rt_panic_*", "", NULL, NULL},
    {"rt_fatal", "", NULL, NULL},
    /* slices */
    {"rt_slice_grow", "N>R 0'>R N>*0 0\">*N", NULL, "append(%s)"},
    /* the program and its machine */
    {"rt_getenv", "A>R", NULL, NULL},
    {"rt_module", "A>R", NULL, NULL},
    {"rt_mmio_map", "A>R", NULL, NULL},
    {"rt_*printf", "", NULL, NULL},
    {"rt_puts", "", NULL, NULL},
    {"rt_write", "", NULL, NULL},
    {"rt_read_line", "", NULL, NULL},
    /* the C library */
    {"memcpy", "1'=*0 0>R", "copied by memcpy()", NULL},
    {"memmove", "1'=*0 0>R", "copied by memmove()", NULL},
    {"memset", "0>R", NULL, NULL},
    {"memcmp", "", NULL, NULL},
    {"memchr", "0>R", NULL, NULL},
    {"strlen", "", NULL, NULL},
    {"strnlen", "", NULL, NULL},
    {"strcmp", "", NULL, NULL},
    {"strncmp", "", NULL, NULL},
    {"strchr", "0>R", NULL, NULL},
    {"strrchr", "0>R", NULL, NULL},
    {"strstr", "0>R", NULL, NULL},
    {"strspn", "", NULL, NULL},
    {"strcspn", "", NULL, NULL},
    {"strpbrk", "0>R", NULL, NULL},
    {"strtok_r", "0>*2 0>R 2'>R", NULL, NULL},
    {"strcpy", "0>R", NULL, NULL},
    {"strncpy", "0>R", NULL, NULL},
    {"strcat", "0>R", NULL, NULL},
    {"strncat", "0>R", NULL, NULL},
    {"strto*", "0>*1", NULL, NULL},
    {"ato*", "", NULL, NULL},
    {"qsort", "call 3 0 0", NULL, NULL},
    {"bsearch", "call 4 0 1 1>R", NULL, NULL},
    {"frexp", "", NULL, NULL},
    {"modf", "", NULL, NULL},
    {"setjmp", "", NULL, NULL},
    {"_setjmp", "", NULL, NULL},
    {"longjmp", "", NULL, NULL},
    /* intrinsics */
    {"llvm.memcpy.*", "1'=*0", "copied", NULL},
    {"llvm.memmove.*", "1'=*0", "copied", NULL},
    {"llvm.va_start*", "V>*0", NULL, NULL},
    {"llvm.va_copy*", "1'=*0", NULL, NULL},
    {"llvm.expect.*", "0>R", NULL, NULL},
    {"llvm.ptr.annotation*", "0>R", NULL, NULL},
    {"llvm.launder.*", "0>R", NULL, NULL},
    {"llvm.strip.*", "0>R", NULL, NULL},
    {"llvm.ptrmask*", "0>R", NULL, NULL},
    {"llvm.threadlocal.address*", "0>R", NULL, NULL},
    {"llvm.uadd.*", "0>R 1>R", NULL, NULL},
    {"llvm.usub.*", "0>R", NULL, NULL},
    {"llvm.bswap.*", "0>R", NULL, NULL},
    {"llvm.fsh*", "0>R 1>R", NULL, NULL},
    {"llvm.masked.*", "0>R", NULL, NULL},
    {"llvm.*", "", NULL, NULL},
};

/* '*' in a pattern stands for anything. */
static bool matches(const char *pattern, const char *name)
{
    for (; *pattern != '*'; pattern++, name++) {
        if (*pattern != *name)
            return false;
        if (!*pattern)
            return true;
    }
    if (!*++pattern)
        return true;
    for (; *name; name++)
        if (matches(pattern, name))
            return true;
    return false;
}

const struct model *model_find(const char *name, bool has_body)
{
    /* Whoever has a memcpy() of his own means it; the inline halves of the runtime are ours. */
    if (has_body && strncmp(name, "rt_", 3) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (matches(models[i].name, name))
            return &models[i];
    return NULL;
}

static struct end parse_end(const char **c)
{
    struct end e = {0};

    if (**c == '*')
        (*c)++;
    switch (*(*c)++) {
    case 'R':
        e.kind = END_RESULT;
        return e;
    case 'A':
        e.kind = END_ANY;
        return e;
    case 'N':
        e.kind = END_NEW;
        return e;
    case 'V':
        e.index = IR_NONE;
        return e;
    }
    e.index = (uint32_t)((*c)[-1] - '0');
    if (**c == '\'' || **c == '"')
        e.level = *(*c)++ == '"' ? 2 : 1;
    return e;
}

bool model_next(const char **effects, struct effect *out)
{
    const char *c = *effects;

    *out = (struct effect){0};
    while (*c == ' ')
        c++;
    if (!*c)
        return false;
    if (strncmp(c, "call ", 5) == 0) {
        for (c = strchr(c, ' ') + 1; isdigit((unsigned char)*c) && out->n < 4;) {
            const char *mark = c;

            out->call[out->n] = parse_end(&c);
            if (*c != ' ' && *c) { /* the next effect */
                c = mark;
                break;
            }
            out->n++;
            while (*c == ' ')
                c++;
        }
    } else {
        out->pair.from = parse_end(&c);
        out->pair.class = *c++ == '=' ? IR_WHOLE : IR_POINTER;
        out->pair.to = parse_end(&c);
    }
    *effects = c;
    return true;
}
