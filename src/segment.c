/*
 * segment.c: the files of a namespace made, checked, reserved and mapped, and the guard of what others can truncate.
 *
 * Lifetime of the guard's table: an entry belongs to who made its sequence number odd, and counts while that is even
 * and `at` is set. The SIGBUS handler only reads it: the entry of the mapping that a thread faults in cannot change
 * meanwhile, and any other that does is passed over.
 */
#include "src/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/error.h"

/* ---- files ------------------------------------------------------------------------------------------------- */

static const char *room_hint(int code)
{
	return code == -ENOSPC ? "; make room in /dev/shm (or STOA_DIR), or enlarge it" : "";
}

static int write_head(int fd, enum segment_kind kind, uint64_t limit, uint64_t namespace_id)
{
	struct segment_head head = {
		.magic = LAYOUT_MAGIC,
		.major = LAYOUT_MAJOR,
		.minor = LAYOUT_MINOR,
		.kind = kind,
		.limit = limit,
		.namespace_id = namespace_id,
	};
	ssize_t n = pwrite(fd, &head, sizeof(head), 0);
	return n == sizeof(head) ? 0 : n < 0 ? -errno : -EIO;
}

/* Past RLIMIT_FSIZE, ftruncate would kill the process by SIGXFSZ. */
int segment_set_size(int fd, uint64_t limit)
{
	struct rlimit most;
	if (getrlimit(RLIMIT_FSIZE, &most) == 0 && most.rlim_cur != RLIM_INFINITY && limit > most.rlim_cur)
		return -EFBIG;
	return ftruncate(fd, (off_t)limit) < 0 ? -errno : 0;
}

static int fill(int fd, enum segment_kind kind, uint64_t limit, uint64_t namespace_id)
{
	int r = fchmod(fd, 0600) < 0 ? -errno : 0; /* the umask may have taken bits */
	r = r ? r : segment_set_size(fd, limit);
	r = r ? r : segment_reserve(fd, 0, LAYOUT_PAGE);
	return r ? r : write_head(fd, kind, limit, namespace_id);
}

int segment_create(int dir_fd, const char *file, enum segment_kind kind, uint64_t limit, uint64_t namespace_id)
{
	int fd = openat(dir_fd, file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(-errno, "cannot make the file \"%s\": %s%s", file, strerror(errno), room_hint(-errno));
	int r = fill(fd, kind, limit, namespace_id);
	if (r == 0)
		return fd;
	close(fd);
	unlinkat(dir_fd, file, 0);
	return error_set(r, "cannot make the file \"%s\" of %ju bytes: %s%s", file, (uintmax_t)limit, strerror(-r),
			 room_hint(r));
}

int segment_reserve(int fd, uint64_t at, uint64_t size)
{
	int r;
	do
		r = posix_fallocate(fd, (off_t)at, (off_t)size);
	while (r == EINTR);
	if (r == 0)
		return 0;
	return error_set(-r, "cannot reserve %ju bytes of shared memory: %s%s", (uintmax_t)size, strerror(r),
			 room_hint(-r));
}

static int refuse(const char *file, const char *why)
{
	return error_set(-EPROTO, "the file \"%s\" %s", file, why);
}

int segment_check(int fd, const char *file, enum segment_kind kind, struct segment_head *ret_head)
{
	struct segment_head head;
	struct stat st;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return refuse(file, "is not a regular file");
	if (pread(fd, &head, sizeof(head), 0) != sizeof(head))
		return refuse(file, "is shorter than a segment's head");
	if (head.magic != LAYOUT_MAGIC)
		return refuse(file, "is not a segment of stoa");
	if (head.major != LAYOUT_MAJOR)
		return error_set(-EPROTO, "the file \"%s\" has layout %u.%u, this library %u.%u: use one version", file,
				 head.major, head.minor, LAYOUT_MAJOR, LAYOUT_MINOR);
	if (head.kind != kind)
		return refuse(file, "is a segment of another kind");
	if (head.limit < LAYOUT_PAGE || head.limit > INT64_MAX || (uint64_t)st.st_size != head.limit)
		return error_set(-EPROTO, "the file \"%s\" has %jd bytes, its head says %ju", file,
				 (intmax_t)st.st_size, (uintmax_t)head.limit);
	*ret_head = head;
	return 0;
}

/* ---- mappings ---------------------------------------------------------------------------------------------- */

void *segment_map(int fd, uint64_t limit, bool writable)
{
	void *at = mmap(NULL, limit, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED | MAP_NORESERVE, fd, 0);
	return at == MAP_FAILED ? NULL : at;
}

void *segment_map_own(uint64_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	if (madvise(at, size, MADV_WIPEONFORK) == 0)
		return at;
	int saved = errno;
	munmap(at, size);
	errno = saved;
	return NULL;
}

void segment_unmap(void *at, uint64_t limit)
{
	if (at)
		munmap(at, limit);
}

/* ---- the guard --------------------------------------------------------------------------------------------- */

#define RANGES (LANES_MAX + 64) /* every lane there can be, and the other segments of some namespaces */

struct range {
	_Atomic uint32_t seq; /* odd: being changed */
	_Atomic uintptr_t at; /* 0: free */
	_Atomic uint64_t size;
	segment_damaged *_Atomic damaged;
	void *_Atomic of;
};

static struct range ranges[RANGES];
static _Atomic uint32_t ranges_used; /* entries from here on were never used */

/*
 * The handlers that were there before ours: the first one found, and those that the program put over ours later. A
 * later one may itself hand on to ours; what comes back to us so goes to the one before it.
 */
#define HANDLERS 8
static struct handler {
	struct sigaction action;
	const struct handler *before; /* NULL: the default */
} handlers[HANDLERS];
static _Atomic uint32_t handlers_used;
static const struct handler *_Atomic handler; /* to hand on to */
static _Thread_local struct {
	const siginfo_t *info;
	const struct handler *to;
} handing_on;

struct fault {
	uintptr_t at;
	uint64_t size;
	segment_damaged *damaged;
	void *of;
};

/* A copy of the range that holds the address; false: none does. */
static bool find(uintptr_t address, struct fault *ret)
{
	uint32_t n = atomic_load_explicit(&ranges_used, memory_order_acquire);
	for (uint32_t i = 0; i < n; i++) {
		struct range *r = &ranges[i];
		uint32_t seq = atomic_load_explicit(&r->seq, memory_order_acquire); /* pairs with release() */
		/* Whoever sees a field of release() sees in seq, read again below, that it was being changed. */
		const struct fault f = { .at = atomic_load_explicit(&r->at, memory_order_acquire),
					 .size = atomic_load_explicit(&r->size, memory_order_acquire),
					 .damaged = atomic_load_explicit(&r->damaged, memory_order_acquire),
					 .of = atomic_load_explicit(&r->of, memory_order_acquire) };
		if (seq & 1 || atomic_load_explicit(&r->seq, memory_order_relaxed) != seq)
			continue;
		if (f.at == 0 || address < f.at || address - f.at >= f.size)
			continue;
		*ret = f;
		return true;
	}
	return false;
}

static void act_default(int sig, const siginfo_t *info)
{
	/* The fault repeats when we return; a signal that someone sent has to be sent again. */
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigaction(sig, &dfl, NULL);
	if (info->si_code <= 0)
		raise(sig);
}

/* Not ours: what would have happened without us. */
static void hand_on(int sig, siginfo_t *info, void *context)
{
	const struct handler *to = atomic_load_explicit(&handler, memory_order_acquire); /* pairs with remember() */
	if (handing_on.info == info)
		to = handing_on.to->before;
	if (!to || to->action.sa_handler == SIG_DFL || (to->action.sa_handler == SIG_IGN && info->si_code > 0)) {
		act_default(sig, info);
		return;
	}
	handing_on.info = info;
	handing_on.to = to;
	if (to->action.sa_flags & SA_SIGINFO)
		to->action.sa_sigaction(sig, info, context);
	else if (to->action.sa_handler != SIG_IGN)
		to->action.sa_handler(sig);
	handing_on.info = NULL;
}

static void handle(int sig, siginfo_t *info, void *context)
{
	struct fault f;
	int saved = errno;
	bool ours = info->si_code == BUS_ADRERR && find((uintptr_t)info->si_addr, &f);
	if (ours)
		f.damaged(f.of); /* first: no thread sees the zeroes, and not this */
	if (!ours || mmap((void *)f.at, f.size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		hand_on(sig, info, context);
	errno = saved;
}

static bool is_ours(const struct sigaction *sa)
{
	return sa->sa_flags & SA_SIGINFO && sa->sa_sigaction == handle;
}

/* Hand on to this handler from now on. Of more than there is room for, the last one is kept. */
static void remember(const struct sigaction *sa)
{
	uint32_t i = 0, n = atomic_load_explicit(&handlers_used, memory_order_acquire);
	n = n < HANDLERS ? n : HANDLERS;
	while (i < n && handlers[i].action.sa_sigaction != sa->sa_sigaction)
		i++;
	if (i == n) {
		i = n < HANDLERS ? atomic_fetch_add(&handlers_used, 1) : n;
		i = i < HANDLERS ? i : HANDLERS - 1;
		handlers[i].action = *sa;
		handlers[i].before = i > 0 ? &handlers[i - 1] : NULL;
	}
	atomic_store_explicit(&handler, &handlers[i], memory_order_release); /* pairs with hand_on() */
}

/* Also over a handler that was put over ours, and after a reset. */
static int install(void)
{
	struct sigaction now, old;
	if (sigaction(SIGBUS, NULL, &now) < 0)
		return -errno;
	if (is_ours(&now))
		return 0;
	struct sigaction ours = { .sa_sigaction = handle, .sa_mask = now.sa_mask };
	ours.sa_flags = SA_SIGINFO | (now.sa_flags & SA_ONSTACK); /* where the handler that we hand on to belongs */
	if (sigaction(SIGBUS, &ours, &old) < 0)
		return -errno;
	if (!is_ours(&old)) /* another thread was not faster */
		remember(&old);
	return 0;
}

/* Make the entry ours to change, if it is free (at == 0) or holds at. */
static bool claim(struct range *r, uintptr_t at)
{
	uint32_t seq = atomic_load_explicit(&r->seq, memory_order_acquire);
	if (seq & 1 || atomic_load_explicit(&r->at, memory_order_relaxed) != at)
		return false;
	return atomic_compare_exchange_strong_explicit(&r->seq, &seq, seq + 1, memory_order_acquire,
						       memory_order_relaxed);
}

static void release(struct range *r, const struct fault *f)
{
	atomic_store_explicit(&r->at, f->at, memory_order_release);
	atomic_store_explicit(&r->size, f->size, memory_order_release);
	atomic_store_explicit(&r->damaged, f->damaged, memory_order_release);
	atomic_store_explicit(&r->of, f->of, memory_order_release);
	atomic_fetch_add_explicit(&r->seq, 1, memory_order_release); /* pairs with find() */
}

void segment_set_flag(void *of)
{
	*(volatile int *)of = 1;
}

int segment_guard(void *at, uint64_t size, segment_damaged *damaged, void *of)
{
	int r = install();
	if (r < 0)
		return error_set(r, "cannot handle SIGBUS: %s", strerror(-r));
	for (uint32_t i = 0; i < RANGES; i++) {
		if (!claim(&ranges[i], 0))
			continue;
		uint32_t used = atomic_load(&ranges_used);
		while (used <= i && !atomic_compare_exchange_weak(&ranges_used, &used, i + 1)) {
		}
		release(&ranges[i], &(struct fault){ (uintptr_t)at, size, damaged, of });
		return 0;
	}
	return error_set(-ENFILE, "%d mappings are guarded already, the most there can be", RANGES);
}

void segment_unguard(void *at)
{
	uint32_t n = atomic_load(&ranges_used);
	for (uint32_t i = 0; at && i < n; i++)
		if (claim(&ranges[i], (uintptr_t)at)) {
			release(&ranges[i], &(struct fault){ 0 });
			return;
		}
}
