/*
 * lang/fault.c - faults of a program become its panics; compiler checks of the checked build too.
 *
 * WHAT. arch_on_fault() decides whose fault a fault is. If the program's, it changes the
 * interrupted registers so that the goroutine seems to have called fault_panic() right there, and
 * that panics like any other code.
 *
 * WHOSE IT IS. The program's, if all hold: a goroutine ran, on its own stack, with interrupts and
 * preemption on, and the instruction is not the runtime's, or is in that part of it which touches
 * memory on a program's behalf (.text.user_fault: memcpy and its kin, bulk copies, the write
 * barrier). A jump to where no code is counts for the program, also if the runtime made it: only
 * the program's function pointers (deferred calls, finalizers, timers) are called there with
 * preemption on. Everything else is the runtime's own fault: false, and the report is fatal().
 *
 * ROOM. The panic runs on the goroutine's stack, on what is mapped of it by then: the call of
 * fault_panic() is written by the fault handler, which must not fault. A goroutine that ran into
 * the reserve below its stack, or faults so near to it that a panic has no room, gets the reserve
 * page and panics on that. If it uses that up too before the stack has been left, it cannot run any
 * deferred call, and the runtime cannot be left in the middle of a section: "fatal error: stack
 * overflow".
 *
 * PRECISION. In release builds a fault is that of whatever access the compiler kept, and stores
 * before it may not have been made. In BUILD=debug the compiler checks null pointers, divisions and
 * array bounds beforehand
 * (-fsanitize=...), and calls the handlers at the end of this file; their messages add file and
 * line. On this machine INT_MIN / -1 traps like a division by zero and says so, except in
 * BUILD=debug.
 */
#include <lang/panic.h>
#include <lang/traceback.h>
#include <lib/fatal.h>
#include <lib/print.h>
#include <lib/symbol.h>
#include <mm/stack.h>

extern const char text_start[], text_end[], text_user_fault_start[], text_user_fault_end[];

#define NIL_BYTES 4096u /* a fault below this address is a field of a null pointer */

/* What the faulting instruction seems to have called. */
void fault_panic(uintptr_t what, uintptr_t address)
{
    struct trace_start at = {(uintptr_t)__builtin_return_address(0),
                             *(uintptr_t *)__builtin_frame_address(0),
                             goroutine_current()->fault_sp, true};

    switch (what) {
    case RT_PANIC_STACK_OVERFLOW:
        panic_fault(RT_PANIC_STACK_OVERFLOW, "runtime error: stack overflow", address, at);
    case RT_PANIC_DIVIDE:
        panic_fault(RT_PANIC_DIVIDE, "runtime error: integer divide by zero", 0, at);
    case RT_PANIC_ILLEGAL:
        panic_fault(RT_PANIC_ILLEGAL, "runtime error: illegal instruction", 0, at);
    case RT_PANIC_ALIGN:
        panic_fault(RT_PANIC_ALIGN, "runtime error: misaligned memory access", address, at);
    case RT_PANIC_CHECK:
        panic_fault(RT_PANIC_CHECK, "runtime error: floating point error", 0, at);
    default:
        panic_fault(address < NIL_BYTES ? RT_PANIC_NIL_DEREF : RT_PANIC_FAULT,
                    "runtime error: " PANIC_NIL_TEXT, address, at);
    }
}

static bool in(uintptr_t pc, const char *start, const char *end)
{
    return pc >= (uintptr_t)start && pc < (uintptr_t)end;
}

/* May code at pc fault without the runtime being broken? */
static bool may_fault(uintptr_t pc)
{
    return traceback_is_program(pc) || in(pc, text_user_fault_start, text_user_fault_end);
}

static bool on_stack(const struct goroutine *g, uintptr_t address)
{
    return address >= g->stack_committed && address + sizeof(uintptr_t) <= g->stack_hi;
}

static enum rt_panic_kind kind_of(enum arch_fault what)
{
    switch (what) {
    case ARCH_FAULT_DIVIDE:
        return RT_PANIC_DIVIDE;
    case ARCH_FAULT_ILLEGAL:
        return RT_PANIC_ILLEGAL;
    case ARCH_FAULT_FLOAT:
        return RT_PANIC_CHECK;
    case ARCH_FAULT_ALIGN:
        return RT_PANIC_ALIGN;
    default:
        return RT_PANIC_FAULT;
    }
}

#define PANIC_ROOM 2048u /* what a panic takes, up to its first deferred call */

/* Is this access a step off the stack's end? */
static bool is_overflow(const struct goroutine *g, uintptr_t address, uintptr_t sp)
{
    return address >= g->stack_lo && address < goroutine_stack_lowest(g) &&
           address < g->stack_committed && address + 2 * ARCH_PAGE_BYTES >= sp;
}

/* Map what a panic needs. May not return: then the fault comes again. */
static void make_room(struct goroutine *g, struct arch_frame *frame, bool overflow)
{
    uintptr_t sp = arch_frame_sp(frame), lowest = goroutine_stack_lowest(g), need = sp - PANIC_ROOM;

    if (need < g->stack_committed && g->stack_committed > lowest)
        arch_on_stack_fault(frame, need > lowest ? need : lowest);
    if (overflow || (need < lowest && !g->reserve_open)) {
        if (!stack_open_reserve(g))
            panic_fatal_frame(frame, "stack overflow");
        if (sp < lowest) /* of a frame that was being made: nothing lies there yet */
            arch_frame_set_sp(frame, lowest);
    } else if (sp - ARCH_CALL_ROOM < g->stack_committed) {
        panic_fatal_frame(frame, "stack overflow");
    }
}

bool arch_on_fault(struct arch_frame *frame, enum arch_fault what, uintptr_t address)
{
    struct goroutine *g = goroutine_current();
    uintptr_t pc = arch_frame_pc(frame), sp = arch_frame_sp(frame);

    if (g == NULL || sp < g->stack_lo || sp > g->stack_hi)
        return false;
    bool overflow = what == ARCH_FAULT_ACCESS && is_overflow(g, address, sp);
    bool in_section = !arch_frame_irqs_on(frame) || preempt_depth() != 0;
    if (overflow && in_section)
        panic_fatal_frame(frame, "stack overflow");
    bool nowhere = !in(pc, text_start, text_end) && on_stack(g, sp);
    if (in_section || !(overflow || nowhere || may_fault(pc)))
        return false;

    make_room(g, frame, overflow);
    g->fault_sp = sp;
    if (nowhere) /* what jumped there is to blame */
        arch_frame_set_pc(frame, *(const uintptr_t *)sp - 1);
    if (what == ARCH_FAULT_PROTECTION && address == 0)
        address = ~(uintptr_t)0; /* a non-canonical address: the machine does not say which */
    arch_frame_push_call(frame, fault_panic,
                         (uintptr_t)(overflow ? RT_PANIC_STACK_OVERFLOW : kind_of(what)), address);
    return true;
}

/* ---- Compiler checks ---- */

/*
 * The ABI of -fsanitize=undefined: each handler gets a record that begins with the place. Only the
 * forms that do not return exist here (-fno-sanitize-recover=all).
 */

struct check_place {
    const char *file;
    uint32_t line, column;
};

struct check_type {
    uint16_t kind; /* 0: integer */
    uint16_t info; /* integers: bit 0 signed, the rest log2 of the width */
    char name[];
};

struct check_bounds {
    struct check_place place;
    const struct check_type *array, *index;
};

struct check_mismatch {
    struct check_place place;
    const struct check_type *type;
    uint8_t log_align, what;
};

struct check_overflow {
    struct check_place place;
    const struct check_type *type;
};

#define CHECK_HANDLER(name, ...)                                                                   \
    RT_NORETURN void __ubsan_handle_##name##_abort(__VA_ARGS__);                                   \
    void __ubsan_handle_##name##_abort(__VA_ARGS__)

/* The file as tracebacks write it; the compiler's record has the path that it was called with. */
static const char *check_file(const struct check_place *place, uintptr_t pc)
{
    struct symbol s;

    return symbol_lookup(pc - 1, &s) && s.line == place->line ? s.file : place->file;
}
#define CHECK_FILE(place) check_file(place, (uintptr_t)__builtin_return_address(0))

static int64_t check_value(const struct check_type *type, uintptr_t value)
{
    unsigned bits = 1u << (type->info >> 1);

    if (type->kind != 0 || bits >= 64)
        return (int64_t)value;
    value <<= 64 - bits;
    return type->info & 1 ? (int64_t)value >> (64 - bits) : (int64_t)(value >> (64 - bits));
}

/* The number of elements in a type's name: 'int [3]' */
static long check_length(const struct check_type *array)
{
    const char *s = array->name;
    long n = 0;

    while (*s != 0 && *s != '[')
        s++;
    for (s += *s == '['; *s >= '0' && *s <= '9'; s++)
        n = n * 10 + (*s - '0');
    return n;
}

CHECK_HANDLER(divrem_overflow, const struct check_overflow *check, uintptr_t left, uintptr_t right)
{
    (void)left;
    panic_runtime(RT_PANIC_DIVIDE, "integer %s (%s:%u)",
                  check_value(check->type, right) == 0 ? "divide by zero" : "overflow",
                  CHECK_FILE(&check->place), check->place.line);
}

CHECK_HANDLER(out_of_bounds, const struct check_bounds *check, uintptr_t index)
{
    int64_t i = check_value(check->index, index);

    if (i < 0)
        panic_runtime(RT_PANIC_INDEX, "index out of range [%ld] (%s:%u)", (long)i,
                      CHECK_FILE(&check->place), check->place.line);
    panic_runtime(RT_PANIC_INDEX, "index out of range [%ld] with length %ld (%s:%u)", (long)i,
                  check_length(check->array), CHECK_FILE(&check->place), check->place.line);
}

CHECK_HANDLER(type_mismatch_v1, const struct check_mismatch *check, uintptr_t address)
{
    if (address < NIL_BYTES)
        panic_runtime(RT_PANIC_NIL_DEREF, PANIC_NIL_TEXT " (%s:%u)", CHECK_FILE(&check->place),
                      check->place.line);
    panic_runtime(RT_PANIC_ALIGN, "misaligned memory access (%s:%u)", CHECK_FILE(&check->place),
                  check->place.line);
}

#define CHECK_PLAIN(name, text, ...)                                                               \
    CHECK_HANDLER(name, const struct check_place *place __VA_ARGS__)                               \
    {                                                                                              \
        panic_runtime(RT_PANIC_CHECK, text " (%s:%u)", CHECK_FILE(place), place->line);            \
    }
#define ONE_VALUE , uintptr_t a RT_UNUSED
#define TWO_VALUES , uintptr_t a RT_UNUSED, uintptr_t b RT_UNUSED
CHECK_PLAIN(add_overflow, "integer overflow", TWO_VALUES)
CHECK_PLAIN(sub_overflow, "integer overflow", TWO_VALUES)
CHECK_PLAIN(mul_overflow, "integer overflow", TWO_VALUES)
CHECK_PLAIN(negate_overflow, "integer overflow", ONE_VALUE)
CHECK_PLAIN(shift_out_of_bounds, "shift out of range", TWO_VALUES)
CHECK_PLAIN(pointer_overflow, "pointer arithmetic out of range", TWO_VALUES)
CHECK_PLAIN(vla_bound_not_positive, "array length out of range", ONE_VALUE)
CHECK_PLAIN(load_invalid_value, "invalid value", ONE_VALUE)
CHECK_PLAIN(float_cast_overflow, "number out of range", ONE_VALUE)
CHECK_PLAIN(invalid_builtin, "invalid argument", )
CHECK_PLAIN(nonnull_arg, "null argument", )
CHECK_PLAIN(nonnull_return_v1, "null result", ONE_VALUE)

/* These have no _abort form: they never return. */
void __ubsan_handle_builtin_unreachable(const struct check_place *place);
void __ubsan_handle_builtin_unreachable(const struct check_place *place)
{
    panic_runtime(RT_PANIC_CHECK, "unreachable code (%s:%u)", CHECK_FILE(place), place->line);
}

void __ubsan_handle_missing_return(const struct check_place *place);
void __ubsan_handle_missing_return(const struct check_place *place)
{
    panic_runtime(RT_PANIC_CHECK, "missing return (%s:%u)", CHECK_FILE(place), place->line);
}
