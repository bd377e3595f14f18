/*
 * flag.pml: src/flag.h, with the order of ring_publish() (raise, then fill the slot) and proxy/read.c (barrier, read).
 *
 * W writers write M times each, to the attribute or to another one that has a flag of its own, and may stop or die between
 * any two steps. The ring is N slots: the slot of ticket `end` is filled if nobody else was faster and it is below
 * committed + N (ring.pml is about that). The coordinator commits one ticket after the other; the attribute's value is
 * `committed` itself. A reader remembers the newest command to the attribute that was in the ring when it began
 * (`queued`), waits for what flag_pending() says, then reads.
 *
 * fresh: what it reads is not older than that command, though its call may not have returned. So a read can stand in the
 * one order of all commands behind those that were in the ring when it began, or that it shows: it is linearizable
 * together with reads of whatever else. free: nobody waits for ever (no invalid end state).
 *
 * LIES=n: a liar writes any value at any time, n times. Then fresh is promised for writes that began after the last lie
 * (or with EVER for all: it must fail, but for a liar who only goes UP), and free always.
 */
#ifndef N
#define N 2
#endif
#ifndef W
#define W 2
#endif
#ifndef M
#define M 2
#endif
#ifndef LIES
#define LIES 0
#endif
#define TICKETS (W * M)
#define TOP (TICKETS + N + 1)

byte end, committed, flag, queued, alive;
bool lied = (LIES == 0);
#ifdef EVER
#define SURE true
#else
#define SURE lied
#endif

#define FILLED(ticket) ((ticket) < end) /* ring_filled(): tickets are filled in order here */

/* flag_raise(); the tempting mistakes overwrite what they take for a lie, with something lower */
#ifdef BY_TICKET
#define STAYS (seen >= value && seen <= value + N)
#elif defined(BY_COMMITTED)
#define STAYS (seen >= value && seen <= c + N)
#else
#define STAYS (seen >= value)
#endif
inline flag_raise(value) {
	seen = flag;
	do
	:: c = committed;
		if
		:: STAYS -> break
		:: else
		fi;
		atomic {
			if
			:: flag == seen -> flag = value; break
			:: else -> seen = flag
			fi
		}
	od
}

/* The CAS of the slot in ring_publish() */
inline fill(ours) {
	atomic {
		if
		:: end == t ->
			end++;
			filled = true;
			if
			:: ours && sure && queued < end -> queued = end
			:: else
			fi
		:: else
		fi
	}
}

proctype writer() {
	byte t, seen, c, i;
	bool sure, filled, ours;
	do
	:: i == M -> break
	:: i < M ->
		if
		:: ours = true
		:: ours = false
		fi;
		sure = SURE;
		filled = false;
		do
		:: filled -> break
		:: !filled ->
			atomic { t = end; c = committed };
			if
			:: t < c + N
			:: t < c + N -> goto out /* dies, or goes on when it likes */
			:: t >= c + N -> goto out
			fi;
#ifdef RAISE_BEHIND
			fill(ours); /* the tempting mistake: its call has not returned, so nobody is owed the wait */
			if
			:: filled && ours -> flag_raise(t + 1)
			:: else
			fi
#else
			if
			:: ours -> flag_raise(t + 1)
			:: else
			fi;
			if
			:: true -> fill(ours)
			:: goto out
			fi
#endif
		od;
		atomic { i++; t = 0; seen = 0; c = 0; filled = false; ours = false }
	od;
out:
	atomic { alive--; t = 0; seen = 0; c = 0; i = 0; sure = false; filled = false; ours = false }
}

proctype coordinator() {
	do
	:: committed < end -> committed++
	:: atomic { flag > committed + N -> flag = committed + N } /* flag_mend(): nobody else changes committed */
	:: committed == end && alive == 0 -> break
	od
}

proctype reader() {
	byte must, value, c, i;
	do
	:: i < 2 ->
		must = queued;
		value = flag; /* flag_pending() */
		c = committed;
		if
		:: value <= c -> value = 0
#ifndef TRUST_SLOT
		:: value > c && (value > c + N || !FILLED(value - 1)) ->
#ifdef LOOK_THROUGH
			value = 0 /* the tempting mistake: what it has overwritten is queued all the same */
#else
			value = end
#endif
		:: value > c && value <= c + N && FILLED(value - 1)
#else
		:: value > c + N -> value = 0
		:: value > c && value <= c + N
#endif
		fi;
		committed >= value;           /* barrier_wait() */
		assert(committed >= must);    /* read_fixed() */
		atomic { i++; value = 0; c = 0; must = 0 }
	:: i == 2 -> break
	od
}

#if LIES > 0
proctype liar() {
	byte k, v;
	do
	:: k < LIES ->
		atomic {
			k++;
			select(v : 0 .. TOP);
			if
#ifdef UP
			:: v < flag
#endif
			:: else -> flag = v
			fi;
			v = 0
		}
	:: break
	od;
	atomic { lied = true; alive-- }
}
#endif

init {
	byte k;
	atomic {
		do
		:: k < W -> run writer(); alive++; k++
		:: else -> break
		od;
		run coordinator();
		run reader();
#if LIES > 0
		run liar();
		alive++;
#endif
		k = 0
	}
}
