/*
 * commit.pml: src/cell.h, coordinator/commit.c with command.c, lanes.c and objects.c (cells, recovery), and the
 * snapshots of proxy/moment.c. One step is one access to shared memory; the coordinator dies at most DEATHS times,
 * anywhere, and the next one recovers.
 *
 * A client writes M records into its lane and publishes each (ring.pml is about how); every command adds 1 to x, and adds
 * 3 to y or not, or is rejected, newly decided when it is done again. Record CREATE, if there is one, makes an object
 * instead. A forger publishes descriptors of any record of that lane, FORGED times. Parts x and y, the lane's row and the
 * totals are pairs of cells; x and y have two words each, so that a torn copy shows.
 *
 * Checked, at the moment `committed` is stored (ghosts: as_x[], as_y[], …) and after: a snapshot shows x and y of one
 * committed moment; a recovered coordinator knows x, y, the lane's seq and the totals as they were committed; each record
 * is applied once, or by a forged descriptor early and then not again, or lost where that came before it; the answer that a caller takes is that of the
 * committed run; an object is visible exactly from the commit of its creation.
 */
#ifndef M
#define M 2
#endif
#ifndef FORGED
#define FORGED 0
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef READS
#define READS 1
#endif
#ifndef CREATE
#define CREATE M /* none */
#endif
#define TICKETS (M + FORGED)
#define NONE 255
#define REJECTED 200

typedef pair { byte tag[2]; byte a[2]; byte b[2] };
#define X 0
#define Y 1
#define LANE 2
#define TOTALS 3
pair cells[4];

byte word[TICKETS + 1], end = 1, committed = 1; /* the ring: which record; tickets begin with 1, 0 is what was before */
byte written;                       /* records whose seq is set */
byte reply_done[M], reply[M];
byte born;                          /* of the object that CREATE makes */
byte deaths, alive;
/* ghosts */
byte as_x[TICKETS + 2], as_y[TICKETS + 2], as_seq[TICKETS + 2], as_applied[TICKETS + 2];
bool as_made[TICKETS + 2];
byte times[M], answers[TICKETS + 1];

#ifdef REPLAY
#define NEXT(record) ((record) < written)
#else
#define NEXT(record) ((record) < written && (record) >= seq) /* command_head(): what comes between was lost */
#endif

/* cell_current() */
inline current(p, g, k, tag) {
	t0 = cells[p].tag[0];
	t1 = cells[p].tag[1];
	if
	:: t0 && t0 <= g && (!(t1 && t1 <= g) || t0 > t1) -> k = 0; tag = t0
	:: else ->
		tag = t1;
		k = (t1 && t1 <= g -> 1 : NONE)
	fi;
	t0 = 0;
	t1 = 0
}

#if DEATHS > 0
#define DIE if :: deaths < DEATHS -> deaths++; goto recover :: true fi
#else
#define DIE skip
#endif

/* cell_recover() and what its caller loads */
inline cell_recover(p, now, value) {
#ifndef NO_BLANK
	if
	:: cells[p].tag[0] > head -> cells[p].tag[0] = 0
	:: else
	fi;
	if
	:: cells[p].tag[1] > head -> cells[p].tag[1] = 0
	:: else
	fi;
#endif
	d_step {
		current(p, head, k, tag);
		if
		:: k == NONE -> now = (p < LANE -> 1 : 0); value = 0
		:: else -> now = k; assert(cells[p].a[k] == cells[p].b[k]); value = cells[p].a[k]
		fi;
		k = 0;
		tag = 0
	}
}

/* cell_begin(), then the bytes */
inline cell_write(p, now, to, value) {
#ifdef TAG_LAST
	cells[p].a[1 - now] = value;
	cells[p].b[1 - now] = value;
	cells[p].tag[1 - now] = to;
#else
	cells[p].tag[1 - now] = to; /* cell_begin() */
	cells[p].a[1 - now] = value;
	DIE;
	cells[p].b[1 - now] = value;
#endif
	DIE
}

proctype client() {
	byte i, t;
	do
	:: i == M -> break
	:: i < M ->
		written++; /* send_publish(): seq */
		atomic { word[end] = i; t = end; end++ };
		if
		:: committed > t -> /* await_take() */
			if
			:: reply_done[i] == t + 1 -> assert(reply[i] == answers[t])
			:: else -> assert(FORGED) /* -EBADMSG: run early, by a forged descriptor */
			fi
		:: true /* a cast, or nobody waits any more */
		fi;
		i++
	od;
	atomic { alive--; t = 0; i = 0 }
}

#if FORGED > 0
proctype forger() {
	byte n, r;
	do
	:: n < FORGED ->
		atomic { select(r : 0 .. (M - 1)); word[end] = r; end++; n++; r = 0 }
	:: break
	od;
	atomic { alive--; n = 0 }
}
#endif

proctype coordinator() {
	byte head, n, done, w, t0, t1, k, tag;
	byte x, y, seq, applied;           /* the mirrors */
	byte at_x, at_y, at_seq, at_total; /* which cell is current */
	bool dirty_x, dirty_y, touched, last, made;
	byte ran[TICKETS + 1]; /* ghost: the record applied by each command of this turn */

recover: /* recover() */
	skip;
	d_step {
		head = committed; n = 0; done = 0; w = 0; dirty_x = 0; dirty_y = 0; touched = 0; last = 0; made = 0;
		t0 = 0; do :: t0 <= TICKETS -> ran[t0] = 0; t0++ :: else -> break od; t0 = 0
	};
	cell_recover(X, at_x, x);
	DIE;
	cell_recover(Y, at_y, y);
	cell_recover(LANE, at_seq, seq);
	DIE;
	cell_recover(TOTALS, at_total, applied);
#ifndef NO_UNBORN
	if
	:: born > head -> born = 0 /* objects_load() */
	:: else
	fi;
#endif
	assert(x == as_x[head] && y == as_y[head] && seq == as_seq[head] && applied == as_applied[head]);
	do
	:: head < end -> /* commit_turn() */
		n = head;
		do
		:: n < end && n - head < 2 && !last -> /* command_run(): the command of ticket n */
			w = word[n];
			if
			:: !NEXT(w) /* reject_word(): no new one */
			:: NEXT(w) && w == CREATE && n > head -> break /* COMMAND_ALONE */
			:: NEXT(w) && !(w == CREATE && n > head) ->
				seq = w + 1;
				touched = true;
				if
				:: w == CREATE -> made = true; ran[n] = w + 1; applied++; reply[w] = x;
					born = n + 1 /* objects_create() */
				:: w != CREATE -> x++; dirty_x = true; ran[n] = w + 1; applied++; reply[w] = x + y
				:: w != CREATE -> x++; y = y + 3; dirty_x = true; dirty_y = true; ran[n] = w + 1; applied++;
					reply[w] = x + y
				:: reply[w] = REJECTED
				fi;
				last = (w == CREATE); /* COMMAND_LAST */
				reply_done[w] = n + 1
			fi;
			n++;
			DIE
		:: n > head -> break
		od;
		done = n - head;
		/* commit(): write_all() */
		if
		:: dirty_x -> cell_write(X, at_x, n, x)
		:: else
		fi;
		if
		:: dirty_y -> cell_write(Y, at_y, n, y)
		:: else
		fi;
		if
		:: touched -> cell_write(LANE, at_seq, n, seq)
		:: else
		fi;
		cell_write(TOTALS, at_total, n, applied);
		atomic { /* the commit, with the ghosts */
			t0 = head;
			do
			:: t0 < n ->
				as_made[t0 + 1] = as_made[head];
				answers[t0] = (word[t0] < M -> reply[word[t0]] : 0);
				if
				:: ran[t0] -> times[ran[t0] - 1]++; assert(times[ran[t0] - 1] == 1)
				:: else
				fi;
				ran[t0] = 0;
				t0++
			:: else -> break
			od;
			t0 = 0;
			as_x[n] = x; as_y[n] = y; as_seq[n] = seq; as_applied[n] = applied; as_made[n] = as_made[head] || made;
			committed = n
		};
		DIE;
		d_step { /* settle_all() */
			at_x = (dirty_x -> 1 - at_x : at_x);
			at_y = (dirty_y -> 1 - at_y : at_y);
			at_seq = (touched -> 1 - at_seq : at_seq);
			at_total = 1 - at_total;
			head = n;
			n = 0; done = 0; w = 0; dirty_x = 0; dirty_y = 0; touched = 0; last = 0; made = 0
		}
	:: alive == 0 && head == end -> break
	od
}

/* moment_take(): rounds of copy_part() with kept copies */
inline copy_part(p, copied, value, ok) {
	current(p, g, k, tag);
	if
	:: k == NONE -> ok = false
	:: k != NONE && copied == tag ->
#ifdef KEEP_BLINDLY
		skip
#else
		ok = ok && cells[p].tag[k] == tag; /* cell_still() */
		if
		:: cells[p].tag[k] != tag -> copied = 0
		:: else
		fi
#endif
	:: else ->
		copied = 0;
		value = cells[p].a[k];
		v = cells[p].b[k];
		if
#ifdef NO_STILL
		:: true -> copied = tag
#else
		:: cells[p].tag[k] == tag -> copied = tag; assert(v == value)
		:: else -> ok = false
#endif
		fi;
		v = 0
	fi;
	k = 0;
	tag = 0
}

proctype reader() {
	byte g, x, y, tag_x, tag_y, t0, t1, k, tag, v, i;
	bool ok;
	do
	:: i < READS ->
		g = committed; /* moment_round() */
		ok = true;
		copy_part(X, tag_x, x, ok);
		copy_part(Y, tag_y, y, ok);
		if
		:: ok -> assert(x == as_x[g] && y == as_y[g]); atomic { i++; tag_x = 0; tag_y = 0; x = 0; y = 0; ok = 0 }
		:: !ok && alive == 0 && committed == end -> break
		:: else
		fi
	:: i == READS -> break
	od
#if CREATE < M
	;
	g = committed; /* entry_read() */
	v = born;
	assert((v && v <= g) == as_made[g])
#endif
}

init {
	byte p;
	atomic {
		do /* x and y are there from the start */
		:: p < 2 -> cells[p].tag[0] = 1; p++
		:: else -> break
		od;
		p = 0;
		alive++;
		run client();
#if FORGED > 0
		alive++;
		run forger();
#endif
		run coordinator();
		run reader()
	}
}
