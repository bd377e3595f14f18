/*
 * ring.pml: src/ring.h and ring.c, with the part of coordinator/coordinator.c and commit.c that calls them.
 *
 * P producers send M commands each and may die between any two steps. A liar, who may write all that a client may,
 * writes at most LIES times: the tail (TAIL_LIES), any slot (SLOT_LIES). The coordinator takes, mends, and, with STOP,
 * closes at any moment and drains. One step is one access to shared memory. A word is lap * 16 + what.
 *
 * Checked: a ticket has one command (once), commands are in the order of their calls (order), what was accepted is
 * committed, also by stop(drain) (kept); after the liar has gone, everyone comes to an end (no invalid end state). After
 * lies about slots only the last is promised, and the others for what is sent after the last lie.
 *
 * Who would spin without anything having changed sleeps until something changes (`news`, a bit for each process): the
 * code does the same thing again on the same memory, and a rest that nothing ends shows as an invalid end state.
 */
#ifndef N
#define N 2
#endif
#ifndef P
#define P 2
#endif
#ifndef M
#define M 2
#endif
#ifndef LIES
#define LIES 0
#endif
#ifndef TOP
#define TOP 4 /* a forged tail is at most this, and a forged lap at most TOP / N */
#endif
#define ALL ((1 << (P + 1)) - 1)
#define ME_COORDINATOR P
#define VOID 1
#define CLOSED 2
#define JUNK 3
#define COMMAND(p, i) (4 + (p) * M + (i))
#define WORD(lap, what) ((lap) * 16 + (what))
#define LAP(word) ((word) / 16)
#define WHAT(word) ((word) % 16)
#define FILLED(t) (LAP(slot[(t) % N]) > (t) / N)  /* ring_filled() */
#define IS_CLOSED(word) (WHAT(word) == CLOSED)    /* ring_is_closed() */
#ifndef BY_LAP
#define HAS_ROOM(t, c) ((t) < (c) + N)
#else
#define HAS_ROOM(t, c) true /* the tempting mistake: the slot was filled a lap ago, so it is free */
#endif
#ifndef ANY_TAIL
#define MAY_FOLLOW(t, c, word) ((t) == (c) || (LAP(word) == ((t) - 1) / N + 1 && !IS_CLOSED(word)))
#else
#define MAY_FOLLOW(t, c, word) true
#endif
#ifndef PASS_END
#define MAY_PASS(word) !IS_CLOSED(word)
#else
#define MAY_PASS(word) true /* the tempting mistake: whatever has the slot, the next one is free */
#endif
#define NEWS news = ALL
#define CALM(me) news = news & ~(1 << (me))
#define AWAIT(me) (news & (1 << (me)))

byte slot[N], tail, committed, news, alive;
bool stopping, gone, lied = (LIES == 0), sure = (LIES == 0); /* the last lie was told; … and mended */
/* ghosts */
byte sent[P], done[P], last[P]; /* accepted; committed; ticket + 1 of the newest that has returned */
bool spoiled[P];                /* it began to send something while lies about slots could still mislead it */
byte newest;                    /* ticket + 1: the greatest that any call has returned */

#ifdef SLOT_LIES
#define SURE sure
#define IN_ORDER(x)
#else
#define SURE true
#define IN_ORDER(x) assert(x)
#endif

/* first_empty() */
inline first_empty(from, ret, stop) {
	ret = from;
	stop = from + N;
	do
	:: ret < stop && FILLED(ret) -> ret++
	:: else -> break
	od
}

/* ring_help(), for the next that it has passed */
inline help(from) {
	atomic {
		if
		:: tail == from -> tail = from + 1; NEWS
		:: else
		fi;
		from++
	}
}

/*
 * ring_try() and ring_publish() with ring_push() and ring_obstacle(), and wait_for_room() where it returns -EAGAIN. Behind
 * its own last command (own) a producer does not look whether it may follow; after an obstacle it does. c is `committed` as
 * this lane saw it last, and outlives the call. To have seen another one is news for this producer alone: it goes round once
 * more. From the tail on (from) it passes what others have (ring_pass()).
 */
proctype producer(byte me) {
	byte t, from, c, w, right, stop, before, own, i;
	do
	:: i == M || gone -> break
	:: i < M && !gone ->
		d_step { before = newest; spoiled[me] = spoiled[me] || !SURE };
		if
		:: c = committed /* reclaim(): at any call, or at none */
		:: true
		fi;
round:		CALM(me);
		d_step { t = tail; from = t };
		if
		:: HAS_ROOM(t, c) && (t == own || MAY_FOLLOW(t, c, slot[(t + N - 1) % N])) ->
			if
			:: break /* dies, or gives up, or sees that the coordinator is stopping */
			:: true
			fi;
pass:			w = slot[t % N];
			if
			:: LAP(w) == t / N ->
				atomic {
					if
					:: slot[t % N] == w ->
						slot[t % N] = WORD(t / N + 1, COMMAND(me, i));
						NEWS;
						sent[me]++;
						/* order, once: what had returned before this call began has an earlier ticket */
						IN_ORDER(t >= before);
						goto accepted
					:: else -> goto pass
					fi
				}
			:: LAP(w) == t / N + 1 && MAY_PASS(w) && HAS_ROOM(t + 1, c) -> t++; goto pass
			:: else
			fi
		:: else
		fi;
		d_step { own = 0; w = 0 };
		do
		:: from < t -> help(from)
		:: else -> from = 0; break
		od;
		/* ring_obstacle() */
#ifdef BY_SEEN
		/* the tempting mistake: there is no room by what was seen, so do not look again */
		if
		:: t >= c + N -> goto rest
		:: else
		fi;
#endif
		atomic {
			if
			:: c != committed -> c = committed; news = news | (1 << me)
			:: else
			fi
		};
		if /* tail_plausible() */
		:: t >= c && t <= c + N
		:: t < c ->
			atomic {
				if
				:: tail == t -> tail = c; NEWS
				:: else
				fi
			};
			goto round
		:: t > c + N ->
			first_empty(c, right, stop);
			atomic {
				if
				:: tail == t -> tail = right; NEWS
				:: else
				fi;
				right = 0; stop = 0
			};
			goto round
		fi;
#ifndef ANY_TAIL /* check_predecessor() */
		w = slot[(t + N - 1) % N];
		if
		:: t == c || LAP(w) > (t - 1) / N
		:: else ->
			first_empty(c, right, stop);
			atomic {
				if
				:: tail == t -> tail = right; NEWS
				:: else
				fi;
				right = 0; stop = 0
			};
			goto round
		fi;
		if
		:: t != c && IS_CLOSED(w) && LAP(w) == (t - 1) / N + 1 -> break /* -ESHUTDOWN */
		:: else
		fi;
#endif
		w = slot[t % N];
		if
		:: LAP(w) != t / N + 1 -> goto rest /* no room, or nothing that it had not seen, or a lie */
		:: LAP(w) == t / N + 1 && IS_CLOSED(w) -> break /* -ESHUTDOWN */
		:: else -> goto round
		fi;
rest:		if
		:: AWAIT(me) -> goto round
		:: gone -> break
		fi;
accepted:	if
		:: break /* dies before it helps */
		:: true
		fi;
		do
		:: from <= t -> help(from)
		:: else -> break
		od;
		atomic {
			i++;
			last[me] = t + 1;
			own = t + 1;
			if
			:: t + 1 > newest -> newest = t + 1
			:: else
			fi;
			t = 0; from = 0; w = 0
		}
	od;
	atomic { alive--; t = 0; from = 0; c = 0; w = 0; i = 0; own = 0; before = 0; right = 0; stop = 0 }
}

/* Ghosts of one committed word. */
inline count(word) {
	if
	:: WHAT(word) >= 4 ->
		p = (WHAT(word) - 4) / M;
		IN_ORDER((WHAT(word) - 4) % M == done[p]); /* order, once */
		done[p]++
	:: else
	fi;
	p = 0
}

/* ring_mend() with fill_hole(); got: something to take */
inline ring_mend(got) {
	w = slot[head % N];
	if
	:: LAP(w) == head / N + 1 -> got = true
	:: else ->
		if
		:: LAP(w) != head / N ->
			atomic {
				if
				:: slot[head % N] == w -> slot[head % N] = WORD(head / N, 0); NEWS
				:: else
				fi
			}
		:: else
		fi;
		seen = tail;
		if
		:: seen <= head && !thorough
		:: else ->
			filled = head + N - 1;
			do
			:: filled > head && !FILLED(filled) -> filled--
			:: else -> break
			od;
			t = head;
			do
			:: t < filled ->
				w = slot[t % N];
				if
				:: LAP(w) == t / N ->
					atomic {
						if
						:: slot[t % N] == w -> slot[t % N] = WORD(t / N + 1, VOID); NEWS
						:: else
						fi
					}
				:: else
				fi;
				t++
			:: else -> break
			od;
			atomic {
				filled = (filled > head -> filled + 1 : head);
				if
				:: tail == seen && seen != filled -> tail = filled; NEWS
				:: else
				fi
			}
		fi;
		got = FILLED(head)
	fi;
	d_step { w = 0; t = 0; seen = 0; filled = 0 }
}

/* coordinator_run(): serve(), stop(), and doze() as far as it concerns the ring */
proctype coordinator() {
	byte head, n, end, t, w, seen, filled, p;
	byte words[N];
	bool closed, got, thorough;
turn:	CALM(ME_COORDINATOR);
	n = 0;
	do /* commit_turn(): ring_take() */
	:: n < N && !(closed && head + n == end) ->
		w = slot[(head + n) % N];
		if
		:: LAP(w) == (head + n) / N + 1 -> words[n] = w; n++
		:: else -> break
		fi
	:: else -> break
	od;
	w = 0;
	if
	:: n > 0 ->
		d_step { /* commit() */
			t = 0;
			do
			:: t < n -> count(words[t]); words[t] = 0; t++
			:: else -> break
			od;
			head = head + n;
			committed = head;
			n = 0;
			t = 0;
			NEWS
		};
		goto turn
	:: else
	fi;
	if
	:: stopping -> /* stop() */
		if
		:: closed -> goto closes
		:: else
		fi;
		thorough = true;
		ring_mend(got);
		got = false;
close:		/* ring_close() */
		first_empty(head, t, seen);
#ifdef LEAVE
		/* the tempting mistake: nothing is queued, so leave, and close nothing */
		if
		:: t == head -> goto ended
		:: else -> goto turn
		fi;
#endif
		if
		:: t > head ->
			w = slot[(t - 1) % N];
			if
			:: LAP(w) == (t - 1) / N + 1 && IS_CLOSED(w) -> closed = true; end = t - 1; goto closes
			:: else
			fi
		:: else
		fi;
		if
		:: t == head + N -> goto closes /* -EAGAIN */
		:: else
		fi;
		w = slot[t % N];
		if
		:: LAP(w) != t / N -> goto closes /* after ROUNDS of this: -EAGAIN */
		:: else
		fi;
		atomic {
			if
			:: slot[t % N] == w -> slot[t % N] = WORD(t / N + 1, CLOSED); NEWS; closed = true; end = t
			:: else -> goto close
			fi
		};
closes:		skip;
		d_step { t = 0; w = 0; seen = 0 };
		if
		:: closed && head == end -> goto ended
		:: else
		fi;
		atomic { sure = sure || (lied && !AWAIT(ME_COORDINATOR)) };
#ifndef MEND_ONCE
		thorough = true;
		ring_mend(got);
		got = false;
#endif
		if /* serve() goes round for ever */
		:: AWAIT(ME_COORDINATOR) -> goto turn
		fi
	:: else -> /* doze() */
		/* thorough now and then; a rest that only a thorough look would end is none */
		if
		:: thorough = false
		:: thorough = true
		fi;
		ring_mend(got);
		if
		:: got -> got = false; goto turn
		:: else
		fi;
		atomic { sure = sure || (lied && thorough && !AWAIT(ME_COORDINATOR)) };
		if
		:: AWAIT(ME_COORDINATOR) -> goto turn
		:: stopping || !thorough -> goto turn
#ifndef STOP
		:: thorough && timeout -> assert(alive == 0); goto ended /* nobody waits */
#endif
		fi
	fi;
ended:	/* kept */
	gone = true;
	t = 0;
}

#if LIES > 0
proctype liar() {
	byte k, v, x, what;
	do
	:: k < LIES ->
		if
		:: k++; if :: gone -> break :: else fi;
			if
#ifdef TAIL_LIES
			:: atomic { select(v : 0 .. TOP); tail = v; NEWS; v = 0 }
#endif
#ifdef SLOT_LIES
			:: atomic {
					select(x : 0 .. (N - 1)); select(v : 0 .. (TOP / N)); select(what : 0 .. JUNK);
					slot[x] = WORD(v, what); NEWS; v = 0; x = 0; what = 0
				}
#endif
			fi
		:: break
		fi
	:: else -> break
	od;
	atomic { lied = true; alive--; NEWS }
}
#endif

#ifdef STOP
proctype stopper() { stopping = true }
#endif

init {
	byte p;
	atomic {
		do
		:: p < P -> run producer(p); alive++; p++
		:: else -> break
		od;
		run coordinator();
#if LIES > 0
		run liar();
		alive++;
#endif
#ifdef STOP
		run stopper();
#endif
		p = 0
	};
	/* kept: at the end all that was accepted is committed */
	(gone && alive == 0);
	do
	:: p < P -> assert(spoiled[p] || done[p] == sent[p]); p++
	:: else -> break
	od
}
