/*
 * health.c: how the coordinator does, told from the state and from who holds the locks.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proxy/bind.h"
#include "proxy/directory.h"
#include "src/cancel.h"
#include "src/cell.h"
#include "src/clock.h"
#include "src/ring.h"

#define LATE_NS INT64_C(2000000000) /* an idle beat comes twice a second */

/*
 * Who holds the lock of this byte; 0: nobody. The kernel's word, not a pid's. Who cannot open the lock, being of
 * another user or in another root, goes by his connection.
 */
static pid_t lock_holder(const struct stoa *s, off_t byte, const _Atomic int32_t *noted)
{
	CANCEL_LATER;
	char path[PATH_MAX + 8];
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
	/* Closing any descriptor of the lock would let go of what this process holds. */
	if (atomic_load(&s->space.state->life.guardian) == getpid())
		return atomic_load(noted);
	snprintf(path, sizeof(path), "%s/lock", s->dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return handle_lost(s) ? 0 : atomic_load(noted);
	int r = fcntl(fd, F_GETLK, &l);
	close(fd);
	return r == 0 && l.l_type != F_UNLCK ? (l.l_pid > 0 ? l.l_pid : -1) : 0;
}

/* Every ticket below `committed` was applied, rejected or abandoned; those up to the first empty slot are queued. */
static void read_totals(const struct stoa *s, struct stoa_health *h)
{
	const struct state_head *state = s->space.state;
	for (;;) {
		uint64_t tag, g = handle_committed(s);
		int k = cell_current(&state->totals_tags, g, &tag);
		struct totals t = k < 0 ? (struct totals){ 0 } : state->totals[k];
		if (k >= 0 ? !cell_still(&state->totals_tags, k, tag) : tag != 0)
			continue; /* overwritten meanwhile */
		h->applied = t.applied;
		h->rejected = t.rejected;
		h->abandoned = t.abandoned;
		h->folded = t.folded;
		h->pushed = ring_end(&s->space);
		h->queued = h->pushed - g;
		return;
	}
}

static void read_running(struct stoa *s, struct stoa_health *h, int64_t now)
{
	const struct pulse *p = &s->space.state->pulse;
	uint64_t running = atomic_load_explicit(&p->running, memory_order_acquire);
	uint32_t object = atomic_load(&p->object), row = atomic_load(&p->row);
	int64_t since = atomic_load(&p->since_ns);
	if (!running || running <= handle_committed(s) || object >= s->space.geometry.objects)
		return;
	const struct object_entry *e = space_object(&s->space, object);
	uint64_t body = atomic_load(&e->body);
	h->running_for = now > since ? now - since : 1;
	snprintf(h->object, sizeof(h->object), "%.*s", STOA_NAME_MAX, e->name);
	const struct class_view *view;
	pthread_mutex_lock(&s->mutex);
	if (body && body < s->space.geometry.state &&
	    view_get(s, ((const struct body *)space_state(&s->space, body))->class_id, &view) == 0 &&
	    view->described->methods)
		for (uint32_t i = 0; view->described->methods[i]; i++)
			if (i == row)
				snprintf(h->method, sizeof(h->method), "%s", view->described->methods[i]->name);
	pthread_mutex_unlock(&s->mutex);
}

static bool is_stopped(pid_t pid)
{
	CANCEL_LATER;
	char path[64], text[512] = "", state = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	const char *end = n > 0 ? strrchr(text, ')') : NULL;
	return end && sscanf(end, ") %c", &state) == 1 && (state == 'T' || state == 't');
}

/* A guardian ends a coordinator that is stopped, unless it is, too: then all waits for who lets them go on. */
static bool judge_stopped(struct stoa_health *h)
{
	bool late = !h->coordinator || h->running_for > LATE_NS || h->heartbeat_age > LATE_NS;
	bool guardian = late && is_stopped(h->guardian), coordinator = late && is_stopped(h->coordinator);
	if (!guardian && !coordinator)
		return false;
	char pids[32] = "";
	if (guardian)
		snprintf(pids, sizeof(pids), " %d", (int)h->guardian);
	if (coordinator)
		snprintf(pids + strlen(pids), sizeof(pids) - strlen(pids), " %d", (int)h->coordinator);
	h->verdict = STOA_SUSPECT;
	snprintf(h->text, sizeof(h->text), "suspect: stopped by a signal, no heartbeat for %.1f s; kill -CONT%s",
		 (double)h->heartbeat_age / 1e9, pids);
	return true;
}

static void judge(const struct stoa *s, bool remade, struct stoa_health *h)
{
	const struct life *life = &s->space.state->life;
	double age = (double)h->heartbeat_age / 1e9;
	if (!h->coordinator && !h->guardian) {
		h->verdict = STOA_GONE;
		snprintf(h->text, sizeof(h->text), "gone: nobody serves namespace %s%s", s->name,
			 remade	     ? " as it was; it was made anew"
			 : h->queued ? "; its queue waits for the next coordinator"
				     : "");
	} else if (judge_stopped(h)) {
		return;
	} else if (h->running_for > LATE_NS) {
		h->verdict = STOA_SUSPECT;
		snprintf(h->text, sizeof(h->text), "suspect: method %s of object %s has been running for %.1f s",
			 h->method, h->object, (double)h->running_for / 1e9);
	} else if (h->heartbeat_age > LATE_NS) {
		h->verdict = STOA_SUSPECT;
		snprintf(h->text, sizeof(h->text), "suspect: no heartbeat for %.1f s", age);
	} else if (!h->coordinator) {
		h->verdict = STOA_SUSPECT;
		snprintf(h->text, sizeof(h->text), "suspect: the coordinator is being restarted");
	} else {
		h->verdict = STOA_HEALTHY;
		snprintf(h->text, sizeof(h->text), "healthy: %s",
			 atomic_load(&life->phase) == LIFE_CLOSING ? "stopping"
			 : h->running_for			   ? "running a method"
								   : "waiting for commands");
	}
}

int stoa_health(struct stoa *s, struct stoa_health *ret)
{
	const struct state_head *state = s->space.state;
	struct stoa_health h = { 0 };
	struct found found;
	int64_t now = clock_now(), beat = atomic_load(&state->pulse.beat_ns);
	bool remade = handle_remade(s); /* then who holds the lock is none of ours */
	h.coordinator = remade ? 0 : lock_holder(s, 1, &state->life.coordinator);
	h.guardian = remade ? 0 : lock_holder(s, 0, &state->life.guardian);
	h.heartbeat_age = now > beat ? now - beat : 0;
	h.restarts = atomic_load(&state->life.restarts);
	h.started_ns = atomic_load(&state->life.started_ns);
	h.clients = atomic_load(&state->pulse.clients);
	h.threads = atomic_load(&state->pulse.threads);
	h.resident = atomic_load(&state->pulse.resident);
	h.resident_start = atomic_load(&state->pulse.resident_start);
	read_totals(s, &h);
	uint32_t n = atomic_load(&state->n_objects);
	for (uint32_t i = 0; i < n && i < s->space.geometry.objects; i++)
		h.objects += directory_read(s, i, handle_committed(s), &found);
	read_running(s, &h, now);
	judge(s, remade, &h);
	int r = remade ? 0 : handle_whole(s); /* else the queue is not what was counted */
	if (r == 0)
		*ret = h;
	return r;
}
