/*
 * A process that writes many values at once is killed, wherever it is then:
 * afterwards each value that is there is whole, and each that it was told of
 * before is there.
 */

#define _DEFAULT_SOURCE

#include <signal.h>
#include <sys/wait.h>

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include <aibrix/store.h>

#include "base/rand.h"
#include "store_tools.h"

enum {
	VALUE = 2500000, /* three pieces */
	SLOTS = 40,
	DEPTH = 12,
	TOLD = 20 /* DEPTH and these fit beside each other */
};

struct way {
	char name[12];
	uint32_t flags;
};

static struct way ways[] = {
	{"ring", 0},
	{"buffered", AIBRIX_STORE_BUFFERED},
	{"blocking", AIBRIX_STORE_NO_RING},
};

static uint32_t
points(void)
{
	const char *text = getenv("AIBRIX_KILL_POINTS");

	return text ? (uint32_t)strtoul(text, NULL, 10) : 20;
}

static aibrix_store *
store_at(const char *path, uint32_t flags)
{
	aibrix_store_opts opts = {.size = sizeof(opts),
				  .backend = AIBRIX_BACKEND_FILE,
				  .path = path,
				  .flags = flags,
				  .capacity_bytes = (uint64_t)SLOTS * VALUE,
				  .value_bytes = VALUE};
	aibrix_store *store = NULL;

	return aibrix_store_open(&opts, &store) ? NULL : store;
}

/* Any value can be told from its key, and each word of it from its place. */
static void
value_of(uint32_t key, uint64_t *words)
{
	for (uint64_t i = 0; i < VALUE / 8; i++)
		words[i] = (key + 1) * UINT64_C(0x9e3779b97f4a7c15) + i;
}

/*
 * Write DEPTH values at a time, and tell of each that is there; as many as fit
 * beside each other, so that none of them gives way to another however late
 * the signal comes.
 */
static void
child_write(const char *path, uint32_t flags, uint32_t key, int tell)
{
	static uint64_t words[DEPTH][VALUE / 8];
	aibrix_store *store = store_at(path, flags);
	uint32_t keys[DEPTH], n;
	aibrix_iov iov[DEPTH];
	aibrix_done done;
	uint32_t left = DEPTH, slot = 0, last = key + DEPTH + TOLD;

	while (store && key < last) {
		aibrix_io io = {.key = &keys[slot],
				.key_bytes = sizeof(keys[slot]),
				.op = AIBRIX_STORE_PUT,
				.iov = &iov[slot],
				.n_iov = 1,
				.deadline_ns = AIBRIX_FOREVER,
				.tag = slot};

		keys[slot] = key++;
		iov[slot] = (aibrix_iov){words[slot], VALUE};
		value_of(keys[slot], words[slot]);
		if (aibrix_store_submit(store, &io, 1, 0, &n) || n != 1)
			_exit(2);
		if (--left) {
			slot++;
			continue;
		}
		if (aibrix_store_poll(store, &done, 1, 0, STORE_TOOLS_WAIT,
				      &n) ||
		    n != 1 || done.status)
			_exit(3);
		slot = (uint32_t)done.tag;
		left = 1;
		if (write(tell, &keys[slot], sizeof(*keys)) != sizeof(*keys))
			_exit(4);
	}
	while (store)
		pause();
	_exit(1);
}

/* Which keys it told of; the next that nobody has used is returned. */
static uint32_t
kill_after(const char *path, uint32_t flags, uint32_t first, uint32_t puts,
	   uint8_t *told)
{
	uint32_t key;
	int pipe_fd[2];
	pid_t child;

	cr_assert_eq(pipe(pipe_fd), 0);
	child = fork();
	if (child == 0)
		child_write(path, flags, first, pipe_fd[1]);
	close(pipe_fd[1]);
	memset(told, 0, 4 * TOLD);
	for (uint32_t i = 0; i < puts; i++) {
		cr_assert_eq(read(pipe_fd[0], &key, sizeof(key)), sizeof(key));
		told[key - first] = 1;
	}
	kill(child, SIGKILL);
	/* What it told of while the signal was on its way counts too. */
	while (read(pipe_fd[0], &key, sizeof(key)) == sizeof(key))
		told[key - first] = 1;
	close(pipe_fd[0]);
	cr_assert_eq(waitpid(child, NULL, 0), child);
	return first + 4 * TOLD;
}

static void
values_check(const char *path, uint32_t flags, uint32_t first,
	     const uint8_t *told)
{
	static uint64_t want[VALUE / 8], got[VALUE / 8];
	aibrix_store *store = store_at(path, flags);
	uint32_t found = 0;

	cr_assert_not_null(store);
	for (uint32_t i = 0; i < 4 * TOLD; i++) {
		uint32_t key = first + i;
		aibrix_iov iov = {got, VALUE};
		aibrix_io io = {.key = &key,
				.key_bytes = sizeof(key),
				.op = AIBRIX_STORE_GET,
				.iov = &iov,
				.n_iov = 1};
		int status = store_do(store, &io).status;

		if (status == AIBRIX_E_NOT_FOUND) {
			cr_assert(!told[i], "key %u was told of", i);
			continue;
		}
		cr_assert_eq(status, AIBRIX_OK, "what is there is whole: %d",
			     status);
		value_of(key, want);
		cr_assert_eq(memcmp(got, want, VALUE), 0);
		found++;
	}
	cr_assert_leq(found, SLOTS);
	cr_assert_leq(store_stat(store).dropped, DEPTH);
	aibrix_store_free(store);
}

ParameterizedTestParameters(store_kill, a_killed_writer_leaves_whole_values)
{
	return cr_make_param_array(struct way, ways,
				   sizeof(ways) / sizeof(ways[0]));
}

ParameterizedTest(struct way *w, store_kill,
		  a_killed_writer_leaves_whole_values)
{
	struct temp_path path = temp_path_new();
	uint8_t told[4 * TOLD];
	uint64_t seed = 9;
	uint32_t next = 0;

	for (uint32_t i = 0; i < points(); i++) {
		uint32_t puts = 1 + rand_below(&seed, TOLD);
		uint32_t first = next;

		next = kill_after(path.text, w->flags, first, puts, told);
		values_check(path.text, w->flags, first, told);
	}
	unlink(path.text);
}
