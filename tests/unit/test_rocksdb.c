/* RocksDB as a store, against the real library.  What every store must do is
 * asked by store_conform; here is what this one adds. */

#define _GNU_SOURCE

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <criterion/criterion.h>

#include <aibrix/rocksdb.h>
#include <rocksdb/c.h>

#include "failing.h"
#include "run_thread.h"
#include "store_tools.h"

enum { VALUE = 128 << 10 };

struct base {
	struct temp_path path;
	aibrix_rocksdb_opts rocks;
	aibrix_store_opts opts;
};

static struct base
base_new(void)
{
	struct base b = {.path = temp_path_new(),
			 .rocks = {.size = sizeof(aibrix_rocksdb_opts),
				   .conn_id = "conn",
				   .buffer_bytes = 1 << 20},
			 .opts = {.size = sizeof(aibrix_store_opts),
				  .backend = AIBRIX_BACKEND_USER,
				  .user = aibrix_rocksdb_backend(),
				  .value_bytes = VALUE,
				  .capacity_bytes = 1 << 28,
				  .timeout_ns = AIBRIX_FOREVER}};

	cr_assert_eq(mkdir(b.path.text, 0700), 0);
	return b;
}

static int
base_status(struct base *b, aibrix_store **store)
{
	b->opts.path = b->path.text;
	b->opts.backend_opts = &b->rocks;
	return aibrix_store_open(&b->opts, store);
}

static aibrix_store *
base_open(struct base *b)
{
	aibrix_store *store = NULL;

	cr_assert_eq(base_status(b, &store), AIBRIX_OK);
	return store;
}

/* A value of VALUE bytes, in two pieces. */
static aibrix_done
value_do(aibrix_store *store, uint32_t op, const char *key, char *value)
{
	aibrix_iov iov[2] = {{value, 1000}, {value + 1000, VALUE - 1000}};
	aibrix_io io = io_of(op, key, iov, 1);

	io.n_iov = 2;
	return store_do(store, &io);
}

static aibrix_done
value_put(aibrix_store *store, const char *key, int fill)
{
	static char value[VALUE];

	memset(value, fill, VALUE);
	return value_do(store, AIBRIX_STORE_PUT, key, value);
}

static int
value_is(aibrix_store *store, const char *key, int fill)
{
	static char value[VALUE];
	aibrix_done done;

	memset(value, ~fill, VALUE);
	done = value_do(store, AIBRIX_STORE_GET, key, value);
	for (size_t i = 0; i < VALUE; i++)
		if (value[i] != (char)fill)
			return 0;
	return done.status == AIBRIX_OK && done.bytes == VALUE;
}

/* Files of <path>/conn with such an end; the last of them in name. */
static int
files_ending(const struct base *b, const char *end, char name[700])
{
	char folder[600];
	struct dirent *entry;
	int n = 0;
	DIR *dir;

	snprintf(folder, sizeof(folder), "%s/conn", b->path.text);
	dir = opendir(folder);
	while (dir && (entry = readdir(dir))) {
		size_t length = strlen(entry->d_name);

		if (length > strlen(end) &&
		    strcmp(entry->d_name + length - strlen(end), end) == 0) {
			snprintf(name, 700, "%.400s/%.250s", folder,
				 entry->d_name);
			n++;
		}
	}
	if (dir)
		closedir(dir);
	return n;
}

Test(rocksdb, values_lie_in_blob_files_and_are_there_again)
{
	struct base b = base_new();
	aibrix_store *store = base_open(&b);
	char name[700];
	struct stat st;

	cr_expect_eq(aibrix_store_caps(store),
		     AIBRIX_CAP_LASTING | AIBRIX_CAP_BLOCKING);
	cr_expect_eq(value_put(store, "a", 1).status, AIBRIX_OK);
	cr_expect_eq(value_put(store, "b", 2).status, AIBRIX_OK);
	aibrix_store_free(store);
	cr_assert_eq(files_ending(&b, ".blob", name), 1);
	cr_assert_eq(stat(name, &st), 0);
	cr_expect_gt(st.st_size, 2 * VALUE, "not compressed");
	store = base_open(&b);
	cr_expect(value_is(store, "a", 1));
	cr_expect(value_is(store, "b", 2));
	cr_expect_eq(store_stat(store).recovered, 2);
	aibrix_store_free(store);
	temp_path_remove(b.path.text);
}

Test(rocksdb, a_second_store_on_one_database_is_refused)
{
	struct base b = base_new();
	aibrix_store *store = base_open(&b), *second = NULL;

	cr_expect_eq(base_status(&b, &second), AIBRIX_E_BUSY);
	cr_expect_null(second);
	aibrix_store_free(store);
	store = base_open(&b);
	aibrix_store_free(store);
	temp_path_remove(b.path.text);
}

Test(rocksdb, a_damaged_value_is_corrupt_and_no_miss)
{
	struct base b = base_new();
	aibrix_store *store = base_open(&b);
	char name[700], byte;
	int fd;

	value_put(store, "a", 1);
	aibrix_store_free(store);
	cr_assert_eq(files_ending(&b, ".blob", name), 1);
	fd = open(name, O_RDWR);
	cr_assert_eq(pread(fd, &byte, 1, VALUE / 2), 1);
	byte ^= 1;
	cr_assert_eq(pwrite(fd, &byte, 1, VALUE / 2), 1);
	close(fd);
	store = base_open(&b);
	cr_expect_eq(
		value_do(store, AIBRIX_STORE_GET, "a", (char[VALUE]){0}).status,
		AIBRIX_E_CORRUPT);
	cr_expect_eq(store_ask(store, AIBRIX_STORE_PROBE, "b").status,
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(store_stat(store).errors, 1);
	aibrix_store_free(store);
	temp_path_remove(b.path.text);
}

Test(rocksdb, above_its_capacity_it_is_full_and_keeps_what_it_has)
{
	struct base b = base_new();
	aibrix_store *store;
	int full = 0;
	char key[8];

	b.opts.capacity_bytes = 8 << 20;
	store = base_open(&b);
	for (int i = 0; i < 100; i++) {
		aibrix_done done;

		snprintf(key, sizeof(key), "%d", i);
		done = value_put(store, key, i);
		cr_assert(done.status == AIBRIX_OK ||
			  done.status == AIBRIX_E_FULL);
		full += done.status == AIBRIX_E_FULL;
	}
	cr_expect_geq(full, 36, "64 values fit, and %d were refused", full);
	cr_expect_leq(full, 70, "%d were refused", full);
	cr_expect(value_is(store, "0", 0));
	cr_expect_eq(value_put(store, "0", 7).flags, AIBRIX_DONE_EXISTED,
		     "what is there needs no room");
	aibrix_store_free(store);
	temp_path_remove(b.path.text);
}

/* A database that was made with AIBrix's settings, by another hand. */
static rocksdb_t *
compat_open(const char *path)
{
	rocksdb_options_t *o = rocksdb_options_create();
	char folder[700], *error = NULL;
	rocksdb_t *rocks;

	rocksdb_options_set_create_if_missing(o, 1);
	snprintf(folder, sizeof(folder), "%s/conn/wal", path);
	rocksdb_options_set_wal_dir(o, folder);
	snprintf(folder, sizeof(folder), "%s/conn/db", path);
	rocksdb_options_set_db_log_dir(o, folder);
	snprintf(folder, sizeof(folder), "%s/conn", path);
	mkdir(folder, 0700);
	rocks = rocksdb_open_with_ttl(o, folder, 600, &error);
	cr_assert_null(error, "%s", error);
	rocksdb_options_destroy(o);
	return rocks;
}

Test(rocksdb, databases_of_aibrix_are_read_and_written)
{
	struct base b = base_new();
	rocksdb_writeoptions_t *write = rocksdb_writeoptions_create();
	rocksdb_readoptions_t *read = rocksdb_readoptions_create();
	rocksdb_t *rocks = compat_open(b.path.text);
	static char value[VALUE];
	char *error = NULL, *got, name[700];
	aibrix_store *store;
	size_t n;

	memset(value, 5, VALUE);
	rocksdb_put(rocks, write, "theirs", 6, value, VALUE, &error);
	cr_assert_null(error);
	rocksdb_close(rocks);

	b.rocks.flags = AIBRIX_ROCKSDB_COMPAT;
	store = base_open(&b);
	cr_expect(value_is(store, "theirs", 5));
	cr_expect_eq(store_ask(store, AIBRIX_STORE_PROBE, "theirs").bytes,
		     VALUE, "without the time behind it");
	cr_expect_eq(value_put(store, "theirs", 6).flags, AIBRIX_DONE_EXISTED);
	cr_expect_eq(value_put(store, "ours", 7).status, AIBRIX_OK);
	aibrix_store_free(store);
	cr_expect_eq(files_ending(&b, ".blob", name), 0);

	rocks = compat_open(b.path.text);
	got = rocksdb_get(rocks, read, "ours", 4, &n, &error);
	cr_assert_not_null(got);
	cr_expect_eq(n, VALUE);
	cr_expect_eq(got[VALUE - 1], 7);
	rocksdb_free(got);
	rocksdb_close(rocks);
	rocksdb_readoptions_destroy(read);
	rocksdb_writeoptions_destroy(write);
	temp_path_remove(b.path.text);
}

/* A child stores, says so and is killed at once. */
static void
killed_after_put(struct base *b)
{
	int fds[2], status;
	char byte;
	pid_t pid;

	cr_assert_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		aibrix_store *store = base_open(b);

		if (value_put(store, "a", 1).status == AIBRIX_OK)
			(void)!write(fds[1], "", 1);
		for (;;)
			pause();
	}
	cr_assert_eq(read(fds[0], &byte, 1), 1);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(fds[0]);
	close(fds[1]);
}

Test(rocksdb, a_durable_put_outlives_kill_9)
{
	struct base b = base_new();
	aibrix_store *store;

	b.opts.flags = AIBRIX_STORE_DURABLE;
	killed_after_put(&b);
	store = base_open(&b);
	cr_expect(value_is(store, "a", 1));
	aibrix_store_free(store);
	temp_path_remove(b.path.text);
}

Test(rocksdb, without_a_log_kill_9_costs_values_and_not_the_database)
{
	struct base b = base_new();
	aibrix_store *store;

	killed_after_put(&b);
	store = base_open(&b);
	cr_expect_eq(store_ask(store, AIBRIX_STORE_PROBE, "a").status,
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(value_put(store, "a", 2).status, AIBRIX_OK);
	aibrix_store_free(store);
	temp_path_remove(b.path.text);
}

/* RocksDB's threads are not there in the child: closing would wait for them
 * for ever. */
Test(rocksdb, a_forked_child_may_free_and_takes_nothing_away)
{
	struct base b = base_new();
	aibrix_store *store = base_open(&b);
	int status;
	pid_t pid;

	value_put(store, "a", 1);
	pid = fork();
	if (pid == 0) {
		alarm(30);
		aibrix_store_free(store);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	cr_expect(value_is(store, "a", 1));
	aibrix_store_free(store);
	temp_path_remove(b.path.text);
}

Test(rocksdb, of_puts_of_one_key_on_many_threads_one_is_first)
{
	enum { PUTS = 64, ROUNDS = 20 };
	struct base b = base_new();
	aibrix_store *store;
	char values[PUTS][64], key[8];
	aibrix_iov iov[PUTS];
	aibrix_io ios[PUTS];
	aibrix_done dones[PUTS];

	b.opts.run = run_thread;
	store = base_open(&b);
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t n, got = 0, first = 0;

		snprintf(key, sizeof(key), "%d", round);
		for (uint32_t i = 0; i < PUTS; i++) {
			memset(values[i], (int)i, 64);
			iov[i] = (aibrix_iov){values[i], 64};
			ios[i] = io_of(AIBRIX_STORE_PUT, key, &iov[i], i);
		}
		cr_assert_eq(aibrix_store_submit(store, ios, PUTS, 1, &n), 0);
		cr_assert_eq(n, PUTS);
		while (got < PUTS) {
			cr_assert_eq(aibrix_store_poll(store, dones, PUTS, 1,
						       1000000000, &n),
				     0);
			for (uint32_t i = 0; i < n; i++) {
				cr_assert_eq(dones[i].status, AIBRIX_OK);
				first += !dones[i].flags;
			}
			got += n;
		}
		cr_expect_eq(first, 1);
	}
	aibrix_store_free(store);
	temp_path_remove(b.path.text);
}

Test(rocksdb, options_that_make_no_sense_are_refused)
{
	struct base good = base_new(), b;
	aibrix_store *store = NULL;

	b = good;
	b.rocks.conn_id = "a/b";
	cr_expect_eq(base_status(&b, &store), AIBRIX_E_INVAL);
	b = good;
	b.rocks.ttl_s = 5;
	cr_expect_eq(base_status(&b, &store), AIBRIX_E_INVAL, "not COMPAT");
	b = good;
	b.rocks.jobs = 1000;
	cr_expect_eq(base_status(&b, &store), AIBRIX_E_INVAL);
	b = good;
	b.rocks.buffer_bytes = 1;
	cr_expect_eq(base_status(&b, &store), AIBRIX_E_INVAL);
	b = good;
	b.rocks.flags = 2;
	cr_expect_eq(base_status(&b, &store), AIBRIX_E_ABI);
	b = good;
	b.opts.flags = AIBRIX_STORE_NO_RING;
	cr_expect_eq(base_status(&b, &store), AIBRIX_E_UNSUPPORTED);
	b = good;
	strcat(b.path.text, "/two/levels");
	cr_expect_eq(base_status(&b, &store), AIBRIX_E_DENIED);
	cr_expect_null(store);
	temp_path_remove(good.path.text);
}

Test(rocksdb, opening_survives_each_failed_allocation)
{
	struct base b = base_new();
	uint64_t i;

	for (i = 0; i < 20; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_store *store = NULL;
		int status;

		b.opts.alloc = &a;
		b.rocks.flags = AIBRIX_ROCKSDB_COMPAT;
		status = base_status(&b, &store);
		if (!status) {
			cr_expect_eq(store_put(store, "a", "1").status, 0);
			aibrix_store_free(store);
		} else {
			cr_assert_eq(status, AIBRIX_E_NOMEM);
			cr_assert_null(store);
		}
		cr_assert_eq(f.live, 0);
		if (!status)
			break;
	}
	cr_expect_geq(i, 5);
	cr_expect_lt(i, 20);
	temp_path_remove(b.path.text);
}
