/*
 * test_error.c: the error of a thread, and the texts of the codes: each row has one, and no two have the same.
 */
#include "src/error.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void error_set_tells_code_and_text(void **state)
{
	struct stoa_error e;

	(void)state;
	error_set_command(-EIO, STOA_FROM_METHOD, true, 77, "", 0);
	assert_int_equal(error_set(-EINVAL, "class %s, %d", "hits", 5), -EINVAL);
	stoa_last_error(&e);
	assert_int_equal(e.code, -EINVAL);
	assert_int_equal(e.origin, STOA_FROM_LIBRARY);
	assert_false(e.may_apply);
	assert_true(e.ticket == 0);
	assert_string_equal(e.text, "class hits, 5");
}

static void error_set_truncates_when_long(void **state)
{
	char text[1000];
	struct stoa_error e;

	(void)state;
	memset(text, 'x', sizeof(text));
	error_set(-EINVAL, "%.*s", (int)sizeof(text), text);
	stoa_last_error(&e);
	assert_int_equal(strlen(e.text), STOA_ERROR_MAX - 1);
	error_set_command(-EINVAL, STOA_FROM_METHOD, false, 1, text, sizeof(text));
	stoa_last_error(&e);
	assert_int_equal(strlen(e.text), STOA_ERROR_MAX - 1);
}

static void error_set_command_tells_all_of_it(void **state)
{
	struct stoa_error e;

	(void)state;
	assert_int_equal(error_set_command(-ERANGE, STOA_FROM_METHOD, true, 42, "too much!", 8), -ERANGE);
	stoa_last_error(&e);
	assert_int_equal(e.code, -ERANGE);
	assert_int_equal(e.origin, STOA_FROM_METHOD);
	assert_true(e.may_apply);
	assert_true(e.ticket == 42);
	assert_string_equal(e.text, "too much");
}

static void error_set_command_takes_the_codes_text_when_there_is_none(void **state)
{
	struct stoa_error e;

	(void)state;
	error_set_command(-ESTALE, STOA_FROM_LIBRARY, false, 3, NULL, 0);
	stoa_last_error(&e);
	assert_string_equal(e.text, "the object was removed, or nobody waits for the answer");
}

static void *set_another(void *data)
{
	struct stoa_error e;

	stoa_last_error(&e);
	*(int *)data = e.code;
	error_set(-EIO, "of another thread");
	return NULL;
}

static void stoa_last_error_is_of_this_thread(void **state)
{
	struct stoa_error e;
	pthread_t thread;
	int seen = 1;

	(void)state;
	error_set(-EINVAL, "mine");
	assert_int_equal(pthread_create(&thread, NULL, set_another, &seen), 0);
	pthread_join(thread, NULL);
	stoa_last_error(&e);
	assert_int_equal(seen, 0);
	assert_string_equal(e.text, "mine");
}

static void stoa_strerror_has_a_text_of_its_own_for_each_row(void **state)
{
	size_t n;
	const struct error_row *rows = error_rows(&n);

	(void)state;
	assert_true(n > 20);
	for (size_t i = 0; i < n; i++) {
		assert_in_range(-rows[i].code, 1, 133);
		assert_string_equal(stoa_strerror(rows[i].code), rows[i].text);
		assert_true(strlen(rows[i].text) > 4);
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(rows[i].code, rows[j].code);
			assert_string_not_equal(rows[i].text, rows[j].text);
		}
	}
}

static void stoa_strerror_never_gives_null(void **state)
{
	(void)state;
	assert_string_equal(stoa_strerror(0), "done");
	assert_string_equal(stoa_strerror(1), "not an error");
	assert_string_equal(stoa_strerror(INT_MAX), "not an error");
	assert_string_equal(stoa_strerror(INT_MIN), "unknown error");
	assert_string_equal(stoa_strerror(-4000), "unknown error");
	assert_string_equal(stoa_strerror(-ENOTTY), strerror(ENOTTY));
	for (int code = -5000; code < 10; code++)
		assert_non_null(stoa_strerror(code));
}

/* Every code that an answer may be judged by: what the manual's table "safe to retry?" speaks of. */
static void stoa_strerror_tells_will_not_from_may(void **state)
{
	(void)state;
	assert_string_equal(stoa_strerror(-ECANCELED), "timed out; the command will never apply");
	assert_string_equal(stoa_strerror(-ETIMEDOUT), "timed out; a command may still apply");
	assert_string_equal(stoa_strerror(-EAGAIN), "no room in the queue now; try again");
	assert_string_equal(stoa_strerror(-EPROTO), "a row differs from the coordinator's");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_set_tells_code_and_text),
		cmocka_unit_test(error_set_truncates_when_long),
		cmocka_unit_test(error_set_command_tells_all_of_it),
		cmocka_unit_test(error_set_command_takes_the_codes_text_when_there_is_none),
		cmocka_unit_test(stoa_last_error_is_of_this_thread),
		cmocka_unit_test(stoa_strerror_has_a_text_of_its_own_for_each_row),
		cmocka_unit_test(stoa_strerror_never_gives_null),
		cmocka_unit_test(stoa_strerror_tells_will_not_from_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
