/* A shared directory: names, what others left there, and many at once. */

#define _GNU_SOURCE

#include <signal.h>
#include <sys/wait.h>

#include "base/cpu.h"
#include "base/rand.h"
#include "shfs_tools.h"

/* "value" in hex is 76616c7565. */
#define VALUE_FILE "76/61/76616c7565"

Test(store_shfs, values_lie_where_aibrix_looks_for_them)
{
	struct shared s = shared_new();
	aibrix_store *store;
	struct stat st;
	char text[64];

	s.shfs.conn_id = "aibrix_h0_7_l0_31_lcnd16roc";
	store = shared_open(&s);
	cr_expect_eq(store_put(store, "value", "bytes").status, AIBRIX_OK);
	cr_assert(file_read(&s, "aibrix_h0_7_l0_31_lcnd16roc/" VALUE_FILE, text,
			    sizeof(text)));
	cr_expect_str_eq(text, "bytes");
	cr_expect_eq(store_put(store, "k", "short").status, AIBRIX_OK);
	cr_expect(file_read(&s, "aibrix_h0_7_l0_31_lcnd16roc/6b-", text, 64));
	cr_expect_eq(store_put(store, "kv", "two").status, AIBRIX_OK,
		     "whose directory is 6b");
	cr_expect_eq(store_put(store, "ab", "two").status, AIBRIX_OK);
	cr_expect(file_read(&s, "aibrix_h0_7_l0_31_lcnd16roc/61/62/6162", text,
			    64));
	stat(below(&s, "aibrix_h0_7_l0_31_lcnd16roc/" VALUE_FILE).text, &st);
	cr_expect_eq(st.st_mode & 0777, 0600);
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

Test(store_shfs, keys_too_long_for_a_name_have_their_digest_in_it)
{
	const struct sha256_impl *sha = aibrix__sha256_select(aibrix__cpu());
	uint8_t key[512];
	char a[SHFS_NAME], b[SHFS_NAME];

	for (uint32_t i = 0; i < 512; i++)
		key[i] = (uint8_t)i;
	aibrix__shfs_name(sha, key, 127, a);
	cr_expect_eq(strlen(a), 254);
	cr_expect(aibrix__shfs_is_value(a, "00", "01"));
	aibrix__shfs_name(sha, key, 128, a);
	cr_expect_eq(strlen(a), 255);
	cr_expect_eq(a[190], '-');
	/* sha256sum of the bytes 0 to 127 */
	cr_expect_str_eq(a + 191, "471fb943aa23c511f6f72f8d1652d9c8"
				  "80cfa392ad80503120547703e56a2be5");
	cr_expect(aibrix__shfs_is_value(a, "00", "01"));
	cr_expect_not(aibrix__shfs_is_value(a, "00", "02"));
	aibrix__shfs_name(sha, key, 512, b);
	cr_expect_eq(strlen(b), 255);
	cr_expect_eq(memcmp(a, b, 191), 0);
	cr_expect_str_neq(a, b);
}

Test(store_shfs, only_names_in_their_place_are_values)
{
	static const char *const no[] = {
		"",      "0",     "6",        "616",   "61626",
		"61G2",  "616B",  "6162.tmp", ".6162", "6162~",
		"notes", "6162-", "6162 61",  "6262"};

	cr_expect(aibrix__shfs_is_value("6162", "61", "62"));
	cr_expect(aibrix__shfs_is_value("616263", "61", "62"));
	cr_expect(aibrix__shfs_is_value("61-", NULL, NULL));
	cr_expect_not(aibrix__shfs_is_value("61", NULL, NULL));
	cr_expect_not(aibrix__shfs_is_value("61", "61", "62"));
	cr_expect_not(aibrix__shfs_is_value("6162", NULL, NULL));
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		cr_expect_not(aibrix__shfs_is_value(no[i], "61", "62"), "%s",
			      no[i]);
	cr_expect(aibrix__shfs_is_temp("6162.tmp"));
	cr_expect(aibrix__shfs_is_temp(".0123456789abcdef.tmp"));
	cr_expect_not(aibrix__shfs_is_temp(".tmp"));
	cr_expect_not(aibrix__shfs_is_temp("notes.tmp"));
	cr_expect_not(aibrix__shfs_is_temp("6162.tmp2"));
	cr_expect_not(aibrix__shfs_is_temp("6162"));
}

Test(store_shfs, what_others_do_is_seen_with_the_next_call)
{
	struct shared s = shared_new();
	aibrix_store *a = shared_open(&s), *b = shared_open(&s);
	char text[64];

	cr_expect_eq(store_put(a, "value", "of a").status, AIBRIX_OK);
	cr_expect_eq(store_get(b, "value", text, 64).status, AIBRIX_OK);
	cr_expect_str_eq(text, "of a");
	cr_expect_eq(store_put(b, "value", "of b").flags, AIBRIX_DONE_EXISTED);
	cr_expect_eq(store_ask(b, AIBRIX_STORE_DELETE, "value").status, 0);
	cr_expect_eq(store_get(a, "value", text, 64).status,
		     AIBRIX_E_NOT_FOUND);
	unlink(below(&s, VALUE_FILE).text);
	file_write(&s, VALUE_FILE, "of another program");
	cr_expect_eq(store_get(a, "value", text, 64).status, AIBRIX_OK);
	cr_expect_str_eq(text, "of another program");
	aibrix_store_free(a);
	aibrix_store_free(b);
	temp_path_remove(s.path.text);
}

/* Nobody may have us read or write somewhere else. */
Test(store_shfs, symbolic_links_are_not_followed)
{
	struct shared s = shared_new(), victim = shared_new();
	aibrix_store *store = shared_open(&s);
	char text[64], dir[8] = "64/";
	struct file_name secret = below(&victim, "secret");

	mkdir(victim.path.text, 0700);
	file_write(&victim, "secret", "do not show");
	file_write(&s, "76/61/other", "");
	cr_assert_eq(symlink(secret.text, below(&s, VALUE_FILE).text), 0);
	cr_expect_eq(store_get(store, "value", text, 64).status,
		     AIBRIX_E_CORRUPT);
	cr_expect_str_eq(text, "");
	cr_expect_eq(store_ask(store, AIBRIX_STORE_PROBE, "value").status,
		     AIBRIX_E_CORRUPT);
	cr_expect_eq(store_put(store, "value", "overwrite").status,
		     AIBRIX_E_CORRUPT);
	cr_expect(file_read(&victim, "secret", text, 64));
	cr_expect_str_eq(text, "do not show");
	cr_expect_eq(store_ask(store, AIBRIX_STORE_DELETE, "value").status, 0);
	cr_expect(file_is_there(&victim, "secret"), "the link has gone");
	cr_expect_eq(store_put(store, "value", "mine").status, AIBRIX_OK);

	/* a directory, first and second: "dir" is 646972 */
	cr_assert_eq(symlink(victim.path.text, below(&s, "64").text), 0);
	cr_expect_eq(store_put(store, "dir", "x").status, AIBRIX_E_CORRUPT);
	cr_expect_eq(store_get(store, "dir", text, 64).status,
		     AIBRIX_E_CORRUPT);
	unlink(below(&s, "64").text);
	mkdir(below(&s, dir).text, 0700);
	cr_assert_eq(symlink(victim.path.text, below(&s, "64/69").text), 0);
	cr_expect_eq(store_put(store, "dir", "x").status, AIBRIX_E_CORRUPT);
	cr_expect_not(file_is_there(&victim, "646972"));
	aibrix_store_free(store);

	/* and the connection's own */
	s.shfs.conn_id = "conn";
	cr_assert_eq(symlink(victim.path.text, below(&s, "conn").text), 0);
	cr_expect_eq(shared_status(&s), AIBRIX_E_DENIED);
	temp_path_remove(s.path.text);
	temp_path_remove(victim.path.text);
}

/* A FIFO would block who opens it, a device is read without an end. */
Test(store_shfs, only_regular_files_are_values)
{
	struct shared s = shared_new();
	aibrix_store *store = shared_open(&s);
	char text[64];

	file_write(&s, "76/61/other", "");
	cr_assert_eq(mkfifo(below(&s, VALUE_FILE).text, 0600), 0);
	cr_expect_eq(store_get(store, "value", text, 64).status,
		     AIBRIX_E_CORRUPT);
	cr_expect_eq(store_put(store, "value", "x").status, AIBRIX_E_CORRUPT);
	unlink(below(&s, VALUE_FILE).text);
	mkdir(below(&s, VALUE_FILE).text, 0700);
	cr_expect_eq(store_get(store, "value", text, 64).status,
		     AIBRIX_E_CORRUPT);
	cr_expect_eq(store_put(store, "value", "x").status, AIBRIX_E_CORRUPT);
	cr_expect_eq(store_ask(store, AIBRIX_STORE_DELETE, "value").status,
		     AIBRIX_E_CORRUPT);
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

/* A sparse file claims any size and costs nothing. */
Test(store_shfs, a_huge_file_is_told_and_neither_read_nor_believed)
{
	struct shared s = shared_new();
	aibrix_store *store = shared_open(&s);
	aibrix_done done;
	char text[64];

	file_write(&s, VALUE_FILE, "");
	cr_assert_eq(truncate(below(&s, VALUE_FILE).text, (off_t)1 << 40), 0);
	done = store_get(store, "value", text, 64);
	cr_expect_eq(done.status, AIBRIX_E_SPACE);
	cr_expect_eq(done.bytes, (uint64_t)1 << 40);
	done = store_ask(store, AIBRIX_STORE_PROBE, "value");
	cr_expect_eq(done.bytes, (uint64_t)1 << 40);
	/* It takes the whole quota, and goes for it. */
	file_age(&s, VALUE_FILE, 100000);
	cr_expect_eq(store_put(store, "a", "1").status, AIBRIX_OK);
	cr_expect_not(file_is_there(&s, VALUE_FILE));
	cr_expect_eq(store_put(store, "b", "2").status, AIBRIX_OK);
	cr_expect_eq(store_get(store, "a", text, 64).status, AIBRIX_OK);
	cr_expect_eq(store_stat(store).evictions, 1);
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

enum { WRITERS = 3, ROUNDS = 150, BYTES = 4000 };

static void
number_put(aibrix_store *store, uint32_t round, char fill, aibrix_done *done)
{
	char key[16], value[BYTES];
	aibrix_iov iov = {value, BYTES};
	aibrix_io io = io_of(AIBRIX_STORE_PUT, key, &iov, 1);

	memset(value, fill, sizeof(value));
	snprintf(key, sizeof(key), "key-%u", round);
	io.key_bytes = (uint32_t)strlen(key);
	*done = store_do(store, &io);
}

/* How many of the keys a child stored first, as its exit status says. */
static pid_t
writer_start(struct shared *s, char fill)
{
	pid_t pid = fork();

	if (pid == 0) {
		aibrix_store *store = shared_open(s);
		int first = 0;

		for (uint32_t i = 0; i < ROUNDS; i++) {
			aibrix_done done;

			number_put(store, i, fill, &done);
			if (done.status != AIBRIX_OK)
				_exit(255);
			first += !(done.flags & AIBRIX_DONE_EXISTED);
		}
		aibrix_store_free(store);
		_exit(first);
	}
	return pid;
}

static void
value_is_whole(aibrix_store *store, uint32_t round)
{
	char key[16], text[BYTES + 1];

	snprintf(key, sizeof(key), "key-%u", round);
	cr_assert_eq(store_get(store, key, text, sizeof(text)).status,
		     AIBRIX_OK);
	cr_expect_eq(strlen(text), BYTES);
	cr_expect_eq(strspn(text, (char[]){text[0], '\0'}), BYTES);
}

Test(store_shfs, of_processes_that_store_one_key_at_once_one_wins)
{
	struct shared s = shared_new();
	aibrix_store *store = shared_open(&s);
	pid_t writers[WRITERS];
	int first = 0;

	for (int i = 0; i < WRITERS; i++)
		writers[i] = writer_start(&s, (char)('a' + i));
	for (int i = 0; i < WRITERS; i++) {
		int status;

		cr_assert_eq(waitpid(writers[i], &status, 0), writers[i]);
		cr_assert(WIFEXITED(status));
		cr_assert_neq(WEXITSTATUS(status), 255, "all are OK");
		first += WEXITSTATUS(status);
	}
	cr_expect_eq(first, ROUNDS, "each key was stored once");
	for (uint32_t i = 0; i < ROUNDS; i++)
		value_is_whole(store, i);
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

/* Says after each value that it is there, on and on. */
static void
endless_writer(struct shared *s, int fd)
{
	aibrix_store *store = shared_open(s);

	for (uint32_t i = 0;; i++) {
		aibrix_done done;

		number_put(store, i, 'x', &done);
		if (done.status || write(fd, "", 1) != 1)
			_exit(1);
	}
}

Test(store_shfs, a_writer_killed_at_any_point_leaves_whole_values_only)
{
	uint64_t seed = 3;

	for (int round = 0; round < 200; round++) {
		struct shared s = shared_new();
		uint32_t n = 0, stop = rand_below(&seed, 12);
		aibrix_store *store;
		int fds[2], status;
		char byte;
		pid_t pid;

		cr_assert_eq(pipe(fds), 0);
		pid = fork();
		if (pid == 0)
			endless_writer(&s, fds[1]);
		close(fds[1]);
		while (n < stop && read(fds[0], &byte, 1) == 1)
			n++;
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		while (read(fds[0], &byte, 1) == 1)
			n++;
		close(fds[0]);

		store = shared_open(&s);
		for (uint32_t i = 0; i < n; i++)
			value_is_whole(store, i);
		if (store_ask(store, AIBRIX_STORE_PROBE, "key-0").status == 0)
			value_is_whole(store, 0);
		aibrix_store_free(store);
		temp_path_remove(s.path.text);
	}
}

Test(store_shfs, options_that_make_no_sense_are_refused)
{
	static const char *const bad[] = {"", ".", "..", "a/b", ".x", "a b"};
	struct shared good = shared_new(), s;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		s = good;
		s.shfs.conn_id = bad[i];
		cr_expect_eq(shared_status(&s), AIBRIX_E_INVAL, "%s", bad[i]);
	}
	s = good;
	s.shfs.mode = 01777;
	cr_expect_eq(shared_status(&s), AIBRIX_E_INVAL);
	s = good;
	s.shfs.sweep_entries = 5000;
	cr_expect_eq(shared_status(&s), AIBRIX_E_INVAL);
	s = good;
	s.shfs.flags = 2;
	cr_expect_eq(shared_status(&s), AIBRIX_E_ABI);
	s = good;
	s.shfs.size = 3;
	cr_expect_eq(shared_status(&s), AIBRIX_E_INVAL);
	s = good;
	s.opts.flags = AIBRIX_STORE_NO_RING;
	cr_expect_eq(shared_status(&s), AIBRIX_E_UNSUPPORTED);
	s = good;
	strcat(s.path.text, "/two/levels");
	cr_expect_eq(shared_status(&s), AIBRIX_E_DENIED, "no such directory");
	s = good;
	s.path.text[0] = '\0';
	cr_expect_eq(shared_status(&s), AIBRIX_E_INVAL);
	cr_expect_not(file_is_there(&good, ""));
}

Test(store_shfs, a_file_in_place_of_the_directory_is_refused)
{
	struct shared s = shared_new();
	FILE *file = fopen(s.path.text, "w");

	cr_assert_not_null(file);
	fclose(file);
	cr_expect_eq(shared_status(&s), AIBRIX_E_DENIED);
	unlink(s.path.text);
}

Test(store_shfs, mode_is_that_of_files_and_lets_into_directories)
{
	struct shared s = shared_new();
	aibrix_store *store;
	struct stat st;

	umask(0);
	s.shfs.mode = 0640;
	store = shared_open(&s);
	cr_expect_eq(store_put(store, "value", "bytes").status, AIBRIX_OK);
	stat(below(&s, VALUE_FILE).text, &st);
	cr_expect_eq(st.st_mode & 0777, 0640);
	stat(below(&s, "76/61").text, &st);
	cr_expect_eq(st.st_mode & 0777, 0750);
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}

Test(store_shfs, it_is_lasting_shared_and_blocking)
{
	struct shared s = shared_new();
	aibrix_store *store;
	char text[64];

	s.opts.backend_opts = NULL;
	s.opts.path = s.path.text;
	cr_assert_eq(aibrix_store_open(&s.opts, &store), AIBRIX_OK);
	cr_expect_eq(aibrix_store_caps(store), AIBRIX_CAP_LASTING |
						       AIBRIX_CAP_SHARED |
						       AIBRIX_CAP_BLOCKING);
	store_put(store, "value", "bytes");
	aibrix_store_free(store);
	store = shared_open(&s);
	cr_expect_eq(store_get(store, "value", text, 64).status, AIBRIX_OK);
	aibrix_store_free(store);
	temp_path_remove(s.path.text);
}
