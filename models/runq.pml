/*
 * models/runq.pml - one cpu's ring and its `next`, an owner, two thieves (sched/runq.c).
 *
 * CLAIM. Each goroutine is taken by exactly one taker: [runq.1] [runq.2] [runq.3]. Slots are read one at a time, since that is
 * where the danger lies; an index is one atomic word.
 * MUTANTS, each of which must lose or double a goroutine:
 *   NO_CAS        a thief stores head instead of comparing it
 *   READ_LATE     a thief reads the slots after it moved head
 *   NO_ROOM       the owner puts without looking whether there is room
 *   NEXT_TWO      `next` is taken by a load and a store
 *   YIELD_FULL    a yield to `next` puts without having seen room
 */
#define SIZE 2
#define N 4

byte ring[SIZE];
byte head, tail; /* never wrap here: N is small */
byte next;
byte taken[N + 1];
byte gone;

inline take(g)
{
	assert(g != 0 && taken[g] == 0);
	taken[g]++
}

inline take_next(g)
{
#ifdef NEXT_TWO
	g = next;
	next = 0;
#else
	d_step { g = next; next = 0 }
#endif
	if
	:: g != 0 -> take(g)
	:: else
	fi
}

/* runq_put_room() */
inline put_room(g)
{
	ring[tail % SIZE] = g;
	tail++
}

/* runq_put() */
inline put(g)
{
#ifndef NO_ROOM
	h = head;
	do
	:: tail - h < SIZE -> break
	:: else -> /* runq_overflow(): half of it leaves for the global queue, here: is taken */
		b = ring[h % SIZE];
		atomic { ok = (head == h); if :: ok -> head = h + SIZE / 2 :: else fi };
		if
		:: ok -> take(b)
		:: else
		fi;
		h = head
	od;
#endif
	put_room(g)
}

active proctype owner()
{
	byte i, h, b, old;
	bool ok;

	for (i : 1 .. N) {
		if
		:: /* rt_yield() to `next`, if there is one: room is seen before it is taken */
			h = head;
			if
#ifdef YIELD_FULL
			:: true -> take_next(b); put_room(i)
#else
			:: tail - h < SIZE -> take_next(b); put_room(i)
			:: else -> put(i)
#endif
			fi
		:: d_step { old = next; next = i }; /* sched_enqueue(): the one before goes to the ring */
			if
			:: old != 0 -> put(old)
			:: else
			fi
		:: /* rt_yield(): runq_try_get() first; then there is room */
			h = head;
			if
			:: h != tail ->
				b = ring[h % SIZE];
				atomic { ok = (head == h); if :: ok -> head = h + 1 :: else fi };
				if
				:: ok -> take(b); put_room(i)
				:: else -> put(i)
				fi
			:: else -> put(i)
			fi
		fi;
		d_step { h = 0; b = 0; old = 0; ok = false }
	}
	gone++
}

/* runq_steal(): half, rounded up; of two that is one, of one one */
active [2] proctype thief()
{
	byte h, t, n, a, b, tries;
	bool ok;

	do
	:: tries < 2 ->
		tries++;
		h = head;
		t = tail;
		n = t - h;
		n = n - n / 2;
		if
		:: n == 0 || n > SIZE / 2 + 1 || t < h -> take_next(a)
		:: else ->
#ifdef READ_LATE
			atomic { ok = (head == h); if :: ok -> head = h + n :: else fi };
			a = ring[h % SIZE];
			b = ring[(h + 1) % SIZE];
#else
			a = ring[h % SIZE];
			b = ring[(h + 1) % SIZE];
#ifdef NO_CAS
			head = h + n;
			ok = true;
#else
			atomic { ok = (head == h); if :: ok -> head = h + n :: else fi };
#endif
#endif
			if
			:: ok && n >= 1 ->
				take(a);
				if :: n >= 2 -> take(b) :: else fi
			:: else
			fi
		fi;
		d_step { h = 0; t = 0; n = 0; a = 0; b = 0; ok = false } /* dead: fewer states */
	:: else -> break
	od;
	gone++
}

/* At the end: whoever was not taken is still there, once. */
active proctype judge()
{
	byte i, k, there;

	(gone == 3);
	for (i : 1 .. N) {
		there = taken[i] + (next == i);
		for (k : head .. tail) {
			there = there + (k != tail && ring[k % SIZE] == i)
		}
		assert(there == 1)
	}
}
