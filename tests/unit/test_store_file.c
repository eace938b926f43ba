/* The slot file: recovery, damage, and what the disk may answer. */

#define _DEFAULT_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include <aibrix/store.h>

#include "base/rand.h"
#include "base/xxh.h"
#include "store/store_slots.h"
#include "store_tools.h"

enum { VALUE = 100, SLOTS = 4, STRIDE = 8192 };

/* Each test runs in each way that a file can be read and written. */
struct way {
	char name[12];
	uint32_t flags;
};

static struct way ways[] = {
	{"ring", 0},
	{"buffered", AIBRIX_STORE_BUFFERED},
	{"durable", AIBRIX_STORE_DURABLE},
	{"blocking", AIBRIX_STORE_NO_RING},
};

static uint32_t flags;

#define EACH_WAY(test)                                                         \
	static void test##_run(void);                                          \
	ParameterizedTestParameters(store_file, test)                          \
	{                                                                      \
		return cr_make_param_array(struct way, ways,                   \
					   sizeof(ways) / sizeof(ways[0]));    \
	}                                                                      \
	ParameterizedTest(struct way *w, store_file, test)                     \
	{                                                                      \
		flags = w->flags;                                              \
		test##_run();                                                  \
	}                                                                      \
	static void test##_run(void)

static aibrix_store_opts
opts_of(const char *path)
{
	return (aibrix_store_opts){.size = sizeof(aibrix_store_opts),
				   .backend = AIBRIX_BACKEND_FILE,
				   .path = path,
				   .flags = flags,
				   .capacity_bytes = SLOTS * VALUE,
				   .value_bytes = VALUE};
}

static aibrix_store *
new_store(const char *path)
{
	aibrix_store_opts opts = opts_of(path);
	aibrix_store *store = NULL;

	cr_assert_eq(aibrix_store_open(&opts, &store), AIBRIX_OK);
	return store;
}

static int
open_status(const char *path)
{
	aibrix_store_opts opts = opts_of(path);
	aibrix_store *store = NULL;
	int status = aibrix_store_open(&opts, &store);

	aibrix_store_free(store);
	return status;
}

static void
file_poke(const char *path, uint64_t at, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY);

	cr_assert_geq(fd, 0);
	cr_assert_eq(pwrite(fd, bytes, n, (off_t)at), (ssize_t)n);
	close(fd);
}

static uint8_t
file_peek(const char *path, uint64_t at)
{
	int fd = open(path, O_RDONLY);
	uint8_t byte = 0;

	cr_assert_geq(fd, 0);
	cr_assert_eq(pread(fd, &byte, 1, (off_t)at), 1);
	close(fd);
	return byte;
}

static void
file_flip(const char *path, uint64_t at)
{
	uint8_t byte = file_peek(path, at) ^ 0x10;

	file_poke(path, at, &byte, 1);
}

static void
new_foreign(const char *path, const char *text)
{
	FILE *f = fopen(path, "wb");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

EACH_WAY(values_are_there_again_after_a_close)
{
	struct temp_path path = temp_path_new();
	aibrix_store *store = new_store(path.text);
	char text[101], key[301];

	memset(key, 'k', sizeof(key));
	key[300] = '\0';
	store_put(store, "a", "first");
	store_put(store, key, "second");
	aibrix_store_free(store);
	store = new_store(path.text);

	cr_expect_eq(store_stat(store).recovered, 2);
	cr_expect_eq(store_stat(store).dropped, 0);
	store_get(store, "a", text, sizeof(text));
	cr_expect_str_eq(text, "first");
	store_get(store, key, text, sizeof(text));
	cr_expect_str_eq(text, "second");
	aibrix_store_free(store);
	unlink(path.text);
}

EACH_WAY(recovered_values_make_room_in_the_order_of_writing)
{
	struct temp_path path = temp_path_new();
	aibrix_store *store = new_store(path.text);

	store_put(store, "a", "1");
	store_put(store, "b", "2");
	store_put(store, "c", "3");
	store_put(store, "d", "4");
	store_ask(store, AIBRIX_STORE_DELETE, "a");
	store_put(store, "e", "5"); /* into the slot of a */
	aibrix_store_free(store);
	store = new_store(path.text);
	store_put(store, "f", "6");

	cr_expect_eq(store_ask(store, AIBRIX_STORE_PROBE, "b").status,
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(store_ask(store, AIBRIX_STORE_PROBE, "e").status, 0);
	cr_expect_eq(store_ask(store, AIBRIX_STORE_PROBE, "a").status,
		     AIBRIX_E_NOT_FOUND, "deleted stays deleted");
	aibrix_store_free(store);
	unlink(path.text);
}

EACH_WAY(bytes_on_disk_are_those_of_the_documented_format)
{
	static const uint8_t super[40] = {
		'A', 'I', 'B', 'X', 'S', 'L', 'O', 'T', 1, 0, 0, 0,
		0,   0,   0,   0,   100, 0,   0,   0,   0, 0, 0, 0,
		4,   0,   0,   0,   0,   0,   0,   0,   0, 32};
	static const uint8_t head[41] = {
		'S', 'L', 'T',  '1',  0,    0,    0,    0,    1,    0,    0,
		0,   0,   0,    0,    0,    0,    0,    0,    0,    0,    0,
		0,   0,   0xc2, 0x94, 0xd3, 0x38, 0x05, 0x80, 0x06, 0x2d, 0,
		0,   0,   0,    1,    0,    0,    0,    'k'};
	struct temp_path path = temp_path_new();
	aibrix_store *store = new_store(path.text);

	store_put(store, "k", "");
	aibrix_store_free(store);
	for (uint32_t i = 0; i < sizeof(super); i++)
		if (i < 12 || i >= 16)
			cr_expect_eq(file_peek(path.text, i), super[i],
				     "byte %u", i);
	for (uint32_t i = 0; i < sizeof(head); i++)
		if (i < 4 || i >= 8)
			cr_expect_eq(file_peek(path.text, 4096 + i), head[i],
				     "head byte %u", i);
	unlink(path.text);
}

EACH_WAY(a_flipped_bit_anywhere_in_a_head_drops_that_slot_alone)
{
	struct temp_path path = temp_path_new();
	aibrix_store *store = new_store(path.text);
	char text[101];

	for (uint64_t at = 0; at < SLOT_HEAD; at += 7) {
		uint64_t before = store_stat(store).dropped;

		store_put(store, "a", "kept");
		store_put(store, "b", "damaged");
		cr_assert_eq(before, 0);
		aibrix_store_free(store);
		file_flip(path.text, 4096 + STRIDE + at);
		store = new_store(path.text);
		cr_assert_eq(store_stat(store).dropped, 1, "byte %d", (int)at);
		cr_assert_eq(store_get(store, "a", text, 101).status, 0);
		cr_assert_str_eq(text, "kept");
		cr_assert_eq(store_get(store, "b", text, 101).status,
			     AIBRIX_E_NOT_FOUND);
		aibrix_store_free(store);
		store = new_store(path.text);
		cr_assert_eq(store_stat(store).dropped, 0, "counted once");
	}
	aibrix_store_free(store);
	unlink(path.text);
}

EACH_WAY(a_flipped_bit_in_a_value_is_corrupt_once_and_then_gone)
{
	struct temp_path path = temp_path_new();
	aibrix_store *store = new_store(path.text);
	char text[101];

	store_put(store, "a", "value");
	file_flip(path.text, 4096 + 4096 + 4);
	cr_expect_eq(store_get(store, "a", text, 101).status, AIBRIX_E_CORRUPT);
	cr_expect_eq(store_get(store, "a", text, 101).status,
		     AIBRIX_E_NOT_FOUND);
	cr_expect_eq(store_stat(store).dropped, 1);
	cr_expect_eq(store_stat(store).errors, 1);
	cr_expect_eq(store_put(store, "a", "again").flags, 0);
	store_get(store, "a", text, 101);
	cr_expect_str_eq(text, "again");
	aibrix_store_free(store);
	unlink(path.text);
}

EACH_WAY(who_sums_a_value_is_handed_what_is_there)
{
	struct temp_path path = temp_path_new();
	aibrix_store *store = new_store(path.text);
	char text[101] = "";
	aibrix_iov iov = {text, 100};
	aibrix_io io = io_of(AIBRIX_STORE_GET, "a", &iov, 2);

	io.flags = AIBRIX_IO_SUMMED;
	store_put(store, "a", "value");
	cr_expect_eq(store_do(store, &io).status, AIBRIX_OK);
	cr_expect_str_eq(text, "value");
	file_flip(path.text, 4096 + 4096 + 4);
	cr_expect_eq(store_do(store, &io).status, AIBRIX_OK);
	cr_expect_str_neq(text, "value");
	cr_expect_eq(store_stat(store).dropped, 0, "that is not the store's");
	cr_expect_eq(store_get(store, "a", text, 101).status, AIBRIX_E_CORRUPT);
	aibrix_store_free(store);
	unlink(path.text);
}

EACH_WAY(a_head_that_changes_under_an_open_store_is_noticed)
{
	struct temp_path path = temp_path_new();
	aibrix_store *store = new_store(path.text);
	char text[101];

	store_put(store, "a", "value");
	file_flip(path.text, 4096 + 40);
	cr_expect_eq(store_get(store, "a", text, 101).status, AIBRIX_E_CORRUPT);
	store_put(store, "a", "value");
	cr_assert_eq(truncate(path.text, 4096 + 100), 0);
	cr_expect_eq(store_get(store, "a", text, 101).status, AIBRIX_E_CORRUPT);
	aibrix_store_free(store);
	unlink(path.text);
}

EACH_WAY(a_half_written_slot_is_dropped_and_counted)
{
	struct temp_path path = temp_path_new();
	aibrix_store *store = new_store(path.text);

	store_put(store, "a", "value");
	aibrix_store_free(store);
	file_poke(path.text, 4096, "SLTW", 4);
	store = new_store(path.text);
	cr_expect_eq(store_stat(store).dropped, 1);
	cr_expect_eq(store_stat(store).recovered, 0);
	aibrix_store_free(store);
	unlink(path.text);
}

/* A head that says what it is told to, with a right CRC. */
static void
head_forge(const char *path, uint32_t slot, struct slot_head head)
{
	static const uint8_t zeros[VALUE];
	uint8_t bytes[SLOT_HEAD];

	if (!head.checksum && head.bytes <= VALUE)
		head.checksum = aibrix__xxh3_64(zeros, head.bytes, 0);

	aibrix__slot_encode(0, &head, bytes);
	file_poke(path, 4096 + STRIDE * (uint64_t)slot, bytes, SLOT_HEAD);
}

EACH_WAY(heads_that_lie_with_a_right_checksum_are_dropped)
{
	struct slot_head good = {
		.sequence = 1, .bytes = 1, .key_bytes = 1, .key = "a"};
	struct slot_head bad[5] = {good, good, good, good, good};
	struct temp_path path = temp_path_new();

	bad[0].sequence = 0;
	bad[1].bytes = UINT64_MAX;
	bad[2].bytes = VALUE + 1;
	bad[3].slot = 1;
	bad[4].key_bytes = 0;
	for (size_t i = 0; i < 5; i++) {
		aibrix_store_free(new_store(path.text));
		head_forge(path.text, 0, bad[i]);
		aibrix_store *store = new_store(path.text);

		cr_expect_eq(store_stat(store).dropped, 1, "bad[%zu]", i);
		cr_expect_eq(store_stat(store).recovered, 0);
		aibrix_store_free(store);
	}
	unlink(path.text);
}

/* What a slot swapped or restored behind the store's back would say: all is
 * right with it but whose it is. */
EACH_WAY(a_good_value_of_another_key_is_not_delivered)
{
	struct slot_head other[2] = {
		{.sequence = 1, .bytes = 5, .key_bytes = 1, .key = "b"},
		{.sequence = 1, .bytes = 5, .key_bytes = 2, .key = "a"}};
	struct temp_path path = temp_path_new();
	aibrix_store *store = new_store(path.text);
	char text[101];

	for (size_t i = 0; i < 2; i++) {
		cr_assert_eq(store_put(store, "a", "value").status, AIBRIX_OK);
		other[i].checksum = aibrix__xxh3_64("value", 5, 0);
		head_forge(path.text, 0, other[i]);
		cr_expect_eq(store_get(store, "a", text, 101).status,
			     AIBRIX_E_CORRUPT, "other[%zu]", i);
		cr_expect_eq(store_stat(store).dropped, i + 1);
	}
	aibrix_store_free(store);
	unlink(path.text);
}

EACH_WAY(of_two_slots_with_one_key_the_later_write_counts)
{
	struct slot_head head = {
		.sequence = 9, .bytes = 1, .key_bytes = 1, .key = "a"};
	struct temp_path path = temp_path_new();
	aibrix_store *store;

	for (uint32_t later = 0; later < 2; later++) {
		aibrix_store_free(new_store(path.text));
		head.slot = later;
		head.sequence = 9;
		head.bytes = 1;
		head_forge(path.text, later, head);
		head.slot = !later;
		head.sequence = 8;
		head.bytes = 2;
		head_forge(path.text, !later, head);
		store = new_store(path.text);
		cr_expect_eq(store_stat(store).recovered, 1);
		cr_expect_eq(store_stat(store).dropped, 1);
		cr_expect_eq(store_ask(store, AIBRIX_STORE_PROBE, "a").bytes,
			     1);
		cr_expect_eq(store_put(store, "b", "x").status, AIBRIX_OK);
		cr_expect_eq(store_put(store, "c", "x").status, AIBRIX_OK);
		cr_expect_eq(store_put(store, "d", "x").status, AIBRIX_OK);
		cr_expect_eq(store_stat(store).values, 4);
		cr_expect_eq(store_stat(store).evictions, 0);
		aibrix_store_free(store);
		unlink(path.text);
	}
}

EACH_WAY(one_store_at_a_time)
{
	struct temp_path path = temp_path_new();
	aibrix_store *store = new_store(path.text);

	cr_expect_eq(open_status(path.text), AIBRIX_E_BUSY);
	aibrix_store_free(store);
	cr_expect_eq(open_status(path.text), AIBRIX_OK);
	unlink(path.text);
}

EACH_WAY(free_in_a_child_leaves_the_parents_lock_and_values)
{
	struct temp_path path = temp_path_new();
	aibrix_store *store = new_store(path.text);
	char text[101];
	pid_t child;

	store_put(store, "a", "value");
	child = fork();
	if (child == 0) {
		aibrix_store_free(store);
		_exit(0);
	}
	cr_assert_eq(waitpid(child, NULL, 0), child);
	cr_expect_eq(open_status(path.text), AIBRIX_E_BUSY);
	cr_expect_eq(store_get(store, "a", text, 101).status, AIBRIX_OK);
	aibrix_store_free(store);
	unlink(path.text);
}

EACH_WAY(foreign_damaged_and_short_files_are_refused_and_left_alone)
{
	static const char text[] = "not a slot file, but somebody's thesis\n";
	struct temp_path path = temp_path_new();
	struct stat st;

	new_foreign(path.text, text);
	cr_expect_eq(open_status(path.text), AIBRIX_E_CORRUPT);
	cr_assert_eq(stat(path.text, &st), 0);
	cr_expect_eq(st.st_size, sizeof(text) - 1);
	cr_expect_eq(file_peek(path.text, 0), 'n');
	new_foreign(path.text, "");
	cr_expect_eq(open_status(path.text), AIBRIX_E_CORRUPT);
	unlink(path.text);

	aibrix_store_free(new_store(path.text));
	for (uint64_t at = 0; at < SUPER_BYTES; at += 5) {
		file_flip(path.text, at);
		cr_assert_eq(open_status(path.text), AIBRIX_E_CORRUPT);
		file_flip(path.text, at);
	}
	cr_expect_eq(open_status(path.text), AIBRIX_OK);
	cr_assert_eq(truncate(path.text, 4096 + SLOTS * STRIDE - 1), 0);
	cr_expect_eq(open_status(path.text), AIBRIX_E_CORRUPT);
	unlink(path.text);
}

EACH_WAY(other_sizes_are_another_state)
{
	struct temp_path path = temp_path_new();
	aibrix_store_opts opts = opts_of(path.text);
	aibrix_store *store = NULL;

	aibrix_store_free(new_store(path.text));
	opts.value_bytes = VALUE / 2;
	cr_expect_eq(aibrix_store_open(&opts, &store), AIBRIX_E_STATE);
	opts = opts_of(path.text);
	opts.capacity_bytes *= 2;
	cr_expect_eq(aibrix_store_open(&opts, &store), AIBRIX_E_STATE);
	unlink(path.text);
}

EACH_WAY(paths_that_cannot_be_slot_files_are_refused)
{
	struct temp_path path = temp_path_new();
	struct temp_path target = temp_path_new();
	char longest[5000];

	cr_expect_eq(open_status(NULL), AIBRIX_E_INVAL);
	cr_expect_eq(open_status(""), AIBRIX_E_INVAL);
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	cr_expect_eq(open_status(longest), AIBRIX_E_INVAL);
	cr_expect_eq(open_status("/dev/null/file"), AIBRIX_E_IO);
	cr_expect_eq(open_status("/nowhere/at/all"), AIBRIX_E_IO);
	cr_expect_eq(open_status("/dev/null"), AIBRIX_E_CORRUPT);
	cr_expect_eq(open_status("/"), AIBRIX_E_CORRUPT);
	cr_assert_eq(symlink(target.text, path.text), 0);
	cr_expect_eq(open_status(path.text), AIBRIX_E_DENIED);
	unlink(path.text);
}

struct lines {
	uint32_t n, code;
	char last[512];
};

static void
keep_line(void *ctx, uint32_t level, uint32_t code, const char *text)
{
	struct lines *lines = ctx;

	(void)level;
	lines->n++;
	lines->code = code;
	snprintf(lines->last, sizeof(lines->last), "%s", text);
}

EACH_WAY(a_refusal_is_logged_with_path_and_reason_and_without_keys)
{
	struct lines lines = {0};
	aibrix_log log = {sizeof(log), AIBRIX_LOG_DEBUG, &lines, keep_line};
	struct temp_path path = temp_path_new();
	aibrix_store_opts opts = opts_of(path.text);
	aibrix_store *store = NULL;
	char text[101];

	if (!aibrix_has(AIBRIX_FEATURE_LOGGING))
		return;
	opts.log = &log;
	new_foreign(path.text, "text");
	cr_expect_eq(aibrix_store_open(&opts, &store), AIBRIX_E_CORRUPT);
	cr_expect_eq(lines.n, 1);
	cr_expect_eq(lines.code, 104);
	cr_expect_not_null(strstr(lines.last, path.text));
	cr_expect_not_null(strstr(lines.last, "not a slot file"));
	unlink(path.text);

	cr_assert_eq(aibrix_store_open(&opts, &store), AIBRIX_OK);
	store_put(store, "secret", "value");
	file_flip(path.text, 4096 + 4096);
	store_get(store, "secret", text, 101);
	cr_expect_eq(lines.code, 101);
	cr_expect_null(strstr(lines.last, "secret"));
	aibrix_store_free(store);
	unlink(path.text);
}

EACH_WAY(the_last_sequence_number_is_not_passed)
{
	struct slot_head head = {
		.sequence = UINT64_MAX, .key_bytes = 1, .key = "a"};
	struct temp_path path = temp_path_new();
	aibrix_store *store;

	aibrix_store_free(new_store(path.text));
	head_forge(path.text, 0, head);
	store = new_store(path.text);
	cr_expect_eq(store_put(store, "b", "x").status, AIBRIX_OK);
	aibrix_store_free(store);
	store = new_store(path.text);
	cr_expect_eq(store_stat(store).recovered, 2);
	aibrix_store_free(store);
	unlink(path.text);
}

/* Run in a child whose files may not grow beyond limit. */
static int
in_child(uint64_t limit, int (*run)(const char *path), const char *path)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		struct rlimit r = {limit, limit};

		signal(SIGXFSZ, SIG_IGN);
		if (limit && setrlimit(RLIMIT_FSIZE, &r))
			_exit(99);
		_exit(run(path));
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int
child_open(const char *path)
{
	return -open_status(path);
}

EACH_WAY(a_disk_without_room_is_told_when_the_file_is_made)
{
	struct temp_path path = temp_path_new();
	char left[300];

	cr_expect_eq(in_child(10000, child_open, path.text), -AIBRIX_E_FULL);
	cr_expect_neq(access(path.text, F_OK), 0);
	snprintf(left, sizeof(left), "%s.aibrix-new", path.text);
	cr_expect_neq(access(left, F_OK), 0, "nothing is left behind");
}

/* Slot 1's value crosses the limit: a short write, then none. */
static int
child_put(const char *path)
{
	aibrix_store_opts opts = opts_of(path);
	aibrix_store *store;
	aibrix_done done;
	char text[101];

	if (aibrix_store_open(&opts, &store))
		return 1;
	memset(text, 'x', 100);
	text[100] = '\0';
	if (store_put(store, "a", text).status != AIBRIX_OK)
		return 2;
	done = store_put(store, "b", text);
	if (done.status != AIBRIX_E_FULL || done.os_error != EFBIG)
		return 3;
	if (store_get(store, "a", text, 101).status != AIBRIX_OK)
		return 4;
	if (store_get(store, "b", text, 101).status != AIBRIX_E_NOT_FOUND)
		return 5;
	aibrix_store_free(store);
	return 0;
}

EACH_WAY(a_write_that_stops_half_way_is_full_and_never_a_value)
{
	struct temp_path path = temp_path_new();
	aibrix_store *store;
	char text[101];

	aibrix_store_free(new_store(path.text));
	cr_expect_eq(in_child(4096 + STRIDE + 4096, child_put, path.text), 0);
	store = new_store(path.text);
	cr_expect_eq(store_stat(store).recovered, 1);
	cr_expect_eq(store_stat(store).dropped, 0, "the writer cleared it");
	cr_expect_eq(store_get(store, "a", text, 101).status, AIBRIX_OK);
	aibrix_store_free(store);
	unlink(path.text);
}

/* The damaged value's slot lies beyond the limit: it cannot be emptied. */
static int
child_read_damaged(const char *path)
{
	struct rlimit limit = {4096 + STRIDE, 4096 + STRIDE};
	aibrix_store_opts opts = opts_of(path);
	aibrix_store *store;
	char text[101];

	if (aibrix_store_open(&opts, &store))
		return 1;
	file_flip(path, 4096 + STRIDE + 4096 + 4);
	if (setrlimit(RLIMIT_FSIZE, &limit))
		return 5;
	if (store_get(store, "b", text, 101).status != AIBRIX_E_CORRUPT)
		return 2;
	if (store_get(store, "b", text, 101).status != AIBRIX_E_NOT_FOUND)
		return 3;
	if (store_stat(store).dropped != 1 || store_stat(store).values != 1)
		return 4;
	aibrix_store_free(store);
	return 0;
}

EACH_WAY(a_damaged_slot_that_cannot_be_emptied_is_dropped_and_counted)
{
	struct temp_path path = temp_path_new();
	aibrix_store *store = new_store(path.text);

	store_put(store, "a", "value");
	store_put(store, "b", "value");
	aibrix_store_free(store);
	cr_expect_eq(in_child(0, child_read_damaged, path.text), 0);
	unlink(path.text);
}

EACH_WAY(what_a_creator_left_behind_is_cleared_away)
{
	struct temp_path path = temp_path_new();
	char left[300];

	snprintf(left, sizeof(left), "%s.aibrix-new", path.text);
	new_foreign(left, "half a file");
	cr_expect_eq(open_status(path.text), AIBRIX_OK);
	cr_expect_neq(access(left, F_OK), 0);
	unlink(path.text);
}

EACH_WAY(a_creator_at_work_is_not_disturbed)
{
	struct temp_path path = temp_path_new();
	char left[300];
	int fd;

	snprintf(left, sizeof(left), "%s.aibrix-new", path.text);
	new_foreign(left, "half a file");
	fd = open(left, O_RDWR);
	cr_assert_geq(fd, 0);
	cr_assert_eq(flock(fd, LOCK_EX), 0);
	cr_expect_eq(open_status(path.text), AIBRIX_E_BUSY);
	cr_expect_eq(access(left, F_OK), 0);
	close(fd);
	unlink(left);
}

enum { KILL_VALUE = 20000, KILL_SLOTS = 6 };

/* Any value can be told from its key. */
static void
value_of(uint32_t key, uint8_t bytes[KILL_VALUE])
{
	uint64_t state = key;

	for (uint32_t i = 0; i < KILL_VALUE; i += 4) {
		uint32_t x = (uint32_t)rand_next(&state);

		memcpy(bytes + i, &x, 4);
	}
}

static aibrix_store_opts
kill_opts(const char *path)
{
	aibrix_store_opts opts = opts_of(path);

	opts.value_bytes = KILL_VALUE;
	opts.capacity_bytes = KILL_VALUE * KILL_SLOTS;
	return opts;
}

/* Write for ever; each value in two pieces, so that one write takes long. */
static void
child_write(const char *path, uint32_t first, int tell)
{
	static uint8_t bytes[KILL_VALUE];
	aibrix_store_opts opts = kill_opts(path);
	aibrix_store *store;

	if (aibrix_store_open(&opts, &store))
		_exit(1);
	for (uint32_t key = first;; key++) {
		aibrix_iov iov[2] = {{bytes, 7777},
				     {bytes + 7777, KILL_VALUE - 7777}};
		aibrix_io io = {.key = &key,
				.key_bytes = sizeof(key),
				.op = AIBRIX_STORE_PUT,
				.iov = iov,
				.n_iov = 2};

		value_of(key, bytes);
		if (store_do(store, &io).status)
			_exit(2);
		if (write(tell, &key, sizeof(key)) != sizeof(key))
			_exit(3);
	}
}

/* Every key up to last that is there has its own bytes; how many are. */
static uint32_t
values_check(const char *path, uint32_t last)
{
	static uint8_t want[KILL_VALUE], got[KILL_VALUE];
	aibrix_store_opts opts = kill_opts(path);
	aibrix_store *store = NULL;
	uint32_t found = 0;

	cr_assert_eq(aibrix_store_open(&opts, &store), AIBRIX_OK);
	for (uint32_t key = 0; key <= last; key++) {
		aibrix_iov iov = {got, KILL_VALUE};
		aibrix_io io = {.key = &key,
				.key_bytes = sizeof(key),
				.op = AIBRIX_STORE_GET,
				.iov = &iov,
				.n_iov = 1};
		int status = store_do(store, &io).status;

		if (status == AIBRIX_E_NOT_FOUND)
			continue;
		cr_assert_eq(status, AIBRIX_OK);
		value_of(key, want);
		cr_assert_eq(memcmp(got, want, KILL_VALUE), 0);
		found++;
	}
	cr_assert_eq(store_stat(store).recovered, found);
	cr_assert_leq(store_stat(store).dropped, 1);
	aibrix_store_free(store);
	return found;
}

/* The child is killed when it has told of some puts, wherever it is then. */
static uint32_t
kill_after(const char *path, uint32_t first, uint32_t puts)
{
	uint32_t key = first;
	int pipe_fd[2];
	pid_t child;

	cr_assert_eq(pipe(pipe_fd), 0);
	child = fork();
	if (child == 0)
		child_write(path, first, pipe_fd[1]);
	close(pipe_fd[1]);
	for (uint32_t i = 0; i < puts; i++)
		cr_assert_eq(read(pipe_fd[0], &key, sizeof(key)), sizeof(key));
	kill(child, SIGKILL);
	while (read(pipe_fd[0], &key, sizeof(key)) == sizeof(key))
		;
	close(pipe_fd[0]);
	cr_assert_eq(waitpid(child, NULL, 0), child);
	return key;
}

EACH_WAY(a_killed_writer_leaves_only_whole_values)
{
	struct temp_path path = temp_path_new();
	uint64_t seed = 4;
	uint32_t next = 0;

	for (uint32_t round = 0; round < 20; round++) {
		uint32_t last =
			kill_after(path.text, next, 1 + rand_below(&seed, 30));

		/* One more may be whole that the child could not tell of. */
		cr_assert_geq(values_check(path.text, last + 1),
			      last + 1 < KILL_SLOTS ? last + 1
						    : KILL_SLOTS - 1);
		next = last + 2;
	}
	unlink(path.text);
}
