/*
 * route.pml: life.changes (src/layout.h), by which a thread knows whether what it has looked up for its casts still
 * holds: proxy/route.h, route.c, and the end of stoa_cast() in proxy/send.c. One thread casts, a coordinator removes the
 * object, and may die before it could say so; a new epoch begins, and decides which lanes it keeps.
 *
 * Checked: a cast that returns 0 without waiting is taken (its command is in the ring when the lanes are decided on); one
 * that begins when the removal has returned is refused.
 */
#ifndef M
#define M 3 /* casts */
#endif

byte epoch, changes;
bool dead, removed;	 /* the object; its removal has returned */
bool queued;		 /* there are commands of the thread's lane of epoch 0 in the ring */
bool decided, kept;	 /* … and the new epoch has looked for them */
byte restarted;

proctype caster() {
	byte n, seen, lane;
	bool found, late, ends;
	do
	:: n < M ->
		n++;
		late = removed;
		if /* route_get() */
		:: found && seen == changes
		:: else -> /* cast_any() */
#ifndef LOOK_LATE
			seen = changes;
#endif
			if /* send_target() */
			:: dead -> goto refused
			:: else
			fi;
			lane = epoch; /* lane_get() */
#ifdef LOOK_LATE
			seen = changes;
#endif
			found = true
		fi;
		assert(!late);
		ends = false;
		if /* ring_try() */
		:: lane == 0 -> atomic { ends = (decided && !kept); queued = true } /* then nobody takes it */
		:: else
		fi;
		if
#ifndef NO_LOOK
		:: seen != changes -> /* see_taken() */
			if
			:: epoch != lane -> ends = false /* await_taken() tells how it went */
			:: else
			fi
#endif
		:: else
		fi;
		assert(!ends)
	:: else -> break
	od;
refused: skip
}

proctype coordinator() {
#ifdef TELL_FIRST
	changes++; /* objects_remove() */
	dead = true;
#else
	dead = true;
	if
	:: true -> changes++
#ifndef NO_RESTART
	:: restarted == 0 -> restarted = 1; changes++ /* it dies: coordinator_recover(), and the removal again */
#else
	:: restarted == 0 -> restarted = 1
#endif
	fi;
#endif
	removed = true
}

proctype guardian() {
#ifdef TELL_FIRST
	changes++;
	epoch = 1;
#else
	epoch = 1; /* start_life() */
#ifdef DECIDE_FIRST
	atomic { decided = true; kept = queued }
#endif
	changes++;
#endif
#ifndef DECIDE_FIRST
	atomic { decided = true; kept = queued }
#endif
}

init {
	atomic {
		run caster();
		run coordinator();
		run guardian()
	}
}
