/*
 * park.pml: src/park.h and all who sleep by it; no timeout is modelled unless it is named (BEAT, LOOK).
 *
 * Parts, one by -D…:
 *   AWAIT   two clients in handle_await() on one word (of a lane or an object), needing commit 1 and 2, against commit()
 *           and wake_touched(); with READER one of them is read-only and announces by handle_announce(), on_announce()
 *   BELL    handle_ring() of two publishers, who may die between any two steps, against doze() with its eventfd
 *   EVENT   stoa_next() and arm() with the watchers' bitmap and the lane's eventfd, against wake_touched(),
 *           wake_watchers(), commit_wake_lane(): one thread that watches object 0 and waits for an answer, one that
 *           watches object 1
 *   CANCEL  await_cancel() against commit_turn(), with store buffers as of x86 (a store is seen by others later); the
 *           coordinator may die once
 *   ROOM    send_publish() with wait_for_room() against commit(): a ring of one slot
 *
 * Checked: nobody sleeps while what it waits for is true (no invalid end state), and for CANCEL: ECANCELED means that
 * the command is never applied.
 */
#define FUTEX 1 /* PARK_FUTEX */
#define EVENT_BIT 2 /* PARK_EVENT */
#ifdef NO_EPOCH
#define EPOCH 0
#else
#define EPOCH 4
#endif

/* park_wake(): bits gets what was set; wake ends all sleeps on the word (futex: asleep[] of that word) */
inline park_wake(word, bits) {
	bits = word & 3;
	if
	:: bits ->
		atomic { /* the CAS: bits may have been added since */
			bits = word & 3;
			word = (word & 252) + EPOCH
		}
	:: else
	fi
}

#ifdef AWAIT
byte word, committed;
bool asleep[2], said;

proctype waiter(byte me; byte need; bool read_only) {
	byte value;
	do /* handle_await() */
	:: committed >= need -> break
	:: else ->
		if /* handle_announce() */
		:: !read_only ->
			atomic {
				word = word | FUTEX; /* park_announce() */
				value = word
			}
		:: read_only ->
			value = word;
			if
			:: !(value & FUTEX) -> said = true /* connection_say() */
			:: else
			fi
		fi;
#ifndef NO_LOOK
		if
		:: committed >= need -> break
		:: else
		fi;
#endif
		atomic { /* handle_sleep(): futex wait */
			if
			:: word == value -> asleep[me] = true
			:: else
			fi
		};
		!asleep[me]
	od
}

proctype coordinator() {
	byte bits;
	do
	:: committed < 2 ->
		committed++; /* commit() and its fence */
		park_wake(word, bits); /* wake_touched() */
		if
		:: bits & FUTEX -> atomic { asleep[0] = false; asleep[1] = false; bits = 0 }
		:: else
		fi
	:: said ->
		said = false; /* on_announce() */
		word = word | FUTEX;
#ifndef SET_ONLY
		atomic { asleep[0] = false; asleep[1] = false }
#endif
	:: committed == 2 && !said ->
		if
		:: timeout -> break
		:: said
		fi
	od
}

init {
	atomic {
		run waiter(0, 1, false);
#ifdef READER
		run waiter(1, 2, true);
#else
		run waiter(1, 2, false);
#endif
		run coordinator()
	}
}
#endif

#ifdef BELL
byte ring, taken, alive;
bool asleep, doorbell, eventfd; /* asleep: LIFE_ASLEEP of life.changes */

proctype publisher() {
	ring++; /* ring_publish() */
#ifdef DEATH
	if
	:: goto dead
	:: true
	fi;
#endif
	if
	:: !asleep -> goto rung /* route_is_quiet() */
	:: true
	fi;
	if /* handle_ring() */
	:: doorbell ->
		atomic {
			if
			:: doorbell -> doorbell = false
			:: else -> goto rung
			fi
		};
#ifdef DEATH
		if
		:: goto dead
		:: true
		fi;
#endif
		eventfd = true
	:: else
	fi;
rung:	skip;
#ifdef WAITS
	/* handle_await(): a caller rings before it sleeps, and again every SLEEP_NS */
	do
	:: taken == ring -> break
	:: taken != ring && doorbell ->
		atomic {
			if
			:: doorbell -> doorbell = false
			:: else -> goto again
			fi
		};
		eventfd = true;
again:		skip
	od;
#endif
dead:	alive--
}

proctype coordinator() {
	do
	:: taken < ring -> taken = ring /* commit_turn() */
	:: else -> /* doze() */
#ifdef LOOK_FIRST
		if
		:: taken < ring -> goto awake
		:: else
		fi;
		doorbell = true;
		asleep = true;
#else
		doorbell = true;
#ifndef SAY_LATE
		asleep = true;
#endif
		if
		:: taken < ring -> goto up
		:: else
		fi;
#ifdef SAY_LATE
		asleep = true;
#endif
#endif
		if /* client_poll() */
		:: eventfd -> eventfd = false
#ifdef BEAT
		:: timeout && taken < ring /* IDLE_BEAT_MS */
#endif
		:: timeout && taken == ring && alive == 0 -> break
		fi;
up:		asleep = false;
		doorbell = false;
awake:		skip
	od
}

init {
	atomic {
		alive = 2;
		run publisher();
		run publisher();
		run coordinator()
	}
}
#endif

#ifdef EVENT
byte lane[2], object[2]; /* their park words */
byte version[2];         /* what each watches */
#ifndef CHANGES
#define CHANGES 2
#endif
bool answer;             /* lane 0's */
bool watcher[2], eventfd[2];

proctype loop(byte me) {
	byte seen;
	bool answered = (me == 1);
	do
	:: seen == version[me] && (answered || !answer) -> /* stoa_next(): look() has found nothing */
#ifndef DRAIN_LATE
		eventfd[me] = false; /* arm() */
#endif
		watcher[me] = true;
		lane[me] = lane[me] | EVENT_BIT;
		object[me] = object[me] | EVENT_BIT;
#ifndef NO_LOOK
		if /* look() once more */
		:: seen != version[me] -> seen = version[me]; goto next
		:: else
		fi;
		if
		:: !answered && answer -> answered = true; goto next
		:: else
		fi;
#endif
#ifdef DRAIN_LATE
		eventfd[me] = false;
#endif
		if /* the program's epoll_wait() */
		:: eventfd[me]
		:: timeout -> break
		fi;
next:		skip
	:: seen != version[me] -> seen = version[me]
	:: !answered && answer -> answered = true
	od;
	assert(seen == version[me] && (answered || !answer))
}

/* commit_wake_lane() */
inline wake_lane(i) {
	park_wake(lane[i], b);
	if
	:: b & EVENT_BIT -> eventfd[i] = true
	:: else
	fi;
	b = 0
}

/* wake_touched(), wake_watchers() */
inline touch(o) {
	park_wake(object[o], bits);
	if
	:: bits & EVENT_BIT ->
		if
		:: watcher[0] -> wake_lane(0)
		:: else
		fi;
		if
		:: watcher[1] -> wake_lane(1)
		:: else
		fi
	:: else
	fi;
	bits = 0
}

proctype coordinator() {
	byte bits, b, n;
	do
	:: n < CHANGES ->
		if
		:: version[0]++; touch(0)
		:: version[1]++; touch(1)
		:: !answer -> answer = true; wake_lane(0)
		:: atomic { version[0]++; answer = true }; touch(0); wake_lane(0)
		fi;
		n++
	:: true -> break
	od
}

init {
	atomic {
		run loop(0);
		run loop(1);
		run coordinator()
	}
}
#endif

#ifdef CANCEL
/*
 * Of two commands, the second (ticket 1) is cancelled. Both are taken in one batch; the coordinator may die once, and
 * the next one takes them one by one, so that `taken` goes back. Without the fences a load may overtake the store before
 * it: both orders are tried.
 */
byte taken;
bool cancel, applied, refused, crashed;

/* await_cancel(): too late? */
inline late() {
	if
	:: atomic { taken <= 1 -> refused = true }
	:: taken > 1
	fi
}

proctype client() {
#ifdef NO_FENCE
	if
	:: late(); cancel = true
	:: cancel = true; late()
	fi
#else
	cancel = true;
	late()
#endif
}

/* commit_turn(): say `taken`, then command_run()'s copy */
inline take(t) {
#ifdef NO_FENCE
	if
	:: taken = t; mark = cancel
	:: mark = cancel; taken = t
	fi
#else
#ifdef COPY_FIRST
	mark = cancel;
	taken = t
#else
	taken = t;
	mark = cancel
#endif
#endif
}

proctype coordinator() {
	bool mark;
	take(2);
	if
	:: true
	:: crashed = true /* before `committed` is stored: nothing was applied */
	fi;
	if
	:: crashed ->
		taken = 1; /* batch_limit() */
		take(2)
	:: else
	fi;
	applied = !mark; /* command_run(), commit() */
}

init {
	atomic { run client(); run coordinator() };
	(_nr_pr == 1);
	assert(!(refused && applied))
}
#endif

#ifdef ROOM
byte word, committed, tail, alive; /* a ring of one slot: room is tail == committed */
bool asleep[2];

proctype publisher(byte me) {
	byte before, value;
	do
#ifndef BEFORE_LATE
	:: before = committed; /* send_publish() */
#else
	:: true ->
#endif
		atomic { /* ring_publish() */
			if
			:: tail == committed -> tail++; break
			:: else /* -EAGAIN */
			fi
		};
#ifdef BEFORE_LATE
		before = committed; /* the tempting mistake: in wait_for_room() */
#endif
		if
		:: committed != before -> goto again
		:: else
		fi;
		atomic { word = word | FUTEX; value = word };
		if
		:: committed == before ->
			atomic {
				if
				:: word == value -> asleep[me] = true
				:: else
				fi
			};
			if
			:: !asleep[me]
#ifdef LOOK
			:: timeout -> asleep[me] = false /* SLEEP_NS */
#endif
			fi
		:: else
		fi;
again:		atomic { before = 0; value = 0 }
	od;
	alive--
}

proctype coordinator() {
	byte bits;
	do
	:: committed < tail ->
		committed = tail;
		park_wake(word, bits);
		if
		:: bits & FUTEX -> atomic { asleep[0] = false; asleep[1] = false; bits = 0 }
		:: else
		fi
	:: committed == tail && alive == 0 -> break
	od
}

init {
	atomic {
		alive = 2;
		run publisher(0);
		run publisher(1);
		run coordinator()
	}
}
#endif
