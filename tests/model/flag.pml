/*
 * flag.pml: src/flag.h, with the order of proxy/send.c (publish, raise, return) and proxy/read.c (barrier, read).
 *
 * W writers assign to one attribute, each M times, and may stop or die between any two steps; a write returns after its
 * raise. The ring is N slots: a ticket is taken at once (ring.pml is about that) while it is below committed + N. The
 * coordinator commits one ticket after the other; the attribute's value is `committed` itself. A reader remembers the
 * newest write that had returned when it began (`returned`), waits for what flag_pending() says, then reads.
 *
 * fresh: what it reads is not older than that write. free: nobody waits for ever (no invalid end state).
 *
 * LIES=n: a liar writes any value at any time, n times. Then fresh is promised for writes that began after `committed`
 * had passed what it wrote (or with EVER, which must fail, for all), and free always.
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

byte end, committed, flag, returned, alive, lie;
bool lied = (LIES == 0);
#ifdef EVER
#define SURE true
#else
#define SURE (lied && committed >= lie)
#endif

#define FILLED(ticket) ((ticket) < end) /* ring_filled(): tickets are filled in order here */

/* flag_raise() */
inline flag_raise(value) {
	seen = flag;
	do
#ifndef BY_TICKET
	:: c = committed;
		if
		:: seen >= value && seen <= c + N -> break
		:: else
		fi;
		atomic {
			if
			:: flag == seen -> flag = value; break
			:: else -> seen = flag
			fi
		}
#else /* the tempting mistake: `committed` may have passed value long ago */
	:: seen < value || seen > value + N ->
		atomic {
			if
			:: flag == seen -> flag = value; break
			:: else -> seen = flag
			fi
		}
	:: else -> break
#endif
	od
}

proctype writer() {
	byte t, seen, c, i;
	bool sure;
	do
	:: i == M -> break
	:: i < M ->
		sure = SURE;
		if
		:: atomic { end < committed + N -> t = end; end++ } /* ring_publish() */
		:: break
		fi;
#ifdef RAISE_LATE
		/* the tempting mistake: the call returns, and raises when it finds the time */
		atomic {
			if
			:: sure && returned < t + 1 -> returned = t + 1
			:: else
			fi
		};
#endif
		if
		:: break /* dies before it raises: its call never returned */
		:: true
		fi;
		flag_raise(t + 1);
		atomic {
			if
			:: sure && returned < t + 1 -> returned = t + 1
			:: else
			fi;
			i++; t = 0; seen = 0; c = 0
		}
	od;
	atomic { alive--; t = 0; seen = 0; c = 0; i = 0; sure = false }
}

proctype coordinator() {
	do
	:: committed < end -> committed++
	:: committed == end && alive == 0 -> break
	od
}

proctype reader() {
	byte must, value, c, i;
	do
	:: i < 2 ->
		must = returned;
		value = flag; /* flag_pending() */
		c = committed;
		if
		:: value <= c -> value = 0
		:: value > c + N -> value = 0
#ifndef TRUST_SLOT
		:: value > c && value <= c + N && !FILLED(value - 1) -> value = 0
		:: value > c && value <= c + N && FILLED(value - 1)
#else
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
			flag = v;
			if
			:: lie < v -> lie = v
			:: else
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
