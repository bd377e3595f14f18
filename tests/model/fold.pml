/*
 * fold.pml: src/fold.h, proxy/fold.c, coordinator/fold.c; take_next, say_taken, take_folds and commit_turn of
 * coordinator/commit.c; command_sums, is_empty of command.c; the `folded` of a lane's row (lanes.c).
 *
 * F threads cast M times each (all but the first one L times); a cast joins the thread's newest record if it may (or not: other method, sums too large),
 * or has one of its own. One more thread sends K commands that do not fold. A slot is filled if nobody else was faster
 * (ring.pml is about that). The coordinator takes as many as it likes up to BATCH, ends a turn where it may, and dies at
 * most DEATHS times: behind a store to shared memory, as from there to the next nobody can tell when. A commit is one
 * step, for object and lane rows (commit.pml). What a cast adds stands in two words, a and b; of the object's state we
 * know what is whose.
 *
 * It joins if `run` is still what it was, and even, when the record's ticket was marked. ANY_RUN: if it is even and at
 * most 2 · ticket. ALWAYS: who does not fold raises `run` also where it is odd, which mends that, too.
 *
 * LATE: the coordinator begins when all is published. Left out unless named, to save states: WORDS (a and b are two
 * steps), SLOW (a turn that ends early), APART (casts of more than one method), FULL (a cast that could not be published
 * again).
 *
 * Checked, in each state that is committed, as any snapshot may be of it, and at the end (ghosts: begun[], returned[],
 * and one command of all, any, that is watched): whole: a and b are of the same casts; once: no more casts than were
 * begun, and in the end those that returned; fresh: a cast that has returned with a ticket is in what is committed from
 * there on, for which reads wait (flag.pml); order: who is in it, is not without what had returned before it began.
 */
#ifndef F
#define F 2
#endif
#ifndef M
#define M 2
#endif
#ifndef L
#define L M
#endif
#ifndef K
#define K 1
#endif
#ifndef BLOCK
#define BLOCK 2 /* FOLD_BLOCK */
#endif
#ifndef AHEAD
#define AHEAD 1
#endif
#ifndef BATCH
#define BATCH 2 /* BATCH_MAX */
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#define TICKETS (F * M + K)
#define PLAIN 255 /* in the ring: it does not fold */
#define NOBODY 255
#define GONE 254

typedef fold_args { byte chain; bit which; byte a[2]; byte b[2] };
fold_args record[F * M];
byte word[TICKETS], end, committed, taken, runs;
byte alive, deaths;
/* what is committed: the object, and what the lanes' rows say of the newest chain */
byte state_a[F], state_b[F], state_plain, row_chain[F], row_a[F], row_b[F];
/* ghosts */
byte begun[F], returned[F], returned_plain;
byte watched = NOBODY, number;  /* one command of all, any: whose, and which of these */
byte before[F], before_plain;   /* what had returned when it began */
byte due;                       /* the ticket that it returned with, plus one */

#define FOLDS(t) (word[t] != PLAIN)
#define BOUND(t) ((t) % BLOCK == 0)                             /* fold_bound() */
#define MAY_END(t) (BOUND(t) || !FOLDS((t) - 1) || !FOLDS(t)) /* fold_may_end() */

/* Nobody looks at it any more: fewer states */
inline forget(r) {
	record[r].chain = 0; record[r].which = 0;
	record[r].a[0] = 0; record[r].a[1] = 0; record[r].b[0] = 0; record[r].b[1] = 0
}

/* In atomic, when a command begins: watch it, or another one. */
inline note_moment(who, which_one) {
	if
	:: watched == NOBODY ->
		watched = who;
		number = which_one;
		q = 0;
		do
		:: q < F -> before[q] = returned[q]; q++
		:: else -> break
		od;
		before_plain = returned_plain;
		q = 0
	:: true
	fi
}

/* fold_raise() */
inline fold_raise(value) {
	do
	:: seen >= value -> break
	:: else ->
		atomic {
			if
			:: runs == seen -> runs = value; seen = value; break
			:: else -> seen = runs
			fi
		}
	od
}

#ifdef NO_BLOCK
#define NEW_RUN(t) (seen & 1)
#else
#define NEW_RUN(t) ((seen & 1) || seen < 2 * ((t) - (t) % BLOCK))
#endif

/* fold_mark(); seen: what it has left there, or seen */
inline mark_fold(t) {
	seen = runs;
	if
	:: NEW_RUN(t) -> fold_raise(2 * t)
	:: else
	fi
}
inline mark_plain(t) {
	seen = runs;
	if
#ifdef ALWAYS
	:: seen < 2 * t + 1 -> fold_raise(2 * t + 1)
#else
	:: !(seen & 1) -> fold_raise(2 * t + 1)
#endif
	:: else
	fi
}

/* fold_may_join() */
#ifdef NO_RUN
#define MAY_JOIN true
#elif defined(ANY_RUN)
#define MAY_JOIN (!(seen & 1) && seen <= 2 * f)
#else
#define MAY_JOIN (!(seen & 1) && seen == mark)
#endif

/* A cast begins with its first access to shared memory, and returns with its last: that promises most. */
inline begins() { begun[me]++; note_moment(me, returned[me]) }
/* It was refused. */
inline unwatch() {
	if
	:: watched == me && number == returned[me] ->
		watched = GONE; number = 0; before_plain = 0;
		do
		:: q < F -> before[q] = 0; q++
		:: else -> break
		od;
		q = 0
	:: else
	fi
}
inline ends() {
	assert(committed <= f || state_a[me] > returned[me]); /* fresh */
	if
	:: watched == me && number == returned[me] -> due = f + 1
	:: else
	fi;
	returned[me]++;
	i++;
	carry = false
}

inline published() {
	f = t;
#ifndef ANY_RUN
	mark = seen;
#endif
	open = true;
	t = 0;
	seen = 0;
	ends()
}

#define CASTS (me == 0 -> M : L)
#if L == M
#define BEGUN (me == 0 || begun[0]) /* they are alike */
#else
#define BEGUN true
#endif

/* fold_cast() */
proctype caster(byte me) {
	byte i, rec, seq, f, chain, sum, t, seen, mark, q;
	bit which;
	bool open, fresh, carry, too_late;
next:	atomic {
		if
		:: i == CASTS -> goto out
		:: i < CASTS && open -> /* may_join() */
			begins();
			if
			:: taken > f -> goto publish
			:: else
			fi
#ifdef APART
		:: i < CASTS && open -> fresh = true; goto publish
#endif
		:: i < CASTS && !open && BEGUN -> fresh = true; goto publish
		fi
	};
	atomic {
		seen = runs;
		if
		:: MAY_JOIN -> seen = 0
		:: else -> seen = 0; goto publish
		fi
	};
#ifdef NO_FENCE
	too_late = taken > f;
#endif
	d_step { /* add() */
#ifndef ONE_PLACE
		which = 1 - which;
#endif
		sum++;
		record[rec].a[which] = sum
	};
#ifdef WORDS
	record[rec].b[which] = sum;
#endif
#ifndef ONE_PLACE
	record[rec].which = which;
#endif
	atomic { /* is_taken() */
#if !defined(LOOK_FIRST) && !defined(NO_FENCE)
		too_late = taken > f;
#endif
		if
		:: too_late -> too_late = false; carry = true
		:: else -> ends(); goto next
		fi
	};
publish: atomic {
		if
#ifdef FULL
		:: carry -> /* no room: settle() */
			committed > f;
			open = false;
			if
			:: row_chain[me] == chain && row_a[me] == sum -> ends(); goto next
			:: else -> begun[me]--; unwatch(); i++; carry = false; goto next /* refused: it is never applied */
			fi
#endif
		:: true
		fi;
		if
		:: seq && committed > f -> forget(rec)
		:: else
		fi;
		rec = me * M + seq; /* fill() */
		chain = (carry -> chain : seq + 1);
		sum = (carry -> sum : 1);
		which = 0;
		f = 0;
		mark = 0;
		open = false;
		record[rec].chain = chain;
		record[rec].a[0] = sum;
#ifdef WORDS
		record[rec].b[0] = sum;
#endif
		seq++
	};
	do /* ring_publish() */
	:: atomic {
			t = end;
			if
			:: fresh -> fresh = false; begins()
			:: else
			fi
		};
#ifndef RAISE_BEHIND
		mark_fold(t);
#endif
		atomic {
			if
#ifndef RAISE_BEHIND
			:: end == t -> word[t] = rec; end++; published(); goto next
#else
			:: end == t -> word[t] = rec; end++; break
#endif
			:: else -> seen = 0
			fi
		}
	od;
#ifdef RAISE_BEHIND
	mark_fold(t);
	atomic { published(); goto next };
#endif
out:	atomic { alive--; i = 0; rec = 0; seq = 0; f = 0; chain = 0; sum = 0; mark = 0; which = 0; open = 0 }
}

inline published_plain() { returned_plain++; i++; t = 0; seen = 0; fresh = true }

proctype other() {
	byte i, t, told, seen, q;
	bool fresh = true;
next:	if
	:: i == K -> goto out
	:: else
	fi;
	do /* ring_publish() */
	:: atomic {
			t = end;
			if
			:: fresh -> fresh = false; note_moment(F, i)
			:: else
			fi
		};
#ifndef RAISE_BEHIND
		if
		:: told = t
		:: told = t + AHEAD - 1 /* the tempting mistake: break what follows, too, and take any of these tickets */
		fi;
		mark_plain(told);
#endif
		atomic {
			if
#ifndef RAISE_BEHIND
			:: end >= t && end <= told -> word[end] = PLAIN; end++; published_plain(); goto next
#else
			:: end == t -> word[t] = PLAIN; end++; break
#endif
			:: else -> seen = 0
			fi
		}
	od;
#ifdef RAISE_BEHIND
	mark_plain(t);
	atomic { published_plain(); goto next };
#endif
out:	atomic { alive--; i = 0 }
}

/* In d_step: is what is committed now as it must be? What has been looked at is forgotten: states only grow. */
inline check() {
	p = 0;
	i = watched < F && state_a[watched] > number || watched == F && state_plain > number;
	assert(i || !due || due > committed); /* fresh */
	do
	:: p < F ->
#ifdef WORDS
		assert(state_a[p] == state_b[p]); /* whole */
#endif
		assert(state_a[p] <= begun[p]);   /* once */
		assert(!i || state_a[p] >= before[p]); /* order */
		before[p] = (i -> 0 : before[p]);
		p++
	:: else -> break
	od;
	assert(!i || state_plain >= before_plain);
	if
	:: i -> watched = GONE; number = 0; before_plain = 0; due = 0
	:: else
	fi;
	p = 0; i = 0
}

#ifdef LATE
#define STARTS (alive == 0)
#else
#define STARTS true
#endif

/* batch_limit() */
#define LIMIT (deaths -> 1 : BATCH)

#define DIE if :: deaths < DEATHS -> deaths++; goto recover :: true fi

inline say_taken(upto) {
	taken = upto;
	DIE
}

/* The end of fold_take(), and the method; or a method that does not fold */
inline apply() {
	a[p] = a[p] + v - sum_a[p];
	sum_a[p] = v;
#ifdef WORDS
	b[p] = b[p] + u - sum_b[p];
	sum_b[p] = u;
#endif
	skip
}

proctype coordinator() {
	byte head, n, said, ran, w, p, i, v, u;
	bit which;
	byte a[F], b[F], plain, chain[F], sum_a[F], sum_b[F]; /* the mirrors */
recover:
	skip;
	d_step {
		head = committed;
		p = 0;
		do
		:: p < F ->
			a[p] = state_a[p]; b[p] = state_b[p];
			chain[p] = row_chain[p]; sum_a[p] = row_a[p]; sum_b[p] = row_b[p];
			p++
		:: else -> break
		od;
		plain = state_plain; p = 0; n = 0; said = 0; ran = 0
	};
	do
	:: atomic { /* commit_turn(): take_next(); the ring only grows, so the last look counts */
			STARTS && head < end;
			n = (end - head < LIMIT -> end - head : LIMIT)
		};
#ifndef COPY_FIRST
		say_taken(head + n);
#endif
#ifndef NO_RESCAN
		do /* take_folds() */
		:: atomic {
				said = n;
				do
				:: head + n < end && !MAY_END(head + n) -> n++
				:: else -> break
				od;
				if
				:: n == said -> said = 0; break
				:: else
				fi
			};
#if !defined(SAY_ONCE) && !defined(COPY_FIRST)
			say_taken(head + n);
#endif
		od;
#endif
		do
		:: atomic { ran < n -> /* command_run() */
				w = word[head + ran];
				ran++;
				if
				:: w == PLAIN -> plain++; goto ran_it
				:: else /* command_sums(), fold_take() */
				fi;
				p = w / M;
				if
				:: chain[p] != record[w].chain -> chain[p] = record[w].chain; sum_a[p] = 0; sum_b[p] = 0
				:: else
				fi;
				which = record[w].which
			};
#ifdef WORDS
			v = record[w].a[which];
			d_step { u = record[w].b[which]; apply(); p = 0; v = 0; u = 0; which = 0 };
#else
			d_step { v = record[w].a[which]; apply(); p = 0; v = 0; which = 0 };
#endif
ran_it:			w = 0
#ifdef END_INSIDE
		:: ran > 0 -> break
#else
		:: ran == n -> break
#ifdef SLOW
		:: ran > 0 && ran < n && MAY_END(head + ran) -> break /* TURN_NS */
#endif
#endif
		od;
#ifdef COPY_FIRST
		say_taken(head + n);
#endif
		skip;
		d_step { /* commit() */
			p = 0;
			do
			:: p < F ->
				state_a[p] = a[p]; state_b[p] = b[p];
#ifndef NO_ROW
				row_chain[p] = chain[p]; row_a[p] = sum_a[p]; row_b[p] = sum_b[p];
#endif
				p++
			:: else -> break
			od;
			state_plain = plain;
			do
			:: ran > 0 ->
				ran--;
				if
				:: FOLDS(head) -> forget(word[head])
				:: else
				fi;
				word[head] = 0;
				head++
			:: else -> break
			od;
			committed = head;
			check();
			n = 0; said = 0; w = 0
		}
	:: alive == 0 && head == end -> break
	od
}

init {
	byte k;
	atomic {
		do
		:: k < F -> run caster(k); alive++; k++
		:: else -> break
		od;
		run other();
		alive++;
		run coordinator();
		k = 0
	};
	(alive == 0 && committed == end);
	d_step {
		do
		:: k < F -> assert(state_a[k] == returned[k]); k++ /* once */
		:: else -> break
		od;
		assert(state_plain == K)
	}
}
