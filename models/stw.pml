/*
 * models/stw.pml - stopping the world against running, going idle, halting and long stops (sched/stw.c).
 *
 * Two cpus run goroutines, enter runtime sections and go idle; a third stops the world twice.
 * CLAIMS. Nobody works while the world is stopped [stw.2] [stw.3]; each stop begins and ends [stw.4] [stw.5] (a hang is an
 * end state that is none).
 * MUTANTS
 *   NO_CLAIM_WAIT  a claimed cpu does not wait for its release in idle_end()
 *   NO_LOOK        idle() looks neither for a stop after it said that it is idle nor for requests before it halts
 *   HALT_RACE      a long stop's cpu looks at the epoch before it says that it halts
 *   SECTION        an interrupt stops a cpu inside a runtime section at once
 *   NO_TELL        a cpu that was in its scheduler is not told, even if it does not answer
 */
#define CPUS 2
mtype = { BUSY, IDLE, WOKEN, CLAIMED };

byte epoch;                  /* odd: stopping or stopped */
byte stopped[CPUS];          /* the epoch for which it stands still */
mtype state[CPUS] = BUSY;
bool request[CPUS];          /* PREEMPT_QUIET is cleared */
bool pending[CPUS];          /* the IPI has been sent and not yet been taken */
bool halted[CPUS];           /* it says so */
bool wake[CPUS];             /* a wake-up is on its way */
bool world;                  /* everybody else stands still */
bool inside[CPUS];           /* in a runtime section */
bool looking[CPUS];          /* in its scheduler: no goroutine is current */
byte finished;               /* stops */

inline work()
{
	assert(!world)
}

/* stw_stop_here(): say so, spin or halt until the epoch moves on */
inline stop_here()
{
	e = epoch;
	if
	:: e % 2 == 1 && stopped[me] != e ->
		stopped[me] = e;
		if
		:: (epoch != e) /* spun */
		:: true -> /* a long stop */
#ifdef HALT_RACE
			seen = (epoch == e);
			halted[me] = true;
#else
			halted[me] = true;
			seen = (epoch == e);
#endif
			do
			:: seen -> (wake[me]); wake[me] = false; seen = (epoch == e)
			:: else -> break
			od;
			halted[me] = false
		fi
	:: else
	fi;
	d_step { e = 0; seen = false } /* old values would only make more states */
}

/* An interrupt may come between any two steps while interrupts are on; outside sections it stops the cpu at once. */
inline maybe_interrupt()
{
	if
	:: pending[me] ->
		pending[me] = false;
		request[me] = true
	:: true
	fi
}

proctype cpu(byte me)
{
	byte e;
	bool seen;

end:	do
	:: finished < 2 || epoch % 2 == 1 ->
		if
		:: /* program code: an interrupt stops it in place */
			if
			:: atomic { pending[me] -> pending[me] = false }; stop_here()
			:: else
			fi;
			work()
		:: true -> /* a loop that nothing but an interrupt ends */
			(pending[me] || (finished == 2 && epoch % 2 == 0))
		:: /* a runtime section: the interrupt leaves a note, preempt_on() takes it */
			inside[me] = true;
			maybe_interrupt();
#ifdef SECTION
			if
			:: atomic { pending[me] -> pending[me] = false }; stop_here()
			:: else
			fi;
#endif
			work();
			maybe_interrupt();
			inside[me] = false;
			if
			:: request[me] -> request[me] = false; stop_here()
			:: else
			fi
		:: /* the scheduler, and idle() */
			looking[me] = true;
			if
			:: state[me] = IDLE
			:: state[me] = WOKEN /* somebody wakes us at once */
			fi;
			if
#ifndef NO_LOOK
			:: epoch % 2 == 1 && stopped[me] != epoch
#endif
			:: else ->
				maybe_interrupt(); /* interrupts are still on: a note at most */
				/* interrupts off; halt lets them in */
				do
#ifdef NO_LOOK
				:: true ->
#else
				:: request[me] || state[me] != IDLE -> break
				:: else ->
#endif
					if
					:: atomic { pending[me] -> pending[me] = false }; request[me] = true
					:: finished == 2 && epoch % 2 == 0 -> break
					fi
#ifdef NO_LOOK
					; break
#endif
				od
			fi;
#ifdef NO_CLAIM_WAIT
			state[me] = BUSY;
#else
			atomic { state[me] != CLAIMED -> state[me] = BUSY };
#endif
			/* the loop: housekeeping() */
			if
			:: request[me] -> request[me] = false
			:: else
			fi;
			stop_here();
			work();
			looking[me] = false
		fi
	:: else -> break
	od
}

proctype stopper()
{
	mtype was[CPUS] = BUSY;
	bool told[CPUS];
	byte i, n;

	for (n : 1 .. 2) {
		epoch++;
		for (i : 0 .. CPUS - 1) {
			d_step { was[i] = state[i]; if :: was[i] != BUSY -> state[i] = CLAIMED :: else fi };
			told[i] = false;
			if
			:: was[i] == BUSY && !looking[i] -> told[i] = true; pending[i] = true
			:: else
			fi
		}
		for (i : 0 .. CPUS - 1) {
			if
			:: was[i] != BUSY
			:: else ->
				if
				:: stopped[i] == epoch
#ifndef NO_TELL
				:: !told[i] -> pending[i] = true; (stopped[i] == epoch)
#endif
				fi
			fi;
			told[i] = false
		}
		world = true;
		assert(!inside[0] && !inside[1]);
		world = false;
		for (i : 0 .. CPUS - 1) {
			d_step { if :: was[i] != BUSY -> state[i] = was[i]; was[i] = BUSY :: else fi }
		}
		epoch++;
		for (i : 0 .. CPUS - 1) {
			if :: halted[i] -> wake[i] = true :: else fi
		}
		finished++
	}
}

init {
	atomic { run cpu(0); run cpu(1); run stopper() }
}
