/*
 * test_namespace.c: a namespace is made, taken over, set aside when damaged, refused when it is served or in a place
 * that is not ours, and leaves nothing. A "crash" here is namespace_close: files stay, locks go.
 */
#include "coordinator/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>

#include <cmocka.h>

#include "coordinator/builtin.h"
#include "src/clock.h"
#include "src/error.h"
#include "tests/scratch.h"

struct thing {
	int64_t n;
};
STOA_STRUCT(thing, STOA_ATTR(struct thing, n, .writable = true));
STOA_RECORD(thing, 1);

static const struct stoa_class another_thing = { .name = "thing", .version = 2, .state = &thing_struct };
static const struct stoa_class own_counter = { .name = "counter", .version = 2, .state = &thing_struct };

static char logged[2 * STOA_ERROR_MAX];
static int priority;

static void note(void *data, int p, const char *text)
{
	(void)data;
	priority = p;
	snprintf(logged, sizeof(logged), "%s", text);
}

static int setup(void **state)
{
	logged[0] = '\0';
	return scratch_setup(state);
}

static void end(struct namespace *ns)
{
	namespace_end(ns);
	namespace_close(ns);
}

static void open_ok(struct namespace *ns, unsigned flags)
{
	int r = namespace_open(ns, "web", NULL, STOA_OPTIONS(.flags = flags, .log = note), NULL);
	struct stoa_error e;
	stoa_last_error(&e);
	if (r < 0)
		fail_msg("%d %s", r, e.text);
}

static void refused(int code, const char *text, const struct stoa_class *const *classes,
		    const struct stoa_options *options)
{
	struct namespace ns;
	struct stoa_error e;
	int before = scratch_fds();
	assert_int_equal(namespace_open(&ns, "web", classes, options, NULL), code);
	stoa_last_error(&e);
	assert_int_equal(e.code, code);
	if (!strstr(e.text, text))
		fail_msg("\"%s\" does not say \"%s\"", e.text, text);
	assert_int_equal(scratch_fds(), before);
}

static bool exists(void **state, const char *file)
{
	struct stat st;
	return lstat(scratch_path(state, file), &st) == 0;
}

static void touch(void **state, const char *file)
{
	int fd = open(scratch_path(state, file), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

/* ---- making and ending ------------------------------------------------------------------------------------- */

static void namespace_is_made_whole(void **state)
{
	static const char *const files[] = { "web/socket", "web/state", "web/ingress", "web/lock" };
	struct namespace ns;
	struct stat st;
	mode_t old = umask(0777);
	open_ok(&ns, 0);
	umask(old);
	assert_true(ns.made);
	assert_int_equal(stat(ns.dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_int_equal(lstat(scratch_path(state, files[i]), &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	const struct state_head *s = ns.space.state;
	assert_string_equal(s->name, "web");
	assert_true(atomic_load(&s->life.epoch) == 1);
	assert_int_equal(atomic_load(&s->life.phase), LIFE_STARTING);
	assert_int_equal(atomic_load(&s->life.guardian), getpid());
	assert_memory_equal(&s->geometry, &ns.space.geometry, sizeof(s->geometry));
	assert_true(s->head.namespace_id == ns.id && ns.space.ingress->head.namespace_id == ns.id && ns.id != 0);
	assert_int_equal(ns.roster.n_lanes, space_lanes(&ns.space));
	end(&ns);
	assert_false(exists(state, "web"));
}

static void namespace_listens(void **state)
{
	struct namespace ns;
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	open_ok(&ns, 0);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", scratch_path(state, "web/socket"));
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	int there = accept4(ns.listen_fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(there >= 0);
	assert_int_equal(accept4(ns.listen_fd, NULL, NULL, SOCK_CLOEXEC), -1);
	assert_int_equal(errno, EAGAIN);
	close(fd);
	close(there);
	end(&ns);
}

static void namespace_lets_other_users_to_the_socket_only(void **state)
{
	const uid_t uids[] = { 12345 };
	struct namespace ns;
	struct stat st;
	assert_int_equal(namespace_open(&ns, "web", NULL, STOA_OPTIONS(.uids = uids, .n_uids = 1), NULL), 0);
	assert_int_equal(stat(scratch_path(state, "web"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(stat(scratch_path(state, "web/socket"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	assert_int_equal(stat(scratch_path(state, "web/state"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	end(&ns);
}

static void namespace_end_leaves_what_is_not_ours(void **state)
{
	struct namespace ns;
	open_ok(&ns, 0);
	touch(state, "web/lane.3");
	touch(state, "web/notes");
	end(&ns);
	assert_false(exists(state, "web/lane.3") || exists(state, "web/lock") || exists(state, "web/state"));
	assert_true(exists(state, "web/notes"));
	scratch_remove(scratch_path(state, "web"));
}

static void namespace_end_removes_nothing_of_another(void **state)
{
	struct namespace ns;
	open_ok(&ns, 0);
	assert_int_equal(unlink(scratch_path(state, "web/lock")), 0);
	touch(state, "web/lock"); /* another's now */
	end(&ns);
	assert_true(exists(state, "web/state") && exists(state, "web/lock"));
	scratch_remove(scratch_path(state, "web"));
}

/* ---- taking over ------------------------------------------------------------------------------------------- */

static void namespace_is_taken_over_after_a_crash(void **state)
{
	struct namespace ns;
	(void)state;
	open_ok(&ns, 0);
	uint64_t id = ns.id;
	atomic_store(&ns.space.state->committed, 17);
	atomic_store(&ns.space.state->life.restarts, 3);
	atomic_store(&ns.space.state->life.phase, LIFE_SERVING);
	touch(state, "web/lane.0");
	touch(state, "web/state.new");
	namespace_close(&ns);
	open_ok(&ns, STOA_VERIFY);
	assert_false(ns.made);
	assert_true(ns.id == id);
	assert_true(atomic_load(&ns.space.state->committed) == 17);
	assert_true(atomic_load(&ns.space.state->life.epoch) == 2);
	assert_true(atomic_load(&ns.space.state->life.restarts) == 0);
	assert_int_equal(atomic_load(&ns.space.state->life.phase), LIFE_STARTING);
	assert_int_equal(atomic_load(&ns.space.state->life.flags), STOA_VERIFY);
	assert_true(exists(state, "web/lane.0"));
	assert_false(exists(state, "web/state.new"));
	end(&ns);
}

static void namespace_keeps_its_limits(void **state)
{
	struct namespace ns;
	(void)state;
	const struct stoa_options *small = STOA_OPTIONS(.max_objects = 10, .max_queue = 16, .max_threads = 2);
	assert_int_equal(namespace_open(&ns, "web", NULL, small, NULL), 0);
	struct geometry g = ns.space.geometry;
	namespace_close(&ns);
	open_ok(&ns, 0);
	assert_memory_equal(&ns.space.geometry, &g, sizeof(g));
	assert_int_equal(ns.options.max_objects, 10);
	assert_int_equal(ns.options.max_threads, 2);
	assert_int_equal(ns.roster.n_lanes, space_lanes(&ns.space));
	end(&ns);
}

static void namespace_is_kept_when_asked(void **state)
{
	struct namespace ns;
	open_ok(&ns, STOA_KEEP);
	atomic_store(&ns.space.state->committed, 17);
	end(&ns);
	assert_true(exists(state, "web/state") && exists(state, "web/ingress"));
	assert_false(exists(state, "web/socket"));
	open_ok(&ns, 0);
	assert_false(ns.made);
	assert_true(atomic_load(&ns.space.state->committed) == 17);
	end(&ns);
}

static void namespace_half_made_is_replaced(void **state)
{
	struct namespace ns;
	open_ok(&ns, 0);
	namespace_close(&ns);
	assert_int_equal(unlink(scratch_path(state, "web/state")), 0);
	touch(state, "web/lane.3");
	touch(state, "web/state.new");
	open_ok(&ns, 0);
	assert_true(ns.made);
	assert_false(exists(state, "web/lane.3"));
	assert_string_equal(logged, "");
	end(&ns);
}

static void namespace_half_removed_is_replaced(void **state)
{
	struct namespace ns;
	open_ok(&ns, 0);
	atomic_store(&ns.space.state->life.phase, LIFE_ENDED);
	namespace_close(&ns);
	assert_int_equal(unlink(scratch_path(state, "web/ingress")), 0);
	open_ok(&ns, 0);
	assert_true(ns.made);
	assert_string_equal(logged, "");
	end(&ns);
}

/* ---- damage ------------------------------------------------------------------------------------------------ */

static void change_state(void **state, void (*change)(struct state_head *head))
{
	struct state_head head;
	int fd = open(scratch_path(state, "web/state"), O_RDWR);
	assert_int_equal(pread(fd, &head, sizeof(head), 0), sizeof(head));
	change(&head);
	assert_int_equal(pwrite(fd, &head, sizeof(head), 0), sizeof(head));
	close(fd);
}

static void change_magic(struct state_head *head)
{
	head->head.magic++;
}

static void change_geometry(struct state_head *head)
{
	head->geometry.heap_at += LAYOUT_PAGE;
}

static void change_count(struct state_head *head)
{
	head->geometry.objects = 0;
}

static void change_id(struct state_head *head)
{
	head->head.namespace_id++;
}

static void change_major(struct state_head *head)
{
	head->head.major = 777;
}

enum damage { MAGIC, GEOMETRY, COUNT, ID, SHORT_STATE, SHORT_INGRESS, FOREIGN, NO_INGRESS, LINK, DAMAGES };

static void damage(void **state, enum damage how)
{
	static void (*const changes[])(struct state_head *head) = { change_magic, change_geometry, change_count,
								   change_id };
	if (how <= ID)
		change_state(state, changes[how]);
	else if (how == SHORT_STATE)
		assert_int_equal(truncate(scratch_path(state, "web/state"), 100000), 0);
	else if (how == SHORT_INGRESS)
		assert_int_equal(truncate(scratch_path(state, "web/ingress"), 0), 0);
	else if (how == FOREIGN)
		assert_int_equal(chown(scratch_path(state, "web/ingress"), 3456789, (gid_t)-1), 0);
	else
		assert_int_equal(unlink(scratch_path(state, "web/ingress")), 0);
	if (how == LINK)
		assert_int_equal(symlink("/etc/passwd", scratch_path(state, "web/ingress")), 0);
}

static void namespace_damaged_is_set_aside(void **state)
{
	for (enum damage how = 0; how < DAMAGES; how++) {
		struct namespace ns;
		glob_t found;
		if (how == FOREIGN && geteuid() != 0)
			continue;
		open_ok(&ns, 0);
		touch(state, "web/lane.5");
		namespace_close(&ns);
		damage(state, how);
		logged[0] = '\0';
		open_ok(&ns, 0);
		assert_true(ns.made);
		assert_int_equal(priority, LOG_WARNING);
		assert_non_null(strstr(logged, "namespace web is damaged: the "));
		assert_false(exists(state, "web/lane.5"));
		assert_int_equal(glob(scratch_path(state, "web.damaged-*"), 0, NULL, &found), 0);
		assert_int_equal(found.gl_pathc, 1);
		assert_non_null(strstr(logged, found.gl_pathv[0]));
		assert_int_equal(access(strcat(strcpy(logged, found.gl_pathv[0]), "/state"), F_OK), 0);
		assert_int_equal(access(strcat(strcpy(logged, found.gl_pathv[0]), "/lane.5"), F_OK), 0);
		scratch_remove(found.gl_pathv[0]);
		globfree(&found);
		end(&ns);
	}
}

static void namespace_of_another_version_is_left_alone(void **state)
{
	struct namespace ns;
	open_ok(&ns, 0);
	namespace_close(&ns);
	change_state(state, change_major);
	refused(-EPROTO, "layout 777.0, this library ", NULL, NULL);
	assert_true(exists(state, "web/state") && exists(state, "web/ingress"));
	scratch_remove(scratch_path(state, "web"));
}

/* ---- places that are not ours ------------------------------------------------------------------------------ */

static void namespace_refuses_a_link_for_its_directory(void **state)
{
	char target[256];
	snprintf(target, sizeof(target), "%s", scratch_path(state, "target"));
	assert_int_equal(mkdir(target, 0700), 0);
	assert_int_equal(symlink(target, scratch_path(state, "web")), 0);
	refused(-EACCES, "web is not a directory, or a symbolic link", NULL, NULL);
	assert_int_equal(unlink(scratch_path(state, "web")), 0);
	assert_int_equal(rmdir(target), 0); /* untouched: empty */
	touch(state, "web");
	refused(-EACCES, "web is not a directory", NULL, NULL);
	assert_int_equal(unlink(scratch_path(state, "web")), 0);
}

static void namespace_refuses_a_directory_that_others_write(void **state)
{
	struct stat st;
	assert_int_equal(mkdir(scratch_path(state, "web"), 0700), 0);
	assert_int_equal(chmod(scratch_path(state, "web"), 0720), 0);
	refused(-EACCES, "can be written by others (mode 0720)", NULL, NULL);
	assert_int_equal(stat(scratch_path(state, "web"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0720);
	assert_int_equal(rmdir(scratch_path(state, "web")), 0);
}

static void namespace_makes_the_directory_chosen(void **state)
{
	struct namespace ns;
	char deeper[256];
	snprintf(deeper, sizeof(deeper), "%s", scratch_path(state, "deeper"));
	setenv("STOA_DIR", deeper, 1);
	open_ok(&ns, 0);
	end(&ns);
	assert_int_equal(rmdir(deeper), 0); /* it was chosen: it stays */
	setenv("STOA_DIR", scratch_path(state, "not/there"), 1);
	refused(-ENOENT, "cannot make the directory", NULL, NULL);
}

static int bind_there(void **state, int type)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", scratch_path(state, "web/socket"));
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void namespace_refuses_what_is_no_socket_of_its_own(void **state)
{
	struct stat before, st;
	assert_int_equal(mkdir(scratch_path(state, "web"), 0700), 0);
	for (int i = 0; i < (geteuid() == 0 ? 3 : 2); i++) {
		if (i == 0)
			touch(state, "web/socket");
		else if (i == 1)
			assert_int_equal(symlink("/etc/passwd", scratch_path(state, "web/socket")), 0);
		else
			close(bind_there(state, SOCK_SEQPACKET));
		if (i == 2)
			assert_int_equal(chown(scratch_path(state, "web/socket"), 3456789, 0), 0);
		assert_int_equal(lstat(scratch_path(state, "web/socket"), &before), 0);
		refused(-EACCES, "web/socket is no socket of user", NULL, NULL);
		assert_int_equal(lstat(scratch_path(state, "web/socket"), &st), 0);
		assert_true(st.st_ino == before.st_ino && st.st_mode == before.st_mode && st.st_uid == before.st_uid);
		assert_int_equal(unlink(scratch_path(state, "web/socket")), 0);
	}
	assert_int_equal(rmdir(scratch_path(state, "web")), 0); /* nothing is half made */
}

static void listen_there(void **state, int type)
{
	int fd = bind_there(state, type);
	if (listen(fd, 5) < 0)
		_exit(1);
	touch(state, "listening");
	pause();
}

static void namespace_refuses_a_socket_that_someone_listens_to(void **state)
{
	const int types[] = { SOCK_SEQPACKET, SOCK_STREAM };
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct namespace ns;
	assert_int_equal(mkdir(scratch_path(state, "web"), 0700), 0);
	for (int i = 0; i < 2; i++) {
		pid_t child = fork();
		if (child == 0)
			listen_there(state, types[i]);
		while (!exists(state, "listening"))
			usleep(500);
		assert_int_equal(unlink(scratch_path(state, "listening")), 0);
		refused(-EEXIST, "listens at", NULL, NULL);
		snprintf(to.sun_path, sizeof(to.sun_path), "%s", scratch_path(state, "web/socket"));
		int fd = socket(AF_UNIX, types[i], 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0); /* it still does */
		close(fd);
		kill(child, SIGKILL);
		assert_int_equal(scratch_wait(child), -SIGKILL);
		open_ok(&ns, STOA_KEEP); /* what the dead one left is replaced */
		end(&ns);
		remove(scratch_path(state, "web/state"));
		remove(scratch_path(state, "web/ingress"));
	}
	assert_int_equal(unlink(scratch_path(state, "web/lock")), 0);
	assert_int_equal(rmdir(scratch_path(state, "web")), 0);
}

static void namespace_refuses_a_lock_that_is_not_its_own(void **state)
{
	struct stat st;
	assert_int_equal(mkdir(scratch_path(state, "web"), 0700), 0);
	touch(state, "mine");
	assert_int_equal(symlink("../mine", scratch_path(state, "web/lock")), 0);
	refused(-EACCES, "web/lock is no file of user", NULL, NULL);
	assert_int_equal(lstat(scratch_path(state, "web/lock"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(unlink(scratch_path(state, "mine")), 0);
	refused(-EACCES, "web/lock is no file of user", NULL, NULL); /* and does not make what it points to */
	assert_false(exists(state, "mine"));
	assert_int_equal(unlink(scratch_path(state, "web/lock")), 0);
	if (geteuid() == 0) {
		touch(state, "web/lock");
		assert_int_equal(chown(scratch_path(state, "web/lock"), 3456789, 0), 0);
		refused(-EACCES, "web/lock is no file of user", NULL, NULL);
		assert_int_equal(unlink(scratch_path(state, "web/lock")), 0);
	}
	assert_int_equal(rmdir(scratch_path(state, "web")), 0);
}

/* The usual place, /dev/shm/stoa-UID, as a user whose place it cannot be yet. Root only. 0: refused, and this said. */
static int open_as(uid_t uid, const char *text)
{
	struct namespace ns;
	struct stoa_error e;
	unsetenv("STOA_DIR");
	if (seteuid(uid) < 0)
		return 1;
	int r = namespace_open(&ns, "web", NULL, NULL, NULL);
	stoa_last_error(&e);
	if (r == 0)
		end(&ns);
	return r == -EACCES && strstr(e.text, text) ? 0 : 2;
}

static void namespace_refuses_a_place_of_another_user(void **state)
{
	const uid_t uid = 3456789;
	const char *above = "/dev/shm/stoa-3456789";
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(above, 0755), 0); /* root's */
	pid_t child = fork();
	if (child == 0)
		_exit(open_as(uid, "belongs to user 0"));
	assert_int_equal(scratch_wait(child), 0);
	assert_int_equal(rmdir(above), 0);
	assert_int_equal(symlink("/dev/shm", above), 0);
	child = fork();
	if (child == 0)
		_exit(open_as(uid, "is not a directory, or a symbolic link"));
	assert_int_equal(scratch_wait(child), 0);
	assert_int_equal(unlink(above), 0);
	child = fork();
	if (child == 0)
		_exit(open_as(uid, "") == 2 ? 0 : 1); /* not refused */
	assert_int_equal(scratch_wait(child), 0);
	assert_int_equal(access(above, F_OK), -1);
}

/* ---- who serves -------------------------------------------------------------------------------------------- */

/* A child that opens the namespace, sets the phase, keeps this byte only, and ends it after ms; 0: is killed. */
static pid_t serve(enum life_phase phase, int byte, int ms)
{
	int ready[2];
	char c;
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		struct namespace ns;
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* if this test fails */
		int r = namespace_open(&ns, "web", NULL, NULL, NULL);
		if (r == 0 && byte == LOCK_COORDINATOR) {
			r = lock_take(ns.lock_fd, LOCK_COORDINATOR, 0, NULL);
			lock_drop(ns.lock_fd, LOCK_GUARDIAN);
		}
		if (r < 0)
			_exit(1);
		atomic_store(&ns.space.state->life.phase, phase);
		if (write(ready[1], "+", 1) != 1)
			_exit(1);
		while (ms == 0)
			pause();
		usleep((unsigned)ms * 1000);
		end(&ns);
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return child;
}

static void namespace_served_is_refused_at_once(void **state)
{
	static const struct {
		enum life_phase phase;
		int byte;
	} ways[] = { { LIFE_SERVING, LOCK_GUARDIAN },
		     { LIFE_STARTING, LOCK_GUARDIAN },
		     { LIFE_SERVING, LOCK_COORDINATOR } };
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		pid_t server = serve(ways[i].phase, ways[i].byte, 0), pid = 0;
		char expected[STOA_ERROR_MAX];
		struct namespace ns;
		int64_t before = clock_now();
		assert_int_equal(namespace_open(&ns, "web", NULL, NULL, &pid), -EEXIST);
		assert_int_equal(pid, server);
		assert_true(clock_now() - before < STOA_MS(2000));
		snprintf(expected, sizeof(expected), "namespace \"web\" is served already, by pid %d; "
			 "use that one, end it by \"stoa -n web stop\", or choose another name; "
			 "a program can attach, or start with STOA_JOIN", server);
		refused(-EEXIST, expected, NULL, NULL);
		kill(server, SIGKILL);
		assert_int_equal(scratch_wait(server), -SIGKILL);
		open_ok(&ns, 0);
		assert_false(ns.made);
		end(&ns);
		assert_false(exists(state, "web"));
	}
}

static void namespace_served_here_is_refused(void **state)
{
	struct namespace ns, again;
	pid_t pid = 0;
	(void)state;
	open_ok(&ns, 0);
	assert_int_equal(namespace_open(&again, "web", NULL, NULL, &pid), -EEXIST);
	assert_int_equal(pid, getpid());
	pid_t child = fork(); /* the first one holds its lock still */
	if (child == 0)
		_exit(namespace_open(&again, "web", NULL, NULL, &pid) == -EEXIST && pid == getppid() ? 0 : 1);
	assert_int_equal(scratch_wait(child), 0);
	end(&ns);
}

static void namespace_ending_is_waited_for(void **state)
{
	struct namespace ns;
	pid_t server = serve(LIFE_CLOSING, LOCK_GUARDIAN, 100);
	open_ok(&ns, 0);
	assert_true(ns.made);
	assert_int_equal(scratch_wait(server), 0);
	assert_true(exists(state, "web/state"));
	end(&ns);
}

static void namespace_that_does_not_end_is_refused(void **state)
{
	(void)state;
	pid_t server = serve(LIFE_CLOSING, LOCK_GUARDIAN, 0);
	refused(-EEXIST, "is ending, but pid", NULL, STOA_OPTIONS(.timeout = STOA_MS(100)));
	kill(server, SIGKILL);
	assert_int_equal(scratch_wait(server), -SIGKILL);
	scratch_remove(scratch_path(state, "web"));
}

/* Starters and enders in a throng: at any time one has it, and in the end nothing is there. */
static void namespace_has_one_owner_in_a_throng(void **state)
{
	pid_t children[8];
	for (size_t i = 0; i < 8; i++)
		if ((children[i] = fork()) == 0) {
			for (int n = 0; n < 20; n++) {
				struct namespace ns;
				int r = namespace_open(&ns, "web", NULL, STOA_OPTIONS(.timeout = STOA_MS(20000)), NULL);
				if (r == -EEXIST)
					continue;
				/* O_EXCL: whoever finds it there shares the namespace with somebody */
				if (r < 0 || openat(ns.dir_fd, "mine", O_CREAT | O_EXCL | O_RDWR, 0600) < 0)
					_exit(1);
				usleep(500);
				unlinkat(ns.dir_fd, "mine", 0);
				end(&ns);
			}
			_exit(0);
		}
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(scratch_wait(children[i]), 0);
	assert_false(exists(state, "web"));
}

/* ---- options and classes ----------------------------------------------------------------------------------- */

static void namespace_fills_in_defaults(void **state)
{
	struct namespace ns;
	struct stoa_options older = { .size = offsetof(struct stoa_options, max_state), .max_objects = 7 };
	(void)state;
	older.timeout = STOA_MS(123);
	assert_int_equal(namespace_open(&ns, "web", NULL, &older, NULL), 0);
	assert_true(ns.options.timeout == STOA_MS(123));
	assert_true(ns.options.max_state == UINT64_C(1) << 30);
	assert_int_equal(ns.options.max_objects, 65536); /* beyond what the caller knows */
	assert_int_equal(ns.options.max_threads, 1024);
	assert_int_equal(ns.options.max_attrs, 4194304);
	assert_int_equal(ns.options.max_queue, 8192);
	assert_true(ns.options.deadline == STOA_MS(1000));
	assert_true(ns.options.size == sizeof(struct stoa_options));
	end(&ns);
}

static void namespace_refuses_wrong_options(void **state)
{
	struct stoa_options none = { 0 }, larger = { .size = sizeof(larger) + 1 };
	refused(-EINVAL, "options.size is 0", NULL, &none);
	refused(-EINVAL, "options.size is ", NULL, &larger);
	refused(-EINVAL, "options.flags has 0x10,", NULL, STOA_OPTIONS(.flags = STOA_EXCL | STOA_KEEP));
	refused(-EINVAL, "options.timeout is -2", NULL, STOA_OPTIONS(.timeout = -2));
	refused(-EINVAL, "options.deadline is -1", NULL, STOA_OPTIONS(.deadline = -1));
	refused(-EINVAL, "options.n_uids is 2", NULL, STOA_OPTIONS(.n_uids = 2));
	refused(-EINVAL, "max_queue is 100; it must be a power of two", NULL, STOA_OPTIONS(.max_queue = 100));
	refused(-EINVAL, "max_state", NULL, STOA_OPTIONS(.max_state = 1));
	refused(-EINVAL, "max_state", NULL, STOA_OPTIONS(.max_state = UINT64_MAX));
	assert_false(exists(state, "web"));
}

static uint32_t count(const struct stoa_class *const *classes)
{
	uint32_t n = 0;
	while (classes[n])
		n++;
	return n;
}

static void namespace_has_each_class_once(void **state)
{
	struct namespace ns;
	uint32_t n = count(builtin_classes);
	(void)state;
	assert_int_equal(namespace_open(&ns, "web", STOA_CLASSES(&thing_class, &thing_class), NULL, NULL), 0);
	assert_ptr_equal(ns.classes[0], &thing_class);
	assert_ptr_equal(ns.classes[1], builtin_classes[0]);
	assert_int_equal(count(ns.classes), 1 + n);
	end(&ns);
	assert_int_equal(namespace_open(&ns, "web", STOA_CLASSES(&own_counter), NULL, NULL), 0);
	assert_ptr_equal(ns.classes[0], &own_counter);
	assert_int_equal(count(ns.classes), n); /* instead of the built-in one */
	end(&ns);
	refused(-EINVAL, "class \"thing\" is given twice", STOA_CLASSES(&thing_class, &another_thing), NULL);
	refused(-EINVAL, "class", STOA_CLASSES(&(struct stoa_class){ .name = "a/b", .state = &thing_struct }), NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(namespace_is_made_whole),
		TEST(namespace_listens),
		TEST(namespace_lets_other_users_to_the_socket_only),
		TEST(namespace_end_leaves_what_is_not_ours),
		TEST(namespace_end_removes_nothing_of_another),
		TEST(namespace_is_taken_over_after_a_crash),
		TEST(namespace_keeps_its_limits),
		TEST(namespace_is_kept_when_asked),
		TEST(namespace_half_made_is_replaced),
		TEST(namespace_half_removed_is_replaced),
		TEST(namespace_damaged_is_set_aside),
		TEST(namespace_of_another_version_is_left_alone),
		TEST(namespace_refuses_a_directory_that_others_write),
		TEST(namespace_refuses_a_link_for_its_directory),
		TEST(namespace_refuses_a_lock_that_is_not_its_own),
		TEST(namespace_refuses_a_socket_that_someone_listens_to),
		TEST(namespace_refuses_what_is_no_socket_of_its_own),
		TEST(namespace_makes_the_directory_chosen),
		TEST(namespace_refuses_a_place_of_another_user),
		TEST(namespace_served_is_refused_at_once),
		TEST(namespace_served_here_is_refused),
		TEST(namespace_ending_is_waited_for),
		TEST(namespace_that_does_not_end_is_refused),
		TEST(namespace_has_one_owner_in_a_throng),
		TEST(namespace_fills_in_defaults),
		TEST(namespace_refuses_wrong_options),
		TEST(namespace_has_each_class_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
