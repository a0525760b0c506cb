/*
 * models/mark.pml - when is marking over? (gc/cycle.c, gc/mark.c: gc_mark_looks_done(), controller_wait(), STW#2)
 *
 * Two cpus mark in slices, take from their own grey set, from the pool and from each other, and their goroutines' barriers grey
 * white objects at any moment between two slices. One that finds nothing looks whether all is done and calls the
 * controller; it may then never mark again (its goroutine goes on, it allocates nothing). Cpu 0 comes back: it has the
 * controller's timer; but not once all is done, so that the last call must not get lost. The controller waits until somebody calls or it sees for itself that all is done,
 * stops the world, and looks again.
 * CLAIMS. When marking ends nothing is grey [mark.3]. It ends: the controller does not sleep for ever (an end state that is none).
 * MUTANTS
 *   LOOK_INSIDE   one that finds nothing looks before it says that its slice is over
 *   LOOK_FIRST    the controller looks before it announces that it waits
 *   TRUST         STW#2 does not look again
 *   NOBODY_KEEPS  no cpu comes back
 */
#define CPUS 2

byte white = 3;         /* objects not found yet */
byte grey[CPUS], pool;  /* grey ones, by who has them */
bool in_hand[CPUS];     /* one taken and not scanned yet */
byte running;           /* slices_running */
bool slice[CPUS];       /* preemption is off: no stop comes in */
bool waits, token, stopped, over;

/* Not one step: each part is read at its own time. */
inline look(done)
{
	done = (running == 0);
	if :: done -> done = (pool == 0) :: else fi;
	if :: done -> done = (grey[0] == 0) :: else fi;
	if :: done -> done = (grey[1] == 0) :: else fi
}

inline look_and_call(done)
{
	look(done);
	if
	:: done -> atomic { if :: waits -> waits = false; token = true :: else fi }
	:: else
	fi
}

proctype cpu(byte me)
{
	bool did, done, retired;

end:	do
	:: over -> break
	:: atomic { white > 0 && !stopped && !over -> white--; grey[me]++ } /* the barrier */
	:: !retired && !over ->
		atomic { !stopped -> slice[me] = true };
		running++;
		atomic {
			did = true;
			if
			:: grey[me] > 0 -> grey[me]--
			:: else ->
				if
				:: pool > 0 -> pool--
				:: else ->
					if
					:: grey[1 - me] > 0 -> grey[1 - me]--
					:: grey[1 - me] == 0 -> did = false
					:: true -> did = false /* it is locked */
					fi
				fi
			fi;
			in_hand[me] = did
		}
		if
		:: did ->
			if
			:: atomic { white > 0 -> white--; grey[me]++ } /* it leads to one */
			:: true
			fi;
			in_hand[me] = false;
			if
			:: atomic { grey[me] > 1 -> grey[me]--; pool++ }
			:: true
			fi
		:: else
		fi;
#ifdef LOOK_INSIDE
		if :: !did -> look_and_call(done) :: else fi;
#endif
		running--;
		slice[me] = false;
#ifndef LOOK_INSIDE
		if :: !did -> look_and_call(done) :: else fi;
#endif
		if
#ifdef NOBODY_KEEPS
		:: !did -> retired = true
#else
		:: !did && (me != 0 || white + grey[0] + grey[1] + pool == 0) -> retired = true
#endif
		:: true
		fi
	od
}

proctype controller()
{
	bool done, mine;

	do
	:: true ->
#ifdef LOOK_FIRST
		look(done);
		waits = true;
#else
		waits = true;
		look(done);
#endif
		mine = false;
		if
		:: done -> atomic { if :: waits -> waits = false; mine = true :: else fi }
		:: else
		fi;
		if
		:: mine
		:: else -> token; token = false
		fi;
		atomic { !slice[0] && !slice[1] -> stopped = true };
#ifdef TRUST
		done = true;
#else
		done = (grey[0] + grey[1] + pool == 0);
#endif
		if
		:: done ->
			assert(grey[0] + grey[1] + pool == 0 && !in_hand[0] && !in_hand[1]);
			atomic { over = true; stopped = false };
			break
		:: else -> stopped = false
		fi
	od
}

init {
	grey[0] = 1; /* the roots */
	atomic { run cpu(0); run cpu(1); run controller() }
}
