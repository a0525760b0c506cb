/*
 * models/barrier.pml - does the scheme of gc/ ever free an object that somebody can reach?
 *
 * Two mutators with two registers each (their stacks), NO objects of one field, one global, a collector that marks
 * while they run. A mutator may be descheduled at any point outside a runtime section. Every interleaving is tried.
 *
 *     spin -a -DNO=2 -DCYC=1 DEFINES barrier.pml && gcc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m3000000
 *
 * Pieces of the scheme, each a define (models/run.sh runs all of it, and every mutant):
 *     DEL         the deletion half: what is overwritten is greyed              [bar.1]
 *     RSEQ        a stop inside "look at the flag, then store" restarts it      [bar.2]
 *     STWSCAN     STW#1 scans what runs                                         [roots.1]
 *     RESUMESCAN  a parked stack is scanned before it runs on                   [roots.1]
 *     BLACK       born black while marking                                      [alloc.2]
 *     INS         the insertion half while the storing stack is unscanned       [bar.3]
 *     LATESCAN    instead of STWSCAN: running stacks are scanned some time      (gcmode=hybrid)
 * Further actors, each a define:
 *     TSO         stores wait in a buffer of one entry for each mutator, drained at will, by locked steps and by stops
 *     CHAN        a channel slot: send stores into it, receive takes out of it
 *     CHANSHADE   ... and what is overwritten there by NULL is greyed (the barrier on channel buffers)
 *     STACKSLOT   mutator 0 has the address of mutator 1's first register: a variable on another goroutine's stack
 *     STACKSHADE  ... and writes there through the barrier
 *     WEAK        a weak reference to object 0: get, which greys (WEAKSHADE) while marking, is one step
 *     FIN         object 0 has a finalizer: what it leads to is a root (FINROOT), and it is given out once after its death
 *     SMALL       mutator 1 has one register and stores nothing: for the actors that would make too many states
 * Without DEL, RSEQ, STWSCAN (as LATESCAN), RESUMESCAN, BLACK, CHANSHADE, STACKSHADE, WEAKSHADE or FINROOT an assertion fails.
 */
#ifndef NO
#define NO 2
#endif
#ifndef CYC
#define CYC 1
#endif

#define NIL 7
#define FREE 0
#define WHITE 1
#define GREY 2
#define MARKED 3

#define GLOBAL NO
#define SLOT (NO + 1) /* the channel's */
#define STACK (NO + 2) /* mutator 1's first register, as mutator 0 sees it */

byte color[NO];
byte field[NO];
byte global = NIL;
byte chan_slot = NIL;
byte reg[4];        /* [2 * m + i]: register i of mutator m */
bool scanned[2];
bool parked[2];
byte at[2];         /* 0: between operations; 1: the flag was read; 2: old value dealt with, store to come */
byte to[2];         /* the slot of a store under way */
byte value[2];
bool flag[2];       /* what it read */
bool marking = false;
bool stopped = false; /* from STW#2 to the end of the sweep, which are two steps of the collector here */
byte cycles = 0;
bool finalized = false;
#ifdef TSO
byte buf_to[2];     /* NIL: empty */
byte buf_value[2];
#endif

inline shade(o)
{
    if
    :: (o != NIL && color[o] == WHITE) -> color[o] = GREY
    :: else
    fi
}

inline check(o)
{
    assert(o == NIL || color[o] != FREE)
}

inline memory_get(s, d)
{
    if
    :: s < NO -> d = field[s]
    :: s == GLOBAL -> d = global
    :: s == SLOT -> d = chan_slot
    :: s == STACK -> d = reg[2]
    fi
}

inline memory_put(s, v)
{
    if
    :: s < NO -> field[s] = v
    :: s == GLOBAL -> global = v
    :: s == SLOT -> chan_slot = v
    :: s == STACK -> reg[2] = v
    fi
}

#ifdef TSO
inline drain(m)
{
    if
    :: buf_to[m] != NIL -> memory_put(buf_to[m], buf_value[m]); buf_to[m] = NIL; buf_value[m] = 0
    :: else
    fi
}
inline get(m, s, d)
{
    if
    :: buf_to[m] == s -> d = buf_value[m] /* its own store, not yet seen by others */
    :: else -> memory_get(s, d)
    fi
}
inline put(m, s, v)
{
    drain(m); /* one entry: the older store goes first */
    buf_to[m] = s; buf_value[m] = v
}
#else
#define drain(m) skip
#define get(m, s, d) memory_get(s, d)
#define put(m, s, v) memory_put(s, v)
#endif

#ifdef SMALL
#define BOTH(m) ((m) == 0)
#else
#define BOTH(m) true
#endif
#define R(m, i) reg[(m) * 2 + (i)]

proctype mutator(byte m)
{
    byte i, j, o, s, old;
    do
    :: atomic {
        (!stopped && !parked[m] && at[m] == 0) ->
        if :: i = 0 :: (BOTH(m)) -> i = 1 fi;
        if :: j = 0 :: (BOTH(m)) -> j = 1 fi;
        if
        :: s = GLOBAL; get(m, s, o); check(o); R(m, i) = o
        :: (R(m, j) != NIL) -> s = R(m, j); check(s); get(m, s, o); check(o); R(m, i) = o
        :: R(m, i) = NIL
#ifdef STACKSLOT
        :: (m == 0) -> get(m, STACK, o); check(o); R(m, i) = o
#endif
        :: /* allocate: a free slot, cleared */
            if
            :: (color[0] == FREE && !finalized) -> o = 0
            :: (color[0] != FREE && color[1] == FREE) -> o = 1
            :: else -> o = NIL
            fi;
            if
            :: o != NIL ->
                put(m, o, NIL); drain(m);
#ifdef BLACK
                if :: marking -> color[o] = MARKED :: else -> color[o] = WHITE fi;
#else
                color[o] = WHITE;
#endif
                R(m, i) = o
            :: else
            fi
        :: (BOTH(m)) -> /* a store begins: read the flag */
            if
            :: to[m] = GLOBAL
            :: (R(m, j) != NIL) -> check(R(m, j)); to[m] = R(m, j)
#ifdef CHAN
            :: (chan_slot == NIL) -> to[m] = SLOT /* send */
#endif
#ifdef STACKSLOT
            :: (m == 0) -> to[m] = STACK
#endif
            fi;
            value[m] = R(m, i); flag[m] = marking; at[m] = 1
#ifdef CHAN
        :: (chan_slot != NIL) -> /* receive: one runtime section; the buffer's slot is cleared through the barrier */
            drain(m);
            o = chan_slot; check(o); R(m, i) = o;
#ifdef CHANSHADE
            if :: marking -> shade(o) :: else fi;
#endif
            chan_slot = NIL
#endif
#ifdef WEAK
        :: (color[0] != FREE && !finalized) -> /* weak get: one step */
            R(m, i) = 0;
#ifdef WEAKSHADE
            if :: marking -> shade(0) :: else fi
#endif
#endif
#ifdef FIN
        :: (finalized && color[0] != FREE) -> /* the finalizer runs and may keep its object, and uses what it leads to */
            get(m, 0, o); check(o); R(m, i) = o
#endif
        fi;
        o = 0; i = 0; j = 0; s = 0
    }
    :: atomic { /* the window: the flag was read, the store is to come */
        (!stopped && !parked[m] && at[m] == 1) ->
        if
        :: flag[m] ->
#ifdef DEL
            get(m, to[m], old);
#if defined(STACKSLOT) && !defined(STACKSHADE)
            if :: to[m] == STACK -> old = NIL :: else fi;
#endif
            shade(old);
#endif
#ifdef INS
            if :: !scanned[m] -> shade(value[m]) :: else fi;
#endif
            skip
        :: else
        fi;
        at[m] = 2; old = 0
    }
    :: atomic {
        (!stopped && !parked[m] && at[m] == 2) ->
        put(m, to[m], value[m]);
        at[m] = 0; to[m] = 0; value[m] = 0; flag[m] = false
    }
    :: atomic { (!stopped && !parked[m] && at[m] == 0) -> drain(m); parked[m] = true }
    :: atomic {
        (!stopped && parked[m]
#ifdef RESUMESCAN
         && (!marking || scanned[m])
#endif
        ) -> parked[m] = false
    }
#ifdef TSO
    :: atomic { (buf_to[m] != NIL) -> drain(m) }
#endif
    od
}

inline scan(m)
{
    shade(R(m, 0)); shade(R(m, 1));
    if
    :: at[m] != 0 ->
        if :: to[m] < NO -> shade(to[m]) :: else fi;
        shade(value[m])
    :: else
    fi;
    scanned[m] = true
}

/* Stop a mutator: its window restarts (the slow path is not preemptible: a stop waits for its end). */
inline stop(m)
{
    drain(m); /* the interrupt that stops it is a barrier */
#ifdef RSEQ
    if
    :: (at[m] == 1 || (at[m] == 2 && !flag[m])) -> at[m] = 0; to[m] = 0; value[m] = 0; flag[m] = false
    :: else
    fi
#endif
}
#ifdef RSEQ
#define CAN_STOP(m) (!(at[m] == 2 && flag[m]))
#else
#define CAN_STOP(m) true
#endif

#define NOTHING_GREY (color[0] != GREY && color[1] != GREY)

proctype collector()
{
    byte k, c;
    do
    :: cycles < CYC ->
        atomic { /* STW#1 */
            (CAN_STOP(0) && CAN_STOP(1)) ->
            stop(0); stop(1);
            marking = true; scanned[0] = false; scanned[1] = false;
#ifdef STWSCAN
            if :: !parked[0] -> scan(0) :: else fi;
            if :: !parked[1] -> scan(1) :: else fi
#endif
        }
        atomic { shade(global) }
#ifdef CHAN
        atomic { shade(chan_slot) }
#endif
#ifdef FINROOT
        atomic { if :: (!finalized && color[0] != FREE) -> c = field[0]; shade(c); c = 0 :: else fi }
#endif
        do
        :: atomic { (!scanned[0] && (parked[0]
#ifdef LATESCAN
                     || at[0] == 0
#endif
                     )) -> drain(0); scan(0) }
        :: atomic { (!scanned[1] && (parked[1]
#ifdef LATESCAN
                     || at[1] == 0
#endif
                     )) -> drain(1); scan(1) }
        :: atomic { (color[0] == GREY) -> k = 0; c = field[k]; color[k] = MARKED; shade(c); k = 0; c = 0 }
        :: atomic { (color[1] == GREY) -> k = 1; c = field[k]; color[k] = MARKED; shade(c); k = 0; c = 0 }
        :: atomic { /* STW#2 */
            (scanned[0] && scanned[1] && NOTHING_GREY && CAN_STOP(0) && CAN_STOP(1)) ->
            stop(0); stop(1);
            stopped = true;
            break
        }
        od;
        atomic { /* specials, sweep */
            marking = false;
#ifdef FIN
            if
            :: (color[0] == WHITE && !finalized) -> finalized = true; color[0] = MARKED /* back to life, once */
            :: else
            fi;
#endif
            k = 0;
            do
            :: k < NO ->
                if
                :: color[k] == WHITE -> color[k] = FREE; field[k] = NIL
                :: color[k] == MARKED -> color[k] = WHITE
                :: else
                fi;
                k++
            :: else -> break
            od;
            k = 0;
            cycles++;
            stopped = false
        }
    :: else -> break
    od
}

init {
    atomic {
        byte z = 0;
        do :: z < NO -> field[z] = NIL; z++ :: else -> break od;
        reg[0] = NIL; reg[1] = NIL; reg[2] = NIL; reg[3] = NIL;
#ifdef TSO
        buf_to[0] = NIL; buf_to[1] = NIL;
#endif
        run mutator(0); run mutator(1); run collector()
    }
}
