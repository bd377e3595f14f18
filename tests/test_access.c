/*
 * test_access.c: who may come in, and what those can do: other users, groups, strangers, the silent, and members who
 * truncate what they were handed. Other users are children that root has made so; without root those tests are skipped.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "coordinator/coordinator.h"
#include "include/stoa/counter.h"
#include "include/stoa/observe.h"
#include "proxy/handle.h"
#include "src/message.h"
#include "tests/harness.h"
#include "tests/scratch.h"

#define OTHER 4242   /* a user and its group */
#define GROUP 4300   /* may attach */
#define READERS 4301 /* may read */

static struct stoa *s;
static struct stoa_proxy *p;
static pid_t server;
static _Atomic int *step; /* shared with the children: how far the test is */

static void become(uid_t uid, gid_t gid, gid_t extra)
{
	assert_int_equal(setgroups(extra ? 1 : 0, &extra), 0);
	assert_int_equal(setgid(gid), 0);
	assert_int_equal(setuid(uid), 0);
	prctl(PR_SET_DUMPABLE, 1); /* as after exec: /proc/self is its own */
}

static void await_step(int n)
{
	until(atomic_load(step) >= n);
}

static void needs_root(void)
{
	if (geteuid() != 0)
		harness_skip("only root can become another user");
	assert_int_equal(chmod(getenv("STOA_DIR"), 0711), 0);
	step = harness_shared(sizeof(*step));
}

static void serve(const struct stoa_options *options)
{
	server = harness_serve(NULL, options, &s);
	p = harness_create(s, "hits", &counter_class, NULL);
}

static void add(int64_t n)
{
	ok(counter_add_call(p, &(struct counter_args){ n }, NULL, SOON));
}

static void stop(void)
{
	ok(stoa_stop(s, STOA_DRAIN, SOON));
	harness_join(server);
}

static const char *path_of(const char *file)
{
	static char path[100];
	snprintf(path, sizeof(path), "%s/test/%s", getenv("STOA_DIR"), file);
	return path;
}

static struct stat look(const char *file)
{
	struct stat st;
	if (lstat(path_of(file), &st) < 0)
		fail_msg("%s: %s", file, strerror(errno));
	return st;
}

static void mode_is(const char *file, mode_t mode, gid_t group)
{
	struct stat st = look(file);
	if ((st.st_mode & 07777) != mode || st.st_gid != group)
		fail_msg("%s has mode %04o of group %u", file, st.st_mode & 07777, (unsigned)st.st_gid);
}

static void other_files_are_closed(void)
{
	static const char *const files[] = { "state", "ingress", "lock", "lane.0" };
	for (int i = 0; i < 4; i++)
		assert_int_equal(look(files[i]).st_mode & 0777, 0600);
}

/* ---- strangers ----------------------------------------------------------------------------------------------- */

static void is_shut_out(int unused)
{
	(void)unused;
	await_step(1);
	become(OTHER, OTHER, 0);
	refused(-EACCES, stoa_attach("test", NULL, &s));
	says("does not let user 4242 in");
	refused(-EACCES, stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY), &s));
}

static void another_user_is_shut_out_by_default(void)
{
	needs_root();
	pid_t child = harness_spawn(is_shut_out, 0);
	serve(NULL);
	add(1);
	mode_is("", 0700, look("").st_gid);
	mode_is("socket", 0600, look("socket").st_gid);
	other_files_are_closed();
	atomic_store(step, 1);
	harness_join(child);
	stop();
	scratch_remove(path_of(""));
}

static int connect_raw(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path_of("socket"));
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	close(fd);
	return -errno;
}

/* As the library does: with a pidfd of this process where there is one, which valgrind has not. */
static void say_hello(int fd, uint32_t flags)
{
	struct message m = { .kind = MESSAGE_HELLO, .id = MESSAGE_HELLO_ID, .flags = flags };
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	m.n_fds = self >= 0;
	ok(message_send(fd, &m, &self));
	if (self >= 0)
		close(self);
}

static bool is_cut_off(int fd)
{
	struct pollfd f = { .fd = fd, .events = POLLRDHUP };
	return poll(&f, 1, 0) == 1 && f.revents & (POLLRDHUP | POLLHUP);
}

/* It says nothing, and is told all the same. */
static void is_turned_away(int unused)
{
	struct message m = { 0 };
	int fds[MESSAGE_FDS], fd;
	(void)unused;
	await_step(1);
	become(OTHER, OTHER, 0);
	fd = connect_raw();
	assert_true(fd >= 0);
	until(is_cut_off(fd));
	ok(message_receive(fd, &m, fds));
	assert_int_equal(m.kind, MESSAGE_REFUSED);
	assert_int_equal(m.status, -EACCES);
	assert_non_null(strstr(m.text, "does not admit user 4242"));
	close(fd);
	for (int i = 0; i < 20; i++) {
		refused(-EACCES, stoa_attach("test", i % 2 ? STOA_OPTIONS(.flags = STOA_READ_ONLY) : NULL, &s));
		says("does not admit user 4242");
	}
}

/* A coordinator that refuses, and closes with the question unread. */
static void refuse_all(int listener)
{
	struct message m = { .kind = MESSAGE_REFUSED, .id = MESSAGE_HELLO_ID, .status = -EACCES, .text = "go away" };
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		struct pollfd asked = { .fd = fd, .events = POLLIN };
		assert_int_equal(poll(&asked, 1, 10000), 1);
		ok(message_send(fd, &m, NULL));
		close(fd);
		atomic_fetch_add(step, 1);
	}
}

static void refusal_is_heard_though_the_question_was_not(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	step = harness_shared(sizeof(*step));
	assert_int_equal(mkdir(path_of(""), 0700), 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path_of("socket"));
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 5), 0);
	pid_t child = harness_spawn(refuse_all, listener);
	close(listener);
	for (int i = 1; i <= 50; i++) { /* it may be read before the other end is closed */
		refused(-EACCES, stoa_attach("test", NULL, &s));
		says("go away");
		until(atomic_load(step) >= i);
		assert_int_equal(atomic_load(step), i); /* at once, and not in one of many tries */
	}
	kill(child, SIGKILL);
	harness_status(child);
	scratch_remove(path_of(""));
}

static void stranger_is_turned_away_at_the_door(void)
{
	const uid_t uids[] = { OTHER + 1 };
	needs_root();
	pid_t child = harness_spawn(is_turned_away, 0);
	serve(STOA_OPTIONS(.uids = uids, .n_uids = 1));
	atomic_store(step, 1);
	harness_join(child);
	add(1);
	mode_is("", 0711, look("").st_gid);
	mode_is("socket", 0666, look("socket").st_gid);
	other_files_are_closed();
	stop();
}

/* ---- members ------------------------------------------------------------------------------------------------- */

/* The group as its main one, or as one among others. */
static void is_member(int main)
{
	int64_t v;
	await_step(1);
	become(OTHER, main ? GROUP : OTHER, main ? 0 : GROUP);
	ok(stoa_attach("test", NULL, &s));
	ok(stoa_open(s, "hits", &counter_class, SOON, &p));
	add(10);
	ok(STOA_GET(p, struct counter, value, &v, SOON));
	assert_true(v >= 10);
	assert_int_equal(open(path_of("state"), O_RDONLY), -1);
	assert_int_equal(open(path_of("ingress"), O_RDONLY), -1);
	assert_int_equal(harness_health(s).verdict, STOA_HEALTHY);
	refused(-EACCES, stoa_stop(s, STOA_NOW, SOON));
	stoa_detach(s);
}

static void members_of_the_group_attach(void)
{
	int64_t v;
	needs_root();
	pid_t a = harness_spawn(is_member, 0), b = harness_spawn(is_member, 1), c = harness_spawn(is_shut_out, 0);
	serve(STOA_OPTIONS(.group = GROUP));
	add(1);
	mode_is("", 0710, GROUP);
	mode_is("socket", 0660, GROUP);
	other_files_are_closed();
	atomic_store(step, 1);
	harness_join(a);
	harness_join(b);
	harness_join(c);
	ok(STOA_GET(p, struct counter, value, &v, SOON));
	assert_int_equal(v, 21);
	stop();
}

/* No descriptor of the namespace's files is for writing, and none can be made so. */
static void holds_nothing_to_write_through(void)
{
	char path[300], to[256];
	int n = 0;
	DIR *dir = opendir("/proc/self/fd");
	for (struct dirent *e; (e = readdir(dir));) {
		snprintf(path, sizeof(path), "/proc/self/fd/%s", e->d_name);
		ssize_t size = readlink(path, to, sizeof(to) - 1);
		to[size > 0 ? size : 0] = '\0';
		if (strncmp(to, getenv("STOA_DIR"), strlen(getenv("STOA_DIR"))) != 0)
			continue;
		n++;
		assert_int_equal(fcntl(atoi(e->d_name), F_GETFL) & O_ACCMODE, O_RDONLY);
		assert_int_equal(open(path, O_RDWR), -1);
		assert_int_equal(errno, EACCES);
		assert_int_equal(ftruncate(atoi(e->d_name), 0), -1);
	}
	closedir(dir);
	assert_int_equal(n, 0); /* they are mapped, and closed */
}

static void maps_nothing_to_write_to(void)
{
	char line[512], mode[8], path[256];
	unsigned long from, to;
	int n = 0;
	FILE *f = fopen("/proc/self/maps", "re");
	while (fgets(line, sizeof(line), f)) {
		path[0] = '\0';
		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &from, &to, mode, path) < 3 ||
		    strncmp(path, getenv("STOA_DIR"), strlen(getenv("STOA_DIR"))) != 0)
			continue;
		n++;
		assert_string_equal(mode, "r--s");
		assert_int_equal(mprotect((void *)from, to - from, PROT_READ | PROT_WRITE), -1);
		assert_int_equal(errno, EACCES);
	}
	fclose(f);
	assert_int_equal(n, 2); /* state and ingress */
}

/* What hello hands out, before the library maps and closes it. */
static void is_handed_nothing_to_write_through(void)
{
	struct message m;
	char path[64];
	int fds[MESSAGE_FDS], fd = connect_raw(), r = -EAGAIN;
	say_hello(fd, STOA_READ_ONLY);
	until((r = message_receive(fd, &m, fds)) != -EAGAIN);
	ok(r);
	assert_int_equal(m.kind, MESSAGE_HELLO);
	assert_int_equal(m.n_fds, 2);
	for (uint32_t i = 0; i < m.n_fds; i++) {
		assert_int_equal(fcntl(fds[i], F_GETFL) & O_ACCMODE, O_RDONLY);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[i]);
		assert_int_equal(open(path, O_RDWR), -1);
		assert_int_equal(errno, EACCES);
		assert_int_equal(ftruncate(fds[i], 0), -1);
		assert_ptr_equal(mmap(NULL, LAYOUT_PAGE, PROT_WRITE, MAP_SHARED, fds[i], 0), MAP_FAILED);
		close(fds[i]);
	}
	close(fd);
}

static int64_t value(void)
{
	int64_t v = -1;
	ok(STOA_GET(p, struct counter, value, &v, SOON));
	return v;
}

static void reads_only(int unused)
{
	struct stoa_stamp at;
	int64_t v;
	(void)unused;
	await_step(1);
	become(OTHER, OTHER, READERS);
	refused(-EACCES, stoa_attach("test", NULL, &s));
	says("read only");
	ok(stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY), &s));
	ok(stoa_open(s, "hits", &counter_class, SOON, &p));
	is_handed_nothing_to_write_through();
	holds_nothing_to_write_through();
	maps_nothing_to_write_to();
	refused(-EACCES, counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
	ok(stoa_get(p, 0, &v, sizeof(v), SOON, &at));
	assert_int_equal(v, 1);
	atomic_store(step, 2); /* the test adds */
	ok(stoa_wait(p, STOA_ALL, at.version, SOON, NULL));
	assert_int_equal(value(), 2);
	atomic_store(step, 3); /* the test stops the coordinator and its guardian */
	await_step(4);
	assert_int_equal(value(), 2);
	atomic_store(step, 5); /* kills them */
	await_step(6);
	assert_int_equal(value(), 2);
	until(harness_health(s).verdict == STOA_GONE); /* its connection may end after their locks, by which the test goes */
	atomic_store(step, 7); /* starts it again */
	ok(stoa_wait(p, STOA_ALL, at.version + 1, SOON, NULL));
	assert_int_equal(value(), 3);
	stoa_detach(s);
}

/* Coordinator and guardian, or who has gone on in the place of one that died a moment earlier. */
static void kill_both(void)
{
	struct stoa_health h = harness_health(s);
	if (h.coordinator > 0)
		kill(h.coordinator, SIGKILL);
	if (h.guardian > 0)
		kill(h.guardian, SIGKILL);
}

static void members_of_the_read_only_group_read_whatever_becomes_of_the_coordinator(void)
{
	needs_root();
	const struct stoa_options *options = STOA_OPTIONS(.read_only_group = READERS, .flags = STOA_KEEP);
	pid_t reader = harness_spawn(reads_only, 0), stranger = harness_spawn(is_shut_out, 0);
	serve(options);
	add(1);
	mode_is("", 0710, READERS);
	mode_is("socket", 0660, READERS);
	other_files_are_closed();
	atomic_store(step, 1);
	harness_join(stranger);
	await_step(2);
	add(1);
	await_step(3);
	harness_freeze(s);
	atomic_store(step, 4);
	await_step(5);
	until((kill_both(), harness_health(s).verdict == STOA_GONE));
	harness_status(server);
	atomic_store(step, 6);
	await_step(7);
	p = NULL;
	s = stoa_detach(s);
	server = harness_serve(NULL, options, &s);
	ok(stoa_open(s, "hits", &counter_class, SOON, &p));
	add(1);
	harness_join(reader);
	stop();
	scratch_remove(path_of(""));
}

static void reads(int unused)
{
	(void)unused;
	await_step(1);
	become(OTHER, OTHER, READERS);
	refused(-EACCES, stoa_attach("test", NULL, &s));
	says("read only");
	ok(stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY), &s));
	ok(stoa_open(s, "hits", NULL, SOON, &p));
	stoa_detach(s);
}

static void both_groups_have_their_rights(void)
{
	needs_root();
	pid_t a = harness_spawn(is_member, 0), b = harness_spawn(reads, 0), c = harness_spawn(is_turned_away, 0);
	serve(STOA_OPTIONS(.group = GROUP, .read_only_group = READERS));
	add(1);
	mode_is("", 0711, look("").st_gid);
	mode_is("socket", 0666, look("socket").st_gid);
	other_files_are_closed();
	atomic_store(step, 1);
	harness_join(a);
	harness_join(b);
	harness_join(c);
	stop();
}

/* What a child forked from a reader asks for is judged anew. */
static void asks_for_more(int unused)
{
	(void)unused;
	await_step(1);
	become(OTHER, OTHER, READERS);
	ok(stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY), &s));
	int pair[2], fds[MESSAGE_FDS];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	struct message in, inherit = { .kind = MESSAGE_INHERIT, .n_fds = 1 };
	ok(message_send(s->conn_fd, &inherit, &pair[1]));
	say_hello(pair[0], 0);
	close(pair[1]);
	int r = -EAGAIN;
	until((r = message_receive(pair[0], &in, fds)) != -EAGAIN);
	ok(r);
	assert_int_equal(in.kind, MESSAGE_REFUSED);
	assert_int_equal(in.status, -EACCES);
	close(pair[0]);
	stoa_detach(s);
}

static void reader_gets_no_more_through_its_connection(void)
{
	needs_root();
	pid_t child = harness_spawn(asks_for_more, 0);
	serve(STOA_OPTIONS(.read_only_group = READERS));
	atomic_store(step, 1);
	harness_join(child);
	add(1);
	stop();
}

static void next_start_lets_in_whom_it_says(void)
{
	needs_root();
	serve(STOA_OPTIONS(.group = GROUP, .flags = STOA_KEEP));
	mode_is("", 0710, GROUP);
	stop();
	p = NULL;
	s = stoa_detach(s);
	server = harness_serve(NULL, STOA_OPTIONS(.read_only_group = READERS, .flags = STOA_KEEP), &s);
	mode_is("", 0710, READERS);
	mode_is("socket", 0660, READERS);
	stop();
	s = stoa_detach(s);
	server = harness_serve(NULL, STOA_OPTIONS(0), &s);
	mode_is("", 0700, look("").st_gid);
	mode_is("socket", 0600, look("socket").st_gid);
	stop();
}

static void serves_for_a_group_that_is_not_its_own(int unused)
{
	(void)unused;
	become(OTHER, OTHER, 0);
	refused(-EPERM, stoa_serve("test", NULL, STOA_OPTIONS(.group = GROUP)));
	says("cannot give the directory");
	says("must be a member");
}

static void group_that_is_not_the_coordinators_is_refused(void)
{
	needs_root();
	assert_int_equal(chown(getenv("STOA_DIR"), OTHER, OTHER), 0);
	harness_join(harness_spawn(serves_for_a_group_that_is_not_its_own, 0));
	assert_int_equal(rmdir(getenv("STOA_DIR")), 0); /* nothing is half made */
	assert_int_equal(mkdir(getenv("STOA_DIR"), 0700), 0);
}

/* ---- USER/NAME ----------------------------------------------------------------------------------------------- */

#define OWNER 4250 /* whose place another has taken */
#define PLACE "/dev/shm/stoa-4250"

static void needs_the_place(void)
{
	needs_root();
	scratch_remove(PLACE); /* of a run that failed */
}

static void pretend(int unused)
{
	(void)unused;
	become(OTHER, OTHER, 0);
	setenv("STOA_DIR", PLACE, 1);
	assert_int_equal(chmod(getenv("STOA_DIR"), 0755), 0);
	ok(stoa_serve("test", NULL, STOA_OPTIONS(.group = OTHER, .uids = (const uid_t[]){ 0 }, .n_uids = 1)));
}

/* Anybody can make /dev/shm/stoa-UID before its user does. */
static void another_in_the_place_of_a_user_is_not_believed(void)
{
	struct stat st;
	needs_the_place();
	assert_int_equal(mkdir(PLACE, 0700), 0);
	assert_int_equal(chown(PLACE, OTHER, OTHER), 0);
	server = harness_spawn(pretend, 0);
	until(stat(PLACE "/test/socket", &st) == 0 && (st.st_mode & 0777) == 0666);
	refused(-EACCES, stoa_attach("4250/test", NULL, &s));
	says("is of user 4242, who is not user 4250");
	refused(-EACCES, stoa_attach("4250/test", STOA_OPTIONS(.flags = STOA_READ_ONLY), &s));
	setenv("STOA_DIR", PLACE, 1);
	ok(stoa_attach("test", NULL, &s));
	stop();
	stoa_detach(s);
	until(rmdir(PLACE) == 0);
}

static void uses_the_namespace_of_a_user(int unused)
{
	int64_t v;
	(void)unused;
	await_step(1);
	become(OTHER, OTHER, GROUP);
	ok(stoa_attach("4250/test", NULL, &s));
	ok(stoa_open(s, "hits", &counter_class, SOON, &p));
	add(5);
	ok(STOA_GET(p, struct counter, value, &v, SOON));
	assert_int_equal(v, 5);
	refused(-EINVAL, stoa_serve("4250/test", NULL, NULL));
	refused(-EINVAL, stoa_start("4250/test", NULL, STOA_OPTIONS(.flags = STOA_JOIN), &s));
	stoa_detach(s);
}

static void serve_as_owner(int unused)
{
	(void)unused;
	unsetenv("STOA_DIR");
	become(OWNER, OWNER, GROUP);
	ok(stoa_serve("test", NULL, STOA_OPTIONS(.group = GROUP)));
}

static void namespace_of_another_user_is_found_by_his_name(void)
{
	needs_the_place();
	pid_t child = harness_spawn(uses_the_namespace_of_a_user, 0);
	server = harness_spawn(serve_as_owner, 0);
	ok(stoa_attach("4250/test", STOA_OPTIONS(.timeout = SOON), &s));
	p = harness_create(s, "hits", &counter_class, NULL);
	atomic_store(step, 1);
	harness_join(child);
	stop();
	assert_int_equal(access(PLACE, F_OK), -1);
}

/* ---- the silent ---------------------------------------------------------------------------------------------- */

#define SILENT (3 * NEWCOMERS)

static bool oldest_make_room(int fds[SILENT])
{
	for (int i = 0; i < SILENT; i++)
		assert_true((fds[i] = connect_raw()) >= 0);
	until(is_cut_off(fds[0]));
	bool newest_stay = !is_cut_off(fds[SILENT - 2]);
	for (int i = 0; i < SILENT - NEWCOMERS; i++)
		until(is_cut_off(fds[i]));
	for (int i = 0; i < SILENT && !newest_stay; i++)
		close(fds[i]);
	return newest_stay;
}

static void silent_connections_are_few_and_are_closed(void)
{
	static int fds[SILENT];
	serve(STOA_OPTIONS(0));
	add(1);
	pid_t coordinator = harness_coordinator(s);
	int before = scratch_fds_of(coordinator), tries = 3;
	while (!oldest_make_room(fds)) /* where this process was slow, their time was over */
		assert_true(--tries > 0);
	assert_true(scratch_fds_of(coordinator) <= before + NEWCOMERS);
	struct stoa *reader;
	ok(stoa_attach("test", STOA_OPTIONS(.flags = STOA_READ_ONLY), &reader));
	stoa_detach(reader);
	for (int i = 0; i < SILENT; i++) {
		until(is_cut_off(fds[i]));
		close(fds[i]);
	}
	until(scratch_fds_of(coordinator) == before);
	assert_int_equal(harness_coordinator(s), coordinator);
	add(1);
	stop();
}

/* ---- truncation ---------------------------------------------------------------------------------------------- */

static off_t size_of(int fd)
{
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	return st.st_size;
}

/* A descriptor of a file of the namespace, taken from our own mapping of it. */
static int handed(const char *file)
{
	struct message in;
	int fds[MESSAGE_FDS], lane[MESSAGE_FDS], fd = connect_raw(), r;
	say_hello(fd, 0);
	until((r = message_receive(fd, &in, fds)) != -EAGAIN);
	ok(r);
	assert_int_equal(in.n_fds, 3);
	struct message ask = { .kind = MESSAGE_LANE, .id = 7, .n_fds = 1 };
	int bell[2];
	ok(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, bell));
	ok(message_send(fd, &ask, &bell[0]));
	until((r = message_receive(fd, &in, lane)) != -EAGAIN);
	ok(r);
	assert_int_equal(in.n_fds, 1);
	int which = strcmp(file, "state") == 0 ? fds[0] : strcmp(file, "ingress") == 0 ? fds[1] : lane[0];
	int kept = dup(which);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close(bell[0]);
	close(bell[1]);
	close(lane[0]);
	close(fd);
	return kept;
}

static void come_as(int other)
{
	await_step(1);
	if (other)
		become(OTHER, OTHER, GROUP);
}

static void truncates_the_ingress(int other)
{
	come_as(other);
	int state = handed("state"), fd = handed("ingress");
	assert_int_equal(ftruncate(state, 0), -1);
	off_t whole = size_of(fd);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(ftruncate(fd, i * 100), 0);
		until(size_of(fd) == whole);
	}
	/* its queue is begun anew: what comes now is kept */
	ok(stoa_attach("test", STOA_OPTIONS(.timeout = SOON), &s));
	stoa_detach(s);
	close(state);
	close(fd);
}

/* Its own, in the middle of using it. */
static void truncates_its_lane(int other)
{
	come_as(other);
	ok(stoa_attach("test", NULL, &s));
	ok(stoa_open(s, "hits", &counter_class, SOON, &p));
	add(1);
	int fd = handed("lane");
	assert_int_equal(ftruncate(fd, 0), 0);
	close(fd);
	char path[300], to[256];
	DIR *dir = opendir("/proc/self/fd");
	int mine = -1;
	for (struct dirent *e; (e = readdir(dir));) {
		snprintf(path, sizeof(path), "/proc/self/fd/%s", e->d_name);
		ssize_t size = readlink(path, to, sizeof(to) - 1);
		to[size > 0 ? size : 0] = '\0';
		if (strstr(to, "/lane."))
			mine = atoi(e->d_name);
	}
	closedir(dir);
	assert_true(mine >= 0);
	for (int i = 0; i < 50; i++)
		ok(counter_add_cast(p, &(struct counter_args){ 1 }, SOON));
	assert_int_equal(ftruncate(mine, 0), 0);
	_exit(0); /* what it touches now would end it */
}

static void others_go_on_when_one_truncates(void (*truncates)(int), int other)
{
	pid_t child = harness_spawn(truncates, other);
	serve(STOA_OPTIONS(.group = other ? GROUP : 0));
	pid_t guardian = harness_guardian(s), coordinator = harness_coordinator(s);
	add(1000);
	atomic_store(step, 1);
	harness_join(child); /* we touch nothing meanwhile: what is cut off would end us too */
	until(harness_health(s).verdict == STOA_HEALTHY);
	int64_t before = value();
	add(1);
	assert_int_equal(value(), before + 1);
	assert_true(before >= 1000);
	assert_int_equal(harness_guardian(s), guardian);
	if (truncates == truncates_its_lane) /* of that it does not even notice much */
		assert_int_equal(harness_coordinator(s), coordinator);
	stop();
}

static void others_go_on_when_another_user_truncates_the_ingress(void)
{
	needs_root();
	others_go_on_when_one_truncates(truncates_the_ingress, true);
}

static void others_go_on_when_another_user_truncates_its_lane(void)
{
	needs_root();
	others_go_on_when_one_truncates(truncates_its_lane, true);
}

static void others_go_on_when_a_client_truncates_the_ingress(void)
{
	step = harness_shared(sizeof(*step));
	others_go_on_when_one_truncates(truncates_the_ingress, false);
}

static void others_go_on_when_a_client_truncates_its_lane(void)
{
	step = harness_shared(sizeof(*step));
	others_go_on_when_one_truncates(truncates_its_lane, false);
}

/* Counted by the processes that use the namespace meanwhile. */
static _Atomic int *used, *told;

/* It was cut off from the queue: it attaches anew. */
static void come_back(void)
{
	atomic_fetch_add(told, 1);
	do
		s = stoa_detach(s);
	while (stoa_attach("test", STOA_OPTIONS(.timeout = SOON), &s) < 0 ||
	       stoa_open(s, "hits", &counter_class, SOON, &p) < 0);
}

static void uses_it_meanwhile(int way)
{
	int64_t v;
	struct stoa_event e;
	ok(stoa_attach("test", STOA_OPTIONS(.timeout = SOON), &s));
	ok(stoa_open(s, "hits", &counter_class, SOON, &p));
	atomic_fetch_add(step, 1);
	while (atomic_load(step) >= 0) {
		int known = atomic_load(used), r = 0;
		if (way == 0)
			r = counter_add_call(p, &(struct counter_args){ 1 }, NULL, STOA_MS(500));
		else if (way == 1)
			r = counter_add_cast(p, &(struct counter_args){ 1 }, STOA_MS(500));
		else if (way == 2)
			r = stoa_next(s, &e);
		atomic_fetch_add(used, way == 0 && r == 0);
		r = r < 0 ? r : STOA_GET(p, struct counter, value, &v, STOA_MS(500));
		assert_true(r < 0 || v >= known);
		if (r == -ESTALE) {
			says("a client truncated the queue of namespace test");
			come_back();
		}
	}
	stoa_detach(s);
}

/* By another user, who was let in, or as if: the kind of client is the same. */
static void clients_outlive_a_truncated_ingress_where_others_are_let_in(void)
{
	enum { USERS = 4 };
	pid_t users[USERS];
	uid_t other = OTHER;
	step = harness_shared(3 * sizeof(*step));
	used = step + 1;
	told = step + 2;
	serve(STOA_OPTIONS(.uids = &other, .n_uids = 1));
	for (int i = 0; i < USERS; i++)
		users[i] = harness_spawn(uses_it_meanwhile, i);
	until(atomic_load(step) == USERS);
	int fd = handed("ingress");
	off_t whole = size_of(fd);
	for (int i = 0; i < 12; i++) {
		int before = atomic_load(used);
		assert_int_equal(ftruncate(fd, i % 3 * 4096), 0);
		until(size_of(fd) == whole && atomic_load(used) > before);
	}
	atomic_store(step, -1);
	for (int i = 0; i < USERS; i++)
		harness_join(users[i]);
	close(fd);
	assert_true(atomic_load(told) > 0);
	if (handle_whole(s) < 0)
		come_back();
	assert_true(value() >= atomic_load(used));
	stop();
}

/* For the answer of a call, or for a write that is queued. Nobody commits meanwhile. */
static void waits_while_it_is_cut_off(int reads)
{
	int64_t v;
	ok(stoa_attach("test", STOA_OPTIONS(.timeout = SOON), &s));
	ok(stoa_open(s, "hits", &counter_class, SOON, &p));
	ok(stoa_attach_thread(s));
	atomic_store(step, 1);
	await_step(2);
	if (reads)
		refused(-ESTALE, STOA_GET(p, struct counter, value, &v, SOON));
	else
		refused(-ESTALE, counter_add_call(p, &(struct counter_args){ 1 }, NULL, SOON));
	says("a client truncated the queue of namespace test");
	stoa_detach(s);
}

static int is_waiting(void *ret, const struct stoa_attached *a)
{
	return *(bool *)ret = a->waits != STOA_WAITS_NOT;
}

static bool any_waits(void)
{
	bool any = false;
	ok(stoa_clients(s, is_waiting, &any));
	return any;
}

static void who_waits_is_told_of_a_truncated_ingress(void)
{
	static const off_t cuts[] = { 0, LAYOUT_PAGE }; /* with its head, and behind it */
	uid_t other = OTHER;
	step = harness_shared(2 * sizeof(*step));
	told = step + 1;
	serve(STOA_OPTIONS(.uids = &other, .n_uids = 1));
	for (int i = 0; i < 4; i++) {
		atomic_store(step, 0);
		pid_t child = harness_spawn(waits_while_it_is_cut_off, i % 2);
		await_step(1);
		add(1);
		int fd = handed("ingress");
		harness_freeze(s);
		ok(counter_add_cast(p, &(struct counter_args){ 1 }, SOON));
		atomic_store(step, 2);
		until(any_waits());
		assert_int_equal(ftruncate(fd, cuts[i / 2]), 0);
		harness_join(child);
		harness_thaw(s);
		close(fd);
		come_back();
	}
	add(1);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HARNESS(another_in_the_place_of_a_user_is_not_believed),
		HARNESS(another_user_is_shut_out_by_default),
		HARNESS(both_groups_have_their_rights),
		HARNESS_SECONDS(clients_outlive_a_truncated_ingress_where_others_are_let_in, 60),
		HARNESS(group_that_is_not_the_coordinators_is_refused),
		HARNESS(members_of_the_group_attach),
		HARNESS(members_of_the_read_only_group_read_whatever_becomes_of_the_coordinator),
		HARNESS(namespace_of_another_user_is_found_by_his_name),
		HARNESS(next_start_lets_in_whom_it_says),
		HARNESS(others_go_on_when_a_client_truncates_its_lane),
		HARNESS(others_go_on_when_a_client_truncates_the_ingress),
		HARNESS(others_go_on_when_another_user_truncates_its_lane),
		HARNESS(others_go_on_when_another_user_truncates_the_ingress),
		HARNESS(reader_gets_no_more_through_its_connection),
		HARNESS(refusal_is_heard_though_the_question_was_not),
		HARNESS(silent_connections_are_few_and_are_closed),
		HARNESS(stranger_is_turned_away_at_the_door),
		HARNESS(who_waits_is_told_of_a_truncated_ingress),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
