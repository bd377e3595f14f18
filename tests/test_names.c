/*
 * test_names.c: which names are good, what is said of the others, and where a namespace lives.
 */
#include "src/names.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "src/error.h"

static void refused(const char *what, const char *name, const char *text)
{
	struct stoa_error e;
	assert_int_equal(names_check(what, name), -EINVAL);
	stoa_last_error(&e);
	assert_int_equal(e.code, -EINVAL);
	assert_string_equal(e.text, text);
}

static void names_check_takes_good_names(void **state)
{
	char longest[STOA_NAME_MAX + 1] = { 0 };
	(void)state;
	memset(longest, 'z', STOA_NAME_MAX);
	assert_int_equal(names_check("namespace", "a"), 0);
	assert_int_equal(names_check("namespace", "Az09_-"), 0);
	assert_int_equal(names_check("namespace", longest), 0);
	assert_int_equal(names_check("object", "queue:7"), 0);
}

static void names_check_says_what_is_wrong(void **state)
{
	char longer[STOA_NAME_MAX + 2] = { 0 };
	(void)state;
	memset(longer, 'z', STOA_NAME_MAX + 1);
	refused("object", "a/b", "object name \"a/b\" has '/': letters, digits, '_', '-' and ':' are allowed");
	refused("namespace", "a:b", "namespace name \"a:b\" has ':': letters, digits, '_' and '-' are allowed");
	refused("object", "a.b", "object name \"a.b\" has '.': letters, digits, '_', '-' and ':' are allowed");
	refused("namespace", "a\nb",
		"namespace name \"a?b\" has the byte 0x0a: letters, digits, '_' and '-' are allowed");
	refused("namespace", "\xc3\xa4",
		"namespace name \"??\" has the byte 0xc3: letters, digits, '_' and '-' are allowed");
	refused("namespace", "", "namespace name is empty: give it 1 to 63 bytes");
	refused("namespace", NULL, "namespace name is empty: give it 1 to 63 bytes");
	refused("object", longer, "object name is longer than 63 bytes");
	refused("object", "-n", "object name \"-n\" begins with '-', as an option does");
}

static void names_check_refuses_every_other_byte(void **state)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	(void)state;
	for (int c = 1; c < 256; c++) {
		char name[] = { 'x', (char)c, '\0' };
		assert_int_equal(names_check("namespace", name), strchr(good, c) ? 0 : -EINVAL);
		assert_int_equal(names_check("object", name), strchr(good, c) || c == ':' ? 0 : -EINVAL);
	}
}

static void names_dir_is_in_shm_by_default(void **state)
{
	char above[PATH_MAX], dir[PATH_MAX], expected[PATH_MAX];
	(void)state;
	unsetenv("STOA_DIR");
	assert_false(names_dir_is_chosen());
	assert_int_equal(names_dir("web", above, dir), 0);
	snprintf(expected, sizeof(expected), "/dev/shm/stoa-%u", (unsigned)geteuid());
	assert_string_equal(above, expected);
	strcat(expected, "/web");
	assert_string_equal(dir, expected);
	setenv("STOA_DIR", "", 1);
	assert_false(names_dir_is_chosen());
}

static void names_dir_obeys_the_environment(void **state)
{
	char above[PATH_MAX], dir[PATH_MAX];
	(void)state;
	setenv("STOA_DIR", "/run/mine", 1);
	assert_true(names_dir_is_chosen());
	assert_int_equal(names_dir("web", above, dir), 0);
	assert_string_equal(above, "/run/mine");
	assert_string_equal(dir, "/run/mine/web");
	setenv("STOA_DIR", "mine", 1);
	strcpy(dir, "untouched");
	assert_int_equal(names_dir("web", above, dir), -EINVAL);
	assert_string_equal(dir, "untouched");
}

static void names_dir_fits_a_socket_address(void **state)
{
	char above[PATH_MAX], dir[PATH_MAX], chosen[200] = { 0 };
	struct stoa_error e;
	(void)state;
	size_t fits = 107 - strlen("/web/socket");
	memset(chosen, 'd', sizeof(chosen) - 1);
	chosen[0] = '/';
	chosen[fits] = '\0';
	setenv("STOA_DIR", chosen, 1);
	assert_int_equal(names_dir("web", above, dir), 0);
	assert_int_equal(names_dir("web2", above, dir), -ENAMETOOLONG);
	stoa_last_error(&e);
	assert_non_null(strstr(e.text, "\"web2\""));
	assert_non_null(strstr(e.text, "109 bytes of the 108"));
}

/* USER/NAME is what that user has in the usual place, whatever $STOA_DIR says. */
static void names_find_knows_users(void **state)
{
	char dir[PATH_MAX];
	uid_t owner;
	(void)state;
	setenv("STOA_DIR", "/run/mine", 1);
	assert_int_equal(names_find("web", dir, &owner), 0);
	assert_string_equal(dir, "/run/mine/web");
	assert_true(owner == NAMES_ANYONE);
	assert_int_equal(names_find("root/web", dir, &owner), 0);
	assert_string_equal(dir, "/dev/shm/stoa-0/web");
	assert_int_equal(owner, 0);
	assert_int_equal(names_find("4711/web", dir, &owner), 0);
	assert_string_equal(dir, "/dev/shm/stoa-4711/web");
	assert_int_equal(owner, 4711);
	unsetenv("STOA_DIR");
	assert_int_equal(names_find("web", dir, &owner), 0);
	assert_int_equal(owner, geteuid());
}

static void names_find_says_what_is_wrong(void **state)
{
	static const struct {
		const char *name, *says;
	} bad[] = {
		{ "../web", "there is no user \"..\"" },
		{ "root/../web", "has '.'" },
		{ "root/..", "has '.'" },
		{ "root/a/b", "has '/'" },
		{ "/web", "there is no user \"\"" },
		{ "/dev/shm/web", "there is no user \"\"" },
		{ "root/", "is empty" },
		{ "no-such-user/web", "there is no user \"no-such-user\"" },
		{ "a\nb/web", "there is no user \"a?b\"" },
		{ "-1/web", "there is no user" },
		{ "4294967295/web", "there is no user" },
		{ "99999999999999999999/web", "there is no user" },
		{ "a-login-name-that-is-longer-than-any-that-there-can-be-in-this-library/web", "there is no user" },
		{ "", "is empty" },
		{ NULL, "is empty" },
	};
	char dir[PATH_MAX] = "untouched";
	struct stoa_error e;
	uid_t owner = 17;
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(names_find(bad[i].name, dir, &owner), -EINVAL);
		stoa_last_error(&e);
		if (!strstr(e.text, bad[i].says))
			fail_msg("\"%s\" does not say \"%s\"", e.text, bad[i].says);
		assert_string_equal(dir, "untouched");
		assert_int_equal(owner, 17);
	}
}

static int forget(void **state)
{
	(void)state;
	unsetenv("STOA_DIR");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_check_takes_good_names),
		cmocka_unit_test(names_check_says_what_is_wrong),
		cmocka_unit_test(names_check_refuses_every_other_byte),
		cmocka_unit_test_teardown(names_dir_is_in_shm_by_default, forget),
		cmocka_unit_test_teardown(names_dir_obeys_the_environment, forget),
		cmocka_unit_test_teardown(names_dir_fits_a_socket_address, forget),
		cmocka_unit_test_teardown(names_find_knows_users, forget),
		cmocka_unit_test(names_find_says_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
