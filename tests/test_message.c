/*
 * test_message.c: a message arrives whole, with its descriptors, or not at all, and nothing that came with it stays
 * open.
 */
#include "src/message.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/scratch.h"

struct pair {
	int at[2];
	int fds; /* open in all, without the pair */
};

static int setup(void **state)
{
	static struct pair pair;
	pair.fds = scratch_fds();
	*state = &pair;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.at);
}

static int teardown(void **state)
{
	struct pair *p = *state;
	close(p->at[0]);
	if (p->at[1] >= 0)
		close(p->at[1]);
	if (scratch_fds() == p->fds)
		return 0;
	print_error("descriptors were left open\n");
	return -1;
}

/* Send bytes and n descriptors (of an eventfd) as no caller of message_send could. */
static void send_raw(int socket, const void *bytes, size_t size, int n)
{
	char control[CMSG_SPACE(16 * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = size };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };
	int fd = eventfd(0, 0);
	h.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
	for (int i = 0; i < n; i++)
		memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &fd, sizeof(fd));
	assert_int_equal(sendmsg(socket, &h, 0), (ssize_t)size);
	close(fd);
}

static void message_arrives_with_its_descriptors(void **state)
{
	struct pair *p = *state;
	struct message m = { .kind = MESSAGE_HELLO, .id = 7, .a = 8, .b = 9, .status = -5, .n_fds = 2 }, got;
	int fds[2] = { eventfd(11, EFD_NONBLOCK), eventfd(22, EFD_NONBLOCK) }, got_fds[MESSAGE_FDS];
	uint64_t value;
	strcpy(m.text, "hello");
	assert_int_equal(message_send(p->at[0], &m, fds), 0);
	assert_int_equal(message_receive(p->at[1], &got, got_fds), 0);
	assert_memory_equal(&m, &got, sizeof(m));
	assert_int_equal(got.n_fds, 2);
	for (int i = 0; i < 2; i++) {
		assert_true(fcntl(got_fds[i], F_GETFD) & FD_CLOEXEC);
		assert_int_equal(read(got_fds[i], &value, sizeof(value)), sizeof(value));
		assert_int_equal(value, i == 0 ? 11 : 22);
		close(got_fds[i]);
		close(fds[i]);
	}
}

static void message_receive_does_not_wait(void **state)
{
	struct pair *p = *state;
	struct message got = { .id = 77 };
	int fds[MESSAGE_FDS];
	assert_int_equal(message_receive(p->at[1], &got, fds), -EAGAIN);
	assert_int_equal(got.id, 77);
}

static void message_ends_with_the_connection(void **state)
{
	struct pair *p = *state;
	struct message m = { .kind = MESSAGE_STOP };
	int fds[MESSAGE_FDS];
	close(p->at[1]);
	p->at[1] = -1;
	assert_int_equal(message_receive(p->at[0], &m, fds), -EPIPE);
	assert_int_equal(message_send(p->at[0], &m, NULL), -EPIPE);
}

static void refused(struct pair *p, int expected)
{
	struct message got;
	int fds[MESSAGE_FDS], before = scratch_fds();
	assert_int_equal(message_receive(p->at[1], &got, fds), expected);
	assert_int_equal(scratch_fds(), before);
}

static void message_of_another_kind_is_refused(void **state)
{
	struct pair *p = *state;
	struct message m = { .magic = LAYOUT_MAGIC, .major = LAYOUT_MAJOR, .n_fds = 1 }, bad;
	send_raw(p->at[0], &m, sizeof(m) - 1, 1);
	refused(p, -EPROTO);
	char longer[sizeof(m) + 1] = { 0 };
	memcpy(longer, &m, sizeof(m));
	send_raw(p->at[0], longer, sizeof(longer), 1);
	refused(p, -EPROTO);
	bad = m, bad.magic++;
	send_raw(p->at[0], &bad, sizeof(bad), 1);
	refused(p, -EPROTO);
	bad = m, bad.major++;
	send_raw(p->at[0], &bad, sizeof(bad), 1);
	refused(p, -EPROTO);
	send_raw(p->at[0], "", 0, 1);
	refused(p, -EPIPE);
}

static void message_with_other_descriptors_is_refused(void **state)
{
	struct pair *p = *state;
	struct message m = { .magic = LAYOUT_MAGIC, .major = LAYOUT_MAJOR, .n_fds = 2 };
	send_raw(p->at[0], &m, sizeof(m), 1);
	refused(p, -EPROTO);
	m.n_fds = 0;
	send_raw(p->at[0], &m, sizeof(m), 1);
	refused(p, -EPROTO);
	m.n_fds = 9;
	send_raw(p->at[0], &m, sizeof(m), 9);
	refused(p, -EPROTO);
	m.n_fds = MESSAGE_FDS;
	send_raw(p->at[0], &m, sizeof(m), MESSAGE_FDS + 1);
	refused(p, -EPROTO);
}

static void message_send_refuses_too_many(void **state)
{
	struct pair *p = *state;
	struct message m = { .n_fds = MESSAGE_FDS + 1 };
	int fds[MESSAGE_FDS + 1] = { 0 };
	assert_int_equal(message_send(p->at[0], &m, fds), -EINVAL);
	refused(p, -EAGAIN);
}

static void message_text_is_terminated(void **state)
{
	struct pair *p = *state;
	struct message m = { .magic = LAYOUT_MAGIC, .major = LAYOUT_MAJOR }, got;
	int fds[MESSAGE_FDS];
	memset(m.text, 'x', sizeof(m.text));
	assert_int_equal(send(p->at[0], &m, sizeof(m), 0), sizeof(m));
	assert_int_equal(message_receive(p->at[1], &got, fds), 0);
	assert_int_equal(strlen(got.text), STOA_ERROR_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(message_arrives_with_its_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(message_receive_does_not_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(message_ends_with_the_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(message_of_another_kind_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(message_with_other_descriptors_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(message_send_refuses_too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(message_text_is_terminated, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
