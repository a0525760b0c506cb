/*
 * models/idle.pml - going idle against waking, with a stop in between (sched/sched.c [idle.1] [idle.2], sched/stw.c).
 *
 * Two cpus look for work and go idle; a third runs one goroutine that never gives up its cpu and makes two others
 * runnable; a fourth stops the world now and then. Work is a number in one queue.
 * CLAIM. In the end no work waits while a cpu sleeps: whoever enqueues sees the sleeper, or the sleeper sees the work.
 * MUTANTS
 *   LOOK_FIRST    a cpu looks at the queues before it says that it is idle (which is also what a missing fence does)
 *   WAKE_FIRST    the waker looks for idle cpus before it enqueues
 *   NO_LOOK       a searcher that gave up goes to sleep without another look
 *   NO_AFTER_STOP stw_end() does not look whether work came while the idle cpus were claimed
 */
#define CPUS 2
mtype = { BUSY, IDLE, WOKEN, CLAIMED };

mtype state[CPUS] = BUSY;
bool ipi[CPUS];     /* a wake-up that is on its way */
bool asleep[CPUS];
byte queue;         /* runnable goroutines */
byte searching;
byte done;

inline wake_one(i)
{
	i = 0;
	do
	:: i < CPUS ->
		if
		:: atomic { state[i] == IDLE -> state[i] = WOKEN }; ipi[i] = true; break
		:: else -> i++
		fi
	:: else -> break
	od;
	i = 0
}

inline wake_if_idle(i)
{
	if
	:: searching == 0 -> wake_one(i)
	:: else
	fi
}

inline take_work(got)
{
	atomic { got = (queue > 0); if :: got -> queue-- :: else fi }
}

proctype cpu(byte me)
{
	bool got, last, work;
	byte i;

	do
	:: /* search() */
		searching++;
		take_work(got);
		d_step { searching--; last = (searching == 0) };
		if
		:: got ->
			if :: last -> wake_if_idle(i) :: else fi; /* [idle.2] */
			done++
		:: else ->
			/* idle() */
#ifdef LOOK_FIRST
			work = (queue > 0);
			state[me] = IDLE;
#else
			state[me] = IDLE;
#ifdef NO_LOOK
			work = false;
#else
			work = (queue > 0);
#endif
#endif
			if
			:: d_step { work -> work = false }
			:: else ->
				/* halt until an interrupt; a wake-up changes the state first */
				do
				:: state[me] == IDLE ->
					asleep[me] = true;
end_asleep:				(ipi[me]);
					asleep[me] = false;
					ipi[me] = false
				:: else -> break
				od
			fi;
			/* idle_end() */
			do
			:: atomic { state[me] != CLAIMED -> state[me] = BUSY }; break
			od;
			ipi[me] = false
		fi;
		d_step { got = false; last = false; work = false; i = 0 }
	od
}

/* A goroutine on a cpu of its own, which goes on for ever. */
proctype hog()
{
	byte i, n;

	for (n : 1 .. 2) {
#ifdef WAKE_FIRST
		wake_if_idle(i);
		queue++
#else
		queue++;
		wake_if_idle(i)
#endif
	}
}

/* Claims who is idle, or woken and not up yet; the others would stop, and go on: that is models/stw.pml. */
proctype stopper()
{
	mtype was[CPUS];
	byte i, k;

	for (i : 0 .. CPUS - 1) {
		d_step { was[i] = state[i]; if :: was[i] != BUSY -> state[i] = CLAIMED :: else fi }
	}
	for (i : 0 .. CPUS - 1) {
		if
		:: was[i] != BUSY -> d_step { state[i] = was[i]; was[i] = BUSY }
		:: else
		fi
	}
	i = 0;
#ifndef NO_AFTER_STOP
	if
	:: queue > 0 -> wake_if_idle(k)
	:: else
	fi
#endif
}

init {
	atomic { run cpu(0); run cpu(1); run hog(); run stopper() }
end:	(timeout);
	/* nothing moves any more */
	assert(queue == 0 && done == 2)
}
