/*
 * lib/trace.c - prints the event rings (lib/trace.h).
 */
#include <lib/trace.h>
#include <lib/print.h>

PERCPU(struct trace_record, trace_ring)[TRACE_RING];
PERCPU(uint32_t, trace_next);

static const char *const formats[] = {
#define TRACE_TEXT(name, text) [TRACE_##name] = text,
    TRACE_EVENTS(TRACE_TEXT)
#undef TRACE_TEXT
};

void trace_print(unsigned cpu, unsigned max)
{
    const struct trace_record *ring = *cpu_ptr(cpu, trace_ring);
    uint32_t next = *cpu_ptr(cpu, trace_next);
    uint64_t newest = next > 0 ? ring[(next - 1) % TRACE_RING].cycles : 0;

    for (unsigned i = 1; i <= max && i <= TRACE_RING && i <= next; i++) {
        const struct trace_record *r = &ring[(next - i) % TRACE_RING];
        char text[96];
        if (r->event == TRACE_NONE || r->event >= sizeof formats / sizeof formats[0])
            continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
        rt_snprintf(text, sizeof text, formats[r->event], r->a, r->b);
#pragma GCC diagnostic pop
        rt_printf("    -%lu cycles: %s\n", (unsigned long)(newest - r->cycles), text);
    }
}
